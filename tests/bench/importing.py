"""How many rows a second `digest subscribers import` takes, as a process, start and imports included.

python tests/bench/importing.py [--people N] [--databases sqlite,postgresql]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from desk import newsroom
from machine import table, versions
from offices import databases


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
    return [kind, f"{people:,}", *(f"{rate:,.0f}" for rate in rates), f"{cpu / 2 / people * 1e6:.0f}"]


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--people", type=int, default=20_000)
    options.add_argument("--databases", type=lambda text: text.split(","), default=["sqlite", "postgresql"])
    arguments = options.parse_args()
    rows = []
    with databases(arguments.databases) as urls:
        for kind, url in urls.items():
            with tempfile.TemporaryDirectory() as folder:
                rows.append(measured(kind, url, arguments.people, Path(folder)))
    print(versions("sqlalchemy", "psycopg"), "\n")
    print(table(["database", "rows", "first, rows/s", "again, rows/s", "CPU us a row"], rows))


if __name__ == "__main__":
    main()
