"""Connections to the relays, each worked by tasks of its own, fed from one queue for all relays.

A connection has twice as many workers as its window: while one half waits for the server, the other waits for commits.
A relay in trouble (connect, TLS, log-in, MAIL refused) pauses with back-off; its messages go back to the queue, and no
recipient is marked for a fault of ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

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


class _Line:
    """One connection of a relay, opened when it is needed, and again when it is used up; shared by several workers."""

    def __init__(self, relay: Relay, dial: Callable[[RelayConfig], Awaitable[Connection]]) -> None:
        self.relay = relay
        self._dial = dial
        self._connection: Connection | None = None
        self._lock = asyncio.Lock()
        self._used = 0  # messages given to this connection
        self._users = 0
        self._free = asyncio.Event()
        self._free.set()
        self._alone = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """The connection, for one message; Trouble if it can't be had."""
        async with self._lock:
            if self._connection is None or not self._connection.usable or self._used >= self._most:
                await self._close()
                self._connection = await self._opened()
                self._used = 0
            found = self._connection
            self._used += 1
            self._users += 1
            self._free.clear()
        try:
            # Where one message at a time is handed over, the next one waits for the commit of the last one's outcome:
            # a crash leaves one a connection in doubt, and no more.
            async with self._alone if found.window == 1 else contextlib.nullcontext():
                yield found
        finally:
            self._users -= 1
            if not self._users:
                self._free.set()

    @property
    def _most(self) -> int:
        return self.relay.config.messages_per_connection

    async def _opened(self) -> Connection:
        if self.relay.pause:  # another worker has just met the trouble
            raise Trouble(self.relay.reason)
        try:
            return await self._dial(self.relay.config)
        except Trouble as trouble:
            self.relay.failed(str(trouble))
            raise

    def abort(self) -> None:
        """Hang up at once."""
        if self._connection:
            self._connection.abort()

    async def close(self) -> None:
        """Nothing more is sent on it."""
        async with self._lock:
            await self._close()

    async def _close(self) -> None:
        if self._connection and self._connection.usable:
            await self._free.wait()
            await self._connection.close()
        self._connection = None


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
        self._lines: list[_Line] = []
        self.drained = asyncio.Event()  # nothing is under way any more

    def start(self, job: Callable[[Connection, str, Work], Awaitable[None]]) -> list[asyncio.Task[None]]:
        """Begin to work off `jobs`; a task that ends before `drain` has failed, and says why."""
        self._lines = [_Line(relay, self._dial) for relay in self.relays for _ in range(relay.config.connections)]
        self._tasks = [
            asyncio.create_task(self._work(line, job))
            for line in self._lines
            for _ in range(2 * line.relay.config.window)
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
            if late:  # the time to finish is over: no more words
                for line in self._lines:
                    line.abort()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(line.close() for line in self._lines))
        self.drained.set()

    def trouble(self, patience: int) -> str | None:
        """The reason, when every relay has failed `patience` times in a row."""
        if self.relays and any(relay.failures < patience for relay in self.relays):
            return None
        return "; ".join(f"relay {relay.config.name}: {relay.reason}" for relay in self.relays) or "there is no relay"

    async def _dial(self, relay: RelayConfig) -> Connection:
        return await connect(relay, self._ehlo, self._timeouts, self._tls)

    async def _work(self, line: _Line, job: Callable[[Connection, str, Work], Awaitable[None]]) -> None:
        relay = line.relay
        while not self._ending.is_set():
            if relay.pause:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._ending.wait(), relay.pause)
                continue
            work = await self.jobs.get()
            if work is None:
                return
            connection: Connection | None = None
            try:
                async with line.connection() as connection:
                    await job(connection, relay.config.name, work)
                relay.succeeded()
            except Trouble as trouble:
                self.jobs.put(work)
                # A connection that served before may just have reached its end: open a new one, without a pause.
                if connection and (connection.usable or not connection.served):
                    relay.failed(str(trouble))
