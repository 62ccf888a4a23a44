"""Variants of an issue as pages to look at, each complete in its one file. Values in, values out."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from digest.templating import Templates
from digest.templating.inspection import Document
from digest.templating.rows import MAX_HTML

CLIPPED = 102_000  # bytes at which Gmail cuts a mail
# Of every page, and inside of every frame: nothing runs, nothing but pictures is loaded, no frame leads elsewhere.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src https: http: data:; form-action 'none'; base-uri 'none'"
)


@dataclass(frozen=True)
class Shown:
    """A variant as one reader gets it, its blanks filled."""

    name: str  # "everybody, 12 readers", "ann@example.org"
    subject: str
    html: str
    text: str
    raw: bytes  # the message as it would be handed over
    problems: tuple[str, ...] = ()
    pictures: Mapping[str, bytes] = field(default_factory=dict)  # those that we serve ourselves, by address

    @property
    def seen(self) -> str:
        """The HTML with those pictures in it: the page is passed on, and seen where none of ours is served."""
        html = self.html
        for url, content in self.pictures.items():
            kind = "png" if url.endswith(".png") else "jpeg"
            html = html.replace(url, f"data:image/{kind};base64,{base64.b64encode(content).decode()}")
        return html


@dataclass(frozen=True)
class View:
    """One way in which a mail is seen."""

    id: str
    title: str
    width: int  # pixels
    html: str
    dark: bool = False


def views(html: str) -> tuple[View, ...]:
    """The ways in which mail readers show `html`, the usual one first."""
    return (
        View("wide", "Wide", 640, html),
        View("narrow", "Narrow", 320, html),
        View("dark", "Dark", 640, html, dark=True),
        View("narrow-dark", "Narrow and dark", 320, html, dark=True),
        View(
            "images-off",
            "Images off",
            640,
            _within_head(html, _policy(POLICY.replace("img-src https: http: data:; ", ""))),
        ),
        View("styles-off", "Styles off", 640, _STYLE.sub("", html)),
    )


def pages(shown: Sequence[Shown], templates: Templates, beyond: str = "") -> Mapping[str, str]:
    """File name -> page: index.html has the first variant, and leads to the others; `beyond` says what is not shown."""
    names = ["index.html", *(f"variant-{number}.html" for number in range(2, len(shown) + 1))]
    ways = [{"href": name, "name": one.name} for name, one in zip(names, shown, strict=True)]
    return {
        name: templates.page("preview", _context(one) | {"variants": ways, "here": name, "beyond": beyond})
        for name, one in zip(names, shown, strict=True)
    }


def _context(one: Shown) -> dict[str, object]:
    size = len(one.html.encode())
    return {
        "policy": POLICY,
        "subject": one.subject,
        "name": one.name,
        "problems": one.problems,
        "views": views(one.seen),
        "text": one.text,
        "raw": one.raw.decode("utf-8", "replace"),
        "links": [(href, words.strip() or href) for href, words in dict.fromkeys(Document(one.html).links)],
        "size": size,
        "weighed": f"{size:,} bytes of HTML; {MAX_HTML:,} are good, Gmail cuts a mail at about {CLIPPED:,}.",
        "good": MAX_HTML,
        "most": CLIPPED,
    }


def _within_head(html: str, words: str) -> str:
    found = _HEAD.search(html)
    return html[: found.end()] + words + html[found.end() :] if found else words + html


def _policy(policy: str) -> str:
    return f'<meta http-equiv="Content-Security-Policy" content="{policy}">'


_STYLE = re.compile(r"<style\b.*?</style>", re.DOTALL | re.IGNORECASE)
_HEAD = re.compile(r"<head\b[^>]*>", re.IGNORECASE)
