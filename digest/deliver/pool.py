"""Connections to the relays, each a line of its own, fed from one queue for all relays.

A line that finds nothing for its relay sleeps until the queue says that there may be something: by itself at a time, or
after an answer, a new message, or news from elsewhere. Letters have one more line to each relay, opened when one waits
and the others are busy, so that no issue stands in their way.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from digest.config import RelayConfig
from digest.deliver.ledger import Work
from digest.deliver.pacing.health import Judgement
from digest.deliver.pacing.jobs import Jobs
from digest.deliver.replies import Outcome
from digest.deliver.smtp import Connection, Timeouts, Trouble, connect
from digest.deliver.talk import Desk, Talk


class Office(Desk, Protocol):
    """A desk that also says whether a message is still wanted."""

    def begin(self, work: Work) -> bool:
        """Count it as under way, or say that it is not to be sent any more."""


class _Line:
    """A place for one connection of a relay, opened when there is a message for it, and again when it is used up."""

    def __init__(self, pool: Pool, relay: RelayConfig, letters_only: bool) -> None:
        self._pool = pool
        self._relay = relay
        self._letters_only = letters_only
        self._talk: Talk | None = None
        self._called = asyncio.Event()
        self._alarm: asyncio.TimerHandle | None = None

    async def work(self) -> None:
        """Send what there is until the pool ends."""
        while not self._pool.ending.is_set():
            self._called.clear()
            if (work := self._take()) is not None:
                await self._send(work)
            else:
                await self._called.wait()

    def wake(self) -> None:
        """There may be something to do."""
        self._called.set()
        if self._talk:
            self._talk.fill()

    def end(self) -> None:
        """Begin nothing more."""
        self._called.set()
        if self._alarm:
            self._alarm.cancel()
        if self._talk:
            self._talk.end()

    def abort(self) -> None:
        """Hang up at once."""
        if self._talk:
            self._talk.abort()

    def _take(self) -> Work | None:
        if self._alarm:
            self._alarm.cancel()
            self._alarm = None
        work = self._pool.take(self._relay.name, self._letters_only)
        if work is None:
            self._pool.idle(self)
            if (wait := self._pool.ready_in(self._relay.name)) is not None:
                self._alarm = asyncio.get_running_loop().call_later(wait, self.wake)
        return work

    async def _send(self, first: Work) -> None:
        try:
            connection = await self._pool.dial(self._relay)
        except Trouble as trouble:
            self._failed(trouble)
            self._pool.desk.back(first, handed=False)
            return
        most = self._relay.messages_per_connection
        talk = Talk(connection, self._relay.name, self._pool.desk, most=most, take=self._take, trouble=self._failed)
        self._talk = talk
        try:
            talk.begin(first)
            if self._pool.ending.is_set():
                talk.end()
            await talk.over.wait()
            if talk.error:
                raise talk.error
        finally:
            self._talk = None
            await connection.close()

    def _failed(self, trouble: Trouble) -> None:
        self._pool.failed(self._relay.name, trouble)


class Pool:
    """All connections of a sender; `desk` has the messages and hears what became of each.

    `now` tells the seconds since 1970.
    """

    def __init__(
        self,
        relays: Sequence[RelayConfig],
        ehlo: str,
        jobs: Jobs,
        now: Callable[[], float],
        *,
        timeouts: Timeouts | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.jobs = jobs
        self.ending = asyncio.Event()
        self.drained = asyncio.Event()  # nothing is under way any more
        self.desk: Office
        self._relays = relays
        self._ehlo = ehlo
        self.now = now
        self._timeouts = timeouts
        self._tls = tls
        self._lines: list[_Line] = []
        self._idle: set[_Line] = set()  # those that found nothing to do
        self._waking = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, desk: Office) -> list[asyncio.Task[None]]:
        """Begin to send what is put; a task that ends before `drain` has failed, and says why."""
        self.desk = desk
        self._lines = [
            *(_Line(self, relay, False) for relay in self._relays for _ in range(relay.connections)),
            *(_Line(self, relay, True) for relay in self._relays),
        ]
        self._tasks = [asyncio.create_task(line.work()) for line in self._lines]
        return self._tasks

    def put(self, works: Iterable[tuple[Work, str]]) -> None:
        """More messages to be sent, each with the domain it is from."""
        now = self.now()
        for work, from_domain in works:
            self.jobs.put(work, from_domain, now)
        self.wake()

    def take(self, relay: str, letters_only: bool) -> Work | None:
        """The next message that this relay may be given; it counts as begun."""
        while not self.ending.is_set():
            work = self.jobs.take(relay, self.now(), letters_only=letters_only)
            if work is None or self.desk.begin(work):
                return work
            self.jobs.drop(work)
        return None

    def heard(self, work: Work, outcome: Outcome) -> Judgement:
        """What came of a message; what is to be kept of it."""
        judged = self.jobs.heard(work, outcome, self.now())
        self.wake()
        return judged

    def back(self, work: Work) -> None:
        """It is to be tried again."""
        self.jobs.back(work)
        self.wake()

    def drop(self, work: Work) -> None:
        """It was withdrawn."""
        self.jobs.drop(work)
        self.wake()

    def failed(self, relay: str, trouble: Trouble) -> None:
        """A relay could not be used."""
        self.jobs.trouble(relay, trouble.stage.lower(), trouble.reply, str(trouble), self.now())

    def ready_in(self, relay: str) -> float | None:
        """Seconds until there may be something for this relay; None: nothing that time brings."""
        return None if self.ending.is_set() else self.jobs.ready_in(relay, self.now())

    def idle(self, line: _Line) -> None:
        """It found nothing to do: it is called when there may be something."""
        self._idle.add(line)

    def wake(self) -> None:
        """Call those who found nothing to do, where something waits: when whoever says so has finished.

        Not at once: a message that is taken on now must not ask its leave before what came of the last one is asked.
        """
        if self._idle and not self._waking and self.jobs.waiting:
            self._waking = True
            asyncio.get_running_loop().call_soon(self._call)

    def _call(self) -> None:
        self._waking = False
        idle, self._idle = self._idle, set()
        for line in idle:
            line.wake()

    async def dial(self, relay: RelayConfig) -> Connection:
        """A new connection; Trouble if it can't be had."""
        return await connect(relay, self._ehlo, self._timeouts, self._tls)

    async def drain(self, grace: float) -> None:
        """Let open messages finish for `grace` seconds, start none, close everything."""
        self.ending.set()
        for line in self._lines:
            line.end()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=grace)
            if late:  # the time to finish is over: no more words
                for line in self._lines:
                    line.abort()
                await asyncio.sleep(0)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self.drained.set()
