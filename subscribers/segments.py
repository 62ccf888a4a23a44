"""The filter language of segments: words to a tree. Pure; docs/lists.md describes it for people.

    language = de and (tag = vip or attributes.city in ("Bern", "Basel")) and not got weekly 12

Nothing of the text ever becomes SQL: `segment_rules` makes expressions of the tree, every value bound.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from subscribers import attributes
from subscribers.addresses import identity, normalise_domain
from subscribers.errors import BadAddress, BadFilter
from subscribers.models import Status

LONGEST = 2_000  # characters
DEEPEST = 20  # brackets and nots within each other
MOST_TESTS = 100
MOST_VALUES = 500  # of one `in`

TEXTS = ("email", "domain", "name", "language")
DATES = ("joined", "confirmed", "left")
FIELDS = (*TEXTS, *DATES, "status", "list", "tag", "attributes.NAME", "got", "missed")
COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")
PLACES = ("contains", "begins", "ends")

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<sign>!=|<=|>=|=|<|>|\(|\)|,)
      | (?P<word>[^\s"'()=<>!,]+)
    )""",
    re.VERBOSE | re.DOTALL,
)
_UNITS = {"hour": 1, "hours": 1, "day": 24, "days": 24, "week": 168, "weeks": 168}
_RESERVED = frozenset({"and", "or", "not", "in", "is"})


@dataclass(frozen=True)
class Ago:
    """An instant that is told from now."""

    span: timedelta


Value = str | float | date | Ago


@dataclass(frozen=True)
class Test:
    """A field held against values: `field` is one of FIELDS, of an attribute with its `key`.

    `operator` is one of COMPARISONS and PLACES, or in, set.
    """

    field: str
    operator: str
    values: tuple[Value, ...] = ()
    key: str = ""


@dataclass(frozen=True)
class Got:
    """Whether an issue of the edition reached the person: the one of that number, or any."""

    edition: str
    number: int | None = None


@dataclass(frozen=True)
class Not:
    """The opposite."""

    of: Node


@dataclass(frozen=True)
class All:
    """Every one of them."""

    of: tuple[Node, ...]


@dataclass(frozen=True)
class AnyOf:
    """At least one of them."""

    of: tuple[Node, ...]


Node = Test | Got | Not | All | AnyOf


def parse(text: str) -> Node:
    """The tree of a filter; BadFilter says what was expected, and where."""
    if len(text) > LONGEST:
        raise BadFilter(f"a filter has at most {LONGEST} characters, this has {len(text)}", LONGEST + 1)
    parser = _Parser(text)
    tree = parser.either(0)
    if not parser.over:
        raise parser.wrong("and, or, or the end")
    return tree


def named(tree: Node) -> Iterator[tuple[str, str]]:
    """The editions and lists that a filter names, each with the word "edition" or "list" before it."""
    match tree:
        case Not():
            yield from named(tree.of)
        case All() | AnyOf():
            for part in tree.of:
                yield from named(part)
        case Got():
            yield "edition", tree.edition
        case Test(field="list"):
            yield from (("list", str(value)) for value in tree.values)


@dataclass(frozen=True)
class _Token:
    kind: str  # text, sign, word, end
    text: str
    at: int  # from 1

    @property
    def word(self) -> str:
        """What it says as a word of the language; "" for a quoted text, which never is one."""
        return self.text.casefold() if self.kind == "word" else ""


def _tokens(text: str) -> list[_Token]:
    found, at, end = [], 0, len(text.rstrip())
    while at < end:
        token = _TOKEN.match(text, at)
        if token is None:
            start = at + len(text[at:]) - len(text[at:].lstrip())
            raise BadFilter(f"a sign that means nothing here: {text[start]!r}", start + 1)
        kind = str(token.lastgroup)
        said = token[kind]
        if kind == "text":
            said = re.sub(r"\\(.)", r"\1", said[1:-1], flags=re.DOTALL)
        found.append(_Token(kind, said.replace("\x00", ""), token.start(kind) + 1))
        at = token.end()
    return [*found, _Token("end", "", end + 1)]


