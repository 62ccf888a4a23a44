"""RSS 0.9x, 1.0, 2.0 and Atom: feedparser's readers, driven by ourselves so that caps hold and links are WHATWG's."""

from __future__ import annotations

import io
import re
import xml.sax
import xml.sax.handler
import xml.sax.saxutils
import xml.sax.xmlreader
from dataclasses import dataclass, field
from typing import Any

from feedparser.api import LooseFeedParser, StrictFeedParser
from feedparser.sanitizer import replace_doctype

from digest.gather.feeds import caps
from digest.gather.feeds.caps import TooMuch, limited
from digest.gather.urls import is_absolute, resolve

_DECLARATION = re.compile(r"^\s*<\?xml\b[^>]{0,1000}\?>")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_HALF = r"&#([xX]0{0,6}[dD][89a-fA-F][0-9a-fA-F]{2}|55[3-9]\d\d|5529[6-9]|56\d{3}|57[0-2]\d\d|573[0-3]\d|5734[0-3]);"
_SURROGATES = re.compile(f"{_HALF}(?:{_HALF})?")
_NAKED = frozenset(("p", "b", "i", "em", "strong", "span", "u", "small", "br"))
_PLAIN_WORDS = frozenset(("category", "author", "name", "published", "updated", "id", "language"))


@dataclass
class Parsed:
    """What feedparser's readers found: its own dictionaries."""

    version: str
    feed: dict[str, Any]
    entries: list[dict[str, Any]]
    problems: list[str] = field(default_factory=list)
    refused: bool = False  # nothing of it was read


class _Capped:
    """Laid over a reader: counts what it costs, keeps pictures together with their words, resolves links."""

    elements = 0
    references = 0
    picture: dict[str, Any] | None = None

    def _above(self) -> Any:
        return super()

    def unknown_starttag(self: Any, tag: str, attrs: list[tuple[str, str]]) -> None:
        self.elements += 1
        if self.elements > caps.MAX_ELEMENTS:
            raise TooMuch(f"it has more than {caps.MAX_ELEMENTS:,} elements")
        if self.depth > caps.MAX_DEPTH and not self.incontent:
            raise TooMuch(f"its elements are nested deeper than {caps.MAX_DEPTH}")
        if not self._is_naked(tag):
            self._above().unknown_starttag(tag, attrs)

    def unknown_endtag(self: Any, tag: str) -> None:
        if not self._is_naked(tag):
            self._above().unknown_endtag(tag)

    def _is_naked(self: Any, tag: str) -> bool:
        """Markup, not escaped, in an element that holds plain words: only its words count."""
        return (
            tag in _NAKED
            and not self.incontent
            and bool(self.elementstack)
            and self.elementstack[-1][0] in _PLAIN_WORDS
        )

    def handle_entityref(self: Any, ref: str) -> None:
        self._count_reference()
        self._above().handle_entityref(ref)

    def handle_charref(self: Any, ref: str) -> None:
        self._count_reference()
        self._above().handle_charref(ref)

    def handle_data(self: Any, text: str, escape: int = 1) -> None:
        # As feedparser's, without its dictionary's slow look-up for each line of text.
        if self.elementstack:
            xhtml = escape and dict.get(self.contentparams, "type") == "application/xhtml+xml"
            self.elementstack[-1][2].append(xml.sax.saxutils.escape(text) if xhtml else text)

    def _count_reference(self: Any) -> None:
        self.references += 1
        if self.references > caps.MAX_REFERENCES:
            raise TooMuch(f"it has more than {caps.MAX_REFERENCES:,} references")

    def _sync_author_detail(self: Any, key: str = "author") -> None:
        context = self._get_context()
        if isinstance(written := dict.get(context, key), str):
            context[key] = written[: caps.MAX_AUTHOR]
        self._above()._sync_author_detail(key)

    def track_namespace(self: Any, prefix: str | None, uri: str) -> None:
        if len(self.namespaces_in_use) > caps.MAX_NAMESPACES:
            raise TooMuch(f"it declares more than {caps.MAX_NAMESPACES} namespaces")
        self._above().track_namespace(prefix, uri)

    def _add_tag(self: Any, term: str, scheme: str | None, label: str | None) -> None:
        tags = dict.setdefault(self._get_context(), "tags", [])
        if len(tags) < caps.MAX_TAGS and (term or scheme or label):
            self._above()._add_tag(term, scheme, label)

    def resolve_uri(self: Any, uri: str) -> str:
        # An absolute one stays as it is written: identifiers are compared exactly (E-11).
        return uri if is_absolute(uri) else resolve(self.baseuri or "", uri) or uri

    def _start_link(self: Any, attrs: dict[str, str]) -> None:
        # The text of RSS's link is the address; feedparser would take an attribute that only looks like one.
        attrs.pop("uri", None)
        self._above()._start_link(attrs)

    def _end_source(self: Any) -> None:
        # As feedparser's, which would copy all that any source of the entry said, deeply, for each of them.
        self.insource = 0
        name = self.pop("source")
        if name:
            self.sourcedata["title"] = name
        self._get_context()["source"] = dict(self.sourcedata)
        self.sourcedata.clear()

    def _picture(self: Any, attrs: dict[str, str]) -> None:
        if self.inentry and not self.insource:
            self.picture = dict(attrs)
            self.entries[-1].setdefault("digest_pictures", []).append(self.picture)

    def _start_media_content(self: Any, attrs: dict[str, str]) -> None:
        self._picture(attrs)
        self._above()._start_media_content(attrs)

    def _start_media_thumbnail(self: Any, attrs: dict[str, str]) -> None:
        whole = self.picture
        self._picture({**attrs, "thumbnail": "yes"})
        if whole is not None and "thumbnail" not in whole:
            self.picture = whole  # words that follow are about the picture, not about its small copy
        self._above()._start_media_thumbnail(attrs)

    def _end_media_credit(self: Any) -> None:
        self._words("credit")
        self._above()._end_media_credit()

    def _end_media_description(self: Any) -> None:
        self._words("description")
        self._above()._end_media_description()

    def _end_media_title(self: Any) -> None:
        self._words("title")
        self._above()._end_media_title()

    def _words(self: Any, key: str) -> None:
        if not (self.inentry and self.entries and self.elementstack):
            return
        pieces = self.elementstack[-1][2]
        words = "".join(piece.decode("utf-8", "ignore") if isinstance(piece, bytes) else piece for piece in pieces)
        holder = self.picture if self.picture is not None else self.entries[-1].setdefault("digest_words", {})
        holder.setdefault(key, words)

    def _end_hour(self: Any) -> None:
        self._skipped("digest_hours", self.pop("hour"))

    def _end_day(self: Any) -> None:
        self._skipped("digest_days", self.pop("day"))

    def _skipped(self: Any, key: str, value: str | None) -> None:
        found = self.feeddata.setdefault(key, [])
        if value and not self.inentry and len(found) < caps.MAX_SKIPPED:
            found.append(value)

    def _start_item(self: Any, attrs: dict[str, str]) -> None:
        self.picture = None
        self._above()._start_item(attrs)

    _start_entry = _start_item


