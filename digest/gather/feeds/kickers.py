"""Kickers, "kind | section", and where feeds put them: in a category, or before the headline."""

from __future__ import annotations

import re
from collections.abc import Sequence

# As written in a feed, in small letters -> as we say it.
KINDS = {
    "analysis": "Analysis",
    "reporting": "Reporting",
    "report": "Reporting",
    "opinion": "Opinion",
    "op-ed": "Opinion",
    "commentary": "Opinion",
    "symposium": "Symposium",
    "video": "Video",
    "videos": "Video",
    "qiosk": "QiOSK",
}
_BAR = re.compile(r"\s*\|\s*")


def kicker(title: str, categories: Sequence[str]) -> tuple[str, str | None, str | None]:
    """The title without its kicker, the kind and the section.

    A section is told only by a whole kicker ("Analysis | Global Crises"); a kind by a category alone as well.
    """
    parts = _BAR.split(title)
    if len(parts) == 3 and _kind(parts[0]) and parts[2]:
        return parts[2], _kind(parts[0]), parts[1] or None
    for category in categories:
        parts = _BAR.split(category)
        if len(parts) == 2 and _kind(parts[0]) and parts[1]:
            return title, _kind(parts[0]), parts[1]
    kinds = [kind for kind in map(_kind, categories) if kind]
    return title, kinds[0] if kinds else None, None


def is_kind(category: str) -> bool:
    """True for a category that tells the kind of an article, alone or in a kicker."""
    return _kind(_BAR.split(category)[0]) is not None


def _kind(word: str) -> str | None:
    return KINDS.get(word.strip().casefold())
