"""Never twice, by story and not only by URL: what an edition's earlier issues told. On both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine
from sqlmodel import col, delete, select
from world import LINKS, World, left_out, titles

from digest import db
from digest.compose import issues, run
from digest.compose.describing import explained
from digest.config.stored import edition_to_json
from digest.models import Appearance, Edition, Placement

FIRST = "Pipeline to Vienna reopens after leak"
AGAIN = "Vienna pipeline reopened two weeks after the leak"
OTHERS = ("Opera house names a new conductor", "Bakers win a prize for rye bread")


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)


def sent(world: World, title: str = FIRST, *, others: tuple[str, ...] = ()) -> run.Composed:
    """An issue that went out with `title`, and three hours passed."""
    source = world.source("a").article(title)
    for other in others:
        source.article(other, hours_ago=2)
    composed = world.compose()
    world.publish(composed.issue)
    world.later(hours=3)
    return composed


def row_of(world: World, composed: run.Composed, title: str) -> Placement:
    return next(row for row in composed.placements if row.article_id == world.ids[title])


def lead(composed: run.Composed) -> str | None:
    return composed.content.lead.title if composed.content and composed.content.lead else None


def test_a_story_told_in_other_words_never_leads_and_says_where_it_was_told(world: World) -> None:
    sent(world)
    world.source("b", weight=4.0).article(AGAIN)
    world.source("c").article(OTHERS[0])
    composed = world.compose()
    assert (lead(composed), set(titles(composed))) == (OTHERS[0], {OTHERS[0], AGAIN})
    said = explained(run.explain(world.engine, composed.issue.id or 0, world.ids[AGAIN]))
    assert [reason["factor"] for reason in said["reasons"] if reason["factor"] == "told"] == ["told"]
    assert any("told in issue 1" in note for note in said["notes"])
    assert not any(reason["factor"] == "told" for reason in row_of(world, composed, OTHERS[0]).reasons)


def test_an_issue_has_no_lead_rather_than_one_that_was_told(world: World) -> None:
    sent(world)
    world.source("b").article(AGAIN)
    composed = world.compose()
    assert (lead(composed), titles(composed)) == (None, [AGAIN])


def test_an_editor_who_marks_an_update_lets_it_lead(world: World) -> None:
    sent(world)
    world.source("b", weight=4.0).article(AGAIN)
    world.source("c").article(OTHERS[0])
    issue = world.compose().issue
    composed = world.amend(issue, issues.mark_update, AGAIN, update=True)
    assert lead(composed) == AGAIN
    assert row_of(world, composed, AGAIN).notes == []
    assert lead(world.amend(issue, issues.mark_update, AGAIN, update=False)) == OTHERS[0]


@pytest.mark.parametrize("days", [0, 6])
def test_the_same_title_from_another_source_is_left_out_within_a_week(world: World, days: int) -> None:
    sent(world)
    world.later(days=days).source("b").article(FIRST.upper() + "!")
    world.source("c").article(OTHERS[0])
    composed = world.compose()
    assert titles(composed) == [OTHERS[0]]
    assert left_out(composed) == {FIRST.upper() + "!": f"Issue 1 told this story: {FIRST}"}
    assert row_of(world, composed, FIRST.upper() + "!").cause == "told"


def test_the_same_title_that_an_editor_marks_as_an_update_comes_in(world: World) -> None:
    sent(world)
    world.source("b", weight=4.0).article(FIRST + "!")
    world.source("c").article(OTHERS[0])
    issue = world.compose().issue
    assert lead(world.amend(issue, issues.mark_update, FIRST + "!", update=True)) == FIRST + "!"


def test_what_was_only_also_covered_by_counts_as_told(world: World) -> None:
    # Alike to the second article of the old story, which the issue only named.
    world.source("b", weight=4.0).article(FIRST)
    world.source("a").article(AGAIN)
    composed = world.compose()
    assert titles(composed) == [FIRST]
    world.publish(composed.issue)
    world.later(hours=3).source("c").article(AGAIN + "!")
    world.source("d").article(OTHERS[0])
    again = world.compose()
    assert titles(again) == [OTHERS[0]]
    assert left_out(again) == {AGAIN + "!": f"Issue 1 told this story: {FIRST}"}


def test_after_four_weeks_it_is_a_new_story(world: World) -> None:
    sent(world)
    world.later(days=28, hours=1).source("b", weight=4.0).article(AGAIN)
    world.source("c").article(OTHERS[0]).article(FIRST + "!")
    composed = world.compose()
    assert lead(composed) == AGAIN
    assert all(row.cause != "told" and not row.notes for row in composed.placements)


def test_the_issues_of_another_edition_say_nothing(world: World) -> None:
    old = sent(world)
    with db.writing(world.engine) as session:
        session.add(Edition(id="daily", list_id="readers", title="Daily", settings=edition_to_json(world.edition)))
        session.flush()
        for row in session.exec(select(Appearance).where(col(Appearance.issue_id) == old.issue.id)).all():
            session.add(Appearance(edition_id="daily", article_id=row.article_id, issue_id=row.issue_id))
        session.exec(delete(Appearance).where(col(Appearance.edition_id) == "weekly"))
    world.source("b").article(AGAIN)
    composed = world.compose()
    assert lead(composed) == AGAIN


def test_history_outlives_a_restart(world: World, database_url: str) -> None:
    sent(world, others=OTHERS)
    world.engine.dispose()
    fresh = db.open_engine(database_url)
    try:
        world.engine = fresh
        world.source("b", weight=4.0).article(AGAIN).article(OTHERS[0].upper())
        composed = world.compose()
        assert (lead(composed), titles(composed)) == (None, [AGAIN])
        assert row_of(world, composed, OTHERS[0].upper()).cause == "told"
    finally:
        fresh.dispose()


def test_gathering_again_after_sending_repeats_nothing(world: World) -> None:
    # As a source does that lists its articles again: other addresses and times, the same titles; and edits of old ones.
    sent(world, others=OTHERS)
    for title in (FIRST, *OTHERS):
        world.change(title, available_at=world.now - timedelta(minutes=5))
        world.source("a").article(f"{title}.", url=f"https://a.example/again/{len(title)}")
    composed = world.compose()
    assert titles(composed) == []
    causes = {composed.articles[row.article_id].title: row.cause for row in composed.placements}
    assert causes == dict.fromkeys((FIRST, *OTHERS), "taken") | {f"{t}.": "told" for t in (FIRST, *OTHERS)}
    again = run.compose(world.engine, world.config, LINKS, "weekly", world.now)
    assert titles(again) == []
