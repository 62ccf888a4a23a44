"""The tables of what is gathered: sources, articles, and what was seen of their pages. Known through `models`."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger
from sqlmodel import Field, SQLModel

from subscribers.columns import UtcDateTime


class SourceState(StrEnum):
    """How a source is doing."""

    NEW = "new"  # never looked at
    OK = "ok"
    LATE = "late"  # asked us to come later (429, 503)
    FAILING = "failing"
    GONE = "gone"  # 410: not asked again until a person says so
    OFF = "off"  # switched off, or no longer declared


class Source(SQLModel, table=True):
    """A feed that articles are gathered from, and what is known of its last looks."""

    __tablename__: ClassVar[str] = "source"

    id: str = Field(primary_key=True, max_length=64)
    url: str
    type: str = "feed"  # feed, sitemap, page, wordpress, folder
    selectors: dict[str, str] = Field(default_factory=dict, sa_type=JSON)  # of a page: name -> CSS
    folder: str | None = None  # of Markdown files; a relative one counts from config.toml
    name: str = ""
    section: str | None = None
    kind: str | None = None
    weight: float = 1.0
    language: str | None = None
    max_items: int | None = None
    full_pages: bool | None = None  # None: as [gather] says
    active: bool = True
    declared_line: int | None = None
    created_at: datetime = Field(sa_type=UtcDateTime)

    state: str = SourceState.NEW
    etag: str | None = None  # bytes of the header as latin-1, sent back unchanged (E-01)
    last_modified: str | None = None
    validator_url: str | None = None  # the URL that gave them (E-02)
    looked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    succeeded_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    next_look_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    failures: int = 0
    error: str | None = None
    status: int | None = None  # of HTTP, where that was the error
    moved_to: str | None = None  # target of permanent redirects seen in a row (E-06)
    moved_count: int = 0
    moved_since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    moved_from: str | None = None  # its URL before such redirects were believed
    fresh_until: datetime | None = Field(default=None, sa_type=UtcDateTime)  # by Cache-Control or Expires (E-04)
    ttl_s: int | None = None  # what its feed asked for when it was last read, as in gather.entries.Feed
    skip_hours: list[int] = Field(default_factory=list, sa_type=JSON)
    skip_days: list[int] = Field(default_factory=list, sa_type=JSON)
    lost_since: datetime | None = Field(default=None, sa_type=UtcDateTime)  # the first of its 404s in a row (E-07)
    answered_url: str | None = None  # where its feed was when it was last read
    feed_title: str = ""  # what its feed called itself then
    ids_trusted: bool = True  # no id of its entries ever named two pages, nor did known pages change their ids
    held_for: str | None = None  # why all its new articles wait for a person (S-F9)
    held: int = 0  # new articles that wait for a person
    quiet_after: datetime | None = Field(default=None, sa_type=UtcDateTime)  # nothing new by then is a sign (E-16)
    told: str = ""  # what staff were told of it: words of gather.alarms


class Article(SQLModel, table=True):
    """One published piece, known by its canonical URL."""

    __tablename__: ClassVar[str] = "article"

    id: int | None = Field(default=None, primary_key=True)
    canonical_url: str = Field(unique=True)
    url: str
    source_id: str = Field(foreign_key="source.id", index=True)  # the source it was first seen in
    title: str  # plain text, <= 300 characters
    dek: str = ""  # plain text
    summary_html: str = ""  # safe HTML
    bylines: list[dict[str, str]] = Field(default_factory=list, sa_type=JSON)  # {"name", "organisation"}
    kind: str | None = None  # Analysis, Reporting, Opinion, ...
    section: str | None = None  # as the kicker, category or source says
    categories: list[str] = Field(default_factory=list, sa_type=JSON)
    image_url: str | None = None
    image_alt: str = ""
    image_credit: str = ""
    image_width: int | None = None
    image_height: int | None = None
    language: str | None = None
    published_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    first_seen_at: datetime = Field(sa_type=UtcDateTime)
    available_at: datetime = Field(sa_type=UtcDateTime, index=True)  # the later of published and first seen
    previous_look_at: datetime = Field(
        sa_type=UtcDateTime
    )  # last success of the source before it was seen, else first seen
    hidden: bool = False
    added_by_hand: bool = False
    held_for: str | None = None  # why no issue may have it until a person lets it in
    boost: float = 1.0  # the editors' own factor of its score, in every issue


class Engagement(SQLModel, table=True):
    """What readers made of an article, as another program counted it."""

    __tablename__: ClassVar[str] = "engagement"

    article_id: int = Field(primary_key=True, foreign_key="article.id")
    kind: str = Field(primary_key=True, max_length=16)  # points | clicks
    count: int = Field(sa_type=BigInteger)
    at: datetime = Field(sa_type=UtcDateTime)  # when it was told


class Sighting(SQLModel, table=True):
    """An article as one source names it: feeds that change links or ids bring nothing twice (E-11)."""

    __tablename__: ClassVar[str] = "sighting"

    source_id: str = Field(primary_key=True, foreign_key="source.id")
    entry_id: str = Field(primary_key=True)
    article_id: int = Field(foreign_key="article.id", index=True)
    seen_at: datetime = Field(sa_type=UtcDateTime)


class PageLook(SQLModel, table=True):
    """The last look at an article's page, and what it told: none is asked twice that was read."""

    __tablename__: ClassVar[str] = "page_look"

    canonical_url: str = Field(primary_key=True)
    looked_at: datetime = Field(sa_type=UtcDateTime)
    outcome: str  # "read", "refused by robots.txt", "robots.txt was not reached", or what went wrong
    facts: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    filled: list[str] = Field(default_factory=list, sa_type=JSON)  # columns of the article that were empty
    tries: int = 0
    next_try_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class RobotsText(SQLModel, table=True):
    """The robots.txt of an origin, as it was within the last day (RFC 9309)."""

    __tablename__: ClassVar[str] = "robots_text"

    origin: str = Field(primary_key=True)  # scheme, host and port
    text: str
    expires_at: datetime = Field(sa_type=UtcDateTime)
