"""Bytes in, entries out, whatever the dialect."""

from __future__ import annotations

import html
import re
from typing import Any

from digest.gather.clean import markup_text, plain_text
from digest.gather.entries import Feed, Image
from digest.gather.feeds import pictures, times
from digest.gather.feeds.building import Raw, build, language
from digest.gather.feeds.charset import decode
from digest.gather.feeds.jsonfeed import parse_json
from digest.gather.feeds.markup import parse_markup
from digest.gather.feeds.polling import wishes
from digest.gather.urls import resolve

_OTHER_SCHEME = re.compile(r"(?!https?:)[a-z][a-z0-9+.-]*://", re.I)
_MARKUP = ("text/html", "application/xhtml+xml")


def parse(body: bytes, *, url: str = "", content_type: str | None = None) -> Feed:
    """The feed in `body`, which came from `url` with this Content-Type; any bytes give a Feed, perhaps with problems.

    What is no feed has kind "" and a problem that says what it is. Bounded in time and memory by `feeds.caps`.
    """
    text, _ = decode(body, content_type)
    beginning = text[:2_000].lstrip("\ufeff \t\r\n")
    if beginning.startswith(("{", "[")):
        return parse_json(text.lstrip("\ufeff"), url)
    parsed = parse_markup(text, url)
    feed = parsed.feed
    base = url or _plain(feed, "link")
    spoken = _plain(feed, "language") or None
    dated = not parsed.version.startswith("atom1")
    entries = tuple(build(_raw(entry, base, spoken, dated=dated)) for entry in parsed.entries)
    kind = parsed.version or ("unknown" if entries else "")
    problems = tuple(parsed.problems) if kind else (*_instead(beginning), *parsed.problems)
    asked = wishes(feed)
    return Feed(
        kind,
        _title(feed)[:300],
        language(_plain(feed, "language")),
        entries,
        problems,
        ttl_s=asked.ttl_s,
        skip_hours=asked.skip_hours,
        skip_days=asked.skip_days,
    )


def _instead(beginning: str) -> tuple[str, ...]:
    start = beginning[:300].lower()
    if not start:
        return ("expected a feed, got nothing",)
    if "<!doctype html" in start or "<html" in start:
        return ("expected a feed, got an HTML page",)
    return ("expected a feed, got something else",)


def _raw(entry: dict[str, Any], base: str, spoken: str | None, *, dated: bool) -> Raw:
    """What an entry offers; `dated` where the one date of an entry (dc:date in RSS) is that of publication."""
    title = entry.get("title_detail") or {}
    base = resolve(base, str(title.get("base") or "")) or base
    updated = _time(entry, "updated_parsed")
    contents = [content for content in _list(entry, "content") if isinstance(content, dict)]
    return Raw(
        id=_plain(entry, "id"),
        link=_link(entry),
        base=base,
        title=_plain(entry, "title"),
        title_is_markup=str(title.get("type", "")) in _MARKUP,
        summary=_summary(entry),
        content="\n".join(_markup(content) for content in contents),
        published=_time(entry, "published_parsed") or _time(entry, "created_parsed") or (updated if dated else None),
        updated=updated,
        authors=_authors(entry),
        categories=[str(tag.get("label") or tag.get("term") or "") for tag in _list(entry, "tags")],
        image=_image(entry, base),
        language=str(title.get("language") or "") or spoken,
    )


def _link(entry: dict[str, Any]) -> str:
    """The entry's page: its link, else rel=alternate before any other that is no enclosure, else a permanent id."""
    links = [link for link in _list(entry, "links") if link.get("href")]
    written = _plain(entry, "link")
    if written and not _OTHER_SCHEME.match(written):
        return written
    for wanted in ("alternate", "via", "related"):
        for link in links:
            if link.get("rel", "alternate") == wanted:
                return str(link["href"])
    name = written or _plain(entry, "id")
    return name if written or (name.startswith(("http://", "https://")) and entry.get("guidislink")) else ""


def _summary(entry: dict[str, Any]) -> str:
    detail = entry.get("summary_detail") or {}
    return _markup({"value": _plain(entry, "summary"), "type": detail.get("type", "text/html")})


def _markup(content: dict[str, Any]) -> str:
    value = str(content.get("value") or "")
    return html.escape(value, quote=False) if content.get("type") == "text/plain" else value


def _authors(entry: dict[str, Any]) -> list[str]:
    people = [str(author.get("name") or "") for author in _list(entry, "authors") if author.get("name")]
    written = _plain(entry, "author")
    return people or ([written] if written else [])


def _image(entry: dict[str, Any], base: str) -> Image | None:
    found = pictures.offered(_list(entry, "digest_pictures"), entry.get("digest_words") or {}, base)
    if found:
        return found
    for link in _list(entry, "links"):
        if link.get("rel") == "enclosure" and str(link.get("type", "")).startswith("image/"):
            return pictures.named(str(link.get("href", "")), base)
    shown = entry.get("image")
    return pictures.named(str(shown.get("href") or ""), base) if isinstance(shown, dict) else None


def _time(entry: dict[str, Any], key: str) -> Any:
    # Not `entry.get`: feedparser's dictionary answers for one time with another.
    written = dict.get(entry, key.removesuffix("_parsed"))
    return times.from_struct(dict.get(entry, key)) or times.from_text(written)


def _title(feed: dict[str, Any]) -> str:
    detail = feed.get("title_detail") or {}
    title = _plain(feed, "title")
    return plain_text(markup_text(title) if detail.get("type") in _MARKUP else title, 300)


def _plain(holder: dict[str, Any], key: str) -> str:
    value = holder.get(key)
    return value if isinstance(value, str) else ""


def _list(holder: dict[str, Any], key: str) -> list[Any]:
    value = holder.get(key)
    return value if isinstance(value, list) else []
