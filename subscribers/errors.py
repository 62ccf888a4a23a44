"""What can go wrong with people and their lists, as one tree; each shell has one table that translates it.

SubscriberError
├── BadAddress      the text is not an address we mail; also a ValueError; `code` is stable, the message is a sentence
├── UnknownList     there is no list of that id
├── UnknownPerson   nobody has that address
├── NoConsent       somebody would be confirmed without a word on where the consent came from
├── BadFile         the file can't be read as a list of people
├── BadAttributes   attributes that are too large, too deep or no JSON
└── BadFilter       a segment's filter can't be read; `at` is where, from 1
"""

from __future__ import annotations


class SubscriberError(Exception):
    """Something about a person or a list that we foresaw; the message is one clear sentence."""


class BadAddress(SubscriberError, ValueError):
    """Not an address that we mail; `code` stays the same over releases and at every door."""

    def __init__(self, code: str, sentence: str) -> None:
        self.code = code
        super().__init__(sentence)


class UnknownList(SubscriberError):
    """There is no list of that id."""


class UnknownPerson(SubscriberError):
    """Nobody has that address."""


class NoConsent(SubscriberError):
    """Nobody is confirmed without a word on where the consent came from."""


class BadFile(SubscriberError):
    """The file can't be read as a list of people."""


class BadAttributes(SubscriberError, ValueError):
    """Attributes that are too large, too deep or no JSON."""


class BadFilter(SubscriberError, ValueError):
    """A segment's filter can't be read; `at` is the place in it, from 1."""

    def __init__(self, sentence: str, at: int) -> None:
        self.at = at
        super().__init__(f"{sentence}, at character {at} of the filter")
