"""Segments of the audience: `subscribers.segments` with what only the ledger knows, who got which issue."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, false, func, select
from sqlmodel import Session

from digest.errors import NotFound
from digest.models import Delivery, DeliveryState, Edition, Issue, table
from subscribers.models import Subscriber
from subscribers.segment_rules import Setting, condition
from subscribers.segments import Got, parse

_person = table(Subscriber)
_delivery = table(Delivery).alias("segment_delivery")


def where(session: Session, text: str, *, now: datetime, list_id: str | None = None) -> ColumnElement[bool]:
    """The condition on `subscriber` that a filter means; BadFilter, or NotFound for an edition or issue there is not.

    Statuses and dates are those on the list, or on any without one.
    """

    def got(issue: Got) -> ColumnElement[bool]:
        mine = _delivery.c.subscriber_id == _person.c.id, _delivery.c.state == DeliveryState.SENT
        ids = _issues(session, issue)
        if not ids:
            return false()
        return select(1).where(*mine, _delivery.c.issue_id.in_(ids)).correlate(_person).exists()

    dialect = session.get_bind().dialect.name
    return condition(parse(text), Setting(dialect, now, list_id, got))


def size(session: Session, segment: ColumnElement[bool]) -> int:
    """How many people a segment has, on whatever list."""
    return int(session.execute(select(func.count()).select_from(_person).where(segment)).scalar_one())


def _issues(session: Session, wanted: Got) -> list[int]:
    row = table(Issue)
    if session.get(Edition, wanted.edition) is None:
        raise NotFound(f'there is no edition "{wanted.edition}"; its id stands in config.toml')
    found = select(row.c.id).where(row.c.edition_id == wanted.edition)
    if wanted.number is not None:
        found = found.where(row.c.number == wanted.number)
    ids = list(session.execute(found).scalars())
    if wanted.number is not None and not ids:
        raise NotFound(f'the edition "{wanted.edition}" has no issue {wanted.number}')
    return ids
