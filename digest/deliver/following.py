"""How an issue is doing while it is sent: how fast, what is left, why some wait. Steps that only read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlmodel import Session

from digest.deliver import ledger
from digest.models import Delivery, DeliveryState, table

_d = table(Delivery)
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

    @property
    def remaining_s(self) -> float | None:
        """Seconds until nothing is left, at the last minute's rate; None when nothing moved."""
        return self.left * 60 / self.last_minute if self.left and self.last_minute else None


def follow(session: Session, issue_id: int, now: datetime) -> Following:
    """How the issue is doing at `now`."""
    its = _d.c.issue_id == issue_id
    number = func.count()
    lately = select(number).where(its, _d.c.state == DeliveryState.SENT, _d.c.settled_at > now - _MINUTE)
    retry = select(func.min(_d.c.next_try_at)).where(its, _d.c.state.in_(ledger.OPEN))
    return Following(
        left(session, issue_id),
        int(session.execute(lately).scalar_one()),
        session.execute(retry).scalar_one(),
        tuple(reason for state in _EXPLAINED for reason in _reasons(session, issue_id, state)),
    )


def left(session: Session, issue_id: int | None) -> int:
    """How many deliveries are not settled yet: of one issue, or of all that there are."""
    wanted = [] if issue_id is None else [_d.c.issue_id == issue_id]
    counted = select(func.count()).where(_d.c.state.in_(ledger.OPEN), *wanted)
    return int(session.execute(counted).scalar_one())


def _reasons(session: Session, issue_id: int, state: str) -> list[Reason]:
    number = func.count()
    why = func.coalesce(_d.c.reason, "")
    counted = select(why, number).where(_d.c.issue_id == issue_id, _d.c.state == state).group_by(why)
    rows = session.execute(counted.order_by(number.desc(), why).limit(_REASONS))
    return [Reason(state, said or "no reason was given", count) for said, count in rows]
