"""A source's user name, password and key are between it and us: no reader and no log is told them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from feedserver import FeedServer
from sqlalchemy import Engine
from sqlmodel import select

from digest import db
from digest.config import Config, GatherConfig, MailConfig, SiteConfig
from digest.gather.hosts import without_secrets
from digest.gather.run import gather
from digest.models import Article, Source

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CONFIG = Config(
    site=SiteConfig("News", "https://news.example"),
    mail=MailConfig("News <news@news.example>"),
    gather=GatherConfig(allow_private_addresses=True, timeout_s=10.0),
)
RSS = b"""<rss version="2.0"><channel><title>Members</title><item><title>One piece</title><link>/one</link>
<description>&lt;p&gt;See &lt;a href="/two"&gt;two&lt;/a&gt; &lt;img src="/1.jpg"&gt;&lt;/p&gt;</description></item>
</channel></rss>"""
MAP = b"<urlset><url><loc>/one-piece</loc><lastmod>2026-11-20</lastmod></url></urlset>"
PAGE = b"<article><h2><a href='/one'>One piece</a></h2><img src='/1.jpg'></article>"


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer() as running:
        yield running


@pytest.mark.parametrize(("type_", "body"), [("feed", RSS), ("sitemap", MAP), ("page", PAGE)])
def test_a_password_in_a_sources_address_goes_into_no_article(
    engine: Engine, server: FeedServer, type_: str, body: bytes
) -> None:
    server.page("a.test", "/f", body)
    with db.writing(engine) as session:
        url = server.url("jo:hush@a.test", "/f")
        session.add(Source(id="a", url=url, type=type_, selectors={"link": "a"}, created_at=NOW))
    asyncio.run(gather(engine, CONFIG, clock=lambda: NOW, resolver=server.resolver))
    assert server.requests[0].headers["authorization"].startswith("Basic ")
    with db.reading(engine) as session:
        [article] = session.exec(select(Article)).all()
        assert article.url.startswith(f"http://a.test:{server.port}/one")
        assert "hush" not in repr(article.model_dump())


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://jo:hush@a.test/f", "https://a.test/f"),
        ("https://a.test/f?key=hush&page=2", "https://a.test/f?key=…&page=2"),
        ("https://a.test/f?page=2&access_token=hush#x", "https://a.test/f?page=2&access_token=…#x"),
        ("https://a.test/f?API_KEY=hush", "https://a.test/f?API_KEY=…"),
        ("https://a.test/f?keyword=elections", "https://a.test/f?keyword=elections"),
        ("https://a.test/@jo?monkey=3", "https://a.test/@jo?monkey=3"),
    ],
)
def test_an_address_is_shown_without_what_it_keeps_secret(url: str, shown: str) -> None:
    assert without_secrets(url) == shown


def test_what_goes_wrong_is_told_without_the_secret(engine: Engine, server: FeedServer) -> None:
    server.answer("a.test", "/f?key=hush", 500)
    server.page("b.test", "/f?key=hush", b"no feed")
    with db.writing(engine) as session:
        for name in ("a", "b"):
            url = server.url(f"jo:hush@{name}.test", "/f?key=hush")
            session.add(Source(id=name, url=url, created_at=NOW))
    report = asyncio.run(gather(engine, CONFIG, clock=lambda: NOW, resolver=server.resolver))
    assert all(one.error and "hush" not in one.error for one in report.sources)
