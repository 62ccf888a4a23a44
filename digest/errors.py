"""What can go wrong, as one tree; each shell has one table that translates it.

DigestError
├── ConfigError          the settings can't be used: every problem, with key, value and what was expected
├── UsageError           the command or request asks for something that is not there or not allowed
│   ├── NotFound         no such edition, issue, article, source, list, subscriber or template
│   └── Declared         the row is declared in config.toml and is changed there, not here
├── TemplateError        a template or a line typed by staff can't be rendered: where, what
├── NothingToDo          the work asked for is already done, or there is none
├── NeedsDecision        a person has to decide before this goes on
│   ├── IllegalMove      a state that does not lead to the one asked for
│   └── NotAdopted       the database is a copy that a person has not adopted: it sends nothing
├── PageUnread           a page whose facts were asked for could not be read, or says no headline
├── Stopped              we were asked to stop before the work was done: what is left, and how it goes on
├── DatabaseUnavailable  the database is locked, full or out of reach
└── RelayUnavailable     no relay could be spoken to
"""

from __future__ import annotations

from collections.abc import Sequence


class DigestError(Exception):
    """Something went wrong that we foresaw; the message is one clear sentence for a person."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").splitlines()[0])


class ConfigError(DigestError):
    """The settings can't be used."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class UsageError(DigestError):
    """That is not something that can be asked for."""


class NotFound(UsageError):
    """There is no such thing."""


class Declared(UsageError):
    """This is declared in config.toml: change it there."""


class TemplateError(DigestError):
    """The template can't be rendered."""


class NothingToDo(DigestError):
    """There is nothing to do."""


class NeedsDecision(DigestError):
    """A person has to decide before this goes on."""

    def __init__(self, why: str | None = None, way: str = "") -> None:
        super().__init__(f"{why} {way}" if way else why)
        self.why = why or str(self)  # without the way to decide it


class IllegalMove(NeedsDecision):
    """That step is not possible from the present state."""


class NotAdopted(NeedsDecision):
    """The database is a copy: nothing is sent from it before `digest adopt`."""


class PageUnread(DigestError):
    """The page could not be read."""


class Stopped(DigestError):
    """We were asked to stop; the same command goes on from here."""


class DatabaseUnavailable(DigestError):
    """The database is locked, full or out of reach."""


class RelayUnavailable(DigestError):
    """No relay could be spoken to."""
