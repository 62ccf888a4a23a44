"""How much an article is worth in an issue, and why: docs/ranking.md in code.

The score is a product of factors, in points: a fresh article of ordinary weight has 100. It depends on stored inputs
and the issue's cut alone, and is rounded, so that every machine and database finds the same order.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from digest.compose.candidates import Candidate
from digest.compose.stories import Story
from digest.config.values import RankingConfig

FRESH = 100.0  # points of an article of this minute, before weights
GRAIN = 10_000  # scores are whole ten-thousandths of a point
HOUR = 3600.0


@dataclass(frozen=True)
class Reason:
    """One factor: what it multiplied by, and how many points that added or took."""

    factor: str
    value: float
    share: float


@dataclass(frozen=True)
class Scored:
    """A score in points and the reasons whose shares add up to it."""

    score: float
    reasons: tuple[Reason, ...]

    def plain(self) -> list[dict[str, Any]]:
        """The reasons as plain data, as `Placement.reasons` keeps them."""
        return [asdict(reason) for reason in self.reasons]


@dataclass(frozen=True)
class Ranked:
    """A story by its best article; `others` tell it too, best first."""

    article: Candidate
    scored: Scored
    others: tuple[tuple[Candidate, Scored], ...] = ()


def score(article: Candidate, breadth: int, ranking: RankingConfig, now: datetime) -> Scored:
    """The score of `article`, told by `breadth` different sources, in an issue cut at `now`."""
    product, before, reasons = FRESH, 0, []
    for name, value in _factors(article, breadth, ranking, now):
        product *= value
        after = round(product * GRAIN)
        reasons.append(Reason(name, round(value, 4), (after - before) / GRAIN))
        before = after
    return Scored(before / GRAIN, tuple(reasons))


def _factors(article: Candidate, breadth: int, ranking: RankingConfig, now: datetime) -> Iterable[tuple[str, float]]:
    age_h = max(0.0, (now - article.at).total_seconds() / HOUR)
    yield "freshness", 0.5 ** (age_h / ranking.half_life_h) if ranking.half_life_h else 1.0
    yield "source", article.source_weight
    yield "kind", _weight(ranking.kinds, [article.kind])
    yield "section", _weight(ranking.sections, [article.section])
    yield "author", _weight(ranking.authors, article.authors)
    yield "image", ranking.image if article.picture else 1.0
    yield "coverage", 1.0 + math.log2(max(1, breadth)) / 4


def _weight(weights: Mapping[str, float], names: Collection[str]) -> float:
    # Of several authors the one with the highest weight decides.
    asked = {name.casefold() for name in names}
    return max((value for name, value in weights.items() if name.casefold() in asked), default=1.0)


def rank(
    stories: Iterable[Story], ranking: RankingConfig, now: datetime, kept: Collection[int] = frozenset()
) -> tuple[Ranked, ...]:
    """The stories, best first; equal scores stand in the order of their canonical URLs.

    `kept` are the ids of articles that an editor wants in: such a one leads its story whatever the scores, and two of
    them in one story both stand.
    """
    found = [ranked for story in stories for ranked in _led(story, ranking, now, kept)]
    return tuple(sorted(found, key=lambda ranked: (-ranked.scored.score, ranked.article.url)))


def _led(story: Story, ranking: RankingConfig, now: datetime, kept: Collection[int]) -> Iterable[Ranked]:
    breadth = len({article.source for article in story.articles})
    own = [(article, score(article, 1, ranking, now)) for article in story.articles]
    own.sort(key=lambda pair: (pair[0].id not in kept, -pair[1].score, pair[0].url))
    lead = own[0][0]
    yield Ranked(
        lead,
        score(lead, breadth, ranking, now),
        tuple(pair for pair in own[1:] if pair[0].id not in kept),
    )
    for article, scored in own[1:]:
        if article.id in kept:
            yield Ranked(article, scored)
