"""What can't go soon: when it can, and why not before. Pure; instants are seconds since 1970, given as arguments."""

from __future__ import annotations

from dataclasses import dataclass

from digest.deliver.ledger import Work
from digest.deliver.pacing.breaker import sentence
from digest.deliver.pacing.lanes import Domain, Lane, Route

SOON_S = 60.0  # what is over by then is waited for; and for what waits for an answer or a person, when to look again
_KEPT_S = 2.0  # a paced domain keeps what it can send in this time
_GRAIN_S = 5.0  # turns are given out in steps of this, so that a slice comes back for several at once


@dataclass(frozen=True)
class Waiting:
    """A message that can't go before `until`, and why; a paced one goes then, in its turn."""

    work: Work
    until: float
    why: str
    paced: bool = False


def emptied(lane: Lane) -> list[Work]:
    """All that the lane held, in order."""
    works = list(lane.works)
    lane.works.clear()
    return works


def stopped(route: Route, now: float) -> tuple[float, str] | None:
    """Until when no relay takes the route's mail, and why; None while one does, or soon will."""
    if not route.serving:
        return now + SOON_S, f"no relay takes mail from {route.from_domain}"
    untils = [(way.until(now) or 0.0, way) for way in route.serving]
    if any(at <= now + _KEPT_S for at, way in untils if not way.breaker.standing.by_hand):
        return None
    # A person's pause has no end: it comes last.
    until, way = min(untils, key=lambda pair: (pair[1].breaker.standing.by_hand, pair[0]))
    if way.breaker.shut:
        until = now + SOON_S if way.breaker.standing.by_hand else until
        return until, sentence(way.name, "", way.breaker.standing)
    assert way.allowance
    return until, f"relay {way.name} has sent the {way.allowance.whole:,} messages that {way.allowance.day} allows"


def overdue(lane: Lane, now: float, heard: float) -> list[Waiting]:
    """Take out of the lane what can't go in the next moments: all of it where its domain is paused or silent or has had
    its day's messages, and of a paced one what is more than goes in two seconds."""
    if found := _halted(lane, now, heard):
        until, why = found
        return [Waiting(work, until, why) for work in emptied(lane)]
    rate = _rate(lane.domain, now)
    if not rate or len(lane.works) <= max(1.0, rate * _KEPT_S):
        return []
    return _booked(lane, rate, now)


def late_letters(route: Route, now: float) -> list[Waiting]:
    """Take out the letters to domains that every relay leaves alone."""
    found, kept = [], []
    for lane, work in route.letters:
        if said := paused(lane, now):
            found.append(Waiting(work, *said))
        else:
            kept.append((lane, work))
    route.letters.clear()
    route.letters.extend(kept)
    return found


def paused(lane: Lane, now: float) -> tuple[float, str] | None:
    """Until when every relay of the lane leaves its domain alone, and why; None while one does not."""
    shut = [lane.domain.breakers[way.name] for way in lane.route.serving if way.name in lane.domain.breakers]
    if len(shut) < len(lane.route.serving) or any(breaker.lets(now) for breaker in shut):
        return None
    standing = min((breaker.standing for breaker in shut), key=lambda one: (one.by_hand, one.retry_at))
    relay = next(way.name for way in lane.route.serving if lane.domain.breakers[way.name].standing is standing)
    # Where one message tries how it is, the others wait for what comes of it.
    return max(standing.retry_at, now + _GRAIN_S), sentence(relay, lane.domain.name, standing)


def _halted(lane: Lane, now: float, heard: float) -> tuple[float, str] | None:
    domain = lane.domain
    if domain.allowance is not None and (until := domain.allowance.until(now)):
        return (
            until,
            f"{domain.name} has had the {domain.allowance.whole:,} messages that {domain.allowance.day} allows",
        )
    if domain.silent(now, heard):
        return now + SOON_S, f"{domain.name} does not answer: {domain.flying} messages are under way"
    return paused(lane, now)


def _rate(domain: Domain, now: float) -> float:
    """How many messages a second may go to it; 0: any number."""
    if domain.tempo.bucket is not None:
        return domain.tempo.bucket.rate
    at, _ = domain.mark
    return max(domain.measured(now), 0.1) if domain.flying >= domain.cap and now - at >= _KEPT_S else 0.0


def _booked(lane: Lane, rate: float, now: float) -> list[Waiting]:
    """What is more than goes in a moment, each with its turn at that rate; turns given away before are not free."""
    domain = lane.domain
    kept = max(1, int(rate * _KEPT_S))
    works = emptied(lane)
    lane.works.extend(works[:kept])
    turn = max(domain.booked, now + _KEPT_S)
    found = []
    why = f"{domain.name} gets {rate:g} messages a second: it waits for its turn"
    for work in works[kept:]:
        turn += 1 / rate
        found.append(Waiting(work, -(-turn // _GRAIN_S) * _GRAIN_S, why, paced=True))
    domain.booked = turn
    return found
