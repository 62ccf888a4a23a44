"""What else is known of a person: attributes as a small JSON object, and tags. Pure."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from subscribers.errors import BadAttributes

LARGEST = 4_096  # bytes of all attributes of a person, as JSON (S-B18)
DEEPEST = 3  # objects and lists within each other, the attributes themselves being the first
MOST_TAGS = 100
LONGEST_TAG = 100
LONGEST_KEY = 100

# PostgreSQL stores no NUL, and half of a surrogate pair is no letter.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def checked(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes as they are stored; BadAttributes if they are too large, too deep, or no JSON."""
    tidied = {key: value for key, value in _tidied(attributes, 1).items() if key}
    try:
        size = len(written(tidied).encode())
    except ValueError as error:  # infinity, or not a number
        raise BadAttributes("an attribute is no number that JSON can hold") from error
    if size > LARGEST:
        raise BadAttributes(f"the attributes take {size} bytes; at most {LARGEST} are kept")
    return tidied


def written(attributes: Mapping[str, Any]) -> str:
    """As the database and an export keep them: one line of JSON, keys in order."""
    return json.dumps(attributes, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


def read(text: str) -> dict[str, Any]:
    """The attributes in a cell that holds a JSON object; BadAttributes if it holds anything else."""
    if len(text) > 4 * LARGEST:  # nobody builds it in memory first
        raise BadAttributes(f"the attributes take more than the {LARGEST} bytes that are kept")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadAttributes('expected attributes as a JSON object like {"city": "Berlin"}') from error
    if not isinstance(value, dict):
        raise BadAttributes('expected attributes as a JSON object like {"city": "Berlin"}')
    return checked(value)


def key(column: str) -> str:
    """The attribute that a column of this name becomes: `ZIP Code` -> zip_code."""
    return re.sub(r"[\W_]+", "_", column.casefold()).strip("_")[:LONGEST_KEY]


def tags(texts: Iterable[str]) -> tuple[str, ...]:
    """The tags as they are stored: case-folded, trimmed, distinct, in order."""
    said = {" ".join(_UNSTORABLE.sub("", text).casefold().split())[:LONGEST_TAG] for text in texts}
    return tuple(sorted(said - {""}))[:MOST_TAGS]


def tags_of(cell: str) -> tuple[str, ...]:
    """The tags in a cell: a JSON list, or words between commas (or semicolons), in quotes or not."""
    if cell.startswith("["):
        try:
            return tags(one for one in json.loads(cell) if isinstance(one, str))
        except (ValueError, RecursionError):
            pass
    try:
        parts = next(csv.reader([cell], delimiter="," if "," in cell else ";", skipinitialspace=True), [])
    except csv.Error:
        parts = [cell]
    return tags(parts)


def _tidied(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return _UNSTORABLE.sub("", value)
    if not isinstance(value, Mapping | list):
        return value
    if depth > DEEPEST:
        raise BadAttributes(f"the attributes go deeper than {DEEPEST} levels")
    if isinstance(value, list):
        return [_tidied(one, depth + 1) for one in value]
    return {_tidied(str(name), depth)[:LONGEST_KEY]: _tidied(one, depth + 1) for name, one in value.items()}
