"""The ledger: one row per occasion and person, moved by compare-and-set. Steps: they take a session and never commit.

    pending  -> claimed                      a sender holds the row's slice (lease, fence)
    claimed  -> handed                       before the first byte of its body; the same statement checks permission
    claimed  -> pending                      lease lost, sender stopped
    handed   -> claimed                      the relay said goodbye, or refused the sender, before it took the message
    pending, claimed, deferred -> skipped    unsubscribed, suppressed, cancelled, expired
    handed   -> sent | deferred | failed | unknown
    deferred -> claimed
    unknown  -> pending (policy resend) | held (policy hold)
    pending, deferred -> held                [mail] only_to leaves the recipient's domain out
    held     -> pending | failed             by a person

A slice is held by one sender at a time: claimed by compare-and-set, renewed by heartbeat, fenced by a counter that
every statement about its rows compares. What the next sender finds handed, without an outcome, is unknown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Integer, Row, Select, Update, and_, exists, func, null, or_, select, update
from sqlmodel import Session

from digest.deliver.given import Rows, Statement, found
from digest.models import Delivery, DeliveryState, Issue, IssueState, Slice, Variant, table
from subscribers.models import Subscriber

S = DeliveryState
MOVES: Mapping[DeliveryState, frozenset[DeliveryState]] = {
    S.PENDING: frozenset({S.CLAIMED, S.SKIPPED, S.HELD}),
    S.CLAIMED: frozenset({S.HANDED, S.PENDING, S.SKIPPED}),
    S.HANDED: frozenset({S.CLAIMED, S.SENT, S.DEFERRED, S.FAILED, S.UNKNOWN}),
    S.DEFERRED: frozenset({S.CLAIMED, S.SKIPPED, S.HELD}),
    S.UNKNOWN: frozenset({S.PENDING, S.HELD}),
    S.HELD: frozenset({S.PENDING, S.FAILED}),
    S.SENT: frozenset(),
    S.FAILED: frozenset(),
    S.SKIPPED: frozenset(),
}
OPEN = (S.PENDING, S.CLAIMED, S.HANDED, S.DEFERRED, S.UNKNOWN)  # a slice with such rows is not done
LEASE = timedelta(seconds=30)
ERASED = "erased"
PINNED = "outside [mail] only_to"
UNANSWERED = "handed over without an answer: it may have arrived"

_d = table(Delivery)
_s = table(Slice)
_i = table(Issue)
_p = table(Subscriber)
FLOWING = (IssueState.SENDING, IssueState.SENT)  # sent: a person may release what was held


@dataclass(frozen=True)
class Hold:
    """A slice in our hands; every statement about it compares holder and fence."""

    slice_id: int
    holder: str
    fence: int
    expires_at: datetime
    urgent: bool = False  # letters


@dataclass(frozen=True)
class Work:
    """A claimed row with what its message needs."""

    hold: Hold
    id: int
    occasion: str
    list_id: str | None
    variant_id: int
    message_id: str
    attempts: int
    address: str
    name: str
    handle: bytes

    @property
    def kind(self) -> str:
        """The kind of occasion, one of `handing.KINDS`."""
        return self.occasion.partition(":")[0]

    @property
    def number(self) -> int:
        """The number in the occasion: of the issue, confirmation, line of consent, mailed link, day or notice."""
        return int(self.occasion.partition(":")[2])


def next_slice(
    session: Session,
    holder: str,
    now: datetime,
    unknown: str,
    *,
    issue_id: int | None = None,
    urgent: bool = False,
    abandoned: Collection[int] = (),
    only_to: Collection[str] = (),
) -> tuple[Hold, list[Work]] | None:
    """The most urgent due slice that nobody holds, with its due rows claimed; None if there is none.

    Rows that its last holder had handed over and not settled become pending or held by the policy `unknown`
    ("resend" or "hold"). With `urgent`, letters only. Of held slices those that are `abandoned` are
    taken. Rows of a cancelled issue, and of a slice past its end, are skipped here; with `only_to`, those of other
    recipient domains are held.
    """
    free_one = _free_slice(session, now, issue_id, 1 if urgent else 0, abandoned)
    if free_one is None:
        return None
    hold = _take(session, free_one, holder, now)
    if hold is None:
        return None
    if free_one.fence:  # somebody had it before
        _recover(session, hold, unknown, now)
    why = _over(session, free_one, now)
    if why:
        states = (S.PENDING, S.DEFERRED)
        _change(session, hold, states, S.SKIPPED, reason=why, settled_at=now, next_try_at=None)
        return hold, []
    due = and_(_d.c.state.in_((S.PENDING, S.DEFERRED)), or_(_d.c.next_try_at.is_(None), _d.c.next_try_at <= now))
    if only_to:
        _hold_others(session, hold, only_to, now)
    session.execute(update(_d).where(_d.c.slice_id == hold.slice_id, due).values(state=S.CLAIMED, next_try_at=None))
    return hold, [Work(hold, *row) for row in found(session, _CLAIMED, [(hold.slice_id,)])]


def _free_slice(
    session: Session, now: datetime, issue_id: int | None, priority: int, abandoned: Collection[int]
) -> Row[Any] | None:
    # A cancelled issue's slices are taken too, to have their rows skipped; a paused one's are not.
    flowing = and_(_i.c.state.in_(FLOWING), _i.c.audience_complete.is_(True), _i.c.paused.is_(False))
    ready = exists().where(_i.c.id == _s.c.issue_id, or_(flowing, _i.c.state == IssueState.CANCELLED))
    wanted = [] if issue_id is None else [_s.c.issue_id == issue_id]
    return session.execute(
        select(_s)
        .where(
            _s.c.done.is_(False),
            _s.c.due_at <= now,
            _s.c.priority >= priority,
            or_(_s.c.holder.is_(None), _s.c.id.in_(abandoned)),
            or_(_s.c.issue_id.is_(None), ready),
            *wanted,
        )
        .order_by(_s.c.priority.desc(), _s.c.due_at, _s.c.band, _s.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)  # nothing on SQLite, where the transaction has the lock
    ).one_or_none()


def _take(session: Session, found: Row[Any], holder: str, now: datetime) -> Hold | None:
    taken = _rows(
        session,
        update(_s)
        .where(_s.c.id == found.id, _s.c.fence == found.fence)
        .values(holder=holder, fence=found.fence + 1, lease_until=now + LEASE, counts=null()),
    )
    return Hold(found.id, holder, found.fence + 1, found.expires_at, found.priority > 0) if taken == 1 else None


def _recover(session: Session, hold: Hold, unknown: str, now: datetime) -> None:
    _change(session, hold, (S.CLAIMED,), S.PENDING)
    _change(session, hold, (S.HANDED,), S.UNKNOWN, reason=UNANSWERED)
    back = S.HELD if unknown == "hold" else S.PENDING
    _change(session, hold, (S.UNKNOWN,), back, settled_at=now if back == S.HELD else None)
    # Who was erased meanwhile has no address any more.
    nobody = _d.c.slice_id == hold.slice_id, _d.c.subscriber_id.is_(None), _d.c.address.is_(None)
    for state, end in ((S.PENDING, S.SKIPPED), (S.DEFERRED, S.SKIPPED), (S.HELD, S.FAILED)):
        gone = update(_d).where(*nobody, _d.c.state == state)
        session.execute(gone.values(state=end, reason=ERASED, settled_at=now, next_try_at=None))


def _hold_others(session: Session, hold: Hold, only_to: Collection[str], now: datetime) -> None:
    theirs = select(_p.c.id).where(_p.c.domain.in_(only_to))
    wanted = or_(
        and_(_d.c.address.is_(None), _d.c.subscriber_id.in_(theirs)),
        *(_d.c.address.endswith(f"@{one}", autoescape=True) for one in only_to),
    )
    values = {"state": S.HELD, "reason": PINNED, "settled_at": now, "next_try_at": None}
    its = (_d.c.slice_id == hold.slice_id, _d.c.state.in_((S.PENDING, S.DEFERRED)))
    session.execute(update(_d).where(*its, func.coalesce(wanted, False).is_(False)).values(values))


def _over(session: Session, found: Row[Any], now: datetime) -> str:
    if found.expires_at <= now:
        return "expired"
    state = session.execute(select(_i.c.state).where(_i.c.id == found.issue_id)).scalar_one_or_none()
    return "cancelled" if state == IssueState.CANCELLED else ""


def _change(session: Session, hold: Hold, states: Sequence[DeliveryState], to: DeliveryState, **values: object) -> int:
    assert all(to in MOVES[state] for state in states)
    where = (_d.c.slice_id == hold.slice_id, _d.c.state.in_(states))
    return _rows(session, update(_d).where(*where).values(state=to, **values))


def _claimed(rows: Rows, dialect: str) -> Select[Any]:
    return (
        select(
            _d.c.id,
            _d.c.occasion,
            _d.c.list_id,
            _d.c.variant_id,
            _d.c.message_id,
            _d.c.attempts,
            func.coalesce(_d.c.address, _p.c.email, ""),
            func.coalesce(_p.c.name, ""),
            func.coalesce(_p.c.handle, b""),
        )
        .select_from(_d.outerjoin(_p, _p.c.id == _d.c.subscriber_id))
        .where(_d.c.slice_id == rows["slice_id"], _d.c.state == S.CLAIMED)
        .order_by(_d.c.id)
    )


_CLAIMED = Statement({"slice_id": Integer}, _claimed)


def attributes(session: Session, hold: Hold, variants: Collection[int]) -> dict[int, dict[str, Any]]:
    """What is known of the people that the slice's claimed rows of these variants are for, by row."""
    known = (
        select(_d.c.id, _p.c.attributes)
        .join(_p, _p.c.id == _d.c.subscriber_id)
        .where(_d.c.slice_id == hold.slice_id, _d.c.state == S.CLAIMED, _d.c.variant_id.in_(variants))
    )
    return {row.id: row.attributes for row in session.execute(known)}


