"""People and staff act while an issue is being sent: they leave, are kept away, cancel, pause (R-19, R-20, R-21)."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from mailbox import Mailbox

import pytest
from faultrows import FULL, Row, recorded, seeded
from office import address, change_issue, handle, issue_state, open_office, rows
from post import KEY, config
from sender_process import Job
from senders import Senders, Watcher, filled, until
from sqlalchemy import Engine, update

from digest import byhand, db
from digest.deliver.run import enqueue_issue
from digest.models import IssueState, people, table
from subscribers import leaving

CONNECTIONS, WINDOW = 4, 4
IN_FLIGHT = CONNECTIONS * WINDOW


@contextmanager
def sending(engine: Engine, database_url: str, number: int, watcher: Watcher) -> Iterator[Mailbox]:
    """An issue on its way to so many, by a process that is asked to stop when the block has ended."""
    open_office(engine, number)
    enqueue_issue(engine, config(), 12, datetime.now(UTC))
    with Mailbox(watcher, judge=False) as box, Senders() as senders:
        job = Job(database_url, box.port, "hold", CONNECTIONS, WINDOW, until_done=False, forever=True)
        sender = senders.start(job)
        yield box
        sender.signal(signal.SIGTERM)
        sender.finish()


def leave(engine: Engine, number: int, left: dict[str, datetime]) -> None:
    """The n-th person's one-click; `left` keeps when it was committed."""
    with db.writing(engine) as session:
        leaving.unsubscribe(session, handle(number), "weekly", method="one-click", now=datetime.now(UTC))
    left[address(number)] = datetime.now(UTC)


def by_hand(engine: Engine, wanted: str) -> bool:
    return issue_state(engine) == wanted


@pytest.mark.slow
def test_who_leaves_in_mid_send_is_handed_over_never_after(engine: Engine, database_url: str) -> None:
    seed, dice = seeded()
    audience, clicks = (20_000, 500) if FULL else (500, 40)
    watcher, left = Watcher(), dict[str, datetime]()
    for number in dice.sample(range(1, audience + 1), clicks):
        watcher.at("rcpt", dice.randint(1, audience * 9 // 10), partial(leave, engine, number, left))
    row = Row("R-19", seed, audience, CONNECTIONS, WINDOW, "hold", engine.dialect.name)
    with recorded(row), sending(engine, database_url, audience, watcher) as box:
        until("end of the issue", partial(by_hand, engine, IssueState.SENT), 600, 0.05)
        found, ledger = filled(row, engine, box.messages), rows(engine)
    spared = [who for who in left if ledger[who].state == "skipped"]
    named = {rcpt: at for at, stage, rcpt in watcher.seen if stage == "rcpt"}
    late = max([named[who] - at.timestamp() for who, at in left.items() if who in named], default=0.0)
    print(f"{len(left)} clicks, {len(spared)} spared, RCPT at most {late:.3f} s after one")
    assert found.clean, f"seed {seed}"
    assert {ledger[who].reason for who in spared} <= {"unsubscribed"}
    assert not {got.rcpt for got in box.messages} & set(spared)
    handed = {who: row.handed_at for who, row in ledger.items() if row.handed_at and who in left}
    assert all(handed[who] <= left[who] for who in handed if who not in spared), f"seed {seed}"
    assert spared, f"seed {seed}"


def cancel(engine: Engine) -> None:
    change_issue(engine, state=IssueState.CANCELLED)


def keep_away(engine: Engine) -> None:
    """A complaint of everybody."""
    with db.writing(engine) as session:
        for number in range(1, PEOPLE + 1):
            leaving.suppress(session, address(number), key=KEY, reason="complaint", now=datetime.now(UTC))


def erase(engine: Engine) -> None:
    """Everybody is being erased."""
    with db.writing(engine) as session:
        session.execute(update(table(people.Subscriber)).values(erasing_at=datetime.now(UTC)))


def switch_off(engine: Engine) -> None:
    """The list is taken away."""
    with db.writing(engine) as session:
        byhand.remove_list(session, "weekly", sure=True)


PEOPLE = 300
ACTS = [
    pytest.param(cancel, {"cancelled"}, id="cancelled"),
    pytest.param(keep_away, {"unsubscribed", "suppressed"}, id="suppressed"),
    pytest.param(erase, {"erased"}, id="erased"),
    pytest.param(switch_off, {"list-off"}, id="list switched off"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("act", "why"), ACTS)
def test_what_is_taken_back_in_mid_send_is_skipped_with_the_reason(
    engine: Engine, database_url: str, act: Callable[[Engine], None], why: set[str]
) -> None:
    seed, dice = seeded()
    watcher, at = Watcher(), dice.randint(1, 200)
    watcher.at("rcpt", at, partial(act, engine))
    row = Row(f"R-20 {act.__name__}", seed, PEOPLE, CONNECTIONS, WINDOW, "hold", engine.dialect.name)
    with recorded(row), sending(engine, database_url, PEOPLE, watcher) as box:
        until("end", partial(settled, engine), 120, 0.05)
        found, ledger = filled(row, engine, box.messages), rows(engine)
    assert found.clean, f"seed {seed}"
    assert found.states["sent"] < at + IN_FLIGHT, f"seed {seed}"
    assert {row.reason for row in ledger.values() if row.state == "skipped"} <= why, f"seed {seed}"


def settled(engine: Engine) -> bool:
    """Whether nothing is left to do."""
    return {row.state for row in rows(engine).values()} <= {"sent", "skipped"}


@pytest.mark.slow
def test_paused_and_resumed_at_random_nobody_is_lost_or_doubled(engine: Engine, database_url: str) -> None:
    seed, dice = seeded()
    times = 100 if FULL else 8
    number = times * 50
    watcher = Watcher()
    row = Row("R-21", seed, number, CONNECTIONS, WINDOW, "hold", engine.dialect.name)
    with recorded(row), sending(engine, database_url, number, watcher) as box:
        for _ in range(times):
            wanted = watcher.count("rcpt") + dice.randint(1, 40)
            until("messages", partial(reached, watcher, wanted, engine))
            change_issue(engine, paused=True)
            if dice.random() < 0.5:  # else it may not have been noticed
                until("rest", partial(rests, engine))
            change_issue(engine, paused=False)
        until("end of the issue", partial(by_hand, engine, IssueState.SENT), 300, 0.05)
        found = filled(row, engine, box.messages)
    assert found.clean, f"seed {seed}"


def reached(watcher: Watcher, wanted: int, engine: Engine) -> bool:
    return watcher.count("rcpt") >= wanted or by_hand(engine, IssueState.SENT)


def rests(engine: Engine) -> bool:
    """Whether nothing is under way."""
    return not {row.state for row in rows(engine).values()} & {"claimed", "handed"}
