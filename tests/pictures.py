"""Pictures of every mail, to look at: `make pictures`, or `python tests/pictures.py [FOLDER]`; wants a chromium."""

from __future__ import annotations

import base64
import math
import re
import struct
import sys
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import chromium
import samples
from chromium import Frame

from digest.compose.rendering import render, render_letter
from digest.templating import Templates, template_root
from digest.theme import STANDARD, THEMES

Colour = tuple[int, int, int]
WIDE, HIGH = 600, 338


def png(width: int, height: int, colour: Callable[[int, int], Colour]) -> bytes:
    """A PNG of `colour(x, y)`."""
    rows = b"".join(b"\0" + bytes(v for x in range(width) for v in colour(x, y)) for y in range(height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def between(one: Colour, two: Colour, part: float) -> Colour:
    part = min(1.0, max(0.0, part))
    return tuple(round(a + (b - a) * part) for a, b in zip(one, two, strict=True))  # type: ignore[return-value]


def _sea(x: int, y: int) -> Colour:
    sky = between((38, 52, 78), (232, 150, 104), y / 205)
    sun = math.hypot(x - 430, y - 196)
    sky = between((255, 226, 170), sky, (sun - 22) / 60)
    hull = 150 <= x <= 330 and 196 - 0.02 * (x - 150) <= y <= 214 - max(0, 158 - x) * 2
    bridge = 168 <= x <= 196 and 160 <= y <= 200
    boxes = 204 <= x <= 316 and 184 - (x // 28 % 3) * 6 <= y <= 200
    if hull or bridge or (boxes and x % 28 > 1):
        return (24, 28, 38)
    if y < 205:
        hills = 205 - 14 - 10 * math.sin(x / 47) - 6 * math.sin(x / 19)
        return between(sky, (58, 60, 82), 0.85) if y > hills and x > 360 else sky
    glitter = 0.55 * math.exp(-(((x - 430) / (18 + (y - 205) * 0.7)) ** 2)) * (0.6 + 0.4 * math.sin(y * 1.9 + x / 13))
    return between(between((96, 78, 88), (22, 32, 48), (y - 205) / 110), (255, 206, 150), glitter)


def _clocks(x: int, y: int) -> Colour:
    wall = between((206, 198, 180), (150, 142, 128), y / HIGH)
    for centre, angle in ((200, 0.6), (400, 2.4)):
        away = math.hypot(x - centre, y - 140)
        if away < 74:
            turn = math.atan2(y - 140, x - centre)
            hand = away < 56 and abs(math.sin(turn - angle)) * away < 2.5 and math.cos(turn - angle) > 0
            short = away < 36 and abs(math.sin(turn + 1.2)) * away < 3.5 and math.cos(turn + 1.2) > 0
            return (40, 40, 42) if hand or short or away > 68 else (248, 245, 236)
    return (70, 52, 42) if y > 280 else wall


def _hangar(x: int, y: int) -> Colour:
    roof = 70 + 60 * ((x - 300) / 300) ** 2
    if y < roof:
        return between((88, 96, 104), (60, 66, 74), y / 130)
    if 240 < x < 370 and 200 < y < 270:
        return between((150, 120, 72), (108, 84, 50), (y - 200) / 70)
    door = abs(x - 300) < 150 and y < 270
    return between((226, 228, 224), (190, 196, 196), y / 270) if door else between((72, 78, 84), (40, 44, 48), y / HIGH)


def _bridge(x: int, y: int) -> Colour:
    sky = between((150, 184, 206), (232, 232, 220), y / 190)
    arch = ((x - 300) / 170) ** 2 + ((y - 250) / 90) ** 2
    if 150 < y < 250 and arch > 1 and 60 < x < 540:
        return between((176, 150, 122), (132, 110, 88), (y - 150) / 100)
    for pole, colour in ((90, (156, 28, 32)), (500, (38, 72, 120))):
        if pole <= x < pole + 4 and 70 < y < 150:
            return (60, 60, 60)
        if pole + 4 <= x < pole + 44 and 72 < y < 98:
            return colour
    return between((92, 126, 120), (52, 82, 86), (y - 220) / 118) if y > 220 else sky


PAINTED = {1: _sea, 2: _clocks, 5: _hangar, 7: _bridge}


@cache
def _image(number: int) -> str:
    return "data:image/png;base64," + base64.b64encode(png(WIDE, HIGH, PAINTED[number])).decode()


def with_images(html: str) -> str:
    """The mail with its images inside, so that nothing is fetched."""
    return re.sub(r"https://meridian\.example/images/(\d+)\.png", lambda found: _image(int(found[1])), html)


def without_images(html: str) -> str:
    """The mail as a reader sees it who has images switched off."""
    return re.sub(r'(<img [^>]*?)src="[^"]*"', r"\1", html)


def without_styles(html: str) -> str:
    """The mail as readers see it whose program drops style blocks."""
    return re.sub(r"<style.*?</style>", "", html, flags=re.DOTALL)


def mails() -> dict[str, str]:
    """The HTML of every shipped mail, by name."""
    templates = Templates(template_root())
    issues = {
        "roundup": ("roundup", samples.ISSUE),
        "roundup-rich": ("roundup", samples.RICH),
        "roundup-arabic": ("roundup", samples.ARABIC),
        "roundup-japanese": ("roundup", samples.JAPANESE),
        "compact": ("compact", samples.RICH),
        "compact-arabic": ("compact", samples.ARABIC),
        "single": ("single", samples.ALONE),
        "single-with-more": ("single", samples.RICH),
    }
    themed = {
        f"roundup-{name}": ("roundup", replace(samples.RICH, theme=theme))
        for name, theme in THEMES.items()
        if name != STANDARD
    }
    shown = {
        name: with_images(render(content, templates, template, "w0").html)
        for name, (template, content) in {**issues, **themed}.items()
    }
    letters = {name: render_letter(name, context, templates, "w0").html for name, context in samples.LETTERS.items()}
    return {**shown, **letters}


def stripped() -> dict[str, str]:
    """Every shipped mail as it comes, with images off, and without its style blocks."""
    found = {}
    for name, html in mails().items():
        found |= {name: html, f"{name}-images-off": without_images(html), f"{name}-no-style": without_styles(html)}
    return found


def posters(page: chromium.Page, drawn: dict[str, str], folder: Path) -> None:
    """The pictures of README and docs."""
    round_up = [
        Frame(drawn["roundup"], 60, 60, 600, 1180),
        Frame(drawn["roundup"], 730, 60, 320, 1060, dark=True),
    ]
    chromium.poster(page, round_up, (1120, 1240), folder / "poster.png")
    names = ("compact", "single", "roundup-arabic", "roundup-japanese", "welcome")
    family = [
        Frame(drawn[name], 40 + 370 * place, 40, 320, 680, dark=place % 2 == 1) for place, name in enumerate(names)
    ]
    chromium.poster(page, family, (1900, 780), folder / "family.png")


def main(folder: Path) -> None:
    """Draw each mail at three widths, light and dark."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = stripped()
    with chromium.page() as page:
        posters(page, drawn, folder)
        for name, html in drawn.items():
            for width in (320, 600, 1280):
                for dark in (False, True):
                    page.show(html, width, dark=dark)
                    page.picture(folder / f"{name}-{width}-{'dark' if dark else 'light'}.png")
    print(f"{6 * len(drawn)} pictures in {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "pictures"))
