"""Sitemaps (sitemaps.org 0.9) and news sitemaps: addresses with dates, and with what Google's extensions add."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from xml.parsers import expat

from digest.gather.clean import plain_text
from digest.gather.decoding import Decoder, TooLarge, Undecodable
from digest.gather.entries import Entry, Feed, Image
from digest.gather.feeds import caps, pictures, times
from digest.gather.feeds.building import Raw, build, language
from digest.gather.feeds.charset import decode
from digest.gather.hosts import without_secrets, without_user
from digest.gather.kinds.slugs import slug_title
from digest.gather.outcomes import Part
from digest.gather.urls import resolve, web

MAX_URLS = 50_000  # what the protocol allows in one file
MAX_KEPT = caps.MAX_ENTRIES
MAX_PARTS = 5  # newest sitemaps of an index that are asked
_MAX_ELEMENTS = 1_500_000
_MAX_DEPTH = 30
_MAX_TEXT = 10_000
_OPENING = re.compile(
    r"(?:<\?[^>]{0,500}\?>|<!--.{0,5000}?-->|\s)*<(?:[\w.-]{1,40}:)?(urlset|sitemapindex)[\s>/]", re.S
)
_DECLARATION = re.compile(r"^\s*<\?xml\b[^>]{0,1000}\?>")
_OLDEST = datetime.min.replace(tzinfo=UTC)


@dataclass
class _Place:
    """One <url> or <sitemap>: texts by "parent name", without prefixes."""

    texts: dict[str, str] = field(default_factory=dict)
    is_news: bool = False

    def text(self, name: str) -> str:
        return self.texts.get(name, "").strip()

    @property
    def changed(self) -> datetime | None:
        return times.from_text(self.text("url lastmod") or self.text("sitemap lastmod"))

    @property
    def published(self) -> datetime | None:
        return times.from_text(self.text("news publication_date"))

    @property
    def newest(self) -> datetime:
        return self.published or self.changed or _OLDEST


@dataclass
class _Read:
    root: str = ""
    places: list[_Place] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def is_sitemap(body: bytes, content_type: str | None = None) -> bool:
    """Whether `body` begins like a sitemap or a sitemap index."""
    try:
        beginning = _inflated(body[:65_536], whole=False)[:8_192]
    except (TooLarge, Undecodable):
        return False
    return bool(_OPENING.match(decode(beginning, content_type)[0].lstrip("\ufeff")))


def newest_parts(body: bytes, url: str, content_type: str | None = None) -> tuple[list[str], bool]:
    """The addresses of the at most five newest sitemaps of an index, newest first; and whether all sitemaps are dated.

    A body that is no index has none. An index may only name sitemaps over http and https.
    """
    read = _read(body, content_type)
    if read.root != "sitemapindex":
        return [], False
    # Of undated ones the last: indexes grow at their end.
    ordered = sorted(read.places, key=lambda place: place.newest)[::-1]
    found = [web(resolve(url, place.text("sitemap loc"))) for place in ordered]
    return list(dict.fromkeys(filter(None, found)))[:MAX_PARTS], all(place.changed for place in read.places)


def read_sitemap(body: bytes, *, url: str = "", content_type: str | None = None, parts: Sequence[Part] = ()) -> Feed:
    """The pages of a sitemap, or of an index's `parts`: the newest 2,000; those without a title have one of their slug.

    Such an entry is `thin`; a page whose address holds fewer than two words is none. Compressed bodies are unpacked.
    """
    first = _read(body, content_type)
    if first.root == "sitemapindex":
        return _together(url, parts, first.problems)
    if first.root != "urlset":
        instead = first.problems or ["expected a sitemap (<urlset> or <sitemapindex>), got something else"]
        return Feed("", problems=tuple(instead))
    newest = sorted(first.places, key=lambda place: place.newest, reverse=True)
    if len(newest) > MAX_KEPT:
        first.problems.append(f"only the newest {MAX_KEPT:,} of {len(newest):,} addresses were read")
    entries = tuple(entry for place in newest[:MAX_KEPT] for entry in _entries(place, url))
    news = [place for place in first.places if place.is_news]
    spoken = language(news[0].text("publication language")) if news else None
    return Feed(
        "newssitemap" if news else "sitemap",
        plain_text(news[0].text("publication name"), 300) if news else "",
        spoken,
        entries,
        tuple(first.problems),
    )


def _together(url: str, parts: Sequence[Part], problems: list[str]) -> Feed:
    if not parts:
        return Feed("sitemapindex", problems=tuple(problems))
    feeds = [
        read_sitemap(part.body, url=without_user(part.url), content_type=part.content_type) if part.body else Feed("")
        for part in parts
    ]
    said = [part.problem for part in parts if part.problem]
    said += [
        f"{without_secrets(part.url)}: {problem}"
        for part, feed in zip(parts, feeds, strict=True)
        for problem in feed.problems
    ]
    if not any(feed.kind for feed in feeds):
        return Feed("", problems=(*said, *problems))
    entries = {entry.url: entry for feed in feeds for entry in feed.entries}
    newest = sorted(entries.values(), key=lambda entry: entry.published or _OLDEST, reverse=True)[:MAX_KEPT]
    titled = next((feed for feed in feeds if feed.title), Feed(""))
    kind = "newssitemap" if any(feed.kind == "newssitemap" for feed in feeds) else "sitemap"
    return Feed(kind, titled.title, titled.language, tuple(newest), (*problems, *said))


def _entries(place: _Place, base: str) -> Iterator[Entry]:
    address = place.text("url loc")
    title = place.text("news title")
    written = title or slug_title(address)
    if not web(resolve(base, address)) or not written:
        return
    entry = build(
        Raw(
            id=address,
            link=address,
            base=base,
            title=html.unescape(written) if title else written,
            published=place.published or place.changed,
            updated=place.changed,
            categories=[word.strip() for word in place.text("news keywords").split(",")],
            image=_image(place, base),
            language=place.text("publication language"),
        )
    )
    yield entry if title else replace(entry, title=entry.title or written, thin=True)


def _image(place: _Place, base: str) -> Image | None:
    address = place.text("image loc")
    words = place.text("image caption") or place.text("image title")
    return pictures.named(address, base, html.escape(words)) if address else None


def _read(body: bytes, content_type: str | None) -> _Read:
    """Every <url> or <sitemap> with its texts; what was read before a mistake stays."""
    read = _Read()
    try:
        text, _ = decode(_inflated(body, whole=True), content_type)
    except (TooLarge, Undecodable) as error:
        read.problems.append(f"it was not read: {error}")
        return read
    if len(text) > caps.MAX_CHARACTERS:
        read.problems.append(f"refused: larger than {caps.MAX_CHARACTERS:,} characters")
        return read
    reader = _Reader(read)
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.words
    try:
        parser.Parse(_DECLARATION.sub("", text.lstrip("\ufeff")).strip().encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        read.problems.append(f"not well-formed: {error}")
    except caps.TooMuch as error:
        read.problems.append(f"read in part: {error}")
    return read


def _inflated(body: bytes, *, whole: bool) -> bytes:
    """A body that is a gzip file (sitemap.xml.gz), unpacked within the caps; any other as it is."""
    if not body.startswith(b"\x1f\x8b"):
        return body
    decoder = Decoder("gzip", len(body), caps.MAX_CHARACTERS)
    decoder.feed(body)
    return decoder.result() if whole else decoder.so_far()


class _Reader:
    """What expat calls. Elements are told by their local names: prefixes are declared wrongly, or not at all."""

    def __init__(self, read: _Read) -> None:
        self._read = read
        self._path: list[str] = []
        self._pieces: list[str] = []
        self._size = self._elements = 0

    def refuse(self, *doctype: object) -> None:
        raise caps.TooMuch("it has a document type (<!DOCTYPE ...>), which no sitemap needs")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(":")[2].lower()
        self._elements += 1
        if self._elements > _MAX_ELEMENTS or len(self._path) > _MAX_DEPTH:
            raise caps.TooMuch(f"it has more than {_MAX_ELEMENTS:,} elements, or some deeper than {_MAX_DEPTH}")
        self._read.root = self._read.root or local
        if len(self._path) == 1 and local in ("url", "sitemap"):
            if len(self._read.places) >= MAX_URLS:
                raise caps.TooMuch(f"it has more than {MAX_URLS:,} addresses")
            self._read.places.append(_Place())
        elif local == "news" and self._read.places:
            self._read.places[-1].is_news = True
        self._path.append(local)
        self._pieces, self._size = [], 0

    def words(self, text: str) -> None:
        self._size += len(text)
        if self._size <= _MAX_TEXT:
            self._pieces.append(text)

    def end(self, name: str) -> None:
        local = self._path.pop()
        if len(self._path) >= 2 and self._pieces and self._read.places:
            # The first image is the article's own.
            self._read.places[-1].texts.setdefault(f"{self._path[-1]} {local}", "".join(self._pieces))
        self._pieces, self._size = [], 0
