"""Earlier issues teach where an article belongs that no rule fits. On both databases."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine
from world import World

from digest.compose import issues, run
from digest.compose.describing import explained, reason_of_section
from digest.compose.run import Composed
from digest.config.values import SectionConfig, SectionMatch

SECTIONS = (
    SectionConfig("sports", "Sports", SectionMatch(section=("Sports",))),
    SectionConfig("markets", "Markets", SectionMatch(section=("Markets",))),
    SectionConfig("more", "More"),
)
WORDS = {
    "Sports": ("Striker", "Keeper", "League", "Penalty", "Stadium", "Coach"),
    "Markets": ("Bond", "Shares", "Inflation", "Bank", "Tariff", "Currency"),
}


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine).set(sections=SECTIONS)


def taught(world: World, sections: tuple[str, ...] = ("Sports", "Markets"), each: int = 6) -> World:
    source = world.source("a")
    for section in sections:
        all_ = WORDS[section]
        for n in range(each):
            title = f"{all_[n]} and {all_[(n + 1) % 6]} and {all_[(n + 2) % 6]} no. {n}"
            source.article(title, hours_ago=n + 1, section=section)
    composed = world.compose()
    for title in world.ids:  # some would be one story
        composed = world.amend(composed.issue, issues.pin, title)
    world.publish(composed.issue)
    return world.later(hours=24)


def settled(composed: Composed) -> dict[str, tuple[str, str]]:
    return {
        composed.articles[row.article_id].title: (row.section_id, row.section_by)
        for row in composed.placements
        if row.left_out is None
    }


def test_an_article_that_no_rule_fits_goes_where_its_like_went(world: World) -> None:
    taught(world).source("b").article("Coach of the striker on a penalty").article("Xyzzy").article(
        "Bank shares and inflation", section="Sports"
    )
    composed = world.compose()
    assert settled(composed) == {
        "Coach of the striker on a penalty": ("sports", "learned"),
        "Bank shares and inflation": ("sports", "rule"),
        "Xyzzy": ("more", "rest"),
    }
    told = explained(run.explain(world.engine, composed.issue.id or 0, world.ids["Coach of the striker on a penalty"]))
    assert told["section_by"]["by"] == "learned"
    assert told["section_by"]["confidence"] >= 0.6
    assert reason_of_section(told["section_by"]).startswith("learned from 12 past articles, confidence 0.")
    assert world.compose().issue.content_hash == composed.issue.content_hash


@pytest.mark.parametrize(
    ("caption", "sections", "each", "learn"),
    [
        ("switched off", ("Sports", "Markets"), 6, 0.0),
        ("no guess is that sure", ("Sports", "Markets"), 6, 1.0),
        ("four rows are too few", ("Sports", "Markets"), 4, 0.1),
        ("one section is no choice", ("Sports",), 6, 0.1),
    ],
)
def test_without_enough_to_learn_from_it_goes_with_the_rest(
    world: World, caption: str, sections: tuple[str, ...], each: int, learn: float
) -> None:
    taught(world.set(learn_sections=learn), sections, each).source("b").article("Coach of the striker")
    assert settled(world.compose()) == {"Coach of the striker": ("more", "rest")}


def test_guesses_are_not_learned_from_but_what_an_editor_moves_is(world: World) -> None:
    title = "Coach of the striker on a penalty"
    taught(world).source("b").article(title)
    composed = world.compose()
    moved = world.amend(composed.issue, issues.move_article, title, section="markets")
    assert settled(moved) == {title: ("markets", "editor")}
    world.publish(moved.issue)
    world.later(hours=24).source("a").article("Keeper in the stadium of the league")
    composed = world.compose()
    assert settled(composed) == {"Keeper in the stadium of the league": ("sports", "learned")}
    assert {row.learned_from for row in composed.placements if row.left_out is None} == {13}
    world.publish(composed.issue)
    world.later(hours=24).source("a").article("Penalty for the keeper and the league, a striker")
    again = world.compose()
    assert {row.learned_from for row in again.placements if row.left_out is None} == {13}


def test_a_section_that_is_gone_teaches_nothing(world: World) -> None:
    taught(world).set(sections=SECTIONS[1:])
    world.source("b").article("Coach of the striker on a penalty")
    assert settled(world.compose()) == {"Coach of the striker on a penalty": ("more", "rest")}


def test_a_draft_teaches_nothing(world: World) -> None:
    for section, words in WORDS.items():
        for word in words:
            world.source("a").article(f"{word} and {words[0]}", section=section)
    world.source("b").article("Coach of the striker on a penalty")
    pinned = world.amend(world.compose().issue, issues.pin, "Coach of the striker on a penalty")
    assert settled(pinned)["Coach of the striker on a penalty"] == ("more", "rest")


def test_the_command_line_starts_without_the_libraries_of_numbers() -> None:
    code = (
        "import sys, digest.cli, digest.compose.run, digest.deliver.run\n"
        "print(sorted({'numpy', 'scipy'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr
