"""Give rows back that can't go soon: claimed -> pending, not before their turn. A step: it never commits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import BigInteger, DateTime, Integer, Text, Update, exists, type_coerce, update
from sqlmodel import Session

from digest.deliver.given import Row, Rows, Statement, changed, instant
from digest.deliver.pacing.waiting import Waiting
from digest.models import Delivery, DeliveryState, Slice, table

_d = table(Delivery)
_s = table(Slice)
_LONGEST_REASON = 500  # characters


def put_off(session: Session, waiting: Sequence[Waiting]) -> int:
    """Rows wait, with the reason, in the ledger instead of in memory; how many did. Those whose slice is not ours any
    more are somebody else's."""
    return sum(changed(session, _PUT_OFF, [_row(one) for one in waiting]))


def _row(one: Waiting) -> Row:
    hold, until = one.work.hold, instant(datetime.fromtimestamp(one.until, UTC))
    return (one.work.id, hold.slice_id, hold.fence, hold.holder, one.why[:_LONGEST_REASON], until)


def _put_off(rows: Rows, dialect: str) -> Update:
    held = exists().where(_s.c.id == rows["slice_id"], _s.c.fence == rows["fence"], _s.c.holder == rows["holder"])
    moved = (
        update(_d)
        .where(_d.c.id == rows["id"], _d.c.slice_id == rows["slice_id"], _d.c.state == DeliveryState.CLAIMED, held)
        .values(
            state=DeliveryState.PENDING,
            reason=rows["reason"],
            next_try_at=type_coerce(rows["next_try_at"], _d.c.next_try_at.type),
        )
    )
    return moved.returning(_d.c.id) if dialect == "postgresql" else moved


_PUT_OFF = Statement(
    {
        "id": BigInteger,
        "slice_id": Integer,
        "fence": Integer,
        "holder": Text,
        "reason": Text,
        "next_try_at": DateTime,
    },
    _put_off,
)
