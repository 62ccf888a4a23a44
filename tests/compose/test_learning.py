"""Sections guessed from past articles: right where the words say so, the same for any order, modest where unsure."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.compose.labelling import inspect_sections
from digest.compose.learning import Example, learn
from digest.compose.words import words

TALK = {
    "sports": ("striker", "goal", "league", "coach", "stadium", "penalty", "season", "keeper"),
    "markets": ("shares", "bond", "inflation", "bank", "profit", "investors", "currency", "tariff"),
    "science": ("telescope", "galaxy", "protein", "genome", "physicist", "laboratory", "fossil", "orbit"),
}


def sentence(topic: str, dice: random.Random, length: int = 4) -> str:
    return " ".join([*dice.sample(TALK[topic], length), *dice.sample(("today", "again", "after", "new", "says"), 3)])


def examples(each: int, seed: int = 1) -> list[Example]:
    dice = random.Random(seed)
    return [Example(sentence(topic, dice), section=topic) for topic in TALK for _ in range(each)]


def test_what_speaks_of_a_section_is_guessed_to_stand_there() -> None:
    model = learn(examples(10))
    assert model is not None
    guesses = model.guesses(examples(20, seed=2))
    assert [guess.section_id for guess in guesses] == [topic for topic in TALK for _ in range(20)]
    assert {guess.learned_from for guess in guesses} == {30}


def test_a_guess_without_a_known_word_is_unsure() -> None:
    model = learn(examples(10))
    assert model is not None
    assert model.guess(Example("Xyzzy plugh")).confidence < 0.5
    assert model.guess(Example("")).confidence < 0.5
    assert model.guess(Example("striker goal coach penalty")).confidence > 0.7


def test_words_spelled_alike_and_words_of_the_url_count() -> None:
    model = learn([*examples(10), Example("One of ours", url="https://a.example/science/1", section="science")])
    assert model is not None
    window = [Example("Galaxies and telescopes"), Example("Untitled", url="https://a.example/fossil-orbit-galaxy")]
    model = learn(examples(10), window)
    assert model is not None
    assert [guess.section_id for guess in model.guesses(window)] == ["science", "science"]


def test_new_words_beside_known_ones_are_learned_from_the_window() -> None:
    past = [row for row in examples(4) if row.section != "science"]
    beside = [Example(f"striker goal Vollmer {n}") for n in range(12)] + [
        Example(f"bond bank Okafor {n}") for n in range(12)
    ]
    asked = [Example("Vollmer"), Example("Okafor")]
    model = learn(past, [*beside, *asked])
    assert model is not None
    assert [guess.section_id for guess in model.guesses(asked)] == ["sports", "markets"]


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(dice: random.Random) -> None:
    past, window = examples(6), examples(5, seed=3)
    expected = learn(past, window)
    mixed_past, mixed_window = dice.sample(past, len(past)), dice.sample(window, len(window))
    found = learn(mixed_past, mixed_window)
    assert expected is not None
    assert found is not None
    assert found.guesses(window) == expected.guesses(window)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30), st.sampled_from("abc")), max_size=12),
    st.lists(st.text(max_size=40), max_size=6),
)
def test_any_text_gets_one_of_the_sections(past: list[tuple[str, str, str]], titles: list[str]) -> None:
    rows = [Example(title, url=url, section=section) for title, url, section in past]
    window = [Example(title) for title in titles]
    model = learn(rows, window)
    known = {row.section for row in rows}
    if model is None:
        assert len(known) < 2
        return
    guesses = model.guesses(window)
    assert len(guesses) == len(window)
    assert all(guess.section_id in known and 0 <= guess.confidence <= 1 for guess in guesses)


@pytest.mark.parametrize("past", [[], examples(3)[:3]])
def test_one_section_or_none_teaches_nothing(past: list[Example]) -> None:
    assert learn(past) is None


def test_words_are_folded() -> None:
    assert words("The CAFÉ ﬁne_print 2", "https://a.example/World-News/%C3%89tat_2024") == [
        *("the", "café", "fine", "print", "2"),
        *("world", "news", "état"),
    ]
    assert words("x", "https://[") == ["x"]


def lines(*rows: object) -> bytes:
    return "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows).encode()


def test_a_file_is_labelled_and_its_bad_lines_are_named() -> None:
    past = [{"id": n, "title": row.title, "section": row.section} for n, row in enumerate(examples(6))]
    new = {"id": "new", "title": "striker goal", "summary": None, "section": None}
    told = inspect_sections("f", lines(*past, new, "{", [1], {"title": "x"}, {"id": 5}, {"id": 9, "title": 3}, new))
    assert told["sections"] == {"new": "sports"}
    assert told["confidence"].keys() == {"new"}
    said = [problem.partition(": ") for problem in told["problems"]]
    assert [(where, what.partition(",")[0]) for where, _, what in said] == [
        ("f line 20", "expected JSON in UTF-8"),
        ("f line 21", "expected a JSON object with id and title"),
        ("f line 22", "id: expected a text or a whole number"),
        ("f line 23", "title: expected a text"),
        ("f line 24", "title: expected a text"),
        ("f line 25", "expected an id of its own"),
    ]


def test_a_file_without_a_past_says_what_it_needs() -> None:
    told = inspect_sections("f", lines({"id": 1, "title": "x"}, {"id": 2, "title": "y", "section": "a"}))
    assert told["error"] == "f: expected rows of at least two sections to learn from, got 1 of 1"


def test_the_command_prints_a_line_for_each_file(tmp_path: Path) -> None:
    past = [{"id": n, "title": row.title, "section": row.section} for n, row in enumerate(examples(6))]
    (tmp_path / "a").write_bytes(lines(*past, {"id": "new", "title": "telescope and galaxy"}))
    command = [sys.executable, "-m", "digest", "inspect", "sections", str(tmp_path / "a"), str(tmp_path / "gone")]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    good, bad = map(json.loads, done.stdout.splitlines())
    assert (done.returncode, good["sections"]) == (1, {"new": "science"})
    assert "gone can't be read" in bad["error"]
