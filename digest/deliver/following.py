"""How an issue is doing while it is sent: how fast, what is left, why some wait. Steps that only read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, case, func, select
from sqlmodel import Session

from digest.deliver import ledger
from digest.models import Delivery, DeliveryState, Slice, table

_d = table(Delivery)
_s = table(Slice)
_MINUTE = timedelta(seconds=60)
_REASONS = 5  # of a state
_EXPLAINED = (
    DeliveryState.DEFERRED,
    DeliveryState.UNKNOWN,
    DeliveryState.HELD,
    DeliveryState.FAILED,
    DeliveryState.SKIPPED,
)


@dataclass(frozen=True)
class Reason:
    """Why so many deliveries are in a state, as the server or we put it."""

    state: str
    why: str
    count: int


@dataclass(frozen=True)
class Following:
    """What is asked about an issue on its way."""

    left: int  # not settled yet
    last_minute: int  # taken by relays
    next_retry_at: datetime | None  # the first of those that were put off
    reasons: tuple[Reason, ...]  # the most frequent ones of each state
    begins_at: datetime | None = None  # until then all of it can be called back; None: it has begun

    @property
    def remaining_s(self) -> float | None:
        """Seconds until nothing is left, at the last minute's rate; None when nothing moved."""
        return self.left * 60 / self.last_minute if self.left and self.last_minute else None


def follow(session: Session, issue_id: int, now: datetime) -> Following:
    """How the issue is doing at `now`; one look at each of its rows."""
    why = case((_d.c.state.in_(_EXPLAINED), func.coalesce(_d.c.reason, "")), else_="")
    lately = and_(_d.c.state == DeliveryState.SENT, _d.c.settled_at > now - _MINUTE)
    number = func.count().label("number")
    asked = select(
        _d.c.state,
        why.label("why"),
        number,
        func.min(_d.c.next_try_at).label("retry_at"),
        func.count(case((lately, 1))).label("lately"),
    )
    its = asked.where(_d.c.occasion == f"issue:{issue_id}").group_by(_d.c.state, why).order_by(number.desc(), why)
    rows = session.execute(its).all()
    waiting = [row for row in rows if row.state in ledger.OPEN]
    return Following(
        left=sum(row.number for row in waiting),
        last_minute=sum(row.lately for row in rows),
        next_retry_at=min((row.retry_at for row in waiting if row.retry_at), default=None),
        reasons=tuple(
            Reason(state, row.why or "no reason was given", row.number)
            for state in _EXPLAINED
            for row in [row for row in rows if row.state == state][:_REASONS]
        ),
        begins_at=_begins_at(session, issue_id, now),
    )


def _begins_at(session: Session, issue_id: int, now: datetime) -> datetime | None:
    its = select(func.min(_s.c.due_at), func.max(_s.c.fence)).where(_s.c.issue_id == issue_id)
    due_at, fence = session.execute(its).one()
    return due_at if fence == 0 and due_at > now else None


def left(session: Session, issue_id: int | None) -> int:
    """How many deliveries are not settled yet: of one issue, or of all that there are."""
    mine = [_s.c.done.is_(False)] if issue_id is None else [_s.c.issue_id == issue_id, _s.c.done.is_(False)]
    kept = session.execute(select(_s.c.counts).where(_s.c.counts.is_not(None), *mine)).scalars()
    live = select(_s.c.id).where(_s.c.counts.is_(None), *mine)
    counted = select(func.count()).where(_d.c.slice_id.in_(live), _d.c.state.in_(ledger.OPEN))
    in_slices: int = sum(counts.get(state, 0) for counts in kept for state in ledger.OPEN)
    return in_slices + int(session.execute(counted).scalar_one())
