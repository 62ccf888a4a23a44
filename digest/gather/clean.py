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
MAX_WORK = 500_000  # open elements, summed over all tags: a parser may open each of them again at each tag
JOINERS = "\u200d\ufe0f"  # within one grapheme as marks are
MAX_MARKS = 8  # of one letter; to bring more of them in order costs the square of their number
_ROUNDS = 6  # until another cleaning changes nothing; two do for honest markup

_BLOCK = re.compile(r"<(?=/?(?:p|div|br|li|ul|ol|h[1-6]|tr|td|th|dt|dd|blockquote|figure|figcaption|hr)\b)", re.I)
_CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffc]",
)
_SPACE = re.compile(r"\s+")
_REFERENCE = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9:._-]*+)")
# HTML closes these by itself, or they hold nothing.
_CLOSING = """
p br li dt dd td th tr thead tbody tfoot option img hr input source wbr col meta link param area embed
"""
_UNNESTED = frozenset(_CLOSING.split())
_ELEMENT = re.compile(r"</?([A-Za-z][A-Za-z0-9:._-]*+)[^<>]*+>")
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
    text = _SPACE.sub(" ", _composed(_CONTROL.sub(_blank, text))).strip()
    return shorten(text, limit) if limit else text


def shorten(text: str, limit: int) -> str:
    """At most `limit` graphemes (a letter with its marks, eight at most); cut after a word if one ends near."""
    if not _has_marks(text[: limit + 1]):
        return text if len(text) <= limit else _cut(text[:limit])
    kept: list[str] = []
    graphemes = marks = 0
    for character in text:
        if unicodedata.combining(character) or character in JOINERS:
            marks += 1
            if marks <= MAX_MARKS:
                kept.append(character)
            continue
        if graphemes == limit:
            return _cut("".join(kept))
        graphemes, marks = graphemes + 1, 0
        kept.append(character)
    return "".join(kept)


def _has_marks(text: str) -> bool:
    return not text.isascii() and (any(map(unicodedata.combining, text)) or any(map(text.__contains__, JOINERS)))


def _cut(text: str) -> str:
    """`text` with an ellipsis in place of its last letter, or of the word that it was cut in."""
    text = text[:-1]
    at = text.rfind(" ", max(len(text) - 30, 0))
    return (text[:at] if at > 0 else text).rstrip(" ,;:-") + "…"


def _composed(text: str) -> str:
    """`text` in normal form C; of a letter's marks, only the first are kept where that is needed to end in time."""
    if not _has_marks(text):
        return text
    if len(text) > 64 * MAX_MARKS:
        text = shorten(text, len(text))
    return unicodedata.normalize("NFC", text)


def _is_twisted(tags: list[tuple[str, str]]) -> bool:
    """Whether the elements of these tags nest too deep, or so many stay open that a parser would not end in time.

    Those that HTML closes by itself don't count; one that is closed under another name stays open.
    """
    if len(tags) <= MAX_DEPTH:
        return False
    depth = work = 0
    opened: dict[str, int] = {}
    for close, name in tags:
        if name not in _UNNESTED:
            if not close:
                depth, opened[name] = depth + 1, opened.get(name, 0) + 1
                if depth > MAX_DEPTH:
                    return True
            elif opened.get(name):
                depth, opened[name] = depth - 1, opened[name] - 1
        work += depth
    return work > MAX_WORK


def _blank(found: re.Match[str]) -> str:
    return " " if found[0] in "\x0b\x0c\x85\u2028\u2029" else ""


def _flat(markup: str) -> str:
    """`markup` cut to what is looked at, and without any elements where a parser would not end in time."""
    markup = markup[:MAX_HTML]
    tags = _tags(markup)
    if not {name for _, name in tags} <= _HTML:
        markup = _ELEMENT.sub(lambda tag: tag[0] if tag[1].lower() in _HTML else "", markup)
        tags = _tags(markup)
    return html.escape(html.unescape(_ANY_TAG.sub(" ", markup))) if _is_twisted(tags) else markup


def _tags(markup: str) -> list[tuple[str, str]]:
    """Its tags in order: "/" where it closes, and the name in small letters."""
    return [(close, name.lower()) for close, name in _TAG.findall(markup)]
