"""Which language a page speaks: what the address asks for, else what the reader's browser prefers. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from babel import Locale

from digest.templating.wording import fitting

_MOST = 20  # languages of a header that are looked at
_ITEM = re.compile(r"\s*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*|\*)\s*(?:;\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*)?")


def chosen(accepted: str, known: Collection[str], default: str) -> str:
    """The language in `known` that an Accept-Language header likes best (RFC 9110 section 12.5.4), else `default`.

    >>> chosen("tlh, de-AT;q=0.8, en;q=0.5", ["de", "en"], "en")
    'de'
    """
    return next((found for tag in _preferred(accepted) if (found := serving(tag, known))), default)


def serving(tag: str, known: Collection[str]) -> str:
    """The language in `known` that serves a reader of `tag`, "" when none does.

    >>> serving("pt-BR", ["pt"]), serving("sw", ["pt"])
    ('pt', '')
    """
    if not _ITEM.fullmatch(tag):
        return ""
    found = fitting(tag, known)
    return found if found in known and found.partition("-")[0].lower() == tag.partition("-")[0].lower() else ""


def own_name(tag: str) -> str:
    """What a language of the settings calls itself.

    >>> own_name("fr"), own_name("pt-BR")
    ('Français', 'Português (Brasil)')
    """
    name = Locale.parse(tag, sep="-").display_name or tag
    return name[:1].upper() + name[1:]


def _preferred(accepted: str) -> Iterator[str]:
    items = [item for text in accepted.split(",")[:_MOST] if (item := _ITEM.fullmatch(text)) and item[1] != "*"]
    liked = [(float(item[2] or 1), item[1]) for item in items]
    yield from (tag for quality, tag in sorted(liked, key=lambda one: -one[0]) if quality > 0)
