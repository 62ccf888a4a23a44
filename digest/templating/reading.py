"""A finished HTML document as its readers meet it: its words with the size and the colours they are shown in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from selectolax.lexbor import LexborHTMLParser, LexborNode

_UNSEEN = {"head", "style", "script", "title", "template"}
_HIDDEN = re.compile(r"(^|;)\s*display\s*:\s*none", re.IGNORECASE)
_HEX = re.compile(r"#([0-9a-f]{3}|[0-9a-f]{6})\b", re.IGNORECASE)
_FONT = re.compile(r"(\d+(?:\.\d+)?)px(?:\s*/\s*(\d+(?:\.\d+)?)(px|%)?)?", re.IGNORECASE)
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)(px|em|%)?")
_NAMED = {"white": "#ffffff", "black": "#000000"}
_LARGER = {"h1": 32.0, "h2": 24.0, "h3": 18.7}  # pixels, where nobody says


@dataclass(frozen=True)
class Look:
    """How words are shown by a reader that knows no style block."""

    size: float = 16.0  # pixels
    leading: float | None = None  # pixels from line to line
    bold: bool = False
    colour: str = "#000000"
    behind: str = "#ffffff"
    align: str = ""
    underlined: bool = True  # of links


@dataclass(frozen=True)
class Words:
    """A piece of text, and how it is shown."""

    text: str
    look: Look
    tag: str  # of the element it stands in
    href: str  # of the link it stands in, or ""


def declared(style: str) -> dict[str, str]:
    """The declarations of a style attribute, names and values in small letters; the last of a name counts."""
    pairs = (one.partition(":") for one in style.lower().split(";"))
    return {name.strip(): value.replace("!important", "").strip() for name, colon, value in pairs if colon}


def tree(html: str) -> LexborHTMLParser:
    """The document; conditional comments for Outlook are comments."""
    return LexborHTMLParser(html)


def is_hidden(node: LexborNode) -> bool:
    """Whether `node` is there to be read by nobody."""
    return bool(_HIDDEN.search(node.attributes.get("style") or ""))


def words(document: LexborHTMLParser) -> Iterator[Words]:
    """Every piece of text that is seen, in reading order."""
    if document.body is not None:
        yield from _below(document.body, _changed(document.body, Look()), "")


def _below(node: LexborNode, look: Look, href: str) -> Iterator[Words]:
    child = node.child
    while child is not None:
        if child.tag == "-text":
            if said := " ".join((child.text_content or "").split()):
                yield Words(said, look, node.tag or "", href)
        elif child.tag and not child.tag.startswith("-") and child.tag not in _UNSEEN and not is_hidden(child):
            inside = (child.attributes.get("href") or "") if child.tag == "a" else ""
            yield from _below(child, _changed(child, look), inside or href)
        child = child.next


def _changed(node: LexborNode, look: Look) -> Look:
    attributes = {name: value or "" for name, value in node.attributes.items()}
    style = declared(attributes.get("style", ""))
    tag = node.tag or ""
    if tag in _LARGER:
        look = replace(look, size=_LARGER[tag], leading=None, bold=True)
    if tag == "a":
        look = replace(look, colour="#0000ee", underlined=True)
    if tag in {"b", "strong", "th"}:
        look = replace(look, bold=True)
    return _coloured(_set(look, style), style, attributes)


def _set(look: Look, style: Mapping[str, str]) -> Look:
    if font := style.get("font"):
        look = replace(look, bold="bold" in font)
        if found := _FONT.search(font):
            size = float(found[1])
            look = replace(look, size=size, leading=_leading(found[2], found[3], size))
    if found := _LENGTH.fullmatch(style.get("font-size", "")):
        look = replace(look, size=_pixels(found, look.size))
    if found := _LENGTH.fullmatch(style.get("line-height", "")):
        look = replace(look, leading=_leading(found[1], found[2], look.size))
    if weight := style.get("font-weight"):
        look = replace(look, bold=weight in {"bold", "bolder", "600", "700", "800", "900"})
    if align := style.get("text-align"):
        look = replace(look, align=align)
    if line := style.get("text-decoration") or style.get("text-decoration-line"):
        look = replace(look, underlined="underline" in line)
    return look


def _coloured(look: Look, style: Mapping[str, str], attributes: Mapping[str, str]) -> Look:
    if colour := _colour(style.get("color", "")):
        look = replace(look, colour=colour)
    behind = style.get("background-color") or style.get("background") or attributes.get("bgcolor", "")
    return replace(look, behind=colour) if (colour := _colour(behind)) else look


def _colour(value: str) -> str:
    if found := _HEX.search(value.lower()):
        digits = found[1] if len(found[1]) == 6 else "".join(digit * 2 for digit in found[1])
        return f"#{digits}"
    return _NAMED.get(value.strip().lower(), "")


def _pixels(found: re.Match[str], above: float) -> float:
    factor = {"px": 1.0, "em": above, "%": above / 100}.get(found[2] or "px", 1.0)
    return float(found[1]) * factor


def _leading(number: str | None, unit: str | None, size: float) -> float | None:
    if number is None:
        return None
    return float(number) * {"px": 1.0, "%": size / 100}.get(unit or "", size)
