"""What our own exports keep of a person on a list, so that an import gives back what there was. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from subscribers import choices
from subscribers.errors import BadAttributes
from subscribers.models import Status

# The columns of an export that only we write -> what they mean to an import.
COLUMNS = {
    "list": "list",
    "status": "status",
    "known since": "known_since",
    "joined": "joined",
    "confirmed at": "confirmed_at",
    "left at": "left_at",
    "paused until": "paused_until",
    "choices": "choices",
    "suppressions": "suppressions",
    "consent": "consent",
}
PROOF = ("list_id", "action", "method", "at", "email_typed", "text", "form_url", "locale", "ip", "message_id")
_ACTIONS = frozenset(
    {
        *("asked", "confirmed", "imported", "unsubscribed", "declined", "suppressed", "unsuppressed"),
        *("chosen", "paused", "resumed", "moved"),  # on the reader's own page
    }
)
# PostgreSQL stores no NUL and no longer name, and half of a surrogate pair is no letter.
_LIST = re.compile("[^\x00\ud800-\udfff]{0,64}")
_LONGEST = 4_000  # characters of a text in a proof, as a sign-up keeps them


class Kept(NamedTuple):
    """What an export said of somebody on a list."""

    list_id: str  # "" where the file is of one list
    status: str
    known_since: datetime | None
    joined: datetime | None
    confirmed_at: datetime | None
    left_at: datetime | None
    paused_until: datetime | None
    choices: Mapping[str, Any]
    suppressions: tuple[tuple[str, str, datetime | None], ...]  # scope, reason, since
    proofs: tuple[Mapping[str, Any], ...]  # by the names in PROOF

    def speaks_of(self, list_id: str) -> bool:
        """Whether it holds proof of what happened on this very list: consent for one is none for another (L-13)."""
        return any(proof["list_id"] == list_id for proof in self.proofs)


def reader(cells: Mapping[str, Callable[[Sequence[str]], str]]) -> Callable[[Sequence[str]], Kept]:
    """What reads a row, given how each of the meanings in COLUMNS is read; BadAttributes where a cell is no sense."""
    instant = lru_cache(maxsize=4_096)(_instant)  # people of one import share their instants

    def kept_of(row: Sequence[str]) -> Kept:
        said = {meaning: cell(row) for meaning, cell in cells.items()}
        if said["status"] not in list(Status):
            raise BadAttributes(f"expected a status of {', '.join(Status)}, got {said['status'][:40]!r}")
        proofs = [_proof(one, instant) for one in _listed(said["consent"], "consent")]
        away = [_suppression(one, instant) for one in _listed(said["suppressions"], "suppressions")]
        chosen = _json(said["choices"] or "{}", "choices")
        if not isinstance(chosen, dict):
            raise BadAttributes("choices: expected a JSON object")
        return Kept(
            list_id=_list(said["list"]),
            status=said["status"],
            known_since=instant(said["known_since"]),
            joined=instant(said["joined"]),
            confirmed_at=instant(said["confirmed_at"]),
            left_at=instant(said["left_at"]),
            paused_until=instant(said["paused_until"]),
            choices=choices.written(choices.read(chosen)),
            suppressions=tuple(away),
            proofs=tuple(proofs),
        )

    return kept_of


def proof_json(values: Sequence[Any]) -> str:
    """A proof (in the order of PROOF, `at` in ISO 8601) as an export writes it: what is empty is left out."""
    said = {name: value for name, value in zip(PROOF, values, strict=True) if value}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))


def _proof(said: Any, instant: Callable[[str], datetime | None]) -> dict[str, Any]:
    if not isinstance(said, dict) or said.get("action") not in _ACTIONS or not said.get("at"):
        raise BadAttributes("consent: expected objects with an action and an instant")
    texts = {name: str(said.get(name) or "")[:_LONGEST] for name in PROOF}
    return {**texts, "list_id": _list(texts["list_id"]) or None, "at": instant(texts["at"])}


def _suppression(said: Any, instant: Callable[[str], datetime | None]) -> tuple[str, str, datetime | None]:
    if not isinstance(said, dict):
        raise BadAttributes("suppressions: expected objects with a scope")
    return str(said.get("scope", ""))[:64], str(said.get("reason", ""))[:_LONGEST], instant(str(said.get("at") or ""))


def _listed(cell: str, column: str) -> list[Any]:
    value = _json(cell, column) if cell else []
    if not isinstance(value, list):
        raise BadAttributes(f"{column}: expected a JSON list")
    return value


def _list(list_id: str) -> str:
    if not _LIST.fullmatch(list_id):
        raise BadAttributes(f"expected the id of a list, got {list_id[:40]!r}")
    return list_id


def _json(cell: str, column: str) -> Any:
    try:
        value = json.loads(cell)
        # What is not plain may hold a NUL, or half of a surrogate pair, which is no UTF-8.
        said = b"" if cell.isascii() and "\\u" not in cell else json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise BadAttributes(f"{column}: expected JSON") from error
    if b"\\u0000" in said:
        raise BadAttributes(f"{column}: expected text without NUL")
    return value


def _instant(text: str) -> datetime | None:
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise BadAttributes(f"expected an instant in ISO 8601, got {text[:40]!r}") from error
