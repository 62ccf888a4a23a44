"""Which story comes next while places are given: the best, if each further one of a source or author counts less.

A source's next article counts 1 / (1 + d * n) of its score after n others of that source were taken, and likewise an
author's. Both only ever fall, so a heap whose entries are looked at again when they come up finds the best in time
O(n log n): one of sources, and in each of them one of authors.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from digest.compose.candidates import Candidate
from digest.compose.ranking import GRAIN, Ranked


def names(article: Candidate) -> tuple[str, ...]:
    """Its authors as they are counted: letters' case says nothing."""
    return tuple(sorted({author.casefold() for author in article.authors}))


@dataclass
class Counts:
    """How many articles of each source and author have a place."""

    sources: Counter[str] = field(default_factory=Counter)
    authors: Counter[str] = field(default_factory=Counter)

    def take(self, article: Candidate) -> None:
        """One more."""
        self.sources[article.source] += 1
        self.authors.update(names(article))


@dataclass(frozen=True)
class Diversity:
    """How much less further ones count; where all are of one source, there is nothing to choose between."""

    strength: float
    several: bool  # sources

    def of_source(self, source: str, counts: Counts) -> float:
        """What is left of the score of the source's next article."""
        return 1.0 / (1.0 + self.strength * counts.sources[source]) if self.several else 1.0

    def of_authors(self, authors: Iterable[str], counts: Counts) -> float:
        """What is left of the score of their next article: the most present of them decides."""
        return 1.0 / (1.0 + self.strength * max((counts.authors[name] for name in authors), default=0))

    def scored(self, story: Ranked, counts: Counts) -> Ranked:
        """The story as it counts now, with the factor "diversity" where that changes it."""
        article = story.article
        value = self.of_source(article.source, counts) * self.of_authors(names(article), counts)
        return story if value == 1.0 else replace(story, scored=story.scored.times("diversity", value))


_Key = tuple[float, str]


@dataclass
class _Source:
    """The stories of one source: those of the same authors in a row, best first; the rows in a heap."""

    name: str
    rows: dict[tuple[str, ...], list[Ranked]]  # the best at the end
    heap: list[tuple[_Key, tuple[str, ...]]] = field(default_factory=list)

    def key(self, diversity: Diversity, counts: Counts) -> _Key | None:
        """Where its best stands now among those of all sources, the smallest first; None when it is empty."""
        share = diversity.of_source(self.name, counts)
        while self.heap:
            (points, url), authors = self.heap[0]
            now = self._points(authors, diversity, counts)
            if now == points:
                return round(points * share), url
            heapq.heapreplace(self.heap, ((now, url), authors))
        return None

    def pop(self, diversity: Diversity, counts: Counts) -> Ranked:
        """Its best, after `key` said that there is one."""
        _, authors = heapq.heappop(self.heap)
        story = self.rows[authors].pop()
        self.push(authors, diversity, counts)
        return story

    def push(self, authors: tuple[str, ...], diversity: Diversity, counts: Counts) -> None:
        """What is left of a row, into the heap."""
        if self.rows[authors]:
            url = self.rows[authors][-1].article.url
            heapq.heappush(self.heap, ((self._points(authors, diversity, counts), url), authors))

    def _points(self, authors: tuple[str, ...], diversity: Diversity, counts: Counts) -> float:
        return -self.rows[authors][-1].scored.score * GRAIN * diversity.of_authors(authors, counts)


def in_turn(ranked: Iterable[Ranked], diversity: Diversity, counts: Counts) -> Iterator[Ranked]:
    """Every story (given best first) when its turn has come; the caller takes those with a place into `counts`.

    Of equal ones the first URL comes first.
    """
    sources: dict[str, _Source] = {}
    by_row: dict[str, dict[tuple[str, ...], list[Ranked]]] = defaultdict(lambda: defaultdict(list))
    for story in ranked:
        by_row[story.article.source][names(story.article)].append(story)
    heap: list[tuple[_Key, str]] = []
    for name, rows in by_row.items():
        source = sources[name] = _Source(name, rows)
        for authors, row in rows.items():
            row.reverse()
            source.push(authors, diversity, counts)
        if (key := source.key(diversity, counts)) is not None:
            heap.append((key, name))
    heapq.heapify(heap)
    while heap:
        key, name = heapq.heappop(heap)
        now = sources[name].key(diversity, counts)
        if now == key:
            yield sources[name].pop(diversity, counts)
            now = sources[name].key(diversity, counts)
        if now is not None:
            heapq.heappush(heap, (now, name))
