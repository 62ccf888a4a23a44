"""Killed at any instant, delivery loses nobody; what it may double is bounded, and equal to the first copy.

Started again, it goes on at once: what the dead process held is taken over without waiting for a lease to run out.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from mailbox import Got, check, read_log
from pathlib import Path

import pytest
from office import address, handle, issue_state, open_office, rows
from post import LINKS, config

from digest import db
from digest.deliver.run import enqueue_issue
from digest.models import IssueState

TESTS = Path(__file__).parents[1]
CONNECTIONS = 8


@contextmanager
def mailbox(log: Path) -> Iterator[int]:
    command = [sys.executable, TESTS / "mailbox.py", "--log", log]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield int(process.stdout.readline().split()[1])
        process.terminate()


def start(url: str, port: int, policy: str, window: int = 4) -> subprocess.Popen[str]:
    command = [sys.executable, TESTS / "sender_process.py", url, str(port), policy, str(CONNECTIONS), str(window)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def finish(process: subprocess.Popen[str]) -> str:
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    return said


def arrived(log: Path) -> int:
    """How many messages have arrived, roughly: they are of one size, and counting them would slow the sender down."""
    with log.open("rb") as file:
        head = file.readline()
    return log.stat().st_size // (len(head) + json.loads(head)["octets"]) if head else 0


def judged(messages: list[Got], people: int) -> Counter[str]:
    """Copies of each recipient; every one is looked at: lint, recipient, owner, equality of all copies."""
    owners = {LINKS.unsubscribe(handle(n), "weekly"): address(n) for n in range(1, people + 1)}
    copies = Counter(got.rcpt for got in messages)
    first: dict[str, bytes] = {}
    for got in messages:
        assert first.setdefault(got.rcpt, got.raw) == got.raw
    twice = [got for got in messages if copies[got.rcpt] > 1]
    check([*twice, *messages[:100]], owners.__getitem__)
    assert all(owners[got.header("List-Unsubscribe").strip("<>")] == got.rcpt for got in messages)
    return copies


SIZES = [
    pytest.param("sqlite", "resend", 5000, 20, 4, id="sqlite-resend-window"),
    pytest.param("sqlite", "resend", 2000, 10, 1, id="sqlite-resend"),
    pytest.param("sqlite", "hold", 800, 5, 4, id="sqlite-hold-window"),
    pytest.param("postgresql", "resend", 600, 4, 1, id="postgresql-resend"),
    pytest.param("postgresql", "hold", 400, 3, 4, id="postgresql-hold-window"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("database_url", "policy", "people", "kills", "window"), SIZES, indirect=["database_url"])
def test_killed_at_random_instants(
    database_url: str, policy: str, people: int, kills: int, window: int, tmp_path: Path
) -> None:
    seed = int(os.environ.get("DIGEST_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    dice = random.Random(seed)
    engine = db.open_engine(database_url)
    db.upgrade(engine)
    open_office(engine, people)
    enqueue_issue(engine, config(), 12, datetime.now(UTC))
    log, done = tmp_path / "mail.log", 0
    with mailbox(log) as port:
        for _ in range(kills):
            process = start(database_url, port, policy, window)
            # Instants are random in messages and in the time after one, spread over the whole send.
            wanted = done + dice.randrange(1, max(2, 2 * people // (kills + 1)))
            while process.poll() is None and (done := arrived(log)) < wanted:
                time.sleep(0.002)
            time.sleep(dice.random() * 0.01)
            process.kill()
            process.communicate()
        finish(start(database_url, port, policy, window))
    copies = judged(read_log(log), people)
    found = rows(engine)
    extra = sum(copies.values()) - len(copies)
    unsure = [who for who, row in found.items() if row.state == "held"]
    print(
        f"seed {seed}: {people} people, {kills} kills, window {window}, {policy}:"
        f" {extra} second copies, {len(unsure)} held"
    )
    # Part C's C x W x K + G. In a window as many again may wait for the commit of their outcome (G); without one, none.
    bound = CONNECTIONS * window * kills * (2 if window > 1 else 1)
    lost = [who for who, row in found.items() if row.state == "sent" and not copies[who]]
    lost += [who for who, row in found.items() if row.state not in ("sent", "held")]
    assert (lost, len(found), issue_state(engine)) == ([], people, IssueState.SENT), f"seed {seed}"
    assert extra <= (bound if policy == "resend" else 0), f"seed {seed}"
    assert len(unsure) <= (bound if policy == "hold" else 0), f"seed {seed}"
    assert all(found[who].reason for who in unsure)
    engine.dispose()


@pytest.mark.slow
def test_sigterm_leaves_nothing_unknown(database_url: str, tmp_path: Path) -> None:
    people = 300
    engine = db.open_engine(database_url)
    db.upgrade(engine)
    open_office(engine, people)
    enqueue_issue(engine, config(), 12, datetime.now(UTC))
    log = tmp_path / "mail.log"
    with mailbox(log) as port:
        for wanted in (60, 150):
            process = start(database_url, port, "hold")
            while arrived(log) < wanted:
                time.sleep(0.002)
            process.send_signal(signal.SIGTERM)
            finish(process)
            assert {row.state for row in rows(engine).values()} == {"sent", "pending"}
        finish(start(database_url, port, "hold"))
    assert judged(read_log(log), people) == Counter(map(address, range(1, people + 1)))
    engine.dispose()


def test_a_sender_loads_no_web_feed_or_scheduler_module() -> None:
    said = subprocess.run(
        [sys.executable, TESTS / "sender_process.py", "modules"], capture_output=True, text=True, check=True
    )
    assert said.stdout == "[]\n"
