"""What stands before a Markdown text: YAML between lines of ---, or TOML between lines of +++."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

LONGEST = 20_000  # characters
_YAML = re.compile(r"---[ \t]*\n(?![ \t]*\n)(?P<inside>.*?)(?:(?<=\n)|\n)(?:---|\.\.\.)[ \t]*(?:\n|$)", re.S)
_TOML = re.compile(r"\+\+\+[ \t]*\n(?P<inside>.*?)(?:(?<=\n)|\n)\+\+\+[ \t]*(?:\n|$)", re.S)
_LINE = re.compile(r"at line (\d+)")


class Unreadable(ValueError):
    """The front matter is none; says on which line of the file, and what was expected."""

    def __init__(self, line: int, sentence: str) -> None:
        super().__init__(f"line {line}: {sentence}")


@dataclass(frozen=True)
class Document:
    """A text and what stands before it; names in small letters. `line` tells where a name is."""

    values: Mapping[str, Any]
    text: str
    front: str = ""

    def line(self, name: str) -> int:
        """The line of the file that `name` stands on, 1 if it is not found."""
        found = re.search(rf'^[ \t]*["\']?{re.escape(name)}["\']?[ \t]*[:=]', self.front, re.M | re.I)
        return 2 + self.front.count("\n", 0, found.start()) if found else 1


def read_document(text: str) -> Document:
    """`text` parted; Unreadable where its front matter is not closed, or neither YAML nor TOML.

    YAML's scalars stay the words that they are ("no", 2026-11-20): nothing is made of them but texts, lists and tables.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    is_toml = text.startswith("+++")
    found = (_TOML if is_toml else _YAML).match(text[: LONGEST + 100])
    if found is None:
        if is_toml or re.match(r"---[ \t]*\n[ \t]*[\w\"']+[ \t]*:", text):
            raise Unreadable(1, f"expected front matter closed by {'+++' if is_toml else '---'}, got no such line")
        return Document({}, text)
    inside = found["inside"]
    values = _toml(inside) if is_toml else _yaml(inside)
    return Document({str(key).lower(): value for key, value in values.items()}, text[found.end() :], inside)


def _toml(inside: str) -> dict[str, Any]:
    try:
        return tomllib.loads(inside)
    except (ValueError, RecursionError) as error:  # a number of too many digits is a plain ValueError
        place = _LINE.search(str(error))
        line = int(place[1]) + 1 if place else inside.count("\n") + 2
        raise Unreadable(line, f"expected TOML, got a mistake ({str(error).partition(' (at')[0]})") from error


def _yaml(inside: str) -> dict[str, Any]:
    try:
        # The base loader makes texts, lists and tables only: no object of any class, and no date out of a title.
        found = yaml.load(inside, Loader=yaml.BaseLoader)  # noqa: S506
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        said = getattr(error, "problem", None) or "it can't be read"
        raise Unreadable(mark.line + 2 if mark else 1, f"expected YAML, got a mistake ({said})") from error
    except (RecursionError, ValueError) as error:
        raise Unreadable(1, "expected YAML, got something that is nested too deep or is no text") from error
    if found in (None, ""):
        return {}
    if not isinstance(found, dict):
        raise Unreadable(2, "expected YAML of names and values, got something else")
    return found
