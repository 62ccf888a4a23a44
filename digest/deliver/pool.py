"""Connections to the relays, each a line of its own, fed from one queue for all relays.

A relay in trouble (connect, TLS, log-in, MAIL refused) pauses with back-off; its messages go back to the queue, and no
recipient is marked for a fault of ours. Letters have one more line to each relay, opened when one waits and the others
are busy, so that no issue stands in their way.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Protocol

from digest.config import RelayConfig
from digest.deliver.ledger import Work
from digest.deliver.smtp import Connection, Timeouts, Trouble, connect
from digest.deliver.talk import Desk, Talk

_FIRST_PAUSE = 0.5  # seconds; doubles with every failure in a row
_LONGEST_PAUSE = 300.0


class Jobs:
    """Messages waiting for a connection: letters first, then in the order of their claim."""

    def __init__(self) -> None:
        self._letters: deque[Work] = deque()
        self._issues: deque[Work] = deque()

    def put(self, work: Work) -> None:
        """One more."""
        (self._issues if work.kind == "issue" else self._letters).append(work)

    def take(self, letters_only: bool = False) -> Work | None:
        """The next one."""
        if self._letters:
            return self._letters.popleft()
        return self._issues.popleft() if self._issues and not letters_only else None


class Office(Desk, Protocol):
    """A desk that also says whether a message is still wanted."""

    def begin(self, work: Work) -> bool:
        """Count it as under way, or say that it is not to be sent any more."""


class Relay:
    """A relay and how it is doing."""

    def __init__(self, config: RelayConfig) -> None:
        self.config = config
        self.failures = 0  # in a row
        self.reason = ""
        self._well_again = 0.0

    def succeeded(self) -> None:
        """It took a message, or said plainly that it does not take one."""
        self.failures = 0

    def failed(self, trouble: Trouble) -> None:
        """It is in trouble: nothing is tried until the pause is over."""
        now = asyncio.get_running_loop().time()
        if now < self._well_again:
            return  # another connection met the same trouble
        self.failures += 1
        self.reason = str(trouble)
        self._well_again = now + min(_FIRST_PAUSE * 2 ** (self.failures - 1), _LONGEST_PAUSE)

    @property
    def pause(self) -> float:
        """Seconds until it may be tried again."""
        return max(0.0, self._well_again - asyncio.get_running_loop().time())


class _Line:
    """A place for one connection of a relay, opened when there is a message for it, and again when it is used up."""

    def __init__(self, pool: Pool, relay: Relay, letters_only: bool) -> None:
        self._pool = pool
        self._relay = relay
        self._letters_only = letters_only
        self._talk: Talk | None = None
        self._called = asyncio.Event()

    async def work(self) -> None:
        """Send what there is until the pool ends."""
        while not self._pool.ending.is_set():
            self._called.clear()
            if self._relay.pause:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._pool.ending.wait(), self._relay.pause)
            elif (work := self._take()) is not None:
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
        if self._talk:
            self._talk.end()

    def abort(self) -> None:
        """Hang up at once."""
        if self._talk:
            self._talk.abort()

    def _take(self) -> Work | None:
        return self._pool.take(self._relay, self._letters_only)

    async def _send(self, first: Work) -> None:
        try:
            connection = await self._pool.dial(self._relay.config)
        except Trouble as trouble:
            self._relay.failed(trouble)
            self._pool.desk.back(first, handed=False)
            return
        most = self._relay.config.messages_per_connection
        talk = Talk(
            connection,
            self._relay.config.name,
            self._pool.desk,
            most=most,
            take=self._take,
            trouble=self._relay.failed,
            fine=self._relay.succeeded,
        )
        self._talk = talk
        try:
            talk.begin(first)
            if self._pool.ending.is_set():
                talk.end()
            await talk.over.wait()
        finally:
            self._talk = None
            await connection.close()


class Pool:
    """All connections of a sender; `desk` has the messages, and hears what became of each."""

    def __init__(
        self,
        relays: Sequence[RelayConfig],
        ehlo: str,
        *,
        timeouts: Timeouts | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.relays = [Relay(config) for config in relays]
        self.ending = asyncio.Event()
        self.drained = asyncio.Event()  # nothing is under way any more
        self.desk: Office
        self._jobs = Jobs()
        self._ehlo = ehlo
        self._timeouts = timeouts
        self._tls = tls
        self._lines: list[_Line] = []
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, desk: Office) -> list[asyncio.Task[None]]:
        """Begin to send what is put; a task that ends before `drain` has failed, and says why."""
        self.desk = desk
        self._lines = [
            *(_Line(self, relay, False) for relay in self.relays for _ in range(relay.config.connections)),
            *(_Line(self, relay, True) for relay in self.relays),
        ]
        self._tasks = [asyncio.create_task(line.work()) for line in self._lines]
        return self._tasks

    def put(self, works: Iterable[Work]) -> None:
        """More messages to be sent."""
        for work in works:
            self._jobs.put(work)
        for line in self._lines:
            line.wake()

    def take(self, relay: Relay, letters_only: bool) -> Work | None:
        """The next message that this relay may be given; it counts as begun."""
        while not self.ending.is_set() and not relay.pause:
            work = self._jobs.take(letters_only)
            if work is None or self.desk.begin(work):
                return work
        return None

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

    def trouble(self, patience: int) -> str | None:
        """The reason, when every relay has failed `patience` times in a row."""
        if self.relays and any(relay.failures < patience for relay in self.relays):
            return None
        return "; ".join(f"relay {relay.config.name}: {relay.reason}" for relay in self.relays) or "there is no relay"
