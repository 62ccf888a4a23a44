"""Connections to the relays, each worked by a task of its own, fed from one queue for all relays.

A relay in trouble (connect, TLS, log-in, MAIL refused) pauses with back-off; its messages go back to the queue, and no
recipient is marked for a fault of ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import ssl
from collections.abc import Awaitable, Callable, Sequence

from digest.config import RelayConfig
from digest.deliver.ledger import Work
from digest.deliver.smtp import Connection, Timeouts, Trouble, connect

_FIRST_PAUSE = 0.5  # seconds; doubles with every failure in a row
_LONGEST_PAUSE = 300.0


class Jobs:
    """Messages waiting for a connection: letters first, then in the order of their claim."""

    def __init__(self) -> None:
        self._queue: asyncio.PriorityQueue[tuple[int, int, Work | None]] = asyncio.PriorityQueue()
        self._count = itertools.count()

    def put(self, work: Work) -> None:
        """One more."""
        self._queue.put_nowait((0 if work.kind == "issue" else -1, next(self._count), work))

    def close(self, workers: int) -> None:
        """Tell that many workers, before everything else, that it is over."""
        for _ in range(workers):
            self._queue.put_nowait((-2, next(self._count), None))

    async def get(self) -> Work | None:
        """The next one, or None: it is over."""
        return (await self._queue.get())[2]


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

    def failed(self, reason: str) -> None:
        """It is in trouble: nothing is tried until the pause is over."""
        now = asyncio.get_running_loop().time()
        if now < self._well_again:
            return  # another connection met the same trouble
        self.failures += 1
        self.reason = reason
        self._well_again = now + min(_FIRST_PAUSE * 2 ** (self.failures - 1), _LONGEST_PAUSE)

    @property
    def pause(self) -> float:
        """Seconds until it may be tried again."""
        return max(0.0, self._well_again - asyncio.get_running_loop().time())


class Pool:
    """All connections of a sender. `job` does one message on a connection; Trouble from it returns the message."""

    def __init__(
        self,
        relays: Sequence[RelayConfig],
        ehlo: str,
        *,
        timeouts: Timeouts | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.relays = [Relay(config) for config in relays]
        self.jobs = Jobs()
        self._ehlo = ehlo
        self._timeouts = timeouts
        self._tls = tls
        self._ending = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.drained = asyncio.Event()  # nothing is under way any more

    @property
    def connections(self) -> int:
        """How many messages can be under way at once."""
        return sum(relay.config.connections for relay in self.relays)

    def start(self, job: Callable[[Connection, str, Work], Awaitable[None]]) -> list[asyncio.Task[None]]:
        """Begin to work off `jobs`; a task that ends before `drain` has failed, and says why."""
        self._tasks = [
            asyncio.create_task(self._work(relay, job))
            for relay in self.relays
            for _ in range(relay.config.connections)
        ]
        return self._tasks

    async def drain(self, grace: float) -> None:
        """Let open messages finish for `grace` seconds, start none, close everything."""
        self._ending.set()
        self.jobs.close(len(self._tasks))
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self.drained.set()

    def trouble(self, patience: int) -> str | None:
        """The reason, when every relay has failed `patience` times in a row."""
        if self.relays and any(relay.failures < patience for relay in self.relays):
            return None
        return "; ".join(f"relay {relay.config.name}: {relay.reason}" for relay in self.relays) or "there is no relay"

    async def _work(self, relay: Relay, job: Callable[[Connection, str, Work], Awaitable[None]]) -> None:
        connection: Connection | None = None
        try:
            while not self._ending.is_set():
                if relay.pause:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._ending.wait(), relay.pause)
                    continue
                work = await self.jobs.get()
                if work is None:
                    return
                connection = await self._worn(relay, connection)
                try:
                    connection = connection or await connect(relay.config, self._ehlo, self._timeouts, self._tls)
                    await job(connection, relay.config.name, work)
                    relay.succeeded()
                except Trouble as trouble:
                    self.jobs.put(work)
                    # A connection that served before may just have reached its end: open a new one, without a pause.
                    if connection is None or connection.usable or not connection.used:
                        relay.failed(str(trouble))
        except asyncio.CancelledError:  # the time to finish is over: no more words
            if connection:
                connection.abort()
            raise
        finally:
            if connection and connection.usable:
                await connection.close()

    async def _worn(self, relay: Relay, connection: Connection | None) -> Connection | None:
        """The connection if it can be used on; None, after saying goodbye, when it has done its share or is gone."""
        if connection is None or not connection.usable:
            return None
        if connection.used < relay.config.messages_per_connection:
            return connection
        await connection.close()
        return None
