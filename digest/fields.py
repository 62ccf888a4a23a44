"""Merge fields: what staff write to each reader by name, as `[[first_name|friend]]`: a field and its default. Pure.

`name` is the reader's name, anything else one of their attributes; `address.city` looks into an attribute that is an
object. Only texts that staff type are ever read for fields: what a feed says stays text. In the address of a link a
value is percent-encoded and stands after the host, so that it leads nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from digest.blanks import field_blank

LONGEST = 200  # characters of a value, and of a default
EXPECTED = 'expected [[field|default]] like [[first_name|friend]], the field of letters, digits, "_", "-" and "."'
IN_AN_ADDRESS = "a field may stand in an address only after the host of a link: https://example.org/?city=[[city|]]"

_LONGEST_IN_ADDRESS = 3 * LONGEST  # bytes, each of which is three characters: a message takes 2,000
_FIELD = re.compile(r"\[\[ *([\w.-]{1,200}) *\|([^\[\]\r\n]*)\]\]")
_HOST = r"https?://[^\s()<>\[\]/?#\\]+"
_ADDRESS = re.compile(_HOST + r"[/?#](?:\[\[[^\[\]\r\n]*\]\]|[^\s()<>\[\]])*", re.IGNORECASE)
_MISPLACED = re.compile(r"(?:https?://[^\s()<>\[\]/?#]*|mailto:[^\s()<>\[\]]*)\[\[", re.IGNORECASE)
_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]+")
_DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u206f]")  # would turn the words around them


@dataclass(frozen=True)
class Field:
    """A fact of a reader, and what stands there for readers without it."""

    name: str
    default: str
    in_address: bool = False  # of a link: percent-encoded there

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
    return IN_AN_ADDRESS if _MISPLACED.search(text) else ""


def found(texts: Iterable[str]) -> tuple[Field, ...]:
    """The fields in `texts`, each once, in their order, of each text those in addresses first."""
    fields: list[Field] = []

    def keep(field: Field) -> str:
        fields.append(field)
        return ""

    for text in texts:
        _each(text, keep)
    return tuple(dict.fromkeys(fields))


def marked(text: str, word: str, fields: Sequence[Field]) -> str:
    """`text` with a blank of `word` for each field, by its number in `fields`, which has them all."""
    return _each(text, lambda field: field_blank(word, fields.index(field)))


def plain(text: str) -> str:
    """`text` as it is for a reader of whom nothing is known."""
    return _each(text, lambda field: defaults((field,))[0])


def values(fields: Iterable[Field], name: str, attributes: Mapping[str, Any]) -> tuple[str, ...]:
    """What fills each field for a reader: one line of at most LONGEST characters, the default where there is nothing.

    Numbers and booleans are said as JSON does; lists and objects are nothing. In an address it is percent-encoded.
    """
    said = ((field, _said(_fact(field.name, name, attributes)) or field.default) for field in fields)
    return tuple(_encoded(value) if field.in_address else value for field, value in said)


def defaults(fields: Iterable[Field]) -> tuple[str, ...]:
    """What fills each field for a reader of whom nothing is known."""
    return values(fields, "", {})


def paths(wanted: str) -> tuple[tuple[str, ...], ...]:
    """Where the fact of this name may stand in the attributes, the first place that says anything counts."""
    inside = tuple(wanted.split("."))
    asked = (wanted,), (wanted.casefold(),)  # the columns of an import become lower case
    return tuple(dict.fromkeys((*asked, *([inside] if all(inside) else []))))


def _each(text: str, put: Callable[[Field], str]) -> str:
    """`text` with what `put` makes of each field in the place of that field."""
    rest = _ADDRESS.sub(lambda address: _FIELD.sub(lambda one: put(_field(one, in_address=True)), address[0]), text)
    return _FIELD.sub(lambda one: put(_field(one)), rest)


def _field(found: re.Match[str], in_address: bool = False) -> Field:
    return Field(found[1], _one_line(found[2]), in_address)


def _encoded(value: str) -> str:
    whole = value.encode()[:_LONGEST_IN_ADDRESS].decode(errors="ignore")  # no character by half
    return quote(whole, safe="")


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
