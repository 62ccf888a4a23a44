"""The schema and the sessions, on both databases."""

from __future__ import annotations

import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import DatabaseError
from sqlmodel import Session, SQLModel, select

from digest import db
from digest.errors import ConfigError, DatabaseUnavailable
from digest.models import Instance, Source


def test_migrations_lead_to_the_models(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_instants_come_back_aware_and_equal(engine: Engine, now: datetime) -> None:
    with db.writing(engine) as session:
        session.add(Source(id="a", url="https://example.org/feed", created_at=now))
    with db.reading(engine) as session:
        assert session.exec(select(Source)).one().created_at == now


def test_writing_rolls_back_when_the_block_fails(engine: Engine, now: datetime) -> None:
    with pytest.raises(RuntimeError), db.writing(engine) as session:
        session.add(Source(id="a", url="https://example.org/feed", created_at=now))
        session.flush()
        raise RuntimeError
    with db.reading(engine) as session:
        assert session.exec(select(Source)).all() == []


def test_a_writer_asks_for_the_lock_at_once(engine: Engine) -> None:
    if engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL locks rows, not the database")
    said: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *a: said.append(a[2]))
    with db.writing(engine) as session:
        session.exec(select(Source)).all()
    with Session(engine) as session:
        session.exec(select(Source)).all()
    assert [line for line in said if line.startswith("BEGIN")] == ["BEGIN IMMEDIATE", "BEGIN"]


@pytest.mark.parametrize("url", ["sqlite://", "mysql://localhost/x"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        db.open_engine(url)


def test_a_mistake_of_ours_is_not_a_database_out_of_reach(engine: Engine) -> None:
    with pytest.raises(DatabaseError, match="no_such_table"), db.reading(engine) as session:
        session.execute(text("SELECT * FROM no_such_table"))


def test_a_lock_that_is_not_had_is_a_database_out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db, "BUSY_MS", 10)
    engine = db.open_engine(f"sqlite:///{tmp_path}/one.db")
    with db.writing(engine) as session:
        session.connection()
        with pytest.raises(DatabaseUnavailable, match="locked"), db.writing(engine) as late:
            late.connection()
    engine.dispose()


def test_one_thread_at_a_time_looks_for_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = db.open_engine(f"sqlite:///{tmp_path}/one.db")
    eager = engine.execution_options(digest_eager=True)
    looking, most, look = set[int](), 0, db._begun

    def counted(driver: sqlite3.Connection) -> bool:
        nonlocal most
        looking.add(threading.get_ident())
        most = max(most, len(looking))
        try:
            return look(driver)
        finally:
            time.sleep(0.001)  # others have time to come in, if they may
            looking.discard(threading.get_ident())

    monkeypatch.setattr(db, "_begun", counted)

    def write() -> int:
        with db.writing(eager) as session:
            return int(session.execute(text("SELECT 1")).scalar_one())

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(lambda _: write(), range(40))) == 40
    assert most == 1
    engine.dispose()


def test_who_waits_for_an_answer_waits_for_the_lock_no_longer_than_others(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not database_url.startswith("sqlite"):
        pytest.skip("SQLite's lock")
    monkeypatch.setattr(db, "BUSY_MS", 1_000)
    engine = db.open_engine(database_url)
    eager = engine.execution_options(digest_eager=True)

    def waited(_: int) -> float:
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable), db.writing(eager) as session:
            session.connection()
        return time.monotonic() - began

    with db.writing(engine) as holding, ThreadPoolExecutor(3) as threads:
        holding.connection()
        assert max(threads.map(waited, range(3))) < 1.9
    engine.dispose()


def test_a_pen_commits_what_ends_well_and_undoes_the_rest(engine: Engine, now: datetime) -> None:
    pen = db.Pen(engine)
    with pen.writing() as session:
        session.add(Instance(name="kept", message_key=b"m", suppression_key=b"s", created_at=now))
    with pytest.raises(ZeroDivisionError), pen.writing() as session:
        session.get_one(Instance, 1).name = "undone"
        session.flush()
        raise ZeroDivisionError
    with pen.writing() as session:
        assert session.get_one(Instance, 1).name == "kept"
    pen.close()
    with db.writing(engine) as session:
        session.get_one(Instance, 1).name = "free"


def test_a_pen_writes_on_after_the_database_was_away(engine: Engine) -> None:
    if engine.dialect.name != "postgresql":
        pytest.skip("a file does not go away")
    pen, ask = db.Pen(engine), text("SELECT pg_backend_pid()")
    with pen.writing() as session:
        first = session.execute(ask).scalar_one()
    with db.writing(engine) as session:
        session.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": first})
    with pytest.raises(DatabaseUnavailable), pen.writing() as session:
        session.execute(ask)
    with pen.writing() as session:
        assert session.execute(ask).scalar_one() != first
    pen.close()


def test_nobody_waits_for_long_for_a_pen_that_was_stopped(
    engine: Engine, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine.dialect.name != "postgresql":
        pytest.skip("a file is locked by who lives, and freed by who ends")
    monkeypatch.setattr(db, "_STOPPED_S", 1)
    with db.writing(engine) as session:
        session.add(Source(id="a", url="https://example.org/feed", created_at=now))
    change = text("UPDATE source SET url = :url")
    pen = db.Pen(engine)
    with pytest.raises(DatabaseUnavailable, match="idle-in-transaction"), pen.writing() as session:
        session.execute(change, {"url": "https://example.org/never"})
        with db.writing(engine) as other:  # waits until the server has had enough of the pen
            other.execute(change, {"url": "https://example.org/new"})
        session.execute(change, {"url": "https://example.org/late"})
    with pen.writing() as session:
        assert session.exec(select(Source)).one().url == "https://example.org/new"
    pen.close()


def test_the_log_of_a_pen_stays_short(tmp_path: Path) -> None:
    engine = db.open_engine(f"sqlite:///{tmp_path}/one.db")
    pen = db.Pen(engine)
    with pen.writing() as session:
        session.execute(text("CREATE TABLE line (said TEXT)"))
    for _ in range(40):
        with pen.writing() as session:
            session.execute(text("INSERT INTO line VALUES (:said)"), [{"said": "x" * 100}] * 2_000)
    assert (tmp_path / "one.db-wal").stat().st_size < 3_000_000  # of 9,000,000 that were written
    pen.close()
    engine.dispose()
