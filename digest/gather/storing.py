"""A look at a source, written down in one go: its standing, its new articles, what was seen again (steps)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlmodel import Session, col, select, update

from digest.gather.clean import shorten
from digest.gather.completing.storing import filled
from digest.gather.decide import Known, Sorted, Standing, available_at, headline, published_at, section, standfirst
from digest.gather.entries import Entry
from digest.models import Article, Sighting, Source, table

_COLUMNS = [field.name for field in fields(Standing)]
MAX_NAME = 100  # graphemes of a feed's own title
_CHUNK = 500  # values of one IN list


def standing(source: Source) -> Standing:
    """The standing that a source's row holds."""
    return Standing(**{name: getattr(source, name) for name in _COLUMNS})


def store_standing(session: Session, source_id: str, new: Standing) -> None:
    """Writes the standing; a source that a person removed meanwhile stays away."""
    session.exec(
        update(Source).where(col(Source.id) == source_id).values(**{name: getattr(new, name) for name in _COLUMNS})
    )


def name_source(session: Session, source_id: str, title: str) -> None:
    """A source that nobody named is called what its feed called itself when it was first read."""
    unnamed = update(Source).where(col(Source.id) == source_id, col(Source.name) == "")
    if title:
        session.exec(unnamed.values(name=shorten(title, MAX_NAME)))


def known(session: Session, source_id: str, entries: Sequence[Entry]) -> Known:
    """What is stored of these entries: by this source's ids, and by anybody's canonical URLs."""
    names = list({name for entry in entries for name in (entry.id, entry.canonical_url)})
    urls = list({entry.canonical_url for entry in entries})
    ids: dict[str, int] = {}
    found: dict[str, int] = {}
    for part in _parts(names):
        rows = session.exec(
            select(Sighting.entry_id, Sighting.article_id).where(
                col(Sighting.source_id) == source_id, col(Sighting.entry_id).in_(part)
            )
        )
        ids.update(rows.all())
    for part in _parts(urls):
        pages = session.exec(select(Article.canonical_url, Article.id).where(col(Article.canonical_url).in_(part)))
        found.update((url, article) for url, article in pages.all() if article is not None)
    return Known(ids, found)


def store_entries(session: Session, source: Source, entries: Sorted, now: datetime) -> int:
    """Adds new articles and sightings and follows edits; the number of new articles."""
    _follow_edits(session, source.id, entries)
    sightings = [(name, article) for _, name, article in entries.seen]
    for entry, names in entries.new:
        article = _article(entry, source, now)
        session.add(article)
        session.flush()
        assert article.id is not None
        sightings += [(name, article.id) for name in names]
    _store_sightings(session, source.id, sightings, now)
    return len(entries.new)


def _article(entry: Entry, source: Source, now: datetime) -> Article:
    return Article(
        canonical_url=entry.canonical_url,
        url=entry.url,
        source_id=source.id,
        bylines=[asdict(byline) for byline in entry.bylines],
        kind=entry.kind or source.kind,
        section=section(entry, source.section),
        categories=list(entry.categories),
        language=source.language or entry.language,
        published_at=published_at(entry, now),
        first_seen_at=now,
        available_at=available_at(entry, now),
        previous_look_at=source.succeeded_at or now,
        **_told(entry),
    )


def _told(entry: Entry) -> dict[str, Any]:
    """What an edit may change."""
    image = entry.image
    return {
        "title": headline(entry),
        "dek": standfirst(entry),
        "summary_html": entry.summary_html,
        "image_url": image.url if image else None,
        "image_alt": image.alt if image else "",
        "image_credit": image.credit if image else "",
        "image_width": image.width if image else None,
        "image_height": image.height if image else None,
    }


def _follow_edits(session: Session, source_id: str, entries: Sorted) -> None:
    """Title, dek and image as the source says now; only the source that an article came from may change it.

    An entry that knows nothing but its address tells nothing new.
    """
    latest = {article: entry for entry, _, article in reversed(entries.seen)}
    from_pages = filled(session, list(latest))
    for part in _parts(list(latest)):
        for article in session.exec(select(Article).where(col(Article.id).in_(part), Article.source_id == source_id)):
            if article.added_by_hand or article.id is None or latest[article.id].thin:
                continue
            for name, value in _told(latest[article.id]).items():
                if not value and name in from_pages.get(article.id, ()):
                    continue  # the feed says nothing still: the page's word stays
                if getattr(article, name) != value:
                    setattr(article, name, value)


def _store_sightings(session: Session, source_id: str, sightings: list[tuple[str, int]], now: datetime) -> None:
    wanted = dict(reversed(sightings))
    stored: set[str] = set()
    for part in _parts(list(wanted)):
        stored.update(
            session.exec(
                select(Sighting.entry_id).where(col(Sighting.source_id) == source_id, col(Sighting.entry_id).in_(part))
            )
        )
    rows = [
        {"source_id": source_id, "entry_id": name, "article_id": article, "seen_at": now}
        for name, article in wanted.items()
        if name not in stored
    ]
    if rows:
        session.flush()
        session.connection().execute(insert(table(Sighting)), rows)


def _parts(values: list[Any]) -> list[list[Any]]:
    return [values[at : at + _CHUNK] for at in range(0, len(values), _CHUNK)]
