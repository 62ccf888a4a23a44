"""What one good look brings, judged and written down: known or new, let in or held for a person (a step)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlmodel import Session

from digest.gather import decide, flood, storing
from digest.gather.entries import Feed
from digest.models import Source

MANY = 200  # latest articles that tell what is usual


def take_in(session: Session, source_id: str, answered_url: str, feed: Feed, now: datetime) -> int:
    """Stores what a feed brought, before the look itself is written down: what is new depends on the one before.

    The number of new articles, without those that are held back. Nothing of a source that was removed meanwhile.
    """
    row = session.get(Source, source_id, populate_existing=True, with_for_update=True)
    if row is None:
        return 0
    known = storing.known(session, row.id, feed.entries)
    row.ids_trusted = row.ids_trusted and decide.trusts_ids(feed.entries, known)
    entries = decide.sort_entries(feed.entries, known, row.max_items, trusted=row.ids_trusted)
    held: dict[str, str] = {}
    if entries.new:
        past = _past(session, row)
        seeming = entries
        titles = [decide.headline(entry) for entry, _ in entries.new]
        entries = flood.follow(entries, storing.pages(session, row.id, titles), past, now)
        _suspect(row, flood.takeover(entries, feed, answered_url, past))
        old = flood.backlog(entries, feed, past, now)
        waiting = flood.flood(entries, seeming, old, past, now)
        if row.held_for:
            waiting = dict.fromkeys((entry.canonical_url for entry, _ in entries.new), row.held_for)
        row.held += len(waiting)
        held = old | waiting
    stored = storing.store_entries(session, row, entries, now, held)
    row.feed_title = feed.title or row.feed_title
    if stored > len(held):
        seen = storing.history(session, row.id, flood.LINKS)
        row.quiet_after = flood.quiet_after([published or first for first, published, _ in seen])
    session.add(row)
    return stored - len(held)


def _past(session: Session, row: Source) -> flood.Past:
    past = flood.Past(row.succeeded_at, row.url, row.answered_url, row.feed_title)
    if past.succeeded_at is None:
        return past
    seen = storing.history(session, row.id, MANY)
    return replace(
        past,
        first_seen=tuple(first for first, _, _ in seen),
        links=tuple(link for _, _, link in seen[: flood.LINKS]),
    )


def _suspect(row: Source, signs: str | None) -> None:
    if signs and not row.held_for:
        row.held_for = f"Its source may have a new owner: {signs}. `{flood.RELEASE} --source {row.id}` lets it in."
