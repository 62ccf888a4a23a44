"""Articles that tell the same event, brought together."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from digest.compose.candidates import Candidate

WEEK = timedelta(days=7)  # an equal title later than this is another story ("The week in cartoons")


@dataclass(frozen=True)
class Told:
    """An earlier issue of the edition that told a story, and its title there."""

    issue_id: int
    number: int | None
    title: str


@dataclass(frozen=True)
class Story:
    """One event and the articles that tell it, in the order of their canonical URLs; never empty."""

    articles: tuple[Candidate, ...]
    told: Told | None = None
    repeats: frozenset[int] = frozenset()  # ids of those that only say again what was told, under the same title


def stories(articles: Iterable[Candidate]) -> tuple[Story, ...]:
    """Every article in exactly one story, whatever order they come in.

    Two articles tell the same story if their titles are equal but for case, accents' encoding and punctuation, and the
    later one is at most seven days younger than the first. (One canonical URL is one article already.)
    """
    by_title: dict[str, list[Candidate]] = defaultdict(list)
    for article in articles:
        by_title[_plain(article.title) or article.url].append(article)
    found = [story for same in by_title.values() for story in _weeks(same)]
    return tuple(sorted(found, key=lambda story: story.articles[0].url))


def _plain(title: str) -> str:
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", title).casefold()))


def _weeks(same: list[Candidate]) -> Iterable[Story]:
    group: list[Candidate] = []
    for article in sorted(same, key=lambda article: (article.at, article.url)):
        if group and article.at - group[0].at > WEEK:
            yield _story(group)
            group = []
        group.append(article)
    yield _story(group)


def _story(group: list[Candidate]) -> Story:
    return Story(tuple(sorted(group, key=lambda article: article.url)))
