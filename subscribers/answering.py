"""Answering a confirm mail: yes, that was me; or no, I did not ask.

Both are buttons on a page, never a link alone (H-08), and both say the same whether pressed once or a thousand times.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import and_, exists, func, select, update
from sqlmodel import Session

from subscribers.audience import CONFIRM_MAILS, EVERYWHERE, suppressed_scopes
from subscribers.columns import table
from subscribers.leaving import keep_away
from subscribers.models import Confirmation, Consent, Status, Subscriber, Subscription
from subscribers.rows import Proof, move, record
from subscribers.tokens import Claim, Purpose

_LARGEST_ID = 2**31 - 1


class Outcome(StrEnum):
    """What came of pressing a button in a confirm mail."""

    DONE = "done"  # now, or by an earlier press of the same button
    STALE = "stale"  # expired, replaced by a later mail, already answered otherwise, or never ours


@dataclass(frozen=True)
class Answer:
    """An outcome and the lists it is about (none when stale)."""

    outcome: Outcome
    list_ids: tuple[str, ...] = ()


STALE = Answer(Outcome.STALE)


def confirm(session: Session, claim: Claim, *, ip: str = "", now: datetime, message_id: str = "") -> Answer:
    """The button of a confirm mail was pressed: confirm the subscriptions that mail was about.

    Only the latest mail of a subscription works, for CONFIRM_WITHIN, once; pressing the same button again is as
    well (S-B11), until the person leaves. `message_id` is the mail's, for the proof.
    """
    asked = _claimed(session, claim, Purpose.CONFIRM)
    if asked is None:
        return STALE
    away = suppressed_scopes(session, asked.email_hash, asked.email.rpartition("@")[2])
    if EVERYWHERE in away:
        return STALE
    standing = [request for request in asked.requests if request.stands and request.list_id not in away]
    for request in standing:
        works = request.status == Status.PENDING and request.used_at is None and now < request.expires_at
        if works and _settle(session, asked, request, Status.CONFIRMED, now):
            proof = Proof(asked.subscriber_id, request.list_id, "confirmed", "page", now, asked.email, ip=ip)
            record(session, replace(proof, message_id=message_id))
            request.status = Status.CONFIRMED
    confirmed = tuple(request.list_id for request in standing if request.status == Status.CONFIRMED)
    return Answer(Outcome.DONE, confirmed) if confirmed else STALE


def decline(session: Session, claim: Claim, *, now: datetime, ip: str = "", method: str = "page") -> Answer:
    """ "I did not ask": what is pending of that mail is off, and the address gets no confirm mail ever again (S-B16).

    Works at any time, on old mails too, and never ends a subscription that the person confirmed; one that only an
    administrator did is over. `method` is page, one-click (H-13) or mail. Says DONE whenever the claim is ours, once
    or a thousand times.
    """
    asked = _claimed(session, claim, Purpose.DECLINE)
    if asked is None:
        return STALE
    lists = tuple(request.list_id for request in asked.requests)
    mine = next(request for request in asked.requests if request.id == asked.confirmation_id)
    if mine.used_at is not None or (mine.status == Status.CONFIRMED and mine.agreed):
        return Answer(Outcome.DONE, lists)
    for request in asked.requests:
        if request.used_at is None and _settle(session, asked, request, Status.DECLINED, now):
            record(session, Proof(asked.subscriber_id, request.list_id, "declined", method, now, asked.email, ip=ip))
    keep_away(session, asked.email_hash, CONFIRM_MAILS, "did not ask", now)
    return Answer(Outcome.DONE, lists)


def lists_asked(session: Session, claim: Claim) -> tuple[str, ...]:
    """The lists that the confirm mail of this claim was about, for the page with the button; changes nothing."""
    asked = _claimed(session, claim, claim.purpose, lock=False)
    return tuple(request.list_id for request in asked.requests) if asked else ()


@dataclass
class _Request:
    """A row of Confirmation with what has become of it."""

    id: int
    list_id: str
    expires_at: datetime
    used_at: datetime | None
    declined_at: datetime | None
    status: str
    newest_id: int
    agreed: bool  # the person said yes to this list, once

    @property
    def stands(self) -> bool:
        return self.id == self.newest_id and self.declined_at is None


@dataclass(frozen=True)
class _Asked:
    """A confirm mail that somebody answers: whose it was, and the requests that went out with it."""

    confirmation_id: int
    subscriber_id: int
    email: str
    email_hash: str
    requests: tuple[_Request, ...]


def _claimed(session: Session, claim: Claim, purpose: Purpose, *, lock: bool = True) -> _Asked | None:
    number = claim.subject
    if claim.purpose is not purpose or not re.fullmatch("[0-9]{1,10}", number) or int(number) > _LARGEST_ID:
        return None
    request, person = table(Confirmation), table(Subscriber)
    rows = (
        select(request.c.id, request.c.created_at, person.c.id.label("person"), person.c.email, person.c.email_hash)
        .join_from(request, person, person.c.id == request.c.subscriber_id)
        .where(request.c.id == int(number), person.c.handle == claim.handle, person.c.erasing_at.is_(None))
    )
    found = session.execute(rows.with_for_update(of=person) if lock else rows).one_or_none()
    if found is None:
        return None
    requests = _requests(session, found.person, found.created_at)
    return _Asked(found.id, found.person, found.email, found.email_hash, requests)


def _requests(session: Session, subscriber_id: int, created_at: datetime) -> tuple[_Request, ...]:
    request, place, proof = table(Confirmation), table(Subscription), table(Consent)
    newer = table(Confirmation).alias("newer")
    newest = (
        select(func.max(newer.c.id))
        .where(newer.c.subscriber_id == request.c.subscriber_id, newer.c.list_id == request.c.list_id)
        .scalar_subquery()
    )
    said = proof.c.subscriber_id == request.c.subscriber_id, proof.c.list_id == request.c.list_id
    agreed = exists(select(1).where(*said, proof.c.action == "confirmed")).label("agreed")
    columns = request.c.id, request.c.list_id, request.c.expires_at, request.c.used_at, request.c.declined_at
    on_list = place.c.subscriber_id == request.c.subscriber_id, place.c.list_id == request.c.list_id
    rows = session.execute(
        select(*columns, place.c.status, newest.label("newest_id"), agreed)
        .join_from(request, place, and_(*on_list))
        .where(request.c.subscriber_id == subscriber_id, request.c.created_at == created_at)
        .order_by(request.c.id)
    )
    return tuple(_Request(**row._mapping) for row in rows)


def _settle(session: Session, asked: _Asked, request: _Request, status: Status, now: datetime) -> bool:
    """Write the answer down; false if the place is not what it was: who left meanwhile is not brought back."""
    row = table(Confirmation)
    if status == Status.CONFIRMED:
        before, answered = [Status.PENDING], {"used_at": now}
        dates: dict[str, Any] = {"confirmed_at": now, "left_at": None}
    else:
        before, answered = [Status.PENDING, *([] if request.agreed else [Status.CONFIRMED])], {"declined_at": now}
        dates = {"left_at": now}
    if not move(session, asked.subscriber_id, request.list_id, before, status=status, **dates):
        return False
    session.execute(update(row).where(row.c.id == request.id).values(**answered))
    return True
