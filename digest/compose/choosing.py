"""Which story comes next while places are given: the best, if each further one of a source or author counts less.

A source's next article counts 1 / (1 + d * n) of its score after n others of that source were taken, and likewise an
author's. Both only ever fall, so a heap whose entries are looked at again when they come up finds the best in time
O(n log n): one of sources, and in each of them one of authors, or the other way round.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

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
    """How much less further ones count; where all are of one source, or by one author, there is nothing to choose."""

    strength: float
    sources: bool = True  # whether there are several
    authors: bool = True

    def of_source(self, source: str, counts: Counts) -> float:
        """What is left of the score of the source's next article."""
        return 1.0 / (1.0 + self.strength * counts.sources[source]) if self.sources else 1.0

    def of_authors(self, authors: Iterable[str], counts: Counts) -> float:
        """What is left of the score of their next article: the most present of them decides."""
        most = max((counts.authors[name] for name in authors), default=0) if self.authors else 0
        return 1.0 / (1.0 + self.strength * most)

    def scored(self, story: Ranked, counts: Counts) -> Ranked:
        """The story as it counts now, with the factor "diversity" where that changes it."""
        article = story.article
        value = self.of_source(article.source, counts) * self.of_authors(names(article), counts)
        return story if value == 1.0 else replace(story, scored=story.scored.times("diversity", value))


_Key = tuple[float, str]
_Left = Callable[[Any], float]  # what is left of the score of the next one of a source, or of some authors


@dataclass
class _Group:
    """The stories of one source: those of the same authors in a row, best first; the rows in a heap. Or vice versa."""

    name: Any
    rows: dict[Any, list[Ranked]]  # the best at the end
    left: _Left  # by row
    heap: list[tuple[_Key, Any]] = field(default_factory=list)

    def key(self, left: _Left) -> _Key | None:
        """Where its best stands now among those of all groups, the smallest first; None when it is empty."""
        while self.heap:
            (points, url), row = self.heap[0]
            now = self._points(row)
            if now == points:
                return round(points * left(self.name)), url
            heapq.heapreplace(self.heap, ((now, url), row))
        return None

    def pop(self) -> Ranked:
        """Its best, after `key` said that there is one."""
        _, row = heapq.heappop(self.heap)
        story = self.rows[row].pop()
        self.push(row)
        return story

    def push(self, row: Any) -> None:
        """What is left of a row, into the heap."""
        if self.rows[row]:
            heapq.heappush(self.heap, ((self._points(row), self.rows[row][-1].article.url), row))

    def _points(self, row: Any) -> float:
        return -self.rows[row][-1].scored.score * GRAIN * self.left(row)


def in_turn(ranked: Sequence[Ranked], diversity: Diversity, counts: Counts) -> Iterator[Ranked]:
    """Every story (given best first) when its turn has come; the caller takes those with a place into `counts`.

    Of equal ones the first URL comes first.
    """
    named = [(story.article.source, names(story.article), story) for story in ranked]
    of_source: _Left = partial(diversity.of_source, counts=counts)
    of_authors: _Left = partial(diversity.of_authors, counts=counts)
    # Who is taken changes rows in many groups, if the groups are many: the fewer make the groups.
    fewer = len({source for source, _, _ in named}) <= len({authors for _, authors, _ in named})
    outer, inner = (of_source, of_authors) if fewer else (of_authors, of_source)
    rows: dict[Any, dict[Any, list[Ranked]]] = defaultdict(lambda: defaultdict(list))
    for source, authors, story in reversed(named):
        group, row = (source, authors) if fewer else (authors, source)
        rows[group][row].append(story)
    return _drawn({name: _Group(name, inside, inner) for name, inside in rows.items()}, outer)


def _drawn(groups: Mapping[Any, _Group], left: _Left) -> Iterator[Ranked]:
    heap: list[tuple[_Key, Any]] = []
    for group in groups.values():
        for row in group.rows:
            group.push(row)
        if (key := group.key(left)) is not None:
            heap.append((key, group.name))
    heapq.heapify(heap)
    while heap:
        key, name = heapq.heappop(heap)
        now = groups[name].key(left)
        if now == key:
            yield groups[name].pop()
            now = groups[name].key(left)
        if now is not None:
            heapq.heappush(heap, (now, name))
