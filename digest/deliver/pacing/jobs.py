"""What waits to be sent: which message a relay gets next, and what an answer means for those that come after it.

Letters go first. Issues take turns by recipient domain, so that none stands in another's way; a domain that is paced or
paused is passed over, and what can't go soon is given back to the ledger (`blocked`). All in memory, on one thread, no
clock: instants are seconds since 1970, given as arguments. Every message taken ends in `heard`, `back` or `drop`.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence

from digest.config import PaceConfig, RelayConfig
from digest.deliver.ledger import Work
from digest.deliver.pacing.breaker import Breaker, sentence
from digest.deliver.pacing.health import KEEP, Health, Judgement
from digest.deliver.pacing.lanes import UNTIL_HEARD, Domain, Lane, Route, Way
from digest.deliver.pacing.waiting import SOON_S, Waiting, emptied, late_letters, overdue, stopped
from digest.deliver.replies import Accepted, Deferred, Outcome, Refused, Reply

_SHARE_POLL_S = 0.01


class Jobs:
    """The queue of all relays."""

    def __init__(
        self, relays: Sequence[RelayConfig], pace: Sequence[PaceConfig] = (), *, now: float, first_s: float = 900
    ) -> None:
        """Empty; `first_s` is after how long a message is tried again for the first time, and no first pause of a
        domain is longer."""
        self._ways = {relay.name: Way(relay, now) for relay in relays}
        self._paces = {domain: (one.domains[0], one) for one in pace for domain in one.domains}
        self._domains: dict[str, Domain] = {}
        self._routes: dict[str, Route] = {}
        self._out: dict[int, tuple[Lane, Way]] = {}
        self._naps: list[tuple[float, int, Lane]] = []  # lanes whose domain is paced, by when they may go on
        self._count = itertools.count()
        self.senders = 1  # that share the limits
        self._heard_at = self._tidied = now
        self._health = Health(first_s, self.reroute)
        for one in pace:
            self.domain(one.domains[0], now)

    def put(self, work: Work, from_domain: str, now: float) -> None:
        """One more, sent in the name of that domain."""
        lane = self._lane(work, from_domain, now)
        if work.hold.urgent:
            lane.route.letters.append((lane, work))
            return
        lane.works.append(work)
        if not lane.ringed:
            self._ring(lane)

    def back(self, work: Work) -> None:
        """It was not tried, or the relay surely did not take it: it is the next one of its kind again."""
        lane = self._undone(work)
        if work.hold.urgent:
            lane.route.letters.appendleft((lane, work))
            return
        lane.works.appendleft(work)
        if not lane.ringed:
            self._ring(lane, first=True)

    def drop(self, work: Work) -> None:
        """It was not tried, and is not wanted any more."""
        self._undone(work)

    def take(self, relay: str, now: float, *, letters_only: bool = False) -> Work | None:
        """The next message that may go over this relay now, if there is one."""
        way = self._ways[relay]
        way.asked_at = now
        if way.breaker.shut and not way.breaker.lets(now):
            return None
        if way.bucket is not None and way.bucket.wait(now):
            return None
        if self._naps and self._naps[0][0] <= now:
            self._wake(now)
        routes = way.routes
        for _ in range(len(routes)):
            route = routes[0]
            if len(routes) > 1:
                routes.append(routes.pop(0))
            if route.letters and (found := self._letter(route, way, now)):
                return self._gone(*found, way, now)
            if route.ring and not letters_only and (found := self._issue(route, way, now)):
                return self._gone(*found, way, now)
        return None

    def ready_in(self, relay: str, now: float) -> float | None:
        """Seconds until `take` might give something; None: no time brings it, only a `put`, `heard` or `back`."""
        way = self._ways[relay]
        if not any(route.letters or route.ring for route in way.routes) and not self._naps:
            return None
        if way.breaker.shut:
            if way.breaker.trying or way.breaker.standing.by_hand:
                return None
            return max(_SHARE_POLL_S, way.breaker.standing.retry_at - now)
        if way.bucket is not None and (wait := way.bucket.wait(now)):
            return wait
        times = [self._naps[0][0] - now] if self._naps else []
        for route in way.routes:
            if route.ring and route.slack and route.ahead(way, now):
                times.append(_SHARE_POLL_S)
            times += [at - now for lane in route.ring if (at := self._retry_at(lane, way))]
        return max(_SHARE_POLL_S, min(times)) if times else None

    def heard(self, work: Work, outcome: Outcome, now: float) -> Judgement:
        """What came of a message that was taken, and what is to be kept of it."""
        lane, way = self._land(work)
        domain = lane.domain
        domain.heard_at = self._heard_at = now
        if type(outcome) is Accepted:
            if domain.most < domain.cap:
                domain.most += 1
            if domain.tempo.slowed is not None:
                domain.tempo.recover(now)
            self._health.well(way, domain)
        elif isinstance(outcome, Deferred | Refused) and outcome.tried:
            judged = self._health.weigh(way, domain, work.attempts, outcome, now)
            self._health.tried(way, domain)
            return judged
        elif way.breaker.shut or domain.breakers:
            self._health.tried(way, domain)
        return KEEP

    def trouble(self, relay: str, stage: str, reply: Reply | None, why: str, now: float) -> None:
        """The relay could not be used at all: `stage` and `reply` as `Trouble` has them."""
        self._health.trouble(self._ways[relay], stage, reply, why, now)

    def blocked(self, now: float) -> list[Waiting]:
        """Take out what can't go soon, with when it can: the ledger is to have it until then.

        A domain that is paced keeps what it can send in two seconds; one that is paused keeps nothing. What waits for
        its relays alone is kept, unless other relays go on with other mail, or they have had their day's messages.
        """
        found: list[Waiting] = []
        halted: list[tuple[Route, float, str]] = []
        for route in self._routes.values():
            if said := stopped(route, now):
                halted.append((route, *said))
                continue
            found += late_letters(route, now)
            for lane in set(route.lanes.values()):
                if lane.works:
                    found += overdue(lane, now, self._heard_at)
        for route, until, why in halted:
            if len(halted) < len(self._routes) or until - now > SOON_S:
                found += [Waiting(work, until, why) for lane in set(route.lanes.values()) for work in emptied(lane)]
        self._tidy(now)
        return found

    @property
    def waiting(self) -> bool:
        """Whether anything waits that is not known to be held up."""
        return any(route.ring or route.letters for route in self._routes.values())

    def flows(self, now: float) -> bool:
        """Whether any relay could be given mail of an issue now, or within a minute."""
        return any((way.until(now) or 0.0) - now <= SOON_S and not way.breaker.standing.by_hand for way in self.ways)

    def hopeless(self, now: float) -> str:
        """Why no relay can be used, in a sentence for each, when that will not pass by itself soon; else ""."""
        if any(not way.hopeless(now) for way in self.ways):
            return ""
        said = [sentence(way.name, "", way.breaker.standing) for way in self.ways]
        return "; ".join(said) or "there is no relay"

    @property
    def changed(self) -> set[tuple[str, str]]:
        """The breakers (relay, domain or "") whose standing is to be stored; whoever stores one takes it out."""
        return self._health.changed

    def way(self, relay: str) -> Way:
        """A relay, by its name."""
        return self._ways[relay]

    def breaker(self, relay: str, domain: str, now: float) -> Breaker:
        """The breaker of a recipient domain behind a relay."""
        return self.domain(domain, now).breaker(relay, self._health.first_s)

    @property
    def ways(self) -> Sequence[Way]:
        """The relays."""
        return tuple(self._ways.values())

    @property
    def domains(self) -> Sequence[Domain]:
        """The recipient domains that something is known of."""
        return tuple(self._domains.values())

    # Taking

    def _letter(self, route: Route, way: Way, now: float) -> tuple[Lane, Work] | None:
        # Letters are few and urgent: they pass a domain's limits, and only a pause holds them.
        for _ in range(len(route.letters)):
            lane, work = route.letters.popleft()
            breaker = lane.domain.breakers.get(way.name)
            if breaker is None or breaker.lets(now):
                return lane, work
            route.letters.append((lane, work))
        return None

    def _issue(self, route: Route, way: Way, now: float) -> tuple[Lane, Work] | None:
        if way.allowance is not None and way.allowance.out:
            return None
        if route.slack and route.ahead(way, now):
            return None
        ring = route.ring
        # Nobody gets more places than falls to each while others could use them: slow answers would fill them all.
        fair = max(1.0, len(self._out) / len(ring))
        greedy: Lane | None = None
        for _ in range(len(ring)):
            lane = ring[0]
            domain = lane.domain
            if not lane.works:
                ring.popleft()
                lane.ringed = False
            elif wait := domain.gate(now, self._heard_at):
                ring.popleft()
                self._park(lane, wait, now)
            elif way.name in domain.breakers and not domain.breakers[way.name].lets(now):
                ring.rotate(-1)
            elif domain.flying >= fair and len(ring) > 1:
                greedy = greedy or lane
                ring.rotate(-1)
            else:
                ring.rotate(-1)
                return lane, self._popped(lane)
        return (greedy, self._popped(greedy)) if greedy is not None and greedy.ringed else None

    def _popped(self, lane: Lane) -> Work:
        work = lane.works.popleft()
        if not lane.works:
            # It stands at the end of the ring, where `_issue` has just put it, or is near.
            lane.route.ring.remove(lane) if lane.route.ring[-1] is not lane else lane.route.ring.pop()
            lane.ringed = False
        return work

    def _gone(self, lane: Lane, work: Work, way: Way, now: float) -> Work:
        domain = lane.domain
        if not domain.flying:
            domain.heard_at = now
        domain.flying += 1
        domain.taken += 1
        if domain.tempo.bucket is not None:
            domain.tempo.bucket.take()
        if way.bucket is not None:
            way.bucket.take()
        if domain.allowance is not None:
            domain.allowance.left -= 1
        if way.allowance is not None:
            way.allowance.left -= 1
        if lane.route.slack:
            lane.route.count(way, 1)
        if way.breaker.shut:
            way.breaker.trying = True
        if domain.breakers and (breaker := domain.breakers.get(way.name)) and breaker.shut:
            breaker.trying = True
        self._out[id(work)] = (lane, way)  # its row may be in the queue again, under another hold
        return work

    def _undone(self, work: Work) -> Lane:
        lane, way = self._land(work)
        self._health.tried(way, lane.domain)
        lane.domain.taken -= 1
        for bucket in (way.bucket, lane.domain.tempo.bucket):
            if bucket is not None:
                bucket.give_back()
        for allowance in (way.allowance, lane.domain.allowance):
            if allowance is not None:
                allowance.left += 1
        lane.route.count(way, -1)
        return lane

    def _land(self, work: Work) -> tuple[Lane, Way]:
        lane, way = self._out.pop(id(work))
        lane.domain.flying -= 1
        if lane.domain.parked:
            self.unpark(lane.domain)
        return lane, way

    # Lanes

    def _lane(self, work: Work, from_domain: str, now: float) -> Lane:
        route = self._routes.get(from_domain)
        if route is None:
            route = self._routes[from_domain] = Route(from_domain)
            self.reroute()
        name = work.address.rpartition("@")[2]
        lane = route.lanes.get(name)
        if lane is None:
            domain = self.domain(name, now)
            lane = route.lanes.get(domain.name) or Lane(route, domain)
            route.lanes[name] = route.lanes[domain.name] = lane
        return lane

    def domain(self, name: str, now: float) -> Domain:
        """The recipient domain of that name, or the ones whose limit it shares."""
        name, pace = self._paces.get(name, (name, None))
        found = self._domains.get(name)
        if found is None:
            found = self._domains[name] = Domain(name, pace, now)
            if found.per_second:
                found.tempo.share(found.per_second / self.senders, now)
        return found

    def _ring(self, lane: Lane, first: bool = False) -> None:
        lane.ringed = True
        (lane.route.ring.appendleft if first else lane.route.ring.append)(lane)

    def _park(self, lane: Lane, wait: float, now: float) -> None:
        lane.ringed = False
        if wait == UNTIL_HEARD:
            lane.domain.parked.append(lane)
        else:
            heapq.heappush(self._naps, (now + wait, next(self._count), lane))

    def unpark(self, domain: Domain) -> None:
        """Its gate may be open again."""
        for lane in domain.parked:
            if lane.works and not lane.ringed:
                self._ring(lane)
        domain.parked.clear()

    def _wake(self, now: float) -> None:
        while self._naps and self._naps[0][0] <= now:
            lane = heapq.heappop(self._naps)[2]
            if lane.works and not lane.ringed:
                self._ring(lane)

    def reroute(self) -> None:
        """A relay is up or down: choose anew which relays serve whom."""
        for route in self._routes.values():
            route.serve(self.ways)
        for way in self.ways:
            way.routes = [route for route in self._routes.values() if way in route.serving]

    def _retry_at(self, lane: Lane, way: Way) -> float:
        breaker = lane.domain.breakers.get(way.name)
        return breaker.standing.retry_at if breaker and breaker.shut and not breaker.trying else 0.0

    def _tidy(self, now: float) -> None:
        if now < self._tidied:  # the clock was set back: what naps by it would sleep too long
            self._wake(float("inf"))
        self._tidied = now
        # Lists have tens of thousands of domains: what there is nothing to remember of is forgotten.
        for name, domain in list(self._domains.items()):
            lanes = [lane for route in self._routes.values() if (lane := route.lanes.get(name))]
            if not domain.roll(now) and not any(lane.works or lane.ringed for lane in lanes):
                del self._domains[name]
                for route in self._routes.values():
                    route.lanes.pop(name, None)
