"""Who may be mailed: one SQL rule for issues and one for confirm mails, used by whoever claims a delivery.

The rules are expressions over columns of the statement they stand in, so that permission is looked at in the very
statement that hands a message over: whoever leaves in mid-send gets nothing from then on (H-12).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
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
CONFIRM_MAILS = "@confirm"  # scope of "I did not ask": no confirm mail ever again; no list id has an @

_person = table(Subscriber).alias("person")
_place = table(Subscription).alias("place")
_kept_away = table(Suppression).alias("kept_away")
_request = table(Confirmation).alias("request")
_consent = table(Consent)
_list = table(MailingList)
_mailed = table(MailedLink).alias("mailed")
_newer = table(Confirmation).alias("newer_request")


@dataclass(frozen=True)
class Member:
    """Somebody who may get an issue, as much of them as slicing needs."""

    id: int
    domain: str


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


def last_consent(session: Session) -> int:
    """The number of the latest line in the record of consent, 0 for none: what comes later is beyond it."""
    return session.execute(select(func.max(_consent.c.id))).scalar_one() or 0


def members(
    session: Session, list_id: str, after: int, limit: int, *, now: datetime, consented: int | None = None
) -> list[Member]:
    """Up to `limit` people who may get an issue of the list now, by id, the first one above `after`.

    With `consented`, a `last_consent` of earlier, only those who had confirmed by then and were on the list ever since.
    """
    rows = session.execute(
        select(_person.c.id, _person.c.domain)
        .select_from(_place.join(_person, _person.c.id == _place.c.subscriber_id))
        .where(_place.c.list_id == list_id, _place.c.subscriber_id > after, _wanted(now))
        .where(_person.c.id > after)  # follows, but PostgreSQL would begin at the first person for every page
        .where(*([] if consented is None else [~_confirmed_after(consented)]))
        .order_by(_place.c.subscriber_id)
        .limit(limit)
    )
    return [Member(*row) for row in rows.all()]


def size(session: Session, list_id: str, now: datetime) -> int:
    """How many people an issue of the list would go to now."""
    people = (
        select(func.count())
        .select_from(_place.join(_person, _person.c.id == _place.c.subscriber_id))
        .where(_place.c.list_id == list_id, _wanted(now))
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


def suppressed_scopes(session: Session, email_hash: str) -> set[str]:
    """Where the address is kept away from: EVERYWHERE, CONFIRM_MAILS, ids of lists."""
    row = table(Suppression)
    return set(session.execute(select(row.c.scope).where(row.c.hash == email_hash)).scalars())


def _wanted(now: datetime | ColumnElement[datetime]) -> ColumnElement[bool]:
    here = and_(_place.c.status == Status.CONFIRMED, or_(_place.c.paused_until.is_(None), _place.c.paused_until <= now))
    return and_(here, _person.c.erasing_at.is_(None), _list_on(), ~_suppressed())


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
    return exists(select(1).where(_kept_away.c.hash == _person.c.email_hash, scopes).correlate(_person, _place))


def _suppressed_everywhere() -> ColumnElement[bool]:
    there = _kept_away.c.hash == _person.c.email_hash, _kept_away.c.scope == EVERYWHERE
    return exists(select(1).where(*there).correlate(_person))


def _same_subject() -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return _newer.c.subscriber_id == _request.c.subscriber_id, _newer.c.list_id == _request.c.list_id
