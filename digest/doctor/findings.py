"""A finding: how bad, where, what, and its mend."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad."""

    OK = "ok"
    WARNING = "warning"  # mail goes out, and something is worth doing
    FAILURE = "failure"  # mail does not go out, or not to inboxes


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; it holds no secret and no address of a person."""

    level: Level
    where: str  # "[[relays]] main", "DNS example.org"
    what: str
    mend: str = ""  # in one sentence; "" when all is well


def good(where: str, what: str) -> Finding:
    """All is well."""
    return Finding(Level.OK, where, what)


def doubtful(where: str, what: str, mend: str) -> Finding:
    """Worth a look."""
    return Finding(Level.WARNING, where, what, mend)


def bad(where: str, what: str, mend: str) -> Finding:
    """Has to be mended."""
    return Finding(Level.FAILURE, where, what, mend)
