"""How fast: token buckets, a rate that gives way when it is asked to, and what a day allows. Pure: `now` is given.

Instants are seconds since 1970, as clocks give them; one that goes backwards refills nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from digest.config import WarmUpConfig

BURST_S = 0.2  # a bucket holds what its rate gives in this time, at least one message
DAY_S = 86_400
_FLOOR = 0.1  # messages a second: however often a domain asks for less
_RECOVERY = 0.01  # by which part the rate grows with every message that is taken again
_ONCE_S = 5.0  # what was under way when a domain asked for less asks again: that is heard once


class Bucket:
    """A token bucket. In any time t it lets at most rate x t + burst pass; burst is a fifth of a second's messages, or
    one message."""

    __slots__ = ("at", "burst", "level", "rate")

    def __init__(self, rate: float, now: float, level: float | None = None) -> None:
        self.rate = rate
        self.burst = max(1.0, rate * BURST_S)
        self.level = self.burst if level is None else level
        self.at = now

    def wait(self, now: float) -> float:
        """Seconds until one may pass; 0: now."""
        passed = now - self.at
        if passed:
            self.at = now
            if passed > 0:
                self.level = min(self.burst, self.level + passed * self.rate)
        # What is due within a microsecond is due: sums of fractions are never quite whole.
        return 0.0 if self.level > 1.0 - 1e-6 * self.rate else (1.0 - self.level) / self.rate

    def take(self) -> None:
        """One passes; where nobody asked whether it may, the next ones wait for it."""
        self.level -= 1.0

    def give_back(self) -> None:
        """It did not pass after all."""
        self.level = min(self.burst, self.level + 1.0)

    def change(self, rate: float, now: float) -> None:
        """Another rate from now on."""
        self.wait(now)
        self.rate = rate
        self.burst = max(1.0, rate * BURST_S)
        self.level = min(self.level, self.burst)


@dataclass(frozen=True)
class Slowed:
    """A rate that was given way: `ceiling` is where it was when a domain asked for less."""

    rate: float
    ceiling: float


class Tempo:
    """A domain's rate: what the settings allow, less while the domain says it is too much (S-33).

    Asked for less it halves, at most once in five seconds and never below one message in ten seconds; each message that
    is taken after that gives a hundredth back, until it is where it was, or twice there if nothing limits it.
    """

    __slots__ = ("bucket", "limit", "slowed", "slowed_at")

    def __init__(self, limit: float | None, now: float) -> None:
        self.limit = limit
        self.bucket = Bucket(limit, now) if limit else None
        self.slowed: Slowed | None = None
        self.slowed_at = 0.0

    def slow(self, measured: float, now: float) -> bool:
        """The domain asks for less, at `measured` messages a second; False if it asked a moment ago."""
        if self.slowed and 0 <= now - self.slowed_at < _ONCE_S:
            return False
        before = min(self.slowed.rate if self.slowed else self.limit or measured, max(measured, _FLOOR))
        ceiling = self.slowed.ceiling if self.slowed else before
        self.slowed_at = now
        self.restore(Slowed(max(_FLOOR, before / 2), max(_FLOOR, ceiling)), now)
        return True

    def restore(self, slowed: Slowed, now: float) -> None:
        """Go on with a rate that was given way before."""
        self.slowed = slowed
        self._set(min(slowed.rate, self.limit or slowed.rate), now)

    def recover(self, now: float) -> None:
        """A message was taken while slowed."""
        assert self.slowed
        rate = self.slowed.rate * (1 + _RECOVERY)
        if rate < (self.limit or 2 * self.slowed.ceiling):
            self.slowed = Slowed(rate, self.slowed.ceiling)
            self._set(rate, now)
            return
        self.slowed = None
        if self.limit:
            self._set(self.limit, now)
        else:
            self.bucket = None

    def share(self, limit: float | None, now: float) -> None:
        """What the settings allow, shared by several senders, is this much now."""
        self.limit = limit
        if limit and not self.slowed:
            self._set(limit, now)

    def _set(self, rate: float, now: float) -> None:
        if self.bucket is None:
            self.bucket = Bucket(rate, now, 0.0)
        else:
            self.bucket.change(rate, now)


def day_of(now: float) -> str:
    """The day (UTC) an instant is in."""
    return datetime.fromtimestamp(now, UTC).date().isoformat()


def tomorrow(now: float) -> float:
    """When the next day (UTC) begins."""
    midnight = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight + timedelta(days=1)).timestamp()


def allowed(day: str, per_day: int | None, warm_up: WarmUpConfig | None) -> int | None:
    """How many messages a day allows; None: any number.

    A plan's first day allows `first_day`, each further day `factor` times as many, until `until` is reached: then the
    relay is warm. Before its first day it allows none.
    """
    if warm_up is None:
        return per_day
    passed = (datetime.fromisoformat(day).date() - warm_up.start).days
    if passed < 0:
        return 0
    plan = warm_up.first_day * warm_up.factor ** min(passed, 300)
    if plan >= warm_up.until:
        return per_day
    return int(plan) if per_day is None else min(per_day, int(plan))


class Allowance:
    """What a day allows, of which a sender holds a part at a time: counted in the database before it is used.

    So several senders keep to it together, and a crash loses the part that was held but never sends more than allowed.
    What is held at midnight (UTC) is yesterday's, and falls away when the next part is asked for.
    """

    __slots__ = ("_per_day", "_warm_up", "day", "left", "spent", "whole")

    def __init__(self, per_day: int | None, warm_up: WarmUpConfig | None) -> None:
        self._per_day = per_day
        self._warm_up = warm_up
        self.day = ""
        self.whole: int | None = 0  # what the day allows in all; None: any number
        self.left = 0  # what we hold of it
        self.spent = False  # the database has no more for today

    def wanted(self, now: float) -> int:
        """How many more to ask the database for: 0 while enough is held, or while there are no more today."""
        day = day_of(now)
        if day != self.day:
            self.day, self.left, self.spent = day, 0, False
            self.whole = allowed(day, self._per_day, self._warm_up)
        if self.whole is None or self.spent:
            return 0
        part = max(20, self.whole // 20)
        return part if self.left < part // 2 else 0

    def grant(self, day: str, granted: int, wanted: int) -> None:
        """The database gave so many, of so many asked for."""
        if day == self.day:
            self.left += granted
            self.spent = granted < wanted

    @property
    def out(self) -> bool:
        """Whether nothing may pass until more is granted."""
        return self.left <= 0 and self.whole is not None

    def until(self, now: float) -> float | None:
        """When the next one may pass, if that is not today; None: now, or as soon as it is granted."""
        return tomorrow(now) if self.out and self.spent and self.day == day_of(now) else None
