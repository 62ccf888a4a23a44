"""The rows of the fault tests: seeds, sizes, and one table. `python tests/faultrows.py` runs all at full size.

DIGEST_FAULTS=full takes the full sizes, DIGEST_SEED replays a run, DIGEST_FAULTS_DIR keeps raw logs and the rows.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

FULL = os.environ.get("DIGEST_FAULTS") == "full"
_KEPT = os.environ.get("DIGEST_FAULTS_DIR")


@dataclass
class Row:
    """One run of one row of the plan."""

    row: str
    seed: int
    size: int
    C: int
    W: int
    policy: str
    db: str
    L: int = 0
    D: int = 0
    U: int = 0
    bound: str = "0"
    seconds: float = 0.0


def seeded() -> tuple[int, random.Random]:
    """A seed and its dice."""
    seed = int(os.environ.get("DIGEST_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    return seed, random.Random(seed)


@contextmanager
def recorded(row: Row, log: Path | None = None) -> Iterator[Row]:
    """Fill the row in within the block; it is printed, and kept with the raw log, even if the block fails."""
    began = time.monotonic()
    try:
        yield row
    finally:
        row.seconds = round(time.monotonic() - began, 1)
        print(" ".join(f"{name}={value}" for name, value in asdict(row).items()))
        if _KEPT:
            folder = Path(_KEPT)
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / "rows.jsonl").open("a") as file:
                file.write(json.dumps(asdict(row)) + "\n")
            if log and log.exists():
                name = f"{row.row}-{row.db}-{row.policy}-{row.seed}-{os.getpid()}-{time.monotonic_ns()}.log"
                shutil.copyfile(log, folder / name.replace("/", "_").replace(" ", "_"))


def main() -> int:
    """Run every fault test at full size, then print the table."""
    folder = Path(_KEPT or f"build/faults-{datetime.now(UTC):%Y%m%dT%H%M%S}")
    env = {"DIGEST_FAULTS": "full", **os.environ, "DIGEST_FAULTS_DIR": str(folder.resolve())}
    tests = ["tests/faults", "tests/deliver/test_kill.py", "tests/journeys/test_kill_publish.py"]
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "worksteal", *tests, *sys.argv[1:]]
    code = subprocess.run(command, env=env, check=False).returncode
    names = [field.name for field in fields(Row)]
    kept = folder / "rows.jsonl"
    lines = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    table = [names, *([str(line[name]) for name in names] for line in sorted(lines, key=lambda line: line["row"]))]
    widths = [max(len(line[place]) for line in table) for place in range(len(names))]
    for line in table:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
    print(f"raw logs: {folder}")
    return code


if __name__ == "__main__":
    sys.exit(main())
