"""A folder of Markdown files with front matter, as blogs and knowledge bases keep them."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cache
from typing import Any

from markdown_it import MarkdownIt

from digest.gather.clean import plain_text
from digest.gather.entries import Entry, Feed, Image
from digest.gather.feeds import pictures, times
from digest.gather.feeds.building import Raw, build
from digest.gather.feeds.charset import decode
from digest.gather.kinds.frontmatter import Document, Unreadable, read_document
from digest.gather.kinds.slugs import slug_title
from digest.gather.urls import resolve

MAX_KICKER = 120  # graphemes of a kind or section
MAX_BODY = 200_000  # characters of a file's text that are looked at
_DATED = re.compile(r"(\d{4}-\d{2}-\d{2})[-_](.+)")  # as Jekyll names its posts
_HEADING = re.compile(r"\s*(?:#[ \t]+(?P<marked>[^\n]+?)[ \t]*#*|(?P<underlined>[^\n#>*`-][^\n]*)\n=+)[ \t]*(?:\n|$)")
_ZONE = re.compile(r"[ \t]+(?=(?:[+-]\d\d:?\d\d|Z)$)")
_YES, _NO = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


@dataclass(frozen=True)
class File:
    """A file of the folder: its path with slashes, counted from the folder, and its words."""

    path: str
    text: str


def to_body(files: Iterable[tuple[str, bytes]], problems: Sequence[str]) -> bytes:
    """The files and what was said of others as one body, which `read_folder` reads."""
    texts = [[path, decode(raw, "text/markdown; charset=utf-8")[0]] for path, raw in files]
    return json.dumps({"files": texts, "problems": list(problems)}).encode()


def read_folder(body: bytes, *, url: str = "") -> Feed:
    """The articles of a folder as `to_body` made it; a file that can't be read is a problem that names it and its line.

    Drafts are left out. An article whose front matter has no address is at `url` + its slug or its path.
    """
    given = json.loads(body)
    entries: list[Entry] = []
    problems = list(given["problems"])
    for path, text in given["files"]:
        try:
            entry = _entry(File(path, text), url, problems)
        except Unreadable as error:
            problems.append(f"{path} {error}")
        else:
            entries += [entry] if entry else []
    return Feed("folder", entries=tuple(entries), problems=tuple(map(_sayable, problems)))


def _sayable(problem: str) -> str:
    """What files are called and hold, without what no log or database takes: NUL and half a surrogate pair."""
    return problem.replace("\0", "").encode("utf-8", "replace").decode()


def _entry(file: File, url: str, problems: list[str]) -> Entry | None:
    document = read_document(file.text)
    values = document.values
    if _flag(values, "draft") is True or _flag(values, "published") is False:
        return None
    heading, text = _parted(document.text[:MAX_BODY], _first(values, "title"))
    address = _address(file.path, values, url)
    base = address or url
    content = _markdown().render(text)
    dek = _first(values, "dek", "description", "summary", "excerpt", "subtitle")
    entry = build(
        Raw(
            id=_first(values, "id", "guid") or file.path,
            link=address,
            base=base,
            title=html.unescape(_first(values, "title") or heading) or slug_title(f"/{_stem(file.path)}"),
            summary=html.escape(dek, quote=False),
            content=content,
            published=_when(file, document, problems, "date", "published_at", "pubdate", "publishdate")
            or times.from_text(_dated_name(file.path)),
            updated=_when(file, document, problems, "updated", "lastmod", "modified", "last_modified_at"),
            authors=_people(values),
            categories=[*_words(values, "section", "category"), *_words(values, "categories"), *_words(values, "tags")],
            image=_image(values, base),
            language=_first(values, "language", "lang", "locale"),
        )
    )
    if not entry.title:
        raise Unreadable(1, 'expected a title in the front matter ("title: ...") or a first heading, got none')
    return _kicked(entry, values)


def _kicked(entry: Entry, values: Mapping[str, Any]) -> Entry:
    """`entry` with the kind and section that its front matter names outright."""
    return replace(
        entry,
        kind=plain_text(_first(values, "kind"), MAX_KICKER) or entry.kind,
        section=plain_text(_first(values, "section"), MAX_KICKER) or entry.section,
    )


@cache
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": True})  # what comes out is cleaned like any feed's markup


def _parted(text: str, title: str) -> tuple[str, str]:
    """The first heading if it is the title, and the text without it."""
    found = _HEADING.match(text)
    if not found:
        return "", text
    heading = _plain_heading(found["marked"] or found["underlined"])
    if title and heading.casefold() != title.strip().casefold():
        return "", text
    return heading, text[found.end() :]


def _plain_heading(written: str) -> str:
    rendered = _markdown().renderInline(written.strip())
    return re.sub(r"<[^>]*>", "", html.unescape(rendered)).strip()


def _address(path: str, values: Mapping[str, Any], url: str) -> str:
    base = url if url.endswith("/") else f"{url}/"
    written = _first(values, "url", "link", "permalink", "canonical_url")
    if written and "/:" not in written:  # Jekyll's "/:year/:title/" is a pattern
        return resolve(base, written)
    slug = _first(values, "slug").strip("/")
    folder, _, _ = path.rpartition("/")
    stem = _stem(path)
    where = (f"{folder}/{slug}" if folder else slug) if slug else stem
    return resolve(base, "./" + where.replace("?", "%3F").replace("#", "%23"))


def _stem(path: str) -> str:
    """A file's path without what the address of its page lacks: suffix, a date before the name, index."""
    folder, _, name = path.rpartition("/")
    name = name.rpartition(".")[0] or name
    dated = _DATED.fullmatch(name)
    name = dated[2] if dated else name
    if name == "index" and folder:
        return f"{folder}/"
    return f"{folder}/{name}" if folder else name


