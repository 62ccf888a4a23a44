"""How far a send is: what whoever watches is told, four times a second at most."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from digest.models import DeliveryState

_RECENT_S = 15.0  # the rate is that of the last seconds, so that a pause and a slow relay show
_YOUNG_S = 1.0


@dataclass(frozen=True)
class Going:
    """What this run has settled so far; `rate` in messages taken by relays a second, None before it is known."""

    sent: int
    deferred: int
    failed: int
    skipped: int
    unsure: int  # unknown or held: a person or a later try decides
    total: int | None  # what there was to do when the run began; None: whatever comes
    rate: float | None

    @property
    def done(self) -> int:
        """All that is settled, for now or for good."""
        return self.sent + self.deferred + self.failed + self.skipped + self.unsure

    @property
    def remaining_s(self) -> float | None:
        """Seconds until all of `total` is settled, at this rate; None where that can't be said."""
        if self.total is None or not self.rate:
            return None
        return max(0, self.total - self.done) / self.rate

    @property
    def words(self) -> str:
        """The same in words: "4,210 of 10,000, 350/s, 0:17 left, 12 deferred"."""
        counts = f"{self.done:,}" if self.total is None else f"{self.done:,} of {max(self.total, self.done):,}"
        parts = [counts, *([f"{self.rate:,.0f}/s" if self.rate >= 10 else f"{self.rate:.2g}/s"] if self.rate else [])]
        left = self.remaining_s
        parts += [f"{clocked(left)} left"] if left else []
        named = {"deferred": self.deferred, "failed": self.failed, "skipped": self.skipped, "unsure": self.unsure}
        return ", ".join([*parts, *(f"{number:,} {name}" for name, number in named.items() if number)])


def clocked(seconds: float) -> str:
    """Seconds as a clock shows them: 0:07, 12:30, 3:02:00."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Watcher(Protocol):
    """Called with what is being done, how much of it, out of how much; while sending with more of it."""

    def __call__(self, label: str, done: int, total: int | None, going: Going | None = None) -> None:
        """Show it, or not."""


def unwatched(label: str, done: int, total: int | None, going: Going | None = None) -> None:
    """Nobody looks."""


@dataclass
class Meter:
    """Turns counts by state into `Going`s; `at` are seconds of a clock that nobody sets."""

    total: int | None = None
    _seen: deque[tuple[float, int]] = field(default_factory=deque)

    def going(self, counts: Mapping[str, int], at: float) -> Going:
        """How far it is, with the rate of the last seconds."""
        settled = sum(counts.values())
        while len(self._seen) > 1 and self._seen[1][0] <= at - _RECENT_S:
            self._seen.popleft()
        self._seen.append((at, settled))
        began, before = self._seen[0]
        span = at - began
        of = {state: counts.get(state, 0) for state in DeliveryState}
        rate = (settled - before) / span if span >= _YOUNG_S else None
        return Going(
            sent=of[DeliveryState.SENT],
            deferred=of[DeliveryState.DEFERRED],
            failed=of[DeliveryState.FAILED],
            skipped=of[DeliveryState.SKIPPED],
            unsure=of[DeliveryState.UNKNOWN] + of[DeliveryState.HELD],
            total=self.total,
            rate=rate,
        )
