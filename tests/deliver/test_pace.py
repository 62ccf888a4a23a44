"""Token buckets, rates that give way, and what a day allows, on a clock of the test's own."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.config import WarmUpConfig
from digest.deliver.pacing.pace import Allowance, Bucket, Tempo, allowed, day_of, tomorrow

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()


def passed(bucket: Bucket, start: float, seconds: float) -> int:
    """How many pass when each goes as soon as it may."""
    now, count = start, 0
    while True:
        now += bucket.wait(now)
        if now > start + seconds:
            return count
        bucket.take()
        count += 1


@pytest.mark.parametrize("rate", [0.5, 1, 3, 14, 100, 1000])
def test_a_bucket_errs_by_five_percent_at_most_in_a_minute(rate: float) -> None:
    assert passed(Bucket(rate, NOON), NOON, 60) == pytest.approx(60 * rate, rel=0.05)


@given(
    rate=st.floats(0.01, 1000),
    steps=st.lists(st.tuples(st.floats(-30, 30), st.integers(0, 50)), max_size=50),
)
def test_a_bucket_never_lets_more_pass_than_its_rate_and_one_burst(rate: float, steps: list[tuple[float, int]]) -> None:
    bucket, now, forward, count = Bucket(rate, NOON), NOON, 0.0, 0
    for step, asked in steps:
        now += step
        forward += max(0.0, step)  # a clock that is set back refills nothing; what comes after it may count again
        for _ in range(asked):
            if not bucket.wait(now):
                bucket.take()
                count += 1
    assert count <= rate * forward + bucket.burst + 1e-3


def test_an_empty_bucket_says_when_the_next_one_may_go() -> None:
    bucket = Bucket(2.0, NOON, 0.0)
    assert bucket.wait(NOON) == 0.5
    assert bucket.wait(NOON + 0.5) == 0.0
    bucket.take()
    assert bucket.wait(NOON + 0.5) == 0.5
    bucket.give_back()
    assert bucket.wait(NOON + 0.5) == 0.0


def test_a_domain_that_asks_for_less_gets_half_and_slowly_more_again() -> None:
    tempo = Tempo(8.0, NOON)
    assert tempo.slow(20.0, NOON)
    assert tempo.bucket and tempo.bucket.rate == 4.0
    assert not tempo.slow(20.0, NOON + 1)  # what was under way says the same
    assert tempo.slow(4.0, NOON + 6)
    assert tempo.bucket.rate == 2.0
    taken = 0
    while tempo.slowed:
        tempo.recover(NOON + 10)
        taken += 1
    assert 100 < taken < 200
    assert tempo.bucket.rate == 8.0


def test_a_domain_without_a_limit_is_slowed_from_where_it_was_and_let_go_at_twice_that() -> None:
    tempo = Tempo(None, NOON)
    tempo.slow(100.0, NOON)
    assert tempo.bucket and tempo.bucket.rate == 50.0
    for number in range(1, 20):
        tempo.slow(0.0, NOON + 10 * number)
    assert tempo.bucket.rate == 0.1
    while tempo.slowed:
        assert tempo.bucket and tempo.bucket.rate <= 200
        tempo.recover(NOON + 1000)
    assert tempo.bucket is None


PLAN = WarmUpConfig(date(2026, 11, 20), first_day=500, factor=1.5, until=1500)


@pytest.mark.parametrize(
    ("day", "per_day", "plan", "wanted"),
    [
        ("2026-11-20", None, None, None),
        ("2026-11-20", 300, None, 300),
        ("2026-11-19", None, PLAN, 0),
        ("2026-11-20", None, PLAN, 500),
        ("2026-11-21", None, PLAN, 750),
        ("2026-11-22", None, PLAN, 1125),
        ("2026-11-23", None, PLAN, None),  # warm
        ("2026-11-22", 1000, PLAN, 1000),
        ("2036-11-22", 1000, PLAN, 1000),
        ("2036-11-22", None, WarmUpConfig(date(2026, 11, 20), 1_000_000, 10.0), None),
    ],
)
def test_what_a_day_allows(day: str, per_day: int | None, plan: WarmUpConfig | None, wanted: int | None) -> None:
    assert allowed(day, per_day, plan) == wanted


def test_a_day_is_taken_in_parts_and_never_more_than_granted() -> None:
    allowance = Allowance(100, None)
    assert allowance.out
    assert allowance.wanted(NOON) == 20
    allowance.grant("2026-11-20", 20, 20)
    assert (allowance.out, allowance.wanted(NOON), allowance.until(NOON)) == (False, 0, None)
    allowance.left = 9
    assert allowance.wanted(NOON) == 20
    allowance.grant("2026-11-20", 3, 20)  # the database had no more
    assert allowance.wanted(NOON) == 0
    allowance.left = 0
    assert allowance.until(NOON) == tomorrow(NOON) == NOON + 43_200
    assert allowance.wanted(tomorrow(NOON)) == 20
    allowance.grant("2026-11-20", 20, 20)  # late: it is another day
    assert (allowance.left, allowance.day, day_of(NOON)) == (0, "2026-11-21", "2026-11-20")
