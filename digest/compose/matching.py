"""Which texts tell the same event: how alike two of them are, and groups that hold together. Pure.

Two texts are alike by words and letters, more so if they name the same; less the further apart they were published;
more if they name the same month or year, and less if each names days of the week, months or years and none in common;
and they are alike if they are like the same others. Short titles that only numbers tell apart ("Week 3", "Week 4") are
not alike. Groups are made by average linkage: two are joined while their texts are alike on the whole, not for one
pair's sake.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from digest.compose.evidence import Evidence, Numbers, Text, evidence
from digest.compose.words import Rows

WORDS, NAMES = 0.5, 0.7  # shares: of words against letters, of named things against both
WEEK_H = 7 * 24
SHORT_APART_H, LONG_APART_H = 30.0, 168.0  # texts this much further apart are 1/e as alike
OTHER_DATES = (0.7, 0.8, 0.75)  # of those that name days of the week, months, years, and none in common
SAME_DATES = (1.0, 1.3, 1.6)  # and of those that name one in common
ONE_SOURCE = 0.2  # of two texts of one source: it writes of an event again to say something else
SECOND = 0.3  # share of being like the same others
OTHERS = 60  # of the others that a text is like, the likest are looked at
FAINT = 0.04  # what is less alike is not alike
SHORT, LONG = 0.11, 0.3  # how alike texts of 80 and of 300 characters must be
SHORT_TEXT, LONG_TEXT = 80, 300
COMMON, MOST_COMMON = 200, 1_000  # texts, or between them a tenth of all: a term that more have tells nothing
NEAR = 0.45  # of what texts must be alike: pairs whose words alone are less alike are not looked at further
BLOCK = 1_200  # texts that are held together at once: the cost grows with the square
_CHUNK = 2_000  # pairs whose rows are held at once
_PAIRS = 200_000  # pairs that are looked at closely at once
_ROWS = 100
_LATER = 10  # pieces of so many rows; each is compared with those of its own ten and of later ones only


@dataclass(frozen=True)
class _Pairs:
    """Two texts each, the smaller number first, and how alike they are: at first their words, then the whole."""

    first: Numbers
    second: Numbers
    alike: Numbers

    def where(self, kept: Numbers | slice) -> _Pairs:
        return _Pairs(self.first[kept], self.second[kept], self.alike[kept])

    def matrix(self, among: Numbers) -> Rows:
        """Those of texts `among` (numbers in order) as a symmetric matrix with ones along its diagonal."""
        places = (np.searchsorted(among, self.first), np.searchsorted(among, self.second))
        upper = sparse.coo_matrix((self.alike, places), (len(among), len(among)))
        return sparse.csr_matrix(upper + upper.T + sparse.identity(len(among)))


def groups(texts: Sequence[Text]) -> list[list[int]]:
    """The numbers of `texts` that tell the same event: each in one group, groups by their first number.

    Equal texts give equal groups, whatever order they come in. Those that are `named_alike` are in one group.
    """
    alike = sorted(named_alike(texts), key=lambda group: _order(texts[group[0]]))
    found = _told([texts[group[0]] for group in alike])
    return sorted(sorted(number for one in group for number in alike[one]) for group in found)


def named_alike(texts: Sequence[Text]) -> list[list[int]]:
    """The numbers of `texts` whose titles are equal but for case, encoding and punctuation, at most a week apart.

    Each number is in one group, the earliest of it first. A title that comes back later ("The week in cartoons") is
    another; one without letters is like no other.
    """
    by_title: dict[str, list[int]] = {}
    for number, text in enumerate(texts):
        by_title.setdefault(" ".join(text.spoken) or f"{number}", []).append(number)
    return [group for same in by_title.values() for group in _weeks(texts, same)]


def _weeks(texts: Sequence[Text], same: list[int]) -> list[list[int]]:
    if len(same) == 1:
        return [same]
    found: list[list[int]] = []
    for number in sorted(same, key=lambda number: _order(texts[number])):
        if found and _hour(texts[number]) - _hour(texts[found[-1][0]]) <= WEEK_H:
            found[-1].append(number)
        else:
            found.append([number])
    return found


def _hour(text: Text) -> float:
    return text.hour or 0.0


def _order(text: Text) -> tuple[object, ...]:
    """All that a text says, so that two that stand alike here are one to everything else."""
    return _hour(text), text.hour is None, text.url, text.title, text.dek, text.source


def _told(texts: Sequence[Text]) -> list[list[int]]:
    """The numbers of `texts`, whose order is always the same, that tell the same event."""
    if len(texts) < 2:
        return [[number] for number in range(len(texts))]
    given = evidence(texts)
    needed = SHORT + (LONG - SHORT) * _length(given.lengths)
    pairs = _alike(given, _candidates(given, needed))
    return [group for part in _parts(pairs, len(texts)) for group in _within(part, pairs, needed)]


def _within(part: Numbers, pairs: _Pairs, needed: Numbers) -> list[list[int]]:
    """The groups of a part."""
    inside = np.zeros(len(needed), dtype=bool)
    inside[part] = True
    alike = _with_others(pairs.where(inside[pairs.first]).matrix(part))
    return [part[group].tolist() for group in _joined(_blocks(alike, needed[part]), alike, needed[part])]


def _parts(pairs: _Pairs, count: int) -> Iterator[Numbers]:
    """All texts in parts that no pair joins, small ones together: only one part's matrices are held at once."""
    waiting, size = list[Numbers](), 0
    for part in _connected(np.arange(count), pairs.first, pairs.second, count):
        if waiting and size + len(part) > BLOCK:
            yield np.sort(np.concatenate(waiting))
            waiting, size = [], 0
        waiting.append(part)
        size += len(part)
    yield np.sort(np.concatenate(waiting))


