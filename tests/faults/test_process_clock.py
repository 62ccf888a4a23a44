"""Clocks that jump under senders at work (R-07), and six hours in which a relay puts everybody off (R-13)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from mailbox import Mailbox, refuse
from pathlib import Path

import pytest
from faultrows import FULL, Row, recorded, seeded
from office import open_office, rows
from post import config
from sender_process import Job
from senders import Senders, Watcher, filled, until
from sqlalchemy import Engine

from digest.deliver import filling
from digest.deliver.run import enqueue_issue

SIX_HOURS = timedelta(hours=6)
CONNECTIONS = 4


class Clock:
    """A clock that several processes look at, off by what a test says."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.off = timedelta()
        self.set(timedelta())

    def set(self, off: timedelta) -> None:
        """Off by so much from now on; whoever looks sees the old or the new."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(str(off.total_seconds()))
        fresh.replace(self.file)
        self.off = off

    def now(self) -> datetime:
        """What it shows."""
        return datetime.now(UTC) + self.off


@pytest.mark.slow
@pytest.mark.parametrize("number", range(20 if FULL else 1))
@pytest.mark.parametrize("policy", ["resend", "hold"])
def test_a_clock_that_jumps_takes_nothing_from_the_living(
    engine: Engine, database_url: str, policy: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed, dice = seeded()
    monkeypatch.setattr(filling, "SLICE", 100)
    people, clock = 600, Clock(tmp_path / "clock")
    open_office(engine, people)
    enqueue_issue(engine, config(), 12, datetime.now(UTC))
    watcher = Watcher()
    jumps = dice.sample((SIX_HOURS, -SIX_HOURS, timedelta(), SIX_HOURS / 3), 4)
    for jump, at in zip(jumps, sorted(dice.sample(range(20, 550), 4)), strict=True):
        watcher.at("mail", at, setting(clock, jump))
    watcher.at("mail", 580, setting(clock, timedelta()))
    row = Row("R-07", seed, people, CONNECTIONS, 4, policy, engine.dialect.name)
    with recorded(row), Mailbox(watcher, judge=False) as box, Senders() as senders:
        job = Job(database_url, box.port, policy, CONNECTIONS, clock=str(clock.file))
        both = [senders.start(job) for _ in range(2)]
        for one in both:
            one.finish()
        found = filled(row, engine, box.messages)
    print(f"clock off by {[str(jump) for jump in jumps]}")
    why = Counter(row.reason for row in rows(engine).values() if row.state != "sent")
    assert found.clean, f"seed {seed}: {why}"


def setting(clock: Clock, off: timedelta) -> Callable[[], None]:
    return lambda: clock.set(off)


@pytest.mark.slow
def test_after_hours_of_451_everybody_gets_it_within_a_few_tries(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    people, clock = 2_000 if FULL else 60, Clock(tmp_path / "clock")
    open_office(engine, people)
    enqueue_issue(engine, config(), 12, datetime.now(UTC))
    watcher, began = Watcher(), clock.now()
    watcher.answer = refuse({"*": "451 4.7.1 greylisted, try again"})
    row = Row("R-13", 0, people, 8, 4, "resend", engine.dialect.name)
    with recorded(row), Mailbox(watcher, judge=False) as box, Senders() as senders:
        sender = senders.start(Job(database_url, box.port, retry_first_s=900, clock=str(clock.file)))
        while True:
            until("everybody put off", lambda: sender.ended or all_put_off(engine, clock), every=0.05)
            due = max(row.next_try_at for row in rows(engine).values() if row.next_try_at)
            if due - began >= SIX_HOURS:
                break
            clock.set(due - datetime.now(UTC) + timedelta(seconds=1))
        watcher.answer = None
        clock.set(max(due, began + SIX_HOURS) - datetime.now(UTC) + timedelta(seconds=1))
        sender.finish()
        found = filled(row, engine, box.messages)
    attempts, dials = max(row.attempts for row in rows(engine).values()), watcher.count("connect")
    late = clock.now() - began - SIX_HOURS
    print(f"at most {attempts} attempts, {dials} dials, all there by {late} after it")
    assert found.clean
    assert attempts <= 7
    assert dials <= 8 * (attempts + 1)  # every connection once for each round


def all_put_off(engine: Engine, clock: Clock) -> bool:
    """Whether everybody waits for a try that is still to come."""
    now = clock.now()
    return all(row.state == "deferred" and row.next_try_at and row.next_try_at > now for row in rows(engine).values())
