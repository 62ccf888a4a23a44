"""An article as composing looks at it: what stories, ranking and sections need to know, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


class Looked(NamedTuple):
    """An article as it is stored, of its columns those that composing looks at; and what its source adds."""

    id: int
    canonical_url: str
    url: str
    source_id: str
    title: str
    dek: str
    bylines: Sequence[Mapping[str, str]]
    kind: str | None
    section: str | None
    categories: Sequence[str]
    image_url: str | None
    published_at: datetime | None
    first_seen_at: datetime
    available_at: datetime
    previous_look_at: datetime
    hidden: bool
    added_by_hand: bool
    held_for: str | None
    boost: float
    source_name: str
    source_weight: float


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


def candidate(article: Looked) -> Candidate:
    """The candidate that a stored article is."""
    return Candidate(
        id=article.id,
        url=article.canonical_url,
        link=article.url,
        title=article.title,
        source=article.source_id,
        at=article.published_at or article.first_seen_at,
        source_name=article.source_name or article.source_id,
        source_weight=article.source_weight,
        dek=article.dek,
        authors=tuple(byline["name"] for byline in article.bylines if byline.get("name")),
        kind=article.kind or "",
        section=article.section or "",
        categories=tuple(article.categories),
        picture=bool(article.image_url),
        boost=article.boost,
    )