class _Parser:
    """One reading of a filter, from left to right."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._next = 0
        self._tests = 0

    @property
    def over(self) -> bool:
        return self._here.kind == "end"

    @property
    def _here(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._here
        self._next += token.kind != "end"
        return token

    def _took(self, *words: str) -> str:
        """The word or sign if it is one of these, and then gone; "" otherwise."""
        token = self._here
        said = token.word or (token.text if token.kind == "sign" else "")
        if said not in words:
            return ""
        self._take()
        return said

    def wrong(self, expected: str, token: _Token | None = None) -> BadFilter:
        """The error for what stands here."""
        token = token or self._here
        got = f'"{token.text[:40]}"' if token.kind != "end" else "the end"
        return BadFilter(f"expected {expected}, got {got}", token.at)

    def either(self, depth: int) -> Node:
        """Parts with `or` between."""
        parts = [self._both(depth)]
        while self._took("or"):
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def _both(self, depth: int) -> Node:
        parts = [self._one(depth)]
        while self._took("and"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _one(self, depth: int) -> Node:
        if depth > DEEPEST:
            raise BadFilter(f"brackets go deeper than {DEEPEST}", self._here.at)
        if self._took("not"):
            return Not(self._one(depth + 1))
        if self._took("("):
            tree = self.either(depth + 1)
            if not self._took(")"):
                raise self.wrong("a closing bracket")
            return tree
        self._tests += 1
        if self._tests > MOST_TESTS:
            raise BadFilter(f"a filter has at most {MOST_TESTS} tests", self._here.at)
        if self._here.word in ("got", "missed"):
            return self._issue()
        return self._test()

    def _issue(self) -> Node:
        missed = self._take().word == "missed"
        edition = self._name("the id of an edition")
        number = int(self._take().text) if re.fullmatch("[0-9]{1,9}", self._here.word) else None
        return Not(Got(edition, number)) if missed else Got(edition, number)

    def _test(self) -> Node:
        token = self._take()
        field, _, key = token.text.partition(".") if token.kind == "word" else ("", "", "")
        field = field.casefold()
        if field == "attributes" and token.kind == "word":
            key = key or (self._take().text if self._here.kind == "text" else "")
            if not key:
                raise self.wrong("a name after attributes., as in attributes.city", token)
        elif field not in (*TEXTS, *DATES, "status", "list", "tag") or key:
            raise self.wrong(f"one of {', '.join(FIELDS)}", token)
        return self._compared(field, key)

    def _compared(self, field: str, key: str) -> Node:
        if self._took("is"):
            return self._presence(field, key)
        negated = self._took("not")
        if negated and self._here.word != "in":
            raise self.wrong("in, as in not in (a, b)")
        if self._took("in"):
            found: Node = Test(field, "in", self._listed(field), key)
            return Not(found) if negated else found
        operator = self._took(*self._operators(field))
        if not operator:
            raise self.wrong(", ".join((*self._operators(field), "in", "is set", "is missing")))
        value = self._value(field, operator)
        return Not(Test(field, "=", (value,), key)) if operator == "!=" else Test(field, operator, (value,), key)

    def _operators(self, field: str) -> Sequence[str]:
        if field in DATES:
            return COMPARISONS
        if field == "attributes":
            return (*COMPARISONS, *PLACES)
        return ("=", "!=", *PLACES) if field in TEXTS else ("=", "!=")

    def _presence(self, field: str, key: str) -> Node:
        there = self._took("set", "missing")
        if not there:
            raise self.wrong("set or missing")
        found = Test(field, "set", key=key)
        return found if there == "set" else Not(found)

    def _listed(self, field: str) -> tuple[Value, ...]:
        if not self._took("("):
            raise self.wrong("an opening bracket, as in in (a, b)")
        values = [self._value(field, "=")]
        while self._took(","):
            if len(values) >= MOST_VALUES:
                raise BadFilter(f"a list has at most {MOST_VALUES} values", self._here.at)
            values.append(self._value(field, "="))
        if not self._took(")"):
            raise self.wrong("a comma or a closing bracket")
        return tuple(values)

    def _name(self, expected: str) -> str:
        token = self._here
        if token.kind not in ("word", "text") or token.word in _RESERVED:
            raise self.wrong(expected)
        return self._take().text

    def _value(self, field: str, operator: str) -> Value:
        if field in DATES:
            return self._date(operator)
        token = self._here
        said = self._name("a value, in quotes if it has spaces")
        if field == "status" and said.casefold() not in list(Status):
            raise self.wrong(" or ".join(Status), token)
        if field == "attributes":
            return self._ordered(said, token) if operator in ("<", "<=", ">", ">=") else said
        if field == "tag":
            return next(iter(attributes.tags([said])), "")
        if field in ("email", "domain"):
            return _as_kept(field, said)
        return said if field in ("name", "list") else said.casefold()

    def _ordered(self, said: str, token: _Token) -> Value:
        """A value that attributes are more or less than: both databases order numbers and dates alike."""
        if re.fullmatch(r"-?[0-9]{1,30}(\.[0-9]{1,30})?", said):
            return float(said)
        try:
            return date.fromisoformat(said)
        except ValueError:
            raise self.wrong("a number, or a date like 2026-05-31", token) from None

    def _date(self, operator: str) -> Value:
        token = self._here
        said = self._name("a date like 2026-05-31, or 30 days ago")
        if re.fullmatch("[0-9]{1,4}", said) and (hours := _UNITS.get(self._here.word)):
            self._take()
            if not self._took("ago"):
                raise self.wrong("ago, as in 30 days ago")
            if operator == "=":
                raise self.wrong("a date, or < or > before a time that is told from now", token)
            return Ago(timedelta(hours=int(said) * hours))
        try:
            return date.fromisoformat(said)
        except ValueError:
            raise self.wrong("a date like 2026-05-31, or 30 days ago", token) from None


def _as_kept(field: str, said: str) -> str:
    """An address or a domain as it is stored; of a part of one, its small letters."""
    try:
        return identity(said)[0] if field == "email" else normalise_domain(said)
    except BadAddress:
        return said.lower()
