"""A look at a source, written down in one go: its standing, its new articles, what was seen again (steps)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

import sqlalchemy
from sqlalchemy import insert
from sqlmodel import Session, col, select, update

from digest.gather.clean import shorten
from digest.gather.completing.storing import filled, renamed
from digest.gather.decide import Known, Page, Sorted, available_at, headline, published_at, section, standfirst
from digest.gather.entries import Entry
from digest.gather.hosts import owner_of
from digest.gather.standing import Standing
from digest.gather.urls import canonical_url
from digest.models import Article, Sighting, Source, table

_COLUMNS = [field.name for field in fields(Standing)]
MAX_NAME = 100  # graphemes of a feed's own title
_CHUNK = 500  # values of one IN list
_a, _s = table(Article), table(Sighting)
_PAGE = (_a.c.id, _a.c.canonical_url, _a.c.title, _a.c.published_at, _a.c.dek)


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
    pages: dict[int, Page] = {}
    found: dict[str, int] = {}
    for part in _parts(names):
        rows = session.execute(
            sqlalchemy.select(_s.c.entry_id, *_PAGE)
            .join(_a, _a.c.id == _s.c.article_id)
            .where(_s.c.source_id == source_id, _s.c.entry_id.in_(part))
        )
        for name, *page in rows.all():
            ids[name] = page[0]
            pages[page[0]] = Page(*page)
    for part in _parts(urls):
        stored = session.exec(select(Article.canonical_url, Article.id).where(col(Article.canonical_url).in_(part)))
        found.update((url, article) for url, article in stored.all() if article is not None)
    for part in _parts([url for url in urls if url not in found]):
        found.update(renamed(session, part))
    return Known(ids, found, pages, _own(session, source_id, set(found.values()) - pages.keys()))


def _own(session: Session, source_id: str, articles: Collection[int]) -> set[int]:
    """Those of the articles that the source has named before, under whatever id."""
    own: set[int] = set()
    for part in _parts(sorted(articles)):
        seen = select(Sighting.article_id).where(
            col(Sighting.source_id) == source_id, col(Sighting.article_id).in_(part)
        )
        own.update(session.exec(seen).all())
    return own


def pages(session: Session, source_id: str, titles: Sequence[str]) -> list[Page]:
    """The source's own articles with these headlines, the latest first."""
    found = []
    for part in _parts(list(dict.fromkeys(titles))):
        wanted = sqlalchemy.select(*_PAGE).where(_a.c.source_id == source_id, _a.c.title.in_(part))
        found += [Page(*row) for row in session.execute(wanted.order_by(_a.c.id.desc()))]
    return found


def history(session: Session, source_id: str, most: int) -> list[tuple[datetime, datetime | None, str]]:
    """First seen, published and link of the source's latest articles that no one holds, the latest first."""
    wanted = select(Article.first_seen_at, Article.published_at, Article.url).where(
        col(Article.source_id) == source_id, col(Article.held_for).is_(None)
    )
    return list(session.exec(wanted.order_by(col(Article.id).desc()).limit(most)).all())


def store_entries(
    session: Session, source: Source, entries: Sorted, now: datetime, held: Mapping[str, str] | None = None
) -> int:
    """Adds new articles and sightings and follows edits; the number of new articles.

    `held` says by canonical URL why a person has to let some of them in.
    """
    _follow_edits(session, source, entries)
    sightings = [(name, article) for _, name, article in entries.seen]
    for entry, names in entries.new:
        article = _article(entry, source, now)
        article.held_for = (held or {}).get(entry.canonical_url)
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


def _follow_edits(session: Session, source: Source, entries: Sorted) -> None:
    """Title, dek, image and link as the source says now; only the source that an article came from may change it.

    An entry that knows nothing but its address tells nothing new.
    """
    latest = {article: entry for entry, _, article in reversed(entries.seen)}
    from_pages = filled(session, list(latest))
    for part in _parts(list(latest)):
        for article in session.exec(select(Article).where(col(Article.id).in_(part), Article.source_id == source.id)):
            if article.added_by_hand or article.id is None or latest[article.id].thin:
                continue
            entry = latest[article.id]
            for name, value in (_told(entry) | _link(article, entry, source)).items():
                if not value and name in from_pages.get(article.id, ()):
                    continue  # the feed says nothing still: the page's word stays
                if getattr(article, name) != value:
                    setattr(article, name, value)


def _link(article: Article, entry: Entry, source: Source) -> dict[str, Any]:
    """The article's new link, if it has one: to another page, and of the same owner or the source's."""
    if entry.canonical_url in (article.canonical_url, canonical_url(article.url)):
        return {}
    ours = owner_of(entry.url) in (owner_of(article.url), owner_of(source.url))
    return {"url": entry.url} if ours else {}


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
