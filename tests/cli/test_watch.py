"""What the commands say of sources that failed, stopped or are held, and how a person goes on with them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from commands import Shell
from feedserver import FeedServer
from newsfeeds import NOW, daily, item, rss

MORE = """
[gather]
allow_private_addresses = true

[[lists]]
id = "weekly"
title = "Weekly"

[[editions]]
id = "weekly"
list = "weekly"
title = "Weekly"
"""


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer() as running:
        yield running


@pytest.fixture
def desk(shell: Shell, server: FeedServer) -> Shell:
    """A newsroom with the sources good and bad, neither looked at."""
    config = shell.folder / "config.toml"
    config.write_text(config.read_text() + MORE)
    server.page("good.localhost", "/f", rss(*daily(12, "http://good.test")))
    server.answer("bad.localhost", "/f", 410)
    for name in ("good", "bad"):
        assert shell("sources", "add", server.url(f"{name}.localhost", "/f"), "--id", name, "--no-check").code == 0
    return shell


def at(**later: float) -> str:
    return (NOW + timedelta(**later)).isoformat()


def test_gather_and_issues_say_how_many_sources_failed(desk: Shell) -> None:
    said = desk("gather", "--now", at())
    assert said.code == 0
    assert "1 of 2 sources failed at the last look: bad." in said.out
    assert desk("gather", "--now", at(), "--json").json["articles_new"] == 0
    composed = desk("issues", "compose", "weekly", "--now", at(hours=1), "--json").json
    assert composed["problems"] == ["1 of 2 sources failed at the last look: bad. `digest sources list` says why."]
    assert desk("issues", "show", "--json").json["problems"] == composed["problems"]
    assert "1 of 2 sources failed" in desk("issues", "show").out


def test_a_source_that_stopped_is_started_again(desk: Shell, server: FeedServer) -> None:
    desk("gather", "--now", at())
    (bad,) = (row for row in desk("sources", "list", "--json").json["sources"] if row["id"] == "bad")
    assert (bad["state"], bad["next_look_at"]) == ("gone", None)
    assert desk("sources", "retry", "bad").out == 'The source "bad" is asked again: digest gather --source bad.\n'
    assert desk("sources", "retry", "bad").code == 3
    assert desk("sources", "retry", "unknown").code == 2
    server.page("bad.localhost", "/f", rss(*daily(1, "http://bad.test")))
    assert desk("gather", "--source", "bad", "--now", at(hours=1), "--json").json["articles_new"] == 1


def test_what_is_held_is_let_in_by_hand(desk: Shell, server: FeedServer) -> None:
    desk("gather", "--now", at())
    flood = [item(f"Undated {n}", f"http://good.test/u/{n}") for n in range(40)]
    server.page("good.localhost", "/f", rss(*flood, *daily(2, "http://good.test")))
    assert desk("gather", "--now", at(hours=7), "--json").json["articles_new"] == 0
    rows = desk("articles", "list", "--json").json["articles"]
    held = [row["id"] for row in rows if row["held_for"]]
    assert len(held) == 40
    assert desk("articles", "release", str(held[0])).out == f"Article {held[0]} is let in.\n"
    assert desk("articles", "release", str(held[0])).code == 3
    assert desk("articles", "release", "--source", "good", "--json").json == {"source": "good", "released": 39}
    assert desk("articles", "release", "--source", "good").code == 3
    assert desk("articles", "release").code == 2
    assert desk("articles", "release", str(held[1]), "--source", "good").code == 2
