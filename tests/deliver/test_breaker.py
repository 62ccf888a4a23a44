"""A breaker opens for a cause, tries by itself, closes when it is taken, and obeys a person."""

from __future__ import annotations

import pytest

from digest.deliver.pacing.breaker import Breaker, Standing, sentence
from digest.deliver.pacing.causes import Cause

NOW = 1_795_000_000.0


def tripped(breaker: Breaker, cause: Cause, now: float = NOW) -> int:
    """How many failures it takes."""
    count = 1
    while not breaker.fail(cause, "550 no", now):
        count += 1
    return count


@pytest.mark.parametrize(
    ("cause", "patience", "first"),
    [
        (Cause.REACH, 1, 0.5),
        (Cause.TLS, 1, 0.5),
        (Cause.LOG_IN, 1, 5.0),
        (Cause.SENDER, 1, 0.5),
        (Cause.QUOTA, 1, 1.0),
        (Cause.POLICY, 5, 600.0),
        (Cause.TEMPORARY, 20, 60.0),
    ],
)
def test_each_cause_has_its_patience_and_its_first_pause(cause: Cause, patience: int, first: float) -> None:
    breaker = Breaker()
    assert tripped(breaker, cause) == patience
    assert breaker.standing == Standing(False, cause.value, "550 no", NOW, NOW + first, 1)
    assert not breaker.lets(NOW + first - 0.01)
    assert breaker.lets(NOW + first)


def test_pauses_double_with_every_failed_try_up_to_five_minutes() -> None:
    breaker, now, pauses = Breaker(), NOW, []
    for _ in range(12):
        assert breaker.lets(now)
        breaker.trying = breaker.shut
        assert breaker.fail(Cause.REACH, "connection refused", now)
        pauses.append(breaker.standing.retry_at - now)
        now = breaker.standing.retry_at
    assert pauses == [0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert breaker.standing.since == NOW


def test_one_message_tries_and_the_others_wait_for_it() -> None:
    breaker = Breaker()
    breaker.fail(Cause.REACH, "no", NOW)
    assert breaker.lets(NOW + 1)
    breaker.trying = True
    assert not breaker.lets(NOW + 1)
    assert breaker.taken()
    assert breaker.lets(NOW + 1)
    assert breaker.standing.closed


def test_what_was_under_way_when_it_opened_does_not_lengthen_the_pause() -> None:
    breaker = Breaker()
    breaker.fail(Cause.REACH, "no", NOW)
    assert not breaker.fail(Cause.REACH, "no", NOW + 0.1)
    assert breaker.standing.failures == 1


def test_policy_is_counted_within_a_hundred_and_an_outage_in_a_row() -> None:
    breaker = Breaker()
    for _ in range(4):
        assert not breaker.fail(Cause.POLICY, "no", NOW)
        assert not breaker.fail(Cause.TEMPORARY, "no", NOW)
    breaker.taken()
    assert tripped(breaker, Cause.TEMPORARY) == 20
    breaker = Breaker()
    for _ in range(4):
        breaker.fail(Cause.POLICY, "no", NOW)
    for _ in range(19):
        breaker.taken()
    assert tripped(breaker, Cause.POLICY) == 2
    breaker = Breaker()
    for _ in range(4):
        breaker.fail(Cause.POLICY, "no", NOW)
    for _ in range(100):
        breaker.taken()
    assert not breaker.struck


def test_a_persons_pause_ends_by_a_person_alone() -> None:
    breaker = Breaker()
    breaker.restore(Standing(by_hand=True, since=NOW))
    assert not breaker.lets(NOW + 1e9)
    assert not breaker.taken()
    assert not breaker.fail(Cause.REACH, "no", NOW)
    assert breaker.serious
    breaker.restore(Standing())
    assert breaker.lets(NOW)


def test_a_clock_that_was_set_back_does_not_make_a_pause_endless() -> None:
    breaker = Breaker()
    breaker.fail(Cause.REACH, "no", NOW)
    assert breaker.lets(NOW - 6 * 3600)


@pytest.mark.parametrize(
    ("standing", "domain", "wanted"),
    [
        (Standing(), "", ""),
        (
            Standing(False, "log-in", "535 5.7.8 wrong", NOW, NOW + 5, 1),
            "",
            'relay main: it refuses our log-in ("535 5.7.8 wrong"); tried again at 11:06:45 UTC, or at once after '
            "digest relays resume main",
        ),
        (
            Standing(False, "policy", "550 5.7.26 .", NOW, NOW + 600, 1),
            "gmail.com",
            'relay main, gmail.com: our mail is refused by policy ("550 5.7.26 ."); tried again at 11:16:40 UTC, or at '
            "once after digest relays resume main --domain gmail.com",
        ),
        (Standing(True), "", "relay main: paused by hand; digest relays resume main lets it go on"),
    ],
)
def test_the_cause_is_a_sentence_with_the_command_that_resumes(standing: Standing, domain: str, wanted: str) -> None:
    assert sentence("main", domain, standing) == wanted