def _dated_name(path: str) -> str:
    found = _DATED.match(path.rpartition("/")[2])
    return found[1] if found else ""


def _when(file: File, document: Document, problems: list[str], *names: str) -> datetime | None:
    """The first of the instants called `names`; one that is none is a problem, and the others count."""
    for name in names:
        value = document.values.get(name)
        if value in (None, "", [], {}):
            continue
        # A list is not spelled out: aliases can make a short one enormous.
        written = value.isoformat() if isinstance(value, date | datetime) else _text(value) or type(value).__name__
        found = times.from_text(_ZONE.sub("", written.strip()))
        if found:
            return found
        problems.append(f'{file.path} line {document.line(name)}: expected a {name} like 2026-11-20, got "{written}"')
    return None


def _people(values: Mapping[str, Any]) -> list[str]:
    for name in ("authors", "author", "by"):
        given = values.get(name)
        found = [_text(_dict(one).get("name")) or _text(one) for one in (given if isinstance(given, list) else [given])]
        if any(found):
            return [person for person in found if person]
    return []


def _image(values: Mapping[str, Any], base: str) -> Image | None:
    given = next((values[name] for name in ("image", "cover", "featured_image", "thumbnail") if values.get(name)), None)
    whole = _dict(given)
    address = _text(given) or _first(whole, "url", "src", "path", "image")
    alt = _first(whole, "alt") or _first(values, "image_alt", "alt")
    credit = _first(whole, "credit", "caption") or _first(values, "image_credit", "credit")
    found = pictures.named(address, base, html.escape(alt)) if address else None
    return Image(found.url, found.alt, " ".join(credit.split())[:300]) if found else None


def _words(values: Mapping[str, Any], *names: str) -> list[str]:
    for name in names:
        given = values.get(name)
        if isinstance(given, list):
            return [_text(one) for one in given]
        if _text(given):
            return _text(given).split(",") if name in ("categories", "tags") else [_text(given)]
    return []


def _first(values: Mapping[str, Any], *names: str) -> str:
    return next((text for name in names if (text := _text(values.get(name)))), "")


def _flag(values: Mapping[str, Any], name: str) -> bool | None:
    given = values.get(name)
    word = str(given).lower() if isinstance(given, bool) else _text(given).lower()
    return True if word in _YES else False if word in _NO else None


def _dict(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    try:
        return str(value).strip()
    except ValueError:  # a number of more digits than Python writes
        return ""
