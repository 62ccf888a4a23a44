"""What a queue keeps over restarts and shares with other senders: breakers, slowed domains, parts of days. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from digest.deliver.pacing.breaker import Standing
from digest.deliver.pacing.jobs import Jobs
from digest.deliver.pacing.pace import Allowance, Bucket, Slowed


@dataclass(frozen=True)
class Wish:
    """A part of a day's messages that the database is asked for: of a relay, or of a recipient domain (relay "")."""

    relay: str
    domain: str
    day: str
    whole: int
    wanted: int


def standing(jobs: Jobs, relay: str, domain: str) -> Standing:
    """How one breaker stands; `domain` "" is the relay as a whole."""
    if not domain:
        return jobs.way(relay).breaker.standing
    found = next((one for one in jobs.domains if one.name == domain), None)
    return found.breakers[relay].standing if found and relay in found.breakers else Standing()


def adopt(jobs: Jobs, relay: str, domain: str, kept: Standing, now: float) -> None:
    """Go on from how a breaker was kept, or from what a person or another sender decided; what is kept of a relay that
    is not in the settings any more is nothing to us."""
    if relay not in {way.name for way in jobs.ways}:
        return
    if domain:
        jobs.breaker(relay, domain, now).restore(kept)
    else:
        jobs.way(relay).breaker.restore(kept)
        jobs.reroute()


def slowed(jobs: Jobs) -> dict[str, Slowed]:
    """The domains that asked for less, with their rates."""
    return {domain.name: domain.tempo.slowed for domain in jobs.domains if domain.tempo.slowed}


def slow(jobs: Jobs, kept: Mapping[str, Slowed], now: float) -> None:
    """Go on at the rates that domains had been slowed to."""
    for name, rate in kept.items():
        jobs.domain(name, now).tempo.restore(rate, now)


def refill(jobs: Jobs, idle_s: float) -> None:
    """Buckets hold what their rate gave while nobody was at work, `idle_s` seconds: a restart is no refill."""
    for bucket in _buckets(jobs):
        bucket.level = min(bucket.level, idle_s * bucket.rate)


def limits(jobs: Jobs) -> bool:
    """Whether there is a rate that several senders would share."""
    return any(True for _ in _buckets(jobs))


def share(jobs: Jobs, senders: int, now: float, *, late: float = 0.0) -> None:
    """So many senders share the limits. One that comes late waits `late` seconds for the others to hear of it."""
    if senders != jobs.senders:
        jobs.senders = senders
        for way in jobs.ways:
            if way.bucket is not None:
                way.bucket.change((way.config.per_second or 0.0) / senders, now)
        for domain in jobs.domains:
            if domain.per_second:
                domain.tempo.share(domain.per_second / senders, now)
    if late:
        for bucket in _buckets(jobs):
            bucket.level = -late * bucket.rate


def wishes(jobs: Jobs, now: float) -> list[Wish]:
    """What to ask the database for, of what days allow; `granted` takes the answer."""
    return [
        Wish(relay, domain, allowance.day, allowance.whole or 0, wanted)
        for relay, domain, allowance in _limited(jobs)
        if (wanted := allowance.wanted(now))
    ]


def granted(jobs: Jobs, wish: Wish, number: int, now: float) -> None:
    """The database gave so many of those."""
    for relay, domain, allowance in _limited(jobs):
        if (relay, domain) == (wish.relay, wish.domain):
            allowance.grant(wish.day, number, wish.wanted)
    if wish.domain:
        jobs.unpark(jobs.domain(wish.domain, now))


def unused(jobs: Jobs) -> list[Wish]:
    """What was granted and not used, to be given back when all is over."""
    return [
        Wish(relay, domain, allowance.day, allowance.whole or 0, allowance.left)
        for relay, domain, allowance in _limited(jobs)
        if allowance.left > 0
    ]


def _buckets(jobs: Jobs) -> Iterator[Bucket]:
    for bucket in (*(way.bucket for way in jobs.ways), *(domain.tempo.bucket for domain in jobs.domains)):
        if bucket is not None:
            yield bucket


def _limited(jobs: Jobs) -> Iterator[tuple[str, str, Allowance]]:
    for way in jobs.ways:
        if way.allowance is not None:
            yield way.name, "", way.allowance
    for domain in jobs.domains:
        if domain.allowance is not None:
            yield "", domain.name, domain.allowance
