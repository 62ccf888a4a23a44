"""What can be signed up for: the public lists, each with the sections of its editions that a reader may follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlmodel import Session

from digest.config.stored import edition_from_json
from digest.models import Edition, people, table


@dataclass(frozen=True)
class Offer:
    """A list on the form; `sections` are (id, title) in the order of the issue, none where there is no choice."""

    id: str
    title: str
    description: str
    sections: tuple[tuple[str, str], ...] = ()


def offers(session: Session) -> list[Offer]:
    """The public lists, in the order they were declared."""
    lists = table(people.MailingList).c
    chosen = select(lists.id, lists.title, lists.description).where(lists.public, lists.active)
    rows = session.execute(chosen.order_by(lists.created_at, lists.declared_line, lists.id)).all()
    sections = sections_of(session, [row.id for row in rows])
    return [Offer(row.id, row.title, row.description, sections.get(row.id, ())) for row in rows]


def sections_of(session: Session, list_ids: Sequence[str]) -> Mapping[str, tuple[tuple[str, str], ...]]:
    """The sections (id, title) of each list's editions together; a list with fewer than two is left out."""
    edition = table(Edition).c
    rows = select(edition.list_id, edition.settings).where(edition.active, edition.list_id.in_(list_ids))
    found: dict[str, dict[str, str]] = {}
    for row in session.execute(rows.order_by(edition.id)):
        for section in edition_from_json(row.settings).sections:
            found.setdefault(row.list_id, {}).setdefault(section.id, section.title)
    return {list_id: tuple(sections.items()) for list_id, sections in found.items() if len(sections) > 1}
