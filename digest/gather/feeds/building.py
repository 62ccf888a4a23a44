"""One entry from what any dialect offers: cleaning, identity, dek, kicker, bylines."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from digest.gather.clean import MAX_HTML, markup_text, plain_text, safe_html
from digest.gather.entries import Entry, Image
from digest.gather.feeds import pictures
from digest.gather.feeds.bylines import bylines
from digest.gather.feeds.kickers import kicker
from digest.gather.hosts import without_user
from digest.gather.urls import canonical_url, resolve

MAX_TITLE = 300  # graphemes (S-F8)
MAX_DEK = 400
MAX_CATEGORIES = 30
MAX_URL = 4_000
MAX_ID = 1_000  # bytes; PostgreSQL can't index more than 2,700

# What blog software hangs on to a summary, in the languages that WordPress is most used in.
_TAIL = re.compile(
    r"\s*(?:(?:The post|L.(?:articolo|article)|Der Beitrag|La entrada|O post|Het bericht|Artykuł|Inlägget) .{1,400} "
    r"(?:appeared first on|first appeared on|sembra essere il primo su|proviene da|est apparu en premier sur"
    r"|erschien zuerst auf|(?:se publicó|aparece) primero en|apareceu primeiro em|verscheen eerst op"
    r"|pochodzi z serwisu|dök först upp på) .*"
    r"|(?:Continue|Read) (?:reading|more)\b.{0,200}"
    r"|(?:Leggi tutto|Continua a leggere|Lire la suite|Weiterlesen|Seguir leyendo|Leer más|Leia mais|Lees verder)\b"
    r".{0,80}"
    r"|submitted by /u/\S+(?: \[link\])?(?: \[comments\])?)$"
)
_NO_WORDS = re.compile(r"(?:Comments|\[link\]|Link|\W)*")
_ENDED = re.compile(r"([.!?])\s*(?:\[\s*(?:…|\.{3})\s*\]|\(\s*(?:…|\.{3})\s*\)|\.{3}|…)$")
_MORE = re.compile(r"\s*(?:\[\s*(?:…|\.{3})\s*\]|\(\s*(?:…|\.{3})\s*\)|\.{3})$")
_UNSAFE = re.compile(r"(?:javascript|vbscript|data|file|blob):", re.I)


@dataclass
class Raw:
    """An entry as its dialect gives it; `summary` and `content` are markup."""

    id: str = ""
    link: str = ""
    base: str = ""
    text_base: str = ""  # of its summary and content, where `xml:base` gives them another
    title: str = ""
    title_is_markup: bool = False
    summary: str = ""
    content: str = ""
    published: datetime | None = None
    updated: datetime | None = None
    authors: Sequence[str] = ()
    categories: Sequence[str] = ()
    image: Image | None = None
    language: str | None = None


def build(raw: Raw, most: int = MAX_HTML) -> Entry:
    """The entry, cleaned; every text is bounded, and no more than `most` characters of its markup are looked at."""
    summary, content = _storable(raw.summary[:most]), _storable(raw.content[:most])
    url = _address(raw)
    title = plain_text(markup_text(raw.title) if raw.title_is_markup else raw.title, MAX_TITLE)
    categories = tuple(dict.fromkeys(filter(None, (plain_text(text, 120) for text in raw.categories))))[:MAX_CATEGORIES]
    title, kind, section = kicker(title, categories)
    text_base = raw.text_base or raw.base
    summary_html = safe_html(summary or content, text_base)
    text = markup_text(content or summary)
    image = raw.image or pictures.in_content(content, text_base) or pictures.in_content(summary, text_base)
    return Entry(
        id=_name(raw.id) or url or _fallback_id(title, raw.published),
        url=url,
        canonical_url=canonical_url(url) if url else "",
        title=title,
        published=raw.published,
        updated=raw.updated,
        bylines=bylines(raw.authors, text),
        categories=categories,
        summary_html=summary_html,
        dek=dek(summary_html),
        kind=kind,
        section=section,
        image=image,
        language=language(raw.language),
    )


def dek(summary_html: str) -> str:
    """The summary as one plain line of at most 400 graphemes, without what blog software hangs on to it.

    Empty where nothing is left that tells anything.
    """
    text = plain_text(markup_text(summary_html[:20_000]), 4 * MAX_DEK)
    text = _MORE.sub("…", _ENDED.sub(r"\1", _TAIL.sub("", text)))
    return "" if _NO_WORDS.fullmatch(text) else plain_text(text, MAX_DEK)


def language(tag: str | None) -> str | None:
    """A language tag in its usual letters ("en-US"), or None if it is no tag."""
    found = re.fullmatch(
        r"([A-Za-z]{2,3})(?:[-_]([A-Za-z]{4}))?(?:[-_]([A-Za-z]{2}|\d{3}))?(?:[-_].*)?", (tag or "").strip()
    )
    if not found:
        return None
    script = f"-{found[2].title()}" if found[2] else ""
    return found[1].lower() + script + (f"-{found[3].upper()}" if found[3] else "")


def _address(raw: Raw) -> str:
    """The link as a browser resolves it; as written where there is no base for it; none that would run a script."""
    link = _storable(raw.link).strip()
    found = (resolve(raw.base, link) or link) if link else ""
    return "" if _UNSAFE.match(found) or len(found) > MAX_URL else without_user(found)


def _name(given: str) -> str:
    """The feed's id, exactly; one that is longer than any honest one by its hash."""
    name = _storable(given).strip()
    whole = name.encode()
    return name if len(whole) <= MAX_ID else "sha256:" + hashlib.sha256(whole).hexdigest()


def _storable(text: str) -> str:
    """`text` without what no database takes: NUL and half a surrogate pair, which JSON can spell."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _fallback_id(title: str, published: datetime | None) -> str:
    if not title and not published:
        return ""
    return "sha256:" + hashlib.sha256(f"{title}\n{published}".encode()).hexdigest()
