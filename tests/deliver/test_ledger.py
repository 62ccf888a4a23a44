"""The ledger's rules without a wire: who holds what, what is due, how an audience becomes slices."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from office import address, invite, issue_state, leave, open_office, rows
from post import AT, config
from sqlalchemy import Engine, func, select, update
from sqlmodel import Session

from digest import db
from digest.compose import variants
from digest.compose.selecting import Offer
from digest.deliver import filling, handing, ledger, reporting, retry
from digest.deliver.allotting import Allotment, Rule
from digest.deliver.handing import Ending, Leave, Settled, Verdict
from digest.deliver.leases import Watch
from digest.deliver.ledger import MOVES, OPEN, Work
from digest.deliver.run import enqueue_issue
from digest.deliver.slicing import sliced
from digest.models import Delivery, DeliveryState, Issue, IssueState, table
from subscribers.audience import Member
from subscribers.models import MailingList, Subscriber

LATER = AT + timedelta(minutes=5)


def take(engine: Engine, holder: str, at: datetime = AT, unknown: str = "resend", abandoned: Any = ()) -> Any:
    with db.writing(engine) as session:
        return ledger.next_slice(session, holder, at, unknown, abandoned=abandoned)


def inherit(engine: Engine, holder: str, at: datetime = LATER, unknown: str = "resend") -> Any:
    """Take a slice whose holder is known to be gone."""
    with db.reading(engine) as session:
        abandoned = ledger.leases(session)
    return take(engine, holder, at, unknown, abandoned)


def hand(session: Session, work: Work, at: datetime = AT) -> Verdict:
    return handing.hand(session, [Leave(work, "relay", at)])[0]


def settle(session: Session, work: Work) -> bool:
    return handing.settle(session, [Ending(work, Settled(DeliveryState.SENT), LATER)])[0]


@pytest.fixture
def sending(engine: Engine) -> Engine:
    """An issue with 30 rows in one slice."""
    open_office(engine, 30)
    enqueue_issue(engine, config(), 12, AT)
    return engine


def test_every_state_has_its_moves_and_open_ones_lead_on() -> None:
    assert set(MOVES) == set(DeliveryState)
    assert all(MOVES[state] for state in OPEN)
    assert [state for state in DeliveryState if not MOVES[state]] == ["sent", "failed", "skipped"]


def test_one_slice_has_one_holder(sending: Engine) -> None:
    first, second = take(sending, "a"), take(sending, "b")
    assert len(first[1]) == 30
    assert second is None


def test_a_lease_that_ran_out_is_taken_over_and_fenced(sending: Engine) -> None:
    hold, works = take(sending, "a")
    taken, again = inherit(sending, "b")
    assert (taken.fence, len(again)) == (hold.fence + 1, 30)
    with db.writing(sending) as session:
        assert not ledger.renew(session, hold, LATER)
        assert not hand(session, works[0], LATER).handed
        assert hand(session, again[0], LATER).handed
        assert not settle(session, works[0])
        assert not ledger.release(session, hold, LATER)
        assert ledger.release(session, taken, LATER)


@pytest.mark.parametrize("clock", [AT - timedelta(hours=6), LATER, AT + timedelta(hours=6)], ids=str)
def test_no_clock_takes_a_slice_from_its_holder(sending: Engine, clock: datetime) -> None:
    hold, _ = take(sending, "a")
    assert take(sending, "b", clock) is None
    with db.writing(sending) as session:
        assert ledger.renew(session, hold, LATER)


WATCHED = [
    ("not renewed for a lease's time", [(0, 1), (10, 1), (20, 1), (30, 1)], True),
    ("not yet", [(0, 1), (29, 1)], False),
    ("renewed in between", [(0, 1), (20, 2), (40, 2)], False),
    ("renewed by a clock that was set back", [(0, 9), (20, 3), (40, 3)], False),
    ("given back and taken again", [(0, 1), (20, None), (31, 1)], False),
    ("renewed, then not", [(0, 1), (10, 2), (40, 2)], True),
]


@pytest.mark.parametrize(("caption", "looks", "abandoned"), WATCHED, ids=[row[0] for row in WATCHED])
def test_a_slice_is_abandoned_when_its_lease_stands_still(
    caption: str, looks: list[tuple[float, int | None]], abandoned: bool
) -> None:
    watch, seen = Watch(30), set()
    for monotonic, renewal in looks:
        leases = {} if renewal is None else {7: AT + timedelta(seconds=renewal)}
        seen = watch.abandoned(leases, monotonic)
    assert seen == ({7} if abandoned else set())


@pytest.mark.parametrize(("unknown", "state"), [("resend", "claimed"), ("hold", "held")])
def test_what_a_dead_sender_had_handed_goes_by_the_policy(sending: Engine, unknown: str, state: str) -> None:
    _, works = take(sending, "a")
    with db.writing(sending) as session:
        assert hand(session, works[0]).handed
    _, again = inherit(sending, "b", LATER, unknown)
    row = rows(sending)[works[0].address]
    assert (row.state, row.reason) == (state, ledger.UNANSWERED)
    assert len(again) == (30 if unknown == "resend" else 29)


def test_a_held_row_waits_for_a_person(sending: Engine) -> None:
    _, works = take(sending, "a")
    with db.writing(sending) as session:
        hand(session, works[0])
    hold, again = inherit(sending, "b", LATER, "hold")
    with db.writing(sending) as session:
        for work in again:
            assert hand(session, work, LATER).handed
            assert settle(session, work)
        ledger.release(session, hold, LATER)
        assert session.get_one(Issue, 12).state == IssueState.SENT
    with db.writing(sending) as session:
        assert ledger.decide_held(session, works[0].id, DeliveryState.PENDING, LATER)
        assert not ledger.decide_held(session, works[0].id, DeliveryState.FAILED, LATER)
    _, last = take(sending, "c", LATER)
    assert [work.id for work in last] == [works[0].id]


def test_what_a_relay_surely_did_not_take_is_claimed_again(sending: Engine) -> None:
    _, works = take(sending, "a")
    with db.writing(sending) as session:
        assert hand(session, works[0]).handed
        assert handing.take_back(session, [works[0]]) == [True]
        assert handing.take_back(session, [works[0]]) == [False]
    row = rows(sending)[works[0].address]
    assert (row.state, row.attempts, row.handed_at) == ("claimed", 0, None)
    with db.writing(sending) as session:
        assert hand(session, works[0]).handed
    assert rows(sending)[works[0].address].attempts == 1
    inherit(sending, "b")
    with db.writing(sending) as session:
        assert handing.take_back(session, [works[0]]) == [False]  # it is somebody else's by now


def test_permission_is_asked_in_the_statement_that_hands_over(sending: Engine) -> None:
    _, works = take(sending, "a")
    leave(sending, 1)
    mine = next(work for work in works if work.address == address(1))
    with db.writing(sending) as session:
        verdict = hand(session, mine)
    assert (verdict.handed, verdict.why) == (False, "unsubscribed")
    assert rows(sending)[address(1)].state == "skipped"


def test_the_last_two_slices_given_back_at_once_end_the_issue(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "SLICE", 1)
    open_office(engine, 2)
    enqueue_issue(engine, config(), 12, AT)
    (one, [first]), (other, [second]) = take(engine, "a"), take(engine, "b")
    with db.writing(engine) as session:
        for work in (first, second):
            assert hand(session, work).handed
            assert settle(session, work)

    def give_back() -> None:
        with db.writing(engine) as session:
            assert ledger.release(session, other, AT)

    late = threading.Thread(target=give_back)
    with db.writing(engine) as session:
        assert ledger.release(session, one, AT)
        late.start()
        late.join(0.5)  # it waits for this commit; if it did not, it would have ended without having seen it
    late.join()
    assert issue_state(engine) == IssueState.SENT


def test_what_a_dead_process_held_is_freed(sending: Engine) -> None:
    hold, works = take(sending, "a")
    with db.writing(sending) as session:
        assert ledger.holders(session) == ["a"]
        ledger.free(session, "a")
        assert not ledger.renew(session, hold, AT)
    taken, again = take(sending, "b")
    assert (taken.fence, len(again)) == (hold.fence + 1, len(works))


def test_the_status_is_what_the_rows_say_at_every_step(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "SLICE", 4)
    open_office(engine, 12)

    def counted() -> dict[str, int]:
        with db.reading(engine) as session:
            found = Counter(session.execute(select(table(Delivery).c.state)).scalars())
            assert dict(reporting.status(session, 12)) == {state.value: found[state] for state in DeliveryState}
        return {state: count for state, count in found.items() if count}

    enqueue_issue(engine, config(), 12, AT)
    assert counted() == {"pending": 12}
    hold, works = take(engine, "a")
    assert counted() == {"pending": 8, "claimed": 4}
    with db.writing(engine) as session:
        assert hand(session, works[0]).handed
        assert hand(session, works[1]).handed
        assert settle(session, works[0])
    assert counted() == {"pending": 8, "claimed": 2, "handed": 1, "sent": 1}
    with db.writing(engine) as session:
        assert ledger.release(session, hold, AT)
    assert counted() == {"pending": 10, "handed": 1, "sent": 1}
    again, _ = take(engine, "b", unknown="hold")
    assert (again.slice_id, again.fence) == (hold.slice_id, 2)
    with db.writing(engine) as session:
        assert ledger.release(session, again, AT)
    assert counted() == {"pending": 10, "held": 1, "sent": 1}
    with db.writing(engine) as session:
        assert ledger.decide_held(session, works[1].id, DeliveryState.FAILED, AT)
    assert counted() == {"pending": 10, "failed": 1, "sent": 1}


def test_who_got_it_is_answered_for_any_address(engine: Engine) -> None:
    open_office(engine, 4)
    leave(engine, 4)
    enqueue_issue(engine, config(), 12, AT)
    invite(engine, [(9, "late@example.org")])
    _, works = take(engine, "a")
    leave(engine, 2)
    with db.writing(engine) as session:
        session.add(Subscriber(id=8, email="other@x.org", email_hash="h", domain="x.org", handle=b"8", created_at=AT))
        said = [hand(session, work).handed for work in sorted(works, key=lambda work: work.id)]
        assert sum(said) == 2
        done = next(work for work in works if work.address == address(1))
        outcome = Settled(DeliveryState.SENT, "relay", 250, "2.0.0", "Ok")
        assert handing.settle(session, [Ending(done, outcome, AT)]) == [True]
    expected = {
        address(1): f"The relay relay took it at {AT}: 250 Ok.",
        address(2): "It was not sent to this address: unsubscribed.",
        address(3): f"It was handed to the relay relay at {AT}, without an answer yet.",
        address(4): "It was not sent to this address: the person has unsubscribed.",
        "late@example.org": "It was not sent to this address: the person was not confirmed on the list when the issue"
        " was frozen.",
        "other@x.org": "It was not sent to this address: the person never joined its list.",
        "nobody@x.org": "It was not sent to this address: nobody here has this address (never signed up, or erased"
        " since).",
    }
    with db.reading(engine) as session:
        assert {to: reporting.answer(session, 12, to) for to in expected} == expected


def test_who_joined_a_list_that_was_switched_off_since_is_answered_too(engine: Engine) -> None:
    open_office(engine, 2)
    enqueue_issue(engine, config(), 12, AT)
    invite(engine, [(9, "late@example.org")])
    with db.writing(engine) as session:
        session.execute(update(table(MailingList)).values(active=False))
        said = reporting.answer(session, 12, "late@example.org")
    assert said == "It was not sent to this address: its list is switched off."


def nobody_chose() -> Offer:
    raise AssertionError("nobody has chosen anything")


def test_filling_goes_on_where_it_was_interrupted(engine: Engine) -> None:
    open_office(engine, 2300)
    with db.reading(engine) as session:
        order, ids = filling.order(session, config(), 12, AT), variants.ids(session, 12)
    with db.writing(engine) as session:
        filler = filling.Filling(order, Allotment(Rule("weekly", order.editions, nobody_chose), ids))
        chunk = filler.gathered(session, 1000)
        assert chunk and len(chunk) == 1000
        pieces = filler.laid(chunk)
        assert filler.fill(session, chunk, pieces)
        assert not filler.fill(session, chunk, pieces)  # somebody has gone on
    assert take(engine, "a") is None  # nothing is sent before the audience is complete
    enqueue_issue(engine, config(), 12, AT)
    with db.reading(engine) as session:
        sizes = [
            n
            for (n,) in session.execute(
                select(func.count()).select_from(table(Delivery)).group_by(table(Delivery).c.slice_id)
            )
        ]
        assert session.get_one(Issue, 12).state == IssueState.SENDING
    assert sum(sizes) == 2300
    assert max(sizes) == 1000
    assert enqueue_issue(engine, config(), 12, AT)["pending"] == 2300


SIZES = [
    # caption, size, seconds, next
    ("a chunk in its time stays", 1000, 0.04, 1000),
    ("a quick one doubles", 700, 0.001, 1400),
    ("no clock is too coarse", 700, 0.0, 1400),
    ("never above the most", 1500, 0.02, 2000),
    ("a slow one shrinks at once", 2000, 0.1, 800),
    ("but goes on", 500, 60.0, 500),
]


@pytest.mark.parametrize(("caption", "size", "seconds", "then"), SIZES, ids=[row[0] for row in SIZES])
def test_chunks_follow_the_time_that_commits_take(caption: str, size: int, seconds: float, then: int) -> None:
    assert filling.next_size(size, seconds) == then


def test_nothing_is_due_in_the_undo_window(engine: Engine) -> None:
    open_office(engine, 3)
    enqueue_issue(engine, config(undo_s=60), 12, AT)
    assert take(engine, "a", AT + timedelta(seconds=59)) is None
    assert take(engine, "a", AT + timedelta(seconds=60)) is not None


def test_slices_spread_domains_evenly() -> None:
    people = [Member(n, "big.example" if n % 10 else f"small{n % 3}.example") for n in range(5000)]
    slices = list(sliced(people, 1000))
    assert sorted(member.id for piece in slices for member in piece) == list(range(5000))
    assert {len(piece) for piece in slices} == {1000}
    assert all(Counter(member.domain for member in piece)["big.example"] == 900 for piece in slices)
    for piece in slices:
        small = [place for place, member in enumerate(piece) if member.domain != "big.example"]
        assert small[0] < 20
        assert small[-1] > 980


WAITS = [
    # caption, attempts, first, dice, minutes (None: expired)
    ("the first wait, in the middle", 1, 900, 0.5, 15.0),
    ("jitter takes a fifth", 1, 900, 0.0, 12.0),
    ("it doubles", 3, 900, 0.5, 60.0),
    ("at most three hours", 9, 900, 0.5, 180.0),
    ("a longer first wait stands", 1, 14400, 0.5, 240.0),
    ("many tries", 10_000, 900, 0.5, 180.0),
    ("not beyond the end", 1, 3600 * 50, 0.5, None),
]


@pytest.mark.parametrize(("caption", "attempts", "first", "dice", "minutes"), WAITS, ids=[row[0] for row in WAITS])
def test_waits(caption: str, attempts: int, first: int, dice: float, minutes: float | None) -> None:
    at = retry.next_try(attempts, AT, AT + timedelta(hours=48), first, dice)
    assert at == (None if minutes is None else AT + timedelta(minutes=minutes))
