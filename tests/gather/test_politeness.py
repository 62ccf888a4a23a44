"""Polite over many looks and restarts: moves, ends, feeds that go on, ids that change (E-02, E-06, E-07, E-11)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from feedserver import FeedServer
from newsfeeds import CONFIG, NOW, add, articles, daily, item, look, rss, source
from sqlalchemy import Engine

from digest import byhand, db
from digest.config import SourceConfig, declared
from digest.errors import NothingToDo

HOUR = timedelta(hours=1)


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer() as running:
        yield running


def json_feed(*numbers: int, **more: object) -> bytes:
    items = [{"id": str(n), "url": f"https://a.example/{n}", "title": f"Piece {n}"} for n in numbers]
    return json.dumps({"version": "https://jsonfeed.org/version/1.1", "title": "News", "items": items, **more}).encode()


def test_a_move_is_believed_after_three_over_a_day_though_nothing_changed(engine: Engine, server: FeedServer) -> None:
    old, new = server.url("a.test", "/f"), server.url("a.test", "/new")
    add(engine, server, "a")
    server.answer("a.test", "/f", 301, Location="/new")
    server.page("a.test", "/new", rss(*daily(3)))
    for hours, url in ((0, old), (7, old), (25, new)):
        look(engine, server, NOW + hours * HOUR)
        assert source(engine, "a").url == url
    assert source(engine, "a").moved_from == old
    assert [request.headers.get("if-none-match") is not None for request in server.asked("/new")] == [False, True, True]
    look(engine, server, NOW + 32 * HOUR)
    assert len(server.asked("/f")) == 3


def test_a_portal_that_sends_everybody_to_its_page_is_not_believed(engine: Engine, server: FeedServer) -> None:
    add(engine, server, "a")
    server.answer("a.test", "/f", 301, Location=server.url("portal.test", "/login"))
    server.page("portal.test", "/login", b"<!doctype html><html><p>Sign in to go on")
    for day in range(5):
        look(engine, server, NOW + timedelta(days=day))
    row = source(engine, "a")
    assert (row.url, row.moved_from, row.state) == (server.url("a.test", "/f"), None, "failing")


def test_a_declared_source_keeps_what_it_moved_to(engine: Engine, server: FeedServer) -> None:
    old = server.url("a.test", "/f")
    config = replace(CONFIG, sources=(SourceConfig("a", old, line=3),))
    with db.writing(engine) as session:
        declared.apply(session, config, NOW)
    server.answer("a.test", "/f", 308, Location="/new")
    server.page("a.test", "/new", rss(*daily(3)))
    for hours in (0, 12, 25):
        look(engine, server, NOW + hours * HOUR)
    with db.writing(engine) as session:
        assert not declared.differs(session, config, NOW)
        declared.apply(session, config, NOW)
    assert source(engine, "a").url == server.url("a.test", "/new")
    elsewhere = replace(CONFIG, sources=(SourceConfig("a", "https://b.example/f", line=3),))
    with db.writing(engine) as session:
        declared.apply(session, elsewhere, NOW)
    row = source(engine, "a")
    assert (row.url, row.moved_from, row.state, row.etag) == ("https://b.example/f", None, "new", None)


def test_a_feed_that_goes_on_elsewhere_is_followed_once_and_only_where_something_may_be_missed(
    engine: Engine, server: FeedServer
) -> None:
    add(engine, server, "a")
    server.page("a.test", "/f", json_feed(1, 2, next_url=server.url("a.test", "/2")))
    server.page("a.test", "/2", json_feed(3, 4, next_url=server.url("a.test", "/3")))
    server.page("a.test", "/3", json_feed(5))
    assert look(engine, server, NOW).articles_new == 4
    server.page("a.test", "/f", json_feed(0, 1, next_url=server.url("a.test", "/2")))
    assert look(engine, server, NOW + 7 * HOUR).articles_new == 1
    assert [len(server.asked(path)) for path in ("/f", "/2", "/3")] == [2, 1, 0]


def test_where_a_feed_goes_on_is_asked_as_any_other_place(engine: Engine, server: FeedServer) -> None:
    add(engine, server, "a")
    server.page("a.test", "/f", json_feed(1, next_url="http://169.254.169.254/latest/meta-data"))
    report = look(engine, server, NOW)
    assert (report.articles_new, report.sources[0].state) == (1, "ok")


def test_a_feed_that_has_ended_stops_and_a_person_can_start_it_again(engine: Engine, server: FeedServer) -> None:
    add(engine, server, "a")
    server.page("a.test", "/f", json_feed(1, expired=True))
    report = look(engine, server, NOW)
    assert (report.articles_new, report.sources[0].state) == (1, "gone")
    assert "has ended" in str(report.sources[0].error)
    look(engine, server, NOW + 7 * HOUR, "a")
    assert len(server.asked("/f")) == 1
    with db.writing(engine) as session:
        assert byhand.retry_source(session, "a").state == "new"
        with pytest.raises(NothingToDo):
            byhand.retry_source(session, "a")
    server.page("a.test", "/f", json_feed(1, 2))
    assert look(engine, server, NOW + 8 * HOUR).articles_new == 1


def test_what_is_fresh_is_left_alone_unless_it_is_named(engine: Engine, server: FeedServer) -> None:
    add(engine, server, "a")
    server.page("a.test", "/f", rss(*daily(1)), Cache_Control="max-age=7200")
    for minutes, named, asked in ((0, (), 1), (90, (), 1), (90, ("a",), 2), (211, (), 3)):
        look(engine, server, NOW + timedelta(minutes=minutes), *named)
        assert len(server.asked("/f")) == asked


def test_ids_that_change_with_every_look_are_not_kept(engine: Engine, server: FeedServer) -> None:
    add(engine, server, "a")
    for day in range(4):
        pieces = [item(f"Piece {n}", f"http://news.test/{n}", NOW, guid=f"{day}-{n}") for n in range(day, day + 10)]
        server.page("a.test", "/f", rss(*pieces))
        look(engine, server, NOW + timedelta(days=day))
        assert source(engine, "a").ids_trusted is (day == 0)
    assert len(articles(engine)) == 13


def test_ids_that_are_places_in_the_feed_lose_nothing(engine: Engine, server: FeedServer) -> None:
    add(engine, server, "a")
    for day in range(4):
        pieces = [item(f"Piece {n}", f"http://news.test/{n}", guid=str(n - day)) for n in range(day, day + 5)]
        server.page("a.test", "/f", rss(*pieces))
        look(engine, server, NOW + timedelta(days=day))
    assert {found.title for found in articles(engine)} == {f"Piece {n}" for n in range(8)}


def test_a_link_follows_its_source_to_another_page_of_the_same_owner_only(engine: Engine, server: FeedServer) -> None:
    add(engine, server, "a")
    for link, kept in (
        ("http://news.test/1", "http://news.test/1"),
        ("http://www.news.test/2026/1?utm_source=feed", "http://www.news.test/2026/1?utm_source=feed"),
        ("http://www.news.test/2026/1?utm_source=other", "http://www.news.test/2026/1?utm_source=feed"),
        ("http://casino.example/1", "http://www.news.test/2026/1?utm_source=feed"),
    ):
        server.page("a.test", "/f", rss(item("Piece", link, NOW, guid="one")))
        look(engine, server, NOW)
        assert [found.url for found in articles(engine)] == [kept]
