"""An article as composing looks at it: what stories, ranking and sections need to know, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from digest.models import Article, Source


@dataclass(frozen=True)
class Candidate:
    """An eligible article with what its source adds to it."""

    id: int
    url: str  # canonical: its identity, and the last tie-breaker
    link: str  # as the source gives it
    title: str
    source: str  # id
    at: datetime  # published, else first seen
    source_name: str = ""
    source_weight: float = 1.0
    dek: str = ""
    authors: tuple[str, ...] = ()
    kind: str = ""
    section: str = ""
    categories: tuple[str, ...] = ()
    picture: bool = False
    boost: float = 1.0


def candidate(article: Article, source: Source) -> Candidate:
    """The candidate that a stored article is."""
    assert article.id is not None
    return Candidate(
        id=article.id,
        url=article.canonical_url,
        link=article.url,
        title=article.title,
        source=source.id,
        at=article.published_at or article.first_seen_at,
        source_name=source.name or source.id,
        source_weight=source.weight,
        dek=article.dek,
        authors=tuple(byline["name"] for byline in article.bylines if byline.get("name")),
        kind=article.kind or "",
        section=article.section or "",
        categories=tuple(article.categories),
        picture=bool(article.image_url),
        boost=article.boost,
    )
