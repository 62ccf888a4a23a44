"""Leave to write bodies, and what came of them: for many rows in a statement each, as the writer gathers them. Steps.

The holds that the requests stand on are looked at once for all of them; then each row is decided alone, by
compare-and-set on its state, its slice and its tries, in one statement with the permission.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Integer,
    Select,
    String,
    Text,
    Update,
    and_,
    case,
    false,
    or_,
    select,
    true,
    type_coerce,
    update,
)
from sqlmodel import Session

from digest.deliver.given import Row, Rows, Statement, changed, found, instant
from digest.deliver.ledger import ERASED, FLOWING, MOVES, S, Work
from digest.models import Delivery, DeliveryState, Issue, IssueState, Slice, table
from subscribers.audience import (
    may_be_told,
    may_follow_link,
    may_receive_confirm,
    may_receive_goodbye,
    may_receive_issue,
    why_not,
)

KINDS = ("issue", "confirm", "welcome", "goodbye", "link", "move", "moved", "changed", "notice")  # of occasions

_d = table(Delivery)
_s = table(Slice)
_i = table(Issue)


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


def hand(session: Session, leaves: Sequence[Leave]) -> list[Verdict]:
    """Leave to write each body, or the reason why not: then the row is skipped, or left where it is when its slice is
    lost or its issue paused."""
    standing = _standing(session, [leaf.work for leaf in leaves])
    kinds = [leaf.work.kind if standing.get(_key(leaf.work)) else "" for leaf in leaves]
    handed: dict[int, bool] = {}
    for kind in {*kinds} - {""}:
        places = [place for place, its in enumerate(kinds) if its == kind]
        said = changed(session, _HANDED[kind], [_leave(leaves[place]) for place in places])
        handed |= zip(places, said, strict=True)
    return [
        Verdict(True) if handed.get(place) else _refused(session, leaf, standing) for place, leaf in enumerate(leaves)
    ]


def settle(session: Session, endings: Sequence[Ending]) -> list[bool]:
    """handed -> what came of each; False where the row is not ours to settle any more.

    What was decided before leave was asked is handed now, in the same commit and with the same permission.
    """
    open_ = [(place, end) for place, end in enumerate(endings) if not end.handed]
    leaves = [Leave(end.work, end.settled.relay or "", end.at, tried=end.settled.tried) for _, end in open_]
    refused = {place for (place, _), said in zip(open_, hand(session, leaves), strict=True) if not said.handed}
    standing = _standing(session, [end.work for end in endings])
    places = [p for p, end in enumerate(endings) if p not in refused and _key(end.work) in standing]
    done = dict(zip(places, changed(session, _SETTLED, [_ending(endings[place]) for place in places]), strict=True))
    for place, settled in done.items():
        if settled and endings[place].settled.state == S.UNKNOWN:
            _resolve(session, endings[place])
    return [done.get(place, False) for place in range(len(endings))]


def take_back(session: Session, works: Sequence[Work]) -> list[bool]:
    """handed -> claimed, for messages that the relay surely did not take; False where the row is not ours any more."""
    standing = _standing(session, works)
    places = [place for place, work in enumerate(works) if _key(work) in standing]
    said = changed(session, _TAKEN_BACK, [_back(works[place]) for place in places])
    done = dict(zip(places, said, strict=True))
    return [done.get(place, False) for place in range(len(works))]


def _key(work: Work) -> tuple[int, int, str]:
    return (work.hold.slice_id, work.hold.fence, work.hold.holder)


def _standing(session: Session, works: Sequence[Work]) -> Mapping[tuple[int, int, str], bool]:
    """The holds that still are what they were, each with whether its rows may go out now.

    On PostgreSQL nobody can take such a slice before this transaction ends, so its rows need no look at the fence.
    """
    rows = list({_key(work) for work in works})
    return {(slice_id, fence, holder): bool(flows) for slice_id, fence, holder, flows in found(session, _HELD, rows)}


def _leave(leaf: Leave) -> Row:
    work = leaf.work
    return (work.id, work.hold.slice_id, int(leaf.tried), leaf.relay, instant(leaf.at), work.number)


def _ending(end: Ending) -> Row:
    work, settled = end.work, end.settled
    assert settled.state in MOVES[S.HANDED]
    final = None if settled.state in (S.DEFERRED, S.UNKNOWN) else instant(end.at)
    attempts = work.attempts + settled.tried
    again_at = settled.next_try_at and instant(settled.next_try_at)
    said = (settled.relay, settled.code, settled.enhanced, settled.reason, again_at)
    return (work.id, work.hold.slice_id, attempts, settled.state.value, *said, final)


def _back(work: Work) -> Row:
    return (work.id, work.hold.slice_id, work.attempts + 1, work.attempts)


def _held(rows: Rows, dialect: str) -> Select[tuple[int, int, str, bool]]:
    flows = or_(_s.c.issue_id.is_(None), and_(_i.c.state.in_(FLOWING), _i.c.paused.is_(False)))
    return (
        select(_s.c.id, _s.c.fence, _s.c.holder, flows)
        .select_from(_s.outerjoin(_i, _i.c.id == _s.c.issue_id))
        .where(_s.c.id == rows["slice_id"], _s.c.fence == rows["fence"], _s.c.holder == rows["holder"])
        .with_for_update(read=True, of=_s)
    )


def _handed(kind: str) -> Statement:
    """claimed -> handed: only while the person may be mailed."""

    def made(rows: Rows, dialect: str) -> Update:
        at = type_coerce(rows["at"], _d.c.handed_at.type)
        allowed: ColumnElement[bool] = {
            "issue": may_receive_issue(_d.c.subscriber_id, _d.c.list_id, at),
            "confirm": may_receive_confirm(_d.c.subscriber_id, _d.c.list_id, at, rows["number"]),
            "welcome": may_receive_issue(_d.c.subscriber_id, _d.c.list_id, at),
            "goodbye": may_receive_goodbye(_d.c.subscriber_id, _d.c.list_id),
            "link": may_follow_link(_d.c.subscriber_id, rows["number"], at),
            "move": may_follow_link(_d.c.subscriber_id, rows["number"], at),
            "moved": may_be_told(_d.c.subscriber_id),
            "changed": may_be_told(_d.c.subscriber_id),
            "notice": true(),
        }[kind]
        if dialect == "postgresql":  # else its planner would rather read all people than look a few up
            allowed = case((allowed, true()), else_=false())
        handed = {"state": S.HANDED, "handed_at": at, "attempts": _d.c.attempts + rows["tries"], "relay": rows["relay"]}
        return _moved(rows, S.CLAIMED, dialect).where(allowed).values(handed)

    return Statement({**_OF, "tries": Integer, "relay": Text, "at": DateTime, "number": BigInteger}, made)


def _settled(rows: Rows, dialect: str) -> Update:
    kept = ("state", "relay", "code", "enhanced", "reason", "next_try_at", "settled_at")
    moved = _moved(rows, S.HANDED, dialect).where(_d.c.attempts == rows["attempts"])
    values: dict[str, ColumnElement[Any]] = {name: type_coerce(rows[name], _d.c[name].type) for name in kept}
    # What a relay says may name the address: nothing of it is kept of who was erased while the message was under way.
    erased = and_(_d.c.subscriber_id.is_(None), _d.c.address.is_(None))
    return moved.values(values | {"reason": case((erased, ERASED), else_=values["reason"])})


def _taken_back(rows: Rows, dialect: str) -> Update:
    moved = _moved(rows, S.HANDED, dialect).where(_d.c.attempts == rows["attempts"])
    return moved.values({"state": S.CLAIMED, "attempts": rows["before"], "handed_at": None})


def _moved(rows: Rows, before: DeliveryState, dialect: str) -> Update:
    moved = update(_d).where(_d.c.id == rows["id"], _d.c.slice_id == rows["slice_id"], _d.c.state == before)
    return moved.returning(_d.c.id) if dialect == "postgresql" else moved


_OF = {"id": BigInteger, "slice_id": Integer}
_HELD = Statement({"slice_id": Integer, "fence": Integer, "holder": Text}, _held)
_HANDED = {kind: _handed(kind) for kind in KINDS}
_TAKEN_BACK = Statement({**_OF, "attempts": Integer, "before": Integer}, _taken_back)
_SETTLED = Statement(
    {
        **_OF,
        "attempts": Integer,
        "state": String,
        "relay": Text,
        "code": Integer,
        "enhanced": Text,
        "reason": Text,
        "next_try_at": DateTime,
        "settled_at": DateTime,
    },
    _settled,
)


def _refused(session: Session, leaf: Leave, standing: Mapping[tuple[int, int, str], bool]) -> Verdict:
    why = _why_not(session, leaf.work, leaf.at) if _key(leaf.work) in standing else ""
    if why:
        where = (_d.c.id == leaf.work.id, _d.c.state == S.CLAIMED)
        session.execute(update(_d).where(*where).values(state=S.SKIPPED, reason=why, settled_at=leaf.at))
    return Verdict(False, why)


def _why_not(session: Session, work: Work, at: datetime) -> str:
    row = session.execute(
        select(_d.c.state, _d.c.subscriber_id, _i.c.state.label("issue"), _i.c.paused)
        .select_from(_d.outerjoin(_i, _i.c.id == _d.c.issue_id))
        .where(_d.c.id == work.id, _d.c.slice_id == work.hold.slice_id)
    ).one_or_none()
    if row is None or row.state != S.CLAIMED or row.paused:
        return ""
    if work.kind == "notice":
        return ""
    if row.subscriber_id is None:
        return ERASED
    if work.kind not in ("issue", "welcome"):
        return _WITHDRAWN[work.kind]
    if row.issue == IssueState.CANCELLED:
        return "cancelled"
    return why_not(session, row.subscriber_id, work.list_id or "", at)


_WITHDRAWN = {
    **dict.fromkeys(("confirm", "link", "move"), "answered, withdrawn or expired"),
    "goodbye": "joined again, suppressed or erased",
    **dict.fromkeys(("moved", "changed"), "suppressed or erased"),
}


def _resolve(session: Session, end: Ending) -> None:
    # unknown -> pending (not before `again_at`) or held, by policy, for a row that ended so in our own hands.
    where = (_d.c.id == end.work.id, _d.c.state == S.UNKNOWN)
    held = {"state": S.HELD, "settled_at": end.at}
    values = held if end.unknown == "hold" else {"state": S.PENDING, "next_try_at": end.again_at}
    session.execute(update(_d).where(*where).values(**values))
