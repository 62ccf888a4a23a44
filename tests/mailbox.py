"""A real SMTP server on loopback for tests: it keeps raw bytes and envelopes, and lints every message at the end.

In a thread:         with Mailbox() as box: ... box.relay() ... box.messages
In a process:        python tests/mailbox.py --log FILE [--port N]     (prints "port N" when it listens); read_log(FILE)
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Self

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from digest.config import RelayConfig
from digest.deliver.lint import lint, recipient
from digest.demo.mailbox import DROP, Envelope, Receiver

__all__ = ["DROP", "SPEECHES", "Behaviour", "Envelope", "Got", "Mailbox", "check", "greylist", "read_log", "refuse"]

SPEECHES = {
    "chunked": ("PIPELINING", "CHUNKING", "8BITMIME", "SMTPUTF8"),
    "pipelined": ("PIPELINING", "8BITMIME", "SMTPUTF8"),
    "plain": ("8BITMIME", "SMTPUTF8"),
}
Answer = str | None
Behaviour = Callable[[str, Envelope], Answer | Awaitable[Answer]]


@dataclass(frozen=True)
class Got:
    """One accepted message: its envelope and its bytes as they stood on the wire (dots unstuffed)."""

    mail: str
    parameters: str
    rcpt: str
    raw: bytes
    at: float

    @property
    def smtputf8(self) -> bool:
        return "SMTPUTF8" in self.parameters.split()

    def header(self, name: str) -> str:
        """The unfolded value of the first header of that name."""
        head = self.raw.partition(b"\r\n\r\n")[0].decode().replace("\r\n ", " ")
        found = [
            line.partition(":")[2].strip() for line in head.split("\r\n") if line.lower().startswith(name.lower() + ":")
        ]
        return found[0] if found else ""


def greylist() -> Behaviour:
    """451 at the first RCPT of each recipient, then welcome."""
    seen: set[str] = set()

    def answer(stage: str, envelope: Envelope) -> Answer:
        if stage != "rcpt" or envelope.rcpt in seen:
            return None
        seen.add(envelope.rcpt)
        return "451 4.7.1 greylisted, try again"

    return answer


def refuse(replies: dict[str, str], stage: str = "rcpt") -> Behaviour:
    """The given reply for the given recipients (or for "*"), at one stage."""

    def answer(at: str, envelope: Envelope) -> Answer:
        return replies.get(envelope.rcpt, replies.get("*")) if at == stage else None

    return answer


class _Recorder(Receiver):
    utterance = "whole"  # cut: byte by byte; merged: all that gathers in a moment, at once

    def __init__(self, keep: Callable[[Got], None], behaviour: Behaviour | None) -> None:
        self._held: dict[asyncio.StreamWriter, bytes] = {}
        self.keep = keep
        self.behaviour = behaviour
        self.stages: Counter[str] = Counter()

    async def answer(self, stage: str, envelope: Envelope) -> Answer:
        self.stages[stage] += 1
        said = self.behaviour(stage, envelope) if self.behaviour else None
        return await said if isinstance(said, Awaitable) else said

    async def utter(self, writer: asyncio.StreamWriter, reply: bytes) -> None:
        if self.utterance == "cut":
            for octet in reply:
                writer.write(bytes([octet]))
                await asyncio.sleep(0)
        elif self.utterance == "merged" and not reply.startswith((b"220", b"250-", b"221", b"421")):
            if writer not in self._held:
                asyncio.get_running_loop().call_later(0.02, lambda: writer.write(self._held.pop(writer)))
            self._held[writer] = self._held.get(writer, b"") + reply
        else:
            writer.write(self._held.get(writer, b"") + reply)
            if writer in self._held:
                self._held[writer] = b""
        await writer.drain()

    def accept(self, envelope: Envelope) -> None:
        self.keep(Got(envelope.mail, envelope.parameters, envelope.rcpt, envelope.content, time.time()))


@dataclass
class Mailbox:
    """The server in a thread. `behaviour(stage, envelope)` may answer a stage itself, or hang up with DROP.

    When the block ends well, every message is linted, and RCPT = To = the owner of its one-click link, as far as
    `owner` (URI -> address) is given. `judge=False` switches that off for tests of broken messages.
    """

    behaviour: Behaviour | None = None
    extensions: tuple[str, ...] | None = None
    owner: Callable[[str], str] | None = None
    judge: bool = True
    utterance: str = "whole"  # whole | cut | merged: how replies are put on the wire
    messages: list[Got] = field(default_factory=list)
    port: int = 0  # where it listens; 0: where there is room

    def __enter__(self) -> Self:
        self._recorder = _Recorder(self.messages.append, self.behaviour)
        self._recorder.utterance = self.utterance
        if self.extensions is not None:
            self._recorder.extensions = self.extensions
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="mailbox")
        self._thread.start()
        assert ready.wait(10), "the mailbox does not listen"
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        if kind is None and self.judge:
            check(self.messages, self.owner)

    @property
    def stages(self) -> Counter[str]:
        """How often each stage was reached: "connect", "mail", "rcpt", ..."""
        return self._recorder.stages

    def behave(self, behaviour: Behaviour | None) -> None:
        """Answer differently from now on."""
        self._recorder.behaviour = behaviour

    def relay(self, **changes: Any) -> RelayConfig:
        """Settings of a relay that leads here."""
        return RelayConfig(**{"name": "box", "host": "127.0.0.1", "port": self.port, "security": "none", **changes})

    def to(self, address: str) -> list[Got]:
        """What that recipient got, in order."""
        return [got for got in self.messages if got.rcpt == address]

    def _run(self, ready: threading.Event) -> None:
        asyncio.run(self._serve(ready))

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await self._recorder.listen(port=self.port)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._stop.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()


def check(messages: list[Got], owner: Callable[[str], str] | None = None) -> None:
    """Every message is without lint failure, and its RCPT is its To and the owner of its one-click link."""
    for got in messages:
        failures = lint(got.raw, loopback=True, smtputf8=got.smtputf8)
        assert failures == [], f"to {got.rcpt}: {failures}"
        assert recipient(got.raw) == got.rcpt
        uri = got.header("List-Unsubscribe").strip("<>")
        if owner and uri:
            assert owner(uri) == got.rcpt


def read_log(path: Path) -> list[Got]:
    """What the process form has accepted so far: everything it ever acknowledged."""
    return list(_entries(path))


def _entries(path: Path) -> Iterator[Got]:
    with path.open("rb") as log:
        while head := log.readline():
            entry = json.loads(head)
            size = entry.pop("octets")
            raw = log.read(size)
            if len(raw) < size:
                return
            log.readline()
            yield Got(raw=raw, **entry)


def _write(log: BinaryIO, got: Got) -> None:
    # One write before the reply: whatever was acknowledged is in the file, in order.
    head = {"mail": got.mail, "parameters": got.parameters, "rcpt": got.rcpt, "at": got.at, "octets": len(got.raw)}
    log.write(json.dumps(head).encode() + b"\n" + got.raw + b"\n")
    log.flush()


async def _main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("--log", type=Path, required=True)
    words.add_argument("--port", type=int, default=0)
    words.add_argument("--greylist", action="store_true", help="451 at the first try of each recipient")
    said = words.parse_args()
    with said.log.open("ab") as log:
        recorder = _Recorder(lambda got: _write(log, got), greylist() if said.greylist else None)
        server = await recorder.listen(port=said.port)
        print("port", server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
