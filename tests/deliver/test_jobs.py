"""Which message a relay gets next: turns, shares, routes, pauses, and what goes back to the ledger."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.config import PaceConfig, RelayConfig, WarmUpConfig
from digest.deliver.ledger import Hold, Work
from digest.deliver.pacing import board
from digest.deliver.pacing.breaker import Standing
from digest.deliver.pacing.causes import Cause
from digest.deliver.pacing.jobs import Jobs
from digest.deliver.pacing.pace import Slowed
from digest.deliver.replies import Accepted, Deferred, Outcome, Refused, Unknown, Withdrawn, parse_reply

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()
HOLD = Hold(1, "me", 1, datetime(2026, 11, 22, tzinfo=UTC))
OK = Accepted(parse_reply([b"250 2.0.0 ok"]))


def work(number: int, address: str = "", occasion: str = "issue:12") -> Work:
    hold = HOLD if occasion.startswith("issue") else replace(HOLD, urgent=True)
    return Work(hold, number, occasion, "weekly", 1, f"<{number}@x>", 0, address or f"r{number}@a.example", "", b"")


def relay(name: str = "main", **how: object) -> RelayConfig:
    return replace(RelayConfig(name, "127.0.0.1"), **how)  # type: ignore[arg-type]


def queue(*relays: RelayConfig, pace: Iterable[PaceConfig] = (), works: Iterable[Work] = (), sender: str = "") -> Jobs:
    jobs = Jobs(relays or (relay(),), tuple(pace), now=NOW)
    for wish in board.wishes(jobs, NOW):
        board.granted(jobs, wish, wish.wanted, NOW)
    for one in works:
        jobs.put(one, sender, NOW)
    return jobs


def said(line: str) -> Outcome:
    reply = parse_reply([line.encode()])
    return Refused(reply) if reply.digit == 5 else Deferred(reply)


def taken(jobs: Jobs, most: int, **how: bool) -> list[Work]:
    """So many at once, if there are so many."""
    return [one for _ in range(most) if (one := jobs.take("main", NOW, **how))]


def drain(jobs: Jobs, now: float = NOW, name: str = "main", outcome: Outcome = OK) -> list[str]:
    """Addresses in the order they go out, one at a time."""
    found = []
    while one := jobs.take(name, now):
        found.append(one.address)
        jobs.heard(one, outcome, now)
    return found


def test_letters_go_first_and_a_letters_line_takes_nothing_else() -> None:
    jobs = queue(works=[work(1, "r@b.example"), work(2, occasion="confirm:7"), work(3, occasion="notice:8")])
    assert [one.id for one in taken(jobs, 2, letters_only=True)] == [2, 3]
    assert jobs.take("main", NOW, letters_only=True) is None
    assert (jobs.take("main", NOW) or work(0)).id == 1


def test_domains_take_turns() -> None:
    jobs = queue(works=[*(work(n, f"r{n}@big.example") for n in range(6)), work(7, "r@small.example")])
    assert drain(jobs)[:2] == ["r0@big.example", "r@small.example"]


def test_what_comes_back_is_the_next_one_again() -> None:
    jobs = queue(works=[work(1), work(2), work(3, occasion="confirm:7")])
    letter = jobs.take("main", NOW)
    first = jobs.take("main", NOW)
    assert letter and first
    jobs.back(first)
    jobs.back(letter)
    assert [(jobs.take("main", NOW) or work(0)).id for _ in range(2)] == [3, 1]


def test_a_domain_begins_slowly_and_grows_with_every_message_taken() -> None:
    jobs = queue(works=[work(n) for n in range(100)])
    under_way = taken(jobs, 10)
    assert len(under_way) == 2
    assert jobs.ready_in("main", NOW) is None
    for one in under_way:
        jobs.heard(one, OK, NOW)
    assert len(taken(jobs, 10)) == 4


def test_a_paced_domain_goes_at_its_rate_and_the_others_at_theirs() -> None:
    slow = PaceConfig(("slow.example", "slower.example"), per_second=2.0)
    works = [work(n, f"r{n}@{'slow' if n % 2 else 'slower'}.example") for n in range(100)]
    jobs = queue(pace=[slow], works=[*works, *(work(1000 + n) for n in range(100))])
    assert Counter("slow" in address for address in drain(jobs)) == {False: 100, True: 1}
    assert jobs.ready_in("main", NOW) == pytest.approx(0.5)
    count = sum(len(drain(jobs, NOW + tick / 10)) for tick in range(1, 301))
    assert count == pytest.approx(60, abs=1)


def test_a_relays_rate_holds_for_everything() -> None:
    jobs = queue(relay(per_second=10.0), works=[work(n, f"r{n}@d{n % 7}.example") for n in range(1000)])
    count = len(drain(jobs)) + sum(len(drain(jobs, NOW + tick / 100)) for tick in range(1, 6001))
    assert count == pytest.approx(600, rel=0.01)
    assert jobs.ready_in("main", NOW + 60) == pytest.approx(0.1, abs=0.1)


def test_shares_follow_the_weights_while_both_have_room() -> None:
    jobs = queue(relay("a", weight=3.0), relay("b"), works=[work(n, f"r{n}@d{n % 50}.example") for n in range(2000)])
    dice, now = random.Random(3), NOW
    taken: Counter[str] = Counter()
    while sum(taken.values()) < 1900:
        now += 0.0005
        name = dice.choice("ab")
        if one := jobs.take(name, now):
            taken[name] += 1
            jobs.heard(one, OK, now)
    assert taken["a"] / taken["b"] == pytest.approx(3.0, rel=0.05)


def test_with_equal_weights_each_takes_what_it_can() -> None:
    jobs = queue(relay("a"), relay("b"), works=[work(n, f"r{n}@d{n % 50}.example") for n in range(300)])
    assert jobs.take("b", NOW)
    assert len(drain(jobs, name="a")) == 299


def test_a_relay_that_has_no_room_is_not_waited_for() -> None:
    jobs = queue(relay("a", weight=3.0), relay("b"), works=[work(n, f"r{n}@d{n % 50}.example") for n in range(300)])
    assert jobs.take("a", NOW)  # and is silent from then on
    assert 1 < len(drain(jobs, name="b")) < 20
    assert jobs.ready_in("b", NOW) == 0.01
    assert len(drain(jobs, NOW + 10.5, "b")) > 250


def test_weight_nought_is_for_when_no_other_is_up() -> None:
    jobs = queue(relay("a"), relay("spare", weight=0.0), works=[work(n) for n in range(10)])
    assert jobs.take("spare", NOW) is None
    for attempt in range(3):
        jobs.trouble("a", "connect", None, "connection refused", NOW + 10 * attempt)
    assert len(drain(jobs, NOW + 20, "spare")) == 10


def test_mail_of_a_domain_with_its_own_relay_uses_no_other_until_that_is_down() -> None:
    own, free = relay("own", from_domains=("b.example",)), relay("free")
    jobs = queue(own, free)
    for n in range(4):
        jobs.put(work(n), "b.example", NOW)
        jobs.put(work(10 + n), "other.example", NOW)
    assert len(drain(jobs, name="free")) == 4
    assert jobs.take("free", NOW) is None
    jobs.trouble("own", "connect", None, "connection refused", NOW)
    assert jobs.take("free", NOW) is None  # once is nothing
    jobs.trouble("own", "log-in", parse_reply([b"535 5.7.8 no"]), "535", NOW + 1)
    assert len(drain(jobs, NOW + 1, "free")) == 4


def test_a_relay_for_one_domain_takes_no_other_mail() -> None:
    jobs = queue(relay("own", from_domains=("b.example",)), works=[work(1)], sender="other.example")
    assert jobs.take("own", NOW) is None
    jobs.put(work(2), "b.example", NOW)
    [waiting] = jobs.blocked(NOW)
    assert (waiting.work.id, waiting.why) == (1, "no relay takes mail from other.example")


def test_a_policy_storm_pauses_that_domain_alone_after_five() -> None:
    connections = 8
    jobs = queue(works=[work(n, f"r{n}@{'gmail.com' if n % 2 else f'd{n % 9}.example'}") for n in range(400)])
    under_way: list[Work] = []
    attempts: Counter[str] = Counter()
    while True:
        while len(under_way) < connections and (one := jobs.take("main", NOW)):
            under_way.append(one)
            attempts[one.address.rpartition("@")[2]] += 1
        if not under_way:
            break
        one = under_way.pop(0)
        gmail = one.address.endswith("@gmail.com")
        judged = jobs.heard(one, said("550 5.7.26 unauthenticated") if gmail else OK, NOW)
        assert judged.waits == gmail
    assert attempts["gmail.com"] <= 5 + connections
    assert sum(attempts.values()) - attempts["gmail.com"] == 200
    given_back = jobs.blocked(NOW)
    assert len(given_back) == 200 - attempts["gmail.com"]
    assert {one.until for one in given_back} == {NOW + 600}
    assert "digest relays resume main --domain gmail.com" in given_back[0].why
    assert board.standing(jobs, "main", "gmail.com").cause == "policy"
    assert jobs.changed == {("main", "gmail.com")}


def test_a_cause_names_no_person() -> None:
    jobs = queue(works=[work(1)])
    one = jobs.take("main", NOW)
    assert one
    jobs.heard(one, said("554 5.7.1 <r1@a.example>: Relay access denied (to r1@a.example)"), NOW)
    jobs.trouble("main", "mail", parse_reply([b"530 <x@y.example>: no"]), "530 <x@y.example>: no", NOW)
    assert jobs.way("main").breaker.standing.said == "530 (address): no"


def test_a_storm_in_mid_run_ends_with_what_was_under_way() -> None:
    jobs = queue(works=[work(n, f"r{n}@gmail.com") for n in range(1000)])
    for _ in range(100):
        if one := jobs.take("main", NOW):
            jobs.heard(one, OK, NOW)
    under_way = taken(jobs, 16)
    assert len(under_way) == 16
    for one in under_way:
        jobs.heard(one, said("421 4.7.32 not aligned"), NOW)
    assert jobs.take("main", NOW) is None


@pytest.mark.parametrize(
    ("line", "waits"),
    [
        ("550 5.1.1 no such user", False),
        ("552 5.2.2 full", False),
        ("550 5.7.1 our block list", True),
        ("550 5.7.26 unauthenticated", True),
        ("554 5.7.1 not authorized", True),  # it may mean us: twice more
        ("535 5.7.8 log in first", True),
        ("451 4.7.1 greylisted", False),  # waits as a 4xx does
    ],
)
def test_only_what_is_the_recipients_may_fail(line: str, waits: bool) -> None:
    jobs = queue(works=[work(1)])
    one = jobs.take("main", NOW)
    assert one
    assert jobs.heard(one, said(line), NOW).waits == waits


def test_a_refusal_that_does_not_say_whom_it_means_is_the_recipients_at_the_third_time() -> None:
    jobs = queue(works=[replace(work(1), attempts=2)])
    one = jobs.take("main", NOW)
    assert one
    assert not jobs.heard(one, said("554 5.7.1 not authorized"), NOW).waits


def test_a_domain_that_asks_for_less_gets_less_and_more_again() -> None:
    jobs = queue(works=[work(n, f"r{n}@gmail.com") for n in range(3000)])
    now = NOW
    for _ in range(1000):
        now += 0.01
        if one := jobs.take("main", now):
            jobs.heard(one, OK, now)
    one = jobs.take("main", now + 0.01)
    assert one
    judged = jobs.heard(one, said("421 4.7.28 unusual rate"), now + 0.01)
    assert (judged.cause, judged.waits) == (Cause.THROTTLED, False)
    slowed = board.slowed(jobs)["gmail.com"]
    assert slowed.rate == pytest.approx(50, rel=0.1)
    count = sum(len(drain(jobs, now + tick / 100)) for tick in range(1, 101))
    assert 45 < count < 90  # half, and slowly more
    again = queue(works=[work(n, f"r{n}@gmail.com") for n in range(100)])
    board.slow(again, {"gmail.com": Slowed(1.0, 100.0)}, NOW)  # as it was before a restart
    assert len(drain(again)) == 0
    assert len(drain(again, NOW + 1)) == 1


def test_what_waits_for_a_paced_domain_goes_back_to_the_ledger_with_its_turn() -> None:
    slow = PaceConfig(("slow.example",), per_second=10.0)
    jobs = queue(pace=[slow], works=[work(n, f"r{n}@slow.example") for n in range(1000)])
    given_back = jobs.blocked(NOW)
    assert [one.work.id for one in given_back] == list(range(20, 1000))
    assert given_back[0].until == NOW + 5
    assert given_back[-1].until == NOW + 100
    assert "slow.example gets 10 messages a second" in given_back[0].why
    assert jobs.blocked(NOW) == []
    for n in range(1000, 1100):  # the next slice comes after those
        jobs.put(work(n, f"r{n}@slow.example"), "", NOW)
    assert jobs.blocked(NOW)[-1].until == NOW + 110


def test_a_cold_relay_stops_for_the_day_and_a_warm_one_goes_on() -> None:
    plan = WarmUpConfig(date(2026, 11, 20), first_day=20)
    cold, warm = relay("cold", warm_up=plan), relay("warm")
    jobs = queue(cold, warm, works=[work(n, f"r{n}@d{n % 9}.example") for n in range(50)])
    assert len(drain(jobs, name="cold")) == 20
    for wish in board.wishes(jobs, NOW):
        board.granted(jobs, wish, 0, NOW)
    assert jobs.take("cold", NOW) is None
    assert jobs.blocked(NOW) == []
    assert len(drain(jobs, name="warm")) == 30


def test_when_the_day_is_used_up_the_rest_waits_for_tomorrow_with_that_said_but_letters_go() -> None:
    plan = WarmUpConfig(date(2026, 11, 20), first_day=20)
    jobs = queue(relay(warm_up=plan), works=[work(n, f"r{n}@d{n % 9}.example") for n in range(50)])
    assert len(drain(jobs)) == 20
    [wish] = board.wishes(jobs, NOW)
    board.granted(jobs, wish, 0, NOW)
    assert not jobs.flows(NOW)
    given_back = jobs.blocked(NOW)
    assert len(given_back) == 30
    assert {(one.until, one.why) for one in given_back} == {
        (NOW + 43_200, "relay main has sent the 20 messages that 2026-11-20 allows")
    }
    jobs.put(work(99, occasion="confirm:1"), "", NOW)
    assert jobs.take("main", NOW)


def test_a_silent_domain_does_not_fill_all_places() -> None:
    jobs = queue(
        works=[*(work(n, f"r{n}@tar.example") for n in range(100)), *(work(200 + n) for n in range(100))],
    )
    slow = fast = 0
    now = NOW
    for _ in range(60):
        now += 0.05
        one = jobs.take("main", now)
        if one and one.address.endswith("@tar.example"):
            slow += 1
        elif one:
            fast += 1
            jobs.heard(one, OK, now)
    assert (slow, fast) == (1, 59)
    given_back = jobs.blocked(now)
    assert len(given_back) == 99
    assert "tar.example does not answer" in given_back[0].why


def test_a_paused_relay_is_tried_with_one_message_and_then_flows() -> None:
    jobs = queue(works=[work(n, f"r{n}@d{n}.example") for n in range(10)])
    jobs.trouble("main", "connect", None, "connection refused", NOW)
    assert jobs.take("main", NOW) is None
    assert jobs.ready_in("main", NOW) == 0.5
    one = jobs.take("main", NOW + 0.5)
    assert one
    assert jobs.take("main", NOW + 0.6) is None
    jobs.heard(one, OK, NOW + 0.7)
    assert len(drain(jobs, NOW + 0.7)) == 9


def test_a_person_pauses_and_resumes() -> None:
    jobs = queue(works=[work(n, f"r{n}@d{n}.example") for n in range(10)])
    board.adopt(jobs, "main", "", Standing(by_hand=True, since=NOW), NOW)
    assert jobs.take("main", NOW + 1e6) is None
    assert jobs.ready_in("main", NOW) is None
    assert "digest relays resume main" in jobs.hopeless(NOW)
    board.adopt(jobs, "main", "", Standing(), NOW)
    board.adopt(jobs, "gone", "", Standing(), NOW)
    board.adopt(jobs, "main", "d1.example", Standing(by_hand=True, since=NOW), NOW)
    assert len(drain(jobs)) == 9
    assert len(jobs.blocked(NOW)) == 1


def test_4xx_from_everywhere_is_the_relay_and_is_tried_with_one_message() -> None:
    jobs = queue(works=[work(n, f"r{n}@d{n % 100}.example") for n in range(1000)])
    tried = drain(jobs, outcome=said("451 4.3.0 later"))
    assert len(tried) == 50
    assert jobs.way("main").breaker.standing.cause == "busy"
    assert max(Counter(tried).values()) == 1
    assert len(drain(jobs, NOW + 1)) == 950


def test_six_hours_of_4xx_cost_few_tries_and_end_soon_after() -> None:
    """R-13 on a clock of the test's own: rows that go back come again when they are due."""
    jobs, now, due = queue(), NOW, dict.fromkeys(range(2000), NOW)
    attempts: Counter[int] = Counter()
    sent: set[int] = set()
    while len(sent) < 2000 and now < NOW + 8 * 3600:
        for n in [n for n, at in due.items() if at <= now]:
            del due[n]
            jobs.put(work(n, f"r{n}@d{n % 40}.example"), "", now)
        while one := jobs.take("main", now):
            attempts[one.id] += 1
            well = now >= NOW + 6 * 3600
            judged = jobs.heard(one, OK if well else said("451 4.3.0 later"), now)
            if well:
                sent.add(one.id)
            else:
                due[one.id] = max(now + 900 * 2 ** (attempts[one.id] - 1), judged.not_before)
        for waiting in jobs.blocked(now):
            due[waiting.work.id] = waiting.until
        now += 1
    assert len(sent) == 2000
    assert max(attempts.values()) <= 6
    assert now <= NOW + 7 * 3600
    assert sum(attempts.values()) - 2000 <= 50 + 10 + 6 * 12 + 1  # the storm, ten doublings, twelve tries an hour


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_whatever_happens_nobody_is_lost_or_given_out_twice(seed: int) -> None:
    dice = random.Random(seed)
    relays = [relay("a", weight=2.0, per_second=200.0), relay("b"), relay("c", from_domains=("b.example",))]
    jobs = queue(*relays, pace=[PaceConfig(("d1.example",), per_second=20.0, per_day=500, at_once=3)])
    waiting, out, now = dict.fromkeys(range(200), NOW), dict[int, tuple[str, Work]](), NOW
    queued: set[int] = set()
    done: set[int] = set()
    for _ in range(3000):
        now += dice.random() * 0.2
        for wish in board.wishes(jobs, now):
            board.granted(jobs, wish, wish.wanted, now)
        for n in [n for n, at in waiting.items() if at <= now]:
            del waiting[n]
            kind = "confirm:1" if n % 20 == 0 else "issue:12"
            jobs.put(work(n, f"r{n}@d{n % 5}.example", kind), "b.example" if n % 3 else "x.example", now)
            queued.add(n)
        name = dice.choice("abc")
        if (one := jobs.take(name, now)) and one.id not in out:
            queued.remove(one.id)
            out[one.id] = name, one
        if out and dice.random() < 0.9:
            number = dice.choice(list(out))
            name, one = out.pop(number)
            said_ = dice.choice(
                ["250", "250", "250", "451 4.3.0 no", "550 5.7.1 blocked", "421 4.7.28 slow", "back", "?"]
            )
            if said_ == "back":
                jobs.back(one)
                queued.add(number)
            elif said_ == "250":
                jobs.heard(one, OK, now)
                done.add(number)
            else:
                outcome = dice.choice([Unknown("lost"), Withdrawn()]) if said_ == "?" else said(said_)
                jobs.heard(one, outcome, now)
                waiting[number] = now + 5
        if dice.random() < 0.02:
            jobs.trouble(dice.choice("abc"), "connect", None, "refused", now)
        if dice.random() < 0.1:
            for late in jobs.blocked(now):
                queued.remove(late.work.id)
                waiting[late.work.id] = late.until
    assert queued | set(waiting) | set(out) | done == set(range(200))
    assert len(queued) + len(waiting) + len(out) + len(done) == 200
