"""Text that others wrote, made harmless: safe HTML, plain text, links as a browser reads them."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable

import nh3

from digest.gather.urls import resolve

TAGS = {"p", "a", "em", "strong", "b", "i", "ul", "ol", "li", "blockquote", "code", "pre", "br"}
# Their content is not text for a reader.
DROPPED = {"script", "style", "template", "noscript", "select", "textarea", "button", "audio", "video", "canvas"}
MAX_HTML = 200_000  # characters of one entry's markup that are looked at
MAX_DEPTH = 100  # an HTML parser's cost grows with the square of the depth
_ROUNDS = 6  # until another cleaning changes nothing; two do for honest markup

_BLOCK = re.compile(r"<(?=/?(?:p|div|br|li|ul|ol|h[1-6]|tr|td|th|dt|dd|blockquote|figure|figcaption|hr)\b)", re.I)
_CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffc]",
)
_SPACE = re.compile(r"\s+")
_REFERENCE = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)")
_UNNESTED = {"p", "li", "br", "img", "hr", "dt", "dd", "input", "source", "wbr", "col", "meta", "link"}
_ELEMENT = re.compile(r"</?([A-Za-z][A-Za-z0-9:._-]*)[^<>]*>")
# The elements of HTML; a cleaner drops all that is inside any other, though its words are text.
_NAMES = """
a abbr acronym address area article aside audio b base bdi bdo big blockquote body br button canvas caption center
cite code col colgroup data dd del details dfn dialog dir div dl dt em embed fieldset figcaption figure font footer
form h1 h2 h3 h4 h5 h6 head header hgroup hr html i iframe img input ins kbd label legend li link main map mark
menu meta meter nav noscript object ol optgroup option output p param picture pre progress q rp rt ruby s samp
script search section select small source span strike strong style sub summary sup table tbody td template textarea
tfoot th thead time title tr track tt u ul var video wbr
"""
_HTML = frozenset(_NAMES.split())
_ANY_TAG = re.compile(r"<[^<>]*>?")


def safe_html(markup: str, base: str = "") -> str:
    """`markup` reduced to paragraphs, emphasis, lists, quotes, code and links (http, https, mailto) against `base`.

    Cleaning the result again changes nothing (S-F7); what was cut at 200,000 characters ends well-formed.
    """
    if not markup:
        return ""

    def absolute(element: str, attribute: str, value: str) -> str | None:
        return resolve(base, value) or None if (element, attribute) == ("a", "href") else value

    cleaned = _CONTROL.sub(_blank, markup)
    for _ in range(_ROUNDS):
        before, cleaned = cleaned, _cleaned(cleaned, absolute)
        if cleaned == before:
            return cleaned
    return html.escape(plain_text(markup_text(markup)), quote=False)  # it never settles: that is no accident


def _cleaned(markup: str, absolute: Callable[[str, str, str], str | None]) -> str:
    return nh3.clean(
        _flat(markup),
        tags=TAGS,
        attributes={"a": {"href"}},
        url_schemes={"http", "https", "mailto"},
        attribute_filter=absolute,
        clean_content_tags=DROPPED,
        link_rel="noopener noreferrer nofollow",
    ).strip()


def markup_text(markup: str) -> str:
    """The words of `markup`, with all elements gone, still to be passed through `plain_text`."""
    if "<" not in markup:
        return html.unescape(markup)
    spaced = _BLOCK.sub(" <", markup[:MAX_HTML])
    return html.unescape(nh3.clean(_flat(spaced), tags=set(), clean_content_tags=DROPPED))


def plain_text(text: str, limit: int | None = None) -> str:
    """One line of plain text: references decoded (twice encoded ones too), no control or direction overrides.

    White space is folded; no more than `limit` graphemes, an ellipsis being the last where it was cut.
    """
    text = text[: 40 * limit + 1000] if limit else text
    for _ in range(2):
        if not _REFERENCE.search(text):
            break
        text = _REFERENCE.sub(lambda found: html.unescape(found[0]), text)
    text = text.encode("utf-8", "ignore").decode()  # lone surrogates are no text
    text = _SPACE.sub(" ", unicodedata.normalize("NFC", _CONTROL.sub(_blank, text))).strip()
    return shorten(text, limit) if limit else text


def shorten(text: str, limit: int) -> str:
    """At most `limit` graphemes (a letter with its marks, eight at most); cut after a word if one ends near."""
    kept: list[str] = []
    graphemes = marks = 0
    for character in text:
        if unicodedata.combining(character) or character in "\u200d\ufe0f":
            marks += 1
            if marks <= 8:
                kept.append(character)
            continue
        if graphemes == limit:
            cut = "".join(kept)[:-1]
            at = cut.rfind(" ", max(len(cut) - 30, 0))
            return (cut[:at] if at > 0 else cut).rstrip(" ,;:-") + "…"
        graphemes, marks = graphemes + 1, 0
        kept.append(character)
    return "".join(kept)


def _depth(markup: str) -> int:
    """How deep its elements nest at most, those aside that HTML closes by itself."""
    depth = deepest = 0
    if markup.count("<") <= MAX_DEPTH:
        return 0
    for close, name in _TAG.findall(markup):
        if name.lower() not in _UNNESTED:
            depth = max(depth - 1, 0) if close else depth + 1
            deepest = max(deepest, depth)
    return deepest


def _blank(found: re.Match[str]) -> str:
    return " " if found[0] in "\x0b\x0c\x85\u2028\u2029" else ""


def _flat(markup: str) -> str:
    """`markup` cut to what is looked at, and without any elements if they nest too deep."""
    markup = _ELEMENT.sub(lambda tag: tag[0] if tag[1].lower() in _HTML else "", markup[:MAX_HTML])
    return html.escape(html.unescape(_ANY_TAG.sub(" ", markup))) if _depth(markup) > MAX_DEPTH else markup
