"""How many rows a second `digest subscribers import` takes, as a process, start and imports included.

python tests/bench/importing.py [--people N] [--databases sqlite,postgresql]

Beside it a bare `executemany` of the driver: the same rows into the same tables of an empty SQLite database, nothing
read, looked at or counted.
"""

from __future__ import annotations

import argparse
import os
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from desk import newsroom
from machine import table, versions
from offices import databases

from digest import db

_CHUNK = 10_000
_TABLES = ("subscriber", "subscription", "consent")


def measured(kind: str, url: str, people: int, folder: Path) -> list[str]:
    """A first import, and the same again, which changes nothing."""
    digest = newsroom(folder, url, smtp=25)
    file = folder / "people.csv"
    with file.open("w") as out:
        out.write("email,name\n")
        out.writelines(f"reader{n}@example{n % 50}.org,Reader {n}\n" for n in range(people))
    words = ["subscribers", "import", str(file), "--list", "weekly", "--confirmed", "--consent", "Paper form"]
    rates, cpu = [], os.times().children_user + os.times().children_system
    for new in (people, 0):
        began = time.perf_counter()
        assert digest.json(*words)["new"] == new
        rates.append(people / (time.perf_counter() - began))
    cpu = os.times().children_user + os.times().children_system - cpu
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    line = [kind, f"{people:,}", *(f"{rate:,.0f}" for rate in rates), f"{cpu / 2 / people * 1e6:.0f}", f"{peak:.0f}"]
    if kind != "sqlite":
        return [*line, ""]
    return [*line, f"{rates[0] / bare(Path(url.removeprefix('sqlite:///')), folder / 'bare.db', people):.2f}"]


def bare(file: Path, copy: Path, people: int) -> float:
    """Rows a second of `executemany` alone, in transactions of as many rows."""
    engine = db.open_engine(f"sqlite:///{copy}")
    db.upgrade(engine)
    engine.dispose()
    source, into = sqlite3.connect(file), sqlite3.connect(copy, isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "cache_size = -40000"):
        into.execute(f"PRAGMA {pragma}")
    into.executemany(*_all(source, "mailing_list"))
    spent = 0.0
    for first in range(0, people, _CHUNK):
        chunk = [(statement, list(rows)) for statement, rows in (_some(source, name, first) for name in _TABLES)]
        began = time.perf_counter()
        into.execute("BEGIN IMMEDIATE")
        for statement, rows in chunk:
            into.executemany(statement, rows)
        into.execute("COMMIT")
        spent += time.perf_counter() - began
    into.close()
    return people / spent


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
    head = ["database", "rows", "first, rows/s", "again, rows/s", "CPU us a row", "peak MB", "of bare executemany"]
    print(table(head, rows))


if __name__ == "__main__":
    main()
