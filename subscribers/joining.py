"""Joining: a sign-up becomes a pending subscription and, within the caps, a wish to send a confirm mail.

Nothing is sent here and nothing is said here: `join` gives the caller letters to enqueue in the same transaction,
and whoever signed up sees the same neutral page whatever came out of it. One sign-up is one mail and one button,
however many lists were ticked: the button confirms all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update
from sqlmodel import Session, col

from subscribers import choices, crowding
from subscribers.addresses import Address, hash_address, normalise, tidy_name
from subscribers.answering import Answer, Outcome, confirm, decline
from subscribers.audience import CONFIRM_MAILS, EVERYWHERE, suppressed_scopes
from subscribers.columns import table
from subscribers.errors import NoConsent
from subscribers.models import Confirmation, MailingList, Status, Subscriber, Subscription
from subscribers.rows import Proof, insert_missing, move, record
from subscribers.tokens import HANDLE_BYTES

__all__ = [
    "Answer",
    "Joined",
    "Outcome",
    "Send",
    "SignUp",
    "admit",
    "confirm",
    "decline",
    "join",
]

CONFIRM_WITHIN = timedelta(days=7)

_LONGEST_EMAIL = 320  # characters of what was typed that are kept as proof
_LONGEST_URL = 2_000
_LONGEST_TEXT = 4_000


@dataclass(frozen=True)
class SignUp:
    """What somebody typed into a form, or an administrator into a command."""

    email: str
    list_ids: tuple[str, ...]
    name: str = ""
    language: str | None = None
    ip: str = ""
    form_url: str = ""
    text: str = ""  # the sentence they agreed to
    locale: str = ""  # the language of that sentence
    choices: Mapping[str, choices.Choices] = field(default_factory=dict)  # by list; a list left out keeps what it has


@dataclass(frozen=True)
class Send:
    """A letter that the caller enqueues in the same transaction."""

    kind: str  # "confirm" | "welcome" | "goodbye"
    confirmation_id: int  # of a welcome and a goodbye: the number of the line in the record of consent
    subscriber_id: int
    list_id: str
    also: tuple[str, ...] = ()  # the other lists that the same button confirms
    at: datetime | None = None  # not before this instant; None: now


@dataclass(frozen=True)
class Joined:
    """What a sign-up asks for: no more than one letter, and none that would tell who is known here."""

    sends: tuple[Send, ...] = ()
    crowded: bool = False  # so many ask that this one's mail waits its turn, or is not sent at all: staff should know


def join(
    session: Session,
    sign_up: SignUp,
    *,
    key: bytes,
    now: datetime,
    random_bytes: Callable[[int], bytes],
    method: str = "form",
    private: bool = False,
) -> Joined:
    """Ask for a place on lists: pending until the person answers the confirm mail that `sends` asks for.

    Lists that are unknown, switched off or (without `private`) private are passed over in silence, so are
    suppressed addresses and lists the person is on already (S-B6, S-B9). No mail beyond what the address may get, and
    none of a public form before its turn (`crowding`). BadAddress for text that is no address.
    """
    address = normalise(sign_up.email)
    list_ids = open_lists(session, sign_up.list_ids, private=private)
    away = suppressed_scopes(session, hash_address(key, address.normalised), address.domain)
    if away & {EVERYWHERE, CONFIRM_MAILS}:
        return Joined()
    wanted = [list_id for list_id in list_ids if list_id not in away]
    if not wanted:
        return Joined()
    person = find_or_make(session, address, key=key, now=now, random_bytes=random_bytes)
    if person is None:
        return Joined()
    standing = _standing(session, person)
    wanted = [list_id for list_id in wanted if standing.get(list_id) != Status.CONFIRMED]
    if not wanted:
        return Joined()
    if Status.CONFIRMED not in standing.values():
        _describe(session, person, sign_up)
    allowed = crowding.may_mail(session, address.normalised, now, question=True)
    at = (now if private else crowding.turn(session, address.domain, now)) if allowed else None
    for list_id in wanted:
        asked_anew = _make_pending(session, person, list_id, now, sign_up.choices.get(list_id))
        if asked_anew or at:
            _record_sign_up(session, person, list_id, sign_up, action="asked", method=method, now=now)
    return Joined((_request(session, person, wanted, now, at),) if at else (), crowded=allowed and at != now)


def admit(
    session: Session,
    sign_up: SignUp,
    *,
    key: bytes,
    now: datetime,
    random_bytes: Callable[[int], bytes],
) -> dict[str, str]:
    """Put somebody on lists as confirmed, on the word of an administrator who says in `text` where consent came from.

    What happened per list: new, updated (was pending), unchanged, suppressed, or left: whoever left or declined
    comes back by an own sign-up only. NoConsent without a text; BadAddress; unknown lists are not in the answer.
    """
    if not sign_up.text.strip():
        raise NoConsent("expected --consent with a word on where the consent came from")
    address = normalise(sign_up.email)
    list_ids = open_lists(session, sign_up.list_ids, private=True)
    away = suppressed_scopes(session, hash_address(key, address.normalised), address.domain)
    if away & {EVERYWHERE, CONFIRM_MAILS}:
        return dict.fromkeys(list_ids, "suppressed")
    person = find_or_make(session, address, key=key, now=now, random_bytes=random_bytes)
    if person is None:
        return dict.fromkeys(list_ids, "suppressed")
    if Status.CONFIRMED not in _standing(session, person).values():
        _describe(session, person, sign_up)
    return {
        list_id: "suppressed" if list_id in away else _admit_to(session, person, list_id, sign_up, now)
        for list_id in list_ids
    }


def open_lists(session: Session, list_ids: Iterable[str], *, private: bool) -> list[str]:
    """Those of `list_ids` that can be joined, once each, in the order given."""
    asked = tuple(dict.fromkeys(list_ids))
    rows = select(col(MailingList.id)).where(col(MailingList.id).in_(asked), col(MailingList.active))
    if not private:
        rows = rows.where(col(MailingList.public))
    known = set(session.execute(rows).scalars())
    return [list_id for list_id in asked if list_id in known]


def find_or_make(
    session: Session, address: Address, *, key: bytes, now: datetime, random_bytes: Callable[[int], bytes]
) -> int | None:
    """The id of the person with this address, made if need be; nobody else changes them before the commit.

    None when they were erased, and are kept away, since the caller looked.
    """
    hashed = hash_address(key, address.normalised)
    found = select(col(Subscriber.id)).where(col(Subscriber.email) == address.normalised).with_for_update()
    while True:  # who was there when we came may be erased while we wait for them
        fresh = Subscriber(
            email=address.normalised,
            email_hash=hashed,
            domain=address.domain,
            handle=random_bytes(HANDLE_BYTES),
            created_at=now,
        )
        made = insert_missing(session, Subscriber, fresh.model_dump(exclude={"id"}))
        person = session.execute(found).scalar_one_or_none()
        if person is not None:
            break
    if made and EVERYWHERE in suppressed_scopes(session, hashed, address.domain):
        session.execute(delete(table(Subscriber)).where(col(Subscriber.id) == person))
        return None
    return int(person)


def _request(session: Session, subscriber_id: int, list_ids: Sequence[str], now: datetime, at: datetime) -> Send:
    rows = [
        Confirmation(subscriber_id=subscriber_id, list_id=list_id, created_at=now, expires_at=at + CONFIRM_WITHIN)
        for list_id in list_ids
    ]
    session.add_all(rows)
    session.flush()
    first = rows[0].id
    assert first is not None
    return Send("confirm", first, subscriber_id, list_ids[0], tuple(list_ids[1:]), at)


def _standing(session: Session, subscriber_id: int) -> dict[str, str]:
    row = table(Subscription)
    found = session.execute(select(row.c.list_id, row.c.status).where(row.c.subscriber_id == subscriber_id))
    return {row.list_id: row.status for row in found}


def _describe(session: Session, subscriber_id: int, sign_up: SignUp) -> None:
    """Name and language as told, for somebody on no list yet: a stranger with a form renames no reader."""
    row = table(Subscriber)
    told = {"name": tidy_name(sign_up.name), "language": sign_up.language}
    if values := {key: value for key, value in told.items() if value}:  # what is not told does not undo what was
        session.execute(update(row).where(row.c.id == subscriber_id).values(**values))


def _make_pending(
    session: Session, subscriber_id: int, list_id: str, now: datetime, chosen: choices.Choices | None
) -> bool:
    told = {} if chosen is None else {"choices": choices.written(chosen)}
    fresh = _subscription(subscriber_id, list_id, Status.PENDING, created_at=now, **told)
    if insert_missing(session, Subscription, fresh):
        return True
    if told:
        move(session, subscriber_id, list_id, (Status.PENDING,), **told)
    # left_at stays: that this person left once is forgotten only when they confirm again.
    return move(session, subscriber_id, list_id, (Status.UNSUBSCRIBED, Status.DECLINED), status=Status.PENDING, **told)


def _admit_to(session: Session, subscriber_id: int, list_id: str, sign_up: SignUp, now: datetime) -> str:
    row = table(Subscription)
    fresh = _subscription(subscriber_id, list_id, Status.CONFIRMED, created_at=now, confirmed_at=now)
    if insert_missing(session, Subscription, fresh):
        outcome = "new"
    else:
        mine = row.c.subscriber_id == subscriber_id, row.c.list_id == list_id
        before = session.execute(select(row.c.status, row.c.left_at).where(*mine)).one()
        if before.status == Status.CONFIRMED:
            return "unchanged"
        if before.status != Status.PENDING or before.left_at is not None:
            return "left"
        move(session, subscriber_id, list_id, (Status.PENDING,), status=Status.CONFIRMED, confirmed_at=now)
        outcome = "updated"
    _record_sign_up(session, subscriber_id, list_id, sign_up, action="imported", method="command", now=now)
    return outcome


def _subscription(subscriber_id: int, list_id: str, status: Status, **values: Any) -> dict[str, Any]:
    return Subscription(subscriber_id=subscriber_id, list_id=list_id, status=status, **values).model_dump()


def _record_sign_up(
    session: Session, subscriber_id: int, list_id: str, sign_up: SignUp, *, action: str, method: str, now: datetime
) -> None:
    record(
        session,
        Proof(
            subscriber_id,
            list_id,
            action,
            method,
            now,
            email_typed=sign_up.email[:_LONGEST_EMAIL],
            text=sign_up.text[:_LONGEST_TEXT],
            form_url=sign_up.form_url[:_LONGEST_URL],
            locale=sign_up.locale,
            ip=sign_up.ip,
        ),
    )
