"""Files of articles as JSON lines, as `digest inspect` takes them, with a sentence for each bad line. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

Row = Mapping[str, str]
Id = str | int  # as it is written

_TIMES = {"published"}  # may be a number, of seconds since 1970


def read(
    name: str, raw: bytes, keys: Collection[str], either: Sequence[str] = ("title", "summary")
) -> tuple[dict[Id, Row], list[str]]:
    """The texts named by `keys` of every row ("" where one is missing), by its id in the file's order; what is amiss.

    A row is a JSON object with an id of its own and one of the texts in `either`; what is none is left out.
    """
    rows: dict[Id, Row] = {}
    known: set[str] = set()
    problems = []
    for number, line in enumerate(raw.splitlines(), 1):
        if line.strip():
            try:
                id_, row = _row(line, keys, either, known)
                known.add(str(id_))
                rows[id_] = row
            except _BadLine as error:
                problems.append(f"{name} line {number}: {error}; it is left out")
    return rows, problems


class _BadLine(Exception):
    """What is expected, and what stands there."""


def _row(line: bytes, keys: Collection[str], either: Sequence[str], known: Collection[str]) -> tuple[Id, Row]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise _BadLine("expected JSON in UTF-8, got something else") from None
    if not isinstance(row, Mapping):
        raise _BadLine(f"expected a JSON object with id and title, got a {type(row).__name__}")
    id_ = row.get("id")
    if isinstance(id_, bool) or not isinstance(id_, str | int) or id_ == "":
        raise _BadLine("id: expected a text or a whole number, got none")
    texts = {key: _text(key, row.get(key)) for key in keys}
    if not any(texts[key].strip() for key in either):
        raise _BadLine(f"{either[0]}: expected a text, got none")
    if str(id_) in known:
        raise _BadLine(f'expected an id of its own, got "{id_}" again')
    return id_, texts


def _text(key: str, value: Any) -> str:
    if value is None:
        return ""
    numeric = key in _TIMES and isinstance(value, int | float) and not isinstance(value, bool)
    if not isinstance(value, str) and not numeric:
        raise _BadLine(f"{key}: expected a text, got a {type(value).__name__}")
    return str(value)
