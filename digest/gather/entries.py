"""What a feed says, as plain frozen values, whatever its dialect."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Byline:
    """Who wrote it."""

    name: str
    organisation: str = ""


@dataclass(frozen=True)
class Image:
    """An article's lead image: an absolute http or https URL."""

    url: str
    alt: str = ""
    credit: str = ""
    width: int | None = None  # pixels, where the feed says
    height: int | None = None


@dataclass(frozen=True)
class Entry:
    """One entry, cleaned: texts are plain, `summary_html` is safe, times are aware UTC."""

    id: str  # as the feed names it, compared exactly (RFC 4287, 4.2.6.1); else its link; else a hash
    url: str  # absolute as a browser resolves it; empty if there is none
    canonical_url: str
    title: str
    published: datetime | None = None
    updated: datetime | None = None
    bylines: tuple[Byline, ...] = ()
    categories: tuple[str, ...] = ()
    summary_html: str = ""
    dek: str = ""
    kind: str | None = None
    section: str | None = None  # of a kicker "kind | section" only; categories are apart
    image: Image | None = None
    language: str | None = None


@dataclass(frozen=True)
class Feed:
    """A feed as far as it could be read; `kind` is empty where it is none."""

    kind: str  # rss20, rss10, atom10, json11, ...
    title: str = ""
    language: str | None = None
    entries: tuple[Entry, ...] = ()
    problems: tuple[str, ...] = ()
    ttl_s: int | None = None  # seconds that it asks to be left alone for, a week at most
    skip_hours: frozenset[int] = frozenset()  # UTC, 0 to 23
    skip_days: frozenset[int] = frozenset()  # UTC, 0 = Monday
    expired: bool = False  # it says that it will never be updated again (JSON Feed)
    next_url: str | None = None  # where it goes on with older entries (JSON Feed), absolute http or https
