"""What people choose, as values: equal wishes are equal, odd rows harm nobody."""

from __future__ import annotations

import pytest

from subscribers.choices import LONGEST, MOST, Choices, chosen, read, written


@pytest.mark.parametrize(
    ("stored", "means"),
    [
        ({}, Choices()),
        ({"sections": ["europe", "asia", "europe"]}, Choices(sections=("asia", "europe"))),
        ({"authors": ["  Ann   Lee ", "ANN LEE", ""]}, Choices(authors=("ann lee",))),
        ({"muted_authors": ["Zoë"], "muted_sections": ["video"]}, Choices((), (), ("video",), ("zoë",))),
        ({"editions": ["monthly"], "unknown": ["x"]}, Choices(editions=("monthly",))),
        ({"sections": "europe", "authors": None, "editions": [1, ["x"], "weekly"]}, Choices(editions=("weekly",))),
        ({"sections": ["x" * 1000]}, Choices(sections=("x" * LONGEST,))),
    ],
)
def test_what_is_stored_is_read_and_written_again(stored: dict[str, object], means: Choices) -> None:
    assert read(stored) == means
    assert read(written(means)) == means


def test_nothing_chosen_is_stored_as_nothing() -> None:
    assert written(Choices()) == {}


def test_a_page_can_send_only_so_many_names() -> None:
    assert len(chosen(sections=map(str, range(10_000))).sections) == MOST
