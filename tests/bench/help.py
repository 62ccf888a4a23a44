"""How long `digest --help` takes: the median of ten warm runs.

python tests/bench/help.py [--runs N]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

from machine import table, versions

ROOT = Path(__file__).parents[2]


def seconds(*command: str) -> float:
    """One run."""
    began = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, default=10)
    arguments = options.parse_args()
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "digest --help": [sys.executable, "-m", "digest", "--help"],
        "digest issues --help": [sys.executable, "-m", "digest", "issues", "--help"],
    }
    rows = []
    for name, command in commands.items():
        seconds(*command)
        spans = sorted(seconds(*command) for _ in range(arguments.runs))
        rows.append([name, f"{statistics.median(spans) * 1000:.0f}", f"{spans[0] * 1000:.0f}"])
    print(versions("typer", "rich"), "\n")
    print(table(["command", f"median of {arguments.runs}, ms", "shortest, ms"], rows))


if __name__ == "__main__":
    main()
