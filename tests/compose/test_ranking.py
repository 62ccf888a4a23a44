"""The score: documented factors, reasons that add up to it, one order for equal inputs."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.compose.candidates import Candidate
from digest.compose.ranking import Signals, rank, score
from digest.compose.stories import Story, stories
from digest.config.values import RankingConfig

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def article(id_: int = 1, hours_ago: float = 0, source: str = "a", **values: Any) -> Candidate:
    url = f"https://{source}.example/{id_}"
    title = values.pop("title", f"Title {id_}")
    return Candidate(id_, url, url, title, source=source, at=NOW - timedelta(hours=hours_ago), **values)


WEIGHTS = RankingConfig(
    half_life_h=72,
    image=1.1,
    kinds={"Analysis": 1.5, "video": 0.5},
    sections={"Europe": 2.0},
    authors={"Ann": 1.2, "Bo": 3.0},
)


@pytest.mark.parametrize(
    ("caption", "one", "breadth", "expected"),
    [
        ("fresh and ordinary", article(), 1, 100.0),
        ("one half-life old", article(hours_ago=72), 1, 50.0),
        ("two half-lives old", article(hours_ago=144), 1, 25.0),
        ("dated after the cut counts as fresh", article(hours_ago=-5), 1, 100.0),
        ("decades old", article(hours_ago=24 * 365 * 30), 1, 0.0),
        ("a source of weight", article(source_weight=1.3), 1, 130.0),
        ("a kind of weight", article(kind="Analysis"), 1, 150.0),
        ("letters' case counts nowhere", article(kind="VIDEO", section="europe"), 1, 100.0),
        ("of two authors the weightier one", article(authors=("Ann", "Bo")), 1, 300.0),
        ("with a picture", article(picture=True), 1, 110.0),
        ("told by two sources", article(), 2, 125.0),
        ("told by eight sources", article(), 8, 175.0),
        ("a weight of nothing", article(source_weight=0.0), 4, 0.0),
    ],
)
def test_scores(caption: str, one: Candidate, breadth: int, expected: float) -> None:
    assert score(one, breadth, WEIGHTS, NOW).score == expected


@given(
    hours=st.floats(0, 10_000),
    weight=st.floats(0, 5),
    breadth=st.integers(1, 50),
    picture=st.booleans(),
    kind=st.sampled_from(["", "Analysis", "Video"]),
)
def test_shares_add_up_to_the_score(hours: float, weight: float, breadth: int, picture: bool, kind: str) -> None:
    scored = score(article(hours_ago=hours, source_weight=weight, picture=picture, kind=kind), breadth, WEIGHTS, NOW)
    assert round(math.fsum(reason.share for reason in scored.reasons), 4) == scored.score
    assert [reason.factor for reason in scored.reasons] == [
        "freshness", "source", "kind", "section", "author", "image", "coverage",
    ]  # fmt: skip


def test_equal_scores_stand_in_the_order_of_urls() -> None:
    found = rank(stories([article(3), article(1), article(2)]), RankingConfig(), NOW)
    assert [one.article.id for one in found] == [1, 2, 3]


def test_the_best_article_leads_its_story_and_the_others_raise_it() -> None:
    told = [
        article(1, source="a", title="Same", hours_ago=20),
        article(2, source="b", title="Same", hours_ago=2),
        article(3, source="c", title="Same", hours_ago=10),
    ]
    (found,) = rank(stories(told), RankingConfig(), NOW)
    assert found.article.id == 2
    assert [other.id for other, _ in found.others] == [3, 1]
    assert found.scored.reasons[-1].value == round(1 + math.log2(3) / 4, 4)


def test_a_source_that_repeats_itself_is_one_source() -> None:
    (found,) = rank(stories([article(1, title="Same"), article(2, title="Same")]), RankingConfig(), NOW)
    assert found.scored.reasons[-1].value == 1.0


def test_what_an_editor_wants_leads_and_two_of_them_both_stand() -> None:
    told = Story((article(1), article(2, hours_ago=50), article(3, hours_ago=90)))
    (one,) = rank([told], RankingConfig(), NOW, Signals(kept={3}))
    assert (one.article.id, [other.id for other, _ in one.others]) == (3, [1, 2])
    both = rank([told], RankingConfig(), NOW, Signals(kept={2, 3}))
    assert [(one.article.id, len(one.others)) for one in both] == [(2, 1), (3, 0)]


@given(
    st.lists(st.tuples(st.integers(0, 200), st.booleans()), min_size=1, max_size=10), st.randoms(use_true_random=False)
)
def test_the_order_of_input_counts_nowhere(told: list[tuple[int, bool]], random: Random) -> None:
    articles = [article(n, hours_ago=hours, picture=picture) for n, (hours, picture) in enumerate(told)]
    shuffled = articles.copy()
    random.shuffle(shuffled)
    assert rank(stories(articles), WEIGHTS, NOW) == rank(stories(shuffled), WEIGHTS, NOW)
