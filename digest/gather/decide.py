"""Which entries of a look are new, and what is believed of them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from digest.gather.entries import Entry
from digest.gather.feeds.kickers import is_kind
from digest.gather.urls import web

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
FUTURE = timedelta(days=7)
MAX_TITLE_FROM_DEK = 90
RENAMED = 3  # known pages that came under other ids at one look: then ids tell nothing
ALIKE = 0.5  # share of words that two headlines of one page have in common


@dataclass(frozen=True)
class Page:
    """A stored article, as far as identity needs it."""

    article: int
    canonical_url: str
    title: str
    published_at: datetime | None = None
    dek: str = ""


@dataclass(frozen=True)
class Known:
    """What is stored already: entry ids of this source, and canonical URLs of any, each with its article's id."""

    ids: Mapping[str, int]
    urls: Mapping[str, int]
    pages: Mapping[int, Page] = field(default_factory=dict)  # the articles that `ids` name
    own: Collection[int] = frozenset()  # those of `urls` that this source has named before


@dataclass(frozen=True)
class Sorted:
    """The entries of a look: new articles, each with all the ids it came under; and others, seen before."""

    new: tuple[tuple[Entry, tuple[str, ...]], ...]
    seen: tuple[tuple[Entry, str, int], ...]  # entry, id, article


def trusts_ids(entries: Sequence[Entry], known: Known) -> bool:
    """False if one id names another page than it did, or if pages that we know came under other ids (FEATURES 5)."""
    usable = list(filter(is_usable, entries))
    present = {entry.canonical_url for entry in usable}
    if any(_names_another(entry, known, present) for entry in usable):
        return False
    kept = sum(entry.id in known.ids for entry in usable)
    renamed = sum(entry.id not in known.ids and known.urls.get(entry.canonical_url) in known.own for entry in usable)
    return renamed < RENAMED or renamed <= kept


def _names_another(entry: Entry, known: Known, present: Collection[str]) -> bool:
    page = known.pages.get(known.ids.get(entry.id, 0))
    if page is None or entry.canonical_url == page.canonical_url or headline(entry) == page.title:
        return False
    when = entry.published or entry.updated
    if when is not None and when == page.published_at:
        return False  # one whose headline was edited, and its link with it
    return page.canonical_url in present or _alike(headline(entry), page.title) < ALIKE


def _alike(one: str, other: str) -> float:
    ours, theirs = set(one.casefold().split()), set(other.casefold().split())
    return len(ours & theirs) / max(1, len(ours | theirs))


def sort_entries(
    entries: Sequence[Entry], known: Known, max_items: int | None = None, *, trusted: bool = True
) -> Sorted:
    """Tells new entries from those seen under their id or their canonical URL (E-11, E-14).

    An id that two different pages of one feed share is not trusted, nor any of a source that is not: the page's URL
    stands for it. Entries without a web address, or with neither title nor words, are none. Only the feed's `max_items`
    latest pages can be new: what was older at one look is not taken for news at the next.
    """
    usable = list(filter(is_usable, entries))
    pages = Counter(name for name, _ in {(entry.id, entry.canonical_url) for entry in usable})
    latest = _latest(usable, max_items)
    new: dict[str, tuple[Entry, list[str]]] = {}
    seen = []
    for entry in usable:
        name = entry.id if trusted and pages[entry.id] == 1 else entry.canonical_url
        article = known.ids.get(name, known.urls.get(entry.canonical_url))
        if article is not None:
            seen.append((entry, name, article))
        elif entry.canonical_url in latest:
            new.setdefault(entry.canonical_url, (entry, []))[1].append(name)
    fresh = sorted(new.values(), key=lambda found: _when(found[0]), reverse=True)
    return Sorted(tuple((entry, tuple(dict.fromkeys(names))) for entry, names in fresh), tuple(seen))


def _latest(entries: Sequence[Entry], most: int | None) -> set[str]:
    """The canonical URLs of the `most` latest pages; without dates the feed's own order counts."""
    ordered = sorted(entries, key=_when, reverse=True)
    return set(list(dict.fromkeys(entry.canonical_url for entry in ordered))[:most])


def is_usable(entry: Entry) -> bool:
    """Whether it can become an article: it has an address on the web, and words."""
    return bool(web(entry.url) and headline(entry))


def headline(entry: Entry) -> str:
    """The title; for short pieces without one the beginning of their words."""
    if entry.title or len(entry.dek) <= MAX_TITLE_FROM_DEK:
        return entry.title or entry.dek
    return entry.dek[:MAX_TITLE_FROM_DEK].rpartition(" ")[0].rstrip(" ,;:-") + "…"


def standfirst(entry: Entry) -> str:
    """The dek, unless it only says the headline again."""
    return "" if entry.dek.casefold() == headline(entry).casefold() else entry.dek


def published_at(entry: Entry, now: datetime) -> datetime | None:
    """When it was published, if the feed says so credibly: from 1990 to a week ahead (E-13)."""
    when = entry.published or entry.updated
    return when if when and EARLIEST <= when <= now + FUTURE else None


def available_at(entry: Entry, now: datetime) -> datetime:
    """The later of published and first seen: one announced for tomorrow waits."""
    return max(published_at(entry, now) or now, now)


def section(entry: Entry, source_section: str | None) -> str | None:
    """The kicker's section, else the source's, else the first category that is no kind."""
    if entry.section or source_section:
        return entry.section or source_section
    return next((category for category in entry.categories if not is_kind(category)), None)


def _when(entry: Entry) -> datetime:
    return entry.published or entry.updated or EARLIEST
