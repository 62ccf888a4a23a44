"""What the ledger tells people: how far an issue is, and who got it. Steps that only read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlmodel import Session

from digest.models import Delivery, DeliveryState, Issue, table
from subscribers.models import Subscriber

_d = table(Delivery)
_i = table(Issue)
_p = table(Subscriber)


@dataclass(frozen=True)
class Told:
    """What the ledger says of one address and one occasion."""

    occasion: str
    state: str
    message_id: str
    attempts: int
    handed_at: datetime | None
    settled_at: datetime | None
    relay: str | None
    code: int | None
    enhanced: str | None
    reason: str | None


def status(session: Session, issue_id: int) -> Mapping[str, int]:
    """How many deliveries of the issue are in each state; every state is named."""
    counted = select(_d.c.state, func.count().label("number")).where(_d.c.issue_id == issue_id).group_by(_d.c.state)
    counts = {row.state: row.number for row in session.execute(counted)}
    return {state.value: counts.get(state.value, 0) for state in DeliveryState}


def who(session: Session, issue_id: int, normalised: str) -> Told | None:
    """What became of the issue for one address (normalised); None if it had no delivery of it."""
    asked = (
        select(*(_d.c[name] for name in Told.__dataclass_fields__))
        .select_from(_d.join(_p, _p.c.id == _d.c.subscriber_id))
        .where(_d.c.issue_id == issue_id, _p.c.email == normalised)
    )
    row = session.execute(asked).one_or_none()
    return Told(**row._mapping) if row else None


def last_audience(session: Session, edition_id: str) -> int | None:
    """How many people the edition's last issue went to, or goes to; None if it never had one."""
    sent = select(func.max(_i.c.number)).where(_i.c.edition_id == edition_id, _i.c.audience_complete)
    last = select(_i.c.id).where(_i.c.edition_id == edition_id, _i.c.number == sent.scalar_subquery())
    issue_id = session.execute(last).scalar_one_or_none()
    if issue_id is None:
        return None
    return int(session.execute(select(func.count()).where(_d.c.issue_id == issue_id)).scalar_one())
