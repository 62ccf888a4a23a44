"""Config -> everything a shell needs, opened and closed in one place."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from digest import db, segments
from digest.config import Config, declared
from digest.errors import ConfigError, DatabaseUnavailable
from digest.instance import instance
from digest.links import Links
from digest.models import Instance
from subscribers.tokens import KeyRing

if TYPE_CHECKING:
    from digest.templating import Templates


def utcnow() -> datetime:
    """The clock of the shells; everything below them is handed the time."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class App:
    """What the shells hand on: settings, database, links, keys, templates, clock."""

    config: Config
    engine: Engine = field(repr=False)
    links: Links = field(repr=False)
    instance: Instance = field(repr=False)
    said: tuple[str, ...] = ()  # what the tables of config.toml changed in the database against expectation
    clock: Callable[[], datetime] = utcnow

    @cached_property
    def templates(self) -> Templates:
        """The templates, those of the folder `templates` beside config.toml before the shipped ones."""
        from digest.templating import templates_beside

        return templates_beside(self.config.path)


@contextmanager
def opened(
    config: Config,
    *,
    clock: Callable[[], datetime] = utcnow,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> Iterator[App]:
    """The app on `config`: schema brought up to date, declared tables applied, instance known; closed at the end.

    DatabaseUnavailable when the database is newer than this program or can't be opened. ConfigError when a segment
    names an edition or a list that there is not.
    """
    _make_private(db.sqlite_file(config.database.url))
    engine = opened_engine(config)
    try:
        db.upgrade(engine)
        said = _declare(engine, config, clock())
        yield App(config, engine, links(config), _instance(engine, clock(), random_bytes), said, clock)
    finally:
        engine.dispose()


def _make_private(file: Path | None) -> None:
    """Make the database's file, if it is not there, for its owner alone: it will hold addresses."""
    if file is None or file.exists():
        return
    try:
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600))
    except OSError as error:
        raise DatabaseUnavailable(f"the database can't be made at {file}: {error.strerror}") from error


def opened_engine(config: Config) -> Engine:
    """An engine on the database as it is: no schema made, nothing applied; the caller disposes of it."""
    return db.open_engine(config.database.url, config.database.synchronous)


def links(config: Config) -> Links:
    """The addresses of our pages, signed with the key ring of `config`."""
    keys = KeyRing(config.web.secret, config.web.old_secrets)
    return Links(config.web.public_url + config.web.path_prefix, keys, config.mail.unsubscribe_address or "")


def _declare(engine: Engine, config: Config, now: datetime) -> tuple[str, ...]:
    with db.reading(engine) as session:
        if not declared.differs(session, config, now):
            return ()
    with db.writing(engine) as session:
        said = tuple(declared.apply(session, config, now))
        # Not with the other settings: the database has editions and lists that the file does not.
        if problems := segments.unknown(session, config):
            raise ConfigError(problems)
        return said


def _instance(engine: Engine, now: datetime, random_bytes: Callable[[int], bytes]) -> Instance:
    with db.reading(engine) as session:
        found = session.get(Instance, 1)
        if found is not None:
            session.expunge(found)
            return found
    with db.writing(engine) as session:
        return instance(session, now, random_bytes)
