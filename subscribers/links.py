"""Links that people ask for by mail: to all that is kept about them, and to another address of theirs.

A newsletter is forwarded, and its links with it. So what takes data out, erases it or turns the mail to elsewhere
needs a link that was mailed within the hour and is used up by it (S-B10); what it opens is the person's alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, exists, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from subscribers import crowding
from subscribers.addresses import Address, hash_address, normalise
from subscribers.audience import CONFIRM_MAILS, EVERYWHERE, suppressed_scopes
from subscribers.columns import table
from subscribers.errors import BadAddress
from subscribers.leaving import keep_away
from subscribers.models import MailedLink, Status, Subscriber, Subscription, Suppression
from subscribers.rows import Proof, changed, record
from subscribers.tokens import Claim, Purpose

FRESH = timedelta(hours=1)
MOVE_WITHIN = timedelta(hours=24)
MOVES = crowding.MAILS  # to how many addresses one person may ask to have their mail sent

_KINDS = {Purpose.ACCOUNT: "link", Purpose.MOVE: "move"}
_LARGEST_ID = 2**31 - 1
_LONGEST_EMAIL = 320

_link = table(MailedLink)
_person = table(Subscriber)
_place = table(Subscription)


@dataclass(frozen=True)
class Letter:
    """A letter about a person's own affairs, that the caller enqueues in the same transaction."""

    kind: str  # link | move | moved | changed
    number: int  # of the mailed link; of the day for "changed", which goes out once a day
    subscriber_id: int
    language: str | None
    address: str | None = None  # None: the person's own
    list_id: str | None = None  # whose preferences a letter "changed" leads to
    at: datetime | None = None  # not before this instant; None: now


@dataclass(frozen=True)
class Holder:
    """Who holds a mailed link that works now."""

    link_id: int
    subscriber_id: int
    handle: bytes
    email: str
    language: str | None
    email_typed: str  # of a move: where to
    new_email: str


def ask_link(session: Session, typed: str, *, key: bytes, now: datetime) -> Letter | None:
    """The letter with a fresh link that somebody asks for by an address; None, in silence, for who is not known here,
    never said yes to a list (who was signed up by a stranger gets one mail for it, S-B15), is suppressed, once said
    "I did not ask", or had enough of them. BadAddress for text that is no address."""
    address = normalise(typed)
    if _away(session, address, key) & {EVERYWHERE, CONFIRM_MAILS}:
        return None
    was_on_a_list = or_(
        _place.c.status == Status.CONFIRMED, _place.c.confirmed_at.is_not(None), _place.c.left_at.is_not(None)
    )
    known = exists(select(1).where(_place.c.subscriber_id == _person.c.id, was_on_a_list))
    found = _locked(session, (_person.c.email == address.normalised) & known)
    return _ask_link(session, found, now, own=False) if found else None


def ask_link_by_handle(session: Session, handle: bytes, now: datetime) -> Letter | None:
    """The same, asked for on the page that a newsletter leads to: who has it need not be asked whether they asked, and
    waits for no crowd of strangers."""
    found = _locked(session, _person.c.handle == handle)
    if found is None or EVERYWHERE in suppressed_scopes(session, found.email_hash, found.domain):
        return None
    return _ask_link(session, found, now, own=True)


def held(session: Session, claim: Claim, now: datetime, *, lock: bool = False) -> Holder | None:
    """Whose link this is, while it works; looking changes nothing. With `lock`, nobody else uses it meanwhile."""
    kind, number = _KINDS.get(claim.purpose), claim.subject
    if kind is None or not re.fullmatch("[0-9]{1,10}", number) or int(number) > _LARGEST_ID:
        return None
    if lock and _locked(session, _person.c.handle == claim.handle) is None:
        return None
    newer = table(MailedLink).alias("newer")
    newest = select(func.max(newer.c.id)).where(newer.c.subscriber_id == _link.c.subscriber_id, newer.c.kind == kind)
    row = session.execute(
        select(_link, _person.c.handle, _person.c.email.label("present"), _person.c.language)
        .join_from(_link, _person, _person.c.id == _link.c.subscriber_id)
        .where(_link.c.id == int(number), _link.c.kind == kind, _person.c.handle == claim.handle)
        .where(_link.c.used_at.is_(None), _link.c.expires_at > now, _person.c.erasing_at.is_(None))
        .where(_link.c.id == newest.scalar_subquery())
    ).one_or_none()
    if row is None:
        return None
    mine = row.subscriber_id, row.handle, row.present, row.language
    return Holder(row.id, *mine, row.email_typed, row.email)


