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
from digest.compose.eligibility import Refused
from digest.compose.ranking import Signals, engaged, rank, retold, score
from digest.compose.readers import Readers, Shown, learned
from digest.compose.stories import Story, Told, stories
from digest.config.values import RankingConfig
from digest.models import Cause

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


TOLD = Told(7, 12, "Before")


@pytest.mark.parametrize(
    ("caption", "story", "signals", "expected"),
    [
        ("told before counts less", Story((article(),), TOLD), Signals(), (30.0, TOLD)),
        ("an update by its title", Story((article(title="UPDATED: More"),), TOLD), Signals(), (100.0, None)),
        ("a second update", Story((article(title="Update 2: More"),), TOLD), Signals(), (100.0, None)),
        ("a title about updates", Story((article(title="Update your phone"),), TOLD), Signals(), (30.0, TOLD)),
        ("an update by an editor", Story((article(),), TOLD), Signals(updates={1}), (100.0, None)),
        ("boosted", Story((article(boost=1.5),)), Signals(), (150.0, None)),
        ("boosted to nothing", Story((article(boost=0.0),)), Signals(), (0.0, None)),
        ("engaged", Story((article(),)), Signals(engagement={1: 2.0, 2: 9.0}), (200.0, None)),
        ("readers like it", Story((article(),)), Signals(readers=Readers({"a": 0.15}, {}, 0.2)), (115.0, None)),
        ("within the cap", Story((article(),)), Signals(readers=Readers({"a": -0.9}, {}, 0.2)), (80.0, None)),
    ],
)
def test_what_editors_and_readers_make_of_it(
    caption: str, story: Story, signals: Signals, expected: tuple[float, Told | None]
) -> None:
    (found,) = rank([story], WEIGHTS, NOW, signals)
    assert (found.scored.score, found.told) == expected
    assert round(math.fsum(reason.share for reason in found.scored.reasons), 4) == found.scored.score


def test_what_only_repeats_is_left_out_but_for_updates_and_what_an_editor_wants() -> None:
    told = Story((article(1), article(2), article(3), article(4)), TOLD, frozenset({1, 2, 3}))
    (left,), refused = retold([told], Signals(kept={2}, updates={3}))
    assert [one.id for one in left.articles] == [2, 3, 4]
    assert refused == {1: Refused(Cause.TOLD, "Issue 12 told this story: Before")}
    assert retold([Story((article(1),), TOLD, frozenset({1}))])[0] == ()


@pytest.mark.parametrize(
    ("caption", "counts", "weight", "expected"),
    [
        ("the median is 1", {1: 3, 2: 3, 3: 3}, 0.5, {1: 1.0, 2: 1.0, 3: 1.0}),
        ("four times the median doubles", {1: 15, 2: 3, 3: 3}, 0.5, {1: 2.0, 2: 1.0, 3: 1.0}),
        ("a quarter of it halves", {1: 0, 2: 3, 3: 3}, 0.5, {1: 0.5, 2: 1.0, 3: 1.0}),
        ("ten times at most", {1: 10**6, 2: 3, 3: 3}, 0.5, {1: 10.0, 2: 1.0, 3: 1.0}),
        ("switched off", {1: 9, 2: 3}, 0.0, {}),
    ],
)
def test_engagement(caption: str, counts: dict[int, int], weight: float, expected: dict[int, float]) -> None:
    assert engaged({id_: {"points": count} for id_, count in counts.items()}, weight) == expected


def test_of_several_kinds_of_engagement_the_highest_counts() -> None:
    counts = {1: {"points": 3, "clicks": 0}, 2: {"points": 3, "clicks": 1}, 3: {"clicks": 7}}
    assert engaged(counts, 1.0) == {1: 1.0, 2: 1.0, 3: 4.0}


def shown(issue: int, source: str, clicks: int | None, many: int = 1) -> list[Shown]:
    return [Shown(issue, source, "Europe", clicks)] * many


@pytest.mark.parametrize(
    ("caption", "rows", "expected"),
    [
        ("nothing was counted", shown(1, "a", None, 40), 1.0),
        ("as the mean", shown(1, "a", 5, 9) + shown(1, "b", 5, 9), 1.0),
        ("one article proves little", shown(1, "a", 20) + shown(1, "b", 0), 1 + 1 / 11),
        ("many do, up to the cap", shown(1, "a", 20, 90) + shown(1, "b", 0, 90), 1.2),
        ("what nobody clicked", shown(1, "a", None, 90) + shown(1, "b", 20, 90), 0.8),
        ("an issue without counts says nothing", shown(2, "a", None, 90) + shown(1, "a", 5) + shown(1, "b", 5), 1.0),
    ],
)
def test_readers_move_a_source_within_the_cap(caption: str, rows: list[Shown], expected: float) -> None:
    found = learned(rows, 0.2)
    assert found.factor("a", "") == pytest.approx(expected)
    assert found == learned(reversed(rows), 0.2)
    assert learned(rows, 0.0).factor("a", "Europe") == 1.0


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
