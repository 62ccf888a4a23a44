"""Real input: every real feed there is as a source of one edition, a thousand readers, one command."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from email.utils import format_datetime
from mailbox import Got, Mailbox
from pathlib import Path

import pytest
from desk import Desk, newsroom
from feedserver import FeedServer

DOMAINS = ("example.org", "example.com", "mail.example.net", "readers.example.org")
PEOPLE = [f"reader{n}@{domain}" for n in range(250) for domain in DOMAINS]


def further(count: int) -> bytes:
    """A feed of new articles."""
    now = format_datetime(datetime.now(UTC))
    items = "".join(
        f"<item><title>Late story {n}</title><link>https://late.example/{n}</link><pubDate>{now}</pubDate></item>"
        for n in range(count)
    )
    return f'<rss version="2.0"><channel><title>Late</title>{items}</channel></rss>'.encode()


def leave(desk: Desk, messages: list[Got]) -> set[str]:
    """One click by the owners of these messages."""
    with desk.serving("web") as client:
        for got in messages:
            link = got.header("List-Unsubscribe").strip("<>")
            assert client.post(link, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    return {got.rcpt for got in messages}


@pytest.mark.slow
def test_all_real_feeds_become_an_issue_for_a_thousand_readers(corpus: Path, tmp_path: Path, database_url: str) -> None:
    with FeedServer() as server, Mailbox() as box:
        desk = newsroom(tmp_path / "desk", database_url, box.port, window_days=10_000)
        files = sorted((corpus / "feeds" / "real").iterdir())
        for n, file in enumerate(files):
            server.page(f"feed{n}.localhost", "/feed", file.read_bytes())
            desk.source(f"feed{n}", server.url(f"feed{n}.localhost", "/feed"))
        desk.people(PEOPLE)

        first = desk.json("publish", "weekly", "--yes")
        assert (first["issue"]["state"], first["deliveries"]["sent"]) == ("sent", len(PEOPLE))
        assert len(first["sources"]) == len(files)
        assert Counter(got.rcpt for got in box.messages) == Counter(PEOPLE)
        assert [article for section in first["issue"]["sections"] for article in section["articles"]]

        gone = leave(desk, box.messages[:10])
        server.page("late.localhost", "/feed", further(10))
        desk.source("late", server.url("late.localhost", "/feed"))
        second = desk.json("publish", "weekly", "--yes")
        urls = {article["url"] for section in second["issue"]["sections"] for article in section["articles"]}
        before = {article["url"] for section in first["issue"]["sections"] for article in section["articles"]}
        assert urls >= {f"https://late.example/{n}" for n in range(10)}  # beside what rolled over
        assert not urls & before
        assert second["issue"]["number"] == first["issue"]["number"] + 1
        assert Counter(got.rcpt for got in box.messages[len(PEOPLE) :]) == Counter(set(PEOPLE) - gone)
