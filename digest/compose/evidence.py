"""What an article gives to tell its story by: words, letters, names, days of the week; by rows of numbers. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from digest.compose.common import COMMON_WORDS
from digest.compose.dates import DAYS, MONTHS
from digest.compose.words import Rows, pieces, rarity, tabled, weighed, words

SERIAL = 5  # words of a title that numbers tell apart; "7 dead after crash in Rome" is told again with other numbers
OUTWEIGHING = 300  # characters of a text that has words enough
LONGEST = 600  # characters of a text that are looked at; more changes little

# A capitalised word that begins a sentence, which is no name; or any other word.
_TOKEN = re.compile(r"(?:\A|(?<=[.!?:\"])\s)[\W_]*[^\W\d_][\w\u2019'-]*|([^\W_][\w\u2019'-]*)")
_RUN = re.compile(r"(?:[A-ZÀ-ÖØ-ÞĀ-ŽЀ-Я][\w\u2019'-]+(?:\s+(?=[A-ZÀ-ÖØ-ÞĀ-ŽЀ-Я]))?)+|\d[\d,.]*")
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_URL_YEAR = re.compile(r"(?<=/)((?:19|20)\d\d)(?=[/-]\d\d?(?!\d)|[01]\d[0-3]\d(?!\d))")
_YEARS = 62  # bits of a whole number that are sure to be there
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
_DIGITS = re.compile(r"\d+")
_ROWS = 1_000  # texts whose pieces are held at once, beside those that are wanted
_OWNER = re.compile(r"['\u2019]s?$")

Numbers = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Text:
    """What an article says of itself."""

    title: str
    dek: str = ""
    url: str = ""
    hour: float | None = None  # when it was published, in hours since whenever
    source: str = ""  # whose it is, where that is known

    @cached_property
    def spoken(self) -> list[str]:
        """The words of its title."""
        return words(self.title)


@dataclass(frozen=True)
class Evidence:
    """One row for each text; rows of length 1 (or 0), so that a product of two is how alike they are."""

    words: Rows  # of the text, and of its address
    letters: Letters
    names: Rows  # nothing where there is a headline only: headlines capitalise what they like
    serials: Numbers  # equal for titles that are equal but for their numbers, as "Week 3" and "Week 4"; else 0
    lengths: Numbers  # characters
    hours: Numbers  # nan where it is not known
    sources: Numbers  # equal for texts of one source; 0 where it is not known
    dates: tuple[Numbers, ...]  # a bit for every day of the week, month and year that is named


@dataclass(frozen=True)
class Letters:
    """The pieces of each text's words: of all texts at once they would be most of the memory that stories take."""

    spoken: Rows  # texts by words
    pieces: Rows  # words by pieces

    def of(self, wanted: Numbers, common: int) -> Rows:
        """The rows with the numbers `wanted`, without the pieces that more than `common` texts have."""
        count, width = self.spoken.shape[0], self.pieces.shape[1]
        seen = np.zeros(width, dtype=np.int64)
        for start in range(0, count, _ROWS):
            seen += np.bincount((self.spoken[start : start + _ROWS] @ self.pieces).indices, minlength=width)
        rare = np.log((1 + count) / (1 + seen)) + 1
        found = [
            _only(weighed(self.spoken[wanted[start : start + _ROWS]] @ self.pieces, rare), seen <= common).astype(
                np.float32
            )
            for start in range(0, len(wanted), _ROWS)
        ]
        return sparse.vstack(found or [sparse.csr_matrix((0, width))], format="csr")


def _only(rows: Rows, telling: Numbers) -> Rows:
    """The rows without the columns that tell nothing."""
    rows.data[~telling[rows.indices]] = 0.0
    rows.eliminate_zeros()
    rows.sort_indices()
    return rows


