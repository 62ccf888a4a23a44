"""Sections guessed from the newsroom's own past articles. Pure: equal rows in any order give equal guesses.

Two views of the same words are weighed against each other, both in closed form: ridge regression over words and their
letters, which needs the fewest rows, and naive Bayes, which is then learned anew from its own guesses about the rows
whose section nobody knows: the words of a week that the past had not. How much each view counts, and so how sure a
guess is, is what predicts those past rows best that were hidden while it learned.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.linalg import lapack

from digest.compose import words as text
from digest.compose.folding import folded
from digest.compose.words import Numbers, Rows

MOST_PAST = 2_000  # rows that are learned from: the cost grows with their cube
MOST_NEW = 3_000  # rows without a section that are learned from, evenly from all of them
LETTERS = 0.5  # of the evidence in the regression; words have the other half
LETTERS_SEEN = 0.3  # likewise in naive Bayes
FLATTEN = 0.3  # the ridge: how much a single row is distrusted
UNSEEN = 0.05  # of a row: what naive Bayes grants to a word that a section never had
NEW_WEIGHT = 0.3  # of a row without a section, against one of the past
ROUNDS = 3  # of guessing, and learning from the guesses
FOLDS = 3  # a third of the past is hidden in turn
_RIDGE = (0.0, 1.0, 2.0, 3.0, 4.5, 6.5, 9.0, 13.0, 18.0)
_BAYES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)


@dataclass(frozen=True)
class Example:
    """An article's words and, where it is known, the section that it stood in."""

    title: str
    dek: str = ""
    url: str = ""
    section: str = ""
    marks: tuple[str, ...] = ()  # each is a word of its own: "author Bo Li", "source blog"


@dataclass(frozen=True)
class Guess:
    """The section an article would stand in, how likely that is (0 to 1), and of how many past articles it is known."""

    section_id: str
    confidence: float
    learned_from: int


@dataclass(frozen=True)
class Model:
    """What was learned: for each known word, how much it speaks for each section."""

    sections: tuple[str, ...]
    learned_from: int
    columns: Mapping[str, int]
    rarity: Numbers
    told: Numbers  # 1.0 for each word that the past has, else 0.0
    weights: Numbers  # a row for each word, a column for each section
    start: Numbers  # what speaks for each section before a word is read

    def guess(self, article: Example) -> Guess:
        """The likeliest section."""
        return self.guesses([article])[0]

    def guesses(self, articles: Sequence[Example]) -> list[Guess]:
        """The likeliest section of each, in their order; of equals, the first by id."""
        if not articles:
            return []
        rows = text.weighed(text.counted(_words(articles), self.columns), self.rarity)
        likely = self.learned_from * _soft(rows @ self.weights + self.start) + 1  # few rows make nothing certain
        likely = np.round(likely / (self.learned_from + len(self.sections)), 9)
        best = likely.argmax(axis=1)
        spoken = rows @ self.told > 0  # without any word of the past a guess is no more than chance
        sure = np.where(spoken, likely[np.arange(len(best)), best], 1 / len(self.sections))
        return [
            Guess(self.sections[at], round(float(one), 4), self.learned_from)
            for at, one in zip(best, sure, strict=True)
        ]


def learn(past: Sequence[Example], window: Sequence[Example] = ()) -> Model | None:
    """A model of the first 2,000 rows of `past`; None if they are of fewer than two sections.

    `window`: articles to be guessed, whose own words help to tell the sections apart.
    """
    past = sorted(past[:MOST_PAST], key=_key)
    names = sorted({row.section for row in past})
    if len(names) < 2:
        return None
    window = sorted((replace(row, section="") for row in window), key=_key)
    read = _words([*past, *window])
    columns, counts = text.tabled(read)
    rare = text.rarity(counts)
    rows = text.weighed(counts, rare)
    some = len(past) + np.unique(np.linspace(0, max(len(window) - 1, 0), min(len(window), MOST_NEW)).astype(int))
    labels = np.array([names.index(row.section) for row in past])
    pieces = text.letters(columns)
    weights, start = _Study(rows[: len(past)], rows[some], pieces, labels, len(names)).learned()
    told = np.zeros(len(columns))
    told[rows[: len(past)].indices] = 1.0
    return Model(tuple(names), len(past), columns, rare, told, weights, start)


def _key(row: Example) -> tuple[str, str, str, str, tuple[str, ...]]:
    return row.title, row.dek, row.url, row.section, row.marks


def _words(rows: Sequence[Example]) -> list[list[str]]:
    return [[*text.words(f"{row.title}\n{row.dek}", row.url), *map(folded, row.marks)] for row in rows]


