"""The palette and the page: readable in light, dark and inverted; no wider than a telephone."""

from __future__ import annotations

from itertools import product

import chromium
import pytest
import samples

from digest.compose.rendering import render, render_letter
from digest.templating import Templates, template_root

TEMPLATES = Templates(template_root())

# What is written on what.
PAIRS = [
    *product(["ink", "text", "muted", "accent"], ["card"]),
    *product(["ink", "text", "muted", "accent"], ["panel"]),
    *product(["ink", "muted"], ["page"]),
    ("on_button", "button"),
]


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, two: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(two)))
    return (lighter + 0.05) / (darker + 0.05)


def inverted(colour: str) -> str:
    return "#" + "".join(f"{255 - int(colour[at : at + 2], 16):02x}" for at in (1, 3, 5))


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize(("front", "back"), PAIRS)
def test_contrast(mode: str, front: str, back: str) -> None:
    palette = TEMPLATES.constants("email/parts/tokens.j2")[mode]
    assert contrast(palette[front], palette[back]) >= 4.5
    assert contrast(inverted(palette[front]), inverted(palette[back])) >= 4.5


MAILS = {
    "roundup": render(samples.ISSUE, TEMPLATES, "roundup", "w0").html,
    "roundup in Arabic": render(samples.ARABIC, TEMPLATES, "roundup", "w0").html,
    "confirm": render_letter("confirm", samples.CONFIRM, TEMPLATES, "w0").html,
    "notice": render_letter("notice", samples.NOTICE, TEMPLATES, "w0").html,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MAILS)
@pytest.mark.skipif(chromium.BINARY is None, reason="there is no chromium here: the width of the page is not measured")
def test_no_horizontal_scrolling_on_a_telephone(name: str) -> None:
    width, _ = chromium.size(MAILS[name], 320)
    assert width <= 320
