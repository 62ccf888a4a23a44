"""Give rows back that can't go soon: claimed -> pending, not before their turn. A step: it never commits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, DateTime, Integer, Text, exists, type_coerce, update
from sqlalchemy.sql.dml import ReturningUpdate
from sqlmodel import Session

from digest.deliver.given import dialect, given, instant, values
from digest.deliver.waiting import Waiting
from digest.models import Delivery, DeliveryState, Slice, table

_d = table(Delivery)
_s = table(Slice)
_COLUMNS = {"id": BigInteger, "fence": Integer, "holder": Text, "reason": Text, "next_try_at": DateTime}


def put_off(session: Session, waiting: Sequence[Waiting]) -> int:
    """Rows wait, with the reason, in the ledger instead of in memory; how many did. Those whose slice is not ours any
    more are somebody else's."""
    rows = [
        (
            one.work.id,
            one.work.hold.fence,
            one.work.hold.holder,
            one.why[:500],
            instant(datetime.fromtimestamp(one.until, UTC)),
        )
        for one in waiting
    ]
    return len(session.connection().execute(_statement(dialect(session)), values(rows)).all())


@cache
def _statement(dialect: str) -> ReturningUpdate[Any]:
    rows = given(dialect, _COLUMNS)
    held = exists().where(_s.c.id == _d.c.slice_id, _s.c.fence == rows.c.fence, _s.c.holder == rows.c.holder)
    return (
        update(_d)
        .where(_d.c.id == rows.c.id, _d.c.state == DeliveryState.CLAIMED, held)
        .values(
            state=DeliveryState.PENDING,
            reason=rows.c.reason,
            next_try_at=type_coerce(rows.c.next_try_at, _d.c.next_try_at.type),
        )
        .returning(_d.c.id)
    )
