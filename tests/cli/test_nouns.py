"""init, db, sources, lists, articles: what they do, what they say, what they refuse."""

from __future__ import annotations

import sqlite3
import stat
import tomllib
from datetime import datetime
from pathlib import Path

import pytest
from commands import Shell
from feedserver import FeedServer
from sqlalchemy import Engine
from sqlmodel import select

from digest import byhand, db, opml
from digest.config.keys import PLACEHOLDER
from digest.errors import NeedsDecision, UsageError
from digest.models import Article, Source, SourceState, people

DECLARED = """
[[sources]]
id = "blog"
url = "https://example.org/blog.xml"

[[lists]]
id = "weekly"
title = "Weekly"
"""


def test_init_makes_a_folder_ready(shell: Shell) -> None:
    answer = shell.process("init", "newsroom", "--json")
    path = shell.folder / "newsroom" / "config.toml"
    assert (answer.code, answer.json["config"]) == (0, str(path))
    assert (shell.folder / "newsroom" / "digest.db").is_file()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    secret = tomllib.loads(path.read_text())["web"]["secret"]
    assert len(secret) >= 43
    assert PLACEHOLDER not in path.read_text()
    again = shell.process("init", "newsroom")
    assert (again.code, again.err) == (2, "newsroom/config.toml is there already: nothing was written\n")
    assert secret in path.read_text()


def test_two_inits_make_two_secrets(shell: Shell) -> None:
    for folder in ("a", "b"):
        assert shell("init", folder).code == 0
    a, b = ((shell.folder / folder / "config.toml").read_text() for folder in ("a", "b"))
    assert a != b


def test_init_where_nothing_can_be_written_says_so(shell: Shell) -> None:
    answer = shell("init", "config.toml/below")
    assert answer.code == 2
    assert "config.toml" in answer.err


def test_the_database_is_upgraded_once(shell: Shell) -> None:
    first = shell.process("db", "upgrade", "--json")
    assert (first.code, first.json) == (0, {"from": None, "to": db.versions()[-1]})
    assert shell("db", "upgrade").code == 3


def test_a_backup_is_a_whole_database(shell: Shell) -> None:
    assert shell("db", "backup", "copy.db").code == 2  # there is no database yet
    assert not (shell.folder / "copy.db").exists()
    shell("sources", "add", "--no-check", "https://example.org/feed")
    answer = shell.process("db", "backup", "copy.db", "--json")
    copy = shell.folder / "copy.db"
    assert (answer.code, answer.json["bytes"]) == (0, copy.stat().st_size)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with sqlite3.connect(f"file:{copy}?mode=ro", uri=True) as connection:
        assert connection.execute("SELECT id FROM source").fetchall() == [("example.org",)]
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    again = shell("db", "backup", "copy.db")
    assert (again.code, again.err) == (2, "copy.db is there already: nothing was written\n")
    assert sorted(path.name for path in shell.folder.glob("copy*")) == ["copy.db"]


def test_sources_are_added_shown_and_removed(shell: Shell) -> None:
    added = shell.process(
        "sources", "add", "--no-check", "https://www.example.org/feed", "--section", "Opinion", "--json"
    )
    assert (added.code, added.json["source"]["id"]) == (0, "example.org")
    assert shell("sources", "add", "--no-check", "https://www.example.org/feed").code == 3
    second = shell("sources", "add", "--no-check", "https://example.org/other", "--json").json["source"]
    assert (second["id"], second["state"], second["active"]) == ("example.org-2", "new", True)
    listed = shell.process("sources", "list", "--json").json["sources"]
    assert [(one["id"], one["section"]) for one in listed] == [("example.org", "Opinion"), ("example.org-2", None)]
    assert shell("sources", "remove", "example.org").out == 'Removed the source "example.org".\n'
    assert "example.org-2" in shell("sources", "list").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["example.org/feed"], 'url: expected a URL like https://example.org/, got "example.org/feed"'),
        (["file:///etc/passwd"], "url: expected a URL"),
        (["https://e.org/", "--id", "a b"], "id: expected an id"),
        (["https://e.org/", "--language", "english"], "language: expected a language"),
        (
            ["https://e.org/", "--weight", "-1", "--max-items", "0"],
            "weight: expected a number from 0 to 1000, got -1.0; ",
        ),
    ],
)
def test_a_source_that_cannot_be_is_refused(shell: Shell, words: list[str], said: str) -> None:
    answer = shell("sources", "add", *words)
    assert answer.code == 2
    assert answer.err.startswith(said)
    assert shell("sources", "list", "--json").json == {"sources": []}


