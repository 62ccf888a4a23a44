"""Issues as `--json` says them."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import Engine
from world import LINKS, World

from digest.compose import issues, run
from digest.compose.building import direction
from digest.compose.describing import described, explained, listed
from digest.config.values import SectionConfig, SectionMatch


@pytest.fixture
def world(engine: Engine) -> World:
    world = World(engine).set(
        sections=(SectionConfig("europe", "Europe", SectionMatch(section=("Europe",))),),
        max_articles=2,
        ranking={"diversity": 0},
    )
    world.source("a").article("One", 1, section="Europe", image_url="https://a.example/1.png").article("Two", 2)
    world.source("b").article("One", 5, url="https://b.example/one").article("Three", 9)
    return world


def test_an_issue_in_json(world: World) -> None:
    composed = world.compose()
    said = json.loads(json.dumps(described(composed)))
    issue = said["issue"]
    assert {"id", "edition", "number", "state", "subject", "sections", "left_out"} <= issue.keys()
    assert (issue["edition"], issue["number"], issue["state"], issue["subject"]) == ("weekly", 1, "draft", "One")
    assert [(one["title"], [row["title"] for row in one["articles"]]) for one in issue["sections"]] == [
        ("Europe", ["One"]),
        ("More", ["Two"]),
    ]
    (lead,) = issue["sections"][0]["articles"]
    assert (lead["source"], lead["url"], lead["lead"]) == ("a", "https://a.example/one", True)
    assert [(one["source"], one["url"]) for one in lead["also"]] == [("B", "https://b.example/one")]
    assert [(row["title"], row["reason"]) for row in issue["left_out"]] == [
        ("One", 'It tells the same story as "One" (A).'),
        ("Three", "The issue is full: 2 articles at most."),
    ]
    assert (said["problems"], said["question"]) == ([], None)


def test_a_skipped_issue_has_no_number(world: World) -> None:
    issue = described(world.set(min_articles=9).compose())["issue"]
    assert (issue["number"], issue["state"], issue["sections"]) == (None, "skipped", [])


def test_a_sent_issue_is_told_as_it_was(world: World) -> None:
    composed = world.compose()
    before = described(composed)["issue"]["sections"]
    world.publish(composed.issue)
    world.change("One", title="Rewritten")
    assert composed.issue.id is not None
    again = described(run.current(world.engine, world.config, LINKS, composed.issue.id))["issue"]
    assert (again["sections"], again["number"], again["state"]) == (before, 1, "sent")
    assert listed(world.issue(composed.issue))["number"] == 1


def test_a_score_explained(world: World) -> None:
    issue = world.compose().issue
    world.amend(issue, issues.edit_article, "Two", title="Two!")
    assert issue.id is not None
    said = explained(run.explain(world.engine, issue.id, world.ids["Two"]))
    assert (said["placed"], said["section"], said["position"], said["left_out"]) == (True, "more", 1, None)
    assert round(sum(reason["share"] for reason in said["reasons"]), 4) == said["score"]
    assert said["editor"] == {"title": "Two!"}


@pytest.mark.parametrize(
    ("language", "expected"),
    [("en", "ltr"), ("ar", "rtl"), ("he-IL", "rtl"), ("fa", "rtl"), ("de-CH", "ltr"), ("x!", "ltr")],
)
def test_directions(language: str, expected: str) -> None:
    assert direction(language) == expected
