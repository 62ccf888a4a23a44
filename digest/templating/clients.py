"""What mail readers make of HTML and CSS: a small table of ours, for what templates use (A-10).

Facts as of 2026, from tests that caniemail.com publishes; `lacking` names the readers that drop the thing altogether,
in at least one of their programs. What lacks somewhere may be used where a fallback is stated: the mail is whole
without it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

CLIENTS = ("gmail", "apple-mail", "outlook.com", "outlook-windows", "yahoo")
_MODERN = "gmail outlook.com outlook-windows yahoo"


@dataclass(frozen=True)
class Support:
    """Who drops it, and what the mail is then: "" where nobody may rely on its absence being harmless."""

    lacking: frozenset[str] = frozenset()
    fallback: str = ""


def _dropped(by: str, fallback: str = "") -> Support:
    return Support(frozenset(by.split()), fallback)


_EVERYWHERE = (
    *("background", "background-color", "border", "border-collapse", "direction", "display", "font", "font-size"),
    *("font-weight", "letter-spacing", "line-height", "list-style-type", "margin", "max-width", "padding"),
    *("text-align", "text-decoration", "text-indent", "text-transform", "vertical-align", "width"),
    *("color", "font-family", "font-style"),  # which nobody has to test
)

PROPERTIES: Mapping[str, Support] = MappingProxyType(
    {
        **dict.fromkeys(_EVERYWHERE, Support()),
        "height": _dropped("yahoo", "images keep their attribute, boxes their content's height"),
        "max-height": _dropped("outlook-windows", "only hides the preheader, which mso-hide hides there"),
        "opacity": _dropped("gmail outlook-windows", "only hides the preheader, which display hides there"),
        "overflow": _dropped("outlook-windows", "only hides the preheader, which mso-hide hides there"),
        "text-decoration-color": _dropped("gmail outlook-windows", "links are underlined in the colour of their words"),
        "text-decoration-thickness": _dropped(_MODERN, "the underline has its usual strength"),
        "text-underline-offset": _dropped(_MODERN, "the underline stands where it usually does"),
        "overflow-wrap": _dropped(_MODERN, "a very long word is broken by word-break, or makes its line wider"),
        "word-break": _dropped("yahoo", "a very long word makes its line wider"),
        "word-spacing": _dropped("outlook-windows", "words stand as usual"),
        "color-scheme": _dropped(_MODERN, "the reader's own dark mode inverts the palette, which is readable inverted"),
        "outline": _dropped("outlook-windows", "images have no outline there"),
        "border-radius": _dropped("outlook-windows", "corners are square"),
        "min-width": _dropped("outlook-windows"),
        "min-height": _dropped("outlook-windows"),
        "white-space": _dropped("outlook-windows", "lines break where they fit"),
        "cursor": _dropped("gmail apple-mail outlook.com yahoo", "the pointer is the usual one"),
        "box-shadow": _dropped("gmail outlook-windows yahoo", "boxes have no shadow"),
        "text-shadow": _dropped("gmail outlook.com outlook-windows", "letters have no shadow"),
        "background-image": _dropped("outlook-windows"),
        "background-position": _dropped("outlook-windows"),
        "background-repeat": _dropped("outlook-windows"),
        "background-size": _dropped("gmail outlook-windows"),
        "box-sizing": _dropped("gmail outlook-windows yahoo"),
        "float": _dropped("outlook-windows"),
        "gap": _dropped("gmail outlook-windows yahoo"),
        "object-fit": _dropped("gmail outlook-windows yahoo"),
        "position": _dropped("gmail outlook-windows"),
        "transform": _dropped(_MODERN),
        "visibility": _dropped("gmail outlook-windows"),
        "z-index": _dropped("gmail outlook-windows"),
        "animation": _dropped(_MODERN),
        "transition": _dropped("gmail outlook.com outlook-windows", "changes are sudden"),
    }
)

# Values that only some readers know, found in a declaration.
VALUES: Mapping[str, Support] = MappingProxyType(
    {
        "display:flex": _dropped("outlook-windows"),
        "display:grid": _dropped("outlook-windows"),
        "rem": _dropped("outlook-windows yahoo"),
        "calc()": _dropped("outlook.com outlook-windows yahoo"),
        "clamp()": _dropped("outlook.com outlook-windows yahoo"),
        "rgba()": _dropped("outlook-windows"),
        "var()": _dropped(_MODERN),
        "vw": _dropped("outlook-windows"),
    }
)

# Rules of style blocks and elements; all that they do is more than what stands in the elements' own styles.
ELEMENTS: Mapping[str, Support] = MappingProxyType(
    {
        "<style>": _dropped("gmail", "every essential style stands in its element"),
        "@media": _dropped("gmail outlook-windows", "one column, which fits from 320 pixels on"),
        "prefers-color-scheme": _dropped(
            "gmail outlook-windows yahoo", "the reader's own inversion, which is readable"
        ),
        ":hover": _dropped("gmail outlook-windows", "links look the same under the pointer"),
        ">": _dropped("gmail outlook-windows", "what it selects keeps the style of its element"),
        "<bdi>": _dropped(_MODERN, "the words stay, in the order that their letters ask for"),
        "aria-label": _dropped("yahoo", "the link's own words are read"),
        "<picture>": _dropped(_MODERN),
        "srcset": _dropped(_MODERN),
        "<svg>": _dropped(_MODERN),
        "hidden": _dropped(_MODERN),
        "@font-face": _dropped("gmail outlook.com yahoo"),
    }
)

_OURS_ALONE = ("mso-", "-webkit-", "-ms-", "-moz-", "supported-color-schemes")
_LONGHANDS = re.compile(r"-(?:top|right|bottom|left|color|style|width)\b.*")
_UNITS = re.compile(r"\d(rem|vw)\b")
_FUNCTIONS = re.compile(r"\b(calc|clamp|rgba|var)\(")


def unsupported(declarations: str) -> Iterator[str]:
    """What `declarations` ("color:#333;gap:1px") ask for that some reader drops with nothing in its place; sentences.

    A property that the table does not know is told, too: nobody has looked at it.
    """
    for one in declarations.split(";"):
        name, colon, value = one.partition(":")
        name, value = name.strip().lower(), value.strip().lower()
        if not colon or name.startswith(_OURS_ALONE):
            continue
        support = PROPERTIES.get(name) or PROPERTIES.get(_LONGHANDS.sub("", name))
        if support is None:
            yield f"{name}: not in the table of what mail readers show"
            continue
        yield from _told(name, support)
        for asked in _asked(name, value):
            yield from _told(asked, VALUES[asked])


def _asked(name: str, value: str) -> Iterator[str]:
    if f"{name}:{value}" in VALUES:
        yield f"{name}:{value}"
    yield from _UNITS.findall(value)
    yield from (f"{found}()" for found in _FUNCTIONS.findall(value))


def _told(what: str, support: Support) -> Iterator[str]:
    if support.lacking and not support.fallback:
        yield f"{what}: dropped by {', '.join(one for one in CLIENTS if one in support.lacking)}"
