"""The rows A of docs/standards.md over the finished bytes of a mail: what is said of it, by row. Values in, values out.

A-19 is of pages, and A-17's scrolling and A-18's look are seen in a browser alone: tests look there.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from urllib.parse import urlsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

from digest.templating.clients import ELEMENTS, unsupported
from digest.templating.inspection import Document, forbidden
from digest.templating.reading import Words, declared, is_hidden, tree, words
from digest.templating.text import columns
from digest.theme import LEAST_CONTRAST, contrast, inverted

MAX_HTML = 90_000  # bytes; Gmail cuts at about 102,000
WIDEST = 640  # pixels of a column; 600 is usual
PREHEADER = (40, 110)  # characters

_LARGE = LEAST_CONTRAST - 1.5  # contrast of large text
_SMALLEST = 14  # pixels
_FINGER = 44  # pixels
_MEANINGLESS = {"read more", "click here", "here", "more", "link", "read", "this", "continue reading"}
_LEFTWARDS = {"ar", "fa", "he", "ur", "yi", "ps", "sd", "ug", "dv", "ckb"}
_UNSHOWN = (".webp", ".avif", ".svg", ".heic")
_LEAVING = re.compile(r"/(?:unsubscribe|preferences)/|^b[a-z0-9]+x(?:unsubscribe|preferences)x$")
_TABLE = re.compile(r"<table\b[^>]*>", re.IGNORECASE)
_RULE = re.compile(r"\{([^{}]*)\}")
_TEST = "[Test] "

Found = Iterator[tuple[str, str]]


@dataclass(frozen=True)
class Mail:
    """What a reader gets, as far as these rows go; `blanks` are addresses that are filled in later."""

    subject: str
    html: str
    text: str
    blanks: tuple[str, ...] = ()
    issue: bool = True  # False: a letter, whose first sentence is its preheader

    @cached_property
    def tree(self) -> LexborHTMLParser:
        """The HTML as a tree."""
        return tree(self.html)

    @cached_property
    def words(self) -> tuple[Words, ...]:
        """Everything that is seen of it."""
        return tuple(words(self.tree))

    def all(self, selector: str) -> list[LexborNode]:
        """The elements that a CSS selector finds."""
        return list(self.tree.css(selector))


def failures(mail: Mail) -> list[tuple[str, str]]:
    """(row, what) of every row that `mail` breaks, each once, by row; [] for a good mail."""
    return sorted({found for check in _CHECKS for found in check(mail)})


def _language(mail: Mail) -> Found:
    root = mail.tree.root
    said = _attributes(root) if root is not None and root.tag == "html" else {}
    language, direction = said.get("lang", ""), said.get("dir", "")
    if not language or direction not in {"ltr", "rtl"}:
        yield "A-01", f"<html>: expected lang and dir, got lang={language!r} dir={direction!r}"
        return
    inside = [(_attributes(one).get("lang"), _attributes(one).get("dir")) for one in mail.all("body > *[lang][dir]")]
    if (language, direction) not in inside:
        yield "A-01", "no element around the body's content repeats lang and dir: web mail drops those of <html>"
    if (language.partition("-")[0].lower() in _LEFTWARDS) != (direction == "rtl"):
        yield "A-18", f"the language {language} is not written {direction}"


def _title(mail: Mail) -> Found:
    title = " ".join("".join(one.text() for one in mail.all("head title")).split())
    if not title or title != " ".join(mail.subject.removeprefix(_TEST).split()):
        yield "A-02", f"<title>: expected the subject, got {title[:80]!r}"


def _tables(mail: Mail) -> Found:
    layout = [tag for tag in _TABLE.findall(mail.html) if not re.search(r"role=[\"']?(presentation|none)", tag)]
    data = len(mail.all("table th")) > 0
    if layout and not data:
        yield "A-03", f'{len(layout)} layout tables without role="presentation"'
    if mail.all('table[role="presentation"] th, table[role="presentation"] > caption, table[summary]'):
        yield "A-03", "a layout table has th, caption or summary"


def _images(mail: Mail) -> Found:
    for image in mail.all("img"):
        said, where = _attributes(image), (_attributes(image).get("src") or "")[:80]
        if "alt" not in said:
            yield "A-04", f"an image without alt: {where}"
        if {said.get("width"), said.get("height")} & {"0", "1"}:
            yield "A-04", f"an image to fill space or to count readers: {where}"
        if not (said.get("width") or said.get("height")):
            yield "A-13", f"an image without width and height: {where}"
        if not _safe(said.get("src") or ""):
            yield "A-13", f"an image from elsewhere than https: {where}"
        if urlsplit(said.get("src") or "").path.lower().endswith(_UNSHOWN):
            yield "A-16", f"an image that Outlook on Windows does not show: {where}"


def _outline(mail: Mail) -> Found:
    levels = [int((one.tag or "h1")[1]) for one in mail.all("h1, h2, h3, h4, h5, h6")]
    if levels.count(1) != 1 or levels[0] != 1:
        yield "A-05", f"expected one h1, and first, got headings {levels[:12]}"
    if skipped := [f"h{one} -> h{two}" for one, two in pairwise(levels) if two - one > 1]:
        yield "A-05", f"headings leave a level out: {', '.join(dict.fromkeys(skipped))}"


def _links(mail: Mail) -> Found:
    named: dict[str, set[str]] = defaultdict(set)
    for link in mail.all("a[href]"):
        said = _attributes(link)
        alts = " ".join(_attributes(image).get("alt", "") for image in link.css("img"))
        text = " ".join(link.text().split())
        name = " ".join((said.get("aria-label") or f"{text} {alts}").split())
        named[name.casefold()].add(said["href"])
        if re.match(r"(https?://|www\.)\S+$", name):
            yield "A-06", f"a link whose words are its address: {name[:80]}"
    for name, targets in named.items():
        if not name:
            yield "A-06", f"a link without words: {sorted(targets)[0][:80]}"
        elif name in _MEANINGLESS:
            yield "A-06", f"a link whose words say nothing: {name!r}"
        elif len(targets) > 1:
            yield "A-06", f"links of the same words lead to {len(targets)} places: {name[:80]!r}"


def _colours(mail: Mail) -> Found:
    for one in mail.words:
        look = one.look
        large = look.size >= 24 or (look.bold and look.size >= 19)
        least = _LARGE if large else LEAST_CONTRAST
        seen = min(contrast(look.colour, look.behind), contrast(inverted(look.colour), inverted(look.behind)))
        if seen < least:
            yield "A-07", f"a contrast of {seen:.1f}: {look.colour} on {look.behind} ({one.text[:40]!r})"


def _type(mail: Mail) -> Found:
    for one in mail.words:
        look, said = one.look, one.text[:40]
        if look.size < _SMALLEST:
            yield "A-08", f"text of {look.size:g} px: {said!r}"
        if look.leading is not None and look.size < 20 and not look.bold and look.leading < 1.4 * look.size:
            yield "A-08", f"lines {look.leading:g} px apart for text of {look.size:g} px: {said!r}"
        if look.align == "justify":
            yield "A-08", f"justified text: {said!r}"
        if one.href and not look.underlined and not look.bold:
            yield "A-08", f"a link that is not underlined: {said!r}"


def _size(mail: Mail) -> Found:
    if (size := len(mail.html.encode())) > MAX_HTML:
        yield "A-09", f"the HTML has {size:,} bytes: mail readers cut what is above {MAX_HTML:,}"


def _clients(mail: Mail) -> Found:
    sheets = " ".join(one.text() for one in mail.all("style"))
    inline = [_attributes(one).get("style", "") for one in mail.all("[style]")]
    for declarations in dict.fromkeys([*inline, *_RULE.findall(sheets)]):
        yield from (("A-10", what) for what in unsupported(declarations))
    used = {
        "<picture>": mail.all("picture"),
        "<svg>": mail.all("svg"),
        "srcset": mail.all("[srcset]"),
        "hidden": mail.all("[hidden]"),
        "@font-face": "@font-face" in sheets,
    }
    yield from (
        ("A-10", f"{what}: dropped by {', '.join(sorted(ELEMENTS[what].lacking))}") for what in used if used[what]
    )


def _dark(mail: Mail) -> Found:
    for name in ("color-scheme", "supported-color-schemes"):
        said = [_attributes(one).get("content", "") for one in mail.all(f'meta[name="{name}"]')]
        if not any({"light", "dark"} <= set(one.split()) for one in said):
            yield "A-12", f'<meta name="{name}" content="light dark"> is missing'


def _preheader(mail: Mail) -> Found:
    if not mail.issue:
        return
    first = next((one for one in mail.all("body *") if one.tag != "div" or is_hidden(one)), None)
    raw = first.text() if first is not None and is_hidden(first) else ""
    said = re.sub(r"[\u00a0\u034f\u200b-\u200f\ufeff]+.*\Z", "", raw.strip(), flags=re.DOTALL).strip()
    if not said:
        yield "A-14", "the first text is no hidden preheader"
        return
    if not PREHEADER[0] <= len(said) <= PREHEADER[1]:
        yield "A-14", f"the preheader has {len(said)} characters, expected {PREHEADER[0]} to {PREHEADER[1]}"
    if said == mail.subject or re.search(r"\{[{%]", said):
        yield "A-14", "the preheader repeats the subject, or shows its template"
    if len(raw.strip()) - len(said) < 20:
        yield "A-14", "nothing follows the preheader to keep the next words out of the preview"


def _inert(mail: Mail) -> Found:
    pictures = (_attributes(image).get("src") or "" for image in mail.all('img[src^="cid:"]'))
    allowed = (*mail.blanks, *pictures)  # whether the message has those pictures is F-18's
    yield from (("A-15", what) for what in forbidden(Document(mail.html), allowed))


def _fingers(mail: Mail) -> Found:
    for link in mail.all("a[href]"):
        if _LEAVING.search(_attributes(link)["href"]) and (high := _height(link)) < _FINGER:
            yield "A-17", f"{' '.join(link.text().split())[:40]!r} is {high:g} px high, expected {_FINGER}"
    for one in mail.all("[style], [width]"):
        said = _attributes(one)
        wide = [declared(said.get("style", "")).get("width", ""), said.get("width", "")]
        if too := [value for value in wide if (n := re.fullmatch(r"(\d+)(?:px)?", value)) and int(n[1]) > WIDEST]:
            yield "A-17", f"<{one.tag}> is {too[0]} wide, expected at most {WIDEST} px"


def _height(link: LexborNode) -> float:
    style = declared(_attributes(link).get("style", ""))
    line = re.fullmatch(r"(\d+)px", style.get("line-height", ""))
    return float(line[1] if line else 16) + _above_and_below(style)


def _above_and_below(style: Mapping[str, str]) -> float:
    if "block" not in style.get("display", ""):
        return 0
    sides = [float(one) for one in re.findall(r"(\d+)(?:px)?", style.get("padding", ""))]
    both = [sides[0], sides[2] if len(sides) > 2 else sides[0]] if sides else [0.0, 0.0]
    for place, side in enumerate(("padding-top", "padding-bottom")):
        if found := re.fullmatch(r"(\d+)px", style.get(side, "")):
            both[place] = float(found[1])
    return sum(both)


def _text(mail: Mail) -> Found:
    lines = mail.text.replace("\r\n", "\n").split("\n")
    if long := [line for line in lines if columns(line) > 76 and len(line.split()) > 2]:
        yield "A-20", f"{len(long)} lines of the text part are longer than 76: {long[0][:60]!r}"
    there = set(mail.text.split())
    if missing := [href for href, _ in Document(mail.html).links if href not in there and not href.startswith("#")]:
        yield "A-20", f"the text part lacks {len(set(missing))} links of the HTML, the first is {missing[0][:80]}"
    if not any(re.fullmatch(r"[=-]{3,}", line) for line in lines):
        yield "A-20", "no heading of the text part is underlined"


def _attributes(node: LexborNode) -> dict[str, str]:
    return {name: value or "" for name, value in node.attributes.items()}


def _safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("https", "cid") or parts.hostname in {"127.0.0.1", "localhost", "::1"}


_CHECKS: tuple[Callable[[Mail], Found], ...] = (
    *(_language, _title, _tables, _images, _outline, _links, _colours, _type, _size),
    *(_clients, _dark, _preheader, _inert, _fingers, _text),
)
