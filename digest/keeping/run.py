"""The transactions of erasing and tidying up, and the database's file rewritten after it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from datetime import datetime

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from digest import db
from digest.config import RetentionConfig
from digest.deliver.progress import Watcher, unwatched
from digest.keeping import erasing, retention

WAIT_S = 5.0  # for those who read or write, before the rewriting is put off
_OF_PEOPLE = ("subscriber", "subscription", "confirmation", "mailed_link", "consent", "suppression", "delivery")

_STEPS: Mapping[str, Callable[[Session, RetentionConfig, datetime], int]] = {
    "people": retention.people_never_joined,
    "subscriptions": retention.lists_never_joined,
    "requests": retention.requests,
    "deliveries": retention.deliveries,
    "letters": retention.letters,
}


KINDS = tuple(_STEPS)  # what `tidy` counts


def erase(engine: Engine, normalised: str, *, key: bytes, now: datetime) -> int:
    """Erase the person with this address in one transaction, also while a send is running; the number of ledger rows
    that stay without them. UnknownPerson. The file may remember them until it is `rewritten`."""
    with db.writing(engine) as session:
        return erasing.erase(session, normalised, key=key, now=now)


def tidy(engine: Engine, keep: RetentionConfig, now: datetime, progress: Watcher = unwatched) -> dict[str, int]:
    """Let go what is past its time, in chunks; how many of each kind. May be interrupted and repeated at will."""
    gone = {}
    for name, step in _STEPS.items():
        gone[name] = 0
        while count := _chunk(engine, step, keep, now):
            gone[name] += count
            progress(name.capitalize(), gone[name], None)
    return gone


def tidy_daily(engine: Engine, keep: RetentionConfig, now: datetime) -> dict[str, int] | None:
    """`tidy` if the last time was a day ago, whoever did it, else None; then the file is rewritten if somebody was
    erased meanwhile and nobody is in the way."""
    with db.writing(engine) as session:
        if not retention.due(session, now):
            return None
    gone = tidy(engine, keep, now)
    with db.reading(engine) as session:
        wanted = retention.erased_since(session, now - 2 * retention.EVERY) or gone["people"] > 0
    if wanted and engine.dialect.name == "sqlite":
        rewritten(engine)
    return gone


def rewritten(engine: Engine) -> bool:
    """Rewrite the database's file so that nothing deleted is left in its free pages, nor in SQLite's log; False, for
    another time, when others are in the way for more than five seconds.

    On PostgreSQL this is VACUUM FULL of all tables that hold people, which locks each of them meanwhile, and of the
    planner's statistics, which hold samples; PostgreSQL's own log (WAL) and backups are not touched.
    """
    try:
        if engine.dialect.name == "sqlite":
            return _rewritten_sqlite(engine)
        _rewritten_postgresql(engine)
    except (DBAPIError, sqlite3.OperationalError):
        return False
    return True


def _chunk(
    engine: Engine, step: Callable[[Session, RetentionConfig, datetime], int], keep: RetentionConfig, now: datetime
) -> int:
    with db.writing(engine) as session:
        return step(session, keep, now)


def _rewritten_sqlite(engine: Engine) -> bool:
    pooled = engine.raw_connection()
    try:
        file = pooled.driver_connection
        assert isinstance(file, sqlite3.Connection)
        file.execute(f"PRAGMA busy_timeout = {round(WAIT_S * 1000)}")
        try:
            file.execute("VACUUM")
            busy, _, _ = file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            file.execute(f"PRAGMA busy_timeout = {db.BUSY_MS}")
    finally:
        pooled.close()
    return not busy


def _rewritten_postgresql(engine: Engine) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"SET lock_timeout = '{round(WAIT_S * 1000)}ms'"))
        for name in _OF_PEOPLE:
            connection.execute(text(f"VACUUM (FULL, ANALYZE) {name}"))
        connection.execute(text("VACUUM FULL pg_statistic"))
        connection.execute(text("RESET lock_timeout"))
