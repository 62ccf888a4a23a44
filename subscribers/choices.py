"""What a person chose on a list: which sections and authors to follow or mute, and which editions to get. Pure.

`Subscription.choices` holds them as JSON; names that a list has no more are kept and mean nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

MOST = 200  # names of one kind: what a page sends beyond is not kept
LONGEST = 200  # characters of a name


@dataclass(frozen=True)
class Choices:
    """Ids of sections and editions, names of authors (case-folded), each sorted.

    Nothing chosen is everything: whoever follows some sections or authors gets those alone; what is muted never comes.
    """

    sections: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    muted_sections: tuple[str, ...] = ()
    muted_authors: tuple[str, ...] = ()
    editions: tuple[str, ...] = ()  # of the list's editions only these; none: all of them


_AUTHORS = ("authors", "muted_authors")
_FIELDS = ("sections", "authors", "muted_sections", "muted_authors", "editions")


def chosen(**names: Iterable[str]) -> Choices:
    """The choices with these names, trimmed, distinct and sorted: equal wishes are equal values."""
    return Choices(**{field: _names(field, names.get(field, ())) for field in _FIELDS})


def read(stored: Mapping[str, Any]) -> Choices:
    """The choices in `Subscription.choices`; what is of another shape counts as nothing chosen."""
    lists = {field: value for field, value in stored.items() if field in _FIELDS and isinstance(value, list)}
    return chosen(**{field: [name for name in value if isinstance(name, str)] for field, value in lists.items()})


def written(choices: Choices) -> dict[str, Any]:
    """As `Subscription.choices` keeps them: only what was chosen, so that {} is everything."""
    return {field: list(names) for field in _FIELDS if (names := getattr(choices, field))}


def _names(field: str, names: Iterable[str]) -> tuple[str, ...]:
    said = {" ".join(name.split())[:LONGEST] for name in names}
    return tuple(sorted({name.casefold() for name in said if name} if field in _AUTHORS else said - {""}))[:MOST]
