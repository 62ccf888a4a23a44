"""Pictures drawn by code: quiet landscapes, seas, contour lines and skylines in flat colours, as small PNG files."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable
from functools import cache

Colour = tuple[int, int, int]
Rows = list[bytes]  # one palette index a pixel

WIDTH, HEIGHT = 1200, 675
STEP = 2  # every second point is drawn: a picture of 600x338 takes a quarter of the time, and suits a mail

# Sky from top to horizon, then land from the farthest to the nearest; the last but one is a light, the last ink.
PALETTES: dict[str, tuple[str, ...]] = {
    "dawn": ("#f6d9c0", "#f8e3cd", "#faecdc", "#d9a58f", "#b5776d", "#82525a", "#4d3548", "#fdf6ea", "#2b2233"),
    "sea": ("#b9d3de", "#cfe1e6", "#e4eeee", "#7fa9b8", "#52869b", "#2f6480", "#1b4560", "#fbf7e8", "#10293c"),
    "forest": ("#dfe6d3", "#e8eddd", "#f1f3e8", "#a9bd9a", "#7b9a78", "#4d755c", "#2c5145", "#fbf4dc", "#17322d"),
    "dusk": ("#3a3f6b", "#5b5586", "#8d739b", "#6b5784", "#4c446f", "#343459", "#222543", "#f5d7a8", "#14162c"),
    "sand": ("#e8dcc3", "#efe6d2", "#f5efe1", "#d8bd8f", "#c19a66", "#9c7149", "#6d4a35", "#fffaf0", "#402a20"),
    "slate": ("#c9ced6", "#d9dde2", "#e7e9ec", "#9aa4b1", "#6f7c8d", "#4b5a6c", "#2f3b4b", "#f6efe0", "#1b2430"),
    "brick": ("#f0cdb4", "#f4dac6", "#f8e7d9", "#d98e6b", "#bc6447", "#8f4336", "#5e2c2d", "#fff3df", "#33191f"),
}


@cache
def picture(scene: str, palette: str, seed: int) -> bytes:
    """A PNG of 600x338 pixels; equal arguments give equal bytes."""
    return _png(WIDTH // STEP, -(-HEIGHT // STEP), _SCENES[scene](seed), [_rgb(colour) for colour in PALETTES[palette]])


@cache
def logo() -> bytes:
    """The magazine's mark, a globe's meridians in a disc: a PNG of 240x240 pixels."""
    rows = [bytearray([0]) * 240 for _ in range(240)]
    for y, row in enumerate(rows):
        for x in range(240):
            dx, dy = (x - 119.5) / 112, (y - 119.5) / 112
            row[x] = _globe(dx, dy)
    return _png(240, 240, [bytes(row) for row in rows], [_rgb(colour) for colour in ("#ffffff", "#16324f", "#f3ead8")])


def _globe(dx: float, dy: float) -> int:
    """The colour of the mark at a place in its unit circle."""
    if dx * dx + dy * dy > 1:
        return 0
    if dx * dx + dy * dy > 0.90:
        return 1
    across = math.sqrt(max(0.0, 1 - dy * dy)) * 0.92
    meridians = any(abs(abs(dx) - across * part) < 0.028 for part in (0.0, 0.42, 0.76))
    parallels = any(abs(abs(dy) - at) < 0.024 for at in (0.0, 0.45))
    return 2 if meridians or parallels else 1


def _hills(seed: int) -> Rows:
    """Ridges one behind the other, paler with distance, and a low sun."""
    ridges = [_ridge(seed, number, 0.46 + 0.13 * number, 0.085 - 0.008 * number) for number in range(4)]
    sun = _disc(300 + seed * 173 % 600, 190 + seed * 29 % 60, 46 + seed * 7 % 20)
    return _paint(lambda x, y: _land(ridges, x, y) or (7 if sun(x, y) else _sky(y, 0.62)))


def _coast(seed: int) -> Rows:
    """A sea to the horizon with the sun's path on it, headlands and a ship."""
    horizon = 0.56 * HEIGHT
    middle = 420 + seed * 157 % 420
    sun = _disc(middle, int(horizon) - 70 - seed * 13 % 50, 52)
    headland = _ridge(seed, 3, 0.53, 0.05)
    side = 1 if seed % 2 else -1
    ship = _ship(middle + side * 260, int(horizon) + 26)

    def colour(x: int, y: int) -> int:
        if ship(x, y):
            return 8
        if y < horizon:
            on_land = y > headland[x] and side * (x - WIDTH / 2) < -130 - 40 * math.sin(y / 9)
            return 5 if on_land else 7 if sun(x, y) else _sky(y, 0.56)
        depth = (y - horizon) / (HEIGHT - horizon)
        reach = 26 + 120 * depth + 34 * math.sin(y * 0.9 + seed) * (0.3 + depth)
        if abs(x - middle) < reach and (y // (3 + int(depth * 7))) % 2 == 0:
            return 7
        return 3 + min(3, int(depth * 3.2 + 0.25 * math.sin(x / 90 + y / 14 + seed)))

    return _paint(colour)


def _skyline(seed: int) -> Rows:
    """Three rows of houses under a wide sky; a few windows are lit."""
    rows = [_houses(seed + 11 * number, number) for number in range(3)]
    moon = _disc(220 + seed * 211 % 760, 130, 40)

    def colour(x: int, y: int) -> int:
        for number in (2, 1, 0):
            top, left = rows[number][x]
            if y >= top:
                lit = number == 2 and (x - left) % 26 in range(9, 17) and (y - top) % 34 in range(14, 26)
                return 7 if lit and (left * 7 + (x - left) // 26 * 5 + (y - top) // 34 * 3) % 7 == 0 else 4 + number
        return 7 if moon(x, y) else _sky(y, 0.7)

    return _paint(colour)


def _contours(seed: int) -> Rows:
    """A map: heights in tints with their contour lines, and a route with two places."""
    peaks = [
        (
            (seed * 331 + number * 467) % WIDTH,
            (seed * 197 + number * 283) % HEIGHT,
            150 + (seed * 53 + number * 71) % 140,
        )
        for number in range(6)
    ]
    heights = [[_height(peaks, x, y) for x in range(0, WIDTH + 4, 4)] for y in range(0, HEIGHT + 4, 4)]

    def at(x: int, y: int) -> float:
        column, row, u, v = x // 4, y // 4, x % 4 / 4, y % 4 / 4
        top = heights[row][column] * (1 - u) + heights[row][column + 1] * u
        bottom = heights[row + 1][column] * (1 - u) + heights[row + 1][column + 1] * u
        return top * (1 - v) + bottom * v

    def route(x: int) -> float:
        return HEIGHT * 0.52 + 90 * math.sin(x / 170 + seed) + 30 * math.sin(x / 61)

    def colour(x: int, y: int) -> int:
        if 140 < x < 1060 and abs(y - route(x)) < 3.2 and x // 18 % 2 == 0:
            return 8
        for place in (140, 1060):
            distance = math.hypot(x - place, y - route(place))
            if distance < 15:
                return 7 if distance < 8 else 8
        level = at(x, y) * 9
        near = level - math.floor(level)
        band = min(5, int(level * 0.62))
        return min(6, band + 1) if near < 0.09 else band

    return _paint(colour)


def _height(peaks: list[tuple[int, int, int]], x: int, y: int) -> float:
    return sum(math.exp(-((x - px) ** 2 + (y - py) ** 2) / (2.0 * width * width)) for px, py, width in peaks)


def _ridge(seed: int, number: int, base: float, swing: float) -> list[float]:
    phase = seed * 1.7 + number * 2.3
    return [
        HEIGHT
        * (
            base
            + swing * math.sin(x / (210 + 30 * number) + phase)
            + swing * 0.5 * math.sin(x / 83 + phase * 1.9)
            + swing * 0.16 * math.sin(x / 29 + phase * 3.1)
        )
        for x in range(WIDTH)
    ]


def _houses(seed: int, number: int) -> list[tuple[int, int]]:
    """For every column the top of its house and the house's left edge."""
    tops: list[tuple[int, int]] = []
    state = seed * 7919 + 17
    while len(tops) < WIDTH:
        state = (state * 1103515245 + 12345) % 2**31
        width = 62 + state // 65536 % 78
        state = (state * 1103515245 + 12345) % 2**31
        top = 265 + number * 85 + state // 65536 % 130
        left = len(tops)
        roof = state // 512 % 3
        tops += [(top - (max(0, 34 - abs(x - width // 2)) if roof == 0 else 0), left) for x in range(width)]
    return tops[:WIDTH]


def _ship(x: int, y: int) -> Callable[[int, int], bool]:
    def inside(px: int, py: int) -> bool:
        dx, dy = px - x, py - y
        hull = 0 <= dy < 13 and abs(dx) < 62 - dy
        boxes = -17 <= dy < 0 and -44 <= dx < 28 and (dx + 44) % 18 < 16
        bridge = -30 <= dy < 0 and 34 <= dx < 48
        return hull or boxes or bridge

    return inside


def _disc(x: int, y: int, radius: int) -> Callable[[int, int], bool]:
    return lambda px, py: (px - x) ** 2 + (py - y) ** 2 < radius * radius


def _sky(y: int, share: float) -> int:
    return min(2, int(3 * y / (HEIGHT * share)))


def _land(ridges: list[list[float]], x: int, y: int) -> int:
    return max((3 + number for number, ridge in enumerate(ridges) if y >= ridge[x]), default=0)


def _paint(colour: Callable[[int, int], int]) -> Rows:
    return [bytes(colour(x, y) for x in range(0, WIDTH, STEP)) for y in range(0, HEIGHT, STEP)]


_SCENES: dict[str, Callable[[int], Rows]] = {
    "hills": _hills,
    "coast": _coast,
    "skyline": _skyline,
    "contours": _contours,
}


def _rgb(colour: str) -> Colour:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _png(width: int, height: int, rows: Rows, palette: list[Colour]) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)  # eight bits, indexed
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    chunks = [(b"IHDR", header), (b"PLTE", bytes(value for colour in palette for value in colour)), (b"IDAT", pixels)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in [*chunks, (b"IEND", b"")])


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
