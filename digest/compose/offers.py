"""What can be signed up for, and what readers of a list can choose from: editions, sections, authors. Step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select
from sqlmodel import Session

from digest.config.stored import edition_from_json
from digest.models import Article, Edition, Issue, IssueState, Placement, people, table

ISSUES = 12  # the last ones of a list, whose authors are offered
AUTHORS = 20  # who wrote most in them

_e = table(Edition)
_i = table(Issue)
_p = table(Placement)
_a = table(Article)


@dataclass(frozen=True)
class Listed:
    """A list on the sign-up form; `sections` are (id, title) in their order, none where there is no choice."""

    id: str
    title: str
    description: str
    sections: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Offer:
    """Of one list: (id, title) of editions and sections in their order, names of authors in the alphabet's."""

    editions: tuple[tuple[str, str], ...] = ()
    sections: tuple[tuple[str, str], ...] = ()
    authors: tuple[str, ...] = ()


def listed(session: Session) -> list[Listed]:
    """The public lists, in the order they were declared."""
    lists = table(people.MailingList).c
    public = select(lists.id, lists.title, lists.description).where(lists.public, lists.active)
    rows = session.execute(public.order_by(lists.created_at, lists.declared_line, lists.id)).all()
    editions = _editions(session, [row.id for row in rows])
    sections = {list_id: _sections(found) for list_id, found in editions.items()}
    return [
        Listed(row.id, row.title, row.description, sections[row.id] if len(sections[row.id]) > 1 else ())
        for row in rows
    ]


def offers(session: Session, list_ids: Collection[str]) -> dict[str, Offer]:
    """What each of these lists offers."""
    return {
        list_id: Offer(tuple((row.id, row.title) for row in rows), _sections(rows), _authors(session, list_id))
        for list_id, rows in _editions(session, list_ids).items()
    }


def _editions(session: Session, list_ids: Collection[str]) -> dict[str, list[Row[Any]]]:
    """Those of each list that are not switched off, in the order they were declared."""
    chosen = select(_e.c.id, _e.c.list_id, _e.c.title, _e.c.settings)
    rows = session.execute(
        chosen.where(_e.c.list_id.in_(list_ids), _e.c.active.is_(True)).order_by(_e.c.declared_line, _e.c.id)
    ).all()
    return {list_id: [row for row in rows if row.list_id == list_id] for list_id in list_ids}


def _sections(editions: Iterable[Row[Any]]) -> tuple[tuple[str, str], ...]:
    """Their sections together; one that several have is there once, by its first title."""
    found: dict[str, str] = {}
    for row in editions:
        for section in edition_from_json(row.settings).sections:
            found.setdefault(section.id, section.title)
    return tuple(found.items())


def _authors(session: Session, list_id: str) -> tuple[str, ...]:
    last = (
        select(_i.c.id)
        .join_from(_i, _e, _e.c.id == _i.c.edition_id)
        .where(_e.c.list_id == list_id, _i.c.state.in_((IssueState.FROZEN, IssueState.SENDING, IssueState.SENT)))
        .order_by(_i.c.id.desc())
        .limit(ISSUES)
    )
    shown = (
        select(_a.c.bylines)
        .join_from(_p, _a, _a.c.id == _p.c.article_id)
        .where(_p.c.issue_id.in_(last), _p.c.left_out.is_(None))
    )
    wrote = Counter(
        byline["name"] for bylines in session.execute(shown).scalars() for byline in bylines if byline.get("name")
    )
    # Spelled in two ways, it is one author: choices are kept in small letters.
    spelled = {name.casefold(): name for name, _ in reversed(wrote.most_common())}
    most = sorted(wrote.items(), key=lambda one: (-one[1], one[0]))
    names = dict.fromkeys(spelled[name.casefold()] for name, _ in most)
    return tuple(sorted(list(names)[:AUTHORS], key=str.casefold))
