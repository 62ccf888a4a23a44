"""Plain text made fit for where it goes: one line, one attribute, 76 columns."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

WIDTH = 76  # columns of the text part
_remembered = lru_cache(4_096, typed=True)  # the variants of an issue say the same texts again and again

_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_UNSAFE = re.compile(r"[^\x20-\x7e]|\\")
_UNDERLINE = re.compile(r" *[=-]{3,} *")
_REFERENCES = re.compile(r"&#x([0-9a-f]+);")


def clean(text: str) -> str:
    """`text` with LF alone as line end, without control characters and halves of characters: all that HTML can hold."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _SURROGATES.sub("\ufffd", _CONTROLS.sub("", text))


@_remembered
def folded(text: str) -> str:
    """`text` as one line: runs of blanks, tabs, line and paragraph separators are one blank; no-break spaces stay."""
    return re.sub(r"[ \t\n\u2028\u2029]+", " ", clean(text)).strip(" ")


@_remembered
def references(text: str) -> str:
    """`text` as MJML and HTML content or attribute value: pure ASCII without a backslash.

    mrml writes attributes like Rust debug strings, so a no-break space or a vowel sign would arrive as `\\u{a0}`
    (T6); numeric references pass untouched.
    """
    return _UNSAFE.sub(_reference, html.escape(clean(text)))


def numeric(markup: str) -> str:
    """`markup` with each non-ASCII character and backslash as a numeric reference; tags stay tags."""
    return re.sub(r"[^\x00-\x7f]|\\", _reference, markup)


def characters(markup: str) -> str:
    """`markup` with the references to non-ASCII characters as characters again: a quarter of the bytes in Arabic."""
    return _REFERENCES.sub(lambda found: chr(code) if (code := int(found[1], 16)) > 0x9F else found[0], markup)


def _reference(found: re.Match[str]) -> str:
    return f"&#x{ord(found[0]):x};"


def columns(text: str) -> int:
    """How many columns of a terminal `text` takes: wide letters two, combining marks none."""
    return len(text) if text.isascii() and text.isprintable() else sum(map(_columns, text))


def _columns(letter: str) -> int:
    if unicodedata.combining(letter) or unicodedata.category(letter) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


@_remembered
def wrapped(text: str, width: int = WIDTH) -> str:
    """Every line of `text` broken at blanks to at most `width` columns, its indentation kept.

    ASCII words (links, blanks) are never broken; words of wide letters, which know no blanks, are.
    """
    return "\n".join(line for long in text.split("\n") for line in _wrapped(long, width))


def paragraphs(text: str, width: int = WIDTH) -> list[list[str]]:
    """The lines of `text`, with their line ends; those that `wrapped` has made of one stand together.

    It is told by the next word, which had no room. Where wide letters meet, lines stay apart: no blank need have been
    there.
    """
    found: list[list[str]] = []
    for line in re.findall("[^\n]*\n|[^\n]+", text):
        if found and _goes_on(found[-1][-1].rstrip("\n"), line.rstrip("\n"), width):
            found[-1].append(line)
        else:
            found.append([line])
    return found


def _goes_on(line: str, after: str, width: int) -> bool:
    indented, starts = (len(one) - len(one.lstrip(" ")) for one in (line, after))
    if not line.strip() or not after.strip() or indented != starts or _UNDERLINE.fullmatch(after):
        return False
    word = after.split(maxsplit=1)[0]
    return columns(f"{line} {word}") > width and not columns(line[-1]) == columns(word[0]) == 2


def _wrapped(line: str, width: int) -> Iterator[str]:
    if columns(line) <= width:
        yield line.rstrip(" ")
        return
    indent = " " * (len(line) - len(line.lstrip(" ")))
    now = ""
    for word in _pieces(line.strip(" "), width - len(indent)):
        longer = f"{now} {word}" if now else word
        if now and columns(indent + longer) > width:
            yield indent + now
            longer = word
        now = longer
    yield indent + now


def _pieces(line: str, width: int) -> Iterator[str]:
    for word in line.split(" "):
        piece = ""
        for letter in word if not word.isascii() and columns(word) > width else ():
            if columns(piece + letter) > width:
                yield piece
                piece = ""
            piece += letter
        yield piece or word
