"""Gathering over real sockets into a real database: what is new, what is not, what is kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from feedserver import FeedServer
from sqlalchemy import Engine
from sqlmodel import col, select

from digest import db
from digest.config import Config, GatherConfig, MailConfig, SiteConfig
from digest.errors import DatabaseUnavailable, NotFound
from digest.gather import looking
from digest.gather.entries import Feed
from digest.gather.outcomes import Fetched
from digest.gather.run import GatherReport, check, gather
from digest.models import Article, Sighting, Source

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CONFIG = Config(
    site=SiteConfig("News", "https://news.example"),
    mail=MailConfig("News <news@news.example>"),
    gather=GatherConfig(allow_private_addresses=True, timeout_s=2.0, max_bytes=200_000),
)


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer() as running:
        yield running


def item(
    number: int, title: str = "", link: str = "", guid: str = "", date: str = "Thu, 19 Nov 2026 08:00:00 GMT"
) -> str:
    return (
        f"<item><title>{title or f'Piece {number}'}</title><link>{link or f'http://news.test/{number}'}</link>"
        f"<guid isPermaLink='false'>{guid or f'id-{number}'}</guid><pubDate>{date}</pubDate>"
        f"<description>Words {number}</description></item>"
    )


def rss(*items: str) -> bytes:
    return f"<rss version='2.0'><channel><title>News</title>{''.join(items)}</channel></rss>".encode()


def add(engine: Engine, server: FeedServer, name: str, path: str, /, **settings: object) -> None:
    with db.writing(engine) as session:
        session.add(Source(id=name, url=server.url(f"{name}.test", path), created_at=NOW, **settings))


def run(
    engine: Engine, server: FeedServer, now: datetime = NOW, force: bool = True, only: list[str] | None = None
) -> GatherReport:
    return asyncio.run(
        gather(engine, CONFIG, only=only, force=force, clock=lambda: now, resolver=server.resolver),
    )


def articles(engine: Engine) -> list[Article]:
    with db.reading(engine) as session:
        found = list(session.exec(select(Article).order_by(col(Article.canonical_url))))
        session.expunge_all()
        return found


def source(engine: Engine, name: str) -> Source:
    with db.reading(engine) as session:
        found = session.get(Source, name)
        assert found is not None
        session.expunge_all()
        return found


def test_a_feed_becomes_articles_once(engine: Engine, server: FeedServer) -> None:
    server.page("a.test", "/f", rss(item(1), item(2)))
    add(engine, server, "a", "/f", kind="Reporting", section="Europe")
    report = run(engine, server)
    assert (report.articles_new, report.sources[0].state) == (2, "ok")
    first = articles(engine)[0]
    assert (first.title, first.dek, first.kind, first.section) == ("Piece 1", "Words 1", "Reporting", "Europe")
    assert (first.first_seen_at, first.available_at, first.previous_look_at) == (NOW, NOW, NOW)
    assert first.published_at == datetime(2026, 11, 19, 8, 0, tzinfo=UTC)
    later = NOW + timedelta(hours=1)
    assert run(engine, server, later).articles_new == 0
    assert server.asked("/f")[1].headers["if-none-match"]
    assert source(engine, "a").succeeded_at == later


def test_an_edit_changes_the_article_and_repeats_nothing(engine: Engine, server: FeedServer) -> None:
    add(engine, server, "a", "/f")
    server.page("a.test", "/f", rss(item(1)))
    run(engine, server)
    server.page("a.test", "/f", rss(item(1, title="Corrected"), item(2)))
    assert run(engine, server, NOW + timedelta(hours=1)).articles_new == 1
    first, second = articles(engine)
    assert (first.title, first.first_seen_at) == ("Corrected", NOW)
    assert second.previous_look_at == NOW


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param([item(n, guid=f"other-{n}") for n in (1, 2)], id="all ids"),
        pytest.param([item(n, link=f"https://www.news.test/{n}/?utm_source=x#top") for n in (1, 2)], id="all links"),
        pytest.param([item(n, link=f"https://elsewhere.test/{n}") for n in (1, 2)], id="another host, same ids"),
        pytest.param([item(n, date="Fri, 20 Nov 2026 08:00:00 GMT") for n in (1, 2)], id="all dates"),
    ],
)
def test_a_feed_that_changes_everything_brings_nothing_new(
    engine: Engine, server: FeedServer, changed: list[str]
) -> None:
    add(engine, server, "a", "/f")
    server.page("a.test", "/f", rss(item(1), item(2)))
    run(engine, server)
    server.page("a.test", "/f", rss(*changed))
    assert run(engine, server).articles_new == 0


def test_two_sources_of_one_article_are_one_article_with_two_sightings(engine: Engine, server: FeedServer) -> None:
    for name in ("a", "b"):
        add(engine, server, name, "/f")
        server.page(f"{name}.test", "/f", rss(item(1, guid=f"{name}-1", link=f"http://news.test/1?utm_medium={name}")))
    assert run(engine, server).articles_new == 1
    with db.reading(engine) as session:
        assert len(session.exec(select(Sighting)).all()) == 2


def test_an_id_that_all_entries_share_is_not_trusted(engine: Engine, server: FeedServer) -> None:
    add(engine, server, "a", "/f")
    server.page("a.test", "/f", rss(item(1, guid="same"), item(2, guid="same")))
    assert run(engine, server).articles_new == 2
    assert run(engine, server).articles_new == 0


def test_dates_that_can_not_be_are_not_believed(engine: Engine, server: FeedServer) -> None:
    add(engine, server, "a", "/f")
    dates = ["Sat, 21 Nov 2026 08:00:00 GMT", "Fri, 20 Nov 2076 08:00:00 GMT", "Thu, 01 Jan 1970 00:00:00 GMT"]
    server.page("a.test", "/f", rss(*(item(number, date=date) for number, date in enumerate(dates))))
    run(engine, server)
    tomorrow = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
    assert [(found.published_at, found.available_at) for found in articles(engine)] == [
        (tomorrow, tomorrow),
        (None, NOW),
        (None, NOW),
    ]


def test_only_the_latest_are_taken_where_a_source_is_capped(engine: Engine, server: FeedServer) -> None:
    add(engine, server, "a", "/f", max_items=2)
    server.page("a.test", "/f", rss(*(item(n, date=f"Thu, {n:02} Nov 2026 08:00:00 GMT") for n in range(1, 9))))
    run(engine, server)
    assert [found.title for found in articles(engine)] == ["Piece 7", "Piece 8"]


def test_one_broken_source_stops_nobody(engine: Engine, server: FeedServer) -> None:
    bad = {"html": b"<!doctype html><html><p>Sign in", "huge": b"x" * 300_000, "empty": b"", "odd": b"\0\xff\xfe<rss"}
    for name, body in bad.items():
        server.page(f"{name}.test", "/f", body)
        add(engine, server, name, "/f")
    server.drip("slow.test", "/f")
    server.page("good.test", "/f", rss(item(1)))
    for name in ("slow", "good", "lost"):
        add(engine, server, name, "/f")
    reports = {report.id: report for report in run(engine, server).sources}
    assert reports["good"].new == 1
    assert {name for name, report in reports.items() if report.state == "failing"} == {*bad, "slow", "lost"}
    assert all(report.error and "\n" not in report.error for name, report in reports.items() if name != "good")
    assert "HTML page" in str(reports["html"].error)


def test_what_could_not_be_read_leaves_no_validators(engine: Engine, server: FeedServer) -> None:
    add(engine, server, "a", "/f")
    server.page("a.test", "/f", b"<html>maintenance</html>")
    run(engine, server)
    run(engine, server)
    assert "if-none-match" not in server.asked("/f")[1].headers


def test_a_crash_before_the_commit_loses_nothing(engine: Engine, server: FeedServer) -> None:
    add(engine, server, "a", "/f")
    server.page("a.test", "/f", rss(item(1)))
    with db.writing(engine) as session:
        session.connection().exec_driver_sql("ALTER TABLE sighting RENAME TO sighting_away")
    (report,) = run(engine, server).sources
    assert report.new == 0 and report.error
    with db.writing(engine) as session:
        session.connection().exec_driver_sql("ALTER TABLE sighting_away RENAME TO sighting")
    assert articles(engine) == []
    assert run(engine, server).articles_new == 1
    assert "if-none-match" not in server.asked("/f")[1].headers


def test_a_gone_source_is_not_asked_again(engine: Engine, server: FeedServer) -> None:
    add(engine, server, "a", "/f")
    server.answer("a.test", "/f", 410)
    assert run(engine, server).sources[0].state == "gone"
    assert run(engine, server, NOW + timedelta(days=30)).sources[0].state == "gone"
    assert len(server.asked("/f")) == 1


def test_retry_after_holds_over_restarts_and_for_publish(engine: Engine, server: FeedServer) -> None:
    add(engine, server, "a", "/f")
    server.answer("a.test", "/f", 429, Retry_After="7200")
    assert run(engine, server).sources[0].state == "late"
    server.page("a.test", "/f", rss(item(1)))
    assert run(engine, server, NOW + timedelta(minutes=119)).articles_new == 0
    assert len(server.asked("/f")) == 1
    assert run(engine, server, NOW + timedelta(minutes=121)).articles_new == 1


def test_the_interval_is_kept_unless_forced(engine: Engine, server: FeedServer) -> None:
    add(engine, server, "a", "/f")
    server.page("a.test", "/f", rss(item(1)))
    run(engine, server)
    run(engine, server, NOW + timedelta(hours=5), force=False)
    assert len(server.asked("/f")) == 1
    run(engine, server, NOW + timedelta(hours=7), force=False)
    assert len(server.asked("/f")) == 2


def test_only_named_sources_are_asked(engine: Engine, server: FeedServer) -> None:
    for name in ("a", "b"):
        add(engine, server, name, "/f")
        server.page(f"{name}.test", "/f", rss(item(1)))
    assert [report.id for report in run(engine, server, only=["b"]).sources] == ["b"]
    with pytest.raises(NotFound, match="'c'"):
        run(engine, server, only=["c"])


def test_a_source_is_checked_without_storing(engine: Engine, server: FeedServer) -> None:
    server.page("a.test", "/f", rss(item(1)))
    outcome, feed = asyncio.run(check(CONFIG, looking.Target(server.url("a.test", "/f")), NOW, server.resolver))
    assert isinstance(outcome, Fetched)
    assert feed is not None
    assert [entry.title for entry in feed.entries] == ["Piece 1"]
    assert articles(engine) == []


def test_what_a_cap_left_out_is_not_taken_for_news_at_the_next_look(engine: Engine, server: FeedServer) -> None:
    add(engine, server, "a", "/f", max_items=2)
    old = [item(n, date=f"Thu, {n:02} Nov 2026 08:00:00 GMT") for n in range(1, 9)]
    server.page("a.test", "/f", rss(*old))
    run(engine, server)
    server.page("a.test", "/f", rss(item(9, date="Fri, 20 Nov 2026 08:00:00 GMT"), *old))
    assert run(engine, server, NOW + timedelta(hours=8)).articles_new == 1
    assert [found.title for found in articles(engine)] == ["Piece 7", "Piece 8", "Piece 9"]


def test_ids_and_links_of_any_length_and_letters_can_be_stored(engine: Engine, server: FeedServer) -> None:
    random = Random(1)
    noise = "".join(random.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(3_900))
    items = [
        {"id": noise * 20, "url": "https://a.example/1", "title": "Long id"},
        {"id": "2", "url": f"https://a.example/{noise}", "title": "Long link"},
        {"id": "nul\0 and half \ud83d", "url": "https://a.example/3\0\ud83d", "title": "No\0 text \ud83d"},
        {"id": "4", "url": f"https://a.example/{noise * 3}", "title": "A link that no mail could carry"},
    ]
    server.page("a.test", "/f", json.dumps({"version": "https://jsonfeed.org/version/1.1", "items": items}).encode())
    add(engine, server, "a", "/f")
    (report,) = run(engine, server).sources
    assert (report.state, report.new, report.error) == ("ok", 3, None)
    assert run(engine, server, NOW + timedelta(hours=8)).articles_new == 0


def test_a_locked_database_costs_the_sources_it_meets_and_no_others(
    tmp_path: Path, server: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "BUSY_MS", 50)
    engine = db.open_engine(f"sqlite:///{tmp_path / 'locked.db'}")
    db.upgrade(engine)
    for name in ("a", "b", "c"):
        server.page(f"{name}.test", "/f", rss(item(1, link=f"http://{name}.test/1")))
        add(engine, server, name, "/f")
    other = db.open_engine(f"sqlite:///{tmp_path / 'locked.db'}").execution_options(digest_writing=True)

    with other.connect() as holder:
        lock = holder.begin()
        reports: list[str] = []

        def progress(label: str, done: int, total: int | None) -> None:
            reports.append(label)
            if done == 2:
                lock.rollback()

        report = asyncio.run(
            gather(engine, CONFIG, force=True, clock=lambda: NOW, resolver=server.resolver, progress=progress)
        )
    errors = [source.error for source in report.sources if source.error]
    assert len(errors) == 2 and report.articles_new == 1
    assert all(error.startswith("not stored, the next look finds it again: the database") for error in errors)
    assert run(engine, server, NOW + timedelta(hours=8)).articles_new == 2
    with other.connect() as holder, holder.begin(), pytest.raises(DatabaseUnavailable, match="locked"):
        run(engine, server, NOW + timedelta(hours=16))
    other.dispose()
    engine.dispose()


def test_a_mistake_of_ours_costs_one_source(
    engine: Engine, server: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumbling(at: looking.Target, fetched: Fetched) -> Feed:
        if b"stone" in fetched.body:
            raise KeyError("stone")
        return read(at, fetched)

    read = looking.read
    monkeypatch.setattr("digest.gather.looking.read", stumbling)
    for name, title in (("a", "A stone"), ("b", "A road")):
        server.page(f"{name}.test", "/f", rss(item(1, title=title)))
        add(engine, server, name, "/f")
    first, second = run(engine, server).sources
    assert (first.state, second.state, second.new) == ("failing", "ok", 1)
    assert source(engine, "a").error == f"{server.url('a.test', '/f')} could not be taken in: KeyError"


def test_what_is_stored_while_an_issue_is_cut_is_in_this_issue_or_the_next(engine: Engine) -> None:
    """A cut waits for what was stamped before it."""
    with ThreadPoolExecutor() as pool:
        with db.writing(engine) as session:
            db.take_turn(session)
            cut = pool.submit(_cut_of, engine)
            with pytest.raises(TimeoutError):
                cut.result(timeout=0.5)
            session.add(Source(id="a", url="https://a.example/f", created_at=NOW))
        assert cut.result(timeout=20) == ["a"]


def _cut_of(engine: Engine) -> list[str]:
    with db.writing(engine) as session:
        db.take_turn(session, alone=True)
        return list(session.exec(select(Source.id)))


def test_a_source_that_nobody_named_is_called_what_its_feed_called_itself_first(
    engine: Engine, server: FeedServer
) -> None:
    add(engine, server, "a", "/f")
    add(engine, server, "b", "/f", name="The Bee")
    for title in ("News", "News, renamed"):
        for name in ("a", "b"):
            body = rss(item(1)).replace(b"<title>News", f"<title>{title}".encode())
            server.page(f"{name}.test", "/f", body)
        run(engine, server)
        assert (source(engine, "a").name, source(engine, "b").name) == ("News", "The Bee")


def test_a_dek_that_only_says_the_headline_again_is_left_out(engine: Engine, server: FeedServer) -> None:
    same = item(1).replace("Words 1", "piece 1")
    server.page("a.test", "/f", rss(same, item(2), item(3).replace("<title>Piece 3</title>", "")))
    add(engine, server, "a", "/f")
    run(engine, server)
    assert [(found.title, found.dek) for found in articles(engine)] == [
        ("Piece 1", ""),
        ("Piece 2", "Words 2"),
        ("Words 3", ""),
    ]