def evidence(texts: Sequence[Text]) -> Evidence:
    """The evidence of `texts`, weighed by how rare each piece of it is among them."""
    whole = [_whole(text) for text in texts]
    spoken = [_spoken(line, text) for line, text in zip(whole, texts, strict=True)]
    columns, both = tabled([*spoken, *(words("", text.url) for text in texts)])
    said = both[: len(texts)]
    return Evidence(
        words=_balanced(said + both[len(texts) :]),
        letters=Letters(said, pieces(columns)),
        names=_names([line if text.dek else "" for line, text in zip(whole, texts, strict=True)]),
        serials=_serials(texts),
        lengths=np.array([len(line) for line in whole], dtype=float),
        hours=np.array([np.nan if text.hour is None else text.hour for text in texts]),
        sources=_sources(texts),
        dates=tuple(
            np.array(found, dtype=np.int64)
            for found in (
                [_bits(one, DAYS) for one in spoken],
                [_bits(_dated(one), MONTHS) for one in spoken],
                [_years(line, text.url) for line, text in zip(whole, texts, strict=True)],
            )
        ),
    )


def _whole(text: Text) -> str:
    return f"{text.title} . {text.dek}"[:LONGEST] if text.dek else text.title[:LONGEST]


def _spoken(line: str, text: Text) -> list[str]:
    """The words of a text; of a short one those that tell something, as it has too few to outweigh the others."""
    own = len(text.title) + 3  # what stands before the dek in the whole line
    known = [*text.spoken, *words(line[own:])] if own < LONGEST else words(line)
    if not line.isascii():
        known = [part for word in known for part in _parts(word)]
    return known if len(line) >= OUTWEIGHING else [word for word in known if word not in COMMON_WORDS]


def _parts(word: str) -> list[str]:
    """The word itself; where a script puts no spaces between words, each two letters that stand together."""
    if word.isascii() or _UNSPACED.search(word) is None:
        return [word]
    return [word[at : at + 2] for at in range(max(1, len(word) - 1))]


def _balanced(counts: Rows) -> Rows:
    return weighed(counts, rarity(counts))


def _names(lines: Sequence[str]) -> Rows:
    """Numbers, runs of capitalised words, and each capitalised word that does not begin a sentence."""
    _, runs = tabled([_RUN.findall(line) for line in lines], lambda run: run.strip().casefold())
    _, single = tabled([_TOKEN.findall(line) for line in lines], _name)
    return _balanced(sparse.hstack([runs, single], format="csr"))


def _name(token: str) -> str:
    return _OWNER.sub("", token).casefold() if token[:1].isdecimal() or token[:1].isupper() else ""


def _serials(texts: Sequence[Text]) -> Numbers:
    """A number for each short title that others differ from in its digits only: a series, not one event."""
    known: dict[str, int] = {}
    found = []
    for text in texts:
        few = len(text.spoken) <= SERIAL and _DIGITS.search(" ".join(text.spoken)) is not None
        spoken = [_DIGITS.sub("0", word) for word in text.spoken] if few else []
        found.append(known.setdefault(" ".join(spoken), len(known) + 1) if few else 0)
    return np.array(found, dtype=np.int64)


def _sources(texts: Sequence[Text]) -> Numbers:
    known = {"": 0}
    return np.array([known.setdefault(text.source, len(known)) for text in texts], dtype=np.int64)


def _bits(spoken: Sequence[str], known: Mapping[str, int]) -> int:
    found = 0
    for word in known.keys() & spoken:
        found |= known[word]
    return found


def _dated(spoken: Sequence[str]) -> list[str]:
    """The months beside a number: "May 12" is a month, "may win" is none."""
    if MONTHS.keys().isdisjoint(spoken):
        return []
    return [
        word
        for place, word in enumerate(spoken)
        if word in MONTHS and any(other.isdecimal() for other in spoken[max(place - 1, 0) : place + 2])
    ]


def _years(text: str, url: str) -> int:
    found = 0
    dated = _YEAR.findall(text) if "19" in text or "20" in text else []
    for year in (*dated, *_URL_YEAR.findall(url)):
        found |= 1 << int(year) % _YEARS
    return found
