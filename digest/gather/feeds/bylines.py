"""Who wrote it, as feeds say it: several names in one field, "By", organisations, permissions."""

from __future__ import annotations

import re
from collections.abc import Iterable

from digest.gather.clean import plain_text
from digest.gather.entries import Byline

MAX_BYLINES = 12
MAX_NAME = 120

_BY = re.compile(r"^(?:(?:written|reported|posted)\s+)?by[:\s]\s*", re.I)
_SEPARATOR = re.compile(
    r"\s*(?:;|,(?!\s*(?:Jr|Sr|II|III|IV|Ph\.?D|M\.?D|Esq|MBA|MP|Inc|Ltd|LLC)\b\.?)|&(?!\s*Co\b)|/|\band\b)\s+", re.I
)
_ORGANISATION = re.compile(r"^(?P<name>[^()|]+?)\s*(?:\((?P<in_brackets>[^()]+)\)|\|\s*(?P<after_bar>[^|]+))$")
_ADDRESS = re.compile(r"[^\s<>()@]+@[^\s<>()@]+")
_NOBODY = {
    "",
    "unknown",
    "admin",
    "administrator",
    "author",
    "editor",
    "noreply",
    "no author",
    "none",
    "null",
    "staff writer",
}
_PERMISSION = re.compile(
    r"\b(?:re)?published\s+with\s+(?:the\s+)?(?:kind\s+)?permission\s+(?:of|from|by)\s+(?P<who>[A-Z][^.;:,()\n]{1,60})",
)
_AS_NAMES = re.compile(r"^[^\d@]{2,60}$")
_IN_WORDS = re.compile(r"[a-z]+(?:\s[a-z]+)*$")  # "security editor" is no name, "Ludwig van" might begin one
_NO_REPLY = re.compile(r"^(?:no|do\s?not)[\s_-]*reply\b", re.I)
_INVERTED = re.compile(r"(?P<last>[^\W\d_][^\s,]+),\s*(?P<first>[^\W\d_][^\s,.]+)$")
_INITIALS = re.compile(r"(?:[^\W\d_]\.[\s-]?){1,4}$")


def bylines(written: Iterable[str], text: str = "") -> tuple[Byline, ...]:
    """The people named in `written`, each once, in order; `text` is searched for "republished with permission of"."""
    found: dict[str, Byline] = {}
    for field in written:
        for byline in _people(field):
            known = found.get(byline.name.casefold())
            if known is None or (byline.organisation and not known.organisation):
                found[byline.name.casefold()] = byline
    people = list(found.values())[:MAX_BYLINES]
    organisation = permission(text)
    if organisation and not any(byline.organisation for byline in people):
        people = [Byline(byline.name, organisation) for byline in people]
    return tuple(people)


def permission(text: str) -> str:
    """Who gave leave to publish `text` again, if it says so; else nothing."""
    found = _PERMISSION.search(text[:20_000]) or _PERMISSION.search(text[-5_000:])
    return found["who"].strip() if found else ""


def _people(field: str) -> Iterable[Byline]:
    text = _BY.sub("", plain_text(field, 1_000))
    whole = _ORGANISATION.match(text)
    if whole and _ADDRESS.fullmatch(whole["name"].strip()):
        text, whole = whole["in_brackets"] or whole["after_bar"], None  # address (Name)
    text = _ADDRESS.sub("", text).replace("<>", "").replace("()", "").strip()
    if "(" not in text:
        text = text.rstrip(") ")
    organisation = ""
    whole = _ORGANISATION.match(text)
    if whole:
        text, organisation = whole["name"], (whole["in_brackets"] or whole["after_bar"]).strip()
    for name in _names(text):
        if name.casefold() not in _NOBODY and not _NO_REPLY.match(name):
            yield Byline(name[:MAX_NAME], organisation[:MAX_NAME])


def _names(text: str) -> list[str]:
    """The names in `text`; not split where a part is no name of at least two words ("Smith, Jones and Partners")."""
    turned = _turned(text)
    if turned:
        return turned
    parts = [part.strip(" ,;") for part in _SEPARATOR.split(text)]
    parts = [part for part in parts if part]
    if len(parts) > 1 and all(" " in part and _AS_NAMES.match(part) and not _IN_WORDS.match(part) for part in parts):
        return parts
    return [text.strip(" ,;")]


def _turned(text: str) -> list[str]:
    """Names that are written last name first: "Doe, Jane", "DOE, J., ROE, A."; nothing where they are not."""
    one = _INVERTED.match(text)
    if one and not one["last"].isupper() and not one["first"].isupper() and one["first"][0].isupper():
        return [f"{one['first']} {one['last']}"]
    parts = [part.strip() for part in text.rstrip(" ,;").split(",")]
    if len(parts) % 2 or not all(map(_INITIALS.match, parts[1::2])):
        return []
    return [f"{first} {last}" for last, first in zip(parts[::2], parts[1::2], strict=True)]
