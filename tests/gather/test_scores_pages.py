"""Pages against what other readers' test sets state; the figures of our half must not fall below what was reached."""

from __future__ import annotations

from pathlib import Path

import pytest
from score import pages as pagescores


@pytest.fixture(scope="module")
def reached(corpus: Path) -> pagescores.Score:
    return pagescores.score(corpus / "articles")


@pytest.mark.parametrize(
    ("about", "least"), [("title, cut", 0.88), ("date", 0.90), ("author", 0.70), ("image", 0.94), ("body", 0.94)]
)
def test_pages_are_read_as_well_as_they_were(reached: pagescores.Score, about: str, least: float) -> None:
    assert reached.mean(about) >= least


def test_no_page_fails(reached: pagescores.Score) -> None:
    assert [name for name in reached.failed if not name.endswith(" s")] == []
