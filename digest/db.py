"""The database: engines, sessions, schema. SQLite by default, PostgreSQL the same.

The database is spoken to synchronously. Transactions are opened by `reading`, `writing` and a `Pen` only, in few,
named places (`pipeline`, each `run.py`, a web request, a command).
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlmodel import Session

from digest.errors import ConfigError, DatabaseUnavailable

BUSY_MS = 10_000
_PEN_BUSY_MS = 1_000  # who holds a pen waits in a loop of their own, which can be told to stop
_LOOK_S = 0.0005
_LIMITED = "digest_limited"
_STOPPED_S = (
    60  # a server lets go of what a program holds that has stopped within a transaction, as a paused machine does
)
_LOG_PAGES = 1_000  # SQLite's own measure of when its log is brought into the file
_LOG_CHANGES = 5_000  # rows changed by a pen, about as many pages


def open_engine(url: str, synchronous: str = "full") -> Engine:
    """An engine on `url` (sqlite:///FILE or postgresql://...); the caller disposes of it.

    SQLite gets WAL, foreign keys, a busy timeout and `synchronous` ("full" or "normal"). ConfigError if
    the URL can't be used.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise ConfigError(["[database] url: expected a file (sqlite:///digest.db), got a database in memory"])
        engine = create_engine(parsed)
        event.listen(engine, "connect", _sqlite_connect(synchronous))
        event.listen(engine, "begin", _sqlite_begin())
        return engine
    if parsed.get_backend_name() == "postgresql":
        return create_engine(parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True)
    raise ConfigError([f"[database] url: expected sqlite:/// or postgresql://, got {parsed.get_backend_name()}://"])


def _sqlite_connect(synchronous: str) -> Any:
    def connect(connection: sqlite3.Connection, record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, below
        for pragma in (
            f"busy_timeout = {BUSY_MS}",
            "journal_mode = WAL",
            f"synchronous = {'NORMAL' if synchronous == 'normal' else 'FULL'}",
            "foreign_keys = ON",
            "secure_delete = ON",  # what is erased is overwritten, not only forgotten
        ):
            connection.execute(f"PRAGMA {pragma}")

    return connect


def _sqlite_begin() -> Callable[[Connection], None]:
    looking = threading.Lock()

    def begin(connection: Connection) -> None:
        # A deferred transaction that turns into a writer fails at once when another one wrote meanwhile,
        # whatever the busy timeout: writers say so at the start.
        options = connection.get_execution_options()
        if not options.get("digest_writing", False):
            connection.exec_driver_sql("BEGIN")
        elif options.get("digest_eager", False):
            _begin_eagerly(connection, looking)
        else:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return begin


def _begin_eagerly(connection: Connection, looking: threading.Lock) -> None:
    """BEGIN IMMEDIATE as somebody waits for an answer: the lock is looked for every half millisecond, by one thread of
    the process at a time. sqlite3.OperationalError if it could not be had within the busy timeout.

    SQLite itself sleeps up to a tenth of a second between its looks, and a sender leaves the lock for a millisecond;
    but forty threads that look do little else.
    """
    driver = connection.connection.dbapi_connection
    assert isinstance(driver, sqlite3.Connection)
    patience = driver.execute("PRAGMA busy_timeout").fetchone()[0]
    ends = time.monotonic() + patience / 1000
    mine = looking.acquire(timeout=patience / 1000)
    driver.execute("PRAGMA busy_timeout = 0")
    try:
        while not _begun(driver):
            if time.monotonic() >= ends:
                raise sqlite3.OperationalError("database is locked")
            time.sleep(_LOOK_S)
    finally:
        if mine:
            looking.release()
        driver.execute(f"PRAGMA busy_timeout = {patience}")


def _begun(driver: sqlite3.Connection) -> bool:
    try:
        driver.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """A session that only reads; never waits for a writer on SQLite. DatabaseUnavailable if it can't be had."""
    with _translated(), Session(engine) as session:
        yield session


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """A session that commits when the block ends well and rolls back otherwise.

    DatabaseUnavailable if the lock could not be had within ten seconds, or the database is out of reach.
    """
    with (
        _translated(),
        Session(engine.execution_options(digest_writing=True), expire_on_commit=False) as session,
    ):
        yield session
        session.commit()


class Pen:
    """A connection to write on that is kept, for a thread that commits often: opening one costs more than a commit.

    It connects when it is first used, and again after the database was away. On SQLite it brings the log into the file
    between its transactions: within a commit that would make those wait who ask for the commit, and for the lock.
    PostgreSQL ends a transaction of it in which nothing is said for a minute: nobody waits longer for who was stopped.
    """

    def __init__(self, engine: Engine) -> None:
        self._changes = 0  # up to the last look at the log
        self._connection: Connection | None = None
        self._session: Session | None = None
        self._engine = engine.execution_options(digest_writing=True)

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """As `writing`; what the session loaded is forgotten at the end."""
        with _translated():
            if self._session is None:
                self._connection = self._engine.connect()
                self._session = Session(self._connection, expire_on_commit=False)
            self._tidy()
            self._limit()
            try:
                yield self._session
                self._session.commit()
            except BaseException:
                self._session.rollback()
                raise
            finally:
                self._session.expunge_all()

    def close(self) -> None:
        """Give the connection back."""
        if self._session is None or self._connection is None:
            return
        if (file := self._file()) is not None:
            file.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
            file.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        self._session.close()
        if self._limited():
            self._connection.invalidate()  # others may be silent for as long as they like
        self._connection.close()
        self._session = self._connection = None
        self._changes = 0

    def _limit(self) -> None:
        if self._connection and self._connection.dialect.name == "postgresql" and not self._limited():
            self._connection.exec_driver_sql(f"SET idle_in_transaction_session_timeout = '{_STOPPED_S}s'")
            self._connection.commit()
            self._connection.info[_LIMITED] = True

    def _limited(self) -> bool:
        # Kept with the driver's connection: another one, after the database was away, has no limit yet.
        connection = self._connection
        return connection is not None and not connection.invalidated and _LIMITED in connection.info

    def _tidy(self) -> None:
        file = self._file()
        if file is None:
            return
        if self._changes == 0:
            file.execute("PRAGMA wal_autocheckpoint = 0")
            file.execute(f"PRAGMA busy_timeout = {min(BUSY_MS, _PEN_BUSY_MS)}")
        if not self._changes <= file.total_changes < self._changes + _LOG_CHANGES:
            file.execute("PRAGMA wal_checkpoint(PASSIVE)")
            self._changes = file.total_changes

    def _file(self) -> sqlite3.Connection | None:
        driver = self._connection.connection.dbapi_connection if self._connection else None
        return driver if isinstance(driver, sqlite3.Connection) else None


def take_turn(session: Session, *, alone: bool = False) -> None:
    """Wait until what was stored before can be read, and hold those off who take a turn `alone`, or all when alone.

    What is stored carries an instant, and composing cuts at one: a writer reads its clock after its turn has come, and
    a cut takes its turn alone. Then nothing stamped before a cut is committed after it. Held to the transaction's end.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"SELECT pg_advisory_xact_lock{'' if alone else '_shared'}(7263549)"))
    else:
        session.connection()  # BEGIN IMMEDIATE: the only writer there is


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (DatabaseError, sqlite3.DatabaseError) as error:
        # The bare class is sqlite3's for "file is not a database"; other subclasses are mistakes of ours, and so is
        # SQLite's plain "error" (no such table): only what waiting or an administrator can mend is unavailability.
        # Hot paths speak to the driver itself, whose errors come as they are.
        driver = error.orig if isinstance(error, DatabaseError) else error
        plain = getattr(driver, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
        if getattr(driver, "sqlstate", None) == "25P03":  # said nothing for too long, as when the machine was paused
            raise DatabaseUnavailable(f"the database can't be used now: {_first_line(driver)}") from error
        outside = (OperationalError, DatabaseError, sqlite3.OperationalError, sqlite3.DatabaseError)
        if plain or type(error) not in outside:
            raise
        raise DatabaseUnavailable(f"the database can't be used now: {_first_line(driver)}") from error


def breaks_integrity(error: Exception) -> bool:
    """Whether a statement was refused for a key, told by the driver's own error (PEP 249) or by SQLAlchemy's."""
    return any(cls.__name__ == "IntegrityError" for cls in type(error).__mro__)


def _first_line(error: BaseException | None) -> str:
    return str(error).splitlines()[0] if error and str(error) else type(error).__name__


def sqlite_file(url: str) -> Path | None:
    """The file behind a SQLite URL, or None for PostgreSQL."""
    parsed = make_url(url)
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


def version(engine: Engine) -> str | None:
    """The version of the schema in the database, None when there is no schema yet."""
    with _translated(), engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return found


def versions() -> list[str]:
    """The versions of the schema that this program knows, oldest first."""
    folder = Path(__file__).parent / "migrations" / "versions"
    return sorted(path.name.partition("_")[0] for path in folder.glob("[0-9]*.py"))


def upgrade(engine: Engine) -> None:
    """Bring the schema to the present version; harmless and quick when it is.

    DatabaseUnavailable if the database was made by a newer program.
    """
    known, present = versions(), version(engine)
    if present == known[-1]:
        return
    if present is not None and present not in known:
        raise DatabaseUnavailable(
            f"the database has schema {present}, this program knows schemas up to {known[-1]}: upgrade the program",
        )
    from alembic import command
    from alembic.config import Config as AlembicConfig

    settings = AlembicConfig()
    settings.set_main_option("script_location", "digest:migrations")
    with _translated(), engine.execution_options(digest_writing=True).begin() as connection:
        if engine.dialect.name == "postgresql":
            # Programs that start together take turns, as SQLite's lock makes them.
            connection.execute(text("SELECT pg_advisory_xact_lock(7263548)"))
        settings.attributes["connection"] = connection
        command.upgrade(settings, "head")
