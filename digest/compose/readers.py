"""What readers clicked in earlier issues, as small weights of sources and sections (docs/ranking.md, "readers")."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

LOOKED_BACK = 26  # issues: half a year of a weekly
CAUTION = 10  # articles that a source or section is believed to have had already, clicked as the mean


@dataclass(frozen=True)
class Shown:
    """An article that stood in an earlier issue, and how often it was clicked."""

    issue_id: int
    source: str
    section: str  # the article's own
    clicks: int | None  # None: the count does not name it


@dataclass(frozen=True)
class Readers:
    """By how much sources and sections (in small letters) are worth more or less to readers; at most `cap` in all."""

    sources: Mapping[str, float] = field(default_factory=dict)
    sections: Mapping[str, float] = field(default_factory=dict)
    cap: float = 0.0

    def factor(self, source: str, section: str) -> float:
        """What the score is multiplied by: from 1 - cap to 1 + cap, 1 where nothing is known."""
        moved = self.sources.get(source, 0.0) + self.sections.get(section.casefold(), 0.0)
        return 1.0 + min(max(moved, -self.cap), self.cap)


def learned(shown: Iterable[Shown], cap: float) -> Readers:
    """What clicks on earlier issues say, moved by at most `cap` either way, in whatever order the rows come.

    An issue counts once clicks were imported for any of its articles: those that the count does not name had none. A
    source's or a section's clicks an article are held against the mean of all, as if it had had `CAUTION` articles of
    the mean before: few articles move little.
    """
    rows = list(shown)
    counted = {row.issue_id for row in rows if row.clicks is not None}
    rows = [row for row in rows if row.issue_id in counted]
    total = sum(row.clicks or 0 for row in rows)
    if not cap or not total:
        return Readers()
    mean = total / len(rows)
    return Readers(
        _moved([(row.source, row.clicks or 0) for row in rows], mean),
        _moved([(row.section.casefold(), row.clicks or 0) for row in rows if row.section], mean),
        cap,
    )


def _moved(clicks: Iterable[tuple[str, int]], mean: float) -> dict[str, float]:
    by_name: dict[str, list[int]] = defaultdict(list)
    for name, count in clicks:
        by_name[name].append(count)
    return {
        name: (sum(counts) / mean + CAUTION) / (len(counts) + CAUTION) - 1.0 for name, counts in sorted(by_name.items())
    }
