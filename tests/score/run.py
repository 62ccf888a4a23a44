"""make score: every figure that the corpus can give, in one table beside baselines and targets.

    DIGEST_CORPUS=... python tests/score/run.py [--only stories] [--json]

Each module of this folder that is named in TOPICS has `figures(corpus: Path) -> Iterable[Figure]`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rich.console import Console
from rich.table import Table
from score.table import HEAD, Figure, rows

TOPICS = ("feeds", "links", "pages", "stories", "sections", "ranking", "mails", "people")


def figures(corpus: Path, topics: tuple[str, ...]) -> Iterator[Figure]:
    """Every figure of the topics, as each is measured."""
    for topic in topics:
        yield from importlib.import_module(f"score.{topic}").figures(corpus)


def main() -> int:
    """Prints the table; 1 if a target is missed, 3 without a corpus."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", choices=TOPICS, action="append", help="may be given several times")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of the table")
    given = parser.parse_args()
    if not os.environ.get("DIGEST_CORPUS"):
        print("DIGEST_CORPUS is not set: the corpora of real data are not here, nothing is scored", file=sys.stderr)
        return 3
    corpus = Path(os.environ["DIGEST_CORPUS"]).resolve()
    found = []
    for figure in figures(corpus, tuple(given.only or TOPICS)):
        found.append(figure)
        print(f"\r{figure.metric[:70]:70}", end="", file=sys.stderr, flush=True)
    print("\r" + " " * 70 + "\r", end="", file=sys.stderr)
    if given.json:
        print(json.dumps([asdict(figure) | {"reached": figure.reached} for figure in found], indent=1))
    else:
        table = Table(*HEAD)
        for row in rows(found):
            table.add_row(*row)
        Console(width=None if sys.stdout.isatty() else 140).print(table)
    return 0 if all(figure.reached for figure in found) else 1


if __name__ == "__main__":
    sys.exit(main())
