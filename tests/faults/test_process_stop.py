"""Senders that are asked to stop (R-03), and senders that are stopped without being asked (R-06)."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from mailbox import Mailbox, read_log
from pathlib import Path

import pytest
from desk import mailbox_process, newsroom
from faultrows import FULL, Row, recorded, seeded
from office import open_office, rows
from post import config
from sender_process import Job
from senders import Sender, Senders, Watcher, arrived, filled, until
from sqlalchemy import Engine, func, select, text

from digest import db
from digest.deliver import filling
from digest.deliver.run import enqueue_issue
from digest.links import Links
from digest.models import Slice, table
from subscribers.tokens import KeyRing

BOTH = ("resend", "hold")


def frozen(engine: Engine, people: int) -> None:
    """An issue on its way to so many."""
    open_office(engine, people)
    enqueue_issue(engine, config(), 12, datetime.now(UTC))


def untouched(engine: Engine) -> bool:
    """Whether whoever has no mail yet was never handed over."""
    return all(row.state == "sent" or (row.state, row.attempts) == ("pending", 0) for row in rows(engine).values())


@pytest.mark.slow
@pytest.mark.timeout(1800 if FULL else 300)
def test_asked_to_stop_nothing_is_lost_doubled_or_unsure(engine: Engine, database_url: str, tmp_path: Path) -> None:
    seed, dice = seeded()
    times = 80 if FULL else 4
    people = times * 60 + 100
    frozen(engine, people)
    log, took = tmp_path / "mail.log", []
    row = Row("R-03", seed, people, 8, 4, "both", engine.dialect.name)
    with recorded(row, log), mailbox_process(log) as port, Senders() as senders:
        for wanted in sorted(dice.sample(range(1, times * 60), times)):
            job = Job(database_url, port, dice.choice(BOTH), window=dice.choice((1, 4)))
            sender = senders.start(job)
            until("messages", lambda wanted=wanted, one=sender: one.ended or arrived(log) >= wanted)
            told = time.monotonic()
            sender.signal(signal.SIGTERM)
            sender.finish()
            took.append(time.monotonic() - told)
            assert untouched(engine), f"seed {seed}"
        senders.start(Job(database_url, port)).finish()
        found = filled(row, engine, read_log(log))
    print(f"{times} times, stop p95 {sorted(took)[-1 - times // 20]:.2f} s")
    assert found.clean, f"seed {seed}"


@pytest.mark.slow
@pytest.mark.timeout(1800 if FULL else 300)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("words", [("deliver",), ("serve",)], ids=" ".join)
def test_the_commands_stop_when_asked(engine: Engine, database_url: str, words: tuple[str], tmp_path: Path) -> None:
    times = 10 if FULL else 1
    people = times * 300 + 200
    frozen(engine, people)
    log, took = tmp_path / "mail.log", []
    row = Row(f"R-03 digest {' '.join(words)}", 0, people, 4, 4, "resend", engine.dialect.name)
    with recorded(row, log), mailbox_process(log) as port:
        desk = newsroom(tmp_path / "desk", database_url, port)
        for time_ in range(1, times + 1):
            process = desk.start(*words)
            until("messages", partial(reached, log, time_ * 300 - 200, process))
            told = time.monotonic()
            process.send_signal(signal.SIGTERM)
            err = process.communicate(timeout=120)[1]
            took.append(time.monotonic() - told)
            assert (process.returncode, b"Traceback" in err) == (0, False), err.decode()
            assert untouched(engine)
        assert arrived(log) < people
        desk.json("deliver", "--until-done")
        found = filled(row, engine, read_log(log), Links(f"http://127.0.0.1:{desk.web}", KeyRing("k" * 40)))
    print(f"{times} times, stop at most {max(took):.2f} s")
    assert found.clean


def reached(log: Path, wanted: int, process: subprocess.Popen[bytes]) -> bool:
    """Whether so many messages have arrived, or the command is at its end."""
    return process.poll() is not None or arrived(log) >= wanted


def is_stopped(sender: Sender) -> bool:
    """Whether SIGSTOP has reached every thread of it."""
    tasks = Path(f"/proc/{sender.pid}/task")
    return all((task / "stat").read_text().rpartition(")")[2].split()[0] == "T" for task in tasks.iterdir())


QUIET_S = 0.3  # what was said to a server before the stop is read by then, though the machine be busy


def between_commits(engine: Engine) -> bool:
    """Whether nobody has a transaction open: a sender stopped inside one would stop everybody else for a minute."""
    if engine.dialect.name == "sqlite":
        with closing(sqlite3.connect(engine.url.database or "", timeout=0, isolation_level=None)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
        return True
    others = "datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"
    time.sleep(QUIET_S)
    with engine.connect() as connection:
        return connection.scalar(text(f"SELECT count(*) FROM pg_stat_activity WHERE {others}")) == 0


def stopped_dead(engine: Engine, sender: Sender) -> bool:
    """Stop it between two of its commits."""
    sender.signal(signal.SIGSTOP)
    until("stop", lambda: is_stopped(sender))
    if between_commits(engine):
        return True
    sender.signal(signal.SIGCONT)
    return False


PLACES = [
    pytest.param("sqlite", "resend", 4, id="sqlite-resend-window"),
    pytest.param("sqlite", "hold", 1, id="sqlite-hold"),
    pytest.param("postgresql", "resend", 1, id="postgresql-resend"),
    pytest.param("postgresql", "hold", 4, id="postgresql-hold-window"),
]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(20 if FULL else 1))
@pytest.mark.parametrize(("database_url", "policy", "window"), PLACES, indirect=["database_url"])
def test_stopped_until_its_lease_ends_it_begins_nothing_when_it_goes_on(
    engine: Engine, database_url: str, policy: str, window: int, number: int
) -> None:
    seed, dice = seeded()
    people, connections = 400, 4
    bound = connections * window
    frozen(engine, people)
    watcher = Watcher()
    row = Row("R-06", seed, people, connections, window, policy, engine.dialect.name, bound=str(bound))
    with recorded(row), Mailbox(watcher, judge=False) as box, Senders() as senders:
        job = Job(database_url, box.port, policy, connections, window)
        first = senders.start(job)
        stop_soon(watcher, first, dice.choice(("mail", "dot")), dice.randint(1, 200))
        until("stop between commits", lambda: stopped_dead(engine, first))
        senders.start(replace(job, lease_s=1.0)).finish()  # who does not wait half a minute for the first one
        before = watcher.count("mail")
        first.signal(signal.SIGCONT)
        first.finish()
        late = watcher.count("mail") - before
        found = filled(row, engine, box.messages)
    print(f"{late} MAIL after SIGCONT")
    assert found.lost == 0, f"seed {seed}"
    assert late <= bound, f"seed {seed}"
    assert found.doubled <= (bound if policy == "resend" else 0), f"seed {seed}"
    assert found.unsure <= (bound if policy == "hold" else 0), f"seed {seed}"


@pytest.mark.slow
def test_stopped_beside_another_it_keeps_what_it_holds(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed, dice = seeded()
    monkeypatch.setattr(filling, "SLICE", 400)
    people = 1_200  # three slices: the first sender holds two of them
    frozen(engine, people)
    watcher = Watcher()
    row = Row("R-06 beside", seed, people, 4, 4, "hold", engine.dialect.name)
    with recorded(row), Mailbox(watcher, judge=False) as box, Senders() as senders:
        job = Job(database_url, box.port, "hold", 4)
        first = senders.start(job)
        stop_soon(watcher, first, "mail", dice.randint(1, 80))
        until("stop between commits", lambda: stopped_dead(engine, first))
        second = senders.start(replace(job, lease_s=3600.0))  # however slow this machine is
        until("end of the slice that was free", lambda: done(engine) == 1)
        first.signal(signal.SIGCONT)
        first.finish()
        second.finish()
        found = filled(row, engine, box.messages)
    assert found.clean, f"seed {seed}"


def stop_soon(watcher: Watcher, sender: Sender, stage: str, number: int) -> None:
    """Stop it when the server is so far, and wait for that."""
    watcher.at(stage, number, partial(os.kill, sender.pid, signal.SIGSTOP))
    until("stop", lambda: is_stopped(sender))


def done(engine: Engine) -> int:
    """How many slices are done."""
    with db.reading(engine) as session:
        return session.execute(select(func.count()).where(table(Slice).c.done)).scalar_one()
