"""Blanks: the places in a rendered issue that are filled for each reader, after MJML.

A blank is one ASCII word that neither HTML nor MJML nor a URL parser changes. It carries a random word, made when the
issue is frozen, so that no title can imitate one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum


class Blank(StrEnum):
    """What can be filled in for a reader."""

    NAME = "name"  # how the reader is addressed; text, escaped when filled into HTML
    UNSUBSCRIBE = "unsubscribe"  # URL: leaves this list, one click
    PREFERENCES = "preferences"  # URL: what the reader gets of this list
    CONFIRM = "confirm"  # URL: only in confirm mails
    LINK = "link"  # URL: only in letters that were asked for: to all that is kept, or to another address
    DECLINE = "decline"  # URL: "I did not ask", only in confirm mails


URLS = frozenset({Blank.UNSUBSCRIBE, Blank.PREFERENCES, Blank.CONFIRM, Blank.DECLINE, Blank.LINK})


def blank(word: str, name: Blank) -> str:
    """The text that stands for `name` until it is filled: letters and digits only, so no encoder touches it.

    >>> blank("k3v9", Blank.UNSUBSCRIBE)
    'bk3v9xunsubscribex'
    """
    return f"b{word}x{name}x"


def field_blank(word: str, number: int) -> str:
    """The text that stands for the merge field with this number (see digest.fields).

    >>> field_blank("k3v9", 2)
    'bk3v9xf2x'
    """
    return f"b{word}xf{number}x"


def fill(template: str, word: str, values: Mapping[Blank, str], fields: Sequence[str] = ()) -> str:
    """`template` with every blank of `word` replaced in one pass, those of merge fields by their number in `fields`;
    KeyError or IndexError if a blank has no value.

    Values are put in as they are: the caller escapes them for HTML. A value that looks like a blank stays text.
    """

    def value(found: re.Match[str]) -> str:
        name = named(found[1])
        return fields[name] if isinstance(name, int) else values[name]

    return re.sub(pattern(word), value, template)


def pattern(word: str) -> str:
    """The regular expression of the blanks of `word`; its only group is what `named` reads."""
    return f"b{re.escape(word)}x({'|'.join(Blank)}|f[0-9]+)x"


def named(said: str) -> Blank | int:
    """The blank, or the number of the merge field, that the group of `pattern` has found."""
    return int(said[1:]) if said[1:].isdigit() else Blank(said)
