"""The preview: every view on one page of its own, and nothing of a mail acts there (FEATURES 69, S-C1)."""

from __future__ import annotations

import re
import struct
from html import unescape
from pathlib import Path

import chromium
import pytest
from PIL import Image
from samples import ISSUE

from digest.compose.rendering import render
from digest.errors import DigestError
from digest.previewing import browser
from digest.previewing.page import CLIPPED, POLICY, Shown, pages, views
from digest.templating import Templates, template_root

TEMPLATES = Templates(template_root())
HTML = render(ISSUE, TEMPLATES, "roundup", "w0").html
needs_chromium = pytest.mark.skipif(chromium.BINARY is None, reason="no chromium on this machine")


def shown(html: str = HTML, name: str = "everybody", **more: object) -> Shown:
    values = {
        "name": name,
        "subject": "A <b>subject</b>",
        "html": html,
        "text": "Text & more",
        "raw": b"Subject: x\r\n",
    }
    return Shown(**{**values, **more})  # type: ignore[arg-type]


def frames(page: str) -> list[str]:
    return [unescape(found) for found in re.findall(r'<iframe[^>]* srcdoc="([^"]*)"', page)]


def test_a_page_has_every_view_and_needs_nothing_else() -> None:
    [(name, page)] = pages([shown()], TEMPLATES).items()
    assert name == "index.html"
    wide, narrow, dark, both, no_images, no_styles = frames(page)
    assert wide == narrow == dark == both == HTML
    assert "img-src" not in (re.search('http-equiv="Content-Security-Policy" content="([^"]*)"', no_images) or [""])[1]
    assert "<style" in no_images and "<style" not in no_styles
    assert re.findall(r'<iframe[^>]* width="(\d+)"', page) == ["642", "322", "642", "322", "642", "642"]
    assert "Text &amp; more" in page
    assert "Subject: x" in page
    assert "A &lt;b&gt;subject" in page
    outside = re.sub(r'srcdoc="[^"]*"', "", page)
    assert not re.search(r'<script|<link|src="|url\(', outside)


def test_pictures_of_ours_are_in_the_page_itself() -> None:
    ours = "https://news.example/images/" + "a" * 64 + ".png"
    html = HTML.replace('src="https://meridian.example/images/1.png"', f'src="{ours}"')
    page = pages([shown(html, pictures={ours: b"\x89PNG"})], TEMPLATES)["index.html"]
    assert all('src="data:image/png;base64,iVBORw=="' in frame for frame in frames(page))
    assert all(ours not in frame for frame in frames(page))


def test_frames_can_do_nothing() -> None:
    page = pages([shown()], TEMPLATES)["index.html"]
    assert set(re.findall(r'<iframe[^>]* sandbox="([^"]*)"', page)) == {""}
    assert POLICY.startswith("default-src 'none';")
    assert "script" not in POLICY
    policy = re.search('http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy and unescape(policy[1]) == POLICY


def test_the_size_is_told_against_where_mail_is_clipped() -> None:
    html = HTML + " " * (95_000 - len(HTML.encode()))
    page = pages([shown(html)], TEMPLATES)["index.html"]
    assert f'max="{CLIPPED}" low="90000"' in page
    assert 'value="95000"' in page
    assert "95,000 bytes of HTML" in page


def test_problems_and_links_are_listed() -> None:
    page = pages([shown(problems=("dead: https://x.example/<a>",))], TEMPLATES)["index.html"]
    assert "dead: https://x.example/&lt;a&gt;" in page
    assert 'href="https://meridian.example/2026/11/1-' in re.sub(r'srcdoc="[^"]*"', "", page)


def test_each_variant_has_a_page_that_leads_to_the_others() -> None:
    found = pages([shown(), shown(name="Europe only"), shown(name="ann@example.org")], TEMPLATES)
    assert list(found) == ["index.html", "variant-2.html", "variant-3.html"]
    for name, page in found.items():
        assert all(f'href="{other}"' in page for other in found)
        assert re.findall(r'href="([^"]+)" aria-current="page"', page) == [name]


@needs_chromium
def test_pictures_are_as_tall_as_the_mail_and_not_empty(tmp_path: Path) -> None:
    program = browser.binary()
    html = (
        '<!doctype html><html><head></head><body style="margin:0"><div style="height:700px;background:#123456"></div>'
    )
    [_, narrow, dark, *_] = views(html + "</body></html>")
    for view in (narrow, dark):
        path = tmp_path / f"{view.id}.png"
        browser.picture(program, view, path)
        width, height = struct.unpack(">II", path.read_bytes()[16:24])
        assert (width, height) == (view.width if view.width > 500 else width, 700)
        with Image.open(path) as image:
            assert image.convert("RGB").getpixel((100, 300)) == (0x12, 0x34, 0x56)


def test_a_machine_without_a_browser_is_told_so() -> None:
    with pytest.raises(DigestError, match="there is no Chromium or Chrome on this machine"):
        browser.binary(lambda name: None)


def test_a_browser_that_fails_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(DigestError, match="--png: the browser /bin/false failed"):
        browser.picture("/bin/false", views(HTML)[0], tmp_path / "x.png")
    with pytest.raises(DigestError, match="made no picture"):
        browser.picture("/bin/true", views(HTML)[0], tmp_path / "x.png")