def _candidates(given: Evidence, needed: Numbers) -> _Pairs:
    """Pairs that share enough words, none of them common, and were published near each other."""
    telling = _telling(given.words)
    found = [_Pairs(*(np.zeros(0, dtype=kind) for kind in (np.int32, np.int32, np.float64)))]
    for start in range(0, telling.shape[0], _ROWS):  # in pieces: all products at once would not fit
        if start % (_LATER * _ROWS) == 0:
            first, later = start, telling[start:].T.tocsr()
        shared = (telling[start : start + _ROWS] @ later).tocoo()
        some = shared.data >= NEAR * needed.min()  # most are not, and need no closer look
        pairs = _Pairs(shared.row[some] + start, shared.col[some] + first, shared.data[some])
        least = NEAR * (needed[pairs.first] + needed[pairs.second]) / 2
        pairs = pairs.where((pairs.first < pairs.second) & (pairs.alike >= least))
        found.append(pairs.where(_apart(given, pairs) < -_fading(given, pairs) * np.log(FAINT)))
    columns = zip(*((one.first, one.second, one.alike) for one in found), strict=True)
    return _Pairs(*map(np.concatenate, columns))


def _telling(rows: Rows) -> Rows:
    """The rows without the terms that many of them have: those bring nobody together."""
    seen = np.bincount(rows.indices, minlength=rows.shape[1])
    kept = seen[rows.indices] <= _common(rows.shape[0])
    found = sparse.csr_matrix((np.where(kept, rows.data, 0.0), rows.indices, rows.indptr), rows.shape, copy=True)
    found.eliminate_zeros()
    return found


def _apart(given: Evidence, pairs: _Pairs) -> Numbers:
    """Hours between the two; none where one has no time, and a day less where one is a day and no more."""
    hours = given.hours
    apart = np.nan_to_num(np.abs(hours[pairs.first] - hours[pairs.second]))
    day = (hours[pairs.first] % 24 == 0) | (hours[pairs.second] % 24 == 0)
    return np.asarray(np.where(day, np.maximum(apart - 24, 0), apart))


