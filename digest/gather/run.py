"""SOURCES -> ARTICLES: due | fetch (parallel) | parse (threads) | decide | store (one writer), source by source."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from digest import db
from digest.config import Config
from digest.errors import DatabaseUnavailable, NotFound
from digest.gather import decide, looking, storing
from digest.gather.completing.run import PagesReport, complete
from digest.gather.entries import Feed
from digest.gather.fetch import Fetcher, Resolver, fetcher, system_resolver
from digest.gather.outcomes import Failed, Fetched, Outcome
from digest.gather.urls import host
from digest.models import Source

AT_ONCE = 20
PER_HOST = 2
PARSERS = 2
PARSE_S = 20.0  # for one feed, waiting for a free parser not counted

LOCKED_OUT = 3  # sources in a row that could not be stored, each after the wait for the lock: then the round ends

log = logging.getLogger(__name__)

Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class SourceReport:
    """What became of one source."""

    id: str
    state: str
    new: int = 0
    error: str | None = None


@dataclass(frozen=True)
class GatherReport:
    """What became of all of them, in the order of their ids."""

    sources: tuple[SourceReport, ...]
    articles_new: int
    pages: PagesReport = field(default_factory=PagesReport)  # of articles that feeds left thin


def _silent(label: str, done: int, total: int | None) -> None:
    """Tells nobody."""


async def gather(
    engine: Engine,
    config: Config,
    *,
    only: Collection[str] | None = None,
    force: bool = False,
    clock: Callable[[], datetime],
    progress: Progress = _silent,
    resolver: Resolver = system_resolver,
) -> GatherReport:
    """Asks every source that is due (with `force` whatever its interval), or those of `only`, and stores what is new.

    One source's trouble is its own: it ends in its report and its row. Each source is one transaction, so that
    validators never outlive the articles they vouch for (E-02), and what could not be stored is found by the next run.
    NotFound for an id in `only` that is no source; DatabaseUnavailable if three sources in a row can't be stored.
    """
    sources = await asyncio.to_thread(_sources, engine, only)
    now = clock()
    due = [source for source in sources if decide.may_ask(storing.standing(source), now, force=force)]
    reports = {source.id: SourceReport(source.id, source.state, 0, source.error) for source in sources}
    async with fetcher(config, resolver) as fetching:
        round_ = _Round(engine, fetching, clock, config.path.parent if config.path else None)
        tasks = [asyncio.ensure_future(round_.look(source)) for source in due]
        try:
            for done, finished in enumerate(asyncio.as_completed(tasks), 1):
                report = await finished
                reports[report.id] = report
                progress("sources", done, len(due))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        pages = await complete(engine, config, fetching, clock)
    return GatherReport(tuple(reports.values()), sum(report.new for report in reports.values()), pages)


async def check(
    config: Config, at: looking.Target, now: datetime, resolver: Resolver = system_resolver
) -> tuple[Outcome, Feed | None]:
    """Fetches and reads one source without storing anything."""
    async with fetcher(config, resolver) as fetching:
        outcome = await looking.ask(fetching, at, None, now)
    if not isinstance(outcome, Fetched):
        return outcome, None
    return outcome, await asyncio.to_thread(looking.read, at, outcome)


class _Round:
    """One round of looks: its limits on hosts, parsers and writers."""

    def __init__(
        self, engine: Engine, fetching: Fetcher, clock: Callable[[], datetime], home: Path | None = None
    ) -> None:
        self._engine, self._fetching, self._clock, self._home = engine, fetching, clock, home
        self._all = asyncio.Semaphore(AT_ONCE)
        self._hosts: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(PER_HOST))
        self._parsers = asyncio.Semaphore(PARSERS)
        self._writer = asyncio.Lock()
        self._locked_out = 0

    async def look(self, source: Source) -> SourceReport:
        """Fetches, reads and stores one source; whatever goes wrong with it ends in its report."""
        try:
            return await self._look(source)
        except DatabaseUnavailable as error:
            self._locked_out += 1
            if self._locked_out >= LOCKED_OUT:
                raise
            return SourceReport(source.id, source.state, 0, f"not stored, the next look finds it again: {error}")
        except Exception as error:  # a mistake of ours that one feed brings to light must not cost the others' articles
            log.exception("source %s", source.id)
            failed = Failed(f"{source.url} could not be taken in: {type(error).__name__}")
            now = self._clock()
            after = decide.after(storing.standing(source), failed, None, now)
            with suppress(DatabaseUnavailable):
                await asyncio.to_thread(_store, self._engine, source, after, None, self._clock)
            return SourceReport(source.id, after.state, 0, after.error)

    async def _look(self, source: Source) -> SourceReport:
        before = storing.standing(source)
        at = looking.target(source, self._home)
        async with self._hosts[host(source.url)], self._all:
            outcome = await looking.ask(self._fetching, at, decide.validators(before), self._clock())
        feed = await self._read(at, outcome) if isinstance(outcome, Fetched) else None
        for problem in feed.problems if feed and source.type == "folder" else ():
            log.warning("source %s: %s", source.id, problem)  # the files are the newsroom's own: they can mend them
        after = decide.after(before, outcome, feed, self._clock())
        entries = feed if feed and feed.kind else None
        async with self._writer:
            new = await asyncio.to_thread(_store, self._engine, source, after, entries, self._clock)
        self._locked_out = 0
        return SourceReport(source.id, after.state, new, after.error)

    async def _read(self, at: looking.Target, fetched: Fetched) -> Feed | None:
        async with self._parsers:
            reading = asyncio.to_thread(looking.read, at, fetched)
            try:
                return await asyncio.wait_for(reading, PARSE_S)
            except TimeoutError:
                return None


def _sources(engine: Engine, only: Collection[str] | None) -> list[Source]:
    with db.reading(engine) as session:
        query = select(Source).where(col(Source.active)).order_by(col(Source.id))
        found = list(session.exec(query if only is None else query.where(col(Source.id).in_(list(only)))))
        session.expunge_all()
    missing = sorted(set(only or ()) - {source.id for source in found})
    if missing:
        raise NotFound(f"there is no active source {missing[0]!r}")
    return found


def _store(
    engine: Engine, source: Source, after: decide.Standing, feed: Feed | None, clock: Callable[[], datetime]
) -> int:
    try:
        with db.writing(engine) as session:
            return _write(session, source, after, feed, clock)
    except IntegrityError:
        # Another process stored the same article in the same moment: now it is a known one.
        with db.writing(engine) as session:
            return _write(session, source, after, feed, clock)


def _write(
    session: Session, source: Source, after: decide.Standing, feed: Feed | None, clock: Callable[[], datetime]
) -> int:
    db.take_turn(session)
    storing.store_standing(session, source.id, after)
    if feed is None:
        return 0
    storing.name_source(session, source.id, feed.title)
    entries = decide.sort_entries(feed.entries, storing.known(session, source.id, feed.entries), source.max_items)
    return storing.store_entries(session, source, entries, clock())
