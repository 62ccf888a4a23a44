"""The sender: claims slices, gives their messages to the pool, and asks the ledger's writer for every step of each.

It is the pool's desk: the pool asks for a message, for leave to write its body, and says what came of it; each is a
request to the writer, answered when its commit is on disk, and nothing here waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial
from typing import Any

from sqlmodel import Session

from digest.blanks import Blank
from digest.compose.variants import fields_of
from digest.config import Config
from digest.deliver import handing, identity, ledger, outcomes, reporting
from digest.deliver.dkim import Key
from digest.deliver.handing import Ending, Leave, Verdict
from digest.deliver.leases import Watch
from digest.deliver.ledger import Hold, Work
from digest.deliver.message import Prepared, Reader, Stationery, build, parse_mailbox, prepare
from digest.deliver.pacing.deferring import put_off
from digest.deliver.pacing.keeper import TICK_S, Alarm, Keeper
from digest.deliver.pacing.waiting import Waiting
from digest.deliver.pool import Pool
from digest.deliver.progress import Meter, Watcher
from digest.deliver.replies import Outcome, Refused, Reply
from digest.deliver.slicing import BAND
from digest.deliver.talk import Written
from digest.deliver.writer import Writer
from digest.errors import RelayUnavailable
from digest.fields import values as values_of
from digest.links import Links
from digest.models import DeliveryState, Variant

Clock = Callable[[], datetime]

GRACE_S = 8.0  # how long open messages may take when we are told to stop
_ISSUES = 2  # slices of issues held at once,
_MOST = 32  # or more while
_FEW = 500  # rows are left in them: what waits for a slow domain must not keep others out
_LETTERS = 8  # slices of letters, besides
_POLL_S = 0.25
_RENEW_S = ledger.LEASE.total_seconds() / 3
_KEPT = 64  # variants with their pieces encoded, at most


@dataclass(frozen=True)
class Terms:
    """What a run is for, and when it ends; `dice` in [0, 1) spreads retries."""

    issue_id: int | None
    until_done: bool
    forever: bool
    dice: Callable[[], float]


@dataclass
class _Pile:
    """The messages of a slice that are not settled yet."""

    hold: Hold
    left: int
    prepared: dict[int, Prepared]
    senders: dict[int, str]  # by variant: the domain it is from
    fields: dict[int, tuple[str, ...]]  # by delivery, of variants with merge fields: what fills them
    under_way: int = 0
    withdrawn: bool = False  # the slice is lost, or its issue paused or cancelled: begin no more of it
    empty: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, settled: bool) -> None:
        self.under_way -= 1
        self.gone(settled)

    def gone(self, rows: int) -> None:
        self.left -= rows
        # Given back is only what has no message under way, whose outcome would find the slice gone.
        if not self.under_way and (self.withdrawn or self.left <= 0):
            self.empty.set()


@dataclass
class Sender:
    """One run; `counts` are the deliveries it has settled, by state."""

    config: Config
    links: Links
    terms: Terms
    writer: Writer
    pool: Pool
    clock: Clock
    progress: Watcher
    keys: tuple[Key, ...] = ()
    counts: Counter[str] = field(default_factory=Counter)
    piles: dict[int, _Pile] = field(default_factory=dict)
    prepared: dict[int, Prepared] = field(default_factory=dict)
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    holder: str = field(default_factory=identity.name)
    watch: Watch = field(default_factory=lambda: Watch(ledger.LEASE.total_seconds()))
    total: int | None = None
    alarm: Alarm | None = None
    turns: float = 0.0  # up to when paced rows come back, each in its turn

    async def run(self, stop: asyncio.Event) -> None:
        """Until nothing is due, or for ever, or `stop` is set; RelayUnavailable when no relay can be spoken to."""
        await self._inherit()
        if self.terms.issue_id is not None:
            await self._count()
        await self._keeper.begin()
        workers = self.pool.start(self)
        told = asyncio.create_task(stop.wait())
        slices: set[asyncio.Task[None]] = set()
        feeding = asyncio.create_task(self._feed(slices))
        showing = asyncio.create_task(self._show())
        tending = asyncio.create_task(self._tend())
        failure = self.writer.failure
        ends: set[asyncio.Future[Any]] = {told, feeding, tending, failure, *workers}
        try:
            # Whatever ends first: the work, the patience with us, or (by an error) a worker or the writer.
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.ending.set()
            told.cancel()
            await self.pool.drain(GRACE_S)
            self.writer.hurry()
            await asyncio.wait({feeding})  # it may have a slice in its hands that is none of `slices` yet
            results = await asyncio.gather(feeding, showing, tending, *slices, *workers, return_exceptions=True)
        for result in (*results, failure.exception() if failure.done() else None):
            if isinstance(result, Exception):
                raise result

    async def _inherit(self) -> None:
        """Take at once what a killed process of this machine held, rather than wait for its leases to run out."""
        for holder in filter(identity.is_dead, await self.writer.do(ledger.holders)):
            await self.writer.do(lambda session, dead=holder: ledger.free(session, dead))  # type: ignore[misc]

    async def _count(self) -> None:
        counts = await self.writer.do(lambda session: reporting.status(session, self.terms.issue_id or 0))
        self.total = sum(counts[state] for state in ledger.OPEN)

    async def _show(self) -> None:
        shown, meter = -1, Meter(self.total)
        while not self.ending.is_set() or shown != sum(self.counts.values()):
            shown = sum(self.counts.values())
            self.progress("Sending", shown, self.total, meter.going(self.counts, asyncio.get_running_loop().time()))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.ending.wait(), _POLL_S)

    async def _feed(self, slices: set[asyncio.Task[None]]) -> None:
        ended = asyncio.create_task(self.ending.wait())
        while not self.ending.is_set():
            issues = [pile.left for pile in self.piles.values() if not pile.hold.urgent]
            few = len(issues) < _ISSUES or (len(issues) < _MOST and sum(issues) < _FEW)
            more = few and (not issues or len(self._in_use()) + BAND + _LETTERS <= _KEPT)
            urgent = not more or not self.pool.jobs.flows(self._seconds)
            full = urgent and len(self.piles) - len(issues) >= _LETTERS
            taken = None if full else await self._next(urgent)
            if taken:
                hold, works = taken
                found = await self._stationery(works)
                senders = {variant: _domain(prepared.stationery) for variant, prepared in found.items()}
                fields = await self._fields(hold, works, found)
                self.piles[hold.slice_id] = _Pile(hold, len(works), found, senders, fields)
                slices.add(asyncio.create_task(self._slice(hold, works)))
                continue
            if not slices and await self._is_over():
                break
            if self.piles:
                self._give_up()
            done, _ = await asyncio.wait({ended, *slices}, timeout=_POLL_S, return_when=asyncio.FIRST_COMPLETED)
            for task in done & slices:
                slices.discard(task)
                task.result()
        ended.cancel()

    async def _next(self, urgent: bool) -> tuple[Hold, list[Work]] | None:
        now, policy, issue_id = self.clock(), self.config.mail.unknown, self.terms.issue_id
        asked = partial(ledger.next_slice, issue_id=issue_id, urgent=urgent, only_to=self.config.mail.only_to)
        monotonic = asyncio.get_running_loop().time()

        def take(session: Session) -> tuple[Hold, list[Work]] | None:
            abandoned = self.watch.abandoned(ledger.leases(session), monotonic) - self.piles.keys()
            return asked(session, self.holder, now, policy, abandoned=abandoned)

        return await self.writer.do(take)

    async def _is_over(self) -> bool:
        if self.terms.forever:
            return False
        left = await self.writer.do(lambda session: ledger.waiting_until(session, self.terms.issue_id))
        if left and left <= self.clock():
            self._give_up()
        # What is paced comes in its turn, and is waited for; what was deferred is not, unless asked for.
        return left is None or not (self.terms.until_done or left.timestamp() <= self.turns)

    def _give_up(self) -> None:
        if not self.terms.forever and (reason := self.pool.jobs.hopeless(self._seconds)):
            raise RelayUnavailable(f"no relay can be used, nothing is lost: {reason}")

    async def _tend(self) -> None:
        """Every second: what can't go soon goes back to the ledger, and pauses and paces are kept there."""
        while not self.ending.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.ending.wait(), TICK_S)
            if await self._keeper.tick(bool(self.piles)):
                self.pool.wake()
            if waiting := self.pool.jobs.blocked(self._seconds):
                await self._put_off(waiting)
        await self.pool.drained.wait()
        await self._keeper.end()

    async def _put_off(self, waiting: list[Waiting]) -> None:
        self.turns = max([self.turns, *(one.until for one in waiting if one.paced)])
        await self.writer.do(lambda session: put_off(session, waiting))
        for one in waiting:
            if pile := self._pile(one.work):
                pile.gone(1)

    async def _slice(self, hold: Hold, works: list[Work]) -> None:
        pile = self.piles[hold.slice_id]
        self.pool.put((work, pile.senders[work.variant_id]) for work in works)
        over = [asyncio.create_task(pile.empty.wait()), asyncio.create_task(self._drained())]
        while works:
            done, _ = await asyncio.wait(over, timeout=_RENEW_S, return_when=asyncio.FIRST_COMPLETED)
            now = self.clock()
            if done:
                break
            if not await self.writer.do(lambda session, now=now: ledger.renew(session, hold, now)):  # type: ignore[misc]
                pile.withdrawn = True
                break
        for task in over:
            task.cancel()
        now = self.clock()
        await self.writer.do(lambda session: ledger.release(session, hold, now))
        del self.piles[hold.slice_id]

    async def _drained(self) -> None:
        await self.ending.wait()
        await self.pool.drained.wait()

    async def _stationery(self, works: list[Work]) -> dict[int, Prepared]:
        found: dict[int, Prepared] = {}
        for variant_id in {work.variant_id for work in works}:
            if variant_id not in self.prepared:
                variant = await self.writer.do(lambda session, wanted=variant_id: ledger.variant(session, wanted))  # type: ignore[misc]
                self._forget_one({*self._in_use(), *found})
                self.prepared[variant_id] = prepare(stationery(variant), self.keys)
            found[variant_id] = self.prepared[variant_id]
        return found

    async def _fields(self, hold: Hold, works: list[Work], found: dict[int, Prepared]) -> dict[int, tuple[str, ...]]:
        """What fills the merge fields of the slice's messages; asked for only where a variant has some."""
        fields = {id_: prepared.stationery.fields for id_, prepared in found.items() if prepared.stationery.fields}
        if not fields:
            return {}
        known = await self.writer.do(lambda session: ledger.attributes(session, hold, fields))
        personal = (work for work in works if work.variant_id in fields)
        return {work.id: values_of(fields[work.variant_id], work.name, known.get(work.id) or {}) for work in personal}

    def _forget_one(self, in_use: Collection[int]) -> None:
        if len(self.prepared) >= _KEPT:
            oldest = next((variant_id for variant_id in self.prepared if variant_id not in in_use), None)
            self.prepared.pop(oldest or 0, None)

    def _in_use(self) -> set[int]:
        """The variants of the slices that we hold."""
        return {variant_id for pile in self.piles.values() for variant_id in pile.prepared}

    def begin(self, work: Work) -> bool:
        """Whether it is still wanted; it counts as under way then."""
        pile = self._pile(work)
        if pile is None or pile.withdrawn or self.ending.is_set():
            return False
        pile.under_way += 1
        return True

    def written(self, work: Work) -> Written | Refused:
        """The message, or why this one can't be written: the others can."""
        try:
            pile = self.piles[work.hold.slice_id]
            raw = build(pile.prepared[work.variant_id], reader(work, self.links, pile.fields.get(work.id)))
        except Exception as error:  # whatever it is, it must not stop the others' (R-18)
            why = f"the message can't be built: {type(error).__name__}: {error}"
            return Refused(Reply(554, None, why[:500]), tried=False)
        return Written(self._envelope_sender, work.address, raw)

    def ask(self, work: Work, relay: str, then: Callable[[bool], None]) -> None:
        """Leave to write its body."""
        if self.ending.is_set():
            then(False)
        else:
            leave = Leave(work, relay, self.clock())
            self.writer.ask(handing.hand, leave, partial(self._answered, work, then))

    def _answered(self, work: Work, then: Callable[[bool], None], verdict: Verdict) -> None:
        if verdict.why:
            self.counts[DeliveryState.SKIPPED] += 1
        if not verdict.handed and verdict.why in ("", "cancelled") and (pile := self._pile(work)):
            pile.withdrawn = True
        then(verdict.handed)

    def settle(self, work: Work, relay: str, outcome: Outcome, handed: bool) -> None:
        """What came of it goes to the ledger."""
        now, mail = self.clock(), self.config.mail
        judged = self.pool.heard(work, outcome)
        settled = outcomes.settled(outcome, relay, work, now, judged, first_s=mail.retry_first_s, dice=self.terms.dice)
        again_at = settled.next_try_at or work.hold.expires_at
        ending = Ending(work, settled, now, handed=handed, unknown=mail.unknown, again_at=again_at)
        self.writer.ask(handing.settle, ending, partial(self._settled, work, settled.state))

    def _settled(self, work: Work, state: DeliveryState, done: bool) -> None:
        if done:
            self.counts[state] += 1
        self._end(work, settled=True)

    def back(self, work: Work, handed: bool) -> None:
        """The relay did not take it: another connection may have it, when the ledger says so."""
        if handed:
            self.writer.ask(handing.take_back, work, lambda done: self._again(work))
        else:
            self._again(work)

    def _again(self, work: Work) -> None:
        self._end(work, settled=False)
        self.pool.back(work)

    def dropped(self, work: Work) -> None:
        """The ledger has said why, or will when the slice is given back."""
        self.pool.drop(work)
        self._end(work, settled=True)

    def _end(self, work: Work, *, settled: bool) -> None:
        if pile := self._pile(work):
            pile.end(settled)

    def _pile(self, work: Work) -> _Pile | None:
        pile = self.piles.get(work.hold.slice_id)
        return pile if pile and pile.hold is work.hold else None  # else the slice was lost, and may be ours again

    @property
    def _seconds(self) -> float:
        return self.pool.now()

    @cached_property
    def _keeper(self) -> Keeper:
        return Keeper(self.pool.jobs, self.writer, self.holder, self.pool.now, self.alarm)

    @cached_property
    def _envelope_sender(self) -> str:
        return parse_mailbox(self.config.mail.bounce_address or self.config.mail.sender).address


def _domain(stationery: Stationery) -> str:
    return stationery.headers["From"].rpartition("@")[2].rstrip(" >").lower()


def stationery(variant: Variant) -> Stationery:
    """The stored bytes of a variant, unpacked."""
    return Stationery(
        variant.subject,
        zlib.decompress(variant.html).decode(),
        zlib.decompress(variant.text).decode(),
        variant.headers,
        variant.blank_word,
        fields_of(variant.fields),
    )


def reader(work: Work, links: Links, fields: tuple[str, ...] | None = None) -> Reader:
    """Who a row's message is for, with the links that are theirs alone, and what fills the merge fields."""
    values = {Blank.NAME: work.name}
    unsubscribe = None
    if work.kind in ("issue", "welcome"):
        unsubscribe = values[Blank.UNSUBSCRIBE] = links.unsubscribe(work.handle, work.list_id or "")
        values[Blank.PREFERENCES] = links.preferences(work.handle, work.list_id or "")
    elif work.kind == "confirm":
        values[Blank.CONFIRM] = links.confirm(work.handle, work.number)
        unsubscribe = values[Blank.DECLINE] = links.decline(work.handle, work.number)
    elif work.kind == "link":
        values[Blank.LINK] = links.account(work.handle, work.number)
    elif work.kind == "move":
        values[Blank.LINK] = links.move(work.handle, work.number)
    elif work.kind == "changed":
        values[Blank.PREFERENCES] = links.preferences(work.handle, work.list_id or "")
    by_mail = links.by_mail(unsubscribe) if unsubscribe else ""
    return Reader(work.address, work.name, work.message_id, unsubscribe, values, by_mail, fields)
