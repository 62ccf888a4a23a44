"""Delivery as a whole: an issue's audience becomes rows, rows become messages, replies become outcomes.

deliver     works off what is due: slices are claimed, their messages built and handed to the pool, outcomes committed
enqueue     a frozen issue's rows, in chunks; the last commit lets it flow
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property, partial

from sqlalchemy import Engine

from digest import db
from digest.blanks import Blank
from digest.config import Config
from digest.deliver import filling, handing, identity, ledger, reporting, retry, signing
from digest.deliver.dkim import Key
from digest.deliver.handing import Ending, Leave, Settled, Verdict
from digest.deliver.ledger import Hold, Work
from digest.deliver.message import Prepared, Reader, Stationery, build, parse_mailbox, prepare
from digest.deliver.pool import Pool
from digest.deliver.replies import Accepted, Deferred, Outcome, Refused, Reply, Unknown, Withdrawn
from digest.deliver.smtp import Connection, Timeouts, Trouble
from digest.deliver.writer import Writer
from digest.errors import RelayUnavailable
from digest.links import Links
from digest.models import DeliveryState, Variant

Clock = Callable[[], datetime]
Progress = Callable[[str, int, int | None], None]

GRACE_S = 8.0  # how long open messages may take when we are told to stop
_SLICES = 2  # of issues, held at once; letters have one more
_PATIENCE = 3  # failures in a row of every relay, before a run that is to end gives up
_POLL_S = 0.25
_RENEW_S = ledger.LEASE.total_seconds() / 3


@dataclass(frozen=True)
class Delivered:
    """How many deliveries are in each state: of the issue asked for, else of what this run has settled."""

    counts: Mapping[str, int]


@dataclass(frozen=True)
class Means:
    """How the wire is used; the default is what a relay on the internet needs."""

    timeouts: Timeouts = field(default_factory=Timeouts)
    tls: ssl.SSLContext | None = None  # default: the system's authorities
    dice: Callable[[], float] = random.random  # spreads retries


def now_utc() -> datetime:
    """The instant it is."""
    return datetime.now(UTC)


def _silent(label: str, done: int, total: int | None) -> None:
    pass


def enqueue_issue(
    engine: Engine, config: Config, issue_id: int, now: datetime, progress: Progress = _silent
) -> Mapping[str, int]:
    """Write the rows of a frozen issue for everybody who may get it now; it is sending when this returns.

    May be interrupted and repeated at will. Returns the counts by state. NotFound, IllegalMove and NeedsDecision as
    `filling.order` says.
    """
    with db.reading(engine) as session:
        order = filling.order(session, config, issue_id, now)
    written, size, pen = 0, filling.SLICE, db.Pen(engine)
    try:
        while chunk := _gathered(engine, order, size):
            with pen.writing() as session:
                session.connection()  # the lock
                began = time.perf_counter()
                if not filling.fill(session, order, chunk):
                    continue
            size = filling.next_size(size, time.perf_counter() - began)
            written += len(chunk)
            progress("Audience", written, None)
        with pen.writing() as session:
            filling.complete(session, order)
            return reporting.status(session, issue_id)
    finally:
        pen.close()


def _gathered(engine: Engine, order: filling.Order, size: int) -> filling.Chunk | None:
    with db.reading(engine) as session:
        return filling.gathered(session, order, size)


async def deliver(
    engine: Engine,
    config: Config,
    links: Links,
    *,
    issue_id: int | None = None,
    until_done: bool = False,
    forever: bool = False,
    stop: asyncio.Event | None = None,
    clock: Clock = now_utc,
    progress: Progress = _silent,
    means: Means | None = None,
) -> Delivered:
    """Work off deliveries, of one issue or all, until nothing is due, or for ever, or `stop` is set.

    With `until_done` it waits for what is deferred, too. After `stop` no message is begun, open ones finish within ten
    seconds, and all slices are given back. RelayUnavailable, with everything unsent still pending, when no relay can be
    spoken to and the run is not for ever.
    """
    ehlo = config.mail.ehlo or parse_mailbox(config.mail.sender).domain
    means = means or Means()
    keys = signing.keys(config)
    pool = Pool(config.relays, ehlo, timeouts=means.timeouts, tls=means.tls)
    terms = _Terms(issue_id, until_done, forever, means.dice)
    async with Writer(engine) as writer:
        sender = _Sender(config, links, terms, writer, pool, clock, progress, keys=keys)
        await sender.run(stop or asyncio.Event())
        if issue_id is None:
            return Delivered({str(state): count for state, count in sender.counts.items()})
        return Delivered(await writer.do(lambda session: reporting.status(session, issue_id)))


@dataclass(frozen=True)
class _Terms:
    issue_id: int | None
    until_done: bool
    forever: bool
    dice: Callable[[], float]


@dataclass
class _Pile:
    """The messages of a slice that are not settled yet."""

    hold: Hold
    left: int
    under_way: int = 0
    withdrawn: bool = False  # the slice is lost, or its issue paused or cancelled: begin no more of it
    empty: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self) -> None:
        self.under_way += 1

    def end(self, settled: bool) -> None:
        self.under_way -= 1
        self.left -= settled
        # Given back is only what has no message under way, whose outcome would find the slice gone.
        if not self.under_way and (self.withdrawn or self.left <= 0):
            self.empty.set()


@dataclass
class _Sender:
    config: Config
    links: Links
    terms: _Terms
    writer: Writer
    pool: Pool
    clock: Clock
    progress: Progress
    counts: Counter[str] = field(default_factory=Counter)
    piles: dict[int, _Pile] = field(default_factory=dict)
    prepared: dict[int, Prepared] = field(default_factory=dict)
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    holder: str = field(default_factory=identity.name)
    total: int | None = None
    keys: tuple[Key, ...] = ()

    async def run(self, stop: asyncio.Event) -> None:
        await self._inherit()
        if self.terms.issue_id is not None:
            await self._count()
        workers = self.pool.start(self._one)
        told = asyncio.create_task(stop.wait())
        slices: set[asyncio.Task[None]] = set()
        feeding = asyncio.create_task(self._feed(slices))
        try:
            # Whatever ends first: the work, the patience with us, or (by an error) a worker.
            await asyncio.wait({told, feeding, *workers}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.ending.set()
            told.cancel()
            await self.pool.drain(GRACE_S)
            self.writer.hurry()
            results = await asyncio.gather(feeding, *slices, *workers, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _inherit(self) -> None:
        """Take at once what a killed process of this machine held, rather than wait for its leases to run out."""
        for holder in filter(identity.is_dead, await self.writer.do(ledger.holders)):
            await self.writer.do(lambda session, dead=holder: ledger.free(session, dead))  # type: ignore[misc]

    async def _count(self) -> None:
        counts = await self.writer.do(lambda session: reporting.status(session, self.terms.issue_id or 0))
        self.total = sum(counts[state] for state in ledger.OPEN)

    async def _feed(self, slices: set[asyncio.Task[None]]) -> None:
        ended = asyncio.create_task(self.ending.wait())
        while not self.ending.is_set():
            taken = None if len(slices) > _SLICES else await self._next(urgent=len(slices) >= _SLICES)
            if taken:
                hold, works = taken
                self.piles[hold.slice_id] = _Pile(hold, len(works))
                slices.add(asyncio.create_task(self._slice(hold, works)))
                continue
            if not slices and await self._is_over():
                break
            self._give_up()
            done, _ = await asyncio.wait({ended, *slices}, timeout=_POLL_S, return_when=asyncio.FIRST_COMPLETED)
            for task in done & slices:
                slices.discard(task)
                task.result()
        ended.cancel()

    async def _next(self, urgent: bool) -> tuple[Hold, list[Work]] | None:
        now, policy, issue_id = self.clock(), self.config.mail.unknown, self.terms.issue_id
        next_slice = partial(ledger.next_slice, issue_id=issue_id, urgent=urgent, mine=tuple(self.piles))
        return await self.writer.do(lambda session: next_slice(session, self.holder, now, policy))

    async def _is_over(self) -> bool:
        if self.terms.forever:
            return False
        left = await self.writer.do(lambda session: ledger.waiting_until(session, self.terms.issue_id))
        return left is None or not self.terms.until_done

    def _give_up(self) -> None:
        if not self.terms.forever and self.piles and (reason := self.pool.trouble(_PATIENCE)):
            raise RelayUnavailable(f"no relay could be spoken to, nothing is lost: {reason}")

    async def _slice(self, hold: Hold, works: list[Work]) -> None:
        pile = self.piles[hold.slice_id]
        for work in works:
            self.pool.jobs.put(work)
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

    async def _one(self, connection: Connection, relay: str, work: Work) -> None:
        pile = self.piles.get(work.hold.slice_id)
        if pile is None or pile.hold != work.hold or pile.withdrawn:
            return
        settled = False
        pile.begin()
        try:
            outcome, handed = await self._sent(connection, relay, work)
            await self._settle(work, relay, outcome, handed)
            settled = True
        finally:
            pile.end(settled)
        self.progress("Sending", sum(self.counts.values()), self.total)

    async def _sent(self, connection: Connection, relay: str, work: Work) -> tuple[Outcome, bool]:
        prepared = await self._stationery(work.variant_id)
        try:
            message = build(prepared, reader(work, self.links))
        except (KeyError, ValueError) as error:  # this one alone can't be written: the others can
            return Refused(Reply(554, None, f"the message can't be built: {error}"), tried=False), False
        handed = False

        async def leave() -> bool:
            nonlocal handed
            handed = not self.ending.is_set() and (await self._hand(work, relay)).handed
            return handed

        try:
            return await connection.send(self._envelope_sender, work.address, message, leave), handed
        except Trouble:
            if handed:  # it was not taken: another connection may have it
                await self.writer.together(handing.take_back, work)
            raise

    async def _hand(self, work: Work, relay: str) -> Verdict:
        verdict = await self.writer.together(handing.hand, Leave(work, relay, self.clock()))
        if verdict.why:
            self.counts[DeliveryState.SKIPPED] += 1
        if not verdict.handed and verdict.why in ("", "cancelled"):
            self.piles[work.hold.slice_id].withdrawn = True
        return verdict

    async def _settle(self, work: Work, relay: str, outcome: Outcome, handed: bool) -> None:
        if isinstance(outcome, Withdrawn):
            return
        now = self.clock()
        settled = self._settled(work, relay, outcome, now)
        again_at = settled.next_try_at or work.hold.expires_at
        ending = Ending(work, settled, now, handed=handed, unknown=self.config.mail.unknown, again_at=again_at)
        if await self.writer.together(handing.settle, ending):
            self.counts[settled.state] += 1

    def _settled(self, work: Work, relay: str, outcome: Outcome, now: datetime) -> Settled:
        if isinstance(outcome, Accepted):
            return _kept(DeliveryState.SENT, relay, outcome.reply)
        again_at = retry.next_try(
            work.attempts + 1, now, work.hold.expires_at, self.config.mail.retry_first_s, self.terms.dice()
        )
        match outcome:
            case Deferred(reply) if again_at:
                return _kept(DeliveryState.DEFERRED, relay, reply, again_at)
            case Deferred(reply):
                return _kept(DeliveryState.FAILED, relay, Reply(reply.code, reply.enhanced, f"expired: {reply.text}"))
            case Refused(reply, tried):
                return replace(_kept(DeliveryState.FAILED, relay, reply), tried=tried)
            case Unknown(why):
                return Settled(DeliveryState.UNKNOWN, relay, reason=why, next_try_at=again_at)
        raise AssertionError(outcome)

    async def _stationery(self, variant_id: int) -> Prepared:
        if variant_id not in self.prepared:
            found = await self.writer.do(lambda session: ledger.variant(session, variant_id))
            if len(self.prepared) > 100:  # letters have many
                self.prepared.clear()
            self.prepared[variant_id] = prepare(stationery(found), self.keys)
        return self.prepared[variant_id]

    @cached_property
    def _envelope_sender(self) -> str:
        return parse_mailbox(self.config.mail.bounce_address or self.config.mail.sender).address


def _kept(state: DeliveryState, relay: str, reply: Reply, next_try_at: datetime | None = None) -> Settled:
    return Settled(state, relay, reply.code, reply.enhanced, reply.text, next_try_at)


def stationery(variant: Variant) -> Stationery:
    """The stored bytes of a variant, unpacked."""
    return Stationery(
        variant.subject,
        zlib.decompress(variant.html).decode(),
        zlib.decompress(variant.text).decode(),
        variant.headers,
        variant.blank_word,
    )


def reader(work: Work, links: Links) -> Reader:
    """Who a row's message is for, with the links that are theirs alone."""
    values = {Blank.NAME: work.name}
    unsubscribe = None
    if work.kind == "issue":
        unsubscribe = values[Blank.UNSUBSCRIBE] = links.unsubscribe(work.handle, work.list_id or "")
    elif work.kind == "confirm":
        values[Blank.CONFIRM] = links.confirm(work.handle, work.number)
        unsubscribe = values[Blank.DECLINE] = links.decline(work.handle, work.number)
    return Reader(work.address, work.name, work.message_id, unsubscribe, values)
