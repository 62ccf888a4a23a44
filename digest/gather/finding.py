"""Finds what can be gathered at an address that a person gives: asks a few places there, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from digest.config import Config
from digest.errors import DigestError
from digest.gather import kinds, looking
from digest.gather.discovery import (
    Candidate,
    Named,
    is_of_comments,
    known_form,
    named,
    same_articles,
    usual_maps,
    usual_places,
)
from digest.gather.entries import Feed
from digest.gather.fetch import Fetcher, Resolver, fetcher, system_resolver
from digest.gather.hosts import without_secrets
from digest.gather.outcomes import Fetched, Outcome

MOST = 10  # requests for one site
_NAMED = 4  # of them for feeds that its page names
_LINKED = 2
_MAPS = 2  # for sitemaps, beside robots.txt


@dataclass(frozen=True)
class Found:
    """A source that was found and read."""

    url: str
    type: str
    feed: Feed = field(repr=False)

    @property
    def title(self) -> str:
        return self.feed.title


async def find(config: Config, url: str, now: datetime, resolver: Resolver = system_resolver) -> list[Found]:
    """The sources at `url`, the best first: itself if it is one, else what its site names, else the usual places.

    At most ten requests, one after the other. DigestError with one sentence where there is none, or no answer.
    """
    async with fetcher(config, resolver) as fetching:
        search = _Search(fetching, url, now)
        found = await search.run()
    if not found:
        raise DigestError(search.sentence)
    return found


@dataclass
class _Search:
    fetching: Fetcher
    url: str
    now: datetime
    left: int = MOST
    sentence: str = ""
    asked: set[str] = field(default_factory=set)

    async def run(self) -> list[Found]:
        known = known_form(self.url)
        if known and (found := await self.try_all([known], 1)):
            return found
        outcome = await self.ask(Candidate(self.url, None))
        if not isinstance(outcome, Fetched):
            self.sentence = getattr(outcome, "sentence", f"{without_secrets(self.url)}: it was not read")
            # A site may show its page to browsers only, and its feed to all.
            turned_away = getattr(outcome, "status", None) in (401, 403, 404) and urlsplit(self.url).path in ("", "/")
            return await self.elsewhere(Named()) if turned_away else []
        itself = await self.read(Candidate(self.url, None), outcome)
        if itself:
            return [itself]
        self.sentence = (
            f"{without_secrets(self.url)}: expected a feed, or a page that names one, got neither there nor in the "
            "usual places of its site (digest sources add URL --type page reads the page itself)"
        )
        page = await asyncio.to_thread(named, outcome.body, outcome.url, outcome.content_type, outcome.link)
        return await self.try_all(page.feeds, _NAMED) or await self.elsewhere(page)

    async def elsewhere(self, page: Named) -> list[Found]:
        """What the page's links, the usual places, sitemaps and WordPress give: the first of these that give any."""
        if found := await self.try_all(page.links, _LINKED):
            return found
        reserved = 1 + _MAPS + (1 if page.posts else 0)
        for place in usual_places(self.url):
            if self.left > reserved and (found := await self.try_all([place], 1)):
                return found
        if page.posts and (found := await self.try_all([page.posts], 1)):
            return found
        robots = await self.ask(Candidate(f"{_root(self.url)}/robots.txt"))
        told = robots.body.decode("utf-8", "replace") if isinstance(robots, Fetched) else ""
        for place in usual_maps(self.url, told)[:_MAPS]:
            if found := await self.try_all([place], 1):
                return found
        return []

    async def try_all(self, candidates: Sequence[Candidate], most: int) -> list[Found]:
        """Those of the first `most` that are sources; feeds of comments only if there are no others."""
        articles = [one for one in candidates if not is_of_comments(one)]
        found: list[Found] = []
        for candidate in (articles or candidates)[:most]:
            outcome = await self.ask(candidate)
            read = await self.read(candidate, outcome) if isinstance(outcome, Fetched) else None
            if read and not any(same_articles(read.feed, one.feed) for one in found):
                found.append(read)
        return found

    async def ask(self, candidate: Candidate) -> Outcome | None:
        if self.left <= 0 or candidate.url in self.asked:
            return None
        self.left -= 1
        self.asked.add(candidate.url)
        return await self.fetching.fetch(candidate.url, None, self.now)

    async def read(self, candidate: Candidate, fetched: Fetched) -> Found | None:
        type_ = candidate.type or kinds.recognised(fetched.body, fetched.content_type)
        feed = await asyncio.to_thread(looking.read, looking.Target(candidate.url, type_), fetched)
        if not feed.kind or (candidate.type and not feed.entries and feed.kind != "sitemapindex"):
            return None
        return Found(fetched.permanent_url or candidate.url, type_, feed)


def _root(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
