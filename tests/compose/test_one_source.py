"""What one magazine writes of one event: several pieces, none of which a reader loses."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine
from world import NOW, World

from digest.compose.candidates import Candidate
from digest.compose.content import articles
from digest.compose.stories import stories

PIECES = [
    (
        "Why the port strike in Ruvia is about more than wages",
        "Dockers in the port of Ruvia walked out on Monday. The dispute over automation was years in the making.",
    ),
    (
        "The port strike in Ruvia shows what automation costs",
        "Ruvia's dockers have walked out, and the government has nobody but itself to blame for the port's automation.",
    ),
    (
        "In pictures: the port strike in Ruvia",
        "Scenes from the picket line at the port of Ruvia, where dockers walked out on Monday over automation.",
    ),
]
OTHERS = [
    ("A ceasefire with two clocks and no calendar", "Both sides agreed on the hour at which the guns fall silent."),
    ("What the aid convoys carry back", "The trucks go in with flour. They return with letters and a very good map."),
    ("Sanctions work best on people who read", "Most of those named on 61 lists learned of it from a bank clerk."),
    ("The missile that passed every test but the audit", "Delivered late, over cost and to the wrong address."),
    ("Why parliaments find out last", "Budget lines are approved in spring and explained in memoirs."),
    ("The border town that votes twice", "In Kaltbrunn an der Linde, election day is a family visit."),
]


def told(*given: tuple[str, str, str]) -> list[list[int]]:
    """The stories with several of `given` in them, beside a week's other articles."""
    given = (*given, *(("ours", *other) for other in OTHERS))
    candidates = [
        Candidate(
            number, f"https://{source}.example/{number}", "", title, source, NOW + timedelta(hours=number), dek=dek
        )
        for number, (source, title, dek) in enumerate(given)
    ]
    return [sorted(one.id for one in story.articles) for story in stories(candidates) if len(story.articles) > 1]


def test_pieces_of_one_source_are_stories_of_their_own() -> None:
    assert told(*(("ours", *piece) for piece in PIECES)) == []


def test_those_of_several_sources_are_one_story() -> None:
    assert told(*((f"source{number}", *piece) for number, piece in enumerate(PIECES))) == [[0, 1, 2]]


@pytest.mark.parametrize("again", ["WHY the port strike in Ruvia is about more than wages!", PIECES[0][0]])
def test_what_a_source_publishes_again_is_one_story(again: str) -> None:
    assert told(("ours", *PIECES[0]), ("ours", again, "Updated on Tuesday.")) == [[0, 1]]


def test_an_article_that_stands_under_another_of_its_source_is_named_by_its_title(engine: Engine) -> None:
    world = World(engine).set(max_articles=5)
    long = "After nine days the dockers of Ruvia go back to work, as both sides sign what they refused in spring."
    titles = {"Ruvia's port strike ends after nine days", "Ruvia's port strike ends after nine days of talks"}
    for hours, title in enumerate(sorted(titles), 1):
        world.source("ours").article(title, hours, dek=long)
    world.source("wire").article("Ruvia's port strike ends after nine days", 3, dek=long, url="https://wire.example/9")
    content = world.compose().content
    assert content is not None
    (only,) = articles(content)
    assert {only.title, *(one.title for one in only.also if one.title)} == titles
    assert [one.source for one in only.also if not one.title] == ["Wire"]