def leases(session: Session) -> dict[int, datetime]:
    """The ends of the leases of all held slices; `leases.Watch` tells which of them are abandoned."""
    held = select(_s.c.id, _s.c.lease_until).where(_s.c.holder.is_not(None), _s.c.lease_until.is_not(None))
    return {row.id: row.lease_until for row in session.execute(held)}


def holders(session: Session) -> list[str]:
    """Who holds slices, each once."""
    return list(session.execute(select(_s.c.holder).where(_s.c.holder.is_not(None)).distinct()).scalars())


def free(session: Session, holder: str) -> None:
    """Take all slices from `holder`, whose process is known to be dead; who takes them next recovers their rows."""
    session.execute(update(_s).where(_s.c.holder == holder).values(holder=None, lease_until=None))


def renew(session: Session, hold: Hold, now: datetime) -> bool:
    """The lease reaches on from `now`; False if the slice is somebody else's by now."""
    return _rows(session, update(_s).where(*ours(hold)).values(lease_until=now + LEASE)) == 1


def release(session: Session, hold: Hold, now: datetime) -> bool:
    """Give the slice back: what is claimed is pending again; a slice without open rows is done, and so, after its
    last slice, is the issue. False if it was somebody else's already, and nothing was changed."""
    if not _rows(session, update(_s).where(*ours(hold)).values(holder=None, lease_until=None)):
        return False
    rows = session.execute(
        select(_d.c.state, func.min(_d.c.next_try_at), func.count(), func.count(_d.c.next_try_at))
        .where(_d.c.slice_id == hold.slice_id)
        .group_by(_d.c.state)
    ).all()
    counts = Counter({state: count for state, _, count, _ in rows})
    if counts[S.CLAIMED]:
        _change(session, hold, (S.CLAIMED,), S.PENDING)
        counts[S.PENDING] += counts.pop(S.CLAIMED)
    left = [row for row in rows if row.state in OPEN]
    at_once = any(count > timed for _, _, count, timed in left)
    due_at = now if at_once else min((first for _, first, _, _ in left), default=now)
    done = not left
    kept = {str(state): count for state, count in counts.items()}
    session.execute(update(_s).where(_s.c.id == hold.slice_id).values(done=done, due_at=due_at, counts=kept))
    if done:
        _finish(session, hold, now)
    return True


