"""Sections guessed on real news, held to what linear baselines reach there with as many rows."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

import pytest
from score import sections


@pytest.mark.parametrize(("name", "least"), [("agnews", 0.785), ("huffpost", 0.31), ("uci", 0.949)])
def test_a_hundred_rows_a_section_are_not_worse_than_a_linear_baseline(corpus: Path, name: str, least: float) -> None:
    reached = []
    for split in sections.splits(sections.corpora(corpus)[name], 100, 2):
        found = [guess.section_id for guess in sections.ours(split)]
        reached.append(sections.macro_f1([row.section for row in split.new], found))
    assert fmean(reached) >= least
