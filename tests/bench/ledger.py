"""What the ledger costs a message: leave, outcome and the slices, in microseconds of CPU and of wall.

python tests/bench/ledger.py [--people 60000] [--group 40] [--databases sqlite-full,sqlite-normal,postgresql]

Each commit holds the outcomes of one group and the leave of the next, as the writer gathers them. CPU is that of the
thread that commits; of PostgreSQL, the server's process for it is told beside. Slices: claimed, and given back.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from machine import table, versions
from offices import databases, opened
from post import config
from sqlalchemy import Engine, text

from digest import db
from digest.deliver import handing, ledger
from digest.deliver.handing import Ending, Leave, Settled
from digest.deliver.ledger import S
from digest.deliver.run import enqueue_issue

SAID = "2.0.0 Ok: queued as 4XyZab3kQlz1F2"


class Watch:
    """CPU of this thread, CPU of the database's process for it, and wall, added up by name."""

    def __init__(self, server: int | None) -> None:
        self._server = server
        self.spent: dict[str, list[float]] = {}

    @contextmanager
    def over(self, name: str) -> Iterator[None]:
        """Add what the block takes."""
        before = self._now()
        yield
        spans = [after - at for at, after in zip(before, self._now(), strict=True)]
        self.spent[name] = [one + more for one, more in zip(self.spent.get(name, [0.0] * 3), spans, strict=True)]

    def _now(self) -> list[float]:
        return [time.thread_time(), self._served(), time.perf_counter()]

    def _served(self) -> float:
        if self._server is None:
            return 0.0
        said = Path(f"/proc/{self._server}/schedstat").read_text()
        return int(said.split()[0]) / 1e9


def measure(engine: Engine, group: int) -> dict[str, list[float]]:
    """Work off the whole issue."""
    pen = db.Pen(engine)
    watch = Watch(_server(pen) if engine.dialect.name == "postgresql" else None)
    now = datetime.now(UTC)
    while True:
        with watch.over("claim"), pen.writing() as session:
            taken = ledger.next_slice(session, "bench", now, "resend")
        if taken is None:
            pen.close()
            return watch.spent
        hold, works = taken
        before: list[Ending] = []
        for first in range(0, len(works) + group, group):
            some = works[first : first + group]
            now = datetime.now(UTC)
            leaves = [Leave(work, "relay-1", now) for work in some]
            with watch.over("hand + settle"), pen.writing() as session:
                assert all(handing.settle(session, before))
                assert all(verdict.handed for verdict in handing.hand(session, leaves))
            before = [Ending(work, Settled(S.SENT, "relay-1", 250, "2.0.0", SAID), now) for work in some]
        with watch.over("release"), pen.writing() as session:
            ledger.release(session, hold, now)


def _server(pen: db.Pen) -> int:
    with pen.writing() as session:
        return int(session.execute(text("SELECT pg_backend_pid()")).scalar_one())


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--people", type=int, default=60_000)
    options.add_argument("--group", type=int, default=40, help="messages in one commit")
    options.add_argument(
        "--databases", type=lambda text: text.split(","), default=["sqlite-full", "sqlite-normal", "postgresql"]
    )
    arguments = options.parse_args()
    rows = []
    for kind in arguments.databases:
        backend, _, synchronous = kind.partition("-")
        with databases([backend]) as urls:
            opened(urls[backend], arguments.people, 60_000).dispose()
            engine = db.open_engine(urls[backend], synchronous or "full")
            enqueue_issue(engine, config(), 12, datetime.now(UTC) - timedelta(seconds=1))
            for name, spans in measure(engine, arguments.group).items():
                rows.append([kind, name, *(f"{span * 1e6 / arguments.people:,.1f}" for span in spans)])
            engine.dispose()
    print(versions("sqlalchemy", "psycopg"), "\n", f"load {os.getloadavg()[0]:.1f}\n")
    print(table(["database", "what", "CPU us/msg", "server's CPU us/msg", "wall us/msg"], rows))


if __name__ == "__main__":
    main()
