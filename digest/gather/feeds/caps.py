"""What a feed may cost: looked at before a parser sees it, in time that grows with its length only (S-F6, S-F10)."""

from __future__ import annotations

import re

MAX_CHARACTERS = 25_000_000
MAX_ENTRIES = 2_000
MAX_ELEMENTS = 150_000
MAX_DEPTH = 200
MAX_TAG = 65_536  # characters of one tag with its attributes
MAX_TEXT = 1_000_000  # characters between two tags
MAX_SUBSET = 65_536  # characters of a document type declaration
MAX_REFERENCES = 500_000
MAX_SIGNS = 1_000_000  # of "<"; each costs the loose reader some microseconds
MAX_SIGNS_LOOSE = 400_000
MAX_NAMESPACES = 100
MAX_SKIPPED = 100  # hours or days
MAX_TAGS = 100  # categories of an entry; feedparser compares each with all

_ENTRY = re.compile(r"<(?:[A-Za-z][\w.-]{0,40}:)?(?:item|entry)[\s>/]", re.I)
_ENTITY = re.compile(r"<!ENTITY\b", re.I)


class TooMuch(Exception):
    """The feed is larger, deeper or more twisted than any honest one; the message says how."""


def limited(text: str, problems: list[str]) -> str:
    """`text` with at most 2,000 entries and no text of over a million characters; TooMuch if that isn't enough."""
    if len(text) > MAX_CHARACTERS:
        raise TooMuch(f"larger than {MAX_CHARACTERS:,} characters")
    _check_declarations(text)
    text = _fewer_entries(text, problems)
    if text.count("<") > MAX_SIGNS:
        raise TooMuch(f"it has more than {MAX_SIGNS:,} tags")
    return _shorter_texts(text, problems)


def _check_declarations(text: str) -> None:
    start = text.find("<!DOCTYPE")
    if start < 0:
        return
    root = re.compile(r"<[A-Za-z_]").search(text, start)
    subset = text[start : root.start() if root else len(text)]
    if len(subset) > MAX_SUBSET:
        raise TooMuch(f"its document type declaration is longer than {MAX_SUBSET:,} characters")
    for entity in _ENTITY.split(subset)[1:]:
        value = entity.partition(">")[0]
        if len(value) > 1_000 or "SYSTEM" in value or value.count("&") > 1:
            if value.lstrip().startswith("%"):
                continue  # external parameter entities are never fetched; old RSS 0.91 names one
            raise TooMuch("it declares an entity that is expanded, fetched or very long")


def _fewer_entries(text: str, problems: list[str]) -> str:
    starts = [found.start() for found in _ENTRY.finditer(text)]
    if len(starts) <= MAX_ENTRIES:
        return text
    problems.append(f"only the first {MAX_ENTRIES:,} of {len(starts):,} entries were read")
    end = max(text.rfind(close) for close in ("</item>", "</entry>", ":item>", ":entry>"))
    tail = text[text.find(">", end) + 1 :] if end > starts[-1] else ""
    return text[: starts[MAX_ENTRIES]] + tail


def _shorter_texts(text: str, problems: list[str]) -> str:
    """Cuts long texts, and refuses long tags; a comment or CDATA section may hold anything within the bound."""
    if len(text) <= MAX_TAG:
        return text
    pieces = text.split("<")
    if not any(len(piece) > MAX_TAG for piece in pieces):
        return text
    for number, piece in enumerate(pieces):
        if number == 0 or len(piece) <= MAX_TAG:
            continue
        end = piece.find(">")
        if piece[:1].isalpha() and (end < 0 or end > MAX_TAG):
            raise TooMuch(f"one of its tags is longer than {MAX_TAG:,} characters")
        if len(piece) > MAX_TEXT:
            problems.append(f"a text of {len(piece):,} characters was cut")
            tail = "]]>" if "]]>" in piece[MAX_TEXT:] else ""
            kept = piece[:MAX_TEXT]
            whole, sign, rest = kept.rpartition("&")
            pieces[number] = (whole if sign and ";" not in rest else kept) + tail
    return "<".join(pieces)
