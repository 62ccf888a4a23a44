"""The guard before any sending: a database that finds no seat of its own here sends nothing.

check     looks, and changes nothing but for the very first sender, who takes the first seat
seated    a sender's stay: checked at its start, counted on at start and stop and now and then between
check_no_copy   the same for who prepares mail that others may send
adopt     a person's word that mail may be sent from here
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine
from sqlmodel import Session

from digest import db
from digest.config import Config
from digest.deliver.seats import rows
from digest.deliver.seats.places import Note, Place, file_marks, note_file, place, read_note, sync_log, write_note
from digest.deliver.seats.rows import Standing
from digest.errors import DigestError, NotAdopted
from digest.models import Instance

log = logging.getLogger(__name__)

COUNT_S = 600.0  # how often a sender that runs for weeks counts on


@dataclass(frozen=True)
class _Here:
    place: Place
    file: Path | None
    note: Note
    database: Path | None

    @property
    def name(self) -> str:
        return f"{self.place.machine}:{self.place.database}"

    @property
    def noted(self) -> int:
        return self.note.epochs.get(self.name, 0)


def look(engine: Engine, config: Config) -> Standing:
    """How this place and this database stand; changes nothing."""
    with db.reading(engine) as session:
        here = _here(session, engine, config)
        return rows.standing(session, here.place, here.noted)


def check(engine: Engine, config: Config, now: datetime) -> None:
    """NotAdopted, which says why in one sentence, unless mail may be sent from here.

    A database from which nothing was ever sent gets its first seat here.
    """
    with db.reading(engine) as session:
        here = _here(session, engine, config)
        found = rows.standing(session, here.place, here.noted)
    if found.first:
        with db.writing(engine) as session:
            db.take_turn(session, alone=True)
            here = _here(session, engine, config, make_word=True)
            found = rows.standing(session, here.place, here.noted)  # another machine may have been quicker
            if found.first:
                rows.take(session, here.place, 1, now)
    if found.refusal:
        raise NotAdopted(refusal(found))


def check_no_copy(engine: Engine, config: Config) -> None:
    """NotAdopted if the database is a copy; another machine on a database that sends may prepare what others send."""
    found = look(engine, config)
    if found.refusal and not found.joins:
        raise NotAdopted(refusal(found))


def refusal(found: Standing) -> str:
    """Why nothing is sent, and what to do about it, in one sentence."""
    return refusal_of(found.refusal)


def refusal_of(why: str) -> str:
    """The same, of the reason alone."""
    return f"nothing is sent from this database before `digest adopt`: {why}"


def adopt(engine: Engine, config: Config, now: datetime, also: Callable[[Session, Standing], None]) -> Standing:
    """Mail may be sent from here from now on; `also` runs in the same commit. Returns how it stood before."""
    with db.writing(engine) as session:
        db.take_turn(session, alone=True)
        here = _here(session, engine, config, make_word=True)
        before = rows.standing(session, here.place, here.noted)
        epoch = max(here.noted, before.seat.epoch if before.seat else 0) + 1
        rows.take(session, here.place, epoch, now)
        also(session, before)
    _noted(here, epoch)
    return before


@asynccontextmanager
async def seated(engine: Engine, config: Config, clock: Callable[[], datetime]) -> AsyncIterator[None]:
    """A sender's stay in its seat. NotAdopted, before anything else, if it has none."""
    await asyncio.to_thread(check, engine, config, clock())
    await asyncio.to_thread(count_on, engine, config, clock())
    counting = asyncio.create_task(_counting(engine, config, clock))
    try:
        yield
    finally:
        counting.cancel()
        with contextlib.suppress(DigestError):  # the stop must not fail for it: a lower number harms nobody
            await asyncio.to_thread(count_on, engine, config, clock())


async def _counting(engine: Engine, config: Config, clock: Callable[[], datetime]) -> None:
    while True:
        await asyncio.sleep(COUNT_S)
        with contextlib.suppress(DigestError):
            await asyncio.to_thread(count_on, engine, config, clock())


def count_on(engine: Engine, config: Config, now: datetime) -> None:
    """One more in the database, then in the file: a crash between the two leaves the database ahead, which is right."""
    with db.writing(engine) as session:
        here = _here(session, engine, config)
        epoch = rows.count_on(session, here.place, now)
    if epoch is not None:
        _noted(here, epoch)


def _here(session: Session, engine: Engine, config: Config, *, make_word: bool = False) -> _Here:
    instance = session.get(Instance, 1)
    database = Path(str(engine.url.database)) if engine.dialect.name == "sqlite" else None
    file = note_file(config, database)
    note = read_note(file)
    # A word in a file that is gone with the container would make every container a stranger.
    lasting = database is not None or config.database.state is not None
    if make_word and lasting and not note.word and file is not None:
        made = Note(secrets.token_hex(16), note.epochs)
        note = made if _write(file, made) else note  # before anything depends on it
    if database is not None:
        marks = file_marks(database)
    else:
        marks = [f"{engine.url.host}:{engine.url.port}/{engine.url.database}", *rows.server_marks(session)]
    key = instance.message_key if instance else b""
    return _Here(place(config, key, marks, note.word if lasting else ""), file, note, database)


def _noted(here: _Here, epoch: int) -> None:
    if here.file is None:
        return
    sync_log(here.database)
    kept = read_note(here.file)  # another sender of this machine may have counted on meanwhile
    highest = max(epoch, kept.epochs.get(here.name, 0))
    _write(here.file, Note(kept.word or here.note.word or secrets.token_hex(16), {**kept.epochs, here.name: highest}))


def _write(file: Path, note: Note) -> bool:
    try:
        write_note(file, note)
    except OSError as error:
        log.warning("%s can't be written (%s): [database] state names a folder for it", file, error.strerror)
        return False
    return True
