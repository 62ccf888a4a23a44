"""The far end of the send benchmark: a sink that says yes to everything, and a proxy that takes its time.

python tests/bench/sink.py sink PROCESSES CHUNKING   RFC 5321 with PIPELINING, SIZE and (1) or without (0) CHUNKING
python tests/bench/sink.py proxy MS TO_PORT          both ways together delay by MS milliseconds

Both print the port they listen on and the ids of the processes that answer there. A sink throws bodies away;
connections go to its processes in turn, so that ten of them are five and five.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import sys
from collections import deque
from typing import cast

try:
    from uvloop import run
except ImportError:
    from asyncio import run

_FEATURES = b"250-PIPELINING\r\n250-SIZE 0\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"
_GREETING, _CHUNKING = b"250-sink\r\n", b"250-CHUNKING\r\n"
_END = b"\r\n.\r\n"


class Sink(asyncio.Protocol):
    """One connection."""

    def __init__(self, chunking: bool) -> None:
        self._features = _GREETING + _CHUNKING * chunking + _FEATURES
        self._buffer = bytearray()
        self._skip = 0  # octets of a BDAT chunk that are still to come
        self._said = b""  # the answer at the end of that chunk
        self._data = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer every command that is complete."""
        self._buffer += data
        answers: list[bytes] = []
        while self._buffer and self._step(answers):
            pass
        if answers:
            self._transport.write(b"".join(answers))

    def _step(self, answers: list[bytes]) -> bool:
        if self._skip:
            here = min(self._skip, len(self._buffer))
            del self._buffer[:here]
            self._skip -= here
            if not self._skip:
                answers.append(self._said)
            return True
        if self._data:
            return self._swallow(answers)
        line, found, _ = self._buffer.partition(b"\r\n")
        if not found:
            return False
        del self._buffer[: len(line) + 2]
        self._command(bytes(line), answers)
        return True

    def _swallow(self, answers: list[bytes]) -> bool:
        at = self._buffer.find(_END)
        if at < 0:
            del self._buffer[: -len(_END) + 1]
            return False
        del self._buffer[: at + len(_END)]
        self._data = False
        answers.append(b"250 2.0.0 Ok: queued as 4Tz0qk1Yx7z2\r\n")
        return True

    def _command(self, line: bytes, answers: list[bytes]) -> None:
        verb = line[:4].upper()
        if verb == b"BDAT":
            self._skip = int(line.split()[1])
            last = line.upper().endswith(b"LAST")
            self._said = b"250 2.0.0 Ok: queued as 4Tz0qk1Yx7z2\r\n" if last else b"250 2.0.0 Ok\r\n"
            if not self._skip:
                answers.append(self._said)
        elif verb == b"DATA":
            self._data = True
            answers.append(b"354 go on\r\n")
        elif verb == b"EHLO":
            answers.append(self._features)
        elif verb == b"QUIT":
            answers.append(b"221 2.0.0 Bye\r\n")
            self._transport.write(b"".join(answers))
            answers.clear()
            self._transport.close()
        else:
            answers.append(b"250 2.1.0 Ok\r\n")


class Late(asyncio.Protocol):
    """One direction of a proxied connection: what comes in goes to `other`, each piece `delay` seconds later."""

    def __init__(self, delay: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._delay = delay
        self._kept: deque[bytes] = deque()
        self.transport: asyncio.Transport | None = None
        self.other: Late | None = None
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """What waited goes on."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(2**30)
        while self._kept:
            self.transport.write(self._kept.popleft())

    def data_received(self, data: bytes) -> None:
        """Later."""
        assert self.other
        self._loop.call_later(self._delay, self.other.write, data)

    def write(self, data: bytes) -> None:
        """Now."""
        if self.transport is None:
            self._kept.append(data)
        elif not self.transport.is_closing():
            self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The end comes as late as everything else."""
        if self.other and self.other.transport:
            self._loop.call_later(self._delay, self.other.transport.close)


async def _proxy(delay: float, to: int) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    opening: set[asyncio.Task[object]] = set()

    def near() -> Late:
        here, there = Late(delay), Late(delay)
        here.other, there.other = there, here
        task: asyncio.Task[object] = loop.create_task(loop.create_connection(lambda: there, "127.0.0.1", to))
        opening.add(task)
        task.add_done_callback(opening.discard)
        return here

    return await loop.create_server(near, "127.0.0.1", 0, backlog=512)


async def _answer(hatch: socket.socket, chunking: bool) -> None:
    """Serve the connections that come through `hatch`."""
    loop = asyncio.get_running_loop()

    def take() -> None:
        _, handles, _, _ = socket.recv_fds(hatch, 1, 1)
        if not handles:  # the door is gone
            loop.stop()
        for handle in handles:
            opening = loop.create_task(
                loop.connect_accepted_socket(lambda: Sink(chunking), socket.socket(fileno=handle))
            )
            opened.add(opening)
            opening.add_done_callback(opened.discard)

    opened: set[asyncio.Task[object]] = set()
    loop.add_reader(hatch, take)
    await loop.create_future()


def sink(processes: int, chunking: int) -> None:
    """Hand the connections to so many processes in turn until killed."""
    hatches, pids = [], []
    for _ in range(processes):
        outer, inner = socket.socketpair()
        if pid := os.fork():
            inner.close()
            hatches.append(outer)
            pids.append(pid)
            continue
        for hatch in (outer, *hatches):
            hatch.close()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with contextlib.suppress(RuntimeError):
            run(_answer(inner, bool(chunking)))
        os._exit(0)
    with socket.create_server(("127.0.0.1", 0), backlog=512) as door:
        print(door.getsockname()[1], *pids, flush=True)
        for hatch in itertools.cycle(hatches):
            client, _ = door.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            socket.send_fds(hatch, [b"x"], [client.fileno()])
            client.close()


async def proxy(milliseconds: int, to: int) -> None:
    """Serve until killed."""
    server = await _proxy(milliseconds / 2000, to)
    print(server.sockets[0].getsockname()[1], os.getpid(), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    kind, first, second = sys.argv[1:]
    if kind == "sink":
        sink(int(first), int(second))
    else:
        run(proxy(int(first), int(second)))
