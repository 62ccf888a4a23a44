"""A newsroom's own templates beside the shipped ones: which there are, copies to change, copies that have aged.

A copy begins with a line that says which release it was taken from and the hash of what was taken, so that it is known
when a later release ships another text. An aged copy goes on working: it is taken in place of the shipped one.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from digest.errors import NotFound, UsageError

_TAKEN = re.compile(r"\{# Taken from Digest (?P<version>[0-9A-Za-z.+-]+), (?P<hash>[0-9a-f]{16})\. #\}")


@dataclass(frozen=True)
class Listed:
    """A template by its path below a folder of templates, "email/roundup.mjml.j2"."""

    path: str
    own: bool = False  # the newsroom has a file of this name
    shipped: bool = True
    taken_from: str = ""  # the release that an own file says it was copied from
    aged: bool = False  # what is shipped now is another text than what was copied


def listed(root: Path, own: Path) -> list[Listed]:
    """Every template of `root` and of the newsroom's folder `own`, which need not be there, by path."""
    shipped, mine = _files(root), _files(own)
    return [_one(path, shipped.get(path), mine.get(path)) for path in sorted({*shipped, *mine})]


def eject(root: Path, own: Path, name: str, version: str) -> list[str]:
    """Copy the shipped template `name` into `own`: a path, or a mail's name for all its parts; the paths copied.

    NotFound if nothing of that name is shipped; UsageError, with nothing written, if a file is there already or can't
    be written.
    """
    shipped = _files(root)
    paths = [
        path for path in shipped if name in (path, path.removesuffix(".j2")) or re.fullmatch(_parts_of(name), path)
    ]
    if not paths:
        raise NotFound(f"no template {name[:80]!r} is shipped; digest templates list shows them")
    if there := [path for path in paths if (own / path).exists()]:
        raise UsageError(f"{own / there[0]} is there already: nothing was copied")
    try:
        for path in paths:
            (own / path).parent.mkdir(parents=True, exist_ok=True)
            source = shipped[path].read_text(encoding="utf-8")
            head = f"{{# Taken from Digest {version}, {_hash(source)}. #}}\n"
            (own / path).write_text(head + source, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{own}: it can't be written: {error.strerror}") from error
    return paths


def _parts_of(name: str) -> str:
    return rf"email/{re.escape(name)}\.(?:mjml|txt|html)\.j2"


def _one(path: str, shipped: Path | None, mine: Path | None) -> Listed:
    if mine is None:
        return Listed(path)
    source = mine.read_text(encoding="utf-8", errors="replace")
    taken = _TAKEN.match(source)
    aged = bool(taken and shipped and taken["hash"] != _hash(shipped.read_text(encoding="utf-8")))
    return Listed(path, True, shipped is not None, taken["version"] if taken else "", aged)


def _files(root: Path) -> dict[str, Path]:
    return {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*.j2")) if path.is_file()}


def _hash(source: str) -> str:
    return hashlib.sha256(source.encode()).hexdigest()[:16]
