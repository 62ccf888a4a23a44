"""JSON Feed 1.0 and 1.1; what doesn't fit the format is passed over, not refused."""

from __future__ import annotations

import html
import json
from typing import Any

from digest.gather.clean import plain_text
from digest.gather.entries import Feed
from digest.gather.feeds import pictures, times
from digest.gather.feeds.building import MAX_URL, Raw, build, language
from digest.gather.feeds.caps import MAX_CHARACTERS, MAX_ENTRIES
from digest.gather.urls import resolve, web


def parse_json(text: str, base: str) -> Feed:
    """The feed in a JSON document; of no kind if it is none."""
    if len(text) > MAX_CHARACTERS:
        return Feed("", problems=(f"refused: larger than {MAX_CHARACTERS:,} characters",))
    try:
        document = json.loads(text, strict=False)
    except (ValueError, RecursionError) as error:
        return Feed("", problems=(f"expected a feed, got JSON that can't be read: {error}"[:300],))
    if not isinstance(document, dict) or not isinstance(document.get("items"), list):
        return Feed("", problems=("expected a feed, got JSON without a list of items",))
    items = [item for item in document["items"] if isinstance(item, dict)]
    problems = []
    if "jsonfeed.org/version/" not in _text(document.get("version")):
        problems.append("the version is missing: taken for JSON Feed 1.1")
    if len(items) > MAX_ENTRIES:
        problems.append(f"only the first {MAX_ENTRIES:,} of {len(items):,} entries were read")
    base = base or _text(document.get("feed_url")) or _text(document.get("home_page_url"))
    spoken = _text(document.get("language")) or None
    entries = tuple(build(_raw(item, document, base, spoken)) for item in items[:MAX_ENTRIES])
    kind = "json1" if _text(document.get("version")).endswith("/1") else "json11"
    return Feed(
        kind,
        plain_text(_text(document.get("title")), 300),
        language(spoken),
        entries,
        tuple(problems),
        expired=document.get("expired") is True,
        next_url=_next(document, base),
    )


def _next(document: dict[str, Any], base: str) -> str | None:
    written = document.get("next_url")
    found = web(resolve(base, written)) if isinstance(written, str) and written else ""
    return found if found and found != base and len(found) <= MAX_URL else None


def _raw(item: dict[str, Any], feed: dict[str, Any], base: str, spoken: str | None) -> Raw:
    content = _text(item.get("content_html")) or _as_markup(_text(item.get("content_text")))
    image = _text(item.get("image")) or _text(item.get("banner_image"))
    return Raw(
        id=_text(item.get("id")),
        link=_text(item.get("url")) or _text(item.get("external_url")) or _link_id(item),
        base=base,
        title=_text(item.get("title")),
        summary=_as_markup(_text(item.get("summary"))),
        content=content,
        published=times.from_text(item.get("date_published")),
        updated=times.from_text(item.get("date_modified")),
        authors=_authors(item) or _authors(feed),
        categories=[_text(tag) for tag in _list(item.get("tags"))],
        image=pictures.named(image, base) if image else _attached(item, base),
        language=_text(item.get("language")) or spoken,
    )


def _link_id(item: dict[str, Any]) -> str:
    name = _text(item.get("id"))
    return resolve("", name) if name.startswith(("http://", "https://")) else ""


def _attached(item: dict[str, Any], base: str) -> Any:
    for attachment in _list(item.get("attachments")):
        if isinstance(attachment, dict) and _text(attachment.get("mime_type")).startswith("image/"):
            return pictures.named(_text(attachment.get("url")), base, _text(attachment.get("title")))
    return None


def _authors(holder: dict[str, Any]) -> list[str]:
    found = _list(holder.get("authors")) or [holder.get("author")]
    names = [_text(author.get("name")) if isinstance(author, dict) else _text(author) for author in found]
    return [name for name in names if name]


def _as_markup(text: str) -> str:
    return "<br>".join(html.escape(line, quote=False) for line in text.splitlines())


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    """A string, or a number as one (ids are coerced); anything else is no text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value)
