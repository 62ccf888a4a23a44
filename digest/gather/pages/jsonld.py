"""Linked data (JSON-LD): what the article's own node says, broken JSON mended in the usual ways."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Any

from digest.gather.pages.clues import Clues

MAX_BLOCKS = 30
MAX_JSON = 600_000  # characters of one block
MAX_NODES = 2_000
MAX_DEPTH = 12

_ARTICLE = re.compile(r"(?:article|posting|report|review|recipe|story|creativework|opinion)$", re.I)
_OTHER = re.compile(r"(?:video|audio|podcast|photograph|gallery)", re.I)
_WRAPPED = re.compile(
    r"^\s*(?:<!--|//\s*<!\[CDATA\[|/\*\s*<!\[CDATA\[\s*\*/|<!\[CDATA\[)|(?:-->|//\s*\]\]>|\]\]>)\s*(?:;\s*)?$"
)
_TRAILING = re.compile(r",(?=\s*[}\]])")
_CONTROL = re.compile(r"[\x00-\x1f]+")
_BAD_ESCAPE = re.compile(r"""\\(?!["\\/bfnrtu])""")


def blocks(written: list[str]) -> Iterator[Any]:
    """The JSON of each block that can be read."""
    for text in written[:MAX_BLOCKS]:
        if len(text) > MAX_JSON:
            continue
        found = _loaded(text)
        if found is not None:
            yield found


def _loaded(text: str) -> Any:
    bare = _WRAPPED.sub("", _WRAPPED.sub("", text)).strip().rstrip(";")
    escaped = _BAD_ESCAPE.sub(r"\\\\", _CONTROL.sub(" ", bare))
    whole = _TRAILING.sub("", escaped)
    for attempt in (bare, escaped, whole, whole + "}", whole + "]}", html.unescape(whole)):
        try:
            return json.loads(attempt, strict=False)
        except (ValueError, RecursionError):
            continue
    try:
        return json.JSONDecoder(strict=False).raw_decode(whole)[0]
    except (ValueError, RecursionError):
        return None


def nodes(data: Any) -> list[dict[str, Any]]:
    """Every object in `data`, outer ones first, within bounds."""
    found: list[dict[str, Any]] = []
    waiting = [(data, 0)]
    while waiting and len(found) < MAX_NODES:
        value, depth = waiting.pop(0)
        if depth > MAX_DEPTH:
            continue
        if isinstance(value, dict):
            found.append(value)
            waiting += [(inner, depth + 1) for inner in value.values() if isinstance(inner, dict | list)]
        elif isinstance(value, list):
            waiting += [(inner, depth + 1) for inner in value[:MAX_NODES] if isinstance(inner, dict | list)]
    return found


def gather(written: list[str], clues: Clues) -> None:
    """Adds what the article's nodes say, else what any page or other work says under weaker names."""
    every = [node for data in blocks(written) for node in nodes(data)]
    named = {node["@id"]: node for node in every if isinstance(node.get("@id"), str) and len(node) > 1}
    main = [node for node in every if _is_article(node)]
    for number, node in enumerate(main):
        _tell(node, named, clues, "ld" if number == 0 else "ld:other")
    for node in every:
        if (not main and (node.get("headline") or "WebPage" in _types(node)) and not _is_article(node)) or (
            main and "WebPage" in _types(node)
        ):
            _tell(node, named, clues, "ld:page")


def _types(node: dict[str, Any]) -> list[str]:
    types = node.get("@type")
    return [str(one) for one in (types if isinstance(types, list) else [types]) if one]


def _is_article(node: dict[str, Any]) -> bool:
    return any(_ARTICLE.search(name) and not _OTHER.search(name) for name in _types(node))


def _tell(node: dict[str, Any], named: dict[str, Any], clues: Clues, evidence: str) -> None:
    for key, about in _KEYS.items():
        clues.add(about, f"{evidence}.{key}", _text(node.get(key)))
    for person in _people(node.get("author") or node.get("creator"), named):
        clues.add("author", evidence, person)
    for key in ("image", "thumbnailUrl", "primaryImageOfPage"):
        for url in _images(node.get(key), named):
            clues.add("image", f"{evidence}.{key}", url)
    publisher = node.get("publisher")
    if isinstance(publisher, dict):
        publisher = named.get(str(publisher.get("@id")), publisher)
        clues.add("site", evidence, _text(publisher.get("name")))
    page = node.get("mainEntityOfPage")
    clues.add("canonical", evidence, page.get("@id") if isinstance(page, dict) else page)
    clues.add("canonical", evidence, node.get("url"))


_KEYS = {
    "headline": "title",
    "name": "title",
    "datePublished": "date",
    "dateCreated": "date",
    "uploadDate": "date",
    "dateModified": "date",
    "description": "description",
    "articleSection": "section",
    "inLanguage": "language",
    "articleBody": "body",
}


def _text(value: Any) -> str | None:
    if isinstance(value, list):
        value = next((one for one in value if isinstance(one, str | dict)), None)
    if isinstance(value, dict):
        value = value.get("name") or value.get("@value") or value.get("alternateName")
    return html.unescape(value) if isinstance(value, str) else None


def _people(value: Any, named: dict[str, Any]) -> Iterator[str]:
    for one in (value if isinstance(value, list) else [value])[:20]:
        whole = named.get(str(one.get("@id")), one) if isinstance(one, dict) and not one.get("name") else one
        names = whole.get("name") if isinstance(whole, dict) else whole
        for name in names if isinstance(names, list) else [names]:
            if isinstance(name, str):
                yield html.unescape(name)


def _images(value: Any, named: dict[str, Any]) -> Iterator[str]:
    for one in (value if isinstance(value, list) else [value])[:5]:
        address = one
        if isinstance(one, dict):
            bare = not (one.get("url") or one.get("contentUrl"))
            whole = named.get(str(one.get("@id")), one) if bare else one
            address = whole.get("url") or whole.get("contentUrl") or whole.get("@id")
        first = address[0] if isinstance(address, list) and address else address
        if isinstance(first, str):
            yield html.unescape(first)
