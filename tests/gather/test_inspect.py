"""digest inspect feed, by its command."""

from __future__ import annotations

import json
from pathlib import Path

from feedserver import FeedServer
from typer.testing import CliRunner

from digest.cli.inspect import app

FEED = (
    b"<rss version='2.0'><channel><title>News</title><item><title>T</title><link>https://a.test/1?utm_source=x</link>"
    b"<pubDate>Thu, 19 Nov 2026 08:00:00 GMT</pubDate></item>"
    b"<item><guid isPermaLink='false'>only-an-id</guid></item></channel></rss>"
)


def test_each_input_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "f.xml").write_bytes(FEED)
    with FeedServer() as server:
        server.page("127.0.0.1", "/f", FEED)
        done = CliRunner().invoke(
            app, ["feed", str(tmp_path / "f.xml"), server.url("127.0.0.1", "/f"), "/no/such/file"]
        )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["kind"] for line in told] == ["rss20", "rss20", None]
    assert list(told[0]) == ["input", "kind", "title", "entries", "problems"]
    assert told[0]["entries"][0] == {
        "id": "https://a.test/1?utm_source=x",
        "url": "https://a.test/1?utm_source=x",
        "canonical_url": "https://a.test/1",
        "title": "T",
        "published": "2026-11-19T08:00:00Z",
        "updated": None,
        "authors": [],
        "categories": [],
        "summary": "",
        "image": None,
    }
    assert told[0]["entries"][1]["id"] == "only-an-id"
    assert "can't be read" in told[2]["problems"][0]
    assert done.exit_code == 1


PAGE = (
    b'<html lang="en"><title>A story | News</title><meta name="author" content="By Jo Doe"><time datetime="2026-11-18">'
)


def test_each_page_is_one_line_with_its_own_address(tmp_path: Path) -> None:
    here, there = tmp_path / "a.html", tmp_path / "b.html"
    here.write_bytes(PAGE + b'<meta property="og:image" content="/a.jpg">')
    there.write_bytes(b"\xff\xfe<")
    urls = tmp_path / "urls.jsonl"
    urls.write_text(json.dumps({"input": str(here), "url": "https://news.test/a"}) + "\n")
    done = CliRunner().invoke(app, ["page", str(here), str(there), "/no/such/file", "--urls", str(urls)])
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert told[0] == {
        "input": str(here),
        "title": "A story",
        "authors": ["Jo Doe"],
        "published": "2026-11-18",
        "image": "https://news.test/a.jpg",
        "description": "",
        "section": None,
        "canonical_url": None,
        "language": "en",
        "problems": [],
    }
    assert [line["title"] for line in told[1:]] == ["", ""]
    assert "can't be read" in told[2]["problems"][0]
    assert done.exit_code == 1


def test_a_page_is_read_from_its_address() -> None:
    with FeedServer() as server:
        server.page("127.0.0.1", "/p", PAGE)
        done = CliRunner().invoke(app, ["page", server.url("127.0.0.1", "/p")])
    assert json.loads(done.stdout)["authors"] == ["Jo Doe"]
    assert done.exit_code == 0
