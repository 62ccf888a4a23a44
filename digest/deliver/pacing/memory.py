"""What is kept of pace and pauses: over restarts, and between senders and people. Steps: they never commit.

What days allow is counted before it is used: a sender takes a part, and gives back what it did not use. A crash loses
the part it held (a twentieth of the day, at least 20 messages), so that a day is never exceeded. Buckets are not kept:
after a stop of t seconds one holds what its rate gives in t, and a crash lets at most one burst (a fifth of a second's
messages, at least one) too many pass.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlmodel import Session

from digest.deliver.pacing.board import Wish
from digest.deliver.pacing.breaker import Standing
from digest.deliver.pacing.pace import Slowed
from digest.models import DayUse, Delivery, DeliveryState, Pulse, RelayState, Slice, SlowedDomain, table
from subscribers.rows import insert_missing

_CLOSED = {"by_hand": False, "cause": "", "said": "", "failures": 0}
PULSE = timedelta(seconds=15)  # a sender that was not seen for longer does not count any more
_REMEMBERED = timedelta(hours=6)  # how long a domain stays slowed that nothing is sent to
_CHUNK = 20  # slices at once
_r = table(RelayState)
_u = table(DayUse)
_o = table(SlowedDomain)
_p = table(Pulse)
_d = table(Delivery)
_s = table(Slice)

Key = tuple[str, str]  # relay, domain


@dataclass(frozen=True)
class Kept:
    """A standing as the database has it."""

    standing: Standing
    version: int


def standings(session: Session) -> dict[Key, Kept]:
    """How every relay, and every domain behind one, stands; what was never troubled is not in it."""
    return {
        (row.relay, row.domain): Kept(
            Standing(row.by_hand, row.cause, row.said, _seconds(row.since), _seconds(row.retry_at), row.failures),
            row.version,
        )
        for row in session.execute(select(_r))
    }


def keep(session: Session, key: Key, standing: Standing, seen: int | None) -> bool:
    """Keep how `key` stands; False, and nothing done, if it was changed since version `seen` (0: it was not there;
    None: whatever it was)."""
    values = {
        "by_hand": standing.by_hand,
        "cause": standing.cause,
        "said": standing.said,
        "since": _instant(standing.since),
        "retry_at": _instant(standing.retry_at),
        "failures": standing.failures,
    }
    mine = (_r.c.relay == key[0], _r.c.domain == key[1])
    insert_missing(session, RelayState, {"relay": key[0], "domain": key[1], "version": 0, **_CLOSED})
    there = session.execute(select(_r.c.version).where(*mine).with_for_update()).scalar_one()
    if seen is not None and there != seen:
        return False
    session.execute(update(_r).where(*mine).values(version=there + 1, **values))
    return True


def take(session: Session, wish: Wish) -> int:
    """Count a part of a day's messages as used; how many of those wished for there were."""
    mine = (_u.c.relay == wish.relay, _u.c.domain == wish.domain, _u.c.day == wish.day)
    insert_missing(session, DayUse, {"relay": wish.relay, "domain": wish.domain, "day": wish.day, "used": 0})
    used = session.execute(select(_u.c.used).where(*mine).with_for_update()).scalar_one()
    granted = int(max(0, min(wish.wanted, wish.whole - used)))
    session.execute(update(_u).where(*mine).values(used=_u.c.used + granted))
    return granted


def give_back(session: Session, unused: Iterable[Wish]) -> None:
    """What was counted as used and was not."""
    for wish in unused:
        mine = (_u.c.relay == wish.relay, _u.c.domain == wish.domain, _u.c.day == wish.day)
        session.execute(update(_u).where(*mine).values(used=_u.c.used - wish.wanted))


def used(session: Session, day: str) -> dict[Key, int]:
    """How many of a day's messages are used, of relays and domains whose days are limited."""
    return {(row.relay, row.domain): row.used for row in session.execute(select(_u).where(_u.c.day == day))}


def slowed(session: Session, now: datetime) -> dict[str, Slowed]:
    """The domains that asked for less of late."""
    rows = session.execute(select(_o).where(_o.c.at > now - _REMEMBERED))
    return {row.domain: Slowed(row.rate, row.ceiling) for row in rows}


