"""Stories on real news, held to the targets."""

from __future__ import annotations

from pathlib import Path

import pytest
from score import stories


@pytest.mark.parametrize(
    ("name", "f1", "precise"), [("uci", 0.91, 0.93), ("ecbplus", 0.92, 0.92), ("basil", 0.97, 0.93)]
)
def test_articles_of_one_event_are_brought_together_and_look_alikes_kept_apart(
    corpus: Path, name: str, f1: float, precise: float
) -> None:
    precision, _, reached, joined = stories.scored(stories.labelled(corpus, name))
    assert reached >= f1
    assert precision >= precise
    assert joined <= 0.10
