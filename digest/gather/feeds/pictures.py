"""An entry's lead image: the largest that the feed offers, with its words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import unescape
from typing import Any

from digest.gather.clean import markup_text, plain_text
from digest.gather.entries import Image
from digest.gather.urls import host, resolve, web

LOOKED_AT = 100_000  # characters of content that are searched for an <img>
SMALL = 50  # pixels: smaller ones are counters, icons and buttons
MAX_WORDS = 300
MAX_URL = 2_000

_ATTRIBUTE = re.compile(r"""([a-zA-Z:-]{1,30})\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
_SUFFIX = re.compile(r"\.(?:jpe?g|png|gif|webp|avif)(?:$|[?#])", re.I)
_COUNTERS = (
    "feeds.feedburner.com", "feedsportal.com", "doubleclick.net", "stats.wordpress.com", "pixel.wp.com", "feedads.",
    "scorecardresearch.com", "google-analytics.com", "quantserve.com", "s.w.org", "counter.theconversation.com",
)  # fmt: skip
# What is no picture of the article: buttons of networks, faces that a blog keeps for its authors.
_BUTTON = re.compile(
    r"[/_-](?:twitter|facebook|linkedin|pinterest|whatsapp|reddit|google|email|share|rss|feed)[_-]?"
    r"(?:icon|logo|button|share)?(?:[_-](?:icon|logo|button|large|small|\d+))*\.(?:png|gif|jpe?g|svg|webp)$|"
    r"gravatar\.com/avatar/",
    re.I,
)
_CREDIT = re.compile(
    r"(?:\b(?:photo|image|picture|foto)\b\s*(?:credit|courtesy|by|via)?|\b(?:credit|courtesy)|©|\(c\))[:\s]\s*(.{2,120})$",
    re.I,
)


def offered(pictures: Iterable[Mapping[str, Any]], words: Mapping[str, str], base: str) -> Image | None:
    """The widest image among media:content and media:thumbnail; the whole before its small copy, else the first."""
    best: tuple[tuple[bool, int], Image] | None = None
    for picture in pictures:
        url = _address(base, str(picture.get("url") or picture.get("href") or ""))
        width, height = pixels(picture.get("width")), pixels(picture.get("height"))
        if not url or not _is_image(picture, url) or _is_small(width, height) or _BUTTON.search(url):
            continue
        own = {**words, **{key: picture[key] for key in ("title", "description", "credit") if picture.get(key)}}
        rank = ("thumbnail" not in picture, width or 0)
        if best is None or rank > best[0]:
            alt = own.get("description") or own.get("title") or ""
            best = (rank, Image(url, _words(alt), _words(own.get("credit", "")), width, height))
    return best[1] if best else None


def named(url: str, base: str, alt: str = "") -> Image | None:
    """The image that an element names by its URL alone: an enclosure, itunes:image, a JSON Feed's image."""
    found = _address(base, url)
    return Image(found, _words(alt)) if found else None


def in_content(markup: str, base: str) -> Image | None:
    """The first image of `markup` that is none of the usual counters and buttons, with its caption's credit."""
    markup = markup[:LOOKED_AT]
    lower = markup.lower()
    at = 0
    for _ in range(10):
        at = lower.find("<img", at)
        end = lower.find(">", at)
        if at < 0 or end < 0:
            return None
        image = _from_tag(markup[at : min(end, at + 5_000)], base)
        if image:
            return Image(image.url, image.alt, _caption_credit(markup, lower, end), image.width, image.height)
        at = end
    return None


def pixels(value: object) -> int | None:
    """A number of pixels as an attribute gives it, or None."""
    found = re.match(r"\s*(\d{1,5})(?:px)?\s*$", str(value or ""))
    return int(found[1]) or None if found else None


def _from_tag(tag: str, base: str) -> Image | None:
    given = {name.lower(): unescape(a or b or c) for name, a, b, c in _ATTRIBUTE.findall(tag)}
    source = given.get("src", "")
    if not source or source.startswith("data:"):
        source = given.get("data-src", "")
    width, height = pixels(given.get("width")), pixels(given.get("height"))
    url = _address(base, source)
    if not url or _is_small(width, height) or _BUTTON.search(url) or any(name in host(url) for name in _COUNTERS):
        return None
    return Image(url, _words(given.get("alt", "")), "", width, height)


def _caption_credit(markup: str, lower: str, after: int) -> str:
    start = lower.find("<figcaption", after)
    end = lower.find("</figcaption", start)
    if start < 0 or end < 0 or start - after > 2_000 or "<img" in lower[after:start]:
        return ""
    caption = plain_text(markup_text(markup[start:end]), MAX_WORDS)
    found = _CREDIT.search(caption) or re.search(r"\(([^()]{2,120})\)\s*$", caption)
    return found[1].strip(" ()") if found else caption if len(caption) <= 80 else ""


def _address(base: str, url: str) -> str:
    found = web(resolve(base, url.strip())) if url.strip() else ""
    return found if len(found) <= MAX_URL else ""


def _is_image(picture: Mapping[str, Any], url: str) -> bool:
    medium, kind = picture.get("medium"), str(picture.get("type") or "")
    if medium or kind:
        return medium == "image" or kind.startswith("image/")
    return "thumbnail" in picture or bool(_SUFFIX.search(url))


def _is_small(width: int | None, height: int | None) -> bool:
    return (width is not None and width < SMALL) or (height is not None and height < SMALL)


def _words(text: str) -> str:
    return plain_text(markup_text(text), MAX_WORDS)
