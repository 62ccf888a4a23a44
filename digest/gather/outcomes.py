"""What came of asking a source, as values: expected outcomes are no exceptions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from digest.gather.hosts import without_secrets


@dataclass(frozen=True)
class Validators:
    """ETag and Last-Modified exactly as received (bytes as latin-1), and the URL that gave them (E-01, E-02)."""

    url: str
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True)
class Fetched:
    """A body, decoded; `permanent_url` is where only permanent redirects (301, 308) led, if they did."""

    body: bytes
    url: str
    content_type: str | None = None
    validators: Validators | None = None
    permanent_url: str | None = None
    max_age_s: int | None = None  # how long it stays fresh, by Cache-Control or Expires
    link: str | None = None  # its Link header (RFC 8288)
    parts: tuple[Part, ...] = ()  # of a sitemap index: its newest sitemaps

    @property
    def shown(self) -> str:
        """Its URL as people may see it."""
        return without_secrets(self.url)


@dataclass(frozen=True)
class Part:
    """A sitemap of a sitemap index: its body, or why there is none."""

    url: str
    body: bytes = b""
    content_type: str | None = None
    problem: str = ""


@dataclass(frozen=True)
class Unchanged:
    """304: what we have is current."""

    max_age_s: int | None = None
    permanent_url: str | None = None


@dataclass(frozen=True)
class Later:
    """429 or 503: the server asks to be left alone, until `retry_at` if it says so."""

    sentence: str
    retry_at: datetime | None = None
    busy: bool = False  # 429: it is we who ask too much, whatever the source


@dataclass(frozen=True)
class Failed:
    """Nothing was had; `status` is the HTTP status where there was one, `permanent` that asking again is no use."""

    sentence: str
    permanent: bool = False
    status: int | None = None
    slow: bool = False  # the whole deadline was used up
    lost: bool = False  # no such host, nobody answers there, or its certificate is wrong: browsers fail as well


Outcome = Fetched | Unchanged | Later | Failed
