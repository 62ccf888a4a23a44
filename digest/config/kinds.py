"""The kinds of values that settings have: each says what it expects and turns what TOML gave into our value."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Any

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_LONGEST_TEXT = 1000


class Wrong(ValueError):
    """A value that was not expected; says what was, and how the value shall be shown (None: as it is)."""

    def __init__(self, expected: str, got: str | None = None) -> None:
        super().__init__(expected)
        self.expected = expected
        self.got = got


@dataclass(frozen=True)
class Kind:
    """What a setting may hold: `read` returns the value or raises Wrong."""

    expected: str
    read: Callable[[Any], Any]
    secret: bool = False  # never shown; may be KEY_file or env:NAME
    file: bool = False  # a path, resolved against the folder of the file


def unprintable(text: str) -> bool:
    """Whether `text` holds control characters, line ends or marks that change the direction of what follows."""
    return bool(_UNPRINTABLE.search(text))


def text(longest: int = _LONGEST_TEXT, *, empty: bool = True, ascii_only: bool = False) -> Kind:
    """One line of text."""
    expected = f"one line of {'ASCII ' if ascii_only else ''}text, at most {longest} characters long"

    def read(raw: Any) -> str:
        if not isinstance(raw, str) or not (empty or raw.strip()) or (ascii_only and not raw.isascii()):
            raise Wrong(expected)
        if unprintable(raw):
            raise Wrong("one line of text without control characters")
        if len(raw) > longest:
            raise Wrong(f"at most {longest} characters", f"{len(raw)}")
        return raw.strip()

    return Kind(expected, read)


def whole(least: int, most: int) -> Kind:
    """A whole number within bounds."""
    expected = f"a whole number from {least} to {most}"

    def read(raw: Any) -> int:
        if type(raw) is not int or not least <= raw <= most:
            raise Wrong(expected)
        return raw

    return Kind(expected, read)


def number(least: float, most: float) -> Kind:
    """A number within bounds, whole or not."""
    expected = f"a number from {least:g} to {most:g}"

    def read(raw: Any) -> float:
        if type(raw) not in (int, float) or not least <= raw <= most:  # NaN compares false
            raise Wrong(expected)
        return float(raw)

    return Kind(expected, read)


def one_of(*words: str) -> Kind:
    """One of a few words."""
    expected = " or ".join(f'"{word}"' for word in words)

    def read(raw: Any) -> str:
        if raw not in words:
            raise Wrong(expected)
        return str(raw)

    return Kind(expected, read)


def many(kind: Kind, *, single: bool = False) -> Kind:
    """A list of one kind; `single`: one value alone will do as well."""
    expected = f"a list, each item {kind.expected}"

    def read(raw: Any) -> tuple[Any, ...]:
        items = [raw] if single and isinstance(raw, str) else raw
        if not isinstance(items, list):
            raise Wrong(expected)
        return tuple(_item(kind, item) for item in items)

    return Kind(expected, read, secret=kind.secret)


def named(kind: Kind) -> Kind:
    """A table of names, each with a value of one kind, in the order of the file."""
    expected = f"a table of names, each with {kind.expected}"

    def read(raw: Any) -> Mapping[str, Any]:
        if not isinstance(raw, dict) or any(unprintable(name) or not name.strip() for name in raw):
            raise Wrong(expected)
        return MappingProxyType({name: _item(kind, value) for name, value in raw.items()})

    return Kind(expected, read)


def _item(kind: Kind, item: Any) -> Any:
    try:
        return kind.read(item)
    except Wrong as wrong:
        raise Wrong(wrong.expected, wrong.got or shown(item)) from None


def shown(value: Any) -> str:
    """How a value of TOML is shown in a problem: short, on one line, nothing in it that a terminal obeys."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        cut = value if len(value) <= 60 else value[:57] + "..."
        return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(cut, ensure_ascii=False))
    return str(value)


def flag() -> Kind:
    """True or false."""

    def read(raw: Any) -> bool:
        if not isinstance(raw, bool):
            raise Wrong("true or false")
        return raw

    return Kind("true or false", read)


def day() -> Kind:
    """A day, as TOML writes it or as a text of the same form."""

    def read(raw: Any) -> date:
        if type(raw) is date:  # a datetime is one as well
            return raw
        try:
            return date.fromisoformat(raw)
        except (TypeError, ValueError):
            raise Wrong("a day like 2026-11-20") from None

    return Kind("a day like 2026-11-20", read)


def path() -> Kind:
    """A file, absolute or relative to the folder of config.toml."""
    return Kind("the path of a file", text(empty=False).read, file=True)
