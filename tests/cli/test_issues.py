"""digest issues: what staff type to make, look at and edit an issue."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import Answer, Shell

CONFIG = """[site]
name = "Example"
url = "https://example.org"
postal_address = "1 Main Street"

[mail]
from = "News <news@example.org>"

[[lists]]
id = "readers"
title = "Readers"

[[editions]]
id = "weekly"
list = "readers"
title = "Weekly"
max_articles = 2
min_articles = 1
"""


@pytest.fixture
def newsroom(shell: Shell) -> Shell:
    """An edition of at most two articles, and three of them added by hand."""
    Path("config.toml").write_text(CONFIG)
    for name in ("one", "two", "three"):
        added = shell("articles", "add", f"https://example.org/{name}", "--title", name.title())
        assert added.code == 0, added.err
    return shell


def ids(shell: Shell) -> dict[str, str]:
    """The articles' ids by title."""
    return {row["title"]: str(row["id"]) for row in shell("--json", "articles", "list").json["articles"]}


def titles(answer: Answer) -> set[str]:
    """What the issue holds."""
    return {row["title"] for section in answer.json["issue"]["sections"] for row in section["articles"]}


def test_sponsors_notes_and_questions_are_typed_and_shown(newsroom: Shell) -> None:
    assert newsroom("issues", "compose", "weekly").code == 0
    said = newsroom("issues", "sponsor", "--title", "Maps", "--url", "https://books.example/maps", "--after", "more")
    assert "Sponsor: Maps, https://books.example/maps" in said.out
    noted = newsroom("issues", "edit", "--section", "more", "--note", "Two views.", "--question", "What now?", "--json")
    assert noted.json["issue"]["sponsor"]["after"] == "more"
    assert [(one["question"], one["note"]) for one in noted.json["issue"]["sections"]] == [("What now?", "Two views.")]
    assert "Sponsor" not in newsroom("issues", "sponsor", "--none").out
    for wrong in (["sponsor"], ["sponsor", "--title", "Maps"], ["edit", "--note", "x"], ["edit", "--section", "more"]):
        refused = newsroom("issues", *wrong)
        assert (refused.code, refused.out) == (2, "")


def test_a_draft_is_made_edited_and_approved(newsroom: Shell) -> None:
    known = ids(newsroom)
    made = newsroom("issues", "compose", "weekly", "--json")
    assert made.code == 0, made.err
    assert made.json["issue"]["state"] == "draft"
    assert len(titles(made)) == 2
    (out,) = made.json["issue"]["left_out"]
    assert out["reason"] == "The issue is full: 2 articles at most."

    pinned = newsroom("issues", "pin", str(out["id"]), "--json")
    assert out["title"] in titles(pinned)
    dropped = newsroom("issues", "drop", "https://example.org/one", "--json")
    assert titles(dropped) == {"Two", "Three"}
    undone = newsroom("issues", "drop", known["One"], "--undo", "--json")
    assert "An editor dropped it." not in [row["reason"] for row in undone.json["issue"]["left_out"]]
    moved = newsroom("issues", "move", known["Two"], "--section", "lead", "--json")
    assert moved.json["issue"]["sections"][0]["articles"][0]["title"] == "Two"
    edited = newsroom("issues", "edit", known["Two"], "--title", "Two, better", "--json")
    assert edited.json["issue"]["subject"] == "Two, better"
    assert newsroom("issues", "edit", "--subject", "Ours", "--json").json["issue"]["subject"] == "Ours"

    explained = newsroom("issues", "explain", known["Two"], "--json").json
    assert (explained["placed"], explained["editor"]["section"]) == (True, "lead")
    assert newsroom("issues", "approve", "--json").json["issue"]["state"] == "approved"
    assert newsroom("issues", "reject", "--reason", "Not yet.", "--json").json["issue"]["reason"] == "Not yet."
    assert newsroom("issues", "cancel", "--yes", "--json").json["issue"]["state"] == "cancelled"
    assert [row["state"] for row in newsroom("issues", "list", "--json").json["issues"]] == ["cancelled"]


def test_it_reads_well_in_a_terminal(newsroom: Shell) -> None:
    shown = newsroom("issues", "compose", "weekly")
    assert shown.code == 0
    assert shown.out.startswith("Issue 1 of weekly, draft, no. 1\nSubject: ")
    assert "\nMore\n" in shown.out and "\nLeft out\n" in shown.out and "[lead]" in shown.out
    assert newsroom("issues", "show", "1").out == shown.out
    assert "freshness" in newsroom("issues", "explain", ids(newsroom)["One"]).out
    assert "weekly" in newsroom("issues", "list").out


@pytest.mark.parametrize(
    ("caption", "settings", "code", "state"),
    [("skipped: nothing to do", "", 3, "skipped"), ("asked: a person decides", 'if_thin = "ask"\n', 4, "draft")],
)
def test_thin_weeks_end_with_their_exit_codes(
    newsroom: Shell, caption: str, settings: str, code: int, state: str
) -> None:
    Path("config.toml").write_text(
        CONFIG.replace("min_articles = 1\n", f"min_articles = 5\nmax_articles = 9\n{settings}").replace(
            "max_articles = 2\n", ""
        )
    )
    answer = newsroom("issues", "compose", "weekly", "--json")
    assert (answer.code, answer.json["issue"]["state"]) == (code, state)


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["compose", "daily"], 2, "there is no edition 'daily' (weekly)"),
        (["pin", "1"], 2, "no issue is open: digest issues compose EDITION makes one"),
        (["show", "9"], 2, "there is no issue with id 9"),
        (
            ["edit"],
            2,
            "give an ARTICLE with --title, --dek or --update, or words of the issue (--subject, --intro, ...)",
        ),
        (["compose", "weekly", "--now", "soon"], 2, '--now: expected an instant like 2026-11-20T07:00Z, got "soon"'),
        (["cancel", "1"], 4, "Cancel issue 1 for good? Say --yes to go on."),
    ],
)
def test_what_cant_be_done_is_said_in_a_sentence(newsroom: Shell, words: list[str], code: int, sentence: str) -> None:
    answer = newsroom("issues", *words)
    assert (answer.code, answer.err) == (code, sentence + "\n")


def test_approving_what_has_changed_needs_another_look(newsroom: Shell) -> None:
    newsroom("issues", "compose", "weekly")
    answer = newsroom("issues", "approve", "--hash", "0" * 64)
    assert (answer.code, answer.err) == (4, "issue 1 has changed since it was looked at: look again, then approve\n")
