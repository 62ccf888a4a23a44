"""A feed and a page as `digest inspect` tells them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from digest.gather import kinds
from digest.gather.entries import Entry, Feed
from digest.gather.pages import read


def inspect_feed(given: str, body: bytes, *, url: str = "", content_type: str | None = None) -> dict[str, Any]:
    """What `body` says, as plain data for one line of JSON; `given` is the file or URL it came from."""
    return told(given, kinds.read(kinds.recognised(body, content_type), body, url=url, content_type=content_type))


def told(given: str, feed: Feed) -> dict[str, Any]:
    """A feed that was read, as plain data; `given` is the file, URL or source that it came from."""
    return {
        "input": given,
        "kind": feed.kind,
        "title": feed.title,
        "entries": [_entry(entry) for entry in feed.entries],
        "problems": list(feed.problems),
    }


def not_read(given: str, problem: str) -> dict[str, Any]:
    """What is told of an input that could not be had."""
    return {"input": given, "kind": None, "title": "", "entries": [], "problems": [problem]}


def inspect_page(given: str, body: bytes, *, url: str = "", content_type: str | None = None) -> dict[str, Any]:
    """What the page `body` says, as plain data for one line of JSON; a day without a time is told as a day."""
    page = read(body, url=url, content_type=content_type)
    published = page.published
    return {
        "input": given,
        "title": page.title,
        "authors": list(page.authors),
        "published": published and (published.date().isoformat() if page.only_day else _time(published)),
        "image": page.image,
        "description": page.description,
        "section": page.section,
        "canonical_url": page.canonical_url,
        "language": page.language,
        "problems": list(page.problems),
    }


def page_not_read(given: str, problem: str) -> dict[str, Any]:
    """What is told of a page that could not be had."""
    return {**inspect_page(given, b""), "problems": [problem]}


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "url": entry.url,
        "canonical_url": entry.canonical_url,
        "title": entry.title,
        "published": _time(entry.published),
        "updated": _time(entry.updated),
        "authors": [byline.name for byline in entry.bylines],
        "categories": list(entry.categories),
        "summary": entry.summary_html,
        "image": entry.image.url if entry.image else None,
    }


def _time(value: datetime | None) -> str | None:
    return value.isoformat().replace("+00:00", "Z") if value else None
