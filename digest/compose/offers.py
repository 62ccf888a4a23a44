"""What readers of a list can choose from: its editions, their sections, and who wrote in its last issues. Step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import select
from sqlmodel import Session

from digest.config.stored import edition_from_json
from digest.models import Article, Edition, Issue, IssueState, Placement, table

ISSUES = 12  # the last ones of a list, whose authors are offered
AUTHORS = 20  # who wrote most in them

_e = table(Edition)
_i = table(Issue)
_p = table(Placement)
_a = table(Article)


@dataclass(frozen=True)
class Offer:
    """Of one list: (id, title) of editions and sections in their order, names of authors in the alphabet's."""

    editions: tuple[tuple[str, str], ...] = ()
    sections: tuple[tuple[str, str], ...] = ()
    authors: tuple[str, ...] = ()


def offers(session: Session, list_ids: Collection[str]) -> dict[str, Offer]:
    """What each of these lists offers; a section that several of its editions have is there once."""
    rows = session.execute(
        select(_e.c.id, _e.c.list_id, _e.c.title, _e.c.settings)
        .where(_e.c.list_id.in_(list_ids), _e.c.active.is_(True))
        .order_by(_e.c.declared_line, _e.c.id)
    ).all()
    found = {}
    for list_id in list_ids:
        mine = [row for row in rows if row.list_id == list_id]
        sections = {one.id: one.title for row in mine for one in edition_from_json(row.settings).sections}
        editions = tuple((row.id, row.title) for row in mine)
        found[list_id] = Offer(editions, tuple(sections.items()), _authors(session, list_id))
    return found


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
