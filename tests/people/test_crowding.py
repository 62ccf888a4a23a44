"""How much a crowd of sign-ups can cause, kept over restarts (S-B15)."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from newsroom import KEY, counting, how_many, make_lists, sign_up
from sqlalchemy import Engine, delete, select
from sqlmodel import Session

from digest import db
from subscribers import crowding
from subscribers.columns import table
from subscribers.crowding import HOUR, IN_ALL, LONGEST_WAIT, PER_DOMAIN, PER_NETWORK, may_ask, network, turn
from subscribers.joining import SignUp, join
from subscribers.models import ConfirmMail, SignUpAttempt, Subscriber, Subscription

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("ip", "counted"),
    [
        ("203.0.113.9", "203.0.113.0/24"),
        ("2001:db8:aa:bb::1", "2001:db8:aa::/48"),
        ("127.0.0.1", ""),
        ("10.1.2.3", ""),
        ("192.168.1.1", ""),
        ("::1", ""),
        ("fd00::1", ""),
        ("", ""),
        ("nonsense", ""),
    ],
)
def test_the_network_that_counts(ip: str, counted: str) -> None:
    assert network(ip) == counted


def test_a_network_may_ask_ten_times_in_any_hour(session: Session, now: datetime) -> None:
    asked = [may_ask(session, f"203.0.113.{number}", now + number * MINUTE) for number in range(15)]
    assert asked == [True] * PER_NETWORK + [False] * 5
    assert may_ask(session, "203.0.114.1", now + 15 * MINUTE)
    assert may_ask(session, "2001:db8::1", now + 15 * MINUTE)
    assert not may_ask(session, "203.0.113.1", now + 59 * MINUTE)
    assert may_ask(session, "203.0.113.1", now + HOUR)
    assert not may_ask(session, "203.0.113.2", now + HOUR)
    assert may_ask(session, "203.0.113.2", now + HOUR + MINUTE)
    assert [may_ask(session, near, now) for near in ("10.0.0.1", "127.0.0.1") for _ in range(20)] == [True] * 40


def test_what_is_an_hour_old_is_forgotten(session: Session, now: datetime) -> None:
    for number in range(50):
        may_ask(session, f"203.0.{number}.1", now)
        turn(session, f"d{number}.example", now)
    may_ask(session, "203.0.113.1", now + HOUR)
    turn(session, "other.example", now + HOUR)
    assert (how_many(session, SignUpAttempt), how_many(session, ConfirmMail)) == (1, 1)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Caps a tenth as high."""
    monkeypatch.setattr(crowding, "PER_DOMAIN", PER_DOMAIN // 10)
    monkeypatch.setattr(crowding, "IN_ALL", IN_ALL // 10)


def test_a_domain_that_is_crowded_waits_and_the_others_do_not(session: Session, now: datetime) -> None:
    turns = [turn(session, "example.org", now) for _ in range(2 * PER_DOMAIN)]
    assert Counter(turns) == {now: PER_DOMAIN, now + HOUR: PER_DOMAIN}
    assert turn(session, "example.com", now) == now


@pytest.mark.usefixtures("few")
def test_a_mail_that_would_wait_for_more_than_a_day_is_not_sent(session: Session, now: datetime) -> None:
    most = PER_DOMAIN // 10
    turns = [turn(session, "example.org", now) for _ in range(26 * most)]
    assert turns[25 * most - 1] == now + LONGEST_WAIT
    assert turns[25 * most :] == [None] * most
    assert how_many(session, ConfirmMail) == 25 * most


@pytest.mark.usefixtures("few")
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.integers(0, 1800), st.sampled_from("abcdefgh"), st.integers(1, 9)), max_size=15))
def test_no_hour_is_too_full(engine: Engine, now: datetime, storms: list[tuple[int, str, int]]) -> None:
    if engine.dialect.name == "postgresql":
        pytest.skip("arithmetic, the same on both")
    at = now
    given: list[tuple[datetime, str]] = []
    with db.writing(engine) as session:
        session.execute(delete(table(ConfirmMail)))
        for pause, domain, many in storms:
            at += timedelta(seconds=pause)
            for _ in range(many):
                found = turn(session, domain, at)
                assert found is None or found >= at
                given += [(found, domain)] if found else []
    for crowd, most in [(None, IN_ALL // 10), *((domain, PER_DOMAIN // 10) for domain in "abcdefgh")]:
        turns = sorted(when for when, domain in given if crowd in (None, domain))
        assert all(later - first >= HOUR for first, later in zip(turns, turns[most:], strict=False))


def test_turns_are_taken_one_by_one(engine: Engine, now: datetime) -> None:
    def one(number: int) -> datetime | None:
        with db.writing(engine) as session:
            return turn(session, "example.org", now) if may_ask(session, f"203.0.{number}.1", now) else None

    with ThreadPoolExecutor(8) as threads:
        turns = list(threads.map(one, range(PER_DOMAIN + 20)))
    assert Counter(turns) == {now: PER_DOMAIN, now + HOUR: 20}


def test_a_sign_up_waits_its_turn(session: Session, now: datetime, random: Any) -> None:
    for _ in range(PER_DOMAIN):
        turn(session, "example.org", now)
    joined = sign_up(session, "ann@example.org", now=now, random=random)
    assert joined.crowded
    assert joined.sends[0].at == now + HOUR
    at_once = sign_up(session, "ann@example.com", now=now, random=random)
    assert (at_once.crowded, at_once.sends[0].at) == (False, now)


def test_a_command_waits_for_no_crowd(session: Session, now: datetime, random: Any) -> None:
    for _ in range(PER_DOMAIN):
        turn(session, "example.org", now)
    means = {"key": KEY, "now": now, "random_bytes": random}
    joined = join(session, SignUp("ann@example.org", ("weekly",)), **means, method="command", private=True)
    assert (joined.crowded, joined.sends[0].at) == (False, now)


def test_who_is_known_takes_nobodys_turn(engine: Engine, now: datetime) -> None:
    random = counting()
    with db.writing(engine) as session:
        make_lists(session, now)
        sign_up(session, "ann@example.org", now=now, random=random)
    with db.writing(engine) as session:
        for _ in range(100):
            assert sign_up(session, "ann@example.org", now=now + MINUTE, random=random).sends == ()
        assert how_many(session, ConfirmMail) == 1
        assert how_many(session, Subscriber) == 1
        assert session.execute(select(table(Subscription).c.status)).scalar_one() == "pending"
