"""Asks the links of an issue: HEAD, then GET; one at a time a host, within one deadline and the limits of gathering."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine, update

from digest import db
from digest.config import Config
from digest.deliver.progress import Watcher, unwatched
from digest.gather.fetch import Fetcher, fetcher
from digest.gather.hosts import owner_of
from digest.gather.outcomes import Failed
from digest.linkcheck import judging
from digest.linkcheck.judging import FINE, Checked, Link
from digest.models import Issue, table

DEADLINE_S = 120.0  # for all links
LINK_S = 20.0  # for one
AT_ONCE = 20  # hosts


@dataclass(frozen=True)
class Wanted:
    """An issue as it was rendered to be looked at."""

    issue_id: int
    content_hash: str
    html: str
    blank_word: str
    base: str  # of our own pages


async def check(
    engine: Engine,
    config: Config,
    wanted: Wanted,
    clock: Callable[[], datetime],
    *,
    fetching: Fetcher | None = None,
    deadline_s: float = DEADLINE_S,
    progress: Watcher = unwatched,
) -> Checked:
    """What the links of the issue answered, which is kept with it; what the deadline cuts off is counted as left."""
    links = judging.links(wanted.html, wanted.blank_word, wanted.base)
    answers: dict[str, int | Failed] = {}
    hosts: defaultdict[str, list[str]] = defaultdict(list)
    for url in links:
        hosts[owner_of(url)].append(url)
    async with fetching or fetcher(config) as asked:
        round_ = _Round(asked, answers, lambda: progress("Links", len(answers), len(links)))
        try:
            async with asyncio.timeout(deadline_s), asyncio.TaskGroup() as group:
                for several in hosts.values():
                    group.create_task(round_.visit(several))
        except TimeoutError:
            pass  # what was not asked is said
    judged = {url: judging.verdict(url, answers[url]) for url in links if url in answers}
    doubtful = (Link(url, links[url], said, why) for url, (said, why) in judged.items() if said != FINE)
    at = clock().astimezone(UTC).isoformat(timespec="seconds")
    checked = Checked(at, wanted.content_hash, len(judged), tuple(doubtful), len(links) - len(judged))
    await asyncio.to_thread(_keep, engine, wanted.issue_id, checked)
    return checked


class _Round:
    def __init__(self, fetching: Fetcher, answers: dict[str, int | Failed], told: Callable[[], None]) -> None:
        self._fetching, self._answers, self._told = fetching, answers, told
        self._all = asyncio.Semaphore(AT_ONCE)

    async def visit(self, urls: list[str]) -> None:
        """The links to one owner, one after the other."""
        async with self._all:
            for url in urls:
                self._answers[url] = await self._asked(url)
                self._told()

    async def _asked(self, url: str) -> int | Failed:
        try:
            async with asyncio.timeout(LINK_S):
                answer = await self._fetching.probe(url, "HEAD")
                # Many servers answer HEAD wrongly: only what GET says counts against a link.
                fine = isinstance(answer, int) and answer < 400
                lost = isinstance(answer, Failed) and (answer.lost or answer.slow)
                return answer if fine or lost else await self._fetching.probe(url, "GET")
        except TimeoutError:
            return Failed(f"no answer within {LINK_S:g} s", slow=True)


def _keep(engine: Engine, issue_id: int, checked: Checked) -> None:
    with db.writing(engine) as session:
        issues = table(Issue)
        session.execute(update(issues).where(issues.c.id == issue_id).values(links_checked=judging.to_json(checked)))
