"""What an answer means: for the row it is about, and for the relay and the domain that it came from. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from digest.deliver.pacing.causes import RELAYS, Cause, of_reply, of_trouble
from digest.deliver.pacing.lanes import Domain, Way
from digest.deliver.replies import Deferred, Refused, Reply

_UNCLEAR_TRIES = 3  # a refusal that does not say whom it means is the recipient's own after so many
_STORM = 50  # messages put off in a row, at three domains or more: it is the relay
_STORMY = 3
_LONGEST = 200  # characters of a reply
_ADDRESS = re.compile(r"<?[^\s<>()\"']+@[^\s<>()\"',;]+>?")


@dataclass(frozen=True)
class Judgement:
    """What the ledger is to keep: the outcome as it is, or, where the fault is not the recipient's, that it waits."""

    waits: bool = False  # not failed, whatever was said
    not_before: float = 0.0  # the earliest next try, if any
    cause: Cause | None = None


KEEP = Judgement()


class Health:
    """Hears of every answer; `changed` gathers the breakers (relay, domain or "") whose standing has changed, and
    `moved` is called when a relay's has."""

    def __init__(self, first_s: float, moved: Callable[[], None]) -> None:
        self.first_s = first_s
        self.changed: set[tuple[str, str]] = set()
        self._moved = moved

    def well(self, way: Way, domain: Domain) -> None:
        """A message was taken."""
        if way.breaker.struck and way.breaker.taken():
            self.changed.add((way.name, ""))
            self._moved()
        if way.storm:
            way.storm = 0
            way.stormy.clear()
        if domain.breakers and (breaker := domain.breakers.get(way.name)) and breaker.struck and breaker.taken():
            self.changed.add((way.name, domain.name))

    def tried(self, way: Way, domain: Domain) -> None:
        """A message has come back, and is no longer the one that tries how it is."""
        way.breaker.trying = False
        if breaker := domain.breakers.get(way.name):
            breaker.trying = False

    def trouble(self, way: Way, stage: str, reply: Reply | None, why: str, now: float) -> None:
        """The relay could not be used at all."""
        self._fail(way, of_trouble(stage, reply), _without_addresses(why), now)

    def weigh(self, way: Way, domain: Domain, attempts: int, said: Deferred | Refused, now: float) -> Judgement:
        """What a refusal means after `attempts` earlier ones; it has been heard when this returns."""
        cause = of_reply(said.reply)
        if cause in RELAYS:
            self._fail(way, cause, _quoted(said.reply), now)
            return Judgement(True, way.breaker.standing.retry_at if way.breaker.shut else 0.0, cause)
        if way.breaker.shut and not way.storm and way.breaker.taken():
            self.changed.add((way.name, ""))  # it takes our mail: what it said is about a recipient, or their domain
            self._moved()
        if cause is Cause.RECIPIENT:
            self.well(way, domain)
        if cause in (Cause.RECIPIENT, Cause.GREYLISTED):
            return Judgement(cause=cause)
        if cause is Cause.THROTTLED:
            domain.tempo.slow(domain.measured(now), now)
            return Judgement(cause=cause)
        return self._domains(way, domain, cause, attempts, said.reply, now)

    def _domains(self, way: Way, domain: Domain, cause: Cause, attempts: int, reply: Reply, now: float) -> Judgement:
        breaker = domain.breaker(way.name, self.first_s)
        if breaker.fail(Cause.POLICY if cause is Cause.UNCLEAR else cause, _quoted(reply), now):
            self.changed.add((way.name, domain.name))
        if cause is Cause.TEMPORARY:
            self._storm(way, domain, reply, now)
        else:
            domain.most = 1  # one at a time, until one is taken
        if cause is Cause.UNCLEAR and not breaker.shut and attempts + 1 >= _UNCLEAR_TRIES:
            return Judgement(cause=cause)
        return Judgement(True, breaker.standing.retry_at if breaker.shut else 0.0, cause)

    def _storm(self, way: Way, domain: Domain, reply: Reply, now: float) -> None:
        way.storm += 1
        way.stormy.add(domain.name)
        if way.storm >= _STORM and len(way.stormy) >= _STORMY:
            self._fail(way, Cause.BUSY, _quoted(reply), now)

    def _fail(self, way: Way, cause: Cause, why: str, now: float) -> None:
        if way.breaker.fail(cause, why, now):
            self.changed.add((way.name, ""))
            self._moved()


def _quoted(reply: Reply) -> str:
    return _without_addresses(" ".join(filter(None, (str(reply.code), reply.enhanced, reply.text))))[:_LONGEST]


def _without_addresses(said: str) -> str:
    # Causes are shown, logged and mailed to staff: the people they happen to name have nothing to do there.
    return _ADDRESS.sub("(address)", said)
