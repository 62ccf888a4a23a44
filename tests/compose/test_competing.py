"""What competes for an issue's places, from the database: roll-over, counts, readers' clicks, one order. On both."""

from __future__ import annotations

from random import Random

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete
from sqlmodel import Session, select
from world import NOW, World, left_out, titles

from digest.compose import issues, run
from digest.compose.candidates import Looked, candidate
from digest.compose.placing import place
from digest.compose.ranking import rank
from digest.compose.rows import LOOKED
from digest.compose.run import Composed
from digest.compose.stories import stories
from digest.models import Article, Engagement, Issue, Placement, Source, table


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)


def causes(composed: Composed) -> dict[str, str]:
    """The causes of what is left out, by title."""
    return {composed.articles[row.article_id].title: row.cause for row in composed.placements if row.left_out}


def week(world: World, *names: str) -> Composed:
    """The issue that is open goes out, a week passes, and articles of these names come in."""
    for issue in world.issues():
        if issue.state == "draft":
            world.publish(issue)
    world.later(days=7)
    for age, name in enumerate(names, 1):
        world.source("a").article(name, age)
    return world.compose()


@pytest.mark.parametrize(
    ("most", "second", "third"),
    [(0, ["C"], ["D"]), (1, ["C", "B"], ["D"]), (2, ["C", "B"], ["D", "E"])],
)
def test_what_found_no_room_competes_again_so_often(
    world: World, most: int, second: list[str], third: list[str]
) -> None:
    world.set(max_articles=1, ranking={"roll_over": most, "floor": 0.01})
    world.source("a").article("A", 1).article("B", 2).article("E", 3)
    assert causes(world.compose()) == {"B": "full", "E": "full"}
    world.set(max_articles=2)
    composed = week(world, "C")
    assert titles(composed) == second
    world.set(max_articles=3)
    assert titles(week(world, "D")) == third
    if most:
        notes = {row.article_id: row.notes for row in composed.placements}
        assert notes[world.ids["B"]] == ["It is rolled over from issue 1, where there was no room for it."]
        assert notes[world.ids["C"]] == []


def test_what_an_editor_dropped_or_the_floor_refused_stays_away(world: World) -> None:
    world.set(max_articles=1, ranking={"floor": 60, "roll_over": 5})
    world.source("a").article("A", 1).article("B", 2).article("Low", 70)
    issue = world.compose().issue
    assert causes(world.amend(issue, issues.drop, "B")) == {"B": "dropped", "Low": "floor"}
    assert titles(week(world, "C")) == ["C"]
    assert left_out(world.compose()) == {}


def test_a_refusal_ends_the_competing(world: World) -> None:
    world.set(max_articles=1, ranking={"floor": 30, "roll_over": 5})
    world.source("a").article("A", 1).article("B", 2)
    world.compose()
    assert causes(week(world, "C")) == {"B": "floor"}
    world.set(max_articles=5)
    assert left_out(week(world, "D")) == {}


def test_a_story_that_found_no_room_comes_back_whole_and_is_told_once(world: World) -> None:
    world.set(max_articles=1)
    world.source("a").article("First", 1).article("Same", 30)
    world.source("b").article("Same", 31, url="https://b.example/same").article("Other", 1)
    assert set(causes(world.compose()).values()) == {"full"}
    world.set(max_articles=9, ranking={"max_per_source": 9})
    composed = week(world, "New")
    also = [one["source"] for row in composed.placements for one in row.also]
    assert (sorted(titles(composed)), also) == (["New", "Other", "Same"], ["B"])
    assert titles(week(world, "Newer")) == ["Newer"]


def test_points_raise_an_article_within_their_weight(world: World) -> None:
    world.source("a").article("A", 1).article("B", 2).article("C", 3)
    counts = {"A": 3, "B": 3, "C": 15}
    world.do(lambda session: session.add_all(
        Engagement(article_id=world.ids[name], kind="points", count=count, at=NOW) for name, count in counts.items()
    ))  # fmt: skip
    composed = world.compose()
    assert titles(composed)[0] == "C"
    assert composed.issue.id is not None
    found = run.explain(world.engine, composed.issue.id, world.ids["C"]).placement
    assert found is not None
    assert {row["factor"]: row["value"] for row in found.reasons}["engagement"] == 2.0
    assert titles(world.set(ranking={"engagement": 0}).compose()) == ["A", "B", "C"]


def test_clicks_on_earlier_issues_move_sources_where_asked_for(world: World) -> None:
    world.set(ranking={"diversity": 0})
    for number in range(12):
        world.source("a").article(f"A{number}", 1)
        world.source("b").article(f"B{number}", 2)
    world.compose()
    week(world)
    rows = [(world.ids[f"B{number}"], 40) for number in range(12)]
    world.do(lambda session: session.add_all(
        Engagement(article_id=id_, kind="clicks", count=count, at=NOW) for id_, count in rows
    ))  # fmt: skip
    world.source("a").article("Newer", 1)
    world.source("b").article("Older", 5)
    assert titles(world.compose()) == ["Newer", "Older"]
    composed = world.set(ranking={"diversity": 0, "learn": 0.2}).compose()
    assert titles(composed) == ["Older", "Newer"]
    factors = {
        composed.articles[row.article_id].title: row.reasons[-1]["value"]
        for row in composed.placements
        if row.left_out is None
    }
    assert factors == {"Older": 1.2, "Newer": 0.8}


ARTICLES = st.lists(
    st.tuples(st.integers(0, 200), st.sampled_from("abc"), st.sampled_from(["Same", "", "Other"]), st.booleans()),
    min_size=1,
    max_size=12,
)


@given(ARTICLES, st.randoms(use_true_random=False))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_equal_articles_stand_in_one_order_on_every_database(
    engine: Engine, given_: list[tuple[int, str, str, bool]], random: Random
) -> None:
    world = _emptied(engine)
    for name in "abc":
        world.source(name)
    mixed = list(enumerate(given_))
    random.shuffle(mixed)
    for number, (hours, source, title, picture) in mixed:
        url = f"https://{source}.example/{number}"
        image = "https://x.example/1.png" if picture else None
        world.source(source).article(title or f"T{number}", hours + 1, url=url, image_url=image)
    world.set(window_days=30, max_articles=6, ranking={"max_per_source": 3})
    composed = world.compose()
    stored = [
        (composed.articles[row.article_id].canonical_url, row.score) for row in composed.placements if not row.left_out
    ]

    # The same by pure functions of the values, whatever ids a database gave them.
    with Session(engine) as session:
        rows = session.execute(sa.select(*LOOKED).join_from(Article, Source)).all()
        pure = sorted((candidate(Looked._make(row)) for row in rows), key=lambda one: one.url)
    ranked = rank(stories(pure), world.edition.ranking, composed.issue.window_end)
    layout = place(ranked, world.edition)
    urls = {one.id: one.url for one in pure}
    assert stored == [(urls[spot.article_id], layout.scores[spot.article_id].score) for spot in layout.places]


def _emptied(engine: Engine) -> World:
    with Session(engine) as session:
        for model in (Placement, Issue, Article):
            session.execute(delete(table(model)))
        session.commit()
        there = session.exec(select(Source.id)).first() is not None
    return _again(engine) if there else World(engine)


def _again(engine: Engine) -> World:
    world = World.__new__(World)
    world.engine, world.now, world.ids = engine, NOW, {}
    return world
