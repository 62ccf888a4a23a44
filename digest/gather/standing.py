"""What a look at a source means for it: how it is doing, and when it is asked next. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from digest.gather.decide import is_usable
from digest.gather.entries import Feed
from digest.gather.hosts import without_secrets
from digest.gather.outcomes import Failed, Fetched, Later, Outcome, Unchanged, Validators
from digest.models import SourceState

BASE = timedelta(hours=6)
FIRST_RETRY = timedelta(minutes=30)
LONGEST = timedelta(hours=24)
LOST_AFTER = timedelta(days=14)  # of nothing but 404
MOVES_TO_BELIEVE = 3  # equal permanent redirects in a row ...
MOVED_FOR = timedelta(hours=24)  # ... over at least this long


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
    status: int | None = None
    moved_to: str | None = None
    moved_count: int = 0
    moved_since: datetime | None = None
    moved_from: str | None = None
    fresh_until: datetime | None = None
    ttl_s: int | None = None
    skip_hours: list[int] = field(default_factory=list)
    skip_days: list[int] = field(default_factory=list)
    lost_since: datetime | None = None
    answered_url: str | None = None


def may_ask(standing: Standing, now: datetime, *, force: bool, named: bool = False) -> bool:
    """True if the source is to be asked now.

    Gone and switched-off ones never are. `force` overrides our own interval and the feed's hints, but not what the
    server's headers say: until Retry-After (such a standing is late with no failures counted) it is left alone, and
    while its last answer is fresh nothing new can be had. A person who has `named` this source overrides the latter.
    """
    if standing.state in (SourceState.GONE, SourceState.OFF):
        return False
    due = standing.next_look_at is None or standing.next_look_at <= now
    told = standing.state == SourceState.LATE and standing.failures == 0
    fresh = standing.fresh_until is not None and now < standing.fresh_until and not named
    return due or (force and not told and not fresh)


def validators(standing: Standing) -> Validators | None:
    """What to send back with the next request, if it belongs to an URL."""
    if not standing.validator_url or not (standing.etag or standing.last_modified):
        return None
    return Validators(standing.validator_url, standing.etag, standing.last_modified)


def after(standing: Standing, outcome: Outcome, feed: Feed | None, now: datetime) -> Standing:
    """The standing after a look; `feed` is what a fetched body was read as. Times spread by the source, not by dice."""
    looked = replace(standing, looked_at=now, status=None)
    if isinstance(outcome, Unchanged):
        return _succeeded(_moved(looked, outcome.permanent_url, now), outcome.max_age_s, now)
    if isinstance(outcome, Fetched):
        if feed is None or not feed.kind or _is_ruined(feed):
            reason = feed.problems[0] if feed and feed.problems else "it could not be read in time"
            return _failed(looked, Failed(f"{outcome.shown}: {reason}"), now)
        kept = _moved(_read(looked, outcome, feed), outcome.permanent_url, now)
        return _ended(kept) if feed.expired else _succeeded(kept, outcome.max_age_s, now)
    if isinstance(outcome, Later):
        return _later(looked, outcome, now)
    return _failed(looked, outcome, now)


def revived(standing: Standing) -> Standing:
    """The standing of a source that a person wants to be asked again, from the next look on."""
    return replace(
        standing,
        state=SourceState.NEW,
        next_look_at=None,
        fresh_until=None,
        failures=0,
        error=None,
        status=None,
        lost_since=None,
    )


def _is_ruined(feed: Feed) -> bool:
    """Whether nothing can be taken from it, and not because it is empty: keeping its ETag would hide the whole one."""
    return bool(feed.problems) and not any(map(is_usable, feed.entries))


def _read(standing: Standing, outcome: Fetched, feed: Feed) -> Standing:
    found = outcome.validators
    return replace(
        standing,
        etag=found.etag if found else None,
        last_modified=found.last_modified if found else None,
        validator_url=found.url if found else None,
        answered_url=outcome.url,
        ttl_s=feed.ttl_s,
        skip_hours=sorted(feed.skip_hours),
        skip_days=sorted(feed.skip_days),
    )


def _succeeded(standing: Standing, max_age_s: int | None, now: datetime) -> Standing:
    fresh = min(timedelta(seconds=min(max_age_s or 0, 86_400)), LONGEST)
    wait = max(BASE, fresh, timedelta(seconds=standing.ttl_s or 0)) + _spread(standing.url)
    return replace(
        standing,
        state=SourceState.OK,
        succeeded_at=now,
        next_look_at=_not_skipped(now + wait, standing.skip_hours, standing.skip_days),
        fresh_until=now + fresh if fresh else None,
        failures=0,
        error=None,
        lost_since=None,
    )


def _ended(standing: Standing) -> Standing:
    sentence = f"{without_secrets(standing.url)} says that it has ended; it is not asked again"
    return replace(
        standing,
        state=SourceState.GONE,
        succeeded_at=standing.looked_at,
        next_look_at=None,
        fresh_until=None,
        failures=0,
        error=sentence,
    )


def _not_skipped(at: datetime, hours: Collection[int], days: Collection[int]) -> datetime:
    """`at`, or the next full hour that the feed doesn't ask to skip; one that skips every hour asks for nothing."""
    full = at.replace(minute=0, second=0, microsecond=0)
    for later in range(7 * 24 + 1):
        hour = full + timedelta(hours=later)
        if hour.hour not in hours and hour.weekday() not in days:
            return max(hour + timedelta(seconds=at.timestamp() % 600), at) if later else at
    return at


def _later(standing: Standing, outcome: Later, now: datetime) -> Standing:
    failures = 0 if outcome.retry_at else standing.failures + 1
    at = outcome.retry_at or now + _back_off(failures)
    return replace(
        standing,
        state=SourceState.LATE,
        next_look_at=at,
        failures=failures,
        error=outcome.sentence,
        lost_since=None,
    )


def _failed(standing: Standing, outcome: Failed, now: datetime) -> Standing:
    failures = standing.failures + 1
    next_look_at: datetime | None = now + _back_off(failures) + _spread(standing.url)
    state = SourceState.FAILING
    sentence = outcome.sentence
    lost_since = (standing.lost_since or now) if outcome.status == 404 else None
    if outcome.permanent:
        state, next_look_at = SourceState.GONE, None
        sentence += "; it is not asked again"
    elif lost_since and now - lost_since >= LOST_AFTER:
        state, next_look_at = SourceState.OFF, None
        sentence += f" for {LOST_AFTER.days} days; it is not asked again"
    return replace(
        standing,
        state=state,
        next_look_at=next_look_at,
        failures=failures,
        error=sentence,
        status=outcome.status,
        lost_since=lost_since,
    )


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
        return replace(standing, url=target, moved_from=standing.url, moved_to=None, moved_count=0, moved_since=None)
    return replace(standing, moved_count=count)
