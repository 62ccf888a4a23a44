"""What a page source selects: CSS selectors by name, each perhaps ending in @ATTRIBUTE ("img@data-src")."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from digest.config.kinds import Kind, Wrong, shown, unprintable

NAMES = ("article", "link", "title", "dek", "time", "author", "image", "section")
_LONGEST = 500
_ATTRIBUTE = re.compile(r"(?P<css>[^@]*|.*[\])\w\s*])@(?P<name>[A-Za-z_][A-Za-z0-9_:.-]*)", re.DOTALL)
_EXPECTED = f"a table of CSS selectors, with the names {', '.join(NAMES)}"


def split(selector: str) -> tuple[str, str]:
    """The CSS of a selector and the attribute that it asks for, either perhaps empty."""
    found = _ATTRIBUTE.fullmatch(selector.strip())
    return (found["css"].strip(), found["name"].lower()) if found else (selector.strip(), "")


def _read(raw: Any) -> Mapping[str, str]:
    if not isinstance(raw, Mapping):
        raise Wrong(_EXPECTED)
    for name in raw:
        if name not in NAMES:
            near = get_close_matches(str(name), NAMES, 1, 0.5)
            raise Wrong(_EXPECTED + (f" (did you mean {near[0]}?)" if near else ""), shown(name))
    return MappingProxyType({name: _selector(name, value) for name, value in raw.items()})


def _selector(name: str, raw: Any) -> str:
    expected = f'CSS for {name} like "h2 > a" or "img@data-src"'
    if not isinstance(raw, str) or unprintable(raw) or len(raw) > _LONGEST:
        raise Wrong(expected, shown(raw))
    css, attribute = split(raw)
    # Of the article itself an attribute may stand alone: "@data-date". What an article is must be said.
    if (css or not attribute or name == "article") and not _is_css(css):
        raise Wrong(expected, shown(raw))
    return raw.strip()


def _is_css(css: str) -> bool:
    from selectolax.lexbor import LexborHTMLParser, SelectolaxError  # takes a while: only who selects waits for it

    try:
        LexborHTMLParser("<p></p>").css(css)
    except SelectolaxError:
        return False
    return True


SELECT = Kind(_EXPECTED, _read)