def _fading(given: Evidence, pairs: _Pairs) -> Numbers:
    """Hours after which the two are 1/e as alike: the more they say, the less their time has to."""
    long = (_length(given.lengths[pairs.first]) + _length(given.lengths[pairs.second])) / 2
    return np.asarray(SHORT_APART_H + (LONG_APART_H - SHORT_APART_H) * long)


def _length(characters: Numbers) -> Numbers:
    """0 for a title, 1 for a title with its first sentences."""
    return np.clip((characters - SHORT_TEXT) / (LONG_TEXT - SHORT_TEXT), 0, 1)


def _alike(given: Evidence, pairs: _Pairs) -> _Pairs:
    """The pairs that are alike at all, and how much."""
    count = len(given.lengths)
    used = np.bincount(pairs.first, minlength=count) + np.bincount(pairs.second, minlength=count)
    wanted = np.flatnonzero(used)
    letters = given.letters.of(wanted, _common(count))
    for start in range(0, len(pairs.first), _PAIRS):
        some = pairs.where(slice(start, start + _PAIRS))  # a view: millions of pairs are held once
        spelled = _products(letters, np.searchsorted(wanted, some.first), np.searchsorted(wanted, some.second))
        some.alike[:] = _likeness(given, some, spelled)
    return pairs.where(pairs.alike >= FAINT)


def _likeness(given: Evidence, pairs: _Pairs, spelled: Numbers) -> Numbers:
    """How alike the texts of each pair are, whose letters are as alike as `spelled` says."""
    first, second = pairs.first, pairs.second
    text = WORDS * pairs.alike + (1 - WORDS) * spelled
    names = np.diff(given.names.indptr) > 0
    agreed = np.sqrt(text * _products(given.names, first, second))
    found = np.where(names[first] & names[second], (1 - NAMES) * text + NAMES * agreed, text)
    found *= np.exp(-_apart(given, pairs) / _fading(given, pairs))
    for named, other, same in zip(given.dates, OTHER_DATES, SAME_DATES, strict=True):
        both = (named[first] > 0) & (named[second] > 0)
        found *= np.where(both, np.where(named[first] & named[second] > 0, same, other), 1.0)
    found[(given.serials[first] > 0) & (given.serials[first] == given.serials[second])] = 0.0
    own = (given.sources[first] > 0) & (given.sources[first] == given.sources[second])
    return np.asarray(found * np.where(own, ONE_SOURCE, 1.0))


