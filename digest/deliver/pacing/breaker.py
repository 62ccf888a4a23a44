"""When to stop for a while: a relay, or a domain behind it, that keeps failing is left alone, then tried with one
message. Pure: `now` is an argument, in seconds since 1970.

    closed -> open      enough failures in a row; the pause doubles with every failed try
    open   -> trying    the pause is over: one message goes
    trying -> closed    it was taken, or refused for its recipient's sake
    trying -> open      it met the same again
    any    -> closed    a person says so: digest relays resume
    any    -> open      a person says so: digest relays pause; only a person ends that
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from digest.deliver.pacing.causes import Cause


@dataclass(frozen=True)
class Plan:
    """How much of a cause is borne, and how long the pauses are, in seconds."""

    patience: int
    first: float
    longest: float


_RELAY = Plan(1, 0.5, 300)
PLANS = {
    Cause.REACH: _RELAY,
    Cause.TLS: _RELAY,
    Cause.BUSY: _RELAY,
    Cause.SENDER: _RELAY,
    Cause.LOG_IN: Plan(1, 5, 300),  # providers lock accounts whose log-in fails too often
    Cause.RELAYING: Plan(3, 5, 300),
    Cause.QUOTA: Plan(1, 1, 300),
    Cause.POLICY: Plan(5, 600, 7200),  # S-11: five within a hundred
    Cause.TEMPORARY: Plan(20, 60, 1800),
}
_FORGIVES = 0.05  # of a policy refusal, with every message that is taken
_SERIOUS = 3  # failures in a row
_MENDED = frozenset({Cause.LOG_IN, Cause.RELAYING, Cause.POLICY})  # by a person, not by time
_DOUBTFUL = frozenset({Cause.TLS, Cause.SENDER})


@dataclass(frozen=True)
class Standing:
    """What a breaker is kept as; `by_hand` means that only a person ends the pause."""

    by_hand: bool = False
    cause: str = ""  # a Cause, or "" when closed
    said: str = ""
    since: float = 0.0
    retry_at: float = 0.0
    failures: int = 0

    @property
    def for_a_person(self) -> bool:
        """Whether it will not pass before somebody mends it: what a server may say once in error, when said thrice."""
        return self.cause in _MENDED or (self.cause in _DOUBTFUL and self.failures >= _SERIOUS)

    @property
    def closed(self) -> bool:
        """Whether mail flows."""
        return not self.by_hand and not self.cause


class Breaker:
    """The breaker of one relay, or of one recipient domain behind one relay."""

    __slots__ = ("_strikes", "first", "shut", "standing", "trying")

    def __init__(self, first: float | None = None) -> None:
        self.first = first  # seconds of the first pause at most, where a plan's is longer
        self.standing = Standing()
        self.shut = False  # not closed: kept beside the standing, as it is asked for every message
        self.trying = False  # one message is on its way to see how it is
        self._strikes: dict[Cause, float] = {}

    def lets(self, now: float) -> bool:
        """Whether a message may go now. Where it is not closed, the caller sets `trying` with the one that goes."""
        if not self.shut:
            return True
        standing = self.standing
        # A clock that was set back must not make a pause of hours out of one of seconds.
        due = now >= standing.retry_at or now < standing.since - 1
        return due and not self.trying and not standing.by_hand

    def fail(self, cause: Cause, said: str, now: float) -> bool:
        """One more failure; True if it opens the breaker, or keeps it open for longer."""
        plan = PLANS[cause]
        if self.shut:
            if self.standing.by_hand or (now < self.standing.retry_at and not self.trying):
                return False  # what was under way met the same: that is known
        else:
            self._strikes[cause] = self._strikes.get(cause, 0.0) + 1
            if self._strikes[cause] < plan.patience:
                return False
        failures = self.standing.failures + 1
        first = plan.first if self.first is None else min(plan.first, self.first)
        pause = min(first * 2.0 ** min(failures - 1, 40), max(plan.longest, first))
        since = self.standing.since if self.shut else now
        self.restore(Standing(False, cause.value, said, since, now + pause, failures))
        return True

    def taken(self) -> bool:
        """A message was taken, or refused for its recipient's sake; True if that closes the breaker."""
        if self.shut and not self.standing.by_hand:
            self.restore(Standing())
            return True
        policy = self._strikes.get(Cause.POLICY, 0.0) - _FORGIVES
        self._strikes = {Cause.POLICY: policy} if policy > 0 else {}  # all others are counted in a row
        return False

    def restore(self, standing: Standing) -> None:
        """Go on from what was kept, or from what a person decided."""
        self.standing = standing
        self.shut = not standing.closed
        self.trying = False
        self._strikes = {}

    @property
    def struck(self) -> bool:
        """Whether failures are being counted."""
        return self.shut or bool(self._strikes)

    @property
    def serious(self) -> bool:
        """Whether waiting alone is not likely to mend it: a person is needed, or it failed three times in a row."""
        standing = self.standing
        return self.shut and (standing.by_hand or standing.for_a_person or standing.failures >= _SERIOUS)


_WHAT = {
    Cause.REACH: "it can't be reached",
    Cause.TLS: "its TLS is not in order",
    Cause.LOG_IN: "it refuses our log-in",
    Cause.SENDER: "it refuses our sender",
    Cause.RELAYING: "it does not relay for us",
    Cause.QUOTA: "we have had all that it allows us",
    Cause.BUSY: "it is busy",
    Cause.POLICY: "our mail is refused by policy",
    Cause.TEMPORARY: "nothing is taken there now",
}


def sentence(relay: str, domain: str, standing: Standing) -> str:
    """What is paused, why, until when, and the one command that resumes it; "" if mail flows."""
    if standing.closed:
        return ""
    which, command = _which(relay, domain), _command(relay, domain)
    if standing.by_hand:
        why = f": {standing.said}" if standing.said else ""
        return f"{which}: paused by hand{why}; {command} lets it go on"
    what = _WHAT.get(Cause(standing.cause), standing.cause)
    at = datetime.fromtimestamp(standing.retry_at, UTC).strftime("%H:%M:%S UTC")
    return f'{which}: {what} ("{standing.said}"); tried again at {at}, or at once after {command}'


def notice(relay: str, domain: str, standing: Standing) -> tuple[str, str]:
    """Subject and body (Markdown) of what staff are told of a pause that a person has to mend."""
    which, what = _which(relay, domain), _WHAT.get(Cause(standing.cause), standing.cause)
    said = standing.said.replace("`", "'")
    body = (
        f"{which[0].upper()}{which[1:]}: {what}.\n\n`{said}`\n\n"
        "Nobody is marked for it: what could not go out waits, and is tried with one message now and then. "
        f"When it is mended, this lets all of it go on at once: `{_command(relay, domain)}`"
    )
    return f"Mail is paused: {which}", body


def _which(relay: str, domain: str) -> str:
    return f"relay {relay}, {domain}" if domain else f"relay {relay}"


def _command(relay: str, domain: str) -> str:
    return f"digest relays resume {relay}" + (f" --domain {domain}" if domain else "")