def _reader(name: str, parent: Any) -> Any:
    return type(name, (_Capped, parent), {"resolve_relative_uris": False, "sanitize_html": False})


_Strict = _reader("_Strict", StrictFeedParser)
_Loose = _reader("_Loose", LooseFeedParser)


def parse_markup(text: str, base: str) -> Parsed:
    """Every entry of an XML feed, well-formed or not, within the caps; no network, no file, no entity of the feed's own
    making beyond a single character or word."""
    problems: list[str] = []
    try:
        text = limited(_CONTROL.sub("", _SURROGATES.sub(_character, _DECLARATION.sub("", text).lstrip())), problems)
    except TooMuch as error:
        return Parsed("", {}, [], [f"refused: {error}"], refused=True)
    version, data, entities = replace_doctype(text.encode())
    reader = _Strict(base, None, "utf-8")
    try:
        _read_strictly(reader, data)
    except TooMuch as error:
        problems.append(f"read in part: {error}")
    except Exception as error:
        problems.append(f"not well-formed: {_told(error)}")
        reader = _Loose(base, None, "utf-8", entities)
        _read_loosely(reader, data.decode("utf-8", "replace"), problems)
    return Parsed(version or reader.version, reader.feeddata, reader.entries, problems)


def _read_strictly(reader: Any, data: bytes) -> None:
    sax = xml.sax.make_parser()  # noqa: S317 - entities and the DTD are gone by now, and external ones are switched off
    sax.setFeature(xml.sax.handler.feature_namespaces, True)
    sax.setFeature(xml.sax.handler.feature_external_ges, False)
    sax.setFeature(xml.sax.handler.feature_external_pes, False)
    sax.setContentHandler(reader)
    sax.setErrorHandler(reader)
    source = xml.sax.xmlreader.InputSource()
    source.setByteStream(io.BytesIO(data))
    source.setEncoding("utf-8")
    sax.parse(source)


def _read_loosely(reader: Any, text: str, problems: list[str]) -> None:
    if text.count("<") > caps.MAX_SIGNS_LOOSE:
        problems.append(f"not read further: it has more than {caps.MAX_SIGNS_LOOSE:,} tags and is not well-formed")
        return
    try:
        reader.feed(text)
    except TooMuch as error:
        problems.append(f"read in part: {error}")
    except Exception as error:
        # The loose reader meets any bytes; what it found before it gave up is still good.
        problems.append(f"read in part: {_told(error)}")


def _character(found: re.Match[str]) -> str:
    """What two references to halves of a surrogate pair stand for: no XML has them, but feeds do."""
    halves = [int(number[1:], 16) if number[0] in "xX" else int(number) for number in found.groups() if number]
    return b"".join(half.to_bytes(2, "big") for half in halves).decode("utf-16-be", "replace")


def _told(error: Exception) -> str:
    if isinstance(error, xml.sax.SAXParseException):
        return f"{error.getMessage()} (line {error.getLineNumber()})"
    return f"{type(error).__name__}: {error}"[:200]
