"""Equal titles within a week are one story; every article is in exactly one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from world import World

from digest.compose.candidates import Candidate
from digest.compose.content import articles
from digest.compose.rendering import render
from digest.compose.stories import stories
from digest.templating import Templates, template_root

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def article(id_: int, title: str, days_ago: float = 0) -> Candidate:
    url = f"https://s{id_}.example/{id_}"
    return Candidate(id_, url, url, title, source=f"s{id_}", at=NOW - timedelta(days=days_ago))


@pytest.mark.parametrize(
    ("caption", "first", "second", "same"),
    [
        ("the same words", "A pipeline reopens", "A pipeline reopens", True),
        ("case and quotes", "“A pipeline” reopens", "A PIPELINE REOPENS", True),
        ("dashes and spaces", "A pipeline —  reopens", "A pipeline - reopens.", True),
        ("composed and decomposed accents", "Café reopens", "Cafe\u0301 reopens", True),
        ("full-width letters", "ＮＡＴＯ meets", "NATO meets", True),
        ("one word more", "A pipeline reopens", "A pipeline reopens today", True),
        ("an accent is a letter", "Le congrès", "Le congres", False),
        ("no letters at all are no title", "???", "!!!", False),
    ],
)
def test_titles_that_are_the_same(caption: str, first: str, second: str, same: bool) -> None:
    assert len(stories([article(1, first), article(2, second)])) == (1 if same else 2)


def test_a_title_that_comes_back_the_week_after_is_another_story() -> None:
    found = stories([article(1, "Cartoons", 0), article(2, "Cartoons", 3), article(3, "Cartoons", 8)])
    assert [[one.id for one in story.articles] for story in found] == [[1], [2, 3]]


@given(
    st.lists(st.tuples(st.sampled_from(["A", "a!", "B", "", "—", "C d"]), st.integers(0, 30)), max_size=12),
    st.randoms(use_true_random=False),
)
def test_every_article_is_in_one_story_whatever_the_order(told: list[tuple[str, int]], random: Random) -> None:
    articles = [article(number, title, days) for number, (title, days) in enumerate(told)]
    shuffled = articles.copy()
    random.shuffle(shuffled)
    found = stories(articles)
    assert sorted(one.id for story in found for one in story.articles) == list(range(len(articles)))
    assert stories(shuffled) == found


def test_ten_copies_are_one_block_that_names_five_sources_and_counts_the_others(engine: Engine) -> None:
    world = World(engine)
    for number in range(10):
        world.source(f"s{number}", weight=1 - number / 20).article("A pipeline reopens")
    composed = world.compose()
    assert composed.content is not None
    [told] = articles(composed.content)
    assert [one.source for one in told.also] == ["S1", "S2", "S3", "S4", "S5"]
    assert told.also_more == 4
    assert len(next(row for row in composed.placements if row.left_out is None).also) == 9
    rendered = render(composed.content, Templates(template_root()), "roundup", "k3v9q")
    for part in (rendered.html, rendered.text):
        assert "and 4 more" in " ".join(part.split())
