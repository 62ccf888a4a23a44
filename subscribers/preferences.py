"""What a person chooses for themselves: lists, choices and pauses on each, name and language.

Whoever holds a link from a newsletter may be somebody it was forwarded to. They may do what can be undone and what
the reader sees: leave, choose, pause. Joining is asked for by mail, as on the sign-up page, unless the link was mailed
on request within the hour, which is the same proof as a confirm mail.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select, update
from sqlmodel import Session

from subscribers import choices
from subscribers.addresses import tidy_name
from subscribers.audience import CONFIRM_MAILS, EVERYWHERE, suppressed_scopes
from subscribers.choices import Choices
from subscribers.columns import table
from subscribers.joining import Send, SignUp, join
from subscribers.leaving import unsubscribe
from subscribers.models import MailingList, Status, Subscriber, Subscription
from subscribers.rows import Proof, insert_missing, move, record

METHOD = "preferences"

_person = table(Subscriber)
_place = table(Subscription)
_list = table(MailingList)
_ON = (Status.PENDING, Status.CONFIRMED)


@dataclass(frozen=True)
class Place:
    """A list on the person's page, and where they stand on it (None: never there)."""

    list_id: str
    title: str
    description: str
    public: bool
    status: Status | None
    choices: Choices
    paused_until: datetime | None  # in the future, else None


@dataclass(frozen=True)
class Reader:
    """A person as their page shows them."""

    id: int
    handle: bytes
    email: str
    name: str
    language: str | None
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Wishes:
    """What a page asks for; what is not in it stays as it is."""

    name: str | None = None
    language: str | None = None  # "": as the newsletter
    join: frozenset[str] = frozenset()
    leave: frozenset[str] = frozenset()
    choices: Mapping[str, Choices] = field(default_factory=dict)  # by list
    pauses: Mapping[str, datetime | None] = field(default_factory=dict)  # by list; None: no pause


@dataclass(frozen=True)
class By:
    """How it was asked for: what goes on record, and whether the link was mailed on request (`fresh`)."""

    ip: str
    form_url: str
    text: str  # the sentence agreed to when joining
    locale: str
    fresh: bool = False
    message_id: str = ""  # of the letter with the fresh link


@dataclass(frozen=True)
class Changed:
    """What came of it: words for what changed besides leaving, and the confirm mail to enqueue."""

    what: tuple[str, ...] = ()  # joined, chosen, paused, resumed, name, language
    left: tuple[str, ...] = ()  # ids of lists
    sends: tuple[Send, ...] = ()


def look(session: Session, handle: bytes, now: datetime, list_id: str | None = None) -> Reader | None:
    """The page of the person with this handle; None if there is nobody. Nothing is changed.

    It shows the public lists, and the private ones the person is on: with `list_id`, which a link from a newsletter
    names, that one alone.
    """
    found = session.execute(select(_person).where(_person.c.handle == handle, _person.c.erasing_at.is_(None)))
    person = found.one_or_none()
    if person is None:
        return None
    on_it = _list.outerjoin(_place, (_place.c.list_id == _list.c.id) & (_place.c.subscriber_id == person.id))
    private = _place.c.status.in_(_ON) if list_id is None else _place.c.status.in_(_ON) & (_list.c.id == list_id)
    rows = session.execute(
        select(_list, _place.c.status, _place.c.choices, _place.c.paused_until)
        .select_from(on_it)
        .where(_list.c.active.is_(True), or_(_list.c.public.is_(True), private))
        .order_by(_list.c.created_at, _list.c.declared_line, _list.c.id)
    )
    places = tuple(_seen(row, now) for row in rows)
    return Reader(person.id, person.handle, person.email, person.name, person.language, places)


def hold(session: Session, handle: bytes) -> bool:
    """Whether there is somebody with this handle; nobody else changes or erases them before the commit."""
    which = _person.c.handle == handle, _person.c.erasing_at.is_(None)
    return session.execute(select(_person.c.id).where(*which).with_for_update()).one_or_none() is not None


