"""A folder of Markdown files, looked at: within it, within limits, and only read if anything has changed."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from digest.gather.kinds.folder import to_body
from digest.gather.outcomes import Failed, Fetched, Outcome, Unchanged, Validators

MAX_FILES = 2_000
MAX_BYTES = 1_000_000  # of one file
MAX_ALL = 50_000_000  # of all together
MAX_SEEN = 50_000  # files and folders of any kind that are looked at
_SUFFIXES = (".md", ".markdown")


@dataclass(frozen=True)
class _Found:
    path: Path
    name: str  # from the folder on, with slashes
    size: int
    changed: int


def look(folder: Path, url: str, validators: Validators | None) -> Outcome:
    """What came of looking into `folder`: a body for `gather.kinds.read` under `url`, or Unchanged.

    Names, sizes and times of the files are what tells whether anything changed. Hidden files, `_drafts`, and what
    leads out of the folder are passed over.
    """
    try:
        root = folder.resolve(strict=True)
        if not root.is_dir():
            return Failed(f"{folder}: expected a folder, got a file")
        problems: list[str] = []
        found = _files(root, problems)
    except OSError as error:
        return Failed(f"{folder}: expected a folder that can be read, got: {error.strerror}")
    names = "\n".join(f"{file.name}\0{file.size}\0{file.changed}" for file in found)
    etag = hashlib.sha256(f"{url}\n{names}".encode("utf-8", "surrogateescape")).hexdigest()
    if validators and (validators.url, validators.etag) == (url, etag):
        return Unchanged()
    return Fetched(to_body(_read(found, problems), problems), url, validators=Validators(url, etag))


def _files(root: Path, problems: list[str]) -> list[_Found]:
    """The Markdown files by name, the latest 2,000 of them."""
    found = sorted(_walk(root, problems), key=lambda file: (-file.changed, file.name))
    if len(found) > MAX_FILES:
        problems.append(f"only the latest {MAX_FILES:,} of {len(found):,} files were read")
    return sorted(found[:MAX_FILES], key=lambda file: file.name)


def _walk(root: Path, problems: list[str]) -> Iterator[_Found]:
    seen = 0
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "_drafts")
        seen += len(folders) + len(names)
        if seen > MAX_SEEN:
            problems.append(f"only the first {MAX_SEEN:,} files and folders were looked at")
            return
        for name in names:
            if name.lower().endswith(_SUFFIXES) and not name.startswith((".", "_index.")):
                yield from _judged(root, Path(folder) / name, problems)


def _judged(root: Path, path: Path, problems: list[str]) -> Iterator[_Found]:
    name = path.relative_to(root).as_posix()
    try:
        if path.is_symlink() and not path.resolve(strict=True).is_relative_to(root):
            problems.append(f"{name}: expected a file of the folder, got a link that leads out of it")
            return
        state = path.stat()
    except OSError as error:
        problems.append(f"{name}: expected a readable file, got: {error.strerror}")
        return
    if not stat.S_ISREG(state.st_mode):
        problems.append(f"{name}: expected a file, got something else")
    elif state.st_size > MAX_BYTES:
        problems.append(f"{name}: expected at most {MAX_BYTES:,} bytes, got {state.st_size:,}")
    else:
        yield _Found(path, name, state.st_size, state.st_mtime_ns)


def _read(found: list[_Found], problems: list[str]) -> list[tuple[str, bytes]]:
    files, left = [], MAX_ALL
    for file in found:
        try:
            with file.path.open("rb") as opened:
                raw = opened.read(MAX_BYTES + 1)
        except OSError as error:
            problems.append(f"{file.name}: expected a readable file, got: {error.strerror}")
            continue
        left -= len(raw)
        if left < 0:
            problems.append(f"{file.name} and what follows was not read: the folder holds more than {MAX_ALL:,} bytes")
            break
        files.append((file.name.encode("utf-8", "replace").decode(), raw[:MAX_BYTES]))
    return files