def test_declared_rows_are_refused_with_their_line(shell: Shell) -> None:
    path = shell.folder / "config.toml"
    path.write_text(path.read_text() + DECLARED)
    source = shell.process("sources", "remove", "blog")
    assert (source.code, source.err) == (
        2,
        'the source "blog" is declared in line 8 of config.toml: change it there\n',
    )
    listed = shell("lists", "remove", "weekly", "--yes")
    assert (listed.code, listed.err) == (
        2,
        'the list "weekly" is declared in line 12 of config.toml: change it there\n',
    )


def test_what_the_file_no_longer_holds_is_said(shell: Shell) -> None:
    path = shell.folder / "config.toml"
    before = path.read_text()
    path.write_text(before + DECLARED)
    shell("sources", "list")
    path.write_text(before)
    assert 'source "blog": switched off' in shell("sources", "list").err
    assert shell("sources", "list").err == ""
    assert shell("sources", "remove", "blog").code == 0


def test_a_source_that_articles_came_from_is_switched_off(engine: Engine, now: datetime) -> None:
    with db.writing(engine) as session:
        byhand.add_source(session, "https://example.org/feed", now, id="a")
        session.flush()
        byhand.add_article(session, "https://example.org/1", now, title="One")
        session.flush()
        assert byhand.remove_source(session, "a") is False
    with db.reading(engine) as session:
        row = session.get_one(Source, "a")
        assert (row.active, row.state) == (False, SourceState.OFF)
        assert session.exec(select(Article.source_id)).all() == ["a"]


def test_sources_go_out_and_come_in_unchanged(shell: Shell) -> None:
    shell(
        "sources",
        "add",
        "--no-check",
        "https://example.org/a?x=1&y=2",
        "--name",
        'A "quoted" <name>',
        "--section",
        "World & Co",
    )
    shell(
        "sources",
        "add",
        "--no-check",
        "https://example.org/b",
        "--id",
        "b",
        "--weight",
        "2.5",
        "--max-items",
        "7",
        "--kind",
        "Blog",
    )
    shell("sources", "add", "--no-check", "https://example.org/c", "--language", "pt-BR", "--section", "World & Co")
    first = shell.process("sources", "export").out
    before = shell("sources", "list", "--json").json
    (shell.folder / "digest.db").unlink()
    (shell.folder / "feeds.opml").write_text(first)
    assert shell("sources", "import", "feeds.opml", "--json").json == {
        "added": ["b", "example.org", "example.org-2"],
        "known": [],
        "bad": [],
    }
    assert shell("sources", "list", "--json").json == before
    assert shell("sources", "export").out == first
    again = shell.process("sources", "import", "-", "--json", stdin=first.encode()).json
    assert (again["added"], len(again["known"])) == ([], 3)


def test_another_programs_list_comes_in(shell: Shell) -> None:
    text = """<?xml version="1.0" encoding="ISO-8859-1"?>
<opml version="1.0"><head><title>Feeds</title></head><body>
<outline text="Welt"><outline title="Politik">
<outline text="\xc4" type="rss" xmlUrl="https://example.org/a" htmlUrl="https://example.org"/>
</outline></outline>
<outline text="bad" xmlUrl="feed:x"/>
<outline text="a note"/>
</body></opml>"""
    (shell.folder / "feeds.opml").write_bytes(text.encode("latin-1"))
    done = shell("sources", "import", "feeds.opml", "--json").json
    assert [one["line"] for one in done["bad"]] == [6]
    listed = shell("sources", "list", "--json").json["sources"]
    assert [(one["name"], one["section"]) for one in listed] == [("Ä", "Politik")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('<!DOCTYPE opml [<!ENTITY x SYSTEM "file:///etc/passwd">]><opml/>', "without a document type"),
        ("<rss><channel/></rss>", "begins with <rss>"),
        ("not xml", "not XML"),
        ("", "not XML"),
        ("<opml>" + "<outline>" * 100 + "</outline>" * 100 + "</opml>", "at most 50 folders deep"),
    ],
)
def test_a_file_that_is_no_opml_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        opml.read(text.encode())


def test_lists_are_added_shown_and_removed(shell: Shell) -> None:
    assert shell("lists", "add", "board", "--title", "For the board", "--private").code == 0
    assert shell("lists", "add", "board", "--title", "Again").code == 2
    assert shell("lists", "add", "x", "--title", "X", "--from", "a@example.org, b@example.org").code == 2
    assert [(one["id"], one["public"]) for one in shell("lists", "list", "--json").json["lists"]] == [("board", False)]
    assert "private" in shell("lists", "list").out
    assert shell("lists", "show", "board").out.splitlines()[:2] == ["id: board", "title: For the board"]
    assert shell.process("lists", "remove", "board").out == 'Removed the list "board".\n'
    assert shell("lists", "list", "--json").json == {"lists": []}


