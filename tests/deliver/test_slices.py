"""What a slice gives to who takes it, and what its end means for the issue."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from office import issue_state, open_office, rows
from post import AT, config
from sqlalchemy import Engine

from digest import db
from digest.deliver import filling, handing, ledger
from digest.deliver.handing import Ending, Leave, Settled
from digest.deliver.ledger import Hold, Work
from digest.deliver.run import enqueue_issue
from digest.models import DeliveryState, IssueState

MINUTE = timedelta(minutes=1)


def take(engine: Engine, now: datetime) -> tuple[Hold, list[Work]]:
    with db.writing(engine) as session:
        taken = ledger.next_slice(session, "a", now, "hold")
    assert taken
    return taken


def end(engine: Engine, works: list[Work], settled: list[Settled]) -> None:
    """Each is handed over, and settled so."""
    with db.writing(engine) as session:
        handing.hand(session, [Leave(work, "box", AT) for work in works])
        assert all(handing.settle(session, [Ending(*pair, AT) for pair in zip(works, settled, strict=True)]))


def give_back(engine: Engine, hold: Hold) -> None:
    with db.writing(engine) as session:
        assert ledger.release(session, hold, AT)


def test_what_is_put_off_waits_for_its_own_time(engine: Engine) -> None:
    open_office(engine, 3)
    enqueue_issue(engine, config(), 12, AT)
    hold, works = take(engine, AT)
    end(engine, works, [Settled(DeliveryState.DEFERRED, "box", 451, next_try_at=AT + n * MINUTE) for n in (1, 10, 2)])
    give_back(engine, hold)
    assert [work.id for work in take(engine, AT + 3 * MINUTE)[1]] == [works[0].id, works[2].id]


def test_an_issue_is_sent_when_its_last_slice_is(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "SLICE", 5)
    open_office(engine, 10)
    enqueue_issue(engine, config(), 12, AT)
    both = [take(engine, AT), take(engine, AT)]
    states = []
    for hold, works in both:
        end(engine, works, [Settled(DeliveryState.SENT, "box", 250)] * len(works))
        give_back(engine, hold)
        states.append(issue_state(engine))
    assert states == [IssueState.SENDING, IssueState.SENT]


def test_nothing_is_settled_once_the_slice_is_taken_away(engine: Engine) -> None:
    open_office(engine, 2)
    enqueue_issue(engine, config(), 12, AT)
    _, works = take(engine, AT)
    with db.writing(engine) as session:
        handing.hand(session, [Leave(work, "box", AT) for work in works])
        ledger.free(session, "a")
        endings = [Ending(work, Settled(DeliveryState.SENT, "box", 250), AT) for work in works]
        assert handing.settle(session, endings) == [False, False]
    assert {row.state for row in rows(engine).values()} == {"handed"}


def test_what_was_not_begun_is_pending_when_its_slice_is_given_back(engine: Engine) -> None:
    open_office(engine, 2)
    enqueue_issue(engine, config(), 12, AT)
    give_back(engine, take(engine, AT)[0])
    assert {row.state for row in rows(engine).values()} == {"pending"}


def test_a_renewed_lease_reaches_on_from_now(engine: Engine) -> None:
    open_office(engine, 2)
    enqueue_issue(engine, config(), 12, AT)
    hold, _ = take(engine, AT)
    with db.writing(engine) as session:
        assert ledger.renew(session, hold, AT + MINUTE)
        assert ledger.leases(session) == {hold.slice_id: AT + MINUTE + ledger.LEASE}
