"""The peak memory of `digest deliver`, the command itself with all its imports, by the number of recipients.

python tests/bench/memory.py [--people 10000,100000] [--octets 2000]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import ends
from desk import newsroom
from machine import peak_kb, table, versions
from offices import databases, next_issue, opened

LIMIT_MB, GROWTH_MB = 110, 10


@dataclass(frozen=True)
class Weighed:
    """What one `digest deliver` took."""

    people: int
    peak_mb: float
    seconds: float


def weighed(people: int, octets: int) -> Weighed:
    """An issue to so many people, sent by `digest deliver` to our sink over ten connections; SQLite."""
    with databases(["sqlite"]) as urls, ends.sink() as end, tempfile.TemporaryDirectory() as folder:
        engine = opened(urls["sqlite"], people, octets)
        number = next_issue(engine, octets)
        engine.dispose()
        digest = newsroom(Path(folder), urls["sqlite"], end.port)
        settings = digest.folder / "config.toml"
        settings.write_text(settings.read_text().replace("connections = 4", "connections = 10"))
        began, peak = time.perf_counter(), 0
        with digest.start("--json", "deliver", "--issue", str(number)) as process:
            while True:
                # VmHWM only grows, so the last look before the end is the peak but for its last twentieth of a second.
                peak = max(peak, peak_kb(process.pid))
                try:
                    out, err = process.communicate(timeout=0.05)
                    break
                except subprocess.TimeoutExpired:
                    continue
        assert process.returncode == 0 and f'"sent": {people}' in out.decode(), err.decode()
        return Weighed(people, peak / 1024, time.perf_counter() - began)


def shown(found: list[Weighed]) -> str:
    """The table; growth is to its first line."""
    rows = [
        [
            f"{one.people:,}",
            f"{one.peak_mb:.0f}",
            f"{one.peak_mb - found[0].peak_mb:+.1f}",
            f"{one.people / one.seconds:,.0f}",
        ]
        for one in found
    ]
    return table(
        ["recipients", f"peak MB (<= {LIMIT_MB})", f"growth, MB (<= {GROWTH_MB})", "msg/s, start included"], rows
    )


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--people", type=lambda text: [int(one) for one in text.split(",")], default=[10_000, 100_000])
    options.add_argument("--octets", type=int, default=2000)
    arguments = options.parse_args()
    print(versions("sqlalchemy", "uvloop"), "\n")
    print(shown([weighed(people, arguments.octets) for people in arguments.people]))


if __name__ == "__main__":
    main()