def test_a_list_with_people_is_kept_for_a_decision(engine: Engine, now: datetime) -> None:
    with db.writing(engine) as session:
        byhand.add_list(session, now, id="weekly", title="Weekly")
        person = people.Subscriber(
            email="a@example.org", email_hash="x", domain="example.org", handle=b"x", created_at=now
        )
        session.add(person)
        session.flush()
        assert person.id
        status = people.Status.CONFIRMED
        session.add(people.Subscription(subscriber_id=person.id, list_id="weekly", status=status, created_at=now))
        session.flush()
        with pytest.raises(NeedsDecision, match='1 people get the list "weekly"'):
            byhand.remove_list(session, "weekly", sure=False)
        assert byhand.remove_list(session, "weekly", sure=True) is False
        assert byhand.mailing_list(session, "weekly").active is False


def test_articles_are_added_shown_and_hidden(shell: Shell) -> None:
    shell("sources", "add", "--no-check", "https://example.org/feed", "--id", "blog")
    words = [
        "--title",
        "A  story\x1b[2J",
        "--author",
        "Jo Doe",
        "--section",
        "Europe",
        "--published",
        "2026-11-20T07:00Z",
    ]
    added = shell.process("articles", "add", "https://example.org/story", *words, "--json").json["article"]
    assert (added["title"], added["source"], added["bylines"][0]["name"]) == ("A story [2J", "blog", "Jo Doe")
    assert added["published_at"] == "2026-11-20T07:00:00+00:00"
    assert shell("articles", "add", "https://example.org/story", "--title", "Again").code == 3
    assert shell("articles", "add", "https://elsewhere.test/1", "--title", "B", "--json").json["article"]["source"] == (
        byhand.BY_HAND
    )
    assert [one["title"] for one in shell("articles", "list", "--source", "blog", "--json").json["articles"]] == [
        "A story [2J"
    ]
    assert "title: A story [2J" in shell("articles", "show", "https://example.org/story").out
    assert shell("articles", "hide", "1").out == "Article 1 is hidden.\n"
    assert shell("articles", "hide", "1").code == 3
    assert len(shell("articles", "list", "--json").json["articles"]) == 1
    assert len(shell("articles", "list", "--hidden", "--json").json["articles"]) == 1
    assert shell("articles", "hide", "1", "--undo").code == 0


def test_an_article_without_a_title_asks_for_one(shell: Shell) -> None:
    answer = shell.process("articles", "add", "https://example.org/story", "--no-fetch")
    assert (answer.code, answer.err) == (2, "--title: missing, expected the headline of the article\n")


def test_a_pasted_link_is_read_from_its_page(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        (tmp_path / "config.toml").read_text() + "\n[gather]\nallow_private_addresses = true\n"
    )
    page = (
        b'<html lang="en"><title>A story</title><meta name="author" content="Jo Doe">'
        b'<meta property="og:description" content="What it says.">'
        b'<meta property="article:published_time" content="2020-01-02T10:00:00Z">'
    )
    with FeedServer() as server:
        server.page("127.0.0.1", "/story", page)
        server.answer("127.0.0.1", "/robots.txt", 200, b"User-agent: *\nDisallow: /")
        address = server.url("127.0.0.1", "/story")
        added = shell("articles", "add", address, "--dek", "Ours.", "--json").json["article"]
        gone = shell("articles", "add", server.url("127.0.0.1", "/gone"))
    assert (added["title"], added["dek"], added["bylines"][0]["name"]) == ("A story", "Ours.", "Jo Doe")
    assert added["published_at"] == "2020-01-02T10:00:00+00:00"
    assert gone.code == 1
    assert gone.err.endswith("give its headline with --title\n")


@pytest.mark.parametrize("which", ["99", "9" * 40, "https://example.org/nowhere", "²"])
def test_an_article_that_is_not_there_is_named(shell: Shell, which: str) -> None:
    answer = shell("articles", "show", which)
    assert answer.code == 2
    assert answer.err.startswith(f'there is no article "{which}"')


def test_a_locked_database_is_one_sentence(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shell("db", "upgrade")
    shell("sources", "list")
    monkeypatch.setattr(db, "BUSY_MS", 50)
    holder = sqlite3.connect(tmp_path / "digest.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    answer = shell("sources", "add", "--no-check", "https://example.org/feed")
    assert (answer.code, answer.err) == (1, "the database can't be used now: database is locked\n")
    assert shell("sources", "list").code == 0  # reading never waits for a writer
    holder.close()
