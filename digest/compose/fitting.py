"""Which articles are left to the web where a mail would be cut by its readers: those that matter least."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from functools import cached_property
from itertools import accumulate

from digest.compose.content import ArticleContent, IssueContent

_AROUND = 600  # bytes that a template writes around an article, roughly


class Lowest:
    """An issue's articles in the order in which they are given up: by rank, the last first, the lead never.

    How many have to go is estimated from what they say and from the size of the mail as it was; whoever asks renders
    what is left and asks again.
    """

    def __init__(self, content: IssueContent) -> None:
        self.lost = 0  # how many are given up
        self._content = content
        placed = enumerate(article for section in content.sections for article in section.articles)
        lowest_first = sorted(placed, key=lambda one: (one[1].rank, one[0]), reverse=True)
        self._order = [article for _, article in lowest_first]
        self._before: tuple[int, int] | None = None  # (how many were lost, bytes of the mail)

    @cached_property
    def _weights(self) -> list[int]:
        """Of the first n of them."""
        return [0, *accumulate(map(_weight, self._order))]

    def lose(self, size: int, most: int) -> bool:
        """Give up as many more as a mail of `size` bytes needs to lose to have `most`; False if none is left."""
        if self.lost == len(self._order):
            return False
        scale = self._bytes_of_a_weight(size)
        self._before = (self.lost, size)
        wanted = self._weights[self.lost] + (size - most) / scale
        first = self.lost + 1
        enough = (count for count in range(first, len(self._weights)) if self._weights[count] >= wanted)
        self.lost = next(enough, len(self._order))
        return True

    def without(self) -> IssueContent:
        """The issue without those given up; a section that has none left is gone."""
        if not self.lost:
            return self._content
        gone = {id(article) for article in self._order[: self.lost]}
        left = (
            replace(section, articles=tuple(one for one in section.articles if id(one) not in gone))
            for section in self._content.sections
        )
        return replace(self._content, sections=tuple(section for section in left if section.articles))

    def _bytes_of_a_weight(self, size: int) -> float:
        """As the last step showed it; before the first, as if articles were all of the mail, which is rather too much
        for one of them: too few go then, and never too many."""
        if self._before:
            lost, larger = self._before
            shown = (larger - size) / (self._weights[self.lost] - self._weights[lost])
            if shown > 0:
                return shown
        return size / max(1, self._weights[-1] - self._weights[self.lost])


def _weight(article: ArticleContent) -> int:
    return _AROUND + len(json.dumps(asdict(article), ensure_ascii=False, default=str).encode())
