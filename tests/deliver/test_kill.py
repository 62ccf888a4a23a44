"""Killed at any instant, delivery loses nobody; what it may double is bounded, and equal to the first copy (R-01).

Started again, it goes on at once: what the dead process held is taken over without waiting for a lease to run out.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from mailbox import SPEECHES, Envelope, Mailbox, read_log
from pathlib import Path

import pytest
from desk import mailbox_process
from faultrows import FULL, Row, recorded, seeded
from office import change_issue, issue_state, open_office, rows
from post import LINKS, config
from sender_process import Job
from senders import TESTS, Senders, arrived, filled, tally
from sqlalchemy import func, select

from digest import db
from digest.deliver.run import deliver, enqueue_issue
from digest.models import Delivery, DeliveryState, IssueState, table

CONNECTIONS = 8

SIZES = [
    pytest.param("sqlite", "resend", 3000, 20, 4, id="sqlite-resend-window"),
    pytest.param("sqlite", "resend", 1000, 10, 1, id="sqlite-resend"),
    pytest.param("sqlite", "hold", 800, 5, 4, id="sqlite-hold-window"),
    pytest.param("postgresql", "resend", 400, 4, 1, id="postgresql-resend"),
    pytest.param("postgresql", "hold", 400, 3, 4, id="postgresql-hold-window"),
]
FULL_SIZES = [
    pytest.param(database, policy, 20_000, 200, window, id=f"{database}-{policy}-{window}")
    for database in ("sqlite", "postgresql")
    for policy in ("resend", "hold")
    for window in (1, 4)
]


@pytest.mark.slow
@pytest.mark.timeout(1800 if FULL else 300)
@pytest.mark.parametrize(
    ("database_url", "policy", "people", "kills", "window"), FULL_SIZES if FULL else SIZES, indirect=["database_url"]
)
def test_killed_at_random_instants(
    database_url: str, policy: str, people: int, kills: int, window: int, tmp_path: Path
) -> None:
    seed, dice = seeded()
    engine = db.open_engine(database_url)
    db.upgrade(engine)
    open_office(engine, people)
    enqueue_issue(engine, config(), 12, datetime.now(UTC))
    log, met = tmp_path / "mail.log", 0
    row = Row("R-01", seed, people, CONNECTIONS, window, policy, engine.dialect.name)
    with recorded(row, log), mailbox_process(log) as port, Senders() as senders:
        job = Job(database_url, port, policy, CONNECTIONS, window)
        # Instants are random in messages and in the time after one, spread over the whole send.
        for wanted in sorted(dice.sample(range(people * 95 // 100), kills)):
            sender = senders.start(job)
            while not sender.ended and arrived(log) < wanted:
                time.sleep(0.002)
            time.sleep(dice.random() * 0.02)
            met += not sender.ended
            sender.kill()
        senders.start(job).finish(600)
        bound = CONNECTIONS * window * met  # Part C's C x W x K: no outcome waits for a commit beside those (G = 0)
        row.bound = f"{bound} (K {met})"
        found = filled(row, engine, read_log(log))
    assert (found.lost, issue_state(engine)) == (0, IssueState.SENT), f"seed {seed}"
    assert found.doubled <= (bound if policy == "resend" else 0), f"seed {seed}"
    assert found.unsure <= (bound if policy == "hold" else 0), f"seed {seed}"
    engine.dispose()


@pytest.mark.parametrize("window", [1, 4])
def test_no_commit_has_more_rows_handed_over_than_the_windows_hold(window: int, tmp_path: Path) -> None:
    connections, people = 3, 150
    engine = db.open_engine(f"sqlite:///{tmp_path / 'digest.db'}")
    db.upgrade(engine)
    open_office(engine, people)
    handed = select(func.count()).where(table(Delivery).c.state == DeliveryState.HANDED)
    seen: list[int] = []

    def looking(stage: str, envelope: Envelope) -> None:
        with db.reading(engine) as session:
            seen.append(session.execute(handed).scalar_one())

    with Mailbox(looking, SPEECHES["chunked"]) as box:
        settings = config(box.relay(connections=connections, window=window))
        enqueue_issue(engine, settings, 12, datetime.now(UTC))
        told = asyncio.run(deliver(engine, settings, LINKS, issue_id=12))
    assert told.counts["sent"] == people
    assert 0 < max(seen) <= connections * window
    engine.dispose()


def test_an_audience_written_again_from_the_start_has_everybody_once(tmp_path: Path) -> None:
    engine = db.open_engine(f"sqlite:///{tmp_path / 'digest.db'}")
    db.upgrade(engine)
    open_office(engine, 50)
    for _ in range(2):
        enqueue_issue(engine, config(), 12, datetime.now(UTC))
        with db.reading(engine) as session:
            assert session.execute(select(func.count()).select_from(table(Delivery))).scalar_one() == 50
        change_issue(engine, audience_cursor=0, audience_complete=False, state=IssueState.FROZEN)
    engine.dispose()


@pytest.mark.slow
def test_sigterm_leaves_nothing_unknown(database_url: str, tmp_path: Path) -> None:
    people = 300
    engine = db.open_engine(database_url)
    db.upgrade(engine)
    open_office(engine, people)
    enqueue_issue(engine, config(), 12, datetime.now(UTC))
    log = tmp_path / "mail.log"
    with mailbox_process(log) as port, Senders() as senders:
        for wanted in (60, 150):
            sender = senders.start(Job(database_url, port, "hold"))
            while arrived(log) < wanted:
                time.sleep(0.002)
            sender.signal(signal.SIGTERM)
            sender.finish()
            assert {row.state for row in rows(engine).values()} == {"sent", "pending"}
        senders.start(Job(database_url, port, "hold")).finish()
    assert tally(engine, read_log(log), people).clean
    engine.dispose()


def test_a_sender_loads_no_web_feed_or_scheduler_module() -> None:
    said = subprocess.run(
        [sys.executable, TESTS / "sender_process.py", "modules"], capture_output=True, text=True, check=True
    )
    assert said.stdout == "[]\n"