def _common(count: int) -> int:
    """Of `count` texts, how many may have a term that still tells something."""
    return min(max(COMMON, count // 10), MOST_COMMON)


def _products(rows: Rows, first: Numbers, second: Numbers) -> Numbers:
    """The product of row `first[n]` with row `second[n]`, for every n."""
    found = np.zeros(len(first))
    for start in range(0, len(first), _CHUNK):
        part = slice(start, start + _CHUNK)
        found[part] = np.asarray(rows[first[part]].multiply(rows[second[part]]).sum(axis=1)).ravel()
    return found


def _with_others(alike: Rows) -> Rows:
    """Mixed with how much two are like the same others (the cosine of their rows)."""
    near = _nearest(alike)
    length = np.sqrt(np.asarray(near.multiply(near).sum(axis=1)).ravel())
    rows = sparse.diags(1 / length) @ near
    return sparse.csr_matrix((1 - SECOND) * alike + SECOND * (rows @ rows.T))


def _nearest(alike: Rows) -> Rows:
    """The rows with their largest values only, where they have very many: the cost grows with the square."""
    row = np.repeat(np.arange(alike.shape[0]), np.diff(alike.indptr))
    order = np.lexsort((alike.indices, -alike.data, row))
    kept = np.sort(order[np.arange(len(row)) - alike.indptr[row] < OTHERS])
    return sparse.csr_matrix((alike.data[kept], (row[kept], alike.indices[kept])), alike.shape)


def _blocks(alike: Rows, needed: Numbers) -> list[Numbers]:
    """Texts that can come together at all, as each has another that is alike enough; in blocks that can be held."""
    pairs = sparse.triu(alike, k=1, format="coo")
    enough = pairs.data / ((needed[pairs.row] + needed[pairs.col]) / 2)
    waiting: list[tuple[Numbers, float]] = [(np.arange(len(needed)), 1.0)]
    found = []
    while waiting:
        members, least = waiting.pop()
        inside = np.isin(pairs.row, members) & np.isin(pairs.col, members) & (enough >= least)
        for block in _connected(members, pairs.row[inside], pairs.col[inside], len(needed)):
            if len(block) <= BLOCK or least > 1 / SHORT:
                found.append(block)
            else:
                waiting.append((block, least * 1.3))
    return found


def _connected(members: Numbers, first: Numbers, second: Numbers, count: int) -> list[Numbers]:
    """The members that hang together by pairs; each takes over the smallest number that it can reach."""
    label = np.arange(count)
    while (label[first] != label[second]).any():
        least = np.minimum(label[first], label[second])
        np.minimum.at(label, label[first], least)
        np.minimum.at(label, label[second], least)
        while (label != label[label]).any():
            label = label[label]
    order = members[np.argsort(label[members], kind="stable")]
    return np.split(order, np.flatnonzero(np.diff(label[order])) + 1)


def _joined(blocks: Sequence[Numbers], alike: Rows, needed: Numbers) -> list[list[int]]:
    """The groups of the blocks; a block too large to be held is one group, as all in it is alike."""
    whole = [block.tolist() for block in blocks if len(block) == 1 or len(block) > BLOCK]
    split = [block for block in blocks if 1 < len(block) <= BLOCK]
    if not split:
        return whole
    order, sizes = np.concatenate(split), np.array([len(block) for block in split])
    ends, number = np.cumsum(sizes), np.repeat(np.arange(len(split)), sizes)
    found = alike[order][:, order].tocoo()
    found.data /= (needed[order[found.row]] + needed[order[found.col]]) / 2
    own = number[found.row] == number[found.col]
    row, column, data = found.row[own], found.col[own], found.data[own]
    at = np.searchsorted(row, [0, *ends])
    for block, size, start, stop, end in zip(split, sizes, at[:-1], at[1:], ends, strict=True):
        inside = np.zeros((size, size))
        inside[row[start:stop] - end + size, column[start:stop] - end + size] = data[start:stop]
        whole += [sorted(block[group].tolist()) for group in _linked((inside + inside.T) / 2)]
    return whole


def _linked(alike: Numbers) -> list[list[int]]:
    """Groups by average linkage of rows, of which two are joined while they are alike by 1 at least.

    From any group to the one that is most like it, on to the one most like that: two that are most like each other are
    joined, and one that nothing is alike enough to will stay so whatever is joined.
    """
    np.fill_diagonal(alike, 0.0)
    groups = [[number] for number in range(len(alike))]
    waiting, path = list(range(len(alike))), list[int]()
    while path or waiting:
        if not path:
            path.append(waiting.pop())
        last = path[-1]
        nearest = int(alike[last].argmax())
        if len(path) > 1 and alike[last, path[-2]] == alike[last, nearest]:
            nearest = path[-2]
        if alike[last, nearest] < 1.0:
            path.pop()
            alike[last] = alike[:, last] = 0.0
        elif len(path) > 1 and nearest == path[-2]:
            del path[-2:]
            _join(alike, groups, nearest, last)
            waiting.append(nearest)
        else:
            path.append(nearest)
    return [group for group in groups if group]


def _join(alike: Numbers, groups: list[list[int]], one: int, other: int) -> None:
    share = len(groups[other]) / (len(groups[one]) + len(groups[other]))
    joined = (1 - share) * alike[one] + share * alike[other]
    joined[[one, other]] = 0.0
    alike[other] = alike[:, other] = 0.0
    alike[one] = alike[:, one] = joined
    groups[one] += groups[other]
    groups[other] = []
