"""The rows of a mail's look: a good mail breaks none, and each flaw is told by its row."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import samples

from digest.blanks import Blank, blank
from digest.compose.rendering import render
from digest.templating import Templates, template_root
from digest.templating.clients import CLIENTS, ELEMENTS, PROPERTIES, VALUES, unsupported
from digest.templating.rows import Mail, failures

WORD = "k3v9q"
RENDERED = render(samples.RICH, Templates(template_root()), "roundup", WORD)
BLANKS = tuple(blank(WORD, one) for one in Blank)


def told(html: str = RENDERED.html, text: str = RENDERED.text, subject: str = RENDERED.subject) -> dict[str, str]:
    return dict(failures(Mail(subject, html, text, BLANKS)))


def test_a_good_mail_breaks_no_row() -> None:
    assert told() == {}
    assert told(subject=f"[Test] {RENDERED.subject}") == {}


def swap(old: str, new: str, count: int = 1) -> Callable[[str], str]:
    def changed(html: str) -> str:
        assert old in html
        return html.replace(old, new, count)

    return changed


def before_end(more: str) -> Callable[[str], str]:
    return swap("</body>", f"{more}</body>")


@pytest.mark.parametrize(
    ("row", "flaw"),
    [
        ("A-01", swap('lang="en"', "")),
        ("A-01", swap('lang="en" dir="ltr" style', "style")),
        ("A-02", swap("<title>", "<title>Another: ")),
        ("A-03", swap('role="presentation"', "")),
        ("A-03", before_end('<table role="presentation"><tr><th>No</th></tr></table>')),
        ("A-04", before_end('<img src="https://a.example/a.png" width="9">')),
        ("A-04", before_end('<img src="https://a.example/a.png" alt="" width="1" height="1">')),
        ("A-05", swap("<h3", "<h4")),
        ("A-05", before_end("<h1>Two</h1>")),
        ("A-06", before_end('<p><a href="https://a.example/">Click here</a></p>')),
        ("A-06", before_end('<p><a href="https://a.example/">https://a.example/</a></p>')),
        ("A-06", before_end('<p><a href="https://a.example/"></a></p>')),
        ("A-06", before_end('<p><a href="https://a.example/">Unsubscribe</a></p>')),
        ("A-07", before_end('<p style="color:#999999">Pale</p>')),
        ("A-07", before_end('<table role="none"><tr><td bgcolor="#222222">Dark on dark</td></tr></table>')),
        ("A-07", before_end('<p style="color:#808080;background:#000000">Well, but not inverted</p>')),
        ("A-08", before_end('<p style="font:13px/20px Arial">Small</p>')),
        ("A-08", before_end('<p style="font-size:75%">Small</p>')),
        ("A-08", before_end('<p style="line-height:1.1">Tight</p>')),
        ("A-08", before_end('<p style="text-align:justify">Torn</p>')),
        ("A-08", before_end('<p><a href="https://a.example/" style="text-decoration:none;color:#000000">Bare</a></p>')),
        ("A-09", before_end("<p>many words</p>" * 5_000)),
        ("A-10", before_end('<p style="position:absolute">Gone</p>')),
        ("A-10", before_end('<p style="display:flex">Row</p>')),
        ("A-10", before_end('<p style="margin:calc(1px + 1em)">Sum</p>')),
        ("A-10", before_end('<p style="scroll-snap-type:x">Unknown</p>')),
        ("A-10", before_end("<style>p { font-size: 2rem }</style>")),
        ("A-10", before_end('<picture><img src="https://a.example/a.png" alt="A" width="9"></picture>')),
        ("A-12", swap('content="light dark"', 'content="light"')),
        ("A-13", before_end('<img src="http://a.example/a.png" alt="" width="9">')),
        ("A-13", before_end('<img src="https://a.example/a.png" alt="">')),
        ("A-14", swap("display:none", "display:block")),
        ("A-14", swap(samples.ISSUE.preheader, "Too short")),
        ("A-14", swap("&#847;&#160;", "", 40)),
        ("A-15", before_end("<script>1</script>")),
        ("A-15", before_end('<a href="javascript:1">No link</a>')),
        ("A-16", before_end('<img src="https://a.example/a.webp?w=1" alt="" width="9">')),
        ("A-17", swap("padding:12px 10px", "padding:2px 10px", 9)),
        ("A-17", before_end('<table role="none" width="800"><tr><td>Wide</td></tr></table>')),
        ("A-18", swap('lang="en"', 'lang="ar"', 9)),
    ],
)
def test_each_flaw_is_told_by_its_row(row: str, flaw: Callable[[str], str]) -> None:
    html = flaw(RENDERED.html)
    assert row in told(html)


@pytest.mark.parametrize(
    "flaw",
    [
        lambda text: text + "many words " * 20,
        lambda text: text.replace("https://gazette.example/strait", ""),
        lambda text: re.sub(r"\n[=-]{3,}\n", "\n", text),
    ],
)
def test_each_flaw_of_the_text_part_is_told(flaw: Callable[[str], str]) -> None:
    assert set(told(text=flaw(RENDERED.text))) == {"A-20"}


def test_what_is_dropped_somewhere_is_told_unless_a_fallback_is_stated() -> None:
    assert list(unsupported("color:#333333;text-decoration-color:#333333;mso-hide:all;padding-top:1px")) == []
    assert list(unsupported("gap:2px;width:1rem")) == [
        "gap: dropped by gmail, outlook-windows, yahoo",
        "rem: dropped by outlook-windows, yahoo",
    ]


_PROGRAMS = {
    "gmail": ("gmail", ("android", "desktop-webmail", "ios", "mobile-webmail")),
    "apple-mail": ("apple-mail", ("ios", "macos")),
    "outlook.com": ("outlook", ("outlook-com",)),
    "outlook-windows": ("outlook", ("windows",)),
    "yahoo": ("yahoo", ("android", "desktop-webmail", "ios")),
}
_FEATURES = {
    **{name: f"css-{name}" for name in PROPERTIES},
    "display:flex": "css-display-flex",
    "display:grid": "css-display-grid",
    "rem": "css-unit-rem",
    "calc()": "css-unit-calc",
    "clamp()": "css-function-clamp",
    "rgba()": "css-rgba",
    "var()": "css-variables",
    "vw": "css-unit-vw",
    "<style>": "html-style",
    "@media": "css-at-media",
    "prefers-color-scheme": "css-at-media-prefers-color-scheme",
    ":hover": "css-pseudo-class-hover",
    ">": "css-selector-child",
    "<bdi>": "html-bdi",
    "aria-label": "html-aria-label",
    "<picture>": "html-picture",
    "srcset": "html-srcset",
    "<svg>": "html-svg",
    "hidden": "html-hidden",
    "@font-face": "css-at-font-face",
}
_UNTESTED = {"color", "font-family", "font-style"}


def test_the_table_says_what_was_tested(corpus: Path) -> None:
    tested = json.loads((corpus / "reference" / "caniemail-features.json").read_text())
    wrong = {}
    for name, support in {**PROPERTIES, **VALUES, **ELEMENTS}.items():
        if name in _UNTESTED:
            continue
        stats = tested[_FEATURES[name]]["stats"]
        lacking = {client for client in CLIENTS if any(one.startswith("n") for one in _latest(stats, client))}
        if lacking != support.lacking:
            wrong[name] = lacking
    assert wrong == {}


def _latest(stats: dict[str, dict[str, dict[str, str]]], client: str) -> list[str]:
    family, programs = _PROGRAMS[client]
    return [list(said.values())[-1] for one in programs if (said := stats.get(family, {}).get(one))]
