"""The folder of a preview: of what an earlier one wrote there, nothing stays that this one does not write."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from digest.errors import DigestError

OURS = ".digest-preview.json"  # lists the files that are ours: no other is ever removed


def write(folder: Path, files: Mapping[str, bytes], later: Collection[str] = ()) -> None:
    """The files by name, in `folder`; those named in `later` are written by somebody else, and ours all the same.

    DigestError if the folder can't be written.
    """
    names = {*files, *later}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for gone in _ours(folder) - names:
            (folder / gone).unlink(missing_ok=True)
        (folder / OURS).write_text(json.dumps(sorted(names)))
        for name, content in files.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise DigestError(f"{folder}: can't be written: {error.strerror}") from error


def _ours(folder: Path) -> set[str]:
    with suppress(FileNotFoundError, ValueError):
        listed = json.loads((folder / OURS).read_text(encoding="utf-8"))
        if isinstance(listed, list):
            return {name for name in listed if isinstance(name, str) and name and Path(name).name == name}
    return set()
