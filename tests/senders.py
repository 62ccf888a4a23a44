"""Senders as processes of their own, started in milliseconds; and what came of all the mail they were given.

with Senders() as senders:
    sender = senders.start(Job(database_url, port))
    sender.kill()
    senders.start(Job(database_url, port)).finish()
found = tally(engine, messages, people)      # lost, doubled, unsure, by the server's own record
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from mailbox import Envelope, Got, check
from pathlib import Path
from typing import Self

from faultrows import Row
from office import address, handle, rows
from post import LINKS
from sender_process import Job
from sqlalchemy import Engine

from digest import db
from digest.deliver import reporting
from digest.links import Links

TESTS = Path(__file__).parent


def until(what: str, probe: Callable[[], object], seconds: float = 120.0, every: float = 0.002) -> None:
    """Wait until `probe` answers something true; a failure that names `what` after so many seconds."""
    end = time.monotonic() + seconds
    while not probe():
        if time.monotonic() > end:
            raise AssertionError(f"after {seconds:g} s: no {what}")
        time.sleep(every)


class Senders:
    """A process that has everything loaded, and forks a sender for each job; all end with it."""

    def __enter__(self) -> Self:
        command = [sys.executable, str(TESTS / "sender_process.py"), "many"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *rest: object) -> None:
        self._process.communicate(timeout=60)

    def start(self, job: Job) -> Sender:
        """One more sender at work."""
        return Sender(int(self.ask(asdict(job))), self)

    def ask(self, question: object) -> str:
        """One question, one line of answer."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()


class Sender:
    """A sender's process."""

    def __init__(self, pid: int, senders: Senders) -> None:
        self.pid = pid
        self._senders = senders
        self._code: int | None = None

    @property
    def code(self) -> int | None:
        """Its exit code, or None while it lives."""
        if self._code is None:
            self._code = json.loads(self._senders.ask(self.pid))
        return self._code

    @property
    def ended(self) -> bool:
        """Whether it is gone."""
        return self.code is not None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; it may be gone already."""
        if not self.ended:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        self.signal(signal.SIGKILL)
        self.wait()

    def wait(self, seconds: float = 120.0) -> None:
        """Until it has ended by itself, in whatever way."""
        until(f"end of sender {self.pid}", lambda: self.ended, seconds)

    def finish(self, seconds: float = 120.0) -> None:
        """Until it has ended well."""
        self.wait(seconds)
        assert self.code == 0, f"the sender ended with {self.code}"


def arrived(log: Path) -> int:
    """How many messages have arrived, roughly: they are of one size, and counting them would slow the sender down."""
    with log.open("rb") as file:
        head = file.readline()
    return log.stat().st_size // (len(head) + json.loads(head)["octets"]) if head else 0


@dataclass(frozen=True)
class Tally:
    """What the server's record and the ledger say together."""

    lost: int  # neither accepted, nor told of as not accepted
    doubled: int  # copies beyond the first, over all recipients
    unsure: int  # held for a person to decide
    states: Counter[str]

    @property
    def clean(self) -> bool:
        """Nobody lost, doubled or unsure."""
        return not (self.lost or self.doubled or self.unsure)


def tally(engine: Engine, messages: Sequence[Got], people: int, links: Links = LINKS) -> Tally:
    """Who got how many copies, set against the ledger; fails on anything that no fault excuses.

    Every copy equals its first; everybody has their own mail; nobody outside the audience got any; sent is accepted,
    and accepted is sent or held; the counters are the rows; whatever is not sent says why.
    """
    owners = {links.unsubscribe(handle(n), "weekly"): address(n) for n in range(1, people + 1)}
    copies = Counter(got.rcpt for got in messages)
    found = rows(engine)
    first: dict[str, bytes] = {}
    for got in messages:
        assert first.setdefault(got.rcpt, got.raw) == got.raw, f"{got.rcpt} has two different copies"
        assert owners[got.header("List-Unsubscribe").strip("<>")] == got.rcpt
        assert found[got.rcpt].message_id == got.header("Message-ID")
    check([*[got for got in messages if copies[got.rcpt] > 1][:50], *messages[:20]], owners.__getitem__)
    states = Counter(row.state for row in found.values())
    with db.reading(engine) as session:
        assert {state: n for state, n in reporting.status(session, 12).items() if n} == states
    assert len(found) == people
    for who, row in found.items():
        assert not (copies[who] and row.state in ("pending", "failed", "skipped")), f"{who} got mail and is {row.state}"
        if row.state in ("failed", "held", "unknown", "skipped", "deferred"):
            assert row.reason, f"{who} is {row.state} without a reason"
    open_ = ("pending", "claimed", "handed", "deferred", "unknown")
    lost = [who for who, row in found.items() if row.state in open_ or (row.state == "sent" and not copies[who])]
    return Tally(len(lost), sum(copies.values()) - len(copies), states["held"], states)


@dataclass
class Watcher:
    """What a mailbox in a thread does at its stages: it keeps a record, and acts once when a moment has come.

    Give it to `Mailbox(behaviour=watcher)`. An act gets no argument; it runs on the mailbox's thread, which goes on
    when it has returned.
    """

    seen: list[tuple[float, str, str]] = field(default_factory=list)  # instant, stage, recipient
    _acts: list[tuple[str, int, Callable[[], object]]] = field(default_factory=list)
    answer: Callable[[str, Envelope], str | None] | None = None  # what the server says, if not the usual

    def __call__(self, stage: str, envelope: Envelope) -> str | None:
        """The mailbox is at this stage."""
        self.seen.append((time.time(), stage, envelope.rcpt))
        due = [act for act in self._acts if act[0] == stage and act[1] <= 1]
        self._acts = [
            (at, left - 1 if at == stage else left, act) for at, left, act in self._acts if (at, left, act) not in due
        ]
        for _, _, act in due:
            act()
        return self.answer(stage, envelope) if self.answer else None

    def at(self, stage: str, number: int, act: Callable[[], object]) -> None:
        """The `number`-th time from now that this stage is reached, before it is answered: `act`."""
        self._acts.append((stage, number, act))

    def forget(self) -> None:
        """No act that is still to come."""
        self._acts = []

    def count(self, stage: str) -> int:
        """How often that stage was reached."""
        return sum(at == stage for _, at, _ in self.seen)


def filled(row: Row, engine: Engine, messages: Sequence[Got], links: Links = LINKS) -> Tally:
    """The tally, with its figures in the row of the table."""
    found = tally(engine, messages, row.size, links)
    row.L, row.D, row.U = found.lost, found.doubled, found.unsure
    return found
