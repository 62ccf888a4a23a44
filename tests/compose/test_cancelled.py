"""What a cancelled issue had, where a later one went out before: it is in the next one, or has a reason."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine
from world import Slot, World, left_out, titles

from digest.compose import issues
from digest.compose.run import slot_issue
from digest.models import Issue, IssueState


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)


def slot(world: World) -> Slot:
    return Slot(f"{world.now:%Y-%m-%dT%H:%M}", world.now)


def next_week(world: World, *names: str) -> None:
    world.later(days=7)
    for name in names:
        world.source("a").article(name)


def cancel(world: World, issue: Issue) -> None:
    world.do(lambda session: issues.cancel(session, issue.id, world.now))


def test_a_held_issue_that_was_passed_and_then_cancelled_loses_nothing(world: World) -> None:
    world.source("a").article("Bakers win a prize").article("A bridge is closed")
    held = world.compose(slot(world)).issue
    world.move(held, IssueState.HELD)
    next_week(world, "Opera house names a conductor")
    second = world.compose(slot(world))
    assert titles(second) == ["Opera house names a conductor"]
    world.publish(second.issue)
    cancel(world, held)
    next_week(world, "Rain ends the drought")
    third = world.compose(slot(world))
    assert sorted(titles(third)) == ["A bridge is closed", "Bakers win a prize", "Rain ends the drought"]
    row = next(row for row in third.placements if row.article_id == world.ids["A bridge is closed"])
    assert row.notes == [
        f"It comes from the issue with id {held.id}, which was cancelled after a later one had gone out."
    ]
    world.publish(third.issue)
    next_week(world, "A museum opens")
    assert titles(world.compose(slot(world))) == ["A museum opens"]


def test_a_slot_that_was_missed_and_then_cancelled_loses_nothing(world: World) -> None:
    world.source("a").article("Bakers win a prize")
    world.publish(world.compose(slot(world)).issue)
    next_week(world, "A bridge is closed")
    missed = world.do(lambda session: slot_issue(session, "weekly", slot(world), world.now))  # never composed
    world.move(missed, IssueState.HELD)
    next_week(world, "Opera house names a conductor")
    world.publish(world.compose(slot(world)).issue)
    cancel(world, missed)
    next_week(world, "Rain ends the drought")
    assert sorted(titles(world.compose(slot(world)))) == ["A bridge is closed", "Rain ends the drought"]


def test_what_a_later_issue_refused_does_not_come_again(world: World) -> None:
    world.source("a").article("Bakers win a prize")
    first = world.compose(slot(world)).issue
    cancel(world, first)
    world.later(hours=1)
    world.source("a").article("A bridge is closed")
    second = world.compose(Slot("later", world.now + timedelta(hours=1)))
    world.publish(world.amend(second.issue, issues.drop, "Bakers win a prize").issue)
    next_week(world, "Rain ends the drought")
    third = world.compose(slot(world))
    assert titles(third) == ["Rain ends the drought"]
    assert "Bakers win a prize" not in left_out(third)
