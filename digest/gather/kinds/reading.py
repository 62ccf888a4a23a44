"""The one door: what a source of any type gave, read as entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from digest.gather.entries import Feed
from digest.gather.feeds import parse
from digest.gather.kinds.folder import read_folder
from digest.gather.kinds.page import read_page
from digest.gather.kinds.sitemap import is_sitemap, read_sitemap
from digest.gather.kinds.wordpress import is_posts, posts_address, read_posts
from digest.gather.outcomes import Part


def read(
    type_: str,
    body: bytes,
    *,
    url: str = "",
    content_type: str | None = None,
    selectors: Mapping[str, str] | None = None,
    parts: Sequence[Part] = (),
) -> Feed:
    """The entries in `body` of a source of this type; any bytes give a Feed, of kind "" where they are no such thing.

    `selectors` are those of a page, `parts` the sitemaps of an index.
    """
    if type_ == "sitemap":
        return read_sitemap(body, url=url, content_type=content_type, parts=parts)
    if type_ == "page":
        return read_page(body, url=url, content_type=content_type, selectors=selectors)
    if type_ == "wordpress":
        return read_posts(body, url=url, content_type=content_type)
    if type_ == "folder":
        return read_folder(body, url=url)
    feed = parse(body, url=url, content_type=content_type)
    other = "" if feed.kind else recognised(body, content_type)
    if other in ("sitemap", "wordpress"):
        return replace(feed, problems=(f'expected a feed, got what type "{other}" reads', *feed.problems[1:]))
    return feed


def recognised(body: bytes, content_type: str | None = None) -> str:
    """The type of source that `body` looks like: sitemap or wordpress, else feed."""
    if is_sitemap(body, content_type):
        return "sitemap"
    return "wordpress" if is_posts(body) else "feed"


def address(type_: str, url: str) -> str:
    """What is asked for a source of this type at `url`: of a WordPress site its posts, else `url` itself."""
    return posts_address(url) if type_ == "wordpress" else url
