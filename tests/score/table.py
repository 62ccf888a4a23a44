"""A figure of the corpus with what it is held against, and the one table that all of them stand in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

HEAD = ("metric", "baseline", "target", "measured", "")


@dataclass(frozen=True)
class Figure:
    """One measured figure: a share from 0 to 1 unless `unit` says otherwise."""

    metric: str  # "stories: B-cubed F1, uci"
    measured: float
    target: float | None = None  # None: it is only stated
    at_most: bool = False  # the target is the most it may be, not the least
    baseline: str = ""  # "TF-IDF, average link 0.842"
    unit: str = ""  # "s", "MB", "" for a share
    note: str = ""

    @property
    def reached(self) -> bool:
        """Whether the target is reached; true where there is none."""
        if self.target is None:
            return True
        return self.measured <= self.target if self.at_most else self.measured >= self.target


def rows(figures: Iterable[Figure]) -> list[tuple[str, ...]]:
    """The figures as rows of words, one for each."""
    return [
        (
            figure.metric + (f" ({figure.note})" if figure.note else ""),
            figure.baseline,
            _target(figure),
            _said(figure.measured, figure.unit),
            "" if figure.target is None else "ok" if figure.reached else "MISS",
        )
        for figure in figures
    ]


def _target(figure: Figure) -> str:
    if figure.target is None:
        return "stated"
    return f"{'<=' if figure.at_most else '>='} {_said(figure.target, figure.unit)}"


def _said(value: float, unit: str) -> str:
    if unit:
        return f"{value:,.4g} {unit}"
    return f"{value:.3f}"
