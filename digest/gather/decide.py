"""What a look at a source means: its next standing, and which of its entries are new. Pure."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from digest.gather.entries import Entry, Feed
from digest.gather.feeds.kickers import is_kind
from digest.gather.outcomes import Failed, Fetched, Later, Outcome, Unchanged, Validators
from digest.gather.urls import web
from digest.models import SourceState

BASE = timedelta(hours=6)
FIRST_RETRY = timedelta(minutes=30)
LONGEST = timedelta(hours=24)
LOST_AFTER = timedelta(days=14)  # of nothing but 404
MOVES_TO_BELIEVE = 3  # equal permanent redirects in a row ...
MOVED_FOR = timedelta(hours=24)  # ... over at least this long
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
FUTURE = timedelta(days=7)
MAX_TITLE_FROM_DEK = 90


@dataclass(frozen=True)
class Standing:
    """How a source is doing: the columns of its row that a look changes."""

    url: str
    created_at: datetime
    state: str = SourceState.NEW
    etag: str | None = None
    last_modified: str | None = None
    validator_url: str | None = None
    looked_at: datetime | None = None
    succeeded_at: datetime | None = None
    next_look_at: datetime | None = None
    failures: int = 0
    error: str | None = None
    moved_to: str | None = None
    moved_count: int = 0
    moved_since: datetime | None = None


def may_ask(standing: Standing, now: datetime, *, force: bool) -> bool:
    """True if the source is to be asked now.

    Gone and switched-off ones never are. `force` overrides the interval, but not a Retry-After: a server that said
    when to come back is left alone until then (such a standing is late with no failures counted).
    """
    if standing.state in (SourceState.GONE, SourceState.OFF):
        return False
    due = standing.next_look_at is None or standing.next_look_at <= now
    told = standing.state == SourceState.LATE and standing.failures == 0
    return due or (force and not told)


def validators(standing: Standing) -> Validators | None:
    """What to send back with the next request, if it belongs to an URL."""
    if not standing.validator_url or not (standing.etag or standing.last_modified):
        return None
    return Validators(standing.validator_url, standing.etag, standing.last_modified)


def after(standing: Standing, outcome: Outcome, feed: Feed | None, now: datetime) -> Standing:
    """The standing after a look; `feed` is what a fetched body was read as. Times spread by the source, not by dice."""
    looked = replace(standing, looked_at=now)
    if isinstance(outcome, Unchanged):
        return _succeeded(looked, outcome.max_age_s, now)
    if isinstance(outcome, Fetched):
        if feed is None or not feed.kind or _is_ruined(feed):
            reason = feed.problems[0] if feed and feed.problems else "it could not be read in time"
            return _failed(looked, Failed(f"{outcome.url}: {reason}"), now)
        found = outcome.validators
        kept = replace(
            looked,
            etag=found.etag if found else None,
            last_modified=found.last_modified if found else None,
            validator_url=found.url if found else None,
        )
        return _succeeded(_moved(kept, outcome.permanent_url, now), outcome.max_age_s, now)
    if isinstance(outcome, Later):
        return _later(looked, outcome, now)
    return _failed(looked, outcome, now)


def _is_ruined(feed: Feed) -> bool:
    """Whether nothing can be taken from it, and not because it is empty: keeping its ETag would hide the whole one."""
    return bool(feed.problems) and not any(map(_is_usable, feed.entries))


def _succeeded(standing: Standing, max_age_s: int | None, now: datetime) -> Standing:
    fresh = min(timedelta(seconds=min(max_age_s or 0, 86_400)), LONGEST)
    return replace(
        standing,
        state=SourceState.OK,
        succeeded_at=now,
        next_look_at=now + max(BASE, fresh) + _spread(standing.url),
        failures=0,
        error=None,
    )


def _later(standing: Standing, outcome: Later, now: datetime) -> Standing:
    failures = 0 if outcome.retry_at else standing.failures + 1
    at = outcome.retry_at or now + _back_off(failures)
    return replace(standing, state=SourceState.LATE, next_look_at=at, failures=failures, error=outcome.sentence)


def _failed(standing: Standing, outcome: Failed, now: datetime) -> Standing:
    failures = standing.failures + 1
    next_look_at: datetime | None = now + _back_off(failures) + _spread(standing.url)
    state = SourceState.FAILING
    sentence = outcome.sentence
    lost_since = standing.succeeded_at or standing.created_at
    if outcome.permanent:
        state, next_look_at = SourceState.GONE, None
        sentence += "; it is not asked again"
    elif outcome.status == 404 and standing.error == sentence and now - lost_since >= LOST_AFTER:
        state, next_look_at = SourceState.OFF, None
        sentence += f" for {LOST_AFTER.days} days; it is not asked again"
    return replace(standing, state=state, next_look_at=next_look_at, failures=failures, error=sentence)


def _back_off(failures: int) -> timedelta:
    return min(FIRST_RETRY * (1 << min(max(failures - 1, 0), 10)), LONGEST)


def _spread(url: str) -> timedelta:
    """Up to ten minutes, the same for a source every time: five hundred sources are not asked in one second."""
    return timedelta(seconds=zlib.crc32(url.encode()) % 600)


def _moved(standing: Standing, target: str | None, now: datetime) -> Standing:
    """Counts equal permanent redirects; the third over at least a day becomes the source's URL (E-06)."""
    if target is None or (standing.url.startswith("https:") and not target.startswith("https:")):
        return replace(standing, moved_to=None, moved_count=0, moved_since=None)
    if target != standing.moved_to or standing.moved_since is None:
        return replace(standing, moved_to=target, moved_count=1, moved_since=now)
    count = standing.moved_count + 1
    if count >= MOVES_TO_BELIEVE and now - standing.moved_since >= MOVED_FOR:
        return replace(standing, url=target, moved_to=None, moved_count=0, moved_since=None)
    return replace(standing, moved_count=count)


@dataclass(frozen=True)
class Known:
    """What is stored already: entry ids of this source, and canonical URLs of any, each with its article's id."""

    ids: Mapping[str, int]
    urls: Mapping[str, int]


@dataclass(frozen=True)
class Sorted:
    """The entries of a look: new articles, each with all the ids it came under; and others, seen before."""

    new: tuple[tuple[Entry, tuple[str, ...]], ...]
    seen: tuple[tuple[Entry, str, int], ...]  # entry, id, article


def sort_entries(entries: Sequence[Entry], known: Known, max_items: int | None = None) -> Sorted:
    """Tells new entries from those seen under their id or their canonical URL (E-11, E-14).

    An id that two different pages of one feed share is not trusted: the page's URL stands for it. Entries without
    a web address, or with neither title nor words, are none. Only the feed's `max_items` latest pages can be new: what
    was older at one look is not taken for news at the next.
    """
    usable = list(filter(_is_usable, entries))
    pages = Counter(name for name, _ in {(entry.id, entry.canonical_url) for entry in usable})
    latest = _latest(usable, max_items)
    new: dict[str, tuple[Entry, list[str]]] = {}
    seen = []
    for entry in usable:
        name = entry.id if pages[entry.id] == 1 else entry.canonical_url
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


def _is_usable(entry: Entry) -> bool:
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
