"""Several senders and several timetables on one database: everybody once, every slot one issue (R-05)."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from mailbox import Mailbox, read_log
from pathlib import Path

import pytest
from desk import Desk, back_to_yesterday, feed, mailbox_process, newsroom, until
from faultrows import FULL, Row, recorded, seeded
from feedserver import FeedServer
from office import issue_state, open_office
from post import config
from sender_process import Job
from senders import Senders, filled
from sqlalchemy import Engine

from digest.deliver import filling
from digest.deliver.run import enqueue_issue
from digest.models import IssueState


@pytest.mark.slow
@pytest.mark.timeout(1800 if FULL else 300)
@pytest.mark.parametrize("number", range(10 if FULL else 1))
@pytest.mark.parametrize("count", [2, 5] if FULL else [3])
def test_senders_side_by_side_mail_everybody_once(
    engine: Engine, database_url: str, count: int, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed, dice = seeded()
    people = 20_000 if FULL else 1_200
    if not FULL:
        monkeypatch.setattr(filling, "SLICE", 100)
    open_office(engine, people)
    enqueue_issue(engine, config(), 12, datetime.now(UTC))
    log = tmp_path / "mail.log"
    row = Row(f"R-05 {count} senders", seed, people, 2, 4, "hold", engine.dialect.name)
    with recorded(row, log), mailbox_process(log) as port, Senders() as senders:
        jobs = [Job(database_url, port, "hold", 2, dice.choice((1, 4))) for _ in range(count)]
        for one in [senders.start(job) for job in jobs]:
            one.finish(900)
        found = filled(row, engine, read_log(log))
    assert found.clean, f"seed {seed}"
    assert issue_state(engine) == IssueState.SENT


PEOPLE = [f"reader{number}@example.org" for number in range(30)]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(5 if FULL else 1))
@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"] if FULL else ["sqlite"], indirect=True)
def test_two_timetables_and_two_workers_make_one_issue_of_a_slot(
    database_url: str, number: int, tmp_path: Path
) -> None:
    at = datetime.now(UTC) - timedelta(minutes=90)
    timetable = f'schedule = "{at.minute} {at.hour} * * *"\ndraft_h = 1\ntimezone = "UTC"\n'
    with FeedServer() as server, Mailbox() as box:
        desk = newsroom(tmp_path / "desk", database_url, box.port, more=timetable)
        server.page("paper.localhost", "/feed", feed("Harbour bridge closed"))
        desk.source("paper", server.url("paper.localhost", "/feed"))
        desk.people(PEOPLE)
        with running(desk, "scheduler"):
            until("timetable that has begun", lambda: back_to_yesterday(database_url))
        with running(desk, "scheduler", "scheduler", "worker", "worker"):
            until("mail to everybody", lambda: len(box.messages) >= len(PEOPLE), 60)
            until("end of the issue", lambda: states(desk.json("issues", "list")) == ["sent"])
    assert sorted(got.rcpt for got in box.messages) == sorted(PEOPLE)


@contextmanager
def running(desk: Desk, *words: str) -> Iterator[None]:
    """These commands while the block runs; then they stop when they are asked to."""
    processes = [desk.start(word) for word in words]
    try:
        yield
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            err = process.communicate(timeout=60)[1].decode()
            assert (process.returncode, "Traceback" in err) == (0, False), err
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def states(told: dict[str, list[dict[str, str]]]) -> list[str]:
    return [issue["state"] for issue in told["issues"]]
