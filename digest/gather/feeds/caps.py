"""What a feed may cost: looked at before a parser sees it, in time that grows with its length only (S-F6, S-F10)."""

from __future__ import annotations

import re

MAX_CHARACTERS = 25_000_000
MAX_ENTRIES = 2_000
MAX_ENTRY = 1_000_000  # characters of one entry as it is written
MAX_MARKUP = 3_000_000  # characters of all entries' texts together that are cleaned
MIN_MARKUP = 1_500  # of them for each entry, however many there are
MAX_ELEMENTS = 100_000
MAX_DEPTH = 200
MAX_TAG = 65_536  # characters of one tag with its attributes
MAX_TEXT = 1_000_000  # characters between two tags
MAX_SUBSET = 65_536  # characters of a document type declaration
MAX_DECLARED = 1_000  # entities
MAX_REFERENCES = 500_000  # that the loose reader meets, one by one
MAX_AMPERSANDS = 3_000_000
MAX_AUTHOR = 2_000  # characters; feedparser's search for an address in it costs the square
MAX_SIGNS = 1_000_000  # of "<"; each costs the loose reader some microseconds
MAX_SIGNS_LOOSE = 300_000
MAX_NAMESPACES = 100
MAX_SKIPPED = 100  # hours or days
MAX_TAGS = 100  # categories of an entry; feedparser compares each with all

_ENTRY = re.compile(r"<((?:[A-Za-z][\w.-]{0,40}:)?(?:item|entry))[\s>/]", re.I)
_NAME = re.compile(r"[A-Za-z][\w.:-]{0,100}")
_ROOT = re.compile(r"<[A-Za-z_]")
_SPACES = re.compile(r"\s{2,}")
_ENTITY = re.compile(r"<!ENTITY\b", re.I)


class TooMuch(Exception):
    """The feed is larger, deeper or more twisted than any honest one; the message says how."""


def limited(text: str, problems: list[str]) -> str:
    """`text` without entries beyond 2,000 or a million characters, and its other long texts cut; TooMuch if that isn't
    enough."""
    if len(text) > MAX_CHARACTERS:
        raise TooMuch(f"larger than {MAX_CHARACTERS:,} characters")
    text = _declared(text)
    text = _entries(text, problems)
    if text.count("<") > MAX_SIGNS:
        raise TooMuch(f"it has more than {MAX_SIGNS:,} tags")
    if text.count("&") > MAX_AMPERSANDS:
        raise TooMuch(f"it has more than {MAX_AMPERSANDS:,} references")
    return _shorter_texts(text, problems)


def share(entries: int) -> int:
    """How many characters of its markup each of `entries` may have cleaned."""
    return max(MAX_MARKUP // max(entries, 1), MIN_MARKUP)


def _declared(text: str) -> str:
    """`text` whose document type declaration costs nothing to read; TooMuch if it is long, or declares a bomb."""
    root = _ROOT.search(text)
    head = _SPACES.sub(_one_space, text[: root.start() if root else len(text)])
    text = head + (text[root.start() :] if root else "")
    if "<!DOCTYPE" not in head and not _ENTITY.search(head):
        return text
    if len(head) > MAX_SUBSET:
        raise TooMuch(f"its document type declaration is longer than {MAX_SUBSET:,} characters")
    entities = _ENTITY.split(head)[1:]
    if len(entities) + head.count("<!DOCTYPE") > MAX_DECLARED:
        raise TooMuch(f"it declares more than {MAX_DECLARED:,} entities")
    for entity in entities:
        value = entity.partition(">")[0]
        if len(value) > 1_000 or "SYSTEM" in value or value.count("&") > 1:
            if value.lstrip().startswith("%"):
                continue  # external parameter entities are never fetched; old RSS 0.91 names one
            raise TooMuch("it declares an entity that is expanded, fetched or very long")
    return text


def _one_space(found: re.Match[str]) -> str:
    return "\n" if "\n" in found[0] else " "


def _entries(text: str, problems: list[str]) -> str:
    starts = list(_ENTRY.finditer(text))
    if len(starts) > MAX_ENTRIES:
        problems.append(f"only the first {MAX_ENTRIES:,} of {len(starts):,} entries were read")
        text = _first(text, [found.start() for found in starts])
        starts = starts[:MAX_ENTRIES]
    return _lighter(text, starts, problems) if len(text) > MAX_ENTRY else text


def _first(text: str, starts: list[int]) -> str:
    """`text` with the first entries only, and with what follows the last one."""
    end = max(text.rfind(close) for close in ("</item>", "</entry>", ":item>", ":entry>"))
    tail = text[text.find(">", end) + 1 :] if end > starts[-1] else ""
    return text[: starts[MAX_ENTRIES]] + tail


def _lighter(text: str, starts: list[re.Match[str]], problems: list[str]) -> str:
    """`text` without the entries that are too long."""
    kept, at = [], 0
    for number, found in enumerate(starts):
        following = starts[number + 1].start() if number + 1 < len(starts) else len(text)
        if following - found.start() <= MAX_ENTRY:
            continue
        closed = text.find(f"</{found[1]}", found.start(), following)
        end = text.find(">", closed) + 1 if closed >= 0 else following
        if end - found.start() > MAX_ENTRY:
            problems.append(f"entry {number + 1} was dropped: it is longer than {MAX_ENTRY:,} characters")
            kept.append(text[at : found.start()])
            at = end
    return "".join((*kept, text[at:])) if kept else text


def _shorter_texts(text: str, problems: list[str]) -> str:
    """Cuts long texts, and takes a long tag's attributes away: a picture may be written into one."""
    if len(text) <= MAX_TAG:
        return text
    pieces = text.split("<")
    if not any(len(piece) > MAX_TAG for piece in pieces):
        return text
    for number, piece in enumerate(pieces):
        if number and len(piece) > MAX_TAG:
            kept = _short_text(_short_tag(piece))
            if kept != piece:
                problems.append(f"a text of {len(piece):,} characters was cut")
                pieces[number] = kept
    return "<".join(pieces)


def _short_tag(piece: str) -> str:
    end = piece.find(">")
    name = _NAME.match(piece)
    return name[0] + (piece[end:] if end >= 0 else ">") if name and not 0 <= end <= MAX_TAG else piece


def _short_text(piece: str) -> str:
    """`piece` within the bound, without a comment or instruction; what is cut ends whole, and closed."""
    for beginning, end in (("!--", "-->"), ("?", "?>")):
        if piece.startswith(beginning) and end in piece:
            piece = f"!---->{piece.partition(end)[2]}"
    if len(piece) <= MAX_TEXT:
        return piece
    tail = "]]>" if "]]>" in piece[MAX_TEXT:] else ""
    kept = piece[:MAX_TEXT]
    whole, sign, rest = kept.rpartition("&")
    return (whole if sign and ";" not in rest else kept) + tail
