"""What a page may cost: made harmless before a parser sees it, in time that grows with its length only (S-F10)."""

from __future__ import annotations

import re

MAX_BYTES = 6_000_000
MAX_CHARACTERS = 3_000_000
MAX_TAGS = 80_000
MAX_DEPTH = 250  # a tree builder's cost grows with the square of the depth
MAX_UNENDED = 5  # pieces of one attribute that holds a "<"
MAX_TAG = 300  # characters before a tag's attributes are counted: their cost is a square, too
MAX_ATTRIBUTES = 30
MIN_UNSCRIPTED = 1_500  # characters of a <noscript> that is more than a picture
MAX_VALUE = 8_000  # characters of one attribute

_NOISE = re.compile(r"<!--.*?(?:-->|\Z)|<(style|svg|noscript)\b[^<>]*+>(.*?)(?:</\1\s*>|\Z)", re.I | re.S)
_SCRIPT = re.compile(r"<script\b([^<>]*+)>(.*?)(?:</script\s*>|\Z)", re.I | re.S)
_LINKED = re.compile(r"application/(?:[\w.+-]*\+)?ld\+json", re.I)
_RUNNING = re.compile(r"(?:[^<>]{80}|<p>)")
_START = re.compile(r"(/?)([A-Za-z][A-Za-z0-9:-]{0,60})")
_ATTRIBUTE = re.compile(r"""[^\s"'<>/=]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'<>]+))?""")
_VOID = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
        "p",
        "li",
        "dt",
        "dd",
        "option",
        "tr",
        "td",
        "th",
    ]
)


def parted(text: str) -> tuple[str, list[str], list[str]]:
    """`text` without scripts, styles and comments, nesting and attributes bounded; its linked data; what was cut."""
    problems = [f"only its first {MAX_CHARACTERS:,} characters were read"] if len(text) > MAX_CHARACTERS else []
    text = text[:MAX_CHARACTERS]
    linked: list[str] = []

    def script(found: re.Match[str]) -> str:
        if _LINKED.search(found[1]):
            linked.append(found[2])
        return " "

    return _bounded(_NOISE.sub(_kept, _SCRIPT.sub(script, text))), linked, problems


def _kept(noise: re.Match[str]) -> str:
    """Nothing, but for an article that is written for browsers without scripts."""
    tag, inner = noise.groups(default="")
    spoken = tag.lower() == "noscript" and len(inner) > MIN_UNSCRIPTED and _RUNNING.search(inner)
    return f" {inner} " if spoken else " "


def _bounded(text: str) -> str:
    first, *pieces = text.split("<", MAX_TAGS + 1)
    kept = [first]
    depth = unended = 0
    for piece in pieces[:MAX_TAGS]:
        found = _START.match(piece)
        if not found:
            kept.append(f"<{piece}" if piece[:1] == "!" and len(piece) < MAX_TAG else f"&lt;{piece}")
            continue
        tag, end, rest = piece.partition(">")
        unended = 0 if end else unended + 1
        if not end and (unended > MAX_UNENDED or len(piece) > MAX_VALUE or piece.count('"') % 2 == 0):
            tag, end, rest = found[0], ">", ""  # a tag that never ends would take the page in, attribute by attribute
        close, name = found.groups()
        if name.lower() not in _VOID and not tag.endswith("/"):
            depth = max(depth - 1, 0) if close else depth + 1
            if depth > MAX_DEPTH or (close and depth >= MAX_DEPTH):
                kept.append(f" {rest}")
                continue
        whole = tag if len(tag) <= MAX_TAG or not end else f"{found[0]} {_few(tag[found.end() :])}"
        kept.append(f"<{whole}{end}{rest}")
    return "".join(kept)


def _few(attributes: str) -> str:
    named = []
    for found in _ATTRIBUTE.finditer(attributes):
        if len(found[0]) <= MAX_VALUE:
            named.append(found[0])
        if len(named) >= MAX_ATTRIBUTES:
            break
    return " ".join(named)
