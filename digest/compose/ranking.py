"""How much an article is worth in an issue, and why: docs/ranking.md in code.

The score is a product of factors, in points: a fresh article of ordinary weight has 100. It depends on stored inputs
and the issue's cut alone, and is rounded, so that every machine and database finds the same order.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from statistics import median
from typing import Any, NamedTuple

from digest.compose.candidates import Candidate
from digest.compose.eligibility import Refused, named
from digest.compose.readers import Readers
from digest.compose.stories import Story, Told
from digest.config.values import RankingConfig
from digest.models import Cause

FRESH = 100.0  # points of an article of this minute, before weights
GRAIN = 10_000  # scores are whole ten-thousandths of a point
HOUR = 3600.0
MOST = 10.0  # what engagement multiplies by at most, and divides by
_UPDATE = re.compile(r"\W*updated?(?: \d+)?\]?\s*:", re.IGNORECASE)


class Reason(NamedTuple):
    """One factor: what it multiplied by, and how many points that added or took."""

    factor: str
    value: float
    share: float


@dataclass(frozen=True)
class Scored:
    """A score in points and the reasons whose shares add up to it."""

    score: float
    reasons: tuple[Reason, ...] = ()

    def plain(self) -> list[dict[str, Any]]:
        """The reasons as plain data, as `Placement.reasons` keeps them."""
        return [{"factor": one.factor, "value": one.value, "share": one.share} for one in self.reasons]

    def times(self, factor: str, value: float) -> Scored:
        """The score with one more factor, whose share is what it changed."""
        before, after = round(self.score * GRAIN), round(self.score * GRAIN * value)
        reason = Reason(factor, round(value, 4), (after - before) / GRAIN)
        return Scored(after / GRAIN, (*self.reasons, reason))


@dataclass(frozen=True)
class Signals:
    """What editors and readers made of the candidates, by article."""

    kept: Collection[int] = frozenset()  # an editor wants them in: each leads its story, whatever the scores
    updates: Collection[int] = frozenset()  # an editor says that they tell something new
    engagement: Mapping[int, float] = field(default_factory=dict)  # see `engaged`
    readers: Readers = field(default_factory=Readers)


NO_SIGNALS = Signals()


@dataclass(frozen=True)
class Ranked:
    """A story by its best article; `others` tell it too, best first."""

    article: Candidate
    scored: Scored
    others: tuple[tuple[Candidate, Scored], ...] = ()
    told: Told | None = None  # by an earlier issue, and this is no update: it can't lead the issue


def is_update(article: Candidate, signals: Signals = NO_SIGNALS) -> bool:
    """Whether it tells what is new of a story that was told before: an editor says so, or its title ("Update: ...")."""
    return article.id in signals.updates or _UPDATE.match(article.title) is not None


def engaged(counts: Mapping[int, Mapping[str, int]], weight: float) -> dict[int, float]:
    """The factor of engagement of each counted article: how many times the median of its kind, to the power `weight`.

    Half a median is as far below 1 as twice a median is above; it lies between 1/10 and 10. Of several kinds (points,
    clicks) the highest counts.
    """
    kinds = {kind for own in counts.values() for kind in own}
    middle = {kind: median(own[kind] for own in counts.values() if kind in own) for kind in kinds}
    return {
        article: min(
            max(max((1 + count) / (1 + middle[kind]) for kind, count in own.items()) ** weight, 1 / MOST), MOST
        )
        for article, own in counts.items()
        if own and weight
    }


def score(
    article: Candidate,
    breadth: int,
    ranking: RankingConfig,
    now: datetime,
    *,
    told: bool = False,
    signals: Signals = NO_SIGNALS,
) -> Scored:
    """The score of `article`, told by `breadth` different sources, in an issue cut at `now`.

    `told` says that an earlier issue told its story already, and that it is no update.
    """
    product, before, reasons = FRESH, 0, []
    for name, value in _factors(article, breadth, ranking, now, signals, told):
        product *= value
        after = round(product * GRAIN)
        reasons.append(Reason(name, round(value, 4), (after - before) / GRAIN))
        before = after
    return Scored(before / GRAIN, tuple(reasons))


def _factors(
    article: Candidate, breadth: int, ranking: RankingConfig, now: datetime, signals: Signals, told: bool
) -> Iterable[tuple[str, float]]:
    age_h = max(0.0, (now - article.at).total_seconds() / HOUR)
    yield "freshness", 0.5 ** (age_h / ranking.half_life_h) if ranking.half_life_h else 1.0
    yield "source", article.source_weight
    yield "kind", _weight(ranking.kinds, [article.kind])
    yield "section", _weight(ranking.sections, [article.section])
    yield "author", _weight(ranking.authors, article.authors)
    yield "image", ranking.image if article.picture else 1.0
    yield "coverage", 1.0 + math.log2(max(1, breadth)) / 4
    # What is said of few articles only is a factor of those.
    if article.boost != 1.0:
        yield "boost", article.boost
    if told:
        yield "told", ranking.told
    if article.id in signals.engagement:
        yield "engagement", signals.engagement[article.id]
    if signals.readers.cap:
        yield "readers", signals.readers.factor(article.source, article.section)


def _weight(weights: Mapping[str, float], names: Collection[str]) -> float:
    # Of several authors the one with the highest weight decides.
    if not weights:
        return 1.0
    asked = {name.casefold() for name in names}
    return max((value for name, value in weights.items() if name.casefold() in asked), default=1.0)


def retold(stories: Iterable[Story], signals: Signals = NO_SIGNALS) -> tuple[tuple[Story, ...], dict[int, Refused]]:
    """The stories without what only says again what an earlier issue told, and why those articles are left out.

    What an editor wants in, and what is an update, stays.
    """
    staying: list[Story] = []
    refused: dict[int, Refused] = {}
    for story in stories:
        again = {
            one.id
            for one in story.articles
            if one.id in story.repeats and one.id not in signals.kept and not is_update(one, signals)
        }
        if again and story.told:
            said = f"{named(story.told.number, story.told.issue_id)} told this story: {story.told.title}"
            refused |= dict.fromkeys(again, Refused(Cause.TOLD, said[0].upper() + said[1:]))
        left = tuple(one for one in story.articles if one.id not in refused)
        if left:
            staying.append(replace(story, articles=left))
    return tuple(staying), refused


def rank(
    stories: Iterable[Story], ranking: RankingConfig, now: datetime, signals: Signals = NO_SIGNALS
) -> tuple[Ranked, ...]:
    """The stories, best first; equal scores stand in the order of their canonical URLs.

    What an editor wants in leads its story whatever the scores, and two of those in one story both stand.
    """
    found = [ranked for story in stories for ranked in _led(story, ranking, now, signals)]
    return tuple(sorted(found, key=lambda ranked: (-ranked.scored.score, ranked.article.url)))


def _led(story: Story, ranking: RankingConfig, now: datetime, signals: Signals) -> Iterable[Ranked]:
    breadth = len({article.source for article in story.articles})

    def told(article: Candidate) -> Told | None:
        return None if is_update(article, signals) else story.told

    def scored(article: Candidate, breadth: int) -> Scored:
        return score(article, breadth, ranking, now, told=told(article) is not None, signals=signals)

    own = [(article, scored(article, 1)) for article in story.articles]
    own.sort(key=lambda pair: (pair[0].id not in signals.kept, -pair[1].score, pair[0].url))
    lead, alone = own[0]
    others = tuple(pair for pair in own[1:] if pair[0].id not in signals.kept)
    yield Ranked(lead, scored(lead, breadth) if breadth > 1 else alone, others, told(lead))
    for article, points in own[1:]:
        if article.id in signals.kept:
            yield Ranked(article, points, (), told(article))