def change(
    session: Session,
    handle: bytes,
    wishes: Wishes,
    by: By,
    *,
    key: bytes,
    now: datetime,
    random_bytes: Callable[[int], bytes],
) -> Changed:
    """Do as the person wishes, and write each change down (L-04); a wish that is the case already changes nothing.

    Lists that can't be joined (private, switched off, suppressed) are passed over in silence, as at the sign-up.
    """
    if not hold(session, handle):
        return Changed()
    reader = look(session, handle, now)
    assert reader is not None
    standing = {place.list_id: place for place in reader.places}
    left = [one for one in sorted(wishes.leave) if one in standing and standing[one].status in _ON]
    for list_id in left:
        unsubscribe(session, handle, list_id, method=METHOD, ip=by.ip, now=now)
    what, sends = _join(session, reader, wishes, by, key, now, random_bytes)
    for list_id in {*wishes.choices, *wishes.pauses} & standing.keys():
        what += _choose(session, reader, standing[list_id], wishes, by, now)
    what += _describe(session, reader, wishes, by, now)
    return Changed(tuple(dict.fromkeys(what)), tuple(left), sends)


def _seen(row: Any, now: datetime) -> Place:
    paused = row.paused_until if row.paused_until and row.paused_until > now else None
    status = Status(row.status) if row.status else None
    return Place(row.id, row.title, row.description, row.public, status, choices.read(row.choices or {}), paused)


def _join(
    session: Session,
    reader: Reader,
    wishes: Wishes,
    by: By,
    key: bytes,
    now: datetime,
    random_bytes: Callable[[int], bytes],
) -> tuple[list[str], tuple[Send, ...]]:
    open_ = [place for place in reader.places if place.public or place.status in _ON]
    wanted = [one.list_id for one in open_ if one.list_id in wishes.join and one.status != Status.CONFIRMED]
    if not wanted:
        return [], ()
    if by.fresh:
        return _confirmed(session, reader, wanted, by, now), ()
    sign_up = SignUp(reader.email, tuple(wanted), ip=by.ip, form_url=by.form_url, text=by.text, locale=by.locale)
    joined = join(session, sign_up, key=key, now=now, random_bytes=random_bytes, method=METHOD)
    return ["asked"] if joined.sends else [], joined.sends


def _confirmed(session: Session, reader: Reader, wanted: Sequence[str], by: By, now: datetime) -> list[str]:
    mine = select(_person.c.email_hash, _person.c.domain).where(_person.c.id == reader.id)
    away = suppressed_scopes(session, *session.execute(mine).one()) - {CONFIRM_MAILS}
    joined = []
    for list_id in wanted:
        if away & {EVERYWHERE, list_id}:
            continue
        fresh = Subscription(subscriber_id=reader.id, list_id=list_id, status=Status.PENDING, created_at=now)
        insert_missing(session, Subscription, fresh.model_dump())
        before = (Status.PENDING, Status.UNSUBSCRIBED, Status.DECLINED)
        move(session, reader.id, list_id, before, status=Status.CONFIRMED, confirmed_at=now, left_at=None)
        _record(session, reader, by, now, list_id, "confirmed", by.text)
        joined.append("joined")
    return joined


def _choose(session: Session, reader: Reader, place: Place, wishes: Wishes, by: By, now: datetime) -> list[str]:
    mine = _place.c.subscriber_id == reader.id, _place.c.list_id == place.list_id
    kept = session.execute(select(_place.c.choices, _place.c.paused_until).where(*mine)).one_or_none()
    if kept is None:  # not on the list, and not asked to be
        return []
    what = []
    chosen = wishes.choices.get(place.list_id, place.choices)
    if chosen != place.choices:
        written = choices.written(chosen)
        session.execute(update(_place).where(*mine).values(choices=written))
        _record(session, reader, by, now, place.list_id, "chosen", json.dumps(written, ensure_ascii=False))
        what.append("chosen")
    until = wishes.pauses.get(place.list_id, place.paused_until)
    if until != place.paused_until:
        session.execute(update(_place).where(*mine).values(paused_until=until))
        what.append("paused" if until else "resumed")
        _record(session, reader, by, now, place.list_id, what[-1], until.isoformat() if until else "")
    return what


def _describe(session: Session, reader: Reader, wishes: Wishes, by: By, now: datetime) -> list[str]:
    values: dict[str, Any] = {}
    if wishes.name is not None and tidy_name(wishes.name) != reader.name:
        values["name"] = tidy_name(wishes.name)
    if wishes.language is not None and (wishes.language or None) != reader.language:
        values["language"] = wishes.language or None
    if values:
        session.execute(update(_person).where(_person.c.id == reader.id).values(**values))
        _record(session, reader, by, now, None, "chosen", ", ".join(values))
    return list(values)


def _record(
    session: Session, reader: Reader, by: By, now: datetime, list_id: str | None, action: str, text: str
) -> None:
    line = Proof(reader.id, list_id, action, METHOD, now, reader.email, text, by.form_url, by.locale, by.ip)
    record(session, replace(line, message_id=by.message_id))