def spend(session: Session, holder: Holder, now: datetime) -> bool:
    """Use the link up; false if somebody else has."""
    mine = _link.c.id == holder.link_id, _link.c.used_at.is_(None)
    return changed(session, update(_link).where(*mine).values(used_at=now)) == 1


def ask_move(session: Session, holder: Holder, typed: str, *, key: bytes, now: datetime) -> Letter | None:
    """The letter to another address, that asks whether mail shall go there; None, in silence, when that address is
    suppressed, asked for no such mail, or had enough of them. BadAddress for text that is no address, or the same."""
    new = normalise(typed)
    if new.normalised == holder.email:
        raise BadAddress("same", "this is the address that we write to already")
    found = _locked(session, _person.c.id == holder.subscriber_id)
    if found is None or not _may_move(session, found.id, now):
        return None
    # Whoever owns the new address may never have heard of us; and may have it erased at this moment.
    allowed = crowding.may_mail(session, new.normalised, now, question=True)
    if not allowed or _away(session, new, key) & {EVERYWHERE, CONFIRM_MAILS}:
        return None
    more = {"email": new.normalised, "email_typed": typed.strip()[:_LONGEST_EMAIL]}
    return _ask(session, found, "move", now, crowding.turn(session, new.domain, now), **more)


def move(
    session: Session, holder: Holder, *, key: bytes, now: datetime, ip: str = "", message_id: str = ""
) -> Letter | None:
    """The button in the letter to the new address was pressed: the person has that address from now on; the letter
    tells the old one.

    What was agreed to before stays on record as it was; suppressions of the old address hold for the new one, too
    (who complained there is not mailed here). None when that address is a subscriber's already, or was suppressed
    since. `message_id` is the letter's, for the proof.
    """
    new = normalise(holder.new_email)
    away = _away(session, new, key)
    taken = session.execute(select(_person.c.id).where(_person.c.email == new.normalised)).first()
    new_hash = hash_address(key, new.normalised)
    old_hash = hash_address(key, holder.email)
    if taken or EVERYWHERE in away or not _readdress(session, holder, new, new_hash, now):
        return None
    suppression = table(Suppression)
    for row in session.execute(select(suppression).where(suppression.c.hash == old_hash)).all():
        keep_away(session, new_hash, row.scope, row.reason, now)
    record(
        session,
        Proof(holder.subscriber_id, None, "moved", "page", now, holder.email_typed, ip=ip, message_id=message_id),
    )
    return Letter("moved", holder.link_id, holder.subscriber_id, holder.language, address=holder.email)


def _away(session: Session, address: Address, key: bytes) -> set[str]:
    return suppressed_scopes(session, hash_address(key, address.normalised), address.domain)


def _locked(session: Session, which: Any) -> Row[Any] | None:
    rows = select(_person.c.id, _person.c.email, _person.c.email_hash, _person.c.domain, _person.c.language).where(
        which, _person.c.erasing_at.is_(None)
    )
    return session.execute(rows.with_for_update()).one_or_none()


def _ask_link(session: Session, person: Row[Any], now: datetime, *, own: bool) -> Letter | None:
    caps = crowding.OWN if own else crowding.MAILS
    if not crowding.may_mail(session, person.email, now, question=False, caps=caps):
        return None
    return _ask(session, person, "link", now, now if own else crowding.turn(session, person.domain, now))


def _ask(
    session: Session, person: Row[Any], kind: str, now: datetime, at: datetime | None, **more: Any
) -> Letter | None:
    if at is None:
        return None
    ends = at + (FRESH if kind == "link" else MOVE_WITHIN)
    asked = MailedLink(subscriber_id=person.id, kind=kind, created_at=now, expires_at=ends, **more)
    session.add(asked)
    session.flush()
    assert asked.id is not None
    return Letter(kind, asked.id, person.id, person.language, address=asked.email or None, at=at)


def _may_move(session: Session, subscriber_id: int, now: datetime) -> bool:
    mine = _link.c.subscriber_id == subscriber_id, _link.c.kind == "move"
    asked = session.execute(select(_link.c.created_at).where(*mine)).scalars().all()
    return crowding.fit(asked, MOVES, now)


def _readdress(session: Session, holder: Holder, new: Address, new_hash: str, now: datetime) -> bool:
    """Use the link up and give the person the new address; false if somebody has either meanwhile."""
    values = {"email": new.normalised, "email_hash": new_hash, "domain": new.domain}
    try:
        with session.begin_nested():
            if not spend(session, holder, now):
                return False
            session.execute(update(_person).where(_person.c.id == holder.subscriber_id).values(**values))
    except IntegrityError:  # who signed up with it at this moment was quicker
        return False
    return True
