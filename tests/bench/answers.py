"""Whether the time of an answer tells who is known: known, unknown, pending and suppressed addresses (S-B5).

python tests/bench/answers.py [--rounds 500] [--at-once 4] [--database postgresql]

They take turns in a random order; the difference of medians to unknown addresses is to stay below two milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from leaving import database
from machine import versions
from posting import Poster
from sqlalchemy import Engine
from webhost import SUPPRESSION_KEY, add_list, add_reader, configured, serving

from digest import db
from digest.web.stamp import stamp
from subscribers.leaving import suppress

KINDS = ("unknown", "known", "pending", "suppressed")


def peopled(engine: Engine, rounds: int, now: datetime) -> None:
    """A list, and somebody of each kind for each round; the unknown ones are not there."""
    with db.writing(engine) as session:
        add_list(session, now)
        for number in range(rounds):
            add_reader(session, now, f"known{number}@d{number}.example")
            add_reader(session, now, f"pending{number}@d{number}.example", status="pending")
            suppressed = f"suppressed{number}@d{number}.example"
            suppress(session, suppressed, key=SUPPRESSION_KEY, reason="", now=now)


async def asked(port: int, stamped: str, rounds: int, at_once: int) -> dict[str, list[float]]:
    """Seconds of each answer, by the kind of address."""
    took: dict[str, list[float]] = {kind: [] for kind in KINDS}
    waiting = [(kind, number) for number in range(rounds) for kind in KINDS]
    random.Random(7).shuffle(waiting)

    async def one_connection() -> None:
        async with Poster(port) as poster:
            while waiting:
                kind, number = waiting.pop()
                email = f"{kind}{number}@d{number}.example"
                body = urlencode({"email": email, "list": "weekly", "shown": stamped}).encode()
                began = time.perf_counter()
                status, _ = await poster.post("/subscribe", body)
                took[kind].append(time.perf_counter() - began)
                assert status == 200

    await asyncio.gather(*(one_connection() for _ in range(at_once)))
    return took


def main() -> None:
    """Measure once, and print a line of the table."""
    words = argparse.ArgumentParser()
    words.add_argument("--rounds", type=int, default=500)
    words.add_argument("--at-once", type=int, default=4)
    words.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    given = words.parse_args()
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as folder, database(given.database, Path(folder)) as url:
        engine = db.open_engine(url)
        db.upgrade(engine)
        peopled(engine, given.rounds, now)
        with serving(engine, now, configured()) as host:
            stamped = stamp(host.links.keys, now - timedelta(minutes=1))
            took = asyncio.run(asked(host.port, stamped, given.rounds, given.at_once))
        engine.dispose()
    medians = {kind: statistics.median(times) * 1000 for kind, times in took.items()}
    apart = max(abs(median - medians["unknown"]) for median in medians.values())
    print(versions("uvicorn", "sqlalchemy"), end="\n\n")
    print(f"| database | {' | '.join(f'{kind}, ms' for kind in KINDS)} | apart, ms |\n|{'---|' * 6}")
    print(f"| {given.database} | {' | '.join(f'{medians[kind]:.2f}' for kind in KINDS)} | {apart:.2f} |")
    sys.exit(apart >= 2)


if __name__ == "__main__":
    main()
