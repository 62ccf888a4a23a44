"""From a frozen issue to its rows in the ledger: seconds, the longest commit, memory.

python tests/bench/freeze.py [--people 1000000] [--databases sqlite,postgresql]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from machine import table, versions
from offices import databases, opened
from post import config
from sqlalchemy import event
from sqlalchemy.orm import Session

from digest import db
from digest.deliver.run import enqueue_issue


def fill(url: str) -> None:
    """Fill, in a process of its own: prints seconds, the longest transaction in ms, CPU and memory before and after."""
    engine = db.open_engine(url)
    spans: list[float] = []
    began = 0.0

    def begin(*_: object) -> None:
        nonlocal began
        began = time.perf_counter()

    def commit(*_: object) -> None:
        spans.append(time.perf_counter() - began)

    event.listen(Session, "after_begin", begin)
    event.listen(Session, "after_commit", commit)
    before, at, cpu = _memory(), time.perf_counter(), time.process_time()
    counts = enqueue_issue(engine, config(), 12, datetime.now(UTC))
    spans.sort()
    print(
        json.dumps(
            {
                "rows": counts["pending"],
                "seconds": time.perf_counter() - at,
                "cpu": time.process_time() - cpu,
                "commits": len(spans),
                "longest_ms": spans[-1] * 1000,
                "p99_ms": spans[int(len(spans) * 0.99)] * 1000,
                "peak_mb": _memory(),
                "before_mb": before,
            }
        )
    )


def _memory() -> float:
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--people", type=int, default=1_000_000)
    options.add_argument("--databases", type=lambda text: text.split(","), default=["sqlite", "postgresql"])
    options.add_argument("--fill", help=argparse.SUPPRESS)
    arguments = options.parse_args()
    if arguments.fill:
        fill(arguments.fill)
        return
    rows = []
    with databases(arguments.databases) as urls:
        for kind, url in urls.items():
            opened(url, arguments.people, 60_000).dispose()
            os.sync()  # the disk is busy with it for minutes otherwise
            said = subprocess.run([sys.executable, __file__, "--fill", url], stdout=subprocess.PIPE, check=True)
            found = json.loads(said.stdout)
            rows.append([kind, *(f"{value:,.0f}" if value > 99 else f"{value:,.1f}" for value in found.values())])
    print(versions("sqlalchemy", "psycopg"), "\n")
    head = ["rows", "seconds", "CPU s", "commits", "longest ms", "p99 ms", "peak MB", "before, MB"]
    print(table(["database", *head], rows))


if __name__ == "__main__":
    main()
