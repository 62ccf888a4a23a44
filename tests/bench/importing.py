"""How many rows a second `digest subscribers import` and `export` take, as processes, start and imports included.

python tests/bench/importing.py [--people N] [--databases sqlite,postgresql]

Beside them a bare `executemany` of the driver: the same rows into the same tables of an empty SQLite database, nothing
read, looked at or counted. On a busy machine the CPU says more than the clock: the last column compares that.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from desk import environment, newsroom
from machine import table, versions
from offices import databases

from digest import db

_CHUNK = 10_000
_TABLES = ("subscriber", "subscription", "consent")


class Took(NamedTuple):
    """What one run of a command cost."""

    seconds: float
    cpu: float  # of its own process: a server's is its own
    peak_mb: float


def run(command: list[str], folder: Path) -> Took:
    """Run a command and see what it took."""
    began = time.perf_counter()
    with (folder / "said").open("w") as said:
        child = subprocess.Popen(command, cwd=folder, env=environment(), stdout=said, stderr=said)
        _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, (folder / "said").read_text()
    return Took(time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def measured(kind: str, url: str, people: int, folder: Path) -> list[str]:
    """A first import, the same again, which changes nothing, and an export."""
    digest = newsroom(folder, url, smtp=25)
    file = folder / "people.csv"
    with file.open("w") as out:
        out.write("email,name\n")
        out.writelines(f"reader{n}@example{n % 50}.org,Reader {n}\n" for n in range(people))
    words = ["subscribers", "import", str(file), "--list", "weekly", "--confirmed", "--consent", "Paper form"]
    first, again = (run(digest.command(*words), folder) for _ in range(2))
    out_of_it = run(digest.command("subscribers", "export", "--list", "weekly", "--to", "out.csv"), folder)
    line = [kind, f"{people:,}"]
    for took in (first, again, out_of_it):
        line += [f"{people / took.seconds:,.0f}", f"{took.cpu / people * 1e6:.1f}", f"{took.peak_mb:.0f}"]
    if kind != "sqlite":
        return [*line, "", ""]
    seconds, cpu = bare(Path(url.removeprefix("sqlite:///")), folder / "bare.db", people)
    return [*line, f"{seconds / first.seconds:.2f}", f"{cpu / first.cpu:.2f}"]


def bare(file: Path, copy: Path, people: int) -> tuple[float, float]:
    """Seconds by the clock and of CPU that `executemany` alone takes, in transactions of as many rows."""
    engine = db.open_engine(f"sqlite:///{copy}")
    db.upgrade(engine)
    engine.dispose()
    source, into = sqlite3.connect(file), sqlite3.connect(copy, isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "cache_size = -40000"):
        into.execute(f"PRAGMA {pragma}")
    into.executemany(*_all(source, "mailing_list"))
    spent = cpu = 0.0
    for first in range(0, people, _CHUNK):
        chunk = [(statement, list(rows)) for statement, rows in (_some(source, name, first) for name in _TABLES)]
        began, busy = time.perf_counter(), time.process_time()
        into.execute("BEGIN IMMEDIATE")
        for statement, rows in chunk:
            into.executemany(statement, rows)
        into.execute("COMMIT")
        spent += time.perf_counter() - began
        cpu += time.process_time() - busy
    into.close()
    return spent, cpu


def _all(source: sqlite3.Connection, name: str) -> tuple[str, Iterator[tuple[object, ...]]]:
    rows = source.execute(f"SELECT * FROM {name}")
    marks = ", ".join("?" * len(rows.description))
    return f"INSERT INTO {name} VALUES ({marks})", rows


def _some(source: sqlite3.Connection, name: str, first: int) -> tuple[str, Iterator[tuple[object, ...]]]:
    statement, _ = _all(source, name)
    return statement, source.execute(f"SELECT * FROM {name} ORDER BY rowid LIMIT {_CHUNK} OFFSET {first}")


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--people", type=int, default=200_000)
    options.add_argument("--databases", type=lambda text: text.split(","), default=["sqlite", "postgresql"])
    arguments = options.parse_args()
    rows = []
    with databases(arguments.databases) as urls:
        for kind, url in urls.items():
            with tempfile.TemporaryDirectory() as folder:
                rows.append(measured(kind, url, arguments.people, Path(folder)))
    print(versions("sqlalchemy", "psycopg"), "\n")
    head = ["database", "rows"]
    for what in ("first", "again", "export"):
        head += [f"{what}, rows/s", "CPU us a row", "peak MB"]
    head += ["of bare executemany", "its CPU"]
    print(table(head, rows))


if __name__ == "__main__":
    main()
