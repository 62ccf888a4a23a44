"""Keeping away: addresses (by keyed hash) and whole domains that nothing is sent to, everywhere or on one list.

A suppression knows no person, so it is there before they come and after they are erased.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, literal, or_, select, update
from sqlmodel import Session

from subscribers import bulk
from subscribers.addresses import hash_address, normalise, normalise_domain
from subscribers.audience import CONFIRM_MAILS, EVERYWHERE
from subscribers.columns import UtcDateTime, table
from subscribers.errors import BadAddress
from subscribers.models import Consent, Status, Subscriber, Subscription, Suppression
from subscribers.rows import changed, insert_or_ignore, text_hash

_HASH = re.compile("[0-9a-f]{64}")
_ON_A_LIST = (Status.PENDING, Status.CONFIRMED)


def subject(text: str, *, key: bytes) -> str:
    """What is suppressed by these words: an address becomes its hash, `@example.org` the domain, a hash stays one.

    BadAddress for anything else.
    """
    text = text.strip()
    if text.startswith("@"):
        return f"@{normalise_domain(text[1:])}"
    if _HASH.fullmatch(text.lower()):
        return text.lower()
    return hash_address(key, normalise(text).normalised)


def subjects(lines: Sequence[str], *, key: bytes) -> tuple[dict[str | None, list[str]], list[tuple[int, str]]]:
    """Those of a file by their scope, None where it says none; and the bad lines.

    One a line: of CSV the first cell, with the scope in the column of that name. A first line without any is a header.
    """
    found: dict[str | None, dict[str, None]] = {}
    bad, columns = [], list[str]()
    for number, line in enumerate(lines, 1):
        cells = [cell.strip(" \"'") for cell in re.split(r"[,;\t]", line.strip().lstrip("\ufeff"))]
        if not cells[0]:
            continue
        try:
            scope = cells[columns.index("scope")] if "scope" in columns[: len(cells)] else None
            found.setdefault(scope, {})[subject(cells[0], key=key)] = None
        except BadAddress as error:
            if number > 1 or "@" in cells[0]:
                bad.append((number, str(error)))
            else:
                columns = [cell.casefold() for cell in cells]
    return {scope: list(some) for scope, some in found.items()}, bad


def suppress_all(
    session: Session,
    wanted: Sequence[str],
    *,
    reason: str,
    now: datetime,
    scope: str = EVERYWHERE,
    method: str = "command",
) -> int:
    """Keep these subjects away for ever; how many were not kept away yet. The subscriptions concerned end.

    `scope` is EVERYWHERE, a list's id or CONFIRM_MAILS (which ends none).
    """
    row = table(Suppression)
    before = select(row.c.hash).where(bulk.among(session, row.c.hash, wanted), row.c.scope == scope)
    old = set(session.execute(before).scalars())
    new = [one for one in wanted if one not in old]
    if not new:
        return 0
    concerned = _people(session, new)
    _hold(session, concerned)
    values = [{"hash": one, "scope": scope, "reason": reason, "at": now} for one in new]
    session.execute(insert_or_ignore(session.get_bind().dialect.name, row), values)
    if scope != CONFIRM_MAILS:
        _end(session, concerned, scope, now)
    _record(session, "suppressed", concerned, {"list_id": _list_of(scope), "method": method, "at": now, "text": reason})
    return len(new)


def lift_all(
    session: Session, wanted: Sequence[str], *, now: datetime, scope: str = EVERYWHERE, method: str = "command"
) -> int:
    """Lift suppressions; how many there were. Nobody is subscribed again by it: that takes an own sign-up."""
    row = table(Suppression)
    scopes = [scope, CONFIRM_MAILS] if scope == EVERYWHERE else [scope]
    there = bulk.among(session, row.c.hash, wanted), row.c.scope.in_(scopes)
    lifted = list(session.execute(select(row.c.hash).where(*there).distinct()).scalars())
    if lifted:
        said = {"list_id": _list_of(scope), "method": method, "at": now, "text": ""}
        concerned = _people(session, lifted)
        _hold(session, concerned)
        _record(session, "unsuppressed", concerned, said)
    return changed(session, delete(row).where(*there))


def suppressions(session: Session, *, scope: str | None = None) -> Iterator[dict[str, Any]]:
    """Every suppression (of one scope): subject, scope, reason, at, and the address where we know the person."""
    row, person = table(Suppression), table(Subscriber)
    rows = (
        select(row.c.hash, row.c.scope, row.c.reason, row.c.at, person.c.email)
        .select_from(row.outerjoin(person, person.c.email_hash == row.c.hash))
        .order_by(row.c.at, row.c.hash, row.c.scope)
        .execution_options(yield_per=1_000)
    )
    for found in session.execute(rows if scope is None else rows.where(row.c.scope == scope)):
        yield {
            "subject": found.hash,
            "address": found.email,
            "scope": found.scope,
            "reason": found.reason,
            "at": found.at,
        }


def _people(session: Session, keys: Sequence[str]) -> ColumnElement[bool]:
    person = table(Subscriber)
    hashes = [key for key in keys if not key.startswith("@")]
    domains = [key[1:] for key in keys if key.startswith("@")]
    return or_(
        bulk.among(session, person.c.email_hash, hashes),
        bulk.among(session, person.c.domain, domains),
    )


def _hold(session: Session, concerned: ColumnElement[bool]) -> None:
    """Nobody of them is erased before the commit: who is being erased is waited for, and gone then."""
    person = table(Subscriber)
    held = select(person.c.id).where(concerned).order_by(person.c.id).with_for_update(read=True, key_share=True)
    session.execute(select(func.count()).select_from(held.subquery()))


def _end(session: Session, concerned: ColumnElement[bool], scope: str, now: datetime) -> None:
    person, place = table(Subscriber), table(Subscription)
    theirs = place.c.subscriber_id.in_(select(person.c.id).where(concerned))
    here = [] if scope == EVERYWHERE else [place.c.list_id == scope]
    over = update(place).where(and_(theirs, place.c.status.in_(_ON_A_LIST), *here))
    session.execute(over.values(status=Status.UNSUBSCRIBED, left_at=now))


def _list_of(scope: str) -> str | None:
    return None if scope in (EVERYWHERE, CONFIRM_MAILS) else scope


def _record(session: Session, action: str, concerned: ColumnElement[bool], said: dict[str, Any]) -> None:
    person, proof = table(Subscriber), table(Consent)
    values = {
        **said,
        "action": action,
        "text_hash": text_hash(said["text"]),
        **dict.fromkeys(("form_url", "locale", "ip", "message_id"), ""),
    }
    constants = [literal(value, UtcDateTime if name == "at" else None) for name, value in values.items()]
    rows = select(person.c.id, person.c.email, *constants).where(concerned)
    session.execute(proof.insert().from_select(["subscriber_id", "email_typed", *values], rows))
