"""An issue or a letter as what is sent: subject, preheader, HTML, text. Values in, values out."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import lru_cache
from html import unescape
from types import MappingProxyType
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from digest.blanks import Blank, blank, field_blank
from digest.compose.content import ArticleContent, IssueContent, Sponsor
from digest.compose.fitting import Lowest
from digest.compose.personal import personal
from digest.fields import IN_AN_ADDRESS, Field
from digest.templating import Templates
from digest.templating.filters import Links
from digest.templating.inspection import Document, forbidden
from digest.templating.rows import MAX_HTML
from digest.templating.text import clean, folded
from digest.theme import STANDARD, THEMES

_FILLED = 250  # bytes that a filled blank may take
_MARKDOWN = {"intro", "outro", "body", "note"}
_ADDRESSES = {"url", "web_url", "subscribe_url", "issue_url"}
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_UNREADABLE = (".webp", ".avif", ".svg", ".heic")  # not shown by Outlook on Windows

T = TypeVar("T")


@dataclass(frozen=True)
class Rendered:
    """What everybody gets, with blanks; `problems` are sentences, and mail that has some must not go out."""

    subject: str
    preheader: str
    html: str
    text: str
    problems: tuple[str, ...] = ()
    trimmed: int = 0  # articles left to the web because the HTML would be cut by mail readers
    fields: tuple[Field, ...] = ()  # what the numbered blanks stand for
    enclosed: tuple[str, ...] = ()  # file names of those of its pictures that travel in the message


Rendering = Callable[[IssueContent], Rendered]
Pictured = Callable[[Rendering], Rendering]  # the same, with the pictures where mails show them


def shown_elsewhere(rendering: Rendering) -> Rendering:
    """`Pictured` where pictures are shown from where the articles have them: as it is."""
    return rendering


def render(content: IssueContent, templates: Templates, template: str, blank_word: str) -> Rendered:
    """The issue in both parts, in one MJML compile; where the HTML is above MAX_HTML, a few more.

    The articles of the highest `rank` are then left to the web until it fits, the lead never; `trimmed` says how many.
    NotFound if there is no such template, TemplateError if it can't be rendered.
    """
    content, fields, mistakes = personal(content, blank_word)
    content = _inert(content)
    text_only = {field_blank(blank_word, number) for number, field in enumerate(fields) if not field.in_address}
    lowest = Lowest(content)
    while True:
        made = _rendered(template, _context(lowest.without(), lowest.lost), templates, blank_word, text_only)
        size = _size(made.html, blank_word)
        if size <= MAX_HTML or not lowest.lose(size, MAX_HTML):
            problems = (*made.problems, *mistakes, *_unsigned(made, content, blank_word), *_too_large(size))
            return replace(made, trimmed=lowest.lost, problems=problems, fields=fields)


def render_letter(kind: str, context: Mapping[str, object], templates: Templates, blank_word: str) -> Rendered:
    """A letter to one person, in both parts.

    Every `kind` needs site and subject; "confirm", "welcome" and "goodbye" list_title, too, "welcome" also issue_url
    and issue_title (the latest issue, or ""), "goodbye" subscribe_url, "notice" body (Markdown). All may have
    preheader, language ("en") and direction ("ltr").
    """
    given = {"language": "en", "direction": "ltr", "preheader": "", "theme": THEMES[STANDARD], **context}
    return _rendered(kind, {name: _inert_field(name, value) for name, value in given.items()}, templates, blank_word)


def _context(content: IssueContent, more: int) -> Mapping[str, object]:
    return {
        "issue": content,
        "site": content.site,
        "subject": content.subject,
        "preheader": content.preheader,
        "language": content.language,
        "direction": content.direction,
        "more": more,
        "theme": content.theme,
    }


def _rendered(
    template: str, context: Mapping[str, object], templates: Templates, word: str, text_only: Collection[str] = ()
) -> Rendered:
    blanks = {name.value: blank(word, name) for name in Blank}
    whole = {**context, "blanks": MappingProxyType(blanks), "links": Links()}
    html = templates.html(template, whole)
    text = re.sub(r"\n{3,}", "\n\n", templates.plain(template, whole, html)).strip("\n") + "\n"
    document = Document(html)
    problems = forbidden(document, tuple(blanks.values())) + _missing_links(document, text)
    if any(one in href for href, _ in document.links for one in text_only):
        problems += (IN_AN_ADDRESS,)
    return Rendered(str(context["subject"]), str(context["preheader"]), html, text, problems)


def _missing_links(document: Document, text: str) -> tuple[str, ...]:
    there = set(text.split())
    missing = dict.fromkeys(href for href, _ in document.links if href not in there)
    return tuple(f"the text part lacks a link of the HTML part: {href[:80]}" for href in missing)


def _unsigned(made: Rendered, content: IssueContent, word: str) -> Iterator[str]:
    """What the law wants in each part of an issue, and a newsroom's own template may have forgotten."""
    leave, address = blank(word, Blank.UNSUBSCRIBE), "".join(content.site.postal_address.split())
    for part, whole, words in (
        ("HTML", made.html, unescape(re.sub(r"<[^>]*>", "", made.html))),
        ("text", made.text, made.text),
    ):
        if leave not in whole:
            yield f"the {part} part has no link to unsubscribe"
        if address not in "".join(words.split()):
            yield f"the {part} part does not say the postal address"


def _size(html: str, word: str) -> int:
    return len(html.encode()) + _FILLED * html.count(f"b{word}x")


def _too_large(size: int) -> tuple[str, ...]:
    return (f"the HTML has {size:,} bytes: mail readers cut after {MAX_HTML:,}",) if size > MAX_HTML else ()


def _inert(value: T) -> T:
    """`value` with texts of one line, and without addresses that are not for the web: nothing a feed says can act."""
    return cast(T, _inert_article(value)) if isinstance(value, ArticleContent) else _inert_value(value)


@lru_cache(1_024)  # the variants of an issue have the same articles
def _inert_article(article: ArticleContent) -> ArticleContent:
    return _inert_value(article)


def _inert_value(value: T) -> T:
    if is_dataclass(value) and not isinstance(value, type):
        changes: dict[str, Any] = {}
        for field in fields(value):
            changes[field.name] = _inert_field(field.name, getattr(value, field.name))
        if isinstance(value, ArticleContent | Sponsor) and value.picture and not _shown(value.picture.url):
            changes["picture"] = None
        return replace(value, **changes)
    if isinstance(value, tuple):
        return tuple(map(_inert, value))  # type: ignore[return-value]
    return value


def _inert_field(name: str, value: object) -> object:
    if isinstance(value, str):
        if name in _ADDRESSES:
            return value if _on_the_web(value) else ""
        if name == "postal_address":
            return folded(", ".join(line.strip(" ,") for line in value.splitlines() if line.strip(" ,")))
        return clean(value) if name in _MARKDOWN else folded(value)
    return _inert(value)


def _shown(url: str) -> bool:
    """Whether mail readers show an image of this address (A-13, A-16)."""
    if not _on_the_web(url):
        return False
    parts = urlsplit(url)
    safe = parts.scheme == "https" or parts.hostname in _LOOPBACK
    return safe and not parts.path.lower().endswith(_UNREADABLE)


def _on_the_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and not re.search(r"[\s<>\"\x00-\x20]", url)
