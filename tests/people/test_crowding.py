"""How much a crowd of sign-ups can cause, kept over restarts (S-B15)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
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
from subscribers.crowding import (
    HOUR,
    IN_ALL,
    LONGEST_WAIT,
    MAILS,
    PER_DOMAIN,
    PER_NETWORK,
    QUESTIONS,
    had_enough,
    may_ask,
    network,
    turn,
)
from subscribers.joining import SignUp, admit, join
from subscribers.links import Holder, ask_link, ask_link_by_handle, ask_move, held
from subscribers.models import ConfirmMail, SignUpAttempt, Subscriber, Subscription
from subscribers.tokens import Claim, Purpose

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


VICTIM = "victim@example.org"


def readers(session: Session, now: datetime, *emails: str) -> list[Holder]:
    """People whom a newsroom put on a list, each with their own page open."""
    wish = [SignUp(email, ("weekly",), text="on paper") for email in emails]
    random = counting()
    for one in wish:
        admit(session, one, key=KEY, now=now, random_bytes=random)
    row = table(Subscriber).c
    return [
        Holder(0, found.id, found.handle, found.email, None, "", "")
        for found in session.execute(select(row.id, row.handle, row.email).where(row.email.in_(emails)))
    ]


def doors(session: Session, attackers: list[Holder], random: Any) -> list[Callable[[datetime], object]]:
    """Every way in which strangers, some of them readers, can have a mail sent to VICTIM: what is false sent none."""
    moves = [partial(ask_move, session, one, VICTIM, key=KEY) for one in attackers]
    return [
        lambda now: sign_up(session, VICTIM, "daily", now=now, random=random).sends,
        lambda now: ask_link(session, VICTIM, key=KEY, now=now),
        *(lambda now, move=move: move(now=now) for move in moves),
    ]


@pytest.mark.parametrize("known", [True, False])
def test_all_doors_together_send_an_address_no_more_than_one_may(
    session: Session, now: datetime, random: Any, known: bool
) -> None:
    attackers = readers(session, now, *(f"attacker{number}@example.net" for number in range(3)))
    if known:
        readers(session, now, VICTIM)
    mails: list[tuple[datetime, bool]] = []
    for hour in range(0, 24 * 34, 12):
        at = now + timedelta(hours=hour)
        for number, door in enumerate(doors(session, attackers, random)):
            mails += [(at, number != 1)] if door(at) else []
    for caps, which in ((MAILS, mails), (QUESTIONS, [mail for mail in mails if mail[1]])):
        ats = [at for at, _ in which]
        for span, most in caps:
            assert all(sum(first <= at < first + span for at in ats) <= most for first in ats)
    asked = sum(question for _, question in mails)
    assert (asked, len(mails) - asked) == ((6, 14) if known else (6, 0))


def test_one_of_many_at_once_is_mailed(engine: Engine, now: datetime) -> None:
    random = counting()
    with db.writing(engine) as session:
        make_lists(session, now)
        attackers = readers(session, now, *(f"attacker{number}@example.net" for number in range(8)))

    def one(holder: Holder) -> bool:
        with db.writing(engine) as session:
            return ask_move(session, holder, VICTIM, key=KEY, now=now) is not None

    def other(number: int) -> bool:
        with db.writing(engine) as session:
            return bool(sign_up(session, VICTIM, now=now + number * timedelta(seconds=1), random=random).sends)

    with ThreadPoolExecutor(10) as threads:
        jobs = [threads.submit(one, holder) for holder in attackers] + [threads.submit(other, n) for n in range(2)]
    assert sum(job.result() for job in jobs) == 1


def test_a_link_waits_its_turn_and_works_for_an_hour_then(session: Session, now: datetime) -> None:
    (ann,) = readers(session, now, "ann@example.org")
    for _ in range(PER_DOMAIN):
        turn(session, "example.org", now)
    letter = ask_link(session, ann.email, key=KEY, now=now)
    assert letter
    assert letter.at == now + HOUR
    claim = Claim(Purpose.ACCOUNT, ann.handle, str(letter.number))
    assert held(session, claim, now + HOUR + 59 * MINUTE)
    assert not held(session, claim, now + 2 * HOUR)


def test_an_import_asks_nobody_who_was_asked_by_another_door(session: Session, now: datetime) -> None:
    ann, bob = readers(session, now, "ann@example.org", "bob@example.org")
    stranger, quiet = readers(session, now, "stranger@example.net", "quiet@example.net")
    assert ask_move(session, ann, stranger.email, key=KEY, now=now)
    people = [one.subscriber_id for one in (ann, bob, stranger, quiet)]
    assert had_enough(session, people, now + HOUR) == {stranger.subscriber_id}
    assert had_enough(session, people, now + timedelta(hours=24)) == set()


def test_strangers_use_up_no_link_of_who_has_a_newsletter(session: Session, now: datetime) -> None:
    (ann,) = readers(session, now, "ann@example.org")
    for day in range(4):
        for _ in range(5):
            ask_link(session, ann.email, key=KEY, now=now + timedelta(days=day))
    at = now + timedelta(days=3, hours=1)
    assert ask_link(session, ann.email, key=KEY, now=at) is None
    mine = [ask_link_by_handle(session, ann.handle, at) is not None for _ in range(10)]
    assert mine == [True] * 5 + [False] * 5
    assert ask_link(session, ann.email, key=KEY, now=at + timedelta(days=1)) is None


def test_a_crowd_of_strangers_keeps_nobody_from_their_own_link(session: Session, now: datetime) -> None:
    (ann,) = readers(session, now, "ann@example.org")
    for _ in range(PER_DOMAIN):
        turn(session, "example.org", now)
    letter = ask_link_by_handle(session, ann.handle, now)
    assert letter
    assert letter.at == now
