"""Feeds written by hand for tests of gathering, and a database to gather them into."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from feedserver import FeedServer
from sqlalchemy import Engine
from sqlmodel import col, select

from digest import db
from digest.config import Config, GatherConfig, MailConfig, SiteConfig
from digest.gather.run import GatherReport, gather
from digest.models import Article, Source

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CONFIG = Config(
    site=SiteConfig("News", "https://news.example"),
    mail=MailConfig("News <news@news.example>"),
    gather=GatherConfig(allow_private_addresses=True, timeout_s=20.0, max_bytes=2_000_000),
)


def item(
    title: str,
    link: str,
    when: datetime | None = None,
    *,
    guid: str = "",
    dek: str = "",
) -> str:
    """An RSS item; without `when` it has no date."""
    date = f"<pubDate>{format_datetime(when, usegmt=True)}</pubDate>" if when else ""
    return (
        f"<item><title>{title}</title><link>{link}</link><guid isPermaLink='false'>{guid or link}</guid>"
        f"{date}<description>{dek or f'What {title} is about'}</description></item>"
    )


def rss(*items: str, title: str = "News") -> bytes:
    """A feed of items."""
    return f"<rss version='2.0'><channel><title>{title}</title>{''.join(items)}</channel></rss>".encode()


def daily(count: int, site: str = "http://news.test", until: datetime = NOW) -> list[str]:
    """So many items, one a day, the newest first, dated back from an hour before `until`."""
    return [item(f"Piece {n}", f"{site}/{n}", until - timedelta(days=n, hours=1)) for n in range(count)]


def add(engine: Engine, server: FeedServer, name: str, path: str = "/f", /, host: str = "", **settings: object) -> None:
    """A source at `path` on NAME.test."""
    with db.writing(engine) as session:
        url = server.url(host or f"{name}.test", path)
        session.add(Source(id=name, url=url, **{"created_at": NOW, **settings}))


def look(engine: Engine, server: FeedServer, now: datetime, *only: str, config: Config = CONFIG) -> GatherReport:
    """A round at `now`, whatever the intervals."""
    return asyncio.run(
        gather(engine, config, only=only or None, force=True, clock=lambda: now, resolver=server.resolver)
    )


def articles(engine: Engine) -> list[Article]:
    """All that is stored, in the order it came."""
    with db.reading(engine) as session:
        found = list(session.exec(select(Article).order_by(col(Article.id))))
        session.expunge_all()
        return found


def source(engine: Engine, name: str) -> Source:
    """A source's row."""
    with db.reading(engine) as session:
        found = session.get_one(Source, name)
        session.expunge_all()
        return found
