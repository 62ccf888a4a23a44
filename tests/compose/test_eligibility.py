"""What an issue may choose from: half-open windows, backlog, outages."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.compose.eligibility import Window, not_eligible, taken, window
from digest.models import Article

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
WEEK = Window(NOW - timedelta(days=7), NOW, 7)


def article(
    seen: float = 1,
    published: float | None = 1,
    previous: float | None = None,
    hidden: bool = False,
    by_hand: bool = False,
) -> Article:
    """All in days before now; `previous` is the source's last good look."""

    def at(days: float) -> datetime:
        return NOW - timedelta(days=days)

    return Article(
        canonical_url="https://a.example/1",
        url="https://a.example/1",
        source_id="a",
        title="A",
        published_at=None if published is None else at(published),
        first_seen_at=at(seen),
        available_at=at(seen if published is None else min(seen, published)),
        previous_look_at=at(seen if previous is None else previous),
        hidden=hidden,
        added_by_hand=by_hand,
    )


@pytest.mark.parametrize(
    ("caption", "given_", "reason"),
    [
        ("published and seen in the window", {}, None),
        ("seen at the window's very start", {"seen": 7, "published": 7}, None),
        ("seen at the cut itself: the next issue's", {"seen": 0, "published": 1}, "after the cut"),
        ("seen before the window", {"seen": 8, "published": 8}, "before this issue's window"),
        ("dated after the cut waits", {"seen": 1, "published": -2}, "after the cut"),
        ("dated ahead when seen, its time has come", {"seen": 9, "published": 2}, None),
        ("without a date counts from first seen", {"published": None}, None),
        ("a new source brings the last days", {"seen": 1, "published": 7.9}, None),
        ("a new source's backlog stays out", {"seen": 1, "published": 8.1}, "backlog"),
        ("a source that was down loses nothing", {"seen": 1, "published": 20, "previous": 21}, None),
        ("even then, not what was old before", {"seen": 1, "published": 29, "previous": 21}, "backlog"),
        ("what staff add may be old", {"seen": 1, "published": 900, "by_hand": True}, None),
        ("hidden", {"hidden": True}, "hidden"),
    ],
)
def test_reasons(caption: str, given_: dict[str, Any], reason: str | None) -> None:
    said = not_eligible(article(**given_), WEEK)
    assert said is None if reason is None else said is not None and reason in said.sentence


def test_the_first_window_is_as_long_as_the_setting_says_however_long() -> None:
    assert window(None, NOW, 7) == WEEK
    assert window(None, NOW, 10**9).start.year == 1926
    assert window(NOW - timedelta(days=2), NOW, 7).start == NOW - timedelta(days=2)


def test_taken_names_the_issue() -> None:
    assert taken(12, 40).sentence == "It was in issue 12."
    assert taken(None, 40).sentence == "It is in the open issue with id 40."


@given(
    st.lists(st.integers(1, 5000), min_size=2, max_size=8, unique=True),
    st.integers(0, 5000),
    st.integers(-100, 300),
)
def test_an_article_is_in_exactly_one_of_windows_that_meet(cuts: list[int], seen: int, lag: int) -> None:
    """Minutes; whatever the boundaries, an available article falls in one window (E-13)."""
    ends = [NOW + timedelta(minutes=minute) for minute in sorted(cuts)]
    one = article(published=None)
    one.first_seen_at = one.previous_look_at = NOW + timedelta(minutes=seen)
    one.published_at = one.first_seen_at + timedelta(minutes=lag)
    one.available_at = max(one.first_seen_at, one.published_at)
    found = [start for start, end in itertools.pairwise(ends) if not_eligible(one, Window(start, end, 7)) is None]
    assert len(found) == (1 if ends[0] <= one.available_at < ends[-1] else 0)
