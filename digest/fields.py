"""Merge fields: what staff write to each reader by name, as `[[first_name|friend]]`: a field and its default. Pure.

`name` is the reader's name, anything else one of their attributes; `address.city` looks into an attribute that is an
object. Only texts that staff type are ever read for fields: what a feed says stays text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from digest.blanks import field_blank

LONGEST = 200  # characters of a value, and of a default
EXPECTED = 'expected [[field|default]] like [[first_name|friend]], the field of letters, digits, "_", "-" and "."'

_FIELD = re.compile(r"\[\[ *([\w.-]{1,200}) *\|([^\[\]\r\n]*)\]\]")
IN_AN_ADDRESS = "a field can't stand in the address of a link, only in its words"
_ADDRESS = re.compile(r"(?:https?://|mailto:)[^\s()<>\[\]]*\[\[", re.IGNORECASE)
_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]+")
_DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u206f]")  # would turn the words around them


@dataclass(frozen=True)
class Field:
    """A fact of a reader, and what stands there for readers without it."""

    name: str
    default: str

    def __str__(self) -> str:
        return f"[[{self.name}|{self.default}]]"


def mistake(text: str) -> str:
    """What is wrong with the fields in `text`, as one sentence; "" where nothing is."""
    rest = _FIELD.sub("", text)
    if "[[" in rest:
        wrong = re.search(r"\[\[[^\r\n]{0,40}?(?:\]\]|[\r\n]|\Z)|\[\[[^\r\n]{0,40}", rest)
        return f"{wrong[0].rstrip() if wrong else '[['}: {EXPECTED}"
    if found := next((one for one in _FIELD.finditer(text) if len(one[2]) > LONGEST), None):
        return f"the default of [[{found[1]}|...]] has {len(found[2])} characters: at most {LONGEST} are allowed"
    return IN_AN_ADDRESS if _ADDRESS.search(text) else ""


def found(texts: Iterable[str]) -> tuple[Field, ...]:
    """The fields in `texts`, each once, in their order."""
    return tuple(dict.fromkeys(_field(one) for text in texts for one in _FIELD.finditer(text)))


def marked(text: str, word: str, fields: Sequence[Field]) -> str:
    """`text` with a blank of `word` for each field, by its number in `fields`, which has them all."""
    return _FIELD.sub(lambda one: field_blank(word, fields.index(_field(one))), text)


def plain(text: str) -> str:
    """`text` as it is for a reader of whom nothing is known."""
    return _FIELD.sub(lambda one: _field(one).default, text)


def values(fields: Iterable[Field], name: str, attributes: Mapping[str, Any]) -> tuple[str, ...]:
    """What fills each field for a reader: one line of at most LONGEST characters, the default where there is nothing.

    Numbers and booleans are said as JSON does; lists and objects are nothing.
    """
    return tuple(_said(_fact(field.name, name, attributes)) or field.default for field in fields)


def paths(wanted: str) -> tuple[tuple[str, ...], ...]:
    """Where the fact of this name may stand in the attributes, the first place that says anything counts."""
    inside = tuple(wanted.split("."))
    asked = (wanted,), (wanted.casefold(),)  # the columns of an import become lower case
    return tuple(dict.fromkeys((*asked, *([inside] if all(inside) else []))))


def _field(found: re.Match[str]) -> Field:
    return Field(found[1], _one_line(found[2]))


def _fact(wanted: str, name: str, attributes: Mapping[str, Any]) -> object:
    if wanted == "name":
        return name
    return next((fact for path in paths(wanted) if (fact := _at(attributes, path)) is not None), None)


def _at(attributes: Mapping[str, Any], path: Iterable[str]) -> object:
    within: object = attributes
    for part in path:
        within = within.get(part) if isinstance(within, Mapping) else None
    return within


def _said(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case str() | int() | float():
            return _one_line(str(value))
    return ""


def _one_line(text: str) -> str:
    return " ".join(_BREAKS.sub(" ", _DIRECTIONS.sub("", text)).split())[:LONGEST].rstrip()
