"""What a page tells of an article: kept as plain data, filled into empty fields; the feed's word wins. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import ada_url

from digest.gather.clean import plain_text
from digest.gather.hosts import owner_of
from digest.gather.kinds.slugs import slug_title
from digest.gather.pages import Page
from digest.gather.pages.choosing import is_logo
from digest.gather.pages.titles import alike
from digest.gather.urls import canonical_url, host

MAX_TRIES = 3
FIRST_RETRY = timedelta(hours=1)
MAX_TITLE = 300  # graphemes
ALIKE = 0.6  # of the words of two headlines, for one page under two addresses
_LISTED = ("bylines",)


def lacks(row: Any) -> bool:
    """Whether an article has no dek, picture, byline or date."""
    return not (row.dek and row.image_url and row.bylines and row.published_at)


def made_of_address(row: Any, source_type: str) -> bool:
    """Whether an article's title is only its address put in words, as a sitemap without titles gives it."""
    return (
        source_type == "sitemap" and not row.added_by_hand and row.title == plain_text(slug_title(row.url), MAX_TITLE)
    )


def told(page: Page) -> dict[str, Any]:
    """A page's facts by the columns of an article, as JSON holds them; what it does not say is left out."""
    picture = page.image if page.image and not is_logo(page.image) else None
    published = page.published.isoformat() if page.published else None
    facts = {
        "dek": page.description,
        "image_url": picture,
        "image_alt": page.image_alt if picture else "",
        "bylines": [{"name": name, "organisation": ""} for name in page.authors],
        "published_at": published,
        "section": page.section,
        "language": page.language,
        "canonical_url": page.canonical_url,
        "title": page.title,
    }
    return {name: value for name, value in facts.items() if value}


def fills(row: Any, facts: dict[str, Any], now: datetime, source_type: str) -> dict[str, Any]:
    """The columns of an article that are empty and that the page fills; a future or repeated word fills nothing.

    A title that is made of the address counts as empty.
    """
    found: dict[str, Any] = {}
    title = plain_text(facts.get("title", ""), MAX_TITLE)
    if title and title != row.title and made_of_address(row, source_type):
        found["title"] = title
    dek = plain_text(facts.get("dek", ""))
    if not row.dek and dek and dek.casefold() != found.get("title", row.title).casefold():
        found["dek"] = dek
    if not row.image_url and facts.get("image_url"):
        found |= {"image_url": facts["image_url"], "image_alt": facts.get("image_alt", "")}
    for name in ("bylines", "section", "language"):
        if not getattr(row, name) and facts.get(name):
            found[name] = facts[name]
    if row.published_at is None and facts.get("published_at"):
        at = datetime.fromisoformat(facts["published_at"])
        found |= {"published_at": at} if at <= now else {}
    return found


def next_try(tries: int, now: datetime) -> datetime | None:
    """When a page that could not be read is asked again, after `tries`; None after the third."""
    return now + FIRST_RETRY * 4 ** (tries - 1) if tries < MAX_TRIES else None


def identity(own: str, page: str | None) -> str | None:
    """The canonical URL that a page gives itself, if it is another one of the same site and no front page."""
    if not page or not same_site(own, page):
        return None
    named = canonical_url(page)
    return None if named == own or str(ada_url.URL(named).pathname) == "/" else named


def same_site(one: str, other: str) -> bool:
    """Whether the hosts of two addresses have one owner, by the public suffix list."""
    return bool(host(one)) and owner_of(one) == owner_of(other)


def one_page(title: str, other: str) -> bool:
    """Whether two headlines can be of one page: a site whose pages all name one address must not lose them."""
    return alike(title, other) >= ALIKE