def keep_slowed(session: Session, rates: Mapping[str, Slowed], gone: Iterable[str], now: datetime) -> None:
    """Keep those rates; those `gone` are not slowed any more. Of senders that say so at once, the last one's stand."""
    session.execute(delete(_o).where(_o.c.domain.in_(list(gone))))
    for name, one in sorted(rates.items()):
        values = {"rate": one.rate, "ceiling": one.ceiling, "at": now}
        insert_missing(session, SlowedDomain, {"domain": name, **values})
        session.execute(update(_o).where(_o.c.domain == name).values(**values))


def pulse(session: Session, sender: str, now: datetime) -> int:
    """Say that this sender is at work; how many are, this one among them."""
    insert_missing(session, Pulse, {"sender": sender, "seen_at": now, "over": False})
    session.execute(update(_p).where(_p.c.sender == sender).values(seen_at=now, over=False))
    alive = select(func.count()).where(_p.c.seen_at > now - PULSE, _p.c.seen_at < now + PULSE, _p.c.over.is_(False))
    return int(session.execute(alive).scalar_one())


def last_pulse(session: Session, now: datetime) -> float:
    """Seconds since any sender was at work; a day if none was."""
    last = session.execute(select(func.max(_p.c.seen_at)).where(_p.c.seen_at <= now)).scalar_one_or_none()
    return min((now - last).total_seconds(), 86_400.0) if last else 86_400.0


def fall_silent(session: Session, sender: str, now: datetime) -> None:
    """This sender has stopped; those that were not seen for a day are forgotten."""
    session.execute(update(_p).where(_p.c.sender == sender).values(seen_at=now, over=True))
    session.execute(delete(_p).where(_p.c.seen_at < now - timedelta(days=1)))


def hurry(session: Session, after: int, now: datetime) -> int | None:
    """Let what was put off wait no longer, in the next slices above `after`; the last one of these, None at the end."""
    some: Sequence[int] = (
        session.execute(select(_s.c.id).where(_s.c.id > after, _s.c.done.is_(False)).order_by(_s.c.id).limit(_CHUNK))
        .scalars()
        .all()
    )
    if not some:
        return None
    # Pending with a time: put off by a pause or a pace. What a server deferred keeps its time.
    put_off = (_d.c.slice_id.in_(some), _d.c.state == DeliveryState.PENDING, _d.c.next_try_at > now)
    hurried = select(_d.c.slice_id).where(*put_off).distinct()
    session.execute(update(_s).where(_s.c.id.in_(hurried), _s.c.holder.is_(None)).values(due_at=now))
    session.execute(update(_d).where(*put_off).values(next_try_at=None))
    return some[-1]


@dataclass(frozen=True)
class Report:
    """What a sender has to say: breakers that changed, parts of days it wishes for, domains it slowed or let go."""

    sender: str
    at: datetime
    changed: Mapping[Key, Standing]
    seen: Mapping[Key, int]  # the version of each standing that it knows
    wishes: Sequence[Wish]
    slowed: Mapping[str, Slowed]
    gone: Sequence[str]
    pulse: bool  # whether it is at work


@dataclass(frozen=True)
class News:
    """What it hears: how all stands, what of its wishes is granted, and how many senders share the limits."""

    standings: Mapping[Key, Kept]
    kept: Collection[Key]  # what it reported, and nobody had changed before
    granted: Sequence[int]
    senders: int


def exchange(session: Session, report: Report) -> News:
    """Keep what the sender reports, and tell it what others have changed: a later word than it knew of stands."""
    kept = [key for key, one in sorted(report.changed.items()) if keep(session, key, one, report.seen.get(key, 0))]
    if report.slowed or report.gone:
        keep_slowed(session, report.slowed, report.gone, report.at)
    granted = [take(session, wish) for wish in report.wishes]
    senders = pulse(session, report.sender, report.at) if report.pulse else 1
    return News(standings(session), kept, granted, senders)


def _seconds(at: datetime | None) -> float:
    return at.timestamp() if at else 0.0


def _instant(seconds: float) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None
