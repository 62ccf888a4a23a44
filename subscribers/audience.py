"""Who may be mailed: one SQL rule for issues and one for confirm mails, used by whoever claims a delivery.

The rules are expressions over columns of the statement they stand in, so that permission is looked at in the very
statement that hands a message over: whoever leaves in mid-send gets nothing from then on (H-12).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import starmap
from typing import NamedTuple

from sqlalchemy import ColumnElement, Text, and_, cast, exists, func, literal, or_, select
from sqlmodel import Session

from subscribers.columns import table
from subscribers.models import (
    Confirmation,
    Consent,
    MailedLink,
    MailingList,
    Status,
    Subscriber,
    Subscription,
    Suppression,
)

EVERYWHERE = ""  # scope of a suppression that holds for every list
NO_CHOICES = "{}"  # Subscription.choices, as it is stored, of who has chosen nothing
CONFIRM_MAILS = "@confirm"  # scope of "I did not ask": no confirm mail ever again; no list id has an @

_person = table(Subscriber).alias("person")
_place = table(Subscription).alias("place")
_kept_away = table(Suppression).alias("kept_away")
_request = table(Confirmation).alias("request")
_consent = table(Consent)
_list = table(MailingList)
_mailed = table(MailedLink).alias("mailed")
_newer = table(Confirmation).alias("newer_request")
_choices = cast(_place.c.choices, Text)  # read as JSON it would cost more than the rest of a member


class Member(NamedTuple):
    """Somebody who may get an issue, as much of them as slicing and the choice of a variant need."""

    id: int
    domain: str
    choices: str = NO_CHOICES  # Subscription.choices as it is stored
    language: str | None = None
    within: bool = True  # the segment that was asked about


class Wish(NamedTuple):
    """What so many people of a list have chosen."""

    choices: str  # Subscription.choices as it is stored
    language: str | None
    people: int = 1


def may_receive_issue(
    subscriber_id: ColumnElement[int], list_id: ColumnElement[str], now: datetime | ColumnElement[datetime]
) -> ColumnElement[bool]:
    """True where the person is confirmed on the list and has not paused it, it is not switched off, and they are
    suppressed neither there nor everywhere.

    Give columns of the outer statement: `update(d).where(may_receive_issue(d.c.subscriber_id, d.c.list_id, now))`.
    """
    return exists(
        select(1)
        .select_from(_place.join(_person, _person.c.id == _place.c.subscriber_id))
        .where(_place.c.subscriber_id == subscriber_id, _place.c.list_id == list_id, _wanted(now))
    )


def may_receive_confirm(
    subscriber_id: ColumnElement[int],
    list_id: ColumnElement[str],
    now: datetime | ColumnElement[datetime],
    confirmation_id: ColumnElement[int] | None = None,
) -> ColumnElement[bool]:
    """True where the latest confirm mail of this person for this list would still work, and the person may be asked.

    With `confirmation_id` (the number in the occasion of the delivery), true for that very one only.
    """
    this_one = [] if confirmation_id is None else [_request.c.id == confirmation_id]
    return exists(
        select(1)
        .select_from(
            _request.join(_person, _person.c.id == _request.c.subscriber_id).join(
                _place, and_(_place.c.subscriber_id == _request.c.subscriber_id, _place.c.list_id == _request.c.list_id)
            )
        )
        .where(
            _request.c.subscriber_id == subscriber_id,
            _request.c.list_id == list_id,
            _request.c.used_at.is_(None),
            _request.c.declined_at.is_(None),
            _request.c.expires_at > now,
            _place.c.status == Status.PENDING,
            _person.c.erasing_at.is_(None),
            ~exists(select(1).where(*_same_subject(), _newer.c.id > _request.c.id)),
            ~_suppressed(CONFIRM_MAILS),
            *this_one,
        )
    )


def may_follow_link(
    subscriber_id: ColumnElement[int], link_id: ColumnElement[int], now: datetime | ColumnElement[datetime]
) -> ColumnElement[bool]:
    """True where the letter with this mailed link would still be of use, and the person may be written to."""
    return exists(
        select(1)
        .select_from(_mailed.join(_person, _person.c.id == _mailed.c.subscriber_id))
        .where(_mailed.c.id == link_id, _mailed.c.subscriber_id == subscriber_id)
        .where(_mailed.c.used_at.is_(None), _mailed.c.expires_at > now)
        .where(_person.c.erasing_at.is_(None), ~_suppressed_everywhere())
    )


def may_be_told(subscriber_id: ColumnElement[int]) -> ColumnElement[bool]:
    """True where the person may be told what happened to their own subscription."""
    told = select(1).where(_person.c.id == subscriber_id, _person.c.erasing_at.is_(None), ~_suppressed_everywhere())
    return exists(told.select_from(_person))


def may_receive_goodbye(subscriber_id: ColumnElement[int], list_id: ColumnElement[str]) -> ColumnElement[bool]:
    """True where the person has left the list, is not on it again, and is suppressed neither there nor everywhere."""
    return exists(
        select(1)
        .select_from(_place.join(_person, _person.c.id == _place.c.subscriber_id))
        .where(_place.c.subscriber_id == subscriber_id, _place.c.list_id == list_id)
        .where(_place.c.status == Status.UNSUBSCRIBED, _person.c.erasing_at.is_(None), ~_suppressed())
    )


def last_consent(session: Session) -> int:
    """The number of the latest line in the record of consent, 0 for none: what comes later is beyond it."""
    return session.execute(select(func.max(_consent.c.id))).scalar_one() or 0


def members(
    session: Session,
    list_id: str,
    after: int,
    limit: int,
    *,
    now: datetime,
    consented: int | None = None,
    segment: ColumnElement[bool] | None = None,
) -> list[Member]:
    """Up to `limit` people who may get an issue of the list now, by id, the first one above `after`.

    With `consented`, a `last_consent` of earlier, only those who had confirmed by then and were on the list ever since.
    With `segment`, a condition on `subscriber`, those outside it are among them, and say so: a page is never more work
    than its people, however few of them it is about.
    """
    page = (
        select(_person.c.id, _person.c.domain, _choices.label("choices"), _person.c.language)
        .select_from(_place.join(_person, _person.c.id == _place.c.subscriber_id))
        .where(_place.c.list_id == list_id, _place.c.subscriber_id > after, _wanted(now))
        .where(_person.c.id > after)  # follows, but PostgreSQL would begin at the first person for every page
        .where(*([] if consented is None else [~_confirmed_after(consented)]))
        .order_by(_place.c.subscriber_id)
        .limit(limit)
    )
    if segment is not None:
        # Around the page, not in it: in it PostgreSQL would look for the whole list's answers before it takes a page.
        found = page.subquery("page")
        page = select(found, _within(found.c.id, segment)).order_by(found.c.id)
    return list(starmap(Member, session.execute(page)))


def wishes(session: Session, list_id: str, now: datetime, segment: ColumnElement[bool] | None = None) -> Iterator[Wish]:
    """What those who may get an issue of the list now have chosen, each different wish once; not who chose nothing.

    With `segment`, a condition on `subscriber`, what those in it have.
    """
    number = func.count()
    chose = or_(_choices != NO_CHOICES, _person.c.language.is_not(None))
    people = (
        select(_choices, _person.c.language, number)
        .select_from(_place.join(_person, _person.c.id == _place.c.subscriber_id))
        .where(_place.c.list_id == list_id, _wanted(now), chose, *_all_within(segment))
        .group_by(_choices, _person.c.language)
        .order_by(number.desc(), _choices, _person.c.language)
    )
    return (Wish(*row) for row in session.execute(people))


def wish(session: Session, list_id: str, normalised: str) -> Wish | None:
    """What the person with this address (normalised) has chosen on the list, whether or not they may be mailed.

    None if they never joined it.
    """
    found = (
        select(_choices, _person.c.language)
        .select_from(_place.join(_person, _person.c.id == _place.c.subscriber_id))
        .where(_place.c.list_id == list_id, _person.c.email == normalised)
    )
    row = session.execute(found).one_or_none()
    return Wish(*row) if row else None


def size(session: Session, list_id: str, now: datetime, segment: ColumnElement[bool] | None = None) -> int:
    """How many people an issue of the list would go to now; with `segment`, a condition on `subscriber`, of those."""
    people = (
        select(func.count())
        .select_from(_place.join(_person, _person.c.id == _place.c.subscriber_id))
        .where(_place.c.list_id == list_id, _wanted(now), *_all_within(segment))
    )
    return int(session.execute(people).scalar_one())


def why_not(session: Session, subscriber_id: int, list_id: str, now: datetime) -> str:
    """The word for why this person gets no issue of the list: "" if they do.

    Else erased, suppressed, never-joined, the status (pending, unsubscribed, declined), list-off, or paused.
    """
    row = session.execute(
        select(
            _person.c.erasing_at,
            _place.c.status,
            _list_on().label("on"),
            _suppressed().label("suppressed"),
            (_place.c.paused_until > now).label("paused"),
        )
        .select_from(
            _person.outerjoin(_place, and_(_place.c.subscriber_id == _person.c.id, _place.c.list_id == list_id))
        )
        .where(_person.c.id == subscriber_id)
    ).one_or_none()
    if row is None or row.erasing_at is not None:
        return "erased"
    if row.suppressed:
        return "suppressed"
    if row.status is None:
        return "never-joined"
    if row.status != Status.CONFIRMED:
        return str(row.status)
    if not row.on:
        return "list-off"
    return "paused" if row.paused else ""


def suppressed_scopes(session: Session, email_hash: str, domain: str) -> set[str]:
    """Where the address, or all of its domain, is kept away from: EVERYWHERE, CONFIRM_MAILS, ids of lists."""
    row = table(Suppression)
    return set(session.execute(select(row.c.scope).where(row.c.hash.in_([email_hash, f"@{domain}"]))).scalars())


def _wanted(now: datetime | ColumnElement[datetime]) -> ColumnElement[bool]:
    here = and_(_place.c.status == Status.CONFIRMED, or_(_place.c.paused_until.is_(None), _place.c.paused_until <= now))
    return and_(here, _person.c.erasing_at.is_(None), _list_on(), ~_suppressed())


def _all_within(segment: ColumnElement[bool] | None) -> list[ColumnElement[bool]]:
    return [] if segment is None else [_within(_person.c.id, segment)]


def _within(person_id: ColumnElement[int], segment: ColumnElement[bool]) -> ColumnElement[bool]:
    row = table(Subscriber)
    return exists(select(1).select_from(row).where(row.c.id == person_id, segment).correlate_except(row))


def _list_on() -> ColumnElement[bool]:
    return exists(select(1).where(_list.c.id == _place.c.list_id, _list.c.active.is_(True)).correlate(_place))


def _confirmed_after(consented: int) -> ColumnElement[bool]:
    return exists(
        select(1)
        .where(
            _consent.c.subscriber_id == _place.c.subscriber_id,
            _consent.c.list_id == _place.c.list_id,
            _consent.c.action.in_(("confirmed", "imported")),
            _consent.c.id > consented,
        )
        .correlate(_place)
    )


def _suppressed(*more: str) -> ColumnElement[bool]:
    scopes = or_(_kept_away.c.scope.in_([EVERYWHERE, *more]), _kept_away.c.scope == _place.c.list_id)
    return exists(select(1).where(_theirs(), scopes).correlate(_person, _place))


def _suppressed_everywhere() -> ColumnElement[bool]:
    there = _theirs(), _kept_away.c.scope == EVERYWHERE
    return exists(select(1).where(*there).correlate(_person))


def _theirs() -> ColumnElement[bool]:
    return _kept_away.c.hash.in_([_person.c.email_hash, literal("@").concat(_person.c.domain)])


def _same_subject() -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return _newer.c.subscriber_id == _request.c.subscriber_id, _newer.c.list_id == _request.c.list_id
