"""Leave to write bodies, and what came of them: for many rows in a statement each, as the writer gathers them. Steps.

Each statement joins the ledger with the requests given to it, and returns the rows that it changed; row by row it
decides as it would decide for that row alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Protocol, TypeVar

from sqlalchemy import (
    BigInteger,
    DateTime,
    FromClause,
    Integer,
    String,
    Text,
    and_,
    exists,
    literal,
    select,
    type_coerce,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate
from sqlmodel import Session

from digest.deliver.given import dialect, given, instant, values
from digest.deliver.ledger import FLOWING, MOVES, S, Work, ours
from digest.models import Delivery, DeliveryState, Issue, IssueState, Slice, table
from subscribers.audience import may_receive_confirm, may_receive_issue, why_not

_d = table(Delivery)
_s = table(Slice)
_i = table(Issue)

_HANDED = {
    "id": BigInteger,
    "fence": Integer,
    "holder": Text,
    "tries": Integer,
    "relay": Text,
    "at": DateTime,
    "number": Integer,
}
_SETTLED = {
    "id": BigInteger,
    "fence": Integer,
    "holder": Text,
    "attempts": Integer,
    "state": String,
    "relay": Text,
    "code": Integer,
    "enhanced": Text,
    "reason": Text,
    "next_try_at": DateTime,
    "settled_at": DateTime,
}


@dataclass(frozen=True)
class Leave:
    """A request: may the body of `work` be written to `relay`, at the instant `at`?"""

    work: Work
    relay: str
    at: datetime
    tried: bool = True  # False: nothing of it goes over the wire


@dataclass(frozen=True)
class Verdict:
    """Whether the body may be written; else why not, or "" when the row is to be left to whoever holds it now."""

    handed: bool
    why: str = ""


@dataclass(frozen=True)
class Settled:
    """An outcome as the row keeps it."""

    state: DeliveryState
    relay: str | None = None
    code: int | None = None
    enhanced: str | None = None
    reason: str | None = None
    next_try_at: datetime | None = None
    tried: bool = True  # False: nothing of it went over the wire


@dataclass(frozen=True)
class Ending:
    """What came of `work`, at the instant `at`; with `handed` False it was decided before leave was asked.

    An unknown one goes on by the policy `unknown` ("resend": not before `again_at`, or "hold").
    """

    work: Work
    settled: Settled
    at: datetime
    handed: bool = True
    unknown: str = "hold"
    again_at: datetime | None = None


class _Row(Protocol):
    @property
    def work(self) -> Work: ...


_R = TypeVar("_R", bound=_Row)


def hand(session: Session, leaves: Sequence[Leave]) -> list[Verdict]:
    """Leave to write each body, or the reason why not: then the row is skipped, or left where it is when its slice is
    lost or its issue paused."""
    verdicts: dict[int, Verdict] = {}
    for some in _once_each(leaves):
        handed: set[int] = set()
        for kind in {leaf.work.kind for _, leaf in some}:
            rows = [_leave(leaf) for _, leaf in some if leaf.work.kind == kind]
            handed |= _changed(session, _hand_statement(kind, dialect(session)), rows)
        for place, leaf in some:
            verdicts[place] = Verdict(True) if leaf.work.id in handed else _refused(session, leaf)
    return [verdicts[place] for place in range(len(leaves))]


def settle(session: Session, endings: Sequence[Ending]) -> list[bool]:
    """handed -> what came of each; False where the row is not ours to settle any more.

    What was decided before leave was asked is handed now, in the same commit and with the same permission.
    """
    open_ = [(place, end) for place, end in enumerate(endings) if not end.handed]
    leaves = [Leave(end.work, end.settled.relay or "", end.at, tried=end.settled.tried) for _, end in open_]
    refused = {place for (place, _), said in zip(open_, hand(session, leaves), strict=True) if not said.handed}
    done: dict[int, bool] = dict.fromkeys(refused, False)
    for some in _once_each(endings, without=refused):
        settled = _changed(session, _settle_statement(dialect(session)), [_ending(end) for _, end in some])
        for place, end in some:
            done[place] = end.work.id in settled
            if done[place] and end.settled.state == S.UNKNOWN:
                _resolve(session, end)
    return [done[place] for place in range(len(endings))]


def take_back(session: Session, works: Sequence[Work]) -> list[bool]:
    """handed -> claimed, for messages that the relay surely did not take; False where the row is not ours any more."""
    return [_taken_back(session, work) for work in works]


def _taken_back(session: Session, work: Work) -> bool:
    attempts = work.attempts + 1
    where = (_d.c.id == work.id, _d.c.state == S.HANDED, _d.c.attempts == attempts, exists().where(*ours(work.hold)))
    back = update(_d).where(*where).values(state=S.CLAIMED, attempts=work.attempts, handed_at=None).returning(_d.c.id)
    return session.execute(back).one_or_none() is not None


def _once_each(rows: Sequence[_R], without: Iterable[int] = ()) -> Iterator[list[tuple[int, _R]]]:
    # A statement changes a row once and can't say for whom: two requests about one row take two statements.
    skipped = set(without)
    left = [(place, row) for place, row in enumerate(rows) if place not in skipped]
    while left:
        first: dict[int, int] = {}
        for place, row in left:
            first.setdefault(row.work.id, place)
        if len(first) == len(left):
            yield left
            return
        yield [(place, row) for place, row in left if first[row.work.id] == place]
        left = [(place, row) for place, row in left if first[row.work.id] != place]


def _leave(leaf: Leave) -> tuple[object, ...]:
    work = leaf.work
    return (work.id, work.hold.fence, work.hold.holder, int(leaf.tried), leaf.relay, instant(leaf.at), work.number)


def _ending(end: Ending) -> tuple[object, ...]:
    work, settled = end.work, end.settled
    assert settled.state in MOVES[S.HANDED]
    final = None if settled.state in (S.DEFERRED, S.UNKNOWN) else instant(end.at)
    attempts = work.attempts + settled.tried
    again_at = settled.next_try_at and instant(settled.next_try_at)
    said = (settled.relay, settled.code, settled.enhanced, settled.reason, again_at)
    return (work.id, work.hold.fence, work.hold.holder, attempts, settled.state, *said, final)


def _changed(session: Session, statement: ReturningUpdate[Any], rows: Sequence[tuple[object, ...]]) -> set[int]:
    said = session.connection().execute(statement, values(rows))
    return {row[0] for row in said}


@cache
def _hand_statement(kind: str, dialect: str) -> ReturningUpdate[Any]:
    """claimed -> handed: only while we hold the slice, the issue flows and the person may be mailed."""
    rows = given(dialect, _HANDED)
    flows = exists().where(_i.c.id == _d.c.issue_id, _i.c.state.in_(FLOWING), _i.c.paused.is_(False))
    at = type_coerce(rows.c.at, _d.c.handed_at.type)
    allowed = {
        "issue": and_(flows, may_receive_issue(_d.c.subscriber_id, _d.c.list_id)),
        "confirm": may_receive_confirm(_d.c.subscriber_id, _d.c.list_id, at, rows.c.number),
        "notice": literal(True),
    }[kind]
    return (
        update(_d)
        .where(_d.c.id == rows.c.id, _d.c.state == S.CLAIMED, _held(rows), allowed)
        .values(state=S.HANDED, handed_at=at, attempts=_d.c.attempts + rows.c.tries, relay=rows.c.relay)
        .returning(_d.c.id)
    )


@cache
def _settle_statement(dialect: str) -> ReturningUpdate[Any]:
    rows = given(dialect, _SETTLED)
    kept = ("state", "relay", "code", "enhanced", "reason", "next_try_at", "settled_at")
    return (
        update(_d)
        .where(_d.c.id == rows.c.id, _d.c.state == S.HANDED, _d.c.attempts == rows.c.attempts, _held(rows))
        .values({name: type_coerce(rows.c[name], _d.c[name].type) for name in kept})
        .returning(_d.c.id)
    )


def _held(rows: FromClause) -> Any:
    return exists().where(_s.c.id == _d.c.slice_id, _s.c.fence == rows.c.fence, _s.c.holder == rows.c.holder)


def _refused(session: Session, leaf: Leave) -> Verdict:
    why = _why_not(session, leaf.work)
    if why:
        where = (_d.c.id == leaf.work.id, _d.c.state == S.CLAIMED)
        session.execute(update(_d).where(*where).values(state=S.SKIPPED, reason=why, settled_at=leaf.at))
    return Verdict(False, why)


def _why_not(session: Session, work: Work) -> str:
    if session.execute(select(_s.c.id).where(*ours(work.hold))).one_or_none() is None:
        return ""
    row = session.execute(
        select(_d.c.state, _d.c.subscriber_id, _i.c.state.label("issue"), _i.c.paused)
        .select_from(_d.outerjoin(_i, _i.c.id == _d.c.issue_id))
        .where(_d.c.id == work.id)
    ).one_or_none()
    if row is None or row.state != S.CLAIMED or row.paused:
        return ""
    if work.kind == "confirm":
        return "answered, withdrawn or expired"
    if row.subscriber_id is None:
        return ""
    if row.issue == IssueState.CANCELLED:
        return "cancelled"
    return why_not(session, row.subscriber_id, work.list_id or "")


def _resolve(session: Session, end: Ending) -> None:
    # unknown -> pending (not before `again_at`) or held, by policy, for a row that ended so in our own hands.
    where = (_d.c.id == end.work.id, _d.c.state == S.UNKNOWN)
    held = {"state": S.HELD, "settled_at": end.at}
    values = held if end.unknown == "hold" else {"state": S.PENDING, "next_try_at": end.again_at}
    session.execute(update(_d).where(*where).values(**values))
