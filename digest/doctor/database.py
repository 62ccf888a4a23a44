"""The database and the disk it is on: reachable, whole, current, writable, with room; and whose clock goes right."""

from __future__ import annotations

import ctypes
import shutil
import sqlite3
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, Engine, func, select, text

from digest import db
from digest.config import Config
from digest.deliver.seats import run as seats
from digest.doctor import audiences
from digest.doctor.findings import Finding, bad, doubtful, good
from digest.errors import DatabaseUnavailable
from digest.models import Seat, Variant, table

_CHECK_S = 9.0  # for looking through a SQLite file
_SCARCE, _LITTLE = 100_000_000, 1_000_000_000  # octets of free disk
_ENCODED = 1.15  # what quoted-printable adds, about
_LATE, _TOO_LATE = timedelta(seconds=5), timedelta(seconds=60)
_UNSYNCHRONISED = 5  # adjtimex(2): TIME_ERROR


def examine(engine: Engine, config: Config, now: datetime) -> list[Finding]:
    """Findings on the database; it is only read, but for a lock that is taken and given back."""
    where = "[database] url"
    file = db.sqlite_file(config.database.url)
    if file is not None and not file.exists():
        return [bad(where, f"there is no database at {file}", "Run digest db upgrade, which makes it.")]
    try:
        version, known = db.version(engine), db.versions()[-1]
        if version != known:
            mend = "Run digest db upgrade." if version is None or version < known else "Upgrade the program."
            return [bad(where, f"has schema {version or 'none'}, this program needs {known}", mend)]
        found = [good(where, f"answers, schema {version}")]
        with engine.connect() as connection:
            found += _sqlite(connection, config, file) if file else _postgresql(connection, config, now)
            found += _past(connection, now)
        found += audiences.examine(engine, config, now)
        if file:
            found += [_whole(file), _room(file), _writable(file)]
        standing = seats.look(engine, config)
    except DatabaseUnavailable as error:
        return [bad(where, str(error), "Start the database server, or mend url.")]
    if standing.refusal:
        mend = "Run digest adopt here, once the original of this database sends no more."
        return [*found, bad("seat", f"nothing is sent from here: {standing.refusal}", mend)]
    return [*found, good("seat", "nothing was sent so far" if standing.first else "mail is sent from here")]


def largest_message(engine: Engine) -> int:
    """About how many octets the largest of the last issues' messages had; 0 if there was none."""
    kept = table(Variant)
    last = select(kept.c.html, kept.c.text).where(kept.c.issue_id.is_not(None)).order_by(kept.c.id.desc()).limit(20)
    try:
        with engine.connect() as connection:
            rows = connection.execute(last).all()
    except Exception:
        return 0
    return max((round(_ENCODED * sum(len(zlib.decompress(part)) for part in row)) for row in rows), default=0)


def _sqlite(connection: Connection, config: Config, file: Path) -> Iterator[Finding]:
    where = str(file)
    journal = connection.execute(text("PRAGMA journal_mode")).scalar_one()
    if journal != "wal":
        yield doubtful(where, f"keeps its journal as {journal}, not wal", "Put it on a local disk: wal needs one.")
    if config.database.synchronous == "normal":
        mend = 'Set [database] synchronous to "full" unless you need the speed.'
        yield doubtful(where, "a power cut can repeat mail already sent", mend)


def _postgresql(connection: Connection, config: Config, now: datetime) -> Iterator[Finding]:
    where = "PostgreSQL"

    def setting(name: str) -> str:
        return str(connection.execute(text(f"SHOW {name}")).scalar_one())

    yield good(where, f"version {setting('server_version')}")
    if setting("transaction_read_only") == "on":
        yield bad(where, "takes no writes: it is a standby, or was made read-only", "Name the primary in url.")
    if setting("fsync") == "off":
        yield bad(where, "fsync is off: a power cut loses what was sent", "Switch fsync on.")
    if setting("synchronous_commit") == "off":
        mend = "Switch synchronous_commit on for this database."
        yield doubtful(where, "synchronous_commit is off: a power cut can repeat mail already sent", mend)
    theirs = connection.execute(text("SELECT clock_timestamp()")).scalar_one().astimezone(UTC)
    ahead = datetime.now(UTC) - theirs
    said = f"this machine's clock and the server's are {abs(ahead).total_seconds():.1f} s apart"
    if abs(ahead) > _LATE:
        yield (bad if abs(ahead) > _TOO_LATE else doubtful)("clock", said, "Have both kept by NTP.")
    else:
        yield good("clock", said)


def _past(connection: Connection, now: datetime) -> Iterator[Finding]:
    seen = connection.execute(select(func.max(table(Seat).c.seen_at))).scalar_one_or_none()
    if seen is not None and now < seen - _LATE:
        said = f"it is {now:%Y-%m-%d %H:%M} UTC here, and the database has seen {seen:%Y-%m-%d %H:%M}"
        yield bad("clock", said, "Set this machine's clock, and have it kept by NTP.")


def _whole(file: Path) -> Finding:
    """A look through the file; a large one is left when the time is up."""
    began = time.monotonic()
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, check_same_thread=False)) as connection:
        timer = threading.Timer(_CHECK_S, connection.interrupt)
        timer.start()
        try:
            said = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.Error as error:
            if time.monotonic() - began >= _CHECK_S:
                return doubtful(str(file), "is too large to be looked through here", "Run PRAGMA quick_check at night.")
            return bad(str(file), f"can't be read: {error}", "Restore a backup: digest db backup makes them.")
        finally:
            timer.cancel()
    if said != "ok":
        return bad(str(file), f"is damaged: {str(said).splitlines()[0][:200]}", "Restore a backup.")
    return good(str(file), "is whole")


def _writable(file: Path) -> Finding:
    with closing(sqlite3.connect(file, isolation_level=None, timeout=5)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            mend = "Make file and folder writable for this user, or end the program that holds the lock."
            return bad(str(file), f"can't be written: {error}", mend)
    return good(str(file), "can be written")


def _room(file: Path) -> Finding:
    free = shutil.disk_usage(file.parent).free
    size = sum(part.stat().st_size for part in file.parent.glob(f"{file.name}*") if part.is_file())
    said = f"{free / 1e9:,.1f} GB free on its disk, it has {size / 1e9:,.1f} GB"
    if free < _SCARCE:
        return bad(str(file), said, "Make room: a full disk stops all sending.")
    if free < max(_LITTLE, size):
        return doubtful(str(file), said, "Make room: a backup needs as much again.")
    return good(str(file), said)


def clock() -> Finding:
    """Whether this machine's clock is kept by NTP, as far as its kernel knows."""
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return good("clock", "not every system tells whether NTP keeps it; this one does not")
    state = adjtimex(ctypes.create_string_buffer(512))  # modes = 0: it is only asked
    if state == _UNSYNCHRONISED:
        mend = "Have it kept by NTP (systemd-timesyncd, chrony): the timetable goes by it."
        return doubtful("clock", "nobody keeps it right", mend)
    return good("clock", "is kept by NTP" if state >= 0 else "could not be asked about NTP")
