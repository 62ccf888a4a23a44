"""One sender of the benchmark, measured from inside: prints a line of JSON.

python tests/bench/sender.py ours DATABASE_URL SYNCHRONOUS PORT CONNECTIONS
python tests/bench/sender.py aiosmtplib MESSAGES OCTETS PORT CONNECTIONS
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from post import LINKS, config

from digest import db
from digest.config import RelayConfig
from digest.deliver import handing, run
from digest.deliver.writer import Writer


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Watch:
    """What passes between two instants of this process."""

    def __init__(self) -> None:
        self._cpu, self._at = _cpu(), time.perf_counter()

    def told(self, messages: int, **more: Any) -> str:
        """As the parent reads it."""
        seconds, cpu = time.perf_counter() - self._at, _cpu() - self._cpu
        # Not ru_maxrss: it goes on from the parent's.
        status = Path("/proc/self/status").read_text().splitlines()
        peak = next(line.split()[1] for line in status if line.startswith("VmHWM"))
        return json.dumps({"messages": messages, "seconds": seconds, "cpu": cpu, "peak_kb": int(peak), **more})


class Timed(Writer):
    """The writer, timed: from the asking for an outcome to its commit, and the CPU of its thread."""

    waits: ClassVar[list[float]] = []
    cpu = 0.0
    made = 0

    def ask(self, step: Any, one: Any, then: Any) -> None:
        """As it is, timed."""
        if step is not handing.settle:
            super().ask(step, one, then)
            return
        asked = time.perf_counter()

        def told(answer: Any) -> None:
            self.waits.append(time.perf_counter() - asked)
            then(answer)

        super().ask(step, one, told)

    def _run(self) -> None:
        super()._run()
        Timed.cpu, Timed.made = time.thread_time(), self.commits


async def ours(database: str, synchronous: str, port: int, connections: int) -> None:
    """Our whole path: ledger, links of each reader, body."""
    engine = db.open_engine(database, synchronous)
    relay = RelayConfig(name="sink", host="127.0.0.1", port=port, security="none", connections=connections)
    run.Writer = Timed  # type: ignore[misc]
    watch = Watch()
    told = await run.deliver(engine, config(relay), LINKS, issue_id=12)
    waits = sorted(Timed.waits)
    window = [round(waits[int((len(waits) - 1) * part)] * 1000, 2) for part in (0.5, 0.99, 1)]
    print(watch.told(told.counts["sent"], window_ms=window, ledger=Timed.cpu, commits=Timed.made))
    engine.dispose()


async def theirs(messages: int, octets: int, port: int, connections: int) -> None:
    """aiosmtplib's `sendmail` on connections kept open, one constant message: no ledger, no links, no building."""
    import aiosmtplib

    body = "To: reader\r\nSubject: The week\r\n\r\n" + ("x" * 74 + "\r\n") * (octets // 76)
    left = iter(range(messages))

    async def worker() -> None:
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, use_tls=False, start_tls=False)
        await client.connect()
        for number in left:
            await client.sendmail("news@review.example", [f"reader{number}@example.org"], body)
        await client.quit()

    watch = Watch()
    await asyncio.gather(*(worker() for _ in range(connections)))
    print(watch.told(messages))


def main(kind: str, first: str, second: str, port: str, connections: str) -> None:
    """Run one sender."""
    if kind == "ours":
        work = ours(first, second, int(port), int(connections))
    else:
        work = theirs(int(first), int(second), int(port), int(connections))
    try:
        from uvloop import run as start
    except ImportError:
        from asyncio import run as start
    start(work)


if __name__ == "__main__":
    main(*sys.argv[1:])
