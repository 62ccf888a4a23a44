"""Where we are: the machine, the database's place, and the file that counts on beside it. Reads and writes files."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from digest.config import Config
from digest.config.names import is_loopback

_MACHINE_IDS = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
_CLOUD_ID = Path("/var/lib/cloud/data/instance-id")  # images are cloned with their machine-id, instances are not
_CONTAINER_SIGNS = (Path("/.dockerenv"), Path("/run/.containerenv"))


@dataclass(frozen=True)
class Place:
    """Where a sender would send from, as fingerprints that only this database can compare."""

    machine: str
    database: str
    site: str  # "" while the public pages are on this machine alone
    host: str


@dataclass(frozen=True)
class Note:
    """What the file beside the database says; `epochs` by seat."""

    word: str
    epochs: dict[str, int]


def note_file(config: Config, database: Path | None) -> Path | None:
    """Where the note lies; None when there is no lasting folder for it, as in tests on PostgreSQL."""
    if config.database.state:
        return Path(config.database.state) / "digest.seat"
    if database is not None:
        return database.with_name(database.name + ".seat")
    return config.path.parent / "digest.seat" if config.path else None


def read_note(file: Path | None) -> Note:
    """The note; an empty one when it is not there or can't be read."""
    try:
        said = json.loads(file.read_text()) if file else {}
        return Note(str(said["word"]), {str(seat): int(epoch) for seat, epoch in said["epochs"].items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Note("", {})


def write_note(file: Path, note: Note) -> None:
    """Put the note on disk, whole or not at all; OSError if that can't be done."""
    part = file.with_name(f"{file.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            json.dump({"word": note.word, "epochs": note.epochs}, opened)
            opened.flush()
            os.fsync(opened.fileno())
        part.rename(file)
        _sync(file.parent)
    finally:
        part.unlink(missing_ok=True)


def sync_log(database: Path | None) -> None:
    """Put what is committed in SQLite's log on disk, whatever `synchronous` is: the note must never be ahead of it."""
    if database is not None:
        with contextlib.suppress(OSError):
            _sync(database.with_name(database.name + "-wal"))


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def place(config: Config, key: bytes, marks: Sequence[str], word: str) -> Place:
    """Where we are; `marks` say where the database is, `word` stands for a machine that has no identity of its own."""
    url = urlsplit(config.web.public_url)
    site = "" if is_loopback(url.hostname or "") else config.web.public_url + config.web.path_prefix
    return Place(
        machine=_fingerprint(key, "machine", [_machine() or word or "somewhere"]),
        database=_fingerprint(key, "database", marks),
        site=_fingerprint(key, "site", [site]) if site else "",
        host=socket.gethostname(),
    )


def file_marks(database: Path) -> list[str]:
    """What tells a SQLite file from every other and from its copies: where it is, and which file it is.

    Not the device: its number may change when the machine starts anew.
    """
    real = database.resolve()
    return [str(real), str(real.stat().st_ino)]


def _machine() -> str:
    """The machine's own name for itself; "" where it has none that lasts, as in a container."""
    if any(sign.exists() for sign in _CONTAINER_SIGNS) or "KUBERNETES_SERVICE_HOST" in os.environ:
        return ""
    own = next((said for said in map(_said, _MACHINE_IDS) if said), "")
    return f"{own} {_said(_CLOUD_ID)}".strip()


def _said(file: Path) -> str:
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _fingerprint(key: bytes, kind: str, parts: Sequence[str]) -> str:
    return hmac.digest(key or b"none", json.dumps([kind, *parts]).encode(), hashlib.sha256).hex()[:32]
