"""Fetches the pictures that an issue shows: one at a time a host, within one deadline and the limits of gathering."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from digest import db
from digest.compose.content import IssueContent
from digest.config import Config
from digest.deliver.progress import Watcher, unwatched
from digest.gather.fetch import Fetcher, fetcher
from digest.gather.hosts import without_secrets
from digest.gather.outcomes import Fetched
from digest.gather.urls import host
from digest.links import Links
from digest.models import PictureLook
from digest.pictures import hosting, storing
from digest.pictures.hosting import Hosted
from digest.pictures.making import Made, Unusable, made

DEADLINE_S = 60.0  # for all pictures of an issue
AT_ONCE = 8  # hosts
_AGAIN = timedelta(minutes=10)  # one that could not be had is left alone so long

log = logging.getLogger(__name__)


async def fetch(
    engine: Engine,
    config: Config,
    content: IssueContent,
    clock: Callable[[], datetime],
    *,
    fetching: Fetcher | None = None,
    deadline_s: float = DEADLINE_S,
    progress: Watcher = unwatched,
) -> tuple[str, ...]:
    """Have every picture that `content` may show, and say in sentences which could not be had.

    What the deadline cuts off is left for the next call; a picture that is there is never fetched again.
    """
    urls = hosting.urls(content)
    with db.reading(engine) as session:
        missing = _missing(storing.looks(session, urls).values(), urls, clock())
    if missing:
        async with fetching or fetcher(config) as asked:
            await _Round(engine, asked, clock, progress, len(missing)).fetch(missing, deadline_s)
    with db.reading(engine) as session:
        known = storing.looks(session, urls)
        return tuple(
            _told(url, known[url].problem if url in known else "it took too long") for url in _lost(urls, known)
        )


def hosted(engine: Engine, links: Links, content: IssueContent) -> IssueContent:
    """The content with those of its pictures that we have, under our own addresses; the others are left out."""
    with db.reading(engine) as session:
        found = storing.shown(session, hosting.urls(content))
        ours = {
            url: Hosted(links.picture(f"{one.sha256}.{one.kind}"), one.width, one.height) for url, one in found.items()
        }
    return hosting.hosted(content, ours)


def enclosed(engine: Engine, links: Links, content: IssueContent, html: str, most: int) -> tuple[str, ...]:
    """The file names of the pictures that travel with `html`, of `most` bytes in all; `content` is that of `hosted`.

    The logos first, the sponsor's, the lead's, the other articles' by rank; what does not fit stays on our pages.
    """
    if not most:
        return ()
    names = hosting.own(content, html, links.picture(""))
    with db.reading(engine) as session:
        return hosting.fitting(names, storing.sizes(session, names), most)


def content_of(engine: Engine, links: Links, html: str) -> Mapping[str, bytes]:
    """Those of our pictures that `html` shows, by their address."""
    base = links.picture("")
    with db.reading(engine) as session:
        found = {name: storing.picture(session, name.partition(".")[0]) for name in hosting.named(html, base)}
        return {base + name: picture.content for name, picture in found.items() if picture}


def _missing(known: Iterable[PictureLook], urls: Collection[str], now: datetime) -> list[str]:
    done = {look.url for look in known if look.picture or look.looked_at > now - _AGAIN}
    return [url for url in urls if url not in done]


def _lost(urls: Collection[str], known: Mapping[str, PictureLook]) -> list[str]:
    return [url for url in urls if url not in known or not known[url].picture]


def _told(url: str, why: str) -> str:
    return f"The picture {without_secrets(url)[:200]} is left out: {why}"


class _Round:
    def __init__(
        self, engine: Engine, fetching: Fetcher, clock: Callable[[], datetime], progress: Watcher, total: int
    ) -> None:
        self._engine, self._fetching, self._clock = engine, fetching, clock
        self._progress, self._done, self._total = progress, 0, total
        self._all, self._writer = asyncio.Semaphore(AT_ONCE), asyncio.Lock()

    async def fetch(self, urls: Iterable[str], deadline_s: float) -> None:
        """All of them, as far as the deadline lets."""
        hosts: defaultdict[str, list[str]] = defaultdict(list)
        for url in urls:
            hosts[host(url)].append(url)
        try:
            async with asyncio.timeout(deadline_s), asyncio.TaskGroup() as group:
                for several in hosts.values():
                    group.create_task(self._visit(several))
        except TimeoutError:
            log.info("pictures: %d of %d were had within %g s", self._done, self._total, deadline_s)

    async def _visit(self, urls: list[str]) -> None:
        async with self._all:
            for url in urls:
                found = await self._had(url)
                async with self._writer:
                    await asyncio.to_thread(_store, self._engine, url, found, self._clock())
                self._done += 1
                self._progress("Pictures", self._done, self._total)

    async def _had(self, url: str) -> Made | Unusable:
        outcome = await self._fetching.fetch(url, None, self._clock())
        if not isinstance(outcome, Fetched):
            return Unusable(getattr(outcome, "sentence", "it was not sent"))
        return await asyncio.to_thread(made, outcome.body)


def _store(engine: Engine, url: str, found: Made | Unusable, now: datetime) -> None:
    for last in (False, True):
        try:
            with db.writing(engine) as session:
                db.take_turn(session)
                storing.store(session, url, found, now)
                return
        except IntegrityError:  # another process kept the same picture in the same moment: now it is a known one
            if last:
                raise
