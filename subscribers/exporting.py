"""Lists out: everybody on a list or on all of them, with all that an import needs to give the same people back."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TextIO

from sqlalchemy import ColumnElement, Select, Text, cast, select, type_coerce
from sqlalchemy.types import NullType
from sqlmodel import Session

from subscribers import bulk
from subscribers.columns import table
from subscribers.formulas import guard
from subscribers.keeping import PROOF, proof_json
from subscribers.models import Consent, Subscriber, Subscription, Suppression, Tag

PAGE = 2_000  # people that are in memory at once

_PERSON = ("email", "name", "language")
_PLACE = ("status", "known since", "joined", "confirmed at", "left at", "paused until")
_MORE = ("choices", "attributes", "tags", "suppressions", "consent")

_OURS = frozenset(_PLACE)  # our own words and instants: nothing in them to be quoted
_PLAIN = re.compile(r"[^\W_][\w .@+'-]*")  # most names and addresses: no formula, and nothing to be quoted
_QUOTED = '"{}"'

# What the caller knows of people besides, by their numbers: text for a cell of its own.
Besides = Callable[[Session, Sequence[int]], Mapping[int, str]]


@dataclass(frozen=True)
class Wanted:
    """Whom an export is of, and how it is written."""

    list_id: str | None = None  # None: every list, a row for each that somebody is or was on
    where: ColumnElement[bool] | None = None  # on the columns of `subscriber`
    kind: str = "csv"  # or jsonl
    guarded: bool = True  # no cell begins a formula; of CSV alone
    besides: Mapping[str, Besides] | None = None  # column -> what stands in it


def export_people(session: Session, out: TextIO, wanted: Wanted) -> int:
    """Write everybody who is or was on the list; the number of rows.

    `import_people` reads it back to the same people, statuses, dates, choices, attributes, tags and proofs.
    """
    besides = wanted.besides or {}
    header = [*_PERSON, *([] if wanted.list_id else ["list"]), *_PLACE, *_MORE, *besides]
    write = _csv(out, header, guarded=wanted.guarded) if wanted.kind == "csv" else _jsonl(out, header)
    count, last = 0, 0
    for page in _pages(session, wanted):
        count += len(page)
        write(_rows(session, page, wanted, last))
        last = page[-1][0]
    return count


def _csv(out: TextIO, header: Sequence[str], *, guarded: bool) -> Callable[[Iterable[Sequence[str]]], None]:
    out.write(",".join(header) + "\r\n")

    def quoted(cell: str) -> str:
        if _PLAIN.fullmatch(cell):
            return cell
        return _QUOTED.format((guard(cell) if guarded else cell).replace('"', '""'))

    told = [place for place, name in enumerate(header) if name not in _OURS and name != "consent"]
    consent = header.index("consent")
    cached = lru_cache(maxsize=4_096)(quoted)  # people of one import have the same proof

    def write(rows: Iterable[Sequence[str]]) -> None:
        lines = []
        for row in rows:
            cells = list(row)
            for place in told:
                if cells[place]:
                    cells[place] = quoted(cells[place])
            cells[consent] = cached(cells[consent])
            lines.append(",".join(cells))
        out.write("\r\n".join([*lines, ""]))

    return write


def _jsonl(out: TextIO, header: Sequence[str]) -> Callable[[Iterable[Sequence[str]]], None]:
    as_json = frozenset(_MORE)

    def write(rows: Iterable[Sequence[str]]) -> None:
        for row in rows:
            said = {
                name: json.loads(cell) if name in as_json and cell else cell
                for name, cell in zip(header, row, strict=True)
            }
            out.write(json.dumps(said, ensure_ascii=False) + "\n")

    return write


def _pages(session: Session, wanted: Wanted) -> Iterator[Sequence[Any]]:
    # One statement, so that all of it is of one instant; in pages it would sort the whole list for each.
    yield from session.execute(_statement(wanted).execution_options(yield_per=PAGE)).partitions()


def _statement(wanted: Wanted) -> Select[Any]:
    person, place = table(Subscriber), table(Subscription)
    raw = (type_coerce(column, NullType()) for column in _dates(person, place))  # as the driver has it
    rows = (
        select(
            person.c.id,
            person.c.email,
            person.c.name,
            person.c.language,
            person.c.email_hash,
            cast(person.c.attributes, Text),
            place.c.list_id,
            place.c.status,
            cast(place.c.choices, Text),
            *raw,
        )
        .join_from(place, person, person.c.id == place.c.subscriber_id)
        .order_by(place.c.subscriber_id, place.c.list_id)
    )
    rows = rows.where(place.c.list_id == wanted.list_id) if wanted.list_id else rows
    return rows if wanted.where is None else rows.where(wanted.where)


def _dates(person: Any, place: Any) -> tuple[Any, ...]:
    return person.c.created_at, place.c.created_at, place.c.confirmed_at, place.c.left_at, place.c.paused_until


def _rows(session: Session, page: Sequence[Any], wanted: Wanted, last: int) -> Iterator[list[str]]:
    """The cells of a page; what is no list's stands in the first row of its person, `last` being the one before."""
    people = {row[0]: row[1] for row in page}
    tags, proofs = _tags(session, [*people]), _proofs(session, people, wanted.list_id)
    away = _away(session, page)
    besides = [told(session, [*people]) for told in (wanted.besides or {}).values()]
    for id_, email, name, language, hashed, attributes, list_id, status, choices, *dates in page:
        mine = (list_id,) if id_ == last else (list_id, None)
        last = id_
        yield [
            email,
            name,
            language or "",
            *(() if wanted.list_id else (list_id,)),
            status,
            *map(iso, dates),
            "" if choices == "{}" else _object(choices),
            "" if attributes == "{}" else _object(attributes),
            _listed(tags[id_]) if id_ in tags else "",
            _listed(away[hashed]) if hashed in away else "",
            "[" + ",".join([proof for of_list, proof in proofs[id_] if of_list in mine]) + "]",
            *(told.get(id_, "") for told in besides),
        ]