class _Study:
    """All rows at once, learned from in one run with the whole past and one for each part of it that is hidden.

    What belongs to a run is a block of columns, one for each section: the first block is of the whole past.
    """

    def __init__(self, past: Rows, new: Rows, pieces: Rows, labels: Any, sections: int) -> None:
        self.past, self.new, self.pieces, self.sections = past, new, pieces, sections
        self.labels = labels
        self.fold = _folds(labels)
        self.wanted = (labels[:, None] == np.arange(sections)).astype(np.float64)
        self.weight = len(labels) / sections / self.wanted.sum(axis=0)[labels]  # each section weighs the same

    def learned(self) -> tuple[Numbers, Numbers]:
        """The weight of each word for each section, and the sections' start."""
        pull = self.regressed()
        ridge = self.by_words(self.past.T @ pull, LETTERS)
        start = pull.sum(axis=0)
        known = self.hidden(self.past @ ridge + start)
        new = self.new @ ridge + start
        bayes, trust = np.zeros_like(ridge), self.trusted(known, None)
        if self.new.shape[0]:
            likely = self.soft(trust[0] * new)
            for _ in range(ROUNDS):
                bayes = self.bayes(likely)
                trust = self.trusted(known, self.hidden(self.past @ bayes))
                likely = self.soft(trust[0] * new + trust[1] * (self.new @ bayes))
        own = slice(self.sections)
        return trust[0] * ridge[:, own] + trust[1] * bayes[:, own], trust[0] * start[own]

    def regressed(self) -> Numbers:
        """How much each past row pulls towards each section, in every run; a hidden row doesn't.

        Weighted kernel ridge regression; what a run without some rows would find follows from the one with all.
        """
        spelled = self.past @ self.pieces
        kernel = (1 - LETTERS) * (self.past @ self.past.T).toarray() + LETTERS * (spelled @ spelled.T).toarray() + 1.0
        inverse = _inverse(kernel + np.diag(FLATTEN / self.weight))
        pull = inverse @ self.wanted
        runs = [pull]
        for fold in range(FOLDS):
            out = np.flatnonzero(self.fold == fold)
            less = pull - inverse[:, out] @ np.linalg.solve(inverse[np.ix_(out, out)], pull[out]) if len(out) else pull
            less[out] = 0.0
            runs.append(less)
        return np.hstack(runs)

    def by_words(self, found: Numbers, share: float) -> Numbers:
        """What was found for words, shared with the words that are spelled alike."""
        return np.asarray((1 - share) * found + share * (self.pieces @ (self.pieces.T @ found)))

    def bayes(self, likely: Numbers) -> Numbers:
        """The logarithm of each word's share in each section, by the past and by what is likely of the new rows."""
        runs = [np.ones(len(self.labels)), *((self.fold != fold).astype(np.float64) for fold in range(FOLDS))]
        known = np.hstack([self.wanted * (self.weight * seen)[:, None] for seen in runs])
        words = np.asarray(self.past.T @ known + NEW_WEIGHT * (self.new.T @ likely))
        pieces = np.asarray(self.pieces.T @ words) * LETTERS_SEEN + UNSEEN
        words = words * (1 - LETTERS_SEEN) + UNSEEN
        whole = np.log(words.sum(axis=0) + pieces.sum(axis=0))
        spelled = np.asarray(self.pieces @ (np.log(pieces) - whole))
        return np.asarray((1 - LETTERS_SEEN) * (np.log(words) - whole) + LETTERS_SEEN * spelled)

    def hidden(self, scores: Numbers) -> Numbers:
        """For each past row the scores of the run that it was hidden from."""
        blocks = scores.reshape(len(scores), FOLDS + 1, self.sections)
        return np.asarray(blocks[np.arange(len(scores)), self.fold + 1])

    def soft(self, scores: Numbers) -> Numbers:
        """Each run's scores as probabilities."""
        return np.hstack([_soft(block) for block in np.split(scores, FOLDS + 1, axis=1)])

    def trusted(self, ridge: Numbers, bayes: Numbers | None) -> tuple[float, float]:
        """The factors of both views under which the hidden rows' sections are likeliest."""
        own = np.arange(len(self.labels))
        pairs = [(one, other) for one in _RIDGE for other in (_BAYES if bayes is not None else (0.0,))]

        def loss(pair: tuple[float, float]) -> float:
            scores = pair[0] * ridge + (pair[1] * bayes if bayes is not None else 0.0)
            top = scores.max(axis=1)
            told = np.log(np.exp(scores - top[:, None]).sum(axis=1)) + top - scores[own, self.labels]
            return round(float(told.mean()), 9)

        return min(pairs, key=loss)


def _inverse(positive: Numbers) -> Numbers:
    """Of a symmetric positive matrix, by Cholesky: half the work of any matrix's."""
    factor, _ = lapack.dpotrf(positive, lower=True, overwrite_a=True)
    half, _ = lapack.dpotri(factor, lower=True, overwrite_c=True)
    low = np.tril(half)
    return np.asarray(low + np.tril(half, -1).T)


def _folds(labels: Any) -> Any:
    """Which part each row belongs to: every section is dealt out evenly."""
    seen: Counter[int] = Counter()
    found = []
    for label in labels.tolist():
        found.append(seen[label] % FOLDS)
        seen[label] += 1
    return np.array(found)


def _soft(scores: Numbers) -> Numbers:
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
