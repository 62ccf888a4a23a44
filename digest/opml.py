"""OPML 2.0: lists of feeds in and out. Folders are sections; what OPML has no word for goes in our namespace."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from digest.errors import UsageError

_OURS = "urn:digest:opml"
_LARGEST = 10_000_000
_DEEPEST = 50
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # no character of XML 1.0


@dataclass(frozen=True)
class Feed:
    """A source as OPML names it; `id` and what follows only where we wrote the file."""

    url: str
    name: str = ""
    section: str | None = None
    language: str | None = None
    id: str | None = None
    kind: str | None = None
    weight: float = 1.0
    max_items: int | None = None
    type: str = "feed"
    select: Mapping[str, str] = field(default_factory=dict)  # of a page: name -> CSS
    folder: str | None = None
    line: int = field(default=0, compare=False)


def write(title: str, feeds: Iterable[Feed]) -> str:
    """The feeds as OPML, by section and id; equal feeds give equal text."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<opml version="2.0" xmlns:digest="{_OURS}">',
        f"  <head><title>{_escaped(title)}</title></head>",
        "  <body>",
    ]
    ordered = sorted(feeds, key=lambda feed: (feed.section or "", feed.id or feed.url))
    for section, members in groupby(ordered, key=lambda feed: feed.section):
        inside = [f"  {_outline(feed)}" if section else _outline(feed) for feed in members]
        lines += [f"    <outline text={_quoted(section)}>", *inside, "    </outline>"] if section else inside
    return "\n".join([*lines, "  </body>", "</opml>", ""])


def _outline(feed: Feed) -> str:
    name = feed.name or feed.id or feed.url
    # What other readers can't read as a feed is no "rss" to them, but a link.
    is_feed = feed.type == "feed"
    pairs: dict[str, object] = {"type": "rss" if is_feed else "link", "text": name, "title": feed.name}
    pairs |= {"xmlUrl" if is_feed else "url": feed.url, "language": feed.language}
    pairs |= {"digest:id": feed.id, "digest:kind": feed.kind}
    pairs |= {"digest:weight": None if feed.weight == 1 else feed.weight, "digest:maxItems": feed.max_items}
    pairs |= {"digest:type": None if is_feed else feed.type, "digest:folder": feed.folder}
    pairs["digest:select"] = json.dumps(dict(feed.select), ensure_ascii=False, sort_keys=True) if feed.select else None
    inside = " ".join(f"{key}={_quoted(value)}" for key, value in pairs.items() if value not in (None, ""))
    return f"    <outline {inside}/>"


def _quoted(value: object) -> str:
    return quoteattr(_ILLEGAL.sub("", str(value)), {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})


def _escaped(text: str) -> str:
    return _ILLEGAL.sub("", text).replace("&", "&amp;").replace("<", "&lt;")


def read(raw: bytes) -> list[Feed]:
    """The feeds of an OPML file in its order; UsageError when it is not OPML, is too large or has a DTD."""
    if len(raw) > _LARGEST:
        raise UsageError(f"expected OPML of at most {_LARGEST} bytes, got {len(raw)}")
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartDoctypeDeclHandler = _refuse
    parser.StartElementHandler = lambda name, attributes: reader.start(name, attributes, parser.CurrentLineNumber)
    parser.EndElementHandler = reader.end
    try:
        parser.Parse(raw, True)
    except expat.ExpatError as error:
        raise UsageError(f"expected OPML, got something that is not XML: {error}") from error
    except (LookupError, ValueError) as error:  # of the encoding that it names
        raise UsageError(f"expected OPML in an encoding that can be read, such as UTF-8, got: {error}") from error
    return reader.feeds


def _refuse(*doctype: object) -> None:
    # Entities can make a small file large, or read other files: no feed list needs a document type.
    raise UsageError("expected OPML without a document type (<!DOCTYPE ...>), got one")


@dataclass
class _Reader:
    feeds: list[Feed] = field(default_factory=list)
    folders: list[str | None] = field(default_factory=list)  # of every open element: the section it stands for
    first: bool = True

    def start(self, name: str, attributes: dict[str, str], line: int) -> None:
        if self.first and name != "opml":
            raise UsageError(f"expected OPML, got an XML file that begins with <{name.rpartition(' ')[2]}>")
        self.first = False
        if len(self.folders) > _DEEPEST:
            raise UsageError(f"expected OPML at most {_DEEPEST} folders deep")
        known = {key.lower(): value.strip() for key, value in attributes.items()}
        ours = f"{_OURS} type".lower() in known
        url = known.get("xmlurl", "") or (known.get("url", "") if ours else "")
        title = known.get("title") or known.get("text") or ""
        is_outline = name == "outline"
        self.folders.append(title or None if is_outline and not url else None)
        if is_outline and url:
            self.feeds.append(_feed(url, title, self._section(), known, line))

    def end(self, name: str) -> None:
        self.folders.pop()

    def _section(self) -> str | None:
        return next((folder for folder in reversed(self.folders) if folder), None)


def _feed(url: str, title: str, section: str | None, known: dict[str, str], line: int) -> Feed:
    def ours(key: str) -> str | None:
        return known.get(f"{_OURS} {key}".lower())

    named: dict[str, Any] = {"id": ours("id"), "kind": ours("kind")}
    # A file that we wrote has no title where the source has no name: its text is the id.
    name = "" if named["id"] and "title" not in known else title
    return Feed(
        url,
        name,
        section,
        known.get("language") or None,
        type=ours("type") or "feed",
        select=_selectors(ours("select")),
        folder=ours("folder"),
        weight=_number(ours("weight"), 1.0),
        max_items=int(_number(ours("maxItems"), 0)) or None,
        line=line,
        **named,
    )


def _selectors(text: str | None) -> dict[str, str]:
    """The selectors of a file of ours; anything else stands for none, which the type then misses."""
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _number(text: str | None, default: float) -> float:
    try:
        value = float(text) if text else default
    except ValueError:
        return default
    return value if 0 <= value <= 10_000 else default
