"""How mails look: colours, typefaces, width, logo; and the contrast that every pair of colours must have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import product
from types import MappingProxyType

LEAST_CONTRAST = 4.5  # of text, WCAG 2.2 section 1.4.3
COLOUR = re.compile(r"#[0-9a-f]{6}")

# What is written on what.
PAIRS = (
    *product(("ink", "text", "muted", "accent"), ("card", "panel")),
    *product(("ink", "muted"), ("page",)),
    ("on_button", "button"),
)


@dataclass(frozen=True)
class Palette:
    """Colours by role, each "#rrggbb" in small letters; `PAIRS` says which stand on which."""

    page: str  # around the mail
    card: str  # behind the articles
    panel: str  # behind short pieces, sponsors
    ink: str  # headlines, links
    text: str
    muted: str  # bylines, footer
    accent: str  # kickers, the rule on top
    rule: str  # lines between articles
    button: str
    on_button: str


@dataclass(frozen=True)
class Theme:
    """Everything that a template knows of looks; typefaces are CSS lists in single quotes, widths are pixels."""

    light: Palette
    dark: Palette
    heading_font: str
    text_font: str
    width: int = 600
    logo: str | None = None  # https URL of a PNG or JPEG, instead of the site's
    logo_height: int = 56


_SERIF = "Georgia,'Times New Roman',Times,serif"
_SANS = "'Helvetica Neue',Helvetica,Arial,sans-serif"
_PAPER = Theme(
    light=Palette(
        page="#efece4",
        card="#ffffff",
        panel="#f7f5f0",
        ink="#17191c",
        text="#36393d",
        muted="#5f625f",
        accent="#9c1c20",
        rule="#d8d3c6",
        button="#17191c",
        on_button="#ffffff",
    ),
    dark=Palette(
        page="#0f1113",
        card="#181b1e",
        panel="#202428",
        ink="#f3f0e9",
        text="#d2d0ca",
        muted="#a6a7a3",
        accent="#f9aaa3",
        rule="#3a3f44",
        button="#f3f0e9",
        on_button="#17191c",
    ),
    heading_font=_SERIF,
    text_font=_SANS,
)
_SLATE = replace(
    _PAPER,
    light=replace(
        _PAPER.light,
        page="#e8edf1",
        panel="#f3f6f8",
        ink="#10202e",
        text="#31404c",
        muted="#51606b",
        accent="#0b5394",
        rule="#cdd6dd",
        button="#0b5394",
    ),
    dark=replace(
        _PAPER.dark,
        page="#0c1116",
        card="#141b22",
        panel="#1b242d",
        ink="#eef3f7",
        text="#cbd5dd",
        muted="#a3afb9",
        accent="#9cc9f5",
        rule="#35414c",
        button="#9cc9f5",
        on_button="#0c1116",
    ),
    heading_font=_SANS,
)
_PRESS = replace(
    _PAPER,
    light=replace(
        _PAPER.light, page="#ffffff", panel="#f4f4f4", ink="#000000", text="#222222", muted="#555555", accent="#000000"
    ),
    dark=replace(_PAPER.dark, page="#000000", card="#0d0d0d", panel="#1a1a1a", ink="#ffffff", accent="#ffffff"),
)
_FIELD = replace(
    _PAPER,
    light=replace(
        _PAPER.light,
        page="#eef1e7",
        panel="#f5f7f0",
        ink="#17231a",
        text="#354038",
        muted="#566158",
        accent="#1d6135",
        rule="#d0d8c8",
        button="#1d6135",
    ),
    dark=replace(
        _PAPER.dark,
        page="#0d120e",
        card="#151c17",
        panel="#1d261f",
        accent="#a5dcb4",
        rule="#37443a",
        button="#a5dcb4",
        on_button="#0d120e",
    ),
)

THEMES: Mapping[str, Theme] = MappingProxyType({"paper": _PAPER, "slate": _SLATE, "press": _PRESS, "field": _FIELD})
STANDARD = "paper"


@dataclass(frozen=True)
class ThemeConfig:
    """A theme of the newsroom's own: what differs from a shipped one."""

    id: str
    base: str = STANDARD  # one of THEMES
    light: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))  # role -> colour
    dark: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    heading_font: str | None = None
    text_font: str | None = None
    width: int | None = None
    logo: str | None = None
    logo_height: int | None = None
    low_contrast: bool = False  # True: taken although people will find it hard to read


ROLES = tuple(one.name for one in fields(Palette))


def made(config: ThemeConfig) -> Theme:
    """The theme that `config` describes; KeyError if its base is none of THEMES."""
    base = THEMES[config.base]
    own = {
        name: value
        for name in ("heading_font", "text_font", "width", "logo", "logo_height")
        if (value := getattr(config, name)) is not None
    }
    return replace(base, light=replace(base.light, **config.light), dark=replace(base.dark, **config.dark), **own)


def faint(theme: Theme) -> Iterator[tuple[str, str, str, float]]:
    """The pairs below LEAST_CONTRAST as (mode, front, back, contrast), also as a mail program inverts them naively."""
    for mode in ("light", "dark"):
        palette: Palette = getattr(theme, mode)
        for front, back in PAIRS:
            one, two = getattr(palette, front), getattr(palette, back)
            least = min(contrast(one, two), contrast(inverted(one), inverted(two)))
            if least < LEAST_CONTRAST:
                yield mode, front, back, least


def contrast(one: str, two: str) -> float:
    """The contrast ratio of two colours, 1 to 21 (WCAG 2.2)."""
    darker, lighter = sorted((_luminance(one), _luminance(two)))
    return (lighter + 0.05) / (darker + 0.05)


def inverted(colour: str) -> str:
    """The colour that a mail program with a naive dark mode makes of it."""
    return "#" + "".join(f"{255 - int(colour[at : at + 2], 16):02x}" for at in (1, 3, 5))


def _luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
