"""Reads the pages of thin articles: newest first, 200 a round, one at a time a host, within one deadline."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from digest import db
from digest.config import Config
from digest.errors import DatabaseUnavailable
from digest.gather.completing import facts, robots, storing
from digest.gather.completing.storing import Wanted
from digest.gather.fetch import Fetcher
from digest.gather.hosts import without_secrets
from digest.gather.outcomes import Fetched
from digest.gather.pages import read
from digest.gather.urls import host

MOST = 200  # pages a round
DEADLINE_S = 120.0  # for all of them
AT_ONCE = 10  # hosts
READ_S = 10.0  # for one page

log = logging.getLogger(__name__)


@dataclass
class PagesReport:
    """What became of the pages of a round."""

    read: int = 0
    failed: int = 0
    refused: int = 0  # by robots.txt


async def complete(
    engine: Engine, config: Config, fetching: Fetcher, clock: Callable[[], datetime], deadline_s: float = DEADLINE_S
) -> PagesReport:
    """Fills what feeds left out of articles from their pages, where [gather] or the source asks for it.

    Whatever goes wrong with a page ends in its row and the report; what the deadline cuts off is for the next round.
    """
    report = PagesReport()
    try:
        pages = await asyncio.to_thread(_wanted, engine, config.gather.full_pages, clock())
        hosts: defaultdict[str, list[Wanted]] = defaultdict(list)
        for page in pages:
            hosts[host(page.url)].append(page)
        round_ = _Round(engine, fetching, clock, report)
        async with asyncio.timeout(deadline_s), asyncio.TaskGroup() as group:
            for several in hosts.values():
                group.create_task(round_.visit(several))
    except TimeoutError:
        log.info("pages: %d read within %g s, the others wait for the next round", report.read, deadline_s)
    except DatabaseUnavailable as error:
        log.warning("pages: %s", error)
    return report


class _Round:
    def __init__(self, engine: Engine, fetching: Fetcher, clock: Callable[[], datetime], report: PagesReport) -> None:
        self._engine, self._fetching, self._clock, self._report = engine, fetching, clock, report
        self._all = asyncio.Semaphore(AT_ONCE)
        self._writer = asyncio.Lock()

    async def visit(self, pages: list[Wanted]) -> None:
        """The pages of one host, one after the other."""
        async with self._all:
            for page in pages:
                try:
                    await self._look(page)
                except Exception as error:  # a page's trouble, or a lock's, must not cost the others
                    log.warning("page %s: %s", without_secrets(page.url), type(error).__name__)
                    self._report.failed += 1

    async def _look(self, page: Wanted) -> None:
        if await self._refused(page, page.url):
            return
        outcome = await self._fetching.fetch(page.url, None, self._clock())
        if not isinstance(outcome, Fetched):
            await self._store(page, getattr(outcome, "sentence", "unchanged"), None)
            self._report.failed += 1
            return
        if robots.origin(outcome.url) != robots.origin(page.url) and await self._refused(page, outcome.url):
            return
        reading = asyncio.to_thread(read, outcome.body, url=outcome.url, content_type=outcome.content_type)
        told = facts.told(await asyncio.wait_for(reading, READ_S))
        await self._store(page, "read", told)
        self._report.read += 1

    async def _refused(self, page: Wanted, url: str) -> bool:
        """Whether `url` may not be asked, which is written down: for good, or until robots.txt may be reached again."""
        text = await self._rules(url)
        if await asyncio.to_thread(robots.allowed, text, url):  # half a second, of rules that a server makes for that
            return False
        if text == robots.UNREACHED:
            async with self._writer:
                await asyncio.to_thread(_postpone, self._engine, page, "robots.txt was not reached", self._clock())
        else:
            await self._store(page, "refused by robots.txt", {})
        self._report.refused += 1
        return True

    async def _rules(self, url: str) -> str:
        origin = robots.origin(url)
        text = await asyncio.to_thread(_robots, self._engine, origin, self._clock())
        if text is None:
            outcome = await self._fetching.fetch(f"{origin}/robots.txt", None, self._clock())
            text, expires_at = robots.rules(outcome, self._clock())
            async with self._writer:
                await asyncio.to_thread(_keep_robots, self._engine, origin, text, expires_at)
        return text

    async def _store(self, page: Wanted, outcome: str, told: dict[str, Any] | None) -> None:
        async with self._writer:
            await asyncio.to_thread(_store, self._engine, page, outcome, told, self._clock())


def _wanted(engine: Engine, default: bool, now: datetime) -> list[Wanted]:
    with db.reading(engine) as session:
        return storing.wanted(session, default, now, MOST)


def _robots(engine: Engine, origin: str, now: datetime) -> str | None:
    with db.reading(engine) as session:
        return storing.robots_text(session, origin, now)


def _keep_robots(engine: Engine, origin: str, text: str, expires_at: datetime) -> None:
    with db.writing(engine) as session:
        db.take_turn(session)
        storing.store_robots(session, origin, text, expires_at)


def _postpone(engine: Engine, page: Wanted, outcome: str, now: datetime) -> None:
    with db.writing(engine) as session:
        db.take_turn(session)
        storing.postpone(session, page, outcome, now, now + robots.KEPT_UNREACHED)


def _store(engine: Engine, page: Wanted, outcome: str, told: dict[str, Any] | None, now: datetime) -> None:
    try:
        with db.writing(engine) as session:
            db.take_turn(session)
            storing.store_look(session, page, outcome, told, now)
    except IntegrityError:
        # Another process named an article alike in the same moment: now it is a known one.
        with db.writing(engine) as session:
            db.take_turn(session)
            storing.store_look(session, page, outcome, told, now)
