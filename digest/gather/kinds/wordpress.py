"""WordPress's own API: /wp-json/wp/v2/posts, with authors, terms and featured images embedded."""

from __future__ import annotations

import html
import json
import re
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from digest.gather.clean import markup_text, plain_text
from digest.gather.entries import Feed, Image
from digest.gather.feeds import caps, pictures, times
from digest.gather.feeds.building import Raw, build
from digest.gather.feeds.charset import decode

MAX_POSTS = 100  # what the API gives at most at a time
MAX_WORDS = 3_000_000  # characters of all texts together; of posts beyond them the excerpts count
WIDEST = 2_048  # pixels: an original may be larger than any mail needs
_ASKED = {
    "per_page": "50",
    "_embed": "author,wp:term,wp:featuredmedia",
    "_fields": "id,guid,link,title,excerpt,content,date,date_gmt,modified_gmt,_links,_embedded",
}
_ROUTE = "/wp/v2/posts"


def posts_address(url: str) -> str:
    """Where the posts of the site or API at `url` are asked for; an address of posts keeps the parameters it has."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    path = parts.path.rstrip("/")
    if "rest_route" in query:  # sites without pretty addresses: /?rest_route=/
        route = query["rest_route"].rstrip("/")
        query["rest_route"] = route if route.endswith(_ROUTE) else _ROUTE
        path = parts.path
    elif not path.endswith(_ROUTE):
        path = path.partition("/wp-json")[0] + "/wp-json" + _ROUTE
    asked = {**{key: value for key, value in _ASKED.items() if key not in query}, **query}
    return urlunsplit((parts.scheme, parts.netloc, path, urlencode(asked, safe="/,:"), ""))


def is_posts(body: bytes) -> bool:
    """Whether `body` begins like WordPress's list of posts."""
    beginning = body[:4_096].lstrip()
    return beginning.startswith(b"[") and b'"rendered"' in beginning


def read_posts(body: bytes, *, url: str = "", content_type: str | None = None) -> Feed:
    """The posts of an answer of the API; what doesn't fit it is passed over."""
    text, _ = decode(body, content_type)
    if len(text) > caps.MAX_CHARACTERS:
        return Feed("", problems=(f"refused: larger than {caps.MAX_CHARACTERS:,} characters",))
    try:
        found = json.loads(text.lstrip("\ufeff"))
    except (ValueError, RecursionError):
        return Feed("", problems=("expected WordPress's list of posts, got something that is not JSON",))
    if not isinstance(found, list):
        said = plain_text(_text(_dict(found).get("message")), 200)
        return Feed("", problems=("expected WordPress's list of posts, got " + (f'"{said}"' if said else "no list"),))
    posts = [post for post in found[:MAX_POSTS] if isinstance(post, dict)]
    left, entries = MAX_WORDS, []
    for post in posts:
        raw = _raw(post, url)
        if raw.link:
            raw.content = raw.content[:left]
            left -= len(raw.content)
            entries.append(build(raw))
    return Feed("wordpress", entries=tuple(entries))


def _raw(post: dict[str, Any], url: str) -> Raw:
    embedded = _dict(post.get("_embedded"))
    base = _text(post.get("link")) or url
    published = times.from_text(post.get("date_gmt")) or times.from_text(post.get("date"))
    return Raw(
        id=_rendered(post, "guid") or _text(post.get("link")),
        link=_text(post.get("link")),
        base=base,
        title=_rendered(post, "title"),
        title_is_markup=True,
        summary=_rendered(post, "excerpt"),
        content=_rendered(post, "content"),
        published=published,
        updated=times.from_text(post.get("modified_gmt")),
        authors=[_text(_dict(author).get("name")) for author in _list(embedded.get("author"))],
        categories=_terms(embedded),
        image=_featured(_list(embedded.get("wp:featuredmedia")), base),
    )


def _terms(embedded: dict[str, Any]) -> list[str]:
    """Categories, then tags; the one that WordPress gives to posts without any says nothing."""
    terms = [_dict(term) for group in _list(embedded.get("wp:term")) for term in _list(group)]
    terms.sort(key=lambda term: term.get("taxonomy") != "category")
    return [html.unescape(_text(term.get("name"))) for term in terms if term.get("slug") != "uncategorized"]


def _featured(media: list[Any], base: str) -> Image | None:
    """The featured image in its widest size that is not wider than any mail needs, with its words."""
    image = _dict(media[0]) if media else {}
    details = _dict(image.get("media_details"))
    whole = {"source_url": image.get("source_url"), "width": details.get("width"), "height": details.get("height")}
    offered = [whole, *map(_dict, _dict(details.get("sizes")).values())]
    known = [one for one in offered if _text(one.get("source_url")) and pictures.pixels(one.get("width"))]
    fitting = [one for one in known if (pictures.pixels(one["width"]) or 0) <= WIDEST]
    chosen = max(fitting, key=lambda one: pictures.pixels(one["width"]) or 0) if fitting else whole
    address = _text(chosen.get("source_url"))
    if not address:
        return None
    numbers = "".join(f' {key}="{pictures.pixels(chosen.get(key)) or ""}"' for key in ("width", "height"))
    alt = html.escape(plain_text(markup_text(_text(image.get("alt_text")))))
    caption = re.sub(r"</?fig(?:ure|caption)\b[^>]*>", "", _rendered(image, "caption"))
    figure = (
        f'<figure><img src="{html.escape(address)}" alt="{alt}"{numbers}><figcaption>{caption}</figcaption></figure>'
    )
    return pictures.in_content(figure, base)


def _rendered(holder: dict[str, Any], key: str) -> str:
    return _text(_dict(holder.get(key)).get("rendered"))


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