@lru_cache(maxsize=4_096)
def _object(text: str) -> str:
    value = json.loads(text)
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")) if value else ""


def _listed(values: Sequence[Any] | None) -> str:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")) if values else ""


@lru_cache(maxsize=4_096)  # people of one import share their instants
def iso(instant: datetime | str | None) -> str:
    """An instant as the driver gave it, in ISO 8601: SQLAlchemy's own way costs more than the rest of the row."""
    if instant is None:
        return ""
    naive = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    return naive.replace(tzinfo=UTC).isoformat()


def _tags(session: Session, people: Sequence[int]) -> dict[int, list[str]]:
    tag = table(Tag)
    found: dict[int, list[str]] = defaultdict(list)
    within = tag.c.subscriber_id.between(people[0], people[-1])
    for id_, name in session.execute(select(tag.c.subscriber_id, tag.c.name).where(within).order_by(tag.c.name)):
        found[id_].append(name)
    return found


def _proofs(
    session: Session, people: Mapping[int, str], list_id: str | None
) -> dict[int, list[tuple[str | None, str]]]:
    """What happened to each person: the list (None: all of them) and the proof as JSON."""
    proof = table(Consent)
    columns = [proof.c[name] for name in PROOF if name not in ("at", "email_typed")]
    rows = select(proof.c.subscriber_id, proof.c.email_typed, type_coerce(proof.c.at, NullType()), *columns)
    rows = rows.where(proof.c.subscriber_id.between(min(people), max(people)))
    if list_id:
        rows = rows.where((proof.c.list_id == list_id) | proof.c.list_id.is_(None))
    found: dict[int, list[tuple[str | None, str]]] = defaultdict(list)
    for id_, typed, at, of_list, *rest in session.execute(rows.order_by(proof.c.subscriber_id, proof.c.id)).all():
        if (email := people.get(id_)) is not None:
            found[id_].append((of_list, _proof("" if typed == email else typed, iso(at), of_list, *rest)))
    return found


@lru_cache(maxsize=4_096)  # people of one import have the same proof
def _proof(typed: str, at: str, *rest: Any) -> str:
    said = dict(zip((name for name in PROOF if name not in ("at", "email_typed")), rest, strict=True))
    said |= {"at": at, "email_typed": typed}
    return proof_json([said[name] for name in PROOF])


def _away(session: Session, page: Sequence[Any]) -> dict[str, list[dict[str, str]]]:
    """By hash, where each of the page is suppressed and why; a list on which nobody is asks for one row alone."""
    row = table(Suppression)
    found: dict[str, list[dict[str, str]]] = defaultdict(list)
    if not session.execute(select(select(row.c.hash).exists())).scalar():
        return found
    hashes = [person[4] for person in page]
    rows = select(row.c.hash, row.c.scope, row.c.reason, type_coerce(row.c.at, NullType()))
    rows = rows.where(bulk.among(session, row.c.hash, hashes))
    for hashed, scope, reason, at in session.execute(rows.order_by(row.c.scope)):
        found[hashed].append({"scope": scope, "reason": reason, "at": iso(at)})
    return found
