"""One connection at work: its places kept filled, leave asked for each body, and handed on what came of each message.

The order in which it asks is what bounds a crash: what came of the message that leaves the window is asked of the
ledger's writer before the leave of the one that enters it, so no commit ever has more rows handed over than the window.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

from digest.deliver.dialogue import Asks, Event, Fault, Transaction
from digest.deliver.ledger import Work
from digest.deliver.replies import Outcome, Refused, Withdrawn
from digest.deliver.smtp import Connection, Trouble

_IDLE_S = 20.0  # a connection without work is closed after so long


class Written(NamedTuple):
    """A message as it goes on the wire: envelope sender, recipient, bytes with CRLF lines."""

    mail: str
    rcpt: str
    raw: bytes


class Desk(Protocol):
    """Where messages come from, and what is known of them goes. No call waits."""

    def written(self, work: Work) -> Written | Refused:
        """The message, or why it can't be written."""

    def ask(self, work: Work, relay: str, then: Callable[[bool], None]) -> None:
        """Leave to write its body: `then` is told whether it is given, when that is committed."""

    def settle(self, work: Work, relay: str, outcome: Outcome, handed: bool) -> None:
        """What came of it; `handed` says whether leave was given."""

    def back(self, work: Work, handed: bool) -> None:
        """It was not taken, and is to be tried again."""

    def dropped(self, work: Work) -> None:
        """It was begun, and withdrawn."""


@dataclass(eq=False)
class _Job:
    work: Work
    transaction: Transaction
    asking: bool = False  # leave is asked, and not answered
    handed: bool = False
    fault: Fault | None = None  # the talk ended while leave was asked


class Talk:
    """Works a connection until it ends, has carried `most` messages, or has nothing to do for a while.

    `take` gives the next message or None. `trouble` hears of what is the relay's fault, and ends it.
    """

    def __init__(
        self,
        connection: Connection,
        relay: str,
        desk: Desk,
        *,
        most: int,
        take: Callable[[], Work | None],
        trouble: Callable[[Trouble], None],
    ) -> None:
        self.over = asyncio.Event()
        self.error: Exception | None = None  # of ours: whoever waits for the end has to raise it
        self._connection = connection
        self._relay = relay
        self._desk = desk
        self._left = most
        self._take = take
        self._trouble = trouble
        self._jobs: set[_Job] = set()
        self._carried = False  # a message came to its end here
        self._ending = False
        self._filling = False
        self._rest: asyncio.TimerHandle | None = None

    def begin(self, work: Work) -> None:
        """Take this one on, and then whatever there is."""
        self._begin(work)
        self.fill()

    def fill(self) -> None:
        """Take on as many as there is place for."""
        if self._filling:
            return
        self._filling = True
        try:
            while self._may_take() and (work := self._take()) is not None:
                self._begin(work)
        except Exception as error:
            self._broke(error)
        self._filling = False
        self._look()

    def end(self) -> None:
        """Take on no more; it is over when all that was begun is answered."""
        self._ending = True
        self._look()

    def abort(self) -> None:
        """Hang up: what waits for an answer gets none."""
        self._ending = True
        self._connection.abort()

    def _may_take(self) -> bool:
        room = self._left > 0 and len(self._jobs) < self._connection.places
        return room and not self._ending and self._connection.usable

    def _look(self) -> None:
        if self._rest:
            self._rest.cancel()
            self._rest = None
        if self._jobs:
            return
        if self._ending or self._left <= 0 or not self._connection.usable:
            self.over.set()
        else:
            self._rest = asyncio.get_running_loop().call_later(_IDLE_S, self.end)

    def _begin(self, work: Work) -> None:
        message = self._desk.written(work)
        found = message if isinstance(message, Refused) else self._connection.envelope(*message)
        if not isinstance(found, Transaction):
            self._desk.settle(work, self._relay, found, handed=False)
            return
        job = _Job(work, found)
        self._jobs.add(job)
        self._left -= 1
        self._connection.begin(found, partial(self._told, job))

    def _told(self, job: _Job, event: Event) -> None:
        try:
            self._hear(job, event)
        except Exception as error:  # the other messages of the connection have their answers to hear
            self._broke(error)

    def _broke(self, error: Exception) -> None:
        self.error = self.error or error
        self.over.set()

    def _hear(self, job: _Job, event: Event) -> None:
        match event:
            case Asks():
                job.asking = True
                self._desk.ask(job.work, self._relay, partial(self._answered, job))
            case Fault() if job.asking:  # whether it is to be taken back depends on the answer
                job.fault = event
            case Fault():
                self._failed(job, event)
            case Withdrawn():
                self._carried = True
                self._jobs.discard(job)
                self._desk.dropped(job.work)
                self.fill()
            case _:
                self._carried = True
                self._jobs.discard(job)
                self._desk.settle(job.work, self._relay, event, job.handed)
                self.fill()

    def _answered(self, job: _Job, given: bool) -> None:
        job.asking, job.handed = False, given
        if job.fault and given:
            self._failed(job, job.fault)
        elif job.fault:
            self._jobs.discard(job)
            self._desk.dropped(job.work)
            self._look()
        elif given:
            self._connection.go(job.transaction)
        else:
            self._connection.withdraw(job.transaction)

    def _failed(self, job: _Job, fault: Fault) -> None:
        self._jobs.discard(job)
        self._desk.back(job.work, job.handed)
        # A connection that carried something before may just have reached its end: another is opened, without a pause.
        if self._connection.usable or not self._carried:
            self._trouble(Trouble(fault.why, str(fault.stage or ""), fault.reply))
            self._ending = True
        self._look()
