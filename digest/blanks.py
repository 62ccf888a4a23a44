"""Blanks: the places in a rendered issue that are filled for each reader, after MJML.

A blank is one ASCII word that neither HTML nor MJML nor a URL parser changes. It carries a random word, made when the
issue is frozen, so that no title can imitate one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
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


def fill(template: str, word: str, values: Mapping[Blank, str]) -> str:
    """`template` with every blank of `word` replaced in one pass; KeyError names a blank without a value.

    Values are put in as they are: the caller escapes them for HTML. A value that looks like a blank stays text.
    """
    names = "|".join(Blank)
    return re.sub(f"b{re.escape(word)}x({names})x", lambda found: values[Blank(found[1])], template)
