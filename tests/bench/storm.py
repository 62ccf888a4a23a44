"""A storm of sign-ups from a botnet at a few victims, and people who sign up meanwhile (S-B15).

python tests/bench/storm.py [--posts 100000] [--networks 5000] [--victims 50] [--people 200] [--database postgresql]

The storm takes an hour by the clock of the pages, every post is one that a browser could have sent, and the pages see
each network by X-Forwarded-For. A person's sign-up succeeds when its confirm mail may leave within the hour.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from leaving import database
from machine import versions
from posting import Poster
from sqlalchemy import Engine, select
from webhost import Host, add_list, configured, serving

from digest import db
from digest.models import Delivery, Slice, people, table
from digest.web.stamp import stamp

_SPAN = timedelta(hours=1)


@dataclass
class Storm:
    """What is posted: (address, IP address), people among the robots; and how each was answered."""

    posts: list[tuple[str, str]]
    victims: set[str]
    people: set[str]
    answers: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0


def gathered(posts: int, networks: int, victims: int, persons: int) -> Storm:
    """A storm whose robots come from so many networks, each person from a network of their own."""
    dice = random.Random(7)
    attacked = [f"victim{number}@{'big' if number % 2 else 'town'}.example" for number in range(victims)]
    robots = [
        (dice.choice(attacked), f"{20 + number // 65536}.{number // 256 % 256}.{number % 256}.{dice.randrange(1, 255)}")
        for number in (dice.randrange(networks) for _ in range(posts))
    ]
    domains = itertools.cycle(["big.example", *(f"small{number}.example" for number in range(9))])
    legitimate = [(f"person{n}@{next(domains)}", f"2001:db8:{n:x}::1") for n in range(persons)]
    mixed = robots + legitimate
    dice.shuffle(mixed)
    return Storm(mixed, set(attacked), {email for email, _ in legitimate})


async def blow(storm: Storm, host: Host, connections: int) -> None:
    """Post all of it."""
    waiting, step = iter(storm.posts), _SPAN / len(storm.posts)
    began, stamped = time.perf_counter(), stamp(host.links.keys, host.clock.now - timedelta(minutes=1))

    async def one_connection() -> None:
        async with Poster(host.port) as poster:
            for email, ip in waiting:
                host.clock.now += step
                body = urlencode({"email": email, "list": "weekly", "shown": stamped}).encode()
                status, _ = await poster.post("/subscribe", body, f"X-Forwarded-For: {ip}")
                storm.answers[status] += 1

    await asyncio.gather(*(one_connection() for _ in range(connections)))
    storm.seconds = time.perf_counter() - began


def mailed(engine: Engine) -> dict[str, datetime]:
    """When the confirm mail to each address may leave; an address with two of them is an error."""
    person, piece, mail = table(people.Subscriber).c, table(Slice).c, table(Delivery).c
    rows = (
        select(person.email, piece.due_at)
        .join_from(table(Delivery), table(Slice), piece.id == mail.slice_id)
        .join(table(people.Subscriber), person.id == mail.subscriber_id)
    )
    with db.reading(engine) as session:
        found = session.execute(rows).all()
    assert len({row.email for row in found}) == len(found), "somebody was mailed twice"
    return {row.email: row.due_at for row in found}


def measured(storm: Storm, kind: str, connections: int) -> tuple[int, int]:
    """How many mails victims get in a day, and how many people get theirs within the hour."""
    start = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as folder, database(kind, Path(folder)) as url:
        engine = db.open_engine(url)
        db.upgrade(engine)
        with db.writing(engine) as session:
            add_list(session, start)
        with serving(engine, start, configured(trusted_proxies=("127.0.0.1",))) as host:
            asyncio.run(blow(storm, host, connections))
        due = mailed(engine)
        engine.dispose()
    reached = [email for email in storm.people & due.keys() if due[email] <= host.clock.now]
    return len(storm.victims & due.keys()), len(reached)


def main() -> None:
    """Blow once, and print a line of the table."""
    words = argparse.ArgumentParser()
    words.add_argument("--posts", type=int, default=100_000)
    words.add_argument("--networks", type=int, default=5_000)
    words.add_argument("--victims", type=int, default=50)
    words.add_argument("--people", type=int, default=200)
    words.add_argument("--connections", type=int, default=64)
    words.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    asked = words.parse_args()
    storm = gathered(asked.posts, asked.networks, asked.victims, asked.people)
    to_victims, reached = measured(storm, asked.database, asked.connections)
    print(versions("uvicorn", "sqlalchemy"), end="\n\n")
    print("| database | posts | a second | answers | mails to victims | people's mails within the hour |")
    print("|---|---|---|---|---|---|")
    told = ", ".join(f"{many:,} x {status}" for status, many in sorted(storm.answers.items()))
    print(
        f"| {asked.database} | {len(storm.posts):,} | {len(storm.posts) / storm.seconds:.0f} | {told} "
        f"| {to_victims} | {reached} of {len(storm.people)} |"
    )
    sys.exit(to_victims > asked.victims or reached < 0.99 * len(storm.people))


if __name__ == "__main__":
    main()
