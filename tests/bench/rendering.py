"""What rendering costs: an issue beside official MJML, fifty variants, and very many readers in many variants.

python tests/bench/rendering.py [--people 100000] [--databases sqlite,postgresql] [--variants 1,50,2000]
                                [--runs 200] [--offline]

The figures to show are those of `--people 1000000`.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mjml
from machine import HERE, fetched, peak_kb, table, tool, versions
from offices import databases
from post import config
from samples import ISSUE
from sqlalchemy import func, select
from variety import Wisher, open_variety

from digest import db
from digest.compose.content import IssueContent, articles
from digest.compose.printing import Press, Printer
from digest.compose.rendering import render
from digest.compose.selecting import chosen_by, offered
from digest.deliver.run import enqueue_issue
from digest.models import Variant
from digest.models import table as rows_of
from digest.templating import Templates, template_root
from subscribers.choices import chosen

MJML = "5.4.1"
ARTICLES = 30
TEMPLATES = Templates(template_root())
LANGUAGES = [None, "ar", "de", "fr", "ja"]


def issue() -> IssueContent:
    """Thirty articles by thirty authors, in the sections of the sample issue."""
    plain, found = articles(ISSUE), []
    for number in range(ARTICLES):
        one = plain[number % len(plain)]
        by = (replace(one.bylines[0], name=f"Author {number}"),) if one.bylines else one.bylines
        url, title = f"{one.url}-{number}", f"{one.title} ({number})"
        found.append(replace(one, id=number + 1, url=url, title=title, bylines=by, rank=number))
    shares = [found[1 + part :: len(ISSUE.sections)] for part in range(len(ISSUE.sections))]
    sections = (replace(one, articles=tuple(some)) for one, some in zip(ISSUE.sections, shares, strict=True))
    return replace(
        ISSUE,
        lead=found[0],
        sections=tuple(sections),
        latest=tuple(found[1:6]),
        lead_section="crises",
        choosable=tuple(one.id for one in ISSUE.sections),
        subject_template="{{ lead.title }}",
    )


def timed(work: Callable[[], object], runs: int) -> list[float]:
    """CPU milliseconds of each run."""
    took = []
    for _ in range(runs):
        at = time.process_time()
        work()
        took.append((time.process_time() - at) * 1000)
    return took


def line(name: str, took: Sequence[float]) -> list[str]:
    """A row: the median, the least, the most."""
    return [name, f"{statistics.median(took):.2f}", f"{min(took):.2f}", f"{max(took):.2f}"]


def one_issue(runs: int, offline: bool) -> str:
    """The table of one issue."""
    content, sources = issue(), []
    plain = mjml.mjml2html

    def kept(source: str, **options: Any) -> str:
        sources.append(source)
        return str(plain(source, **options))

    mjml.mjml2html = kept
    rendered = render(content, TEMPLATES, "roundup", "k3v9")
    mjml.mjml2html = plain
    assert not rendered.problems, rendered.problems
    whole = timed(lambda: render(content, TEMPLATES, "roundup", "k3v9"), runs)
    alone = timed(lambda: plain(sources[-1], fonts={}), runs)
    rows = [line("the whole issue: HTML, text part, checks", whole), line("of it mrml: MJML to HTML", alone)]
    module, node = fetched("mjml", MJML, fetch=not offline), tool("node")
    if module and node:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "issue.mjml"
            file.write_text(sources[-1], encoding="utf-8")
            command = [node, str(HERE / "mjml.cjs"), str(module), str(file), str(runs)]
            told = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
        rows.append(line(f"official MJML {MJML}, the same MJML to HTML", told["took"]))
    else:
        rows.append([f"official MJML {MJML}", "not installed", "", ""])
    rows.append(line("50 variants, printed and packed", timed(lambda: fifty(content), 7)))
    size = f"{ARTICLES} articles, {len(rendered.html.encode()):,} bytes of HTML\n\n"
    return size + table(["CPU ms", "median", "least", "most"], rows)


def fifty(content: IssueContent) -> None:
    """Fifty variants, as freezing prints them."""
    offer = offered(content, TEMPLATES.languages())
    press = Press(lambda said: render(said, TEMPLATES, "roundup", "k3v9"), "k3v9", {})
    printer = Printer(12, content, offer, press, datetime.now(UTC))
    for wisher in wishers(50, 50):
        pick = chosen_by(offer, chosen(**wisher.choices), wisher.language)
        assert pick
        printer.variant(pick)


def wishers(people: int, outcomes: int) -> list[Wisher]:
    """So many readers with so many outcomes, in no order."""
    dice, kinds = random.Random(5), []
    for number in range(outcomes):
        muted = [f"Author {place + 1}" for place in range(9) if (number // len(LANGUAGES)) >> place & 1]
        kinds.append(Wisher({"muted_authors": muted} if muted else {}, LANGUAGES[number % len(LANGUAGES)]))
    found = [kinds[number % outcomes] for number in range(people)]
    dice.shuffle(found)
    return found


def fill(url: str) -> None:
    """Write the rows of an issue, in a process of its own; prints what it took."""
    engine, compiled, printing = db.open_engine(url), 0, 0.0
    plain = Templates.mjml

    def counted(self: Templates, name: str, context: Any) -> str:
        nonlocal compiled, printing
        compiled, at = compiled + 1, time.process_time()
        try:
            return plain(self, name, context)
        finally:
            printing += time.process_time() - at

    Templates.mjml = counted  # type: ignore[method-assign]
    before, at, cpu = peak_kb(), time.perf_counter(), time.process_time()
    counts = enqueue_issue(engine, config(), 12, datetime.now(UTC))
    used = time.process_time() - cpu
    row = rows_of(Variant)
    with db.reading(engine) as session:
        octets = session.execute(select(func.sum(func.length(row.c.html) + func.length(row.c.text)))).scalar_one()
    told = {
        "rows": counts["pending"],
        "compiles": compiled + 1,  # everybody's was one, when the issue was frozen
        "seconds": time.perf_counter() - at,
        "cpu": used,
        "kept_mb": int(octets) / 1e6,
        "peak_mb": peak_kb() / 1024,
        "before_mb": before / 1024,
    }
    print(json.dumps(told))


def many(kinds: list[str], people: int, variants: list[int]) -> str:
    """The table of readers in variants."""
    rows = []
    for outcomes in variants:
        with databases(kinds) as urls:
            for kind, url in urls.items():
                engine = db.open_engine(url)
                db.upgrade(engine)
                open_variety(engine, wishers(people, outcomes), issue())
                engine.dispose()
                gc.collect()
                os.sync()
                said = subprocess.run([sys.executable, __file__, "--fill", url], stdout=subprocess.PIPE, check=True)
                told = json.loads(said.stdout)
                figures = (f"{value:,.0f}" if value > 99 else f"{value:,.1f}" for value in list(told.values())[2:])
                rows.append([kind, f"{told['rows']:,}", f"{outcomes:,}", f"{told['compiles']:,}", *figures])
    head = ["database", "readers", "variants", "compiles", "seconds", "CPU s", "kept MB", "peak MB", "before, MB"]
    return table(head, rows)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--people", type=int, default=100_000)
    options.add_argument("--databases", type=lambda text: text.split(","), default=["sqlite", "postgresql"])
    options.add_argument("--variants", type=lambda text: [*map(int, text.split(","))], default=[1, 50, 2_000])
    options.add_argument("--runs", type=int, default=200, help="renderings of one issue")
    options.add_argument("--offline", action="store_true", help="don't fetch mjml")
    options.add_argument("--fill", help=argparse.SUPPRESS)
    arguments = options.parse_args()
    if arguments.fill:
        fill(arguments.fill)
        return
    print(versions("mjml-python", "sqlalchemy", "psycopg"), "\n")
    print(one_issue(arguments.runs, arguments.offline), "\n")
    if arguments.people:
        print(many(arguments.databases, arguments.people, arguments.variants))


if __name__ == "__main__":
    main()
