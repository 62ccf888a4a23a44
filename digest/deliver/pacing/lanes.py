"""Where messages wait: for each sender domain a route over its relays, on it a lane for each recipient domain. Pure.

A recipient domain's limits hold over all routes and relays; its breakers are one for each relay. Instants are seconds
since 1970, given as arguments.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from digest.config import PaceConfig, RelayConfig
from digest.deliver.ledger import Work
from digest.deliver.pacing.breaker import Breaker
from digest.deliver.pacing.pace import Allowance, Bucket, Tempo

UNTIL_HEARD = -1.0  # a gate that no time opens: an answer does, or a grant
_FIRST = 2  # messages under way to a domain that has not answered yet (slow start)
_UNBOUNDED = 10_000
_SILENCE_S = 2.0  # a domain that has not answered for so long, while others have, gets no more until it does
_PATIENCE_S = 10.0  # nor one that has not for so long, whatever others do
_MARKED_S = 5.0
_ROOM_S = 10.0  # a relay that has not asked for so long has no room
_SLACK = 8  # messages of the smallest weight that a relay may be ahead of its share


class Domain:
    """A recipient domain, or several with one limit, and how it is doing."""

    __slots__ = (
        "allowance",
        "booked",
        "breakers",
        "cap",
        "flying",
        "heard_at",
        "limited",
        "mark",
        "most",
        "name",
        "parked",
        "per_second",
        "taken",
        "tempo",
    )

    def __init__(self, name: str, pace: PaceConfig | None, now: float) -> None:
        self.name = name
        self.per_second = pace.per_second if pace else None
        self.tempo = Tempo(self.per_second, now)
        self.allowance = Allowance(pace.per_day, None) if pace and pace.per_day else None
        self.cap = (pace.at_once if pace else None) or _UNBOUNDED
        self.limited = pace is not None
        self.most = min(_FIRST, self.cap)  # messages under way; one more with every message that is taken
        self.flying = 0
        self.heard_at = now
        self.taken = 0
        self.mark = (now, 0)  # when, and how many were taken by then
        self.booked = 0.0  # up to when turns are given away
        self.breakers: dict[str, Breaker] = {}
        self.parked: list[Lane] = []

    def gate(self, now: float, heard: float) -> float:
        """0 when a message may go, else the seconds until then, or UNTIL_HEARD; `heard`: when anybody answered."""
        if self.flying >= self.most or self.silent(now, heard):
            return UNTIL_HEARD
        if self.tempo.bucket is not None and (wait := self.tempo.bucket.wait(now)):
            return wait
        return UNTIL_HEARD if self.allowance is not None and self.allowance.out else 0.0

    def silent(self, now: float, heard: float) -> bool:
        """Whether it leaves us waiting, longer than others do."""
        return self.flying > 0 and (heard - self.heard_at > _SILENCE_S or now - self.heard_at > _PATIENCE_S)

    def measured(self, now: float) -> float:
        """Messages a second of late."""
        at, taken = self.mark
        return (self.taken - taken) / max(now - at, 0.5)

    def roll(self, now: float) -> bool:
        """Look at it once in a while; False if nothing has to be remembered of it."""
        at, taken = self.mark
        if abs(now - at) >= _MARKED_S:
            self.mark = (now, self.taken)
        quiet = self.taken == taken and not self.flying and not self.limited and self.tempo.slowed is None
        return not quiet or any(breaker.struck for breaker in self.breakers.values())

    def breaker(self, relay: str, first: float) -> Breaker:
        """The breaker of this domain behind that relay."""
        if relay not in self.breakers:
            self.breakers[relay] = Breaker(first)
        return self.breakers[relay]


class Lane:
    """What waits on one route for one recipient domain, in the order of its coming."""

    __slots__ = ("domain", "ringed", "route", "works")

    def __init__(self, route: Route, domain: Domain) -> None:
        self.route = route
        self.domain = domain
        self.works: deque[Work] = deque()
        self.ringed = False  # in the ring of its route; else it is empty, or its domain's gate is shut


class Way:
    """A relay, as the queue sees it."""

    __slots__ = (
        "allowance",
        "asked_at",
        "breaker",
        "bucket",
        "config",
        "name",
        "routes",
        "storm",
        "stormy",
    )

    def __init__(self, config: RelayConfig, now: float) -> None:
        self.config = config
        self.name = config.name
        self.breaker = Breaker()
        self.bucket = Bucket(config.per_second, now) if config.per_second else None
        limited = config.per_day is not None or config.warm_up is not None
        self.allowance = Allowance(config.per_day, config.warm_up) if limited else None
        self.routes: list[Route] = []
        self.asked_at = 0.0
        self.storm = 0  # put off in a row, by whatever domain
        self.stormy: set[str] = set()  # those domains

    def free(self, now: float) -> bool:
        """Whether it could take a message of an issue now."""
        if self.breaker.shut or (self.allowance is not None and self.allowance.out):
            return False
        return self.bucket is None or not self.bucket.wait(now)

    def hopeless(self, now: float) -> bool:
        """Whether a person is needed, or it has failed again and again, and no try is under way or due."""
        standing = self.breaker.standing
        waits = standing.by_hand or (standing.retry_at > now and not self.breaker.trying)
        return self.breaker.serious and waits

    def until(self, now: float) -> float | None:
        """When it may be used again, where that is known and not now."""
        if self.breaker.shut:
            return self.breaker.standing.retry_at
        return self.allowance.until(now) if self.allowance is not None else None


class Route:
    """The relays for mail from one domain, and what waits for them."""

    __slots__ = ("from_domain", "lanes", "letters", "passed", "ring", "serving", "slack")

    def __init__(self, from_domain: str) -> None:
        self.from_domain = from_domain
        self.serving: list[Way] = []
        self.lanes: dict[str, Lane] = {}
        self.letters: deque[tuple[Lane, Work]] = deque()
        self.ring: deque[Lane] = deque()  # lanes whose turn comes round
        self.passed: dict[str, float] = {}  # by relay: messages over weight
        self.slack = 0.0  # 0: all weights are equal, each relay takes what it can

    def serve(self, ways: Sequence[Way]) -> None:
        """Choose the relays: the domain's own, or while all of those are down the others too, or those for any domain;
        of weight 0 only while no other is up."""
        own = [way for way in ways if self.from_domain in way.config.from_domains]
        free = [way for way in ways if not way.config.from_domains]
        chosen = own or free
        if own and all(way.breaker.serious for way in own):
            chosen = own + free
        first = [way for way in chosen if way.config.weight]
        self.serving = chosen if all(way.breaker.serious for way in first) else first
        weights = {way.config.weight for way in self.serving if way.config.weight}
        self.slack = _SLACK / min(weights) if len(weights) > 1 else 0.0

    def ahead(self, way: Way, now: float) -> bool:
        """Whether this relay has had its share, and another that has room has not.

        Shares are kept where weights differ. A relay that is paused, paced, or has not asked for ten seconds has no
        room; it is owed nothing for that time.
        """
        mine = self.passed.get(way.name, 0.0)
        behind = False
        for other in self.serving:
            if other is way or not other.config.weight:
                continue
            theirs = self.passed.get(other.name, 0.0)
            if abs(now - other.asked_at) > _ROOM_S or not other.free(now):
                self.passed[other.name] = max(theirs, mine)
            elif mine > theirs + self.slack:
                behind = True
        return behind

    def count(self, way: Way, messages: int) -> None:
        """It took so many; fewer than none when it gave them back."""
        if self.slack and way.config.weight:
            self.passed[way.name] = self.passed.get(way.name, 0.0) + messages / way.config.weight
