"""A week of articles becomes an issue: CPU seconds of each part, wall, peak memory; by the number of articles.

python tests/bench/compose.py [--articles 1000,10000] [--databases sqlite,postgresql] [--near-equal]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import wraps
from itertools import accumulate
from typing import Any

from machine import peak_kb, table, versions
from offices import databases
from sqlalchemy import insert
from world import CONFIG, LINKS, NOW, World

from digest import db
from digest.compose import laying, rows, run
from digest.config.values import SectionConfig, SectionMatch
from digest.models import Article, Source
from digest.models import table as rows_of

SOURCES = 40
ONE_IN = 4  # articles tells an event that others tell
LIMIT_S, LIMIT_MB = 3, 300
SECTIONS = (
    SectionConfig("europe", "Europe", SectionMatch(section=("Europe",))),
    SectionConfig("economy", "Economy", SectionMatch(category=("Economy", "Markets"))),
    SectionConfig("opinion", "Opinion", SectionMatch(kind=("Opinion",))),
    SectionConfig("rivers", "Rivers", SectionMatch(keyword=("mora*", "lutena"))),
    SectionConfig("culture", "Culture", SectionMatch(path=("/culture/",))),
    SectionConfig("local", "Local", SectionMatch(source=("source-1", "source-2"))),
)
PARTS = ("reading rows", "stories", "ranking", "guessing", "placing", "writing", "building", "the rest")


@dataclass
class Press:
    """Invents articles: words by Zipf's law, names among them."""

    dice: random.Random
    plain: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        made: dict[str, None] = {}
        while len(made) < 24_000:
            made["".join(self.dice.choices(_SYLLABLES, k=self.dice.choice((1, 2, 2, 3, 3, 4))))] = None
        known = list(made)
        self.plain, self.names = known[:20_000], [name.title() for name in known[20_000:]]
        self.often = list(accumulate(1 / (rank + 3) for rank in range(len(self.plain))))

    def words(self, count: int) -> list[str]:
        """Words that stand alone, one in nine of them a name."""
        found = self.dice.choices(self.plain, cum_weights=self.often, k=count)
        return [self.dice.choice(self.names) if self.dice.random() < 0.11 else word for word in found]

    def dek(self, about: list[str]) -> str:
        """100 to 300 characters, half of them `about` something."""
        wanted, said = self.dice.randint(100, 300), ""
        while len(said) < wanted:
            own = self.words(6) + self.dice.sample(about, min(5, len(about)))
            self.dice.shuffle(own)
            said += " ".join(own).capitalize() + ". "
        return said[:wanted].strip()

    def articles(self, count: int) -> Iterator[tuple[str, str]]:
        """Titles and deks; a quarter of them tell events, 2 to 30 articles each."""
        left = count // ONE_IN
        yield from (self._article(self.words(14)) for _ in range(count - left))
        while left:
            many = min(left, max(2, min(30, int(self.dice.paretovariate(1.1)))))
            left, about = left - many, self.words(14)
            yield from (self._article(about) for _ in range(many))

    def _article(self, about: list[str]) -> tuple[str, str]:
        size = self.dice.randint(5, 12)
        own = self.dice.sample(about, size * 2 // 3) + self.words(size - size * 2 // 3)
        return " ".join(own).capitalize(), self.dek(about)


_SYLLABLES = [first + second for first in "bdfgklmnprstvz" for second in ("a", "e", "i", "o", "u", "an", "er", "is")]


def fill(url: str, count: int, near_equal: bool) -> None:
    """A database with an edition of six sections and `count` articles of the last week."""
    engine = db.open_engine(url)
    db.upgrade(engine)
    World(engine).set(sections=SECTIONS)
    dice = random.Random(count)
    press = Press(dice)
    told = (
        ((f"Report {n} of the council on bridges", "") for n in range(count)) if near_equal else press.articles(count)
    )
    written = [_row(dice, press, number, title, dek) for number, (title, dek) in enumerate(told)]
    with db.writing(engine) as session:
        session.add_all(
            Source(id=f"source-{n}", name=f"Source {n}", url=f"https://{n}.example/feed", created_at=NOW)
            for n in range(SOURCES)
        )
        session.flush()
        session.execute(insert(rows_of(Article)), written)
    engine.dispose()


def _row(dice: random.Random, press: Press, number: int, title: str, dek: str) -> dict[str, Any]:
    at = NOW - timedelta(minutes=dice.randrange(7 * 24 * 60))
    source, folder = dice.randrange(SOURCES), dice.choice(("news", "culture", "world", "sport"))
    url = f"https://{source}.example/{folder}/{at:%Y/%m/%d}/{title.lower().replace(' ', '-')}-{number}"
    return {
        "canonical_url": url,
        "url": url,
        "source_id": f"source-{source}",
        "title": title,
        "dek": dek,
        "summary_html": f"<p>{dek}</p>",
        "bylines": [{"name": " ".join(dice.sample(press.names[:300], 2)), "organisation": ""}],
        "kind": dice.choice((None, "Reporting", "Analysis", "Opinion")),
        "section": dice.choice((None, "Europe", "World", "Science")),
        "categories": dice.sample(["Economy", "Markets", "Health", "Law", "Sport", "Space"], 2),
        "image_url": f"{url}.jpg" if dice.random() < 0.5 else None,
        "image_alt": "",
        "image_credit": "",
        "published_at": at,
        "first_seen_at": at,
        "available_at": at,
        "previous_look_at": at,
        "hidden": False,
        "added_by_hand": False,
        "boost": 1.0,
    }


def measure(url: str) -> None:
    """Compose, in a process of its own: prints CPU seconds of the parts, wall and CPU of the whole, peak memory."""
    spent = dict.fromkeys(PARTS, 0.0)

    def timed(name: str, module: Any, function: str) -> None:
        inner: Callable[..., Any] = getattr(module, function)

        @wraps(inner)
        def around(*given: Any, **more: Any) -> Any:
            began = time.process_time()
            try:
                return inner(*given, **more)
            finally:
                spent[name] += time.process_time() - began

        setattr(module, function, around)

    for name, module, function in (
        ("reading rows", laying, "_pool"),
        ("stories", laying, "stories"),
        ("ranking", laying, "rank"),
        ("guessing", laying.learned, "guesses"),
        ("placing", laying, "place"),
        ("writing", laying, "_store"),
        ("building", rows, "material_of"),
        ("building", laying, "build"),
    ):
        timed(name, module, function)
    engine = db.open_engine(url)
    with engine.connect():
        before = peak_kb()
    wall, cpu = time.perf_counter(), time.process_time()
    composed = run.compose(engine, CONFIG, LINKS, "weekly", NOW)
    spent["wall"], spent["cpu"] = time.perf_counter() - wall, time.process_time() - cpu
    spent["the rest"] = spent["cpu"] - sum(spent[name] for name in PARTS)
    alone = sum(row.left_out is None or "same story" not in row.left_out for row in composed.placements)
    print(json.dumps({"stories_": alone, **spent, "peak": peak_kb() / 1024, "before": before / 1024}))


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--articles", type=lambda text: [int(one) for one in text.split(",")], default=[1000, 10_000])
    options.add_argument("--databases", type=lambda text: text.split(","), default=["sqlite", "postgresql"])
    options.add_argument("--near-equal", action="store_true", help="titles that one number tells apart, no deks")
    options.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = options.parse_args()
    if arguments.measure:
        measure(arguments.measure)
        return
    found = []
    for count in arguments.articles:
        with databases(arguments.databases) as urls:
            for kind, url in urls.items():
                fill(url, count, arguments.near_equal)
                os.sync()
                command = [sys.executable, __file__, "--measure", url]
                said = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
                found.append([f"{count:,}", kind, *_shown(said)])
    print(versions("numpy", "scipy", "sqlalchemy"), "\n")
    head = ["stories", *PARTS, "CPU s", f"wall s (<= {LIMIT_S})", f"peak MB (<= {LIMIT_MB})", "before, MB"]
    print(table(["articles", "database", *head], found))


def _shown(said: dict[str, float]) -> list[str]:
    parts = [f"{said[name]:.2f}" for name in (*PARTS, "cpu", "wall")]
    return [f"{said['stories_']:,}", *parts, f"{said['peak']:.0f}", f"{said['before']:.0f}"]


if __name__ == "__main__":
    main()
