"""What an article gives to tell its story by: words, letters, names, days of the week; by rows of numbers. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from digest.compose.common import COMMON_WORDS
from digest.compose.words import Rows, counted, pieces, rarity, vocabulary, weighed, words

LONGEST = 600  # characters of a text that are looked at; more changes little
# Whose names of the days are known, by CLDR.
LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "nl", "pl", "sv", "da", "nb", "fi", "cs", "ru", "uk", "tr", "ar", "he")

_SENTENCE = re.compile(r"(?<=[.!?:\"])\s+")
_TOKEN = re.compile(r"[^\W_][\w\u2019'-]*")
_RUN = re.compile(r"(?:[A-ZÀ-ÖØ-ÞĀ-ŽЀ-Я][\w\u2019'-]+(?:\s+(?=[A-ZÀ-ÖØ-ÞĀ-ŽЀ-Я]))?)+|\d[\d,.]*")
_OWNER = re.compile(r"['\u2019]s?$")

Numbers = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Text:
    """What an article says of itself."""

    title: str
    dek: str = ""
    url: str = ""
    hour: float | None = None  # when it was published, in hours since whenever


@dataclass(frozen=True)
class Evidence:
    """One row for each text; rows of length 1 (or 0), so that a product of two is how alike they are."""

    words: Rows  # of the text, and of its address
    letters: Rows
    names: Rows  # nothing where there is a headline only: headlines capitalise what they like
    lengths: Numbers  # characters
    hours: Numbers  # nan where it is not known
    days: Numbers  # a bit for every day of the week that is named


def evidence(texts: Sequence[Text]) -> Evidence:
    """The evidence of `texts`, weighed by how rare each piece of it is among them."""
    whole = [_whole(text) for text in texts]
    spoken = [_telling(words(line)) for line in whole]
    addressed = [one + _telling(words("", text.url)) for one, text in zip(spoken, texts, strict=True)]
    columns = vocabulary(spoken)
    return Evidence(
        words=_weighed(addressed),
        letters=_balanced(counted(spoken, columns) @ pieces(columns)),
        names=_weighed([_names(line) if text.dek else [] for line, text in zip(whole, texts, strict=True)]),
        lengths=np.array([len(line) for line in whole], dtype=float),
        hours=np.array([np.nan if text.hour is None else text.hour for text in texts]),
        days=np.array([_days(one) for one in spoken], dtype=np.int64),
    )


def _whole(text: Text) -> str:
    return f"{text.title} . {text.dek}"[:LONGEST] if text.dek else text.title[:LONGEST]


def _telling(spoken: Sequence[str]) -> list[str]:
    return [word for word in spoken if word not in COMMON_WORDS]


def _weighed(rows: Sequence[Sequence[str]]) -> Rows:
    return _balanced(counted(rows, vocabulary(rows)))


def _balanced(counts: Rows) -> Rows:
    return weighed(counts, rarity(counts))


def _names(text: str) -> list[str]:
    """Numbers, runs of capitalised words, and each capitalised word that does not begin a sentence."""
    runs = [f"{found.strip().casefold()}." for found in _RUN.findall(text)]
    single = [
        _OWNER.sub("", token).casefold()
        for sentence in _SENTENCE.split(text)
        for place, token in enumerate(_TOKEN.findall(sentence))
        if token[0].isdecimal() or (place and token[0].isupper())
    ]
    return runs + single


def _days(spoken: Sequence[str]) -> int:
    known = _weekdays()
    found = 0
    for word in spoken:
        found |= known.get(word, 0)
    return found


@cache
def _weekdays() -> dict[str, int]:
    from babel.dates import get_day_names

    found: dict[str, int] = {}
    for language in LANGUAGES:
        for day, name in get_day_names("wide", locale=language).items():
            for word in words(name)[:1]:
                found[word] = found.get(word, 0) | 1 << day
    return found
