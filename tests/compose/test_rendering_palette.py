"""The palette and the page: readable in light, dark and inverted; no wider than a telephone."""

from __future__ import annotations

from dataclasses import replace

import chromium
import pictures
import pytest

from digest.theme import THEMES, contrast, faint, inverted


@pytest.mark.parametrize("name", THEMES)
def test_every_pair_of_colours_of_a_shipped_theme_can_be_read(name: str) -> None:
    assert list(faint(THEMES[name])) == []


def test_what_is_hard_to_read_is_found_in_both_modes_and_inverted() -> None:
    paper = THEMES["paper"]
    pale = replace(paper, light=replace(paper.light, muted="#8a8a8a"))
    assert [(mode, front, back) for mode, front, back, _ in faint(pale)] == [
        ("light", "muted", "card"),
        ("light", "muted", "panel"),
        ("light", "muted", "page"),
    ]
    assert contrast("#ffffff", "#000000") == 21
    assert inverted("#102030") == "#efdfcf"


@pytest.mark.slow
@pytest.mark.skipif(chromium.BINARY is None, reason="there is no chromium here: the width of the page is not measured")
def test_no_horizontal_scrolling_on_a_telephone() -> None:
    wide = {}
    with chromium.page() as page:
        for name, html in pictures.stripped().items():
            page.show(html, 320)
            if page.size()[0] > 320:
                wide[name] = page.size()[0]
    assert wide == {}
