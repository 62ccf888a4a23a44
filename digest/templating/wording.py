"""The fixed words of mails and pages in the reader's language: gettext catalogues, one file a language.

English stands in the templates themselves, so a message that a catalogue lacks is said in English.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po
from babel.numbers import format_decimal

from digest.errors import TemplateError

ENGLISH = "en"
_PLACE = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True)
class Wording:
    """The words of one language; `language` is the tag of the catalogue, which may be less than what was asked for."""

    language: str
    words: NullTranslations

    def said(self, message: str) -> str:
        """`message` in this language, its {places} still open."""
        return self.words.gettext(message)

    def counted(self, one: str, many: str, count: int) -> str:
        """`one` or `many` in the plural that `count` asks for, its {places} still open."""
        return self.words.ngettext(one, many, count)

    def number(self, value: int) -> str:
        """`value` as this language writes it: "12,345"."""
        return format_decimal(value, locale=Locale.parse(self.language, sep="-"))


ENGLISH_WORDS = Wording(ENGLISH, NullTranslations())


def filled(message: str, values: Mapping[str, str]) -> str:
    """`message` with its {places} filled in one pass; TemplateError names a place without a value."""

    def value(place: re.Match[str]) -> str:
        if place[1] not in values:
            raise TemplateError(f"the words {message!r} want a value for {place[0]}")
        return values[place[1]]

    return _PLACE.sub(value, message)


@cache
def read(path: Path) -> NullTranslations:
    """The catalogue in a .po file; TemplateError if it is none."""
    try:
        with path.open("rb") as file:
            catalogue = read_po(file, abort_invalid=True)
        compiled = BytesIO()
        write_mo(compiled, catalogue)
    except (OSError, PoFileError, ValueError) as error:
        raise TemplateError(f"{path}: not a catalogue of words (.po): {error}") from error
    compiled.seek(0)
    return GNUTranslations(compiled)


def fitting(tag: str, known: Collection[str]) -> str:
    """The tag in `known` that serves a reader of `tag`: itself, its script's, its language's; else English.

    >>> fitting("pt-BR", ["pt"]), fitting("zh-CN", ["zh-Hans"]), fitting("tlh", [])
    ('pt', 'zh-Hans', 'en')
    """
    by_name = {name.casefold(): name for name in known}
    for candidate in _candidates(tag):
        if candidate.casefold() in by_name:
            return by_name[candidate.casefold()]
    language = tag.partition("-")[0].casefold()
    return next((name for name in sorted(known) if name.partition("-")[0].casefold() == language), ENGLISH)


def _candidates(tag: str) -> Iterator[str]:
    yield tag
    try:
        locale = Locale.parse(tag, sep="-")  # CLDR knows the script of "zh-TW"
    except (UnknownLocaleError, ValueError, TypeError):
        return
    if locale.script:
        yield f"{locale.language}-{locale.script}"
    yield locale.language
