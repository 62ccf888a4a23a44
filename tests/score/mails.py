"""A newsroom's own HTML: styles written into elements as another inliner does, a text part that loses nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from score.table import Figure
from selectolax.lexbor import LexborHTMLParser

from digest.templating.astext import as_text
from digest.templating.inlining import inlined
from digest.templating.text import columns

_CLIPPED = 102_000  # bytes
_Element = tuple[str, tuple[tuple[str, str], ...]]


def figures(corpus: Path) -> Iterator[Figure]:
    """Every figure of the corpus' email_html."""
    folder = corpus / "email_html"
    cases = [out for out in sorted((folder / "juice").glob("*.out")) if not _odd(out.with_suffix(".json"))]
    right = [out for out in cases if _as_juice(out)]
    yield Figure("mails: inlined as juice does", len(right) / len(cases), 0.9, note=f"{len(cases)} cases")
    mails = [path for name in ("mjml", "colorlib", "premailer") for path in sorted((folder / name).glob("*.html"))]
    checks: dict[str, Callable[[str, str, str], bool]] = {
        "inliner keeps every link and alt": lambda before, after, _: _things(before) == _things(after),
        "inliner keeps mails below 102 KB": lambda before, after, _: _small(after) or not _small(before),
        "text part has every link": lambda before, _, text: (
            set(re.findall(r"^\[\d+\] (.*)$", text, re.M)) == _seen(before)
        ),
        "text part has every alt": lambda before, _, text: all(_words(alt) in _words(text) for alt in _alts(before)),
        "text part is at most 76 wide": lambda _, __, text: all(
            columns(line) <= 76 or "://" in line for line in text.split("\n")
        ),
    }
    done = [(html := path.read_text("utf-8", "replace"), inlined(html), as_text(html)) for path in mails]
    for name, check in checks.items():
        yield Figure(f"mails: {name}", sum(check(*one) for one in done) / len(done), 1.0, note=f"{len(done)} mails")


def _odd(options: Path) -> bool:
    return options.is_file() and bool(json.loads(options.read_text()))


def _as_juice(out: Path) -> bool:
    css = out.with_suffix(".css")
    html = inlined(out.with_suffix(".html").read_text(), css.read_text() if css.is_file() else "")
    return _elements(html) == _elements(out.read_text())


def _elements(html: str) -> list[_Element]:
    found: list[_Element] = []
    for node in LexborHTMLParser(html).css("*"):
        attributes = {name: value or "" for name, value in node.attributes.items()}
        style = attributes.pop("style", "")
        said = sorted(re.sub(r"\s+", "", one).lower() for one in style.split(";") if one.strip())
        found.append((node.tag or "", (*sorted(attributes.items()), ("style", ";".join(said)))))
    return found


def _things(html: str) -> tuple[set[str], set[str]]:
    tree = LexborHTMLParser(html)
    return {node.attributes.get("href") or "" for node in tree.css("a")}, set(_alts(html))


def _seen(html: str) -> set[str]:
    links = {(node.attributes.get("href") or "").strip() for node in LexborHTMLParser(html).css("a")}
    return {link for link in links if link and not link.startswith("#")}


def _alts(html: str) -> list[str]:
    return [alt for node in LexborHTMLParser(html).css("img") if (alt := node.attributes.get("alt"))]


def _words(text: str) -> str:
    return " ".join(text.split())


def _small(html: str) -> bool:
    return len(html.encode()) <= _CLIPPED
