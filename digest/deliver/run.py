"""Delivery as a whole: an issue's audience becomes rows, rows become messages, replies become outcomes.

deliver     works off what is due: slices are claimed, their messages built and handed to the pool, outcomes committed
enqueue     a frozen issue's rows, in chunks; the last commit lets it flow
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, partial
from itertools import islice
from types import MappingProxyType

from sqlalchemy import Engine

from digest import db
from digest.compose import variants
from digest.compose.freezing import printer_of
from digest.compose.printing import Printer
from digest.config import Config
from digest.deliver import filling, reporting, signing
from digest.deliver.allotting import Allotment, Rule
from digest.deliver.message import parse_mailbox
from digest.deliver.pacing.jobs import Jobs
from digest.deliver.pacing.keeper import Alarm
from digest.deliver.pool import Pool
from digest.deliver.progress import Watcher, unwatched
from digest.deliver.sender import Clock, Sender, Terms
from digest.deliver.smtp import Timeouts
from digest.deliver.writer import Writer
from digest.links import Links
from digest.models import Variant
from digest.templating import templates_beside

_PRINTED = 20  # variants in one commit


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


def _steady(clock: Clock) -> Callable[[], float]:
    """Seconds since 1970 by `clock`, that go on while it stands still or is set back: a pause has to end."""
    ahead = clock().timestamp() - time.monotonic()

    def seconds() -> float:
        nonlocal ahead
        passed = time.monotonic()
        ahead = max(ahead, clock().timestamp() - passed)
        return ahead + passed

    return seconds


def enqueue_issue(
    engine: Engine,
    config: Config,
    issue_id: int,
    now: datetime,
    progress: Watcher = unwatched,
    ready: Mapping[str, Variant] = MappingProxyType({}),
) -> Mapping[str, int]:
    """Write the rows of a frozen issue for everybody who may get it now; it is sending when this returns.

    A variant that is not stored yet is printed, or taken from those that are `ready`, by key. May be interrupted and
    repeated at will. Returns the counts by state. NotFound, IllegalMove and NeedsDecision as `filling.order` says;
    NeedsDecision, with the issue still frozen and nothing of it sendable, if a variant must not go out.
    """
    with db.reading(engine) as session:
        order = filling.order(session, config, issue_id, now)
        ids = variants.ids(session, issue_id)
    printer = cache(partial(_printer, engine, config, issue_id, now))
    allotment = Allotment(Rule(order.edition_id, order.editions, lambda: printer().offer), ids)
    filler, written, size, pen = filling.Filling(order, allotment), 0, filling.SLICE, db.Pen(engine)
    refused: filling.Chunk | None = None
    try:
        while (chunk := _gathered(engine, filler, size)) is not None:
            while allotment.missing:
                _print_some(pen, allotment, printer(), ready)
                progress("Audience", written, None)
            pieces = filler.laid(chunk)
            try:
                with pen.writing() as session:
                    session.connection()  # the lock
                    began = time.perf_counter()
                    if not filler.fill(session, chunk, pieces):
                        continue
            except Exception as error:
                if chunk == refused or not db.breaks_integrity(error):
                    raise
                # Somebody among them was erased meanwhile; what was known of open slices was rolled back.
                filler, refused = filling.Filling(order, allotment), chunk
                continue
            size = filling.next_size(size, time.perf_counter() - began)
            written += len(chunk)
            progress("Audience", written, None)
        with pen.writing() as session:
            filling.complete(session, order)
            return reporting.status(session, issue_id)
    finally:
        pen.close()


def _gathered(engine: Engine, filler: filling.Filling, size: int) -> filling.Chunk | None:
    with db.reading(engine) as session:
        return filler.gathered(session, size)


def _printer(engine: Engine, config: Config, issue_id: int, now: datetime) -> Printer:
    with db.reading(engine) as session:
        return printer_of(session, templates_beside(config.path), issue_id, now)


def _print_some(pen: db.Pen, allotment: Allotment, printer: Printer, ready: Mapping[str, Variant]) -> None:
    """Print up to so many of the missing variants, without the lock, and store them."""
    some = [ready.get(key) or printer.variant(pick) for key, pick in islice(allotment.missing.items(), _PRINTED)]
    with pen.writing() as session:
        for variant in some:
            allotment.stored(variant.key, variants.kept(session, variant))


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
    progress: Watcher = unwatched,
    means: Means | None = None,
    alarm: Alarm | None = None,
) -> Delivered:
    """Work off deliveries, of one issue or all, until nothing is due, or for ever, or `stop` is set.

    With `until_done` it waits for what is deferred, too. After `stop` no message is begun, open ones finish within ten
    seconds, and all slices are given back. RelayUnavailable, with everything unsent still pending, when no relay can be
    used before a person mends or resumes one, and the run is not for ever. `alarm` is called, in a thread, with subject
    and body of what staff have to mend.
    """
    ehlo = config.mail.ehlo or parse_mailbox(config.mail.sender).domain
    means = means or Means()
    keys = signing.keys(config)
    seconds = _steady(clock)
    jobs = Jobs(config.relays, config.pace, now=seconds(), first_s=config.mail.retry_first_s)
    pool = Pool(config.relays, ehlo, jobs, seconds, timeouts=means.timeouts, tls=means.tls)
    terms = Terms(issue_id, until_done, forever, means.dice)
    async with Writer(engine) as writer:
        sender = Sender(config, links, terms, writer, pool, clock, progress, keys=keys, alarm=alarm)
        await sender.run(stop or asyncio.Event())
        if issue_id is None:
            return Delivered({str(state): count for state, count in sender.counts.items()})
        return Delivered(await writer.do(lambda session: reporting.status(session, issue_id)))
