"""Stores what pages told: their look, the fields they fill, two articles that are one page (steps)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_
from sqlmodel import Session, col, select, update

from digest.gather.completing import facts
from digest.models import (
    Appearance,
    Article,
    Engagement,
    Issue,
    IssueState,
    Override,
    PageLook,
    RobotsText,
    Sighting,
    Source,
)

OLDEST = timedelta(days=30)
LOOKED_THROUGH = 2_000  # rows, for the pages of one round


@dataclass(frozen=True)
class Wanted:
    """An article whose page is to be read."""

    id: int
    canonical_url: str
    url: str


def wanted(session: Session, default: bool, now: datetime, most: int) -> list[Wanted]:
    """The newest articles of the last month that lack something and whose page may be asked now."""
    asked = col(Source.full_pages)
    full = or_(asked.is_(True), asked.is_(None)) if default else or_(asked.is_(True))
    query = (
        select(Article)
        .join(Source, col(Source.id) == col(Article.source_id))
        .outerjoin(PageLook, col(PageLook.canonical_url) == col(Article.canonical_url))
        .where(full, col(Article.hidden).is_(False), col(Article.available_at) >= now - OLDEST)
        .where(or_(col(PageLook.canonical_url).is_(None), col(PageLook.next_try_at) <= now))
        .order_by(col(Article.available_at).desc(), col(Article.id).desc())
        .limit(LOOKED_THROUGH)
    )
    rows = [row for row in session.exec(query) if facts.lacks(row)][:most]
    return [Wanted(row.id, row.canonical_url, row.url) for row in rows if row.id is not None]


def robots_text(session: Session, origin: str, now: datetime) -> str | None:
    """The rules of an origin, if they are known and fresh."""
    row = session.get(RobotsText, origin)
    return row.text if row is not None and row.expires_at > now else None


def store_robots(session: Session, origin: str, text: str, expires_at: datetime) -> None:
    """Keeps the rules of an origin."""
    session.merge(RobotsText(origin=origin, text=text, expires_at=expires_at))


def store_look(session: Session, one: Wanted, outcome: str, told: dict[str, Any] | None, now: datetime) -> None:
    """Keeps a look at a page, and fills the article with what it told; a failed one is tried again, three times."""
    known = session.get(PageLook, one.canonical_url)
    tries = (known.tries if known else 0) + 1
    article = session.get(Article, one.id)
    filled: dict[str, Any] = {}
    if article is not None and told:
        source = session.get(Source, article.source_id)
        filled = facts.fills(article, told, now, source.type if source else "")
    session.merge(
        PageLook(
            canonical_url=one.canonical_url,
            looked_at=now,
            outcome=outcome,
            facts=told or {},
            filled=sorted(filled),
            tries=tries,
            next_try_at=None if told is not None else facts.next_try(tries, now),
        )
    )
    if article is None:
        return
    for name, value in filled.items():
        setattr(article, name, value)
    named = facts.identity(article.canonical_url, told.get("canonical_url")) if told else None
    if named:
        _rename(session, article, named, now)


def postpone(session: Session, one: Wanted, outcome: str, now: datetime, until: datetime) -> None:
    """Keeps that a page could not be asked now and why: it is asked after `until`, and this was no try."""
    known = session.get(PageLook, one.canonical_url)
    look = PageLook(canonical_url=one.canonical_url, looked_at=now, outcome=outcome, next_try_at=until)
    session.merge(PageLook(**{**look.model_dump(), "tries": known.tries if known else 0}))


def filled(session: Session, articles: Collection[int]) -> dict[int, set[str]]:
    """For each of these articles the columns that its page filled."""
    rows = session.exec(
        select(Article.id, PageLook.filled)
        .join(PageLook, col(PageLook.canonical_url) == col(Article.canonical_url))
        .where(col(Article.id).in_(articles))
    )
    return {article: set(names) for article, names in rows if article is not None and names}


def renamed(session: Session, urls: Sequence[str]) -> dict[str, int]:
    """The articles that came under these canonical URLs and have the one now that their page gives itself.

    `urls` are as many as one IN list takes.
    """
    known = session.exec(select(PageLook.canonical_url, PageLook.facts).where(col(PageLook.canonical_url).in_(urls)))
    names = {url: facts.identity(url, told.get("canonical_url")) for url, told in known}
    wanted = set(filter(None, names.values()))
    found = session.exec(select(Article.canonical_url, Article.id).where(col(Article.canonical_url).in_(wanted)))
    articles = dict(found.all())
    return {url: id_ for url, name in names.items() if (id_ := articles.get(name or "")) is not None}


def _rename(session: Session, article: Article, named: str, now: datetime) -> None:
    """The article under the name its page gives itself; one that has the name already is the same article."""
    other = session.exec(select(Article).where(Article.canonical_url == named)).first()
    if other is None:
        look = session.get(PageLook, article.canonical_url)
        article.canonical_url = named
        if look is not None:
            session.merge(PageLook(**{**look.model_dump(), "canonical_url": named}))
    elif facts.one_page(article.title, other.title) and not _is_joined(session, other):
        _join(session, *sorted((other, article), key=_standing))


def _standing(article: Article) -> tuple[bool, bool]:
    """Which of two articles stays: one that waits for a person after any other, one that a person added before."""
    return bool(article.held_for), not article.added_by_hand


def _is_joined(session: Session, article: Article) -> bool:
    """Whether it is but a name of another by now: pages that name each other in a circle must not all go."""
    seen = select(Sighting.article_id).where(col(Sighting.article_id) == article.id).limit(1)
    return article.hidden and not article.added_by_hand and session.exec(seen).first() is None


def _join(session: Session, kept: Article, gone: Article) -> None:
    """`gone` becomes a name of `kept`: sightings move; appearances, counts and editors' words are copied; it is hidden.

    In what is still to go out, an editor's place is that of `kept` alone: the page must not stand there twice.
    """
    if kept.id is None or gone.id is None:
        return
    session.exec(update(Sighting).where(col(Sighting.article_id) == gone.id).values(article_id=kept.id))
    for model, key in ((Appearance, "edition_id"), (Override, "issue_id"), (Engagement, "kind")):
        there = {getattr(row, key) for row in session.exec(select(model).where(col(model.article_id) == kept.id))}
        for row in session.exec(select(model).where(col(model.article_id) == gone.id)).all():
            if getattr(row, key) not in there:
                session.add(model(**{**row.model_dump(), "article_id": kept.id}))
    unsent = select(Issue.id).where(col(Issue.state).in_([IssueState.DRAFT, IssueState.APPROVED, IssueState.HELD]))
    placed = update(Override).where(col(Override.article_id) == gone.id, col(Override.issue_id).in_(unsent))
    session.flush()
    session.exec(placed.values(pinned=False, section_id=None, position=None))
    if kept.boost == 1.0:
        kept.boost = gone.boost
    gone.hidden = True
