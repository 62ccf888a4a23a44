"""Erasing people: nothing of them stays but the keyed hash that keeps their address away. Steps.

The record of consent is append-only: its rows may go only while their person is being erased, which `begin` says and
`end` makes true, in one transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, exists, func, select, update
from sqlmodel import Session

from subscribers import crowding
from subscribers.addresses import hash_address, normalise
from subscribers.audience import EVERYWHERE
from subscribers.columns import table
from subscribers.errors import BadAddress, UnknownPerson
from subscribers.leaving import keep_away
from subscribers.models import Confirmation, Consent, MailedLink, Status, Subscriber, Subscription, Suppression
from subscribers.rows import changed

ERASED = "erased"  # the reason of the suppression that stays

_person = table(Subscriber)
_place = table(Subscription)
_request = table(Confirmation)
_link = table(MailedLink)
_consent = table(Consent)


@dataclass(frozen=True)
class Leaver:
    """Who is being erased, and every address that was theirs, by the record of consent, and is nobody else's now."""

    id: int
    addresses: tuple[str, ...]


def begin(session: Session, normalised: str, now: datetime) -> Leaver:
    """Mark the person as being erased, so that nobody else touches them before the commit; UnknownPerson."""
    which = select(_person.c.id).where(_person.c.email == normalised).with_for_update()
    found = session.execute(which).scalar_one_or_none()
    if found is None:
        raise UnknownPerson(f"nobody has the address {normalised}")
    mark(session, [found], now)
    typed = select(_consent.c.email_typed).where(_consent.c.subscriber_id == found).distinct()
    former = _former(session.execute(typed).scalars())
    taken = session.execute(select(_person.c.email).where(_person.c.email.in_(former))).scalars()  # their own, too
    addresses = (normalised, *sorted(former.difference(taken)))
    crowding.alone(session, addresses)
    return Leaver(found, addresses)


def mark(session: Session, ids: Collection[int], now: datetime) -> None:
    """From here on these people get nothing, and their rows of consent may go."""
    session.execute(update(_person).where(_person.c.id.in_(ids)).values(erasing_at=now))


def end(session: Session, ids: Collection[int]) -> None:
    """Take marked people out of all tables about people; rows elsewhere must not name them any more."""
    for rows in (_consent, _request, _link, _place):
        session.execute(delete(rows).where(rows.c.subscriber_id.in_(ids)))
    session.execute(delete(_person).where(_person.c.id.in_(ids)))


def keep_hashes(session: Session, addresses: Iterable[str], *, key: bytes, now: datetime) -> None:
    """Keep these addresses away from everything; what was written beside earlier suppressions of them goes."""
    row = table(Suppression)
    for address in addresses:
        hashed = hash_address(key, address)
        session.execute(delete(row).where(row.c.hash == hashed))
        keep_away(session, hashed, EVERYWHERE, ERASED, now)


def links_to(session: Session, addresses: Collection[str]) -> list[int]:
    """The numbers of links that others asked to have mailed to these addresses."""
    return list(session.execute(select(_link.c.id).where(_link.c.email.in_(addresses))).scalars())


def drop_links(session: Session, numbers: Collection[int]) -> None:
    """Forget these links."""
    session.execute(delete(_link).where(_link.c.id.in_(numbers)))


def unanswered(session: Session, before: datetime, limit: int) -> list[int]:
    """People who were last asked before that instant and never said yes anywhere, locked: up to `limit` ids."""
    found = select(_person.c.id).where(_never_joined(before)).order_by(_person.c.id).limit(limit)
    locked = session.execute(found.with_for_update(of=_person, skip_locked=True)).scalars().all()
    # Somebody may have said yes while we waited for the lock.
    still = select(_person.c.id).where(_person.c.id.in_(locked), _never_joined(before))
    return list(session.execute(still).scalars())


def drop_unanswered(session: Session, before: datetime, limit: int) -> int:
    """Forget, of people who are on other lists, up to `limit` subscriptions that they never confirmed; how many."""
    old = (
        select(_place.c.subscriber_id, _place.c.list_id)
        .where(_place.c.status == Status.PENDING, _place.c.created_at < before, ~_asked_since(before))
        .where(_place.c.left_at.is_(None))
        .limit(limit)
    )
    count = 0
    for subscriber_id, list_id in session.execute(old).all():
        mine = _place.c.subscriber_id == subscriber_id, _place.c.list_id == list_id
        count += changed(session, delete(_place).where(*mine, _place.c.status == Status.PENDING))
    return count


def drop_requests(session: Session, before: datetime, limit: int) -> int:
    """Forget up to `limit` requests to confirm and mailed links that ended before that instant; how many."""
    count = 0
    for rows in (_request, _link):
        old = select(rows.c.id).where(rows.c.expires_at < before).order_by(rows.c.id).limit(limit - count)
        count += changed(session, delete(rows).where(rows.c.id.in_(list(session.execute(old).scalars()))))
    return count


def how_many_unanswered(session: Session, before: datetime) -> int:
    """How many people `unanswered` would find in all."""
    return int(session.execute(select(func.count()).select_from(_person).where(_never_joined(before))).scalar_one())


def _never_joined(before: datetime) -> ColumnElement[bool]:
    # Whoever left was on a list once: that they did is proof, and stays.
    mine = _place.c.subscriber_id == _person.c.id
    on_a_list = exists(select(1).where(mine, _place.c.status.in_((Status.CONFIRMED, Status.UNSUBSCRIBED))))
    yes = _consent.c.action.in_(("confirmed", "imported"))
    joined = exists(select(1).where(_consent.c.subscriber_id == _person.c.id, yes))
    lately = exists(select(1).where(mine, _place.c.created_at >= before))
    asked = exists(select(1).where(_request.c.subscriber_id == _person.c.id, _request.c.created_at >= before))
    return and_(_person.c.created_at < before, ~on_a_list, ~joined, ~lately, ~asked)


def _asked_since(before: datetime) -> ColumnElement[bool]:
    its = _request.c.subscriber_id == _place.c.subscriber_id, _request.c.list_id == _place.c.list_id
    return exists(select(1).where(*its, _request.c.created_at >= before))


def _former(typed: Iterable[str]) -> set[str]:
    found = set()
    for text in typed:
        try:
            found.add(normalise(text).normalised)
        except BadAddress:  # a file may have held it differently; what was mailed to is the normalised one
            continue
    return found
