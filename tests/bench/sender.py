"""One sender of the benchmark, measured from inside: prints a line of JSON.

python tests/bench/sender.py ours '{"url": ..., "port": ..., ...}'         the fields of senders.Ours and of a load
python tests/bench/sender.py aiosmtplib '{"port": ..., "messages": ...}'   the fields of a load

Watched is the time from before the first connection is opened until the last one is closed; imports come before it.
"""

from __future__ import annotations

import asyncio
import json
import queue
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from machine import peak_kb
from post import LINKS, config

from digest import db
from digest.config import DkimConfig, RelayConfig
from digest.deliver import handing, run

WARM = 0.25  # the part of the messages after which the steady cost is counted


class Watch:
    """What passes between two instants of this process, and from the moment it is warm on."""

    def __init__(self) -> None:
        self._used, self._at, self._thread = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter(), 0.0
        self._thread = time.thread_time()
        self._warm: tuple[int, float] | None = None

    def progress(self, label: str, done: int, total: int | None, going: Any = None) -> None:
        """So many messages are sent."""
        if self._warm is None and total and total * WARM <= done < total:
            self._warm = done, self._cpu()

    def _cpu(self) -> float:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return used.ru_utime + used.ru_stime

    def told(self, messages: int, **more: Any) -> str:
        """As the parent reads it."""
        seconds, loop, used = (
            time.perf_counter() - self._at,
            time.thread_time() - self._thread,
            resource.getrusage(resource.RUSAGE_SELF),
        )
        done, at = self._warm or (messages, 0.0)
        said = {
            "messages": messages,
            "seconds": seconds,
            "user": used.ru_utime - self._used.ru_utime,
            "system": used.ru_stime - self._used.ru_stime,
            "steady": (self._cpu() - at) / (messages - done) if done < messages else 0.0,
            "loop": loop,
            "peak_kb": peak_kb(),
        }
        return json.dumps({**said, **more})


class Door(queue.SimpleQueue[Any]):
    """The writer's requests, with the instant of each."""

    def __init__(self, unhanded: bool) -> None:
        self._unhanded = unhanded
        self.since: dict[int, float] = {}

    def put(self, asked: Any, *how: Any) -> None:
        """One more; without the commit of `handed`, leave is given at once, and asked for with the outcome."""
        if asked is not None:
            if self._unhanded and asked.step is handing.hand:
                asyncio.get_running_loop().call_soon(asked.then, handing.Verdict(True))
                return
            if self._unhanded and asked.step is handing.settle:
                asked = asked._replace(one=(replace(asked.one[0], handed=False),))
            self.since[id(asked)] = time.perf_counter()
        super().put(asked, *how)


class Timed(run.Writer):
    """The writer, timed: from the asking for an outcome (the reply has just been read) to its commit."""

    unhanded: ClassVar = False
    waits: ClassVar[list[float]] = []
    cpu: ClassVar = 0.0
    made: ClassVar = 0

    def __init__(self, engine: Any) -> None:
        super().__init__(engine)
        self._asked = self._door = Door(self.unhanded)

    def _tried(self, group: list[Any]) -> Exception | None:
        error = super()._tried(group)
        if error is None:
            now = time.perf_counter()
            for asked in group:
                since = self._door.since.pop(id(asked))
                if asked.step is handing.settle:
                    self.waits.append(now - since)
        return error

    def _run(self) -> None:
        super()._run()
        Timed.cpu, Timed.made = time.thread_time(), self.commits


async def ours(given: dict[str, Any]) -> None:
    """Our whole path: ledger, links of each reader, body."""
    engine = db.open_engine(given["url"], given["synchronous"])
    shape = {"connections": given["connections"], "window": given["window"]}
    relay = RelayConfig(name="sink", host="127.0.0.1", port=given["port"], security="none", **shape)
    keys = tuple(DkimConfig("review.example", f"s{number}", Path(file)) for number, file in enumerate(given["keys"]))
    if given["watched"]:
        Timed.unhanded, run.Writer = given["unhanded"], Timed  # type: ignore[misc]
    watch = Watch()
    settings = replace(config(relay), dkim=keys)
    told = await run.deliver(engine, settings, LINKS, issue_id=given["issue"], progress=watch.progress)
    waits = sorted(Timed.waits)
    window = [round(waits[int((len(waits) - 1) * part)] * 1000, 2) for part in (0.5, 0.99, 1) if waits]
    print(watch.told(told.counts["sent"], window_ms=window, ledger=Timed.cpu, commits=Timed.made))
    engine.dispose()


async def aiosmtplib(given: dict[str, Any]) -> None:
    """aiosmtplib's `sendmail` on connections kept open, one constant message: no ledger, no links, no building."""
    import aiosmtplib

    body = b"To: reader\r\nSubject: The week\r\n\r\n" + (b"x" * 74 + b"\r\n") * (given["octets"] // 76)
    left = iter(range(given["messages"]))

    async def worker(progress: Callable[[str, int, int | None], None]) -> None:
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=given["port"], use_tls=False, start_tls=False)
        await client.connect()
        for number in left:
            await client.sendmail("news@review.example", [f"reader{number}@example.org"], body)
            progress("Sending", number, given["messages"])
        await client.quit()

    watch = Watch()
    await asyncio.gather(*(worker(watch.progress) for _ in range(given["connections"])))
    print(watch.told(given["messages"]))


def main(kind: str, given: str) -> None:
    """Run one sender."""
    try:
        from uvloop import run as start
    except ImportError:
        from asyncio import run as start
    start({"ours": ours, "aiosmtplib": aiosmtplib}[kind](json.loads(given)))


if __name__ == "__main__":
    main(*sys.argv[1:])
