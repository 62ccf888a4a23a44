"""Texts as rows of numbers: their words, each weighed by how rare it is, and the letters that words share. Pure.

Loads numpy and scipy. Letters stand in for stemming in every language; where a script puts no spaces between words,
they are all there is.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, TypeAlias
from urllib.parse import unquote

import numpy as np
from scipy import sparse

from digest.compose.folding import folded

Numbers: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"
Places: TypeAlias = "np.ndarray[Any, np.dtype[np.signedinteger[Any]]]"
Rows: TypeAlias = Any  # scipy.sparse.csr_matrix; scipy ships no types

SHORTEST, LONGEST = 3, 5  # letters in a piece of a word, its ends counted
LONG = 60  # letters of a word that count: what is longer is no word, or a whole sentence of a script without spaces
_WORD = re.compile(r"[^\W_]+")
_PATH_WORD = re.compile(r"[^\W\d_]{2,}")
_APART = {sign: " " for sign in range(128) if not chr(sign).isalnum()}
_PATH = re.compile(r"(?:[^:/?#]+:)?(?://[^/?#]*)?([^?#]*)")  # RFC 3986, appendix B


def words(text: str, url: str = "") -> list[str]:
    """The words of a text and of a URL's path, folded."""
    found = text.lower().translate(_APART).split() if text.isascii() else _WORD.findall(folded(text))
    if url and (path := _PATH.match(url)):
        found += _PATH_WORD.findall(_lower(unquote(path[1])))
    return [word[:LONG] for word in found] if max(map(len, found), default=0) > LONG else found


def _lower(text: str) -> str:
    return text.lower() if text.isascii() else folded(text)  # where words end, space says nothing else


def tabled(rows: Sequence[Sequence[str]], said: Callable[[str], str] = str) -> tuple[dict[str, int], Rows]:
    """A column for each word, in the order of the alphabet; and how often each row has it.

    A word counts as what is `said` for it, and not at all if that is empty.
    """
    number: defaultdict[str, int] = defaultdict()
    number.default_factory = number.__len__
    flat, starts = _flat(rows, number.__getitem__)
    known = [said(word) for word in number]
    columns = {word: column for column, word in enumerate(sorted({*known} - {""}))}
    place = np.fromiter((columns.get(word, -1) for word in known), np.int32, len(known))
    return columns, _counts(place[flat], starts, len(columns))


def counted(rows: Sequence[Sequence[str]], columns: Mapping[str, int]) -> Rows:
    """How often each row has each known word."""
    return _counts(*_flat(rows, lambda word: columns.get(word, -1)), len(columns))


def _flat(rows: Sequence[Sequence[str]], number: Callable[[str], int]) -> tuple[Places, Places]:
    starts = np.cumsum([0, *map(len, rows)])
    return np.fromiter(map(number, chain.from_iterable(rows)), np.int32, int(starts[-1])), starts


def _counts(flat: Places, starts: Places, width: int) -> Rows:
    """Rows of columns, one after the other, each from its start on; a column below 0 is none."""
    kept = flat >= 0
    if not kept.all():
        starts, flat = np.concatenate([[0], np.cumsum(kept)])[starts], flat[kept]
    found = sparse.csr_matrix((np.ones(len(flat)), flat, starts), (len(starts) - 1, width))
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
    """How often each word has each piece of its own, three to five letters long with its ends.

    A word of several has none: "author Bo Li" is a name, spelled like no other.
    """
    spelled = ["" if " " in word else f" {word} " for word in columns]
    letter = np.frombuffer("".join(spelled).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.int64)
    sizes = np.fromiter(map(len, spelled), np.int64, len(spelled))
    word = np.repeat(np.arange(len(spelled)), sizes)
    left = np.repeat(np.cumsum(sizes), sizes) - np.arange(len(letter))  # letters from here to the word's end
    two, _ = _paired(letter, 1, left > 1)
    three, width = _paired(two, 1, left >= SHORTEST)
    found, fits = [three], [left >= SHORTEST]
    for more in range(1, LONGEST - SHORTEST + 1):
        fits.append(left >= SHORTEST + more)
        longer, many = _paired(three, more, fits[-1])
        found.append(longer + width)
        width += many
    rows = np.concatenate([word[fit] for fit in fits])
    flat = np.concatenate([piece[fit] for piece, fit in zip(found, fits, strict=True)])
    counts = sparse.csr_matrix((np.ones(len(flat)), (rows, flat)), (len(spelled), width))
    counts.sum_duplicates()
    return counts


def _paired(numbers: Places, apart: int, fits: Any) -> tuple[Places, int]:
    """A number for each pair of one that `fits` and the one that stands `apart`, and how many numbers there are."""
    other = np.zeros_like(numbers)
    other[: max(len(numbers) - apart, 0)] = numbers[apart:]
    known, number = np.unique((numbers << 32 | other)[fits], return_inverse=True)
    found = np.zeros_like(numbers)
    found[fits] = number
    return found, len(known)


def letters(columns: Mapping[str, int]) -> Rows:
    """The pieces of each word as a row of length 1.

    Pieces that only one word has are left out: they say nothing beside the word.
    """
    counts = pieces(columns)
    counts.data[:] = 1.0
    counts = counts[:, np.bincount(counts.indices, minlength=counts.shape[1]) > 1]
    return weighed(counts, rarity(counts))
