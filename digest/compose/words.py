"""Texts as rows of numbers: their words, each weighed by how rare it is, and the letters that words share. Pure.

Loads numpy and scipy. Letters stand in for stemming in every language; where a script puts no spaces between words,
they are all there is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

import numpy as np
from scipy import sparse

from digest.compose.folding import folded

Numbers: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"
Rows: TypeAlias = Any  # scipy.sparse.csr_matrix; scipy ships no types

SHORTEST, LONGEST = 3, 5  # letters in a piece of a word, its ends counted
LONG = 60  # letters of a word that count: what is longer is no word, or a whole sentence of a script without spaces
_WORD = re.compile(r"[^\W_]+")
_PATH_WORD = re.compile(r"[^\W\d_]{2,}")


def words(text: str, url: str = "") -> list[str]:
    """The words of a text and of a URL's path, folded."""
    return [word[:LONG] for word in _WORD.findall(folded(text)) + _PATH_WORD.findall(folded(_path(url)))]


def _path(url: str) -> str:
    try:
        return unquote(urlsplit(url).path)
    except ValueError:  # a host that is no host
        return ""


def vocabulary(rows: Iterable[Iterable[str]]) -> dict[str, int]:
    """A column for each word, in the order of the alphabet."""
    return {word: column for column, word in enumerate(sorted(set().union(*rows)))}


def counted(rows: Sequence[Sequence[str]], columns: Mapping[str, int]) -> Rows:
    """How often each row has each known word."""
    known = [[columns[word] for word in row if word in columns] for row in rows]
    return _counts(known, len(columns))


def _counts(rows: Sequence[Sequence[int]], width: int) -> Rows:
    starts = np.cumsum([0, *map(len, rows)])
    flat = np.fromiter(chain.from_iterable(rows), np.int32, int(starts[-1]))
    found = sparse.csr_matrix((np.ones(len(flat)), flat, starts), (len(rows), width))
    found.sum_duplicates()  # and sorts each row
    return found


def rarity(counts: Rows) -> Numbers:
    """The weight of each column: the fewer rows have it, the more it says."""
    seen = np.bincount(counts.indices, minlength=counts.shape[1])
    return np.asarray(np.log((1 + counts.shape[0]) / (1 + seen)) + 1)


def weighed(counts: Rows, rare: Numbers) -> Rows:
    """The rows with repeats damped, each column times its rarity, and every row of length 1 (or 0)."""
    values = (1 + np.log(counts.data)) * rare[counts.indices]
    lengths = np.sqrt(np.bincount(_row_of(counts), values**2, minlength=counts.shape[0]))
    return sparse.csr_matrix((values / lengths[_row_of(counts)], counts.indices, counts.indptr), counts.shape)


def _row_of(rows: Rows) -> Any:
    return np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))


def pieces(columns: Mapping[str, int]) -> Rows:
    """How often each word has each piece of its own, three to five letters long with its ends."""
    known: dict[str, int] = {}
    return _counts(
        [[known.setdefault(piece, len(known)) for piece in _pieces(f" {word} ")] for word in columns], len(known)
    )


def letters(columns: Mapping[str, int]) -> Rows:
    """The pieces of each word as a row of length 1.

    Pieces that only one word has are left out: they say nothing beside the word.
    """
    counts = pieces(columns)
    counts.data[:] = 1.0
    counts = counts[:, np.bincount(counts.indices, minlength=counts.shape[1]) > 1]
    return weighed(counts, rarity(counts))


def _pieces(whole: str) -> list[str]:
    if " " in whole.strip():  # "author Bo Li": a name, spelled like no other
        return []
    return [whole[at : at + size] for size in range(SHORTEST, LONGEST + 1) for at in range(len(whole) - size + 1)]
