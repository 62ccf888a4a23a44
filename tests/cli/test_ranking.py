"""digest articles boost and engagement, digest issues explain: what staff type to weigh and to ask why."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import Shell

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
"""


@pytest.fixture
def newsroom(shell: Shell) -> Shell:
    """An edition of at most two articles, and three of them added by hand."""
    Path("config.toml").write_text(CONFIG)
    for name in ("one", "two", "three"):
        added = shell("articles", "add", f"https://example.org/{name}", "--title", name.title())
        assert added.code == 0, added.err
    return shell


def first(shell: Shell) -> str:
    """The title that leads the issue."""
    issue = shell("issues", "compose", "weekly", "--json").json["issue"]
    return next(row["title"] for section in issue["sections"] for row in section["articles"] if row["lead"])


def test_a_boost_lifts_an_article_and_is_taken_back(newsroom: Shell) -> None:
    said = newsroom("articles", "boost", "https://example.org/two", "3")
    assert (said.code, said.out.partition(".")[0]) == (0, "Article 2 counts 3 times")
    assert first(newsroom) == "Two"
    explained = newsroom("issues", "explain", "2", "--json").json
    assert {row["factor"]: row["value"] for row in explained["reasons"]}["boost"] == 3
    assert round(sum(row["share"] for row in explained["reasons"]), 4) == explained["score"]
    assert newsroom("articles", "boost", "2", "3").code == 3
    assert newsroom("articles", "boost", "2", "1").code == 0
    assert newsroom("articles", "boost", "2", "11").code == 2


def test_why_an_article_stands_where_it_does_in_a_terminal_of_eighty_columns(newsroom: Shell) -> None:
    newsroom("articles", "boost", "2", "3")
    lead = first(newsroom)
    lines = newsroom("issues", "explain", "2").out.splitlines()
    assert lead == lines[0] == "Two"
    assert lines[2].startswith("  It leads the issue")
    assert max(map(len, lines)) <= 79
    points = [float(line.split()[-1].replace(",", "")) for line in lines if " x " in line]
    assert (round(sum(points), 4), lines[-1].split()[0]) == (float(lines[-1].split()[-1]), "score")


def test_an_update_is_marked_and_unmarked(newsroom: Shell) -> None:
    assert first(newsroom)
    assert newsroom("issues", "edit", "2", "--update").code == 0
    assert newsroom("issues", "explain", "2", "--json").json["editor"] == {"update": True}
    assert newsroom("issues", "edit", "2", "--no-update").code == 0
    assert newsroom("issues", "explain", "2", "--json").json["editor"] == {}


def test_counts_are_taken_over_and_replaced(newsroom: Shell) -> None:
    Path("clicks.csv").write_text(
        "Page;Total clicks;Note\n"
        "https://example.org/two?utm_source=mail;40;\n"
        "https://www.example.org/two/;2;\n"
        "\n"
        "https://example.org/one;1;\n"
        "https://example.org/nine;7;\n"
        "https://example.org/three;many;\n"
        "two;3;\n",
        encoding="utf-8-sig",
    )
    said = newsroom("articles", "engagement", "clicks.csv", "--kind", "clicks", "--json").json
    assert (said["stored"], said["columns"]) == (2, {"url": "Page", "count": "Total clicks"})
    assert said["bad"] == [
        [6, "no article has this URL: https://example.org/nine"],
        [7, 'expected a whole number of clicks, got "many"'],
        [8, 'expected the URL of an article, got "two"'],
    ]
    assert first(newsroom) == "Two"
    again = newsroom("articles", "engagement", "clicks.csv", "--kind", "clicks")
    assert "2 articles have clicks now" in again.out and "line 7:" in again.out
    Path("clicks.csv").write_text("url,clicks\nhttps://example.org/two,0\nhttps://example.org/one,90\n")
    newsroom("articles", "engagement", "clicks.csv", "--kind", "clicks")
    assert first(newsroom) == "One"


@pytest.mark.parametrize(
    ("text", "words", "sentence"),
    [
        ("a,b\n1,2\n", [], "no column is known to hold the url: expected --map url=NAME, got a, b"),
        ("", [], "no column is known to hold the url: expected --map url=NAME, got an empty file"),
        ("url,n\n", ["--map", "count=m"], '--map count: expected one of url, n, got "m"'),
        ("url,n\n", ["--map", "x=n"], '--map: expected url=NAME,count=NAME with names of columns, got "x=n"'),
    ],
)
def test_a_file_that_cant_be_read_is_said_so(newsroom: Shell, text: str, words: list[str], sentence: str) -> None:
    Path("points.csv").write_text(text)
    answer = newsroom("articles", "engagement", "points.csv", "--kind", "points", *words)
    assert (answer.code, answer.err) == (2, sentence + "\n")


def test_columns_can_be_named(newsroom: Shell) -> None:
    Path("votes.csv").write_text("where,much\nhttps://example.org/three,9\nhttps://example.org/one,1\n")
    said = newsroom(
        "articles", "engagement", "votes.csv", "--kind", "points", "--map", "url=where,count=much", "--json"
    )
    assert said.json["stored"] == 2
    assert first(newsroom) == "Three"
