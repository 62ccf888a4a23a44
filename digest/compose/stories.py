"""Articles that tell the same event, brought together; and those whose story an earlier issue told."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from digest.compose.candidates import Candidate


@dataclass(frozen=True)
class Told:
    """An earlier issue of the edition that told a story, and its title there."""

    issue_id: int
    number: int | None
    title: str


@dataclass(frozen=True)
class Earlier:
    """An article of an earlier issue."""

    title: str
    dek: str
    link: str
    source: str  # its id
    at: datetime  # published, else first seen
    told: Told


@dataclass(frozen=True)
class Story:
    """One event and the articles that tell it, in the order of their canonical URLs; never empty."""

    articles: tuple[Candidate, ...]
    told: Told | None = None  # by the latest of the earlier issues that did
    repeats: frozenset[int] = frozenset()  # ids of those that only say again what was told, under the same title


def stories(articles: Iterable[Candidate], earlier: Collection[Earlier] = ()) -> tuple[Story, ...]:
    """Every article in exactly one story, whatever order they come in; `earlier` ones only tell which were told.

    Two articles whose titles are equal but for case, accents' encoding and punctuation, at most seven days apart, tell
    the same story; others if `matching` finds so. (One canonical URL is one article already.)
    """
    # numpy and scipy are loaded only where stories are told.
    from digest.compose.evidence import Text
    from digest.compose.matching import groups, named_alike

    new = sorted(articles, key=lambda article: article.url)
    old = sorted(earlier, key=lambda one: (one.told.issue_id, one.link, one.title))
    known: list[Candidate | Earlier] = [*new, *old]
    texts = [Text(one.title, one.dek, one.link, one.at.timestamp() / 3600, one.source) for one in known]
    same = {number: alike for alike in named_alike(texts) for number in alike}
    found = [_story(new, old, group, same) for group in groups(texts)]
    return tuple(sorted((story for story in found if story), key=lambda story: story.articles[0].url))


def _story(
    new: Sequence[Candidate], old: Sequence[Earlier], group: Sequence[int], same: dict[int, list[int]]
) -> Story | None:
    inside = [number for number in group if number < len(new)]
    told = [old[number - len(new)] for number in group if number >= len(new)]
    if not inside:
        return None
    return Story(
        tuple(new[number] for number in inside),
        max((one.told for one in told), key=lambda one: one.issue_id, default=None),
        frozenset(new[number].id for number in inside if any(other >= len(new) for other in same[number])),
    )
