"""The commands themselves, killed with -9 in mid-send, and asked to stop: nobody is lost, and little is doubled."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from functools import partial
from mailbox import check, read_log
from pathlib import Path

import pytest
from desk import Desk, feed, mailbox_process, newsroom, until
from feedserver import FeedServer

COUNT = 1500
PEOPLE = [f"reader{n}@mail{n % 7}.example" for n in range(COUNT)]
CONNECTIONS = 4  # of the relay in the settings
WINDOW = 4  # the default


def ready(desk: Desk, server: FeedServer) -> None:
    """One article to send, everybody on the list."""
    server.page("paper.localhost", "/feed", feed("Harbour bridge closed"))
    desk.source("paper", server.url("paper.localhost", "/feed"))
    desk.people(PEOPLE)


def reached(log: Path, octets: int, process: subprocess.Popen[bytes]) -> bool:
    """Whether so many octets of mail have arrived, or the sender is at its end."""
    return process.poll() is not None or log.stat().st_size >= octets


def size_of_one(log: Path) -> int:
    with log.open("rb") as file:
        head = file.readline()
    return len(head) + int(json.loads(head)["octets"])


@pytest.mark.slow
def test_publish_and_deliver_killed_at_random_instants(database_url: str, tmp_path: Path) -> None:
    seed = int(os.environ.get("DIGEST_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    dice, log, kills = random.Random(seed), tmp_path / "mail.log", 0
    with FeedServer() as server, mailbox_process(log) as port:
        desk = newsroom(tmp_path / "desk", database_url, port)
        ready(desk, server)
        done = 0
        # The first is killed as soon as it has begun, be it with the rows of the ledger not all written.
        for wanted in (1, *sorted(dice.sample(range(50, COUNT - 100), 3))):
            process = desk.start(*(("publish", "weekly", "--yes") if kills == 0 else ("deliver",)))
            octets = 1 if done == 0 else wanted * size_of_one(log)
            until(f"message {wanted}", partial(reached, log, octets, process), seconds=120, every=0.002)
            time.sleep(dice.random() * 0.02)
            process.kill()
            process.communicate()
            kills += 1
            done = wanted
        ended = desk.json("deliver", "--until-done")["deliveries"]
        books = desk.json("issues", "status")
    got = read_log(log)
    copies = Counter(one.rcpt for one in got)
    extra = len(got) - len(copies)
    print(f"seed {seed}: {COUNT} people, {kills} kills, {extra} second copies")
    assert books["issue"]["state"] == "sent", f"seed {seed}: {ended}"
    assert books["deliveries"]["sent"] == COUNT, f"seed {seed}"
    assert set(copies) == set(PEOPLE), f"seed {seed}"
    assert extra <= CONNECTIONS * WINDOW * kills, f"seed {seed}"  # Part C's bound
    first: dict[str, bytes] = {}
    assert all(first.setdefault(one.rcpt, one.raw) == one.raw for one in got), f"seed {seed}"
    check([one for one in got if copies[one.rcpt] > 1] + got[:20])


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_asked_to_stop_it_finishes_what_is_open_and_nothing_is_unknown(database_url: str, tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    with FeedServer() as server, mailbox_process(log) as port:
        desk = newsroom(tmp_path / "desk", database_url, port)
        ready(desk, server)
        process = desk.start("--json", "publish", "weekly", "--yes")
        until("first messages", lambda: log.stat().st_size > 500_000, seconds=120, every=0.002)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=10)
        assert (process.returncode, b"Traceback" in err) == (0, False), err.decode()
        told = json.loads(out)["deliveries"]
        state = desk.json("issues", "status")["deliveries"]
        arrived = len(read_log(log))
        assert 0 < arrived < COUNT
        assert {name: count for name, count in state.items() if count} == {"sent": arrived, "pending": COUNT - arrived}
        assert told["sent"] == arrived
        assert desk.json("deliver", "--until-done")["deliveries"]["sent"] == COUNT - arrived
    assert Counter(one.rcpt for one in read_log(log)) == Counter(PEOPLE)
