"""Thin feeds completed from their articles' pages: over real sockets, into a real database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from feedserver import FeedServer
from sqlalchemy import Engine
from sqlmodel import col, select

from digest import db
from digest.byhand import add_article
from digest.config import Config, GatherConfig, MailConfig, SiteConfig
from digest.engagement import read_counts, store_counts
from digest.errors import NothingToDo
from digest.gather.completing import facts, robots
from digest.gather.completing.run import MOST, complete
from digest.gather.fetch import fetcher
from digest.gather.outcomes import Failed, Fetched, Later
from digest.gather.run import GatherReport, gather
from digest.models import Appearance, Article, Edition, Engagement, Issue, Override, PageLook, Sighting, Source, people

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CONFIG = Config(
    site=SiteConfig("News", "https://news.example"),
    mail=MailConfig("News <news@news.example>"),
    gather=GatherConfig(allow_private_addresses=True, timeout_s=2.0, max_bytes=200_000, full_pages=True),
)


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer() as running:
        yield running


def page(title: str = "Piece 1", *, more: str = "") -> bytes:
    return (
        f'<html lang="en"><head><title>{title} | News</title><meta property="og:title" content="{title}">'
        '<meta property="og:description" content="What the piece says."><meta name="author" content="By Jo Doe">'
        '<meta property="og:image" content="/pictures/1.jpg"><meta property="article:section" content="Europe">'
        f"<meta property='article:published_time' content='2026-11-18T09:30:00+01:00'>{more}</head><body></body></html>"
    ).encode()


def feed(server: FeedServer, *names: str, title: str = "", words: str = "") -> bytes:
    items = "".join(
        f"<item><title>{title or f'Piece {name}'}</title><link>{server.url('a.test', f'/{name}')}</link>"
        f"<guid isPermaLink='false'>id-{name}</guid><description>{words}</description></item>"
        for name in names
    )
    return f"<rss version='2.0'><channel><title>News</title>{items}</channel></rss>".encode()


def add(engine: Engine, server: FeedServer, **settings: object) -> None:
    with db.writing(engine) as session:
        session.add(Source(id="a", url=server.url("a.test", "/f"), created_at=NOW, **settings))


def run(engine: Engine, server: FeedServer, now: datetime = NOW, config: Config = CONFIG) -> GatherReport:
    return asyncio.run(gather(engine, config, force=True, clock=lambda: now, resolver=server.resolver))


def articles(engine: Engine) -> list[Article]:
    with db.reading(engine) as session:
        found = list(session.exec(select(Article).order_by(col(Article.id))))
        session.expunge_all()
        return found


def looks(engine: Engine) -> list[PageLook]:
    with db.reading(engine) as session:
        found = list(session.exec(select(PageLook)))
        session.expunge_all()
        return found


def test_a_thin_article_gets_what_its_page_says_once(engine: Engine, server: FeedServer) -> None:
    add(engine, server)
    server.page("a.test", "/f", feed(server, "1"))
    server.page("a.test", "/1", page())
    assert run(engine, server).pages.read == 1
    article = articles(engine)[0]
    assert (article.title, article.dek, article.section) == ("Piece 1", "What the piece says.", "Europe")
    assert article.bylines == [{"name": "Jo Doe", "organisation": ""}]
    assert article.image_url == server.url("a.test", "/pictures/1.jpg")
    assert article.published_at == datetime(2026, 11, 18, 8, 30, tzinfo=UTC)
    assert run(engine, server, NOW + timedelta(hours=7)).pages.read == 0
    assert (len(server.asked("/1")), len(server.asked("/robots.txt"))) == (1, 1)


def test_the_feeds_word_wins_now_and_later(engine: Engine, server: FeedServer) -> None:
    add(engine, server)
    server.page("a.test", "/f", feed(server, "1", words="The feed says."))
    server.page("a.test", "/1", page())
    run(engine, server)
    assert articles(engine)[0].dek == "The feed says."
    server.page("a.test", "/f", feed(server, "1", words="It says more."))
    run(engine, server, NOW + timedelta(hours=7))
    (article,) = articles(engine)
    assert (article.dek, article.image_url) == ("It says more.", server.url("a.test", "/pictures/1.jpg"))


def test_an_edit_of_a_thin_feed_keeps_what_the_page_said(engine: Engine, server: FeedServer) -> None:
    add(engine, server)
    server.page("a.test", "/f", feed(server, "1"))
    server.page("a.test", "/1", page())
    run(engine, server)
    server.page("a.test", "/f", feed(server, "1", title="Piece 1, again"))
    assert run(engine, server, NOW + timedelta(hours=7)).articles_new == 0
    (article,) = articles(engine)
    assert (article.title, article.dek) == ("Piece 1, again", "What the piece says.")
    assert len(server.asked("/1")) == 1


@pytest.mark.parametrize(
    ("everywhere", "source", "asked"),
    [(False, None, 0), (True, None, 1), (False, True, 1), (True, False, 0)],
)
def test_the_source_decides_before_the_settings(
    engine: Engine, server: FeedServer, everywhere: bool, source: bool | None, asked: int
) -> None:
    add(engine, server, full_pages=source)
    server.page("a.test", "/f", feed(server, "1"))
    server.page("a.test", "/1", page())
    run(engine, server, config=replace(CONFIG, gather=replace(CONFIG.gather, full_pages=everywhere)))
    assert len(server.asked("/1")) == asked


def test_robots_are_obeyed_and_asked_once_a_day(engine: Engine, server: FeedServer) -> None:
    add(engine, server)
    server.page("a.test", "/robots.txt", b"User-agent: *\nDisallow: /\n\nUser-agent: digest\nDisallow: /1\n")
    server.page("a.test", "/f", feed(server, "1", "2"))
    server.page("a.test", "/1", page())
    server.page("a.test", "/2", page("Piece 2"))
    report = run(engine, server)
    assert (report.pages.read, report.pages.refused) == (1, 1)
    assert (len(server.asked("/1")), len(server.asked("/2"))) == (0, 1)
    run(engine, server, NOW + timedelta(hours=7))
    assert len(server.asked("/robots.txt")) == 1


def test_robots_that_are_not_reached_refuse_for_an_hour_only(engine: Engine, server: FeedServer) -> None:
    add(engine, server)
    server.answer("a.test", "/robots.txt", 503)
    server.page("a.test", "/f", feed(server, "1", "2"))
    server.page("a.test", "/1", page())
    server.page("a.test", "/2", page("Piece 2"))
    now = NOW
    for hours in range(5):  # of trouble: more often than a page itself is tried
        now = NOW + timedelta(hours=hours)
        assert (run(engine, server, now).pages.refused, len(server.asked("/robots.txt"))) == (2, hours + 1)
    assert {(look.outcome, look.tries) for look in looks(engine)} == {("robots.txt was not reached", 0)}
    server.page("a.test", "/robots.txt", b"User-agent: *\nDisallow: /2\n")
    report = run(engine, server, now + timedelta(minutes=59))
    assert (report.pages.read, report.pages.refused) == (0, 0)
    report = run(engine, server, now + timedelta(hours=1))
    assert (report.pages.read, report.pages.refused) == (1, 1)
    assert run(engine, server, now + timedelta(days=2)).pages.refused == 0
    assert (len(server.asked("/1")), len(server.asked("/2"))) == (1, 0)


def sitemap(server: FeedServer, *paths: str) -> bytes:
    places = "".join(f"<url><loc>{server.url('a.test', path)}</loc></url>" for path in paths)
    return f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{places}</urlset>'.encode()


def test_a_title_made_of_an_address_gives_way_to_the_pages(engine: Engine, server: FeedServer) -> None:
    add(engine, server, type="sitemap")
    server.page("a.test", "/f", sitemap(server, "/2026/a-quiet-border"))
    server.page("a.test", "/2026/a-quiet-border", page("Quiet at the border, for once"))
    off = replace(CONFIG, gather=replace(CONFIG.gather, full_pages=False))
    run(engine, server, config=off)
    assert [article.title for article in articles(engine)] == ["A quiet border"]
    run(engine, server, NOW + timedelta(hours=7))
    (article,) = articles(engine)
    assert (article.title, article.dek) == ("Quiet at the border, for once", "What the piece says.")
    server.page("a.test", "/f", sitemap(server, "/2026/a-quiet-border", "/2026/the-long-tide"))
    run(engine, server, NOW + timedelta(hours=14))
    assert [article.title for article in articles(engine)] == ["Quiet at the border, for once", "The long tide"]


def test_a_feeds_title_stays_even_if_its_address_says_the_same(engine: Engine, server: FeedServer) -> None:
    add(engine, server)
    server.page("a.test", "/f", feed(server, "a-quiet-border", title="A quiet border"))
    server.page("a.test", "/a-quiet-border", page("Quiet at the border, for once"))
    assert run(engine, server).pages.read == 1
    assert [article.title for article in articles(engine)] == ["A quiet border"]


def test_a_page_that_leads_to_an_inner_address_is_not_read(engine: Engine, server: FeedServer) -> None:
    add(engine, server)
    server.page("a.test", "/f", feed(server, "1"))
    server.answer("a.test", "/1", 302, Location="http://169.254.169.254/latest")

    async def resolver(name: str, port: int) -> list[str]:
        return ["127.0.0.1"] if name.endswith(".test") else [name]

    report = asyncio.run(gather(engine, CONFIG, force=True, clock=lambda: NOW, resolver=resolver))
    assert (report.pages.failed, report.articles_new, report.sources[0].state) == (1, 1, "ok")
    assert "private address" in looks(engine)[0].outcome


def test_a_slow_page_fails_alone_and_is_tried_three_times(engine: Engine, server: FeedServer) -> None:
    add(engine, server)
    server.page("a.test", "/f", feed(server, "1", "2"))
    server.answer("a.test", "/1", 500)
    server.page("a.test", "/2", page("Piece 2"))
    now = NOW
    for _ in range(5):
        run(engine, server, now)
        now += timedelta(days=1)
    assert (len(server.asked("/1")), len(server.asked("/2"))) == (3, 1)
    assert {look.tries for look in looks(engine)} == {1, 3}


def test_a_page_without_end_ends_with_the_deadline(engine: Engine, server: FeedServer) -> None:
    add(engine, server)
    server.page("a.test", "/f", feed(server, "1"))
    server.drip("a.test", "/1")
    off = replace(CONFIG, gather=replace(CONFIG.gather, full_pages=False))
    run(engine, server, config=off)

    async def completing() -> int:
        async with fetcher(CONFIG, server.resolver) as fetching:
            return (await complete(engine, CONFIG, fetching, lambda: NOW, deadline_s=0.5)).read

    assert asyncio.run(completing()) == 0


def test_a_round_reads_so_many_pages_and_no_more(engine: Engine, server: FeedServer) -> None:
    add(engine, server)
    with db.writing(engine) as session:
        for number in range(MOST + 10):
            url = server.url(f"h{number % 20}.test", f"/{number}")
            times = {"first_seen_at": NOW, "available_at": NOW, "previous_look_at": NOW}
            session.add(Article(canonical_url=url, url=url, source_id="a", title="T", **times))
    report = run(engine, server)
    assert report.pages.failed == MOST


def test_two_addresses_of_one_page_are_one_article(engine: Engine, server: FeedServer) -> None:
    add(engine, server)
    canonical = f"<link rel='canonical' href='{server.url('a.test', '/one')}'>"
    server.page("a.test", "/f", feed(server, "one", "two", title="The same piece of news"))
    server.page("a.test", "/one", page(more=canonical))
    server.page("a.test", "/two", page(more=canonical))
    off = replace(CONFIG, gather=replace(CONFIG.gather, full_pages=False))
    run(engine, server, config=off)
    one, two = articles(engine)
    with db.writing(engine) as session:
        session.add(people.MailingList(id="weekly", title="Weekly", created_at=NOW))
        session.flush()
        session.add(Edition(id="weekly", list_id="weekly", title="Weekly"))
        session.flush()
        issue = Issue(edition_id="weekly", window_start=NOW, window_end=NOW, created_at=NOW)
        session.add(issue)
        session.flush()
        gone = two if two.canonical_url.endswith("two") else one
        assert gone.id is not None and issue.id is not None
        session.add(Appearance(edition_id="weekly", article_id=gone.id, issue_id=issue.id))
    run(engine, server, NOW + timedelta(hours=7))
    shown = [article for article in articles(engine) if not article.hidden]
    assert [article.canonical_url.rpartition("/")[2] for article in shown] == ["one"]
    with db.reading(engine) as session:
        assert set(session.exec(select(Sighting.article_id))) == {shown[0].id}
        assert shown[0].id in set(session.exec(select(Appearance.article_id)))


def naming(server: FeedServer, name: str) -> bytes:
    return page(more=f"<link rel='canonical' href='{server.url('a.test', name)}'>")


def test_pages_that_name_each_other_in_a_circle_leave_one_article(engine: Engine, server: FeedServer) -> None:
    add(engine, server)
    server.page("a.test", "/f", feed(server, "one", "two", "three", title="The same piece of news"))
    for name, other in (("/one", "/two"), ("/two", "/three"), ("/three", "/one")):
        server.page("a.test", name, naming(server, other))
    run(engine, server)
    assert [article.hidden for article in articles(engine)].count(False) == 1
    run(engine, server, NOW + timedelta(hours=7))
    assert [article.hidden for article in articles(engine)].count(False) == 1


@pytest.mark.parametrize("column", ["held_for", "added_by_hand"])
def test_a_page_in_two_sources_is_neither_held_with_one_nor_taken_from_an_editor(
    engine: Engine, server: FeedServer, column: str
) -> None:
    add(engine, server)
    server.page("a.test", "/f", feed(server, "one", "two", title="The same piece of news"))
    server.page("a.test", "/two", naming(server, "/one"))
    off = replace(CONFIG, gather=replace(CONFIG.gather, full_pages=False))
    run(engine, server, config=off)
    with db.writing(engine) as session:
        rows = {row.url.rpartition("/")[2]: row for row in session.exec(select(Article))}
        if column == "held_for":
            rows["one"].held_for = "It waits."
        else:
            rows["two"].added_by_hand = True
    run(engine, server, NOW + timedelta(hours=7))
    shown = [article for article in articles(engine) if not article.hidden]
    assert [article.url.rpartition("/")[2] for article in shown] == ["two"]


def test_what_an_editor_and_readers_said_of_one_name_is_said_of_the_page(engine: Engine, server: FeedServer) -> None:
    add(engine, server)
    server.page("a.test", "/f", feed(server, "one", "two", title="The same piece of news"))
    server.page("a.test", "/two", naming(server, "/one"))
    off = replace(CONFIG, gather=replace(CONFIG.gather, full_pages=False))
    run(engine, server, config=off)
    with db.writing(engine) as session:
        session.add(people.MailingList(id="weekly", title="Weekly", created_at=NOW))
        session.flush()
        session.add(Edition(id="weekly", list_id="weekly", title="Weekly"))
        session.flush()
        issue = Issue(edition_id="weekly", window_start=NOW, window_end=NOW, created_at=NOW)
        session.add(issue)
        session.flush()
        gone = session.exec(select(Article).where(col(Article.url).endswith("/two"))).one()
        assert gone.id is not None and issue.id is not None
        session.add(Override(issue_id=issue.id, article_id=gone.id, pinned=True, title="Ours", at=NOW))
        session.add(Engagement(article_id=gone.id, kind="clicks", count=7, at=NOW))
        gone.boost = 2.0
    run(engine, server, NOW + timedelta(hours=7))
    with db.reading(engine) as session:
        kept = session.exec(select(Article).where(col(Article.hidden).is_(False))).one()
        said = {row.article_id: (row.pinned, row.title) for row in session.exec(select(Override))}
        counted = session.exec(select(Engagement.count).where(Engagement.article_id == kept.id)).all()
    assert kept.id is not None and kept.boost == 2.0 and list(counted) == [7]
    assert said.pop(kept.id) == (True, "Ours")
    assert [pinned for pinned, _ in said.values()] == [False]


ROBOTS = [
    ("User-agent: *\nDisallow: /", "/a", False, "all is refused"),
    ("User-agent: *\nDisallow:", "/a", True, "nothing is refused"),
    ("", "/a", True, "no rules"),
    ("User-agent: *\nDisallow: /\nUser-agent: digest\nAllow: /", "/a", True, "our own group counts alone"),
    ("User-agent: other\nDisallow: /", "/a", True, "another's group"),
    ("User-agent: *\nDisallow: /a\nAllow: /a/b", "/a/b/c", True, "the longest match wins"),
    ("User-agent: *\nAllow: /a\nDisallow: /a/b", "/a/b/c", False, "the longest match wins, in any order"),
    ("User-agent: *\nDisallow: /*.php$", "/a.php", False, "a star and an end"),
    ("User-agent: *\nDisallow: /*.php$", "/a.php?x=1", True, "more after the end"),
    ("<html>not found</html>", "/a", True, "a page where rules should be"),
]


@pytest.mark.parametrize(("text", "path", "allowed", "caption"), ROBOTS, ids=[row[3] for row in ROBOTS])
def test_robots_are_read_by_the_standard(text: str, path: str, allowed: bool, caption: str) -> None:
    assert robots.allowed(text, f"https://a.test{path}") is allowed


def test_what_an_answer_for_robots_means() -> None:
    day = NOW + timedelta(hours=24)
    long = Fetched(b"#" * 600_000, "https://a.test/robots.txt")
    assert len(robots.rules(long, NOW)[0]) == robots.MAX_BYTES
    assert robots.rules(Failed("not found", status=404), NOW) == ("", day)
    for trouble in (Failed("broken", status=500), Failed("no answer"), Later("later")):
        text, until = robots.rules(trouble, NOW)
        assert not robots.allowed(text, "https://a.test/") and until < day


SITES = [
    ("https://a.test/1", "https://www.a.test/one", "https://a.test/one", "another path"),
    ("https://a.test/1", "https://a.test/", None, "the front page is no identity"),
    ("https://a.test/1", "https://b.test/1", None, "another site's word"),
    ("https://a.test/1", "https://news.a.test/1", "https://news.a.test/1", "a host of the same site"),
    ("https://a.x.org/1", "https://b.x.org/1", "https://b.x.org/1", "two hosts of one owner"),
    ("https://a.co.uk/1", "https://b.co.uk/1", None, "two owners under one public suffix"),
    ("https://co.uk/1", "https://b.co.uk/1", None, "a public suffix owns nothing"),
    ("https://a.github.io/1", "https://b.github.io/1", None, "two people's sites at one host of many"),
    ("https://a.test/1", "https://a.test/1?utm_source=x", None, "the same"),
    ("https://a.test/1", None, None, "nothing"),
]


@pytest.mark.parametrize(("own", "said", "identity", "caption"), SITES, ids=[row[3] for row in SITES])
def test_a_page_may_name_itself_within_its_site(own: str, said: str | None, identity: str | None, caption: str) -> None:
    assert facts.identity(own, said) == identity


def test_a_page_that_named_itself_is_known_by_the_address_it_came_under(engine: Engine, server: FeedServer) -> None:
    add(engine, server)
    server.page("a.test", "/f", feed(server, "short"))
    server.page("a.test", "/short", naming(server, "/long/address"))
    run(engine, server)
    [named] = articles(engine)
    assert named.canonical_url.endswith("/long/address") and named.url.endswith("/short")
    server.page("a.test", "/f", feed(server, "short").replace(b"id-short", b"another-id"))
    server.page("b.test", "/f", feed(server, "short"))
    with db.writing(engine) as session:
        session.add(Source(id="b", url=server.url("b.test", "/f"), created_at=NOW))
    run(engine, server, NOW + timedelta(hours=7))
    assert [article.id for article in articles(engine)] == [named.id]
    sheet = read_counts(f"url,clicks\n{named.url},5\n".encode(), "clicks", {})
    with db.writing(engine) as session:
        report = store_counts(session, sheet, "clicks", NOW, lambda *_: None)
    assert (report.stored, report.bad) == (1, [])
    with db.writing(engine) as session, pytest.raises(NothingToDo):
        add_article(session, named.url, NOW, title="Pasted")
