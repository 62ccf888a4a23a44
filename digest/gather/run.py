"""SOURCES -> ARTICLES: due | fetch (parallel) | parse (threads) | decide | store (one writer), source by source."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from digest import db
from digest.config import Config
from digest.errors import DatabaseUnavailable, NotFound
from digest.gather import alarms, decide, looking, standing, storing, taking
from digest.gather.completing.run import PagesReport, complete
from digest.gather.entries import Feed
from digest.gather.fetch import Fetcher, Resolver, fetcher, system_resolver
from digest.gather.hosts import without_secrets
from digest.gather.outcomes import Failed, Fetched, Outcome, Validators
from digest.gather.standing import Standing
from digest.gather.turns import Turns
from digest.models import Source

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

    @property
    def failed(self) -> str | None:
        """ "2 of 14 sources failed", and which; None if all is well."""
        return alarms.failed((one.id, one.error) for one in self.sources)


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
    now, named = clock(), only is not None
    due = [one for one in sources if standing.may_ask(storing.standing(one), now, force=force, named=named)]
    due.sort(key=lambda one: (one.looked_at is not None, one.looked_at, one.id))  # whoever had no turn comes first
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
        self._turns = Turns()
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
            failed = Failed(f"{without_secrets(source.url)} could not be taken in: {type(error).__name__}")
            now = self._clock()
            after = standing.after(storing.standing(source), failed, None, now)
            with suppress(DatabaseUnavailable):
                await asyncio.to_thread(_store, self._engine, source, after, None, self._clock)
            return SourceReport(source.id, after.state, 0, after.error)

    async def _look(self, source: Source) -> SourceReport:
        before = storing.standing(source)
        at = looking.target(source, self._home)
        outcome = await self._ask(at, standing.validators(before))
        if isinstance(outcome, str):
            return SourceReport(source.id, source.state, 0, outcome)
        feed = await self._read(at, outcome) if isinstance(outcome, Fetched) else None
        for problem in feed.problems if feed and source.type == "folder" else ():
            log.warning("source %s: %s", source.id, problem)  # the files are the newsroom's own: they can mend them
        if feed is not None and feed.next_url:
            feed = await self._with_older(source, feed, looking.Target(feed.next_url))
        after = standing.after(before, outcome, feed, self._clock())
        entries = feed if feed and feed.kind else None
        async with self._writer:
            new = await asyncio.to_thread(_store, self._engine, source, after, entries, self._clock)
        self._locked_out = 0
        if after.url != before.url:
            was, here = without_secrets(before.url), without_secrets(after.url)
            log.warning("source %s moved for good, from %s to %s", source.id, was, here)
        return SourceReport(source.id, after.state, new, after.error)

    async def _ask(self, at: looking.Target, validators: Validators | None) -> Outcome | str:
        return await self._turns.ask(at.url, lambda: looking.ask(self._fetching, at, validators, self._clock()))

    async def _with_older(self, source: Source, feed: Feed, at: looking.Target) -> Feed:
        """The feed with the entries that it goes on with elsewhere, once, where some may have been missed (E-15)."""
        if await asyncio.to_thread(_overlaps, self._engine, source.id, feed):
            return feed
        outcome = await self._ask(at, None)
        older = await self._read(at, outcome) if isinstance(outcome, Fetched) else None
        return replace(feed, entries=feed.entries + older.entries) if older else feed

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


def _overlaps(engine: Engine, source_id: str, feed: Feed) -> bool:
    with db.reading(engine) as session:
        return bool(decide.sort_entries(feed.entries, storing.known(session, source_id, feed.entries)).seen)


def _store(engine: Engine, source: Source, after: Standing, feed: Feed | None, clock: Callable[[], datetime]) -> int:
    try:
        with db.writing(engine) as session:
            return _write(session, source, after, feed, clock)
    except IntegrityError:
        # Another process stored the same article in the same moment: now it is a known one.
        with db.writing(engine) as session:
            return _write(session, source, after, feed, clock)


def _write(session: Session, source: Source, after: Standing, feed: Feed | None, clock: Callable[[], datetime]) -> int:
    db.take_turn(session)
    new = taking.take_in(session, source.id, after.answered_url or after.url, feed, clock()) if feed else 0
    storing.store_standing(session, source.id, after)
    if feed:
        storing.name_source(session, source.id, feed.title)
    return new