def _finish(session: Session, hold: Hold, now: datetime) -> None:
    issue = select(_s.c.issue_id).where(_s.c.id == hold.slice_id).scalar_subquery()
    # Two senders that give back the last two slices at once: the second waits here, and then sees what the first did.
    session.execute(select(_i.c.id).where(_i.c.id == issue).with_for_update(key_share=True))
    unfinished = exists().where(_s.c.issue_id == _i.c.id, _s.c.done.is_(False))
    finished = update(_i).where(_i.c.id == issue, _i.c.state == IssueState.SENDING, ~unfinished)
    session.execute(finished.values(state=IssueState.SENT, sent_at=now))


def ours(hold: Hold) -> tuple[ColumnElement[bool], ...]:
    """True of the slice while it is in these hands."""
    return _s.c.id == hold.slice_id, _s.c.fence == hold.fence, _s.c.holder == hold.holder


def decide_held(session: Session, delivery_id: int, to: DeliveryState, now: datetime) -> bool:
    """A person's word on a held row: send it again (PENDING), or give it up (FAILED). False if it is not held."""
    assert to in MOVES[S.HELD]
    where = (_d.c.id == delivery_id, _d.c.state == S.HELD)
    if not _rows(session, update(_d).where(*where).values(state=to, settled_at=now if to == S.FAILED else None)):
        return False
    again: dict[str, object] = {"done": False, "due_at": now} if to == S.PENDING else {}
    its = select(_d.c.slice_id).where(_d.c.id == delivery_id).scalar_subquery()
    session.execute(update(_s).where(_s.c.id == its).values(counts=null(), **again))
    return True


def variant(session: Session, variant_id: int) -> Variant:
    """The rendered bytes that a row's message is made of."""
    return session.get_one(Variant, variant_id)


def waiting_until(session: Session, issue_id: int | None = None) -> datetime | None:
    """When the next slice is due among those not done (of one issue, or of all that flow), or None: nothing is left."""
    flowing = exists().where(
        _i.c.id == _s.c.issue_id,
        or_(and_(_i.c.state.in_(FLOWING), _i.c.paused.is_(False)), _i.c.state == IssueState.CANCELLED),
    )
    wanted = [] if issue_id is None else [_s.c.issue_id == issue_id]
    left = select(func.min(_s.c.due_at)).where(_s.c.done.is_(False), or_(_s.c.issue_id.is_(None), flowing), *wanted)
    return session.execute(left).scalar_one_or_none()


def _rows(session: Session, statement: Update) -> int:
    # The connection's result has the count; the session's is typed without it.
    return session.connection().execute(statement).rowcount
