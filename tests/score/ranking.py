"""Whether the score puts first what counts: how many tell a story, and what readers made of it."""

from __future__ import annotations

import gzip
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

from score.table import Figure

from digest.compose.candidates import Candidate
from digest.compose.ranking import Signals, engaged, rank
from digest.compose.stories import Story, stories
from digest.config.values import RankingConfig
from digest.gather.urls import canonical_url

FEWEST = 20  # posts of a day that is counted
TOP = 10
SEED = 4


def figures(corpus: Path) -> Iterator[Figure]:
    """The figures of the ranking."""
    by_story, by_group = cluster_sizes(corpus / "news" / "uci")
    yield Figure("ranking: Spearman, uci: true stories, by the largest of our groups in each", by_story, 0.8)
    yield Figure("ranking: Spearman, uci: our groups, each by the true story of its lead", by_group)
    found = hacker_news(corpus / "news" / "hackernews")
    beside = f"newest first {found['newest']:.3f}, random {found['random']:.3f}"
    yield Figure("ranking: nDCG@10, hackernews, points hidden", found["hidden"], baseline=beside)
    yield Figure("ranking: nDCG@10, hackernews, points shown", found["shown"], baseline=beside)


def cluster_sizes(folder: Path) -> tuple[float, float]:
    """Means over the windows of Spearman's rho of sizes: of each true story and the largest of our groups in it; and of
    each of our groups and the true story of its lead, where a part that broke off counts as much as a story."""
    lines = (folder / "articles.jsonl").read_text("utf-8").splitlines()
    rows = {row["id"]: row for row in map(json.loads, lines)}
    windows = json.loads((folder / "windows.json").read_text("utf-8"))["windows"]
    found = [_window([rows[id_] for id_ in window["ids"]]) for window in windows]
    by_story, by_group = ([rho for rho in one if rho is not None] for one in zip(*found, strict=True))
    return fmean(by_story), fmean(by_group)


def _window(rows: Sequence[Mapping[str, Any]]) -> tuple[float | None, float | None]:
    true = {number: row["story"] for number, row in enumerate(rows)}
    sizes = Counter(true.values())
    articles = [
        Candidate(
            id=number,
            url=canonical_url(row["url"]),
            link=row["url"],
            title=row["title"],
            source=row["publisher"],
            at=datetime.fromtimestamp(row["ts"] / 1000, UTC),
        )
        for number, row in enumerate(rows)
    ]
    ranked = rank(stories(articles), RankingConfig(), max(article.at for article in articles))
    ours = [1 + len(story.others) for story in ranked]
    theirs = [sizes[true[story.article.id]] for story in ranked]
    largest: Counter[str] = Counter()
    for story in ranked:
        for one in (story.article, *(other for other, _ in story.others)):
            largest[true[one.id]] = max(largest[true[one.id]], 1 + len(story.others))
    return spearman([largest[name] for name in sizes], list(sizes.values())), spearman(ours, theirs)


def hacker_news(folder: Path) -> dict[str, float]:
    """Mean nDCG@10 over the days with enough posts, by how they were ordered."""
    days: dict[Any, list[tuple[Candidate, int]]] = defaultdict(list)
    with gzip.open(folder / "posts.jsonl.gz", "rt", encoding="utf-8") as lines:
        for number, row in enumerate(map(json.loads, lines)):
            at = datetime.strptime(row["created_at"], "%m/%d/%Y %H:%M").replace(tzinfo=UTC)
            url = f"https://news.example/{number}"
            post = Candidate(number, url, url, row["title"], source="hackernews", at=at, authors=(row["author_id"],))
            days[at.date()].append((post, row["points"]))
    totals: dict[str, list[float]] = defaultdict(list)
    for day, posts in sorted(days.items()):
        if len(posts) >= FEWEST:
            for name, value in _day(datetime.combine(day, time(), UTC) + timedelta(days=1), posts).items():
                totals[name].append(value)
    return {name: fmean(values) for name, values in totals.items()}


def _day(end: datetime, posts: Sequence[tuple[Candidate, int]]) -> dict[str, float]:
    points = {one.id: count for one, count in posts}
    ranking = RankingConfig()
    counts = {id_: {"points": count} for id_, count in points.items()}
    shown = Signals(engagement=engaged(counts, ranking.engagement))
    alone = [Story((one,)) for one, _ in posts]  # one order of posts is asked for, not of stories
    mixed = [one.id for one, _ in posts]
    Random(SEED).shuffle(mixed)
    return {
        "hidden": ndcg([points[story.article.id] for story in rank(alone, ranking, end)]),
        "shown": ndcg([points[story.article.id] for story in rank(alone, ranking, end, shown)]),
        "newest": ndcg([points[one.id] for one, _ in sorted(posts, key=lambda pair: pair[0].at, reverse=True)]),
        "random": ndcg([points[id_] for id_ in mixed]),
    }


def ndcg(points: Sequence[int]) -> float:
    """nDCG@10 of an order of points, with the gain log2(1 + points)."""

    def gained(order: Sequence[int]) -> float:
        return sum(math.log2(1 + count) / math.log2(2 + place) for place, count in enumerate(order[:TOP]))

    best = gained(sorted(points, reverse=True))
    return gained(points) / best if best else 1.0


def spearman(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Spearman's rank correlation, ties sharing their mean rank; None where one side is all equal."""
    if len(set(one)) < 2 or len(set(other)) < 2:
        return None
    first, second = _ranks(one), _ranks(other)
    mean = (len(one) + 1) / 2
    both = sum((a - mean) * (b - mean) for a, b in zip(first, second, strict=True))
    return both / math.sqrt(sum((a - mean) ** 2 for a in first) * sum((b - mean) ** 2 for b in second))


def _ranks(values: Sequence[float]) -> list[float]:
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for index in order[start:end]:
            ranks[index] = (start + end + 1) / 2
        start = end
    return ranks
