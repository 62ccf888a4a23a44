"""An edition's issues as feeds: RSS 2.0 and JSON Feed 1.1. Values in, bytes out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree import ElementTree

from digest.deliver.headers import date_time
from digest.templating.text import clean

RSS_TYPE = "application/rss+xml; charset=utf-8"
JSON_TYPE = "application/feed+json; charset=utf-8"
_ATOM = "http://www.w3.org/2005/Atom"
_CONTENT = "http://purl.org/rss/1.0/modules/content/"
_NOT_XML = dict.fromkeys((0xFFFE, 0xFFFF))


@dataclass(frozen=True)
class Entry:
    """An issue: `id` stays the same for ever, `summary` is plain text, `html` safe HTML."""

    id: str
    url: str
    title: str
    at: datetime
    summary: str
    html: str


@dataclass(frozen=True)
class Feed:
    """An edition: `home` is its page, `rss` and `json` are where the feeds themselves are; all of them absolute."""

    title: str
    description: str
    home: str
    rss: str
    json: str
    language: str  # BCP 47
    author: str
    author_url: str
    entries: Sequence[Entry]  # newest first


def as_rss(feed: Feed) -> bytes:
    """The feed as an RSS 2.0 document in UTF-8."""
    ElementTree.register_namespace("atom", _ATOM)
    ElementTree.register_namespace("content", _CONTENT)
    root = ElementTree.Element("rss", version="2.0")
    channel = ElementTree.SubElement(root, "channel")
    _say(channel, "title", feed.title)
    _say(channel, "link", feed.home)
    _say(channel, "description", feed.description)
    _say(channel, "language", feed.language)
    if feed.entries:
        _say(channel, "lastBuildDate", _date(feed.entries[0].at))
    link = {"rel": "self", "type": "application/rss+xml", "href": feed.rss}
    ElementTree.SubElement(channel, f"{{{_ATOM}}}link", link)
    for entry in feed.entries:
        _item(channel, entry)
    ElementTree.indent(root, "")
    written: bytes = ElementTree.tostring(root, "utf-8", xml_declaration=True)
    return written + b"\n"


def _item(channel: ElementTree.Element, entry: Entry) -> None:
    item = ElementTree.SubElement(channel, "item")
    _say(item, "title", entry.title)
    _say(item, "link", entry.url)
    _say(item, "guid", entry.id).set("isPermaLink", "false")
    _say(item, "pubDate", _date(entry.at))
    _say(item, "description", entry.summary)
    if entry.html:
        _say(item, f"{{{_CONTENT}}}encoded", entry.html)


def as_json(feed: Feed) -> bytes:
    """The feed as a JSON Feed 1.1 document in UTF-8."""
    document = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "description": feed.description,
        "home_page_url": feed.home,
        "feed_url": feed.json,
        "language": feed.language,
        "authors": [{"name": feed.author, "url": feed.author_url}],
        "items": [_plain(entry) for entry in feed.entries],
    }
    return json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"


def _plain(entry: Entry) -> dict[str, str]:
    said = {"content_html": clean(entry.html)} if entry.html else {"content_text": clean(entry.summary)}
    return {
        "id": entry.id,
        "url": entry.url,
        "title": clean(entry.title),
        "summary": clean(entry.summary),
        **said,
        "date_published": entry.at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    }


def _say(parent: ElementTree.Element, name: str, text: str) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, name)
    element.text = clean(text).translate(_NOT_XML)  # what XML can't hold
    return element


def _date(at: datetime) -> str:
    return date_time(at.astimezone(UTC))
