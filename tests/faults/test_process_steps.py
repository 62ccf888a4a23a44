"""Killed at every named step of a delivery (R-02): nobody is lost, and only what the server may have is doubled.

Steps of the ledger are met by the sender itself, which kills itself before or after a commit; steps of the wire by
the server, which kills the sender when it is there.
"""

from __future__ import annotations

import os
import signal
import time
from bisect import bisect
from collections import Counter
from datetime import UTC, datetime
from functools import partial
from mailbox import SPEECHES, Mailbox
from pathlib import Path

import pytest
from faultrows import FULL, Row, recorded, seeded
from faultserver import FaultServer, Kill, Rule, Script
from history import judge
from office import open_office, rows
from post import config
from sender_process import STEPS, Job
from senders import Senders, Watcher, filled
from sqlalchemy import Engine

from digest.deliver.run import enqueue_issue

EACH = 50 if FULL else 1
WIRE = {"after MAIL": "mail", "after RCPT": "rcpt", "after 354": "data", "after the final dot": "dot"}
# The commit that was just made has the outcome of whatever was answered before the next one was handed over.
NEVER_DOUBLED = {"after claim", "after handed", "after outcome"}

PLACES = [
    pytest.param("sqlite", "plain", "resend", 1, id="sqlite-plain-resend"),
    *([pytest.param("sqlite", "plain", "hold", 1, id="sqlite-plain-hold")] if FULL else []),
    pytest.param("sqlite", "pipelined", "hold", 1, id="sqlite-pipelined-hold"),
    pytest.param("sqlite", "chunked", "hold", 4, id="sqlite-chunked-hold"),
    pytest.param("postgresql", "chunked", "resend", 4, id="postgresql-chunked-resend"),
]


@pytest.mark.slow
@pytest.mark.timeout(1800 if FULL else 300)
@pytest.mark.parametrize(("database_url", "speech", "policy", "window"), PLACES, indirect=["database_url"])
def test_killed_at_each_step(engine: Engine, database_url: str, speech: str, policy: str, window: int) -> None:
    seed, dice = seeded()
    steps = [step for step in (*STEPS, *WIRE) if speech != "chunked" or step != "after 354"] * EACH
    dice.shuffle(steps)
    people = len(steps) * 12 + 20
    open_office(engine, people)
    enqueue_issue(engine, config(), 12, datetime.now(UTC))
    watcher, in_doubt, starts = Watcher(), dict[str, str](), list[float]()
    row = Row(f"R-02 {speech}", seed, people, 1, window, policy, engine.dialect.name, bound=str(len(steps) * window))
    with recorded(row), Mailbox(watcher, SPEECHES[speech], judge=False) as box, Senders() as senders:
        for step in steps:
            own = step if step in STEPS else ""
            at = 1 if step == "after claim" else dice.randint(1, 8)
            starts.append(time.time())
            sender = senders.start(Job(database_url, box.port, policy, 1, window, step=own, at=at))
            if not own:
                watcher.at(WIRE[step], at, partial(os.kill, sender.pid, signal.SIGKILL))
            sender.wait()
            assert sender.code == -signal.SIGKILL, f"seed {seed}: {step} was not met"
            in_doubt |= {who: step for who, row in rows(engine).items() if row.state == "handed"}
        senders.start(Job(database_url, box.port, policy, 1, window)).finish()
        found = filled(row, engine, box.messages)
    # A second copy is the fault of the kill that followed on the first one.
    last = {got.rcpt: number for number, got in enumerate(box.messages)}
    early = [got for number, got in enumerate(box.messages) if last[got.rcpt] != number]
    doubled = Counter(steps[bisect(starts, got.at) - 1] for got in early)
    unsure = Counter(in_doubt[who] for who, row in rows(engine).items() if row.state == "held")
    print(f"{EACH} of each step: D {dict(doubled)}, U {dict(unsure)}")
    assert (found.lost, found.unsure if policy == "resend" else found.doubled) == (0, 0), f"seed {seed}"
    assert max([0, *doubled.values(), *unsure.values()]) <= EACH * window, f"seed {seed}"
    if window == 1:
        assert not NEVER_DOUBLED & set(doubled), f"seed {seed}"
    assert "after claim" not in {*doubled, *unsure}, f"seed {seed}"


@pytest.mark.slow
@pytest.mark.timeout(1800 if FULL else 300)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("speech", "policy", "window"), [("plain", "resend", 1), ("chunked", "hold", 4)])
def test_killed_in_the_middle_of_a_body(
    engine: Engine, database_url: str, speech: str, policy: str, window: int, tmp_path: Path
) -> None:
    seed, dice = seeded()
    people, bound, victim = EACH * 40 + 40, EACH * window, tmp_path / "victim"
    open_office(engine, people)
    enqueue_issue(engine, config(), 12, datetime.now(UTC))
    rule = Rule(Kill(str(victim)), "body", every=17, times=EACH, offset=dice.randint(1, 1500))
    row = Row(f"R-02 mid-body {speech}", seed, people, 1, window, policy, engine.dialect.name, bound=str(bound))
    with FaultServer(Script((rule,), SPEECHES[speech]), tmp_path / "server") as server, recorded(row, server.path):
        with Senders() as senders:
            job = Job(database_url, server.port, policy, 1, window, pid_file=str(victim))
            for _ in range(EACH):
                sender = senders.start(job)
                sender.wait()
                assert sender.code == -signal.SIGKILL, f"seed {seed}"
            senders.start(job).finish()
        found = judge(engine, server.log(), people)
        row.L, row.D, row.U = found.lost, found.doubled, found.unsure
    assert found.lost == 0, f"seed {seed}"
    assert (found.unsure if policy == "resend" else found.doubled) == 0, f"seed {seed}"
    assert max(found.doubled, found.unsure) <= bound, f"seed {seed}"
