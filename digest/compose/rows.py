"""What composing reads from the database, each thing in one query."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, and_, exists, or_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, func, select

from digest.compose.building import Material
from digest.compose.candidates import Looked
from digest.compose.eligibility import Window
from digest.compose.sections import standing
from digest.compose.stories import Earlier, Told
from digest.config.stored import edition_from_json
from digest.config.values import Config, EditionConfig
from digest.errors import NotFound
from digest.gather.alarms import failed
from digest.models import (
    NO_ROOM,
    Appearance,
    Article,
    Edition,
    Issue,
    IssueState,
    Override,
    Placement,
    Source,
    people,
    table,
)

OPEN = (IssueState.DRAFT, IssueState.APPROVED, IssueState.HELD)  # placed, and not yet given a number
GONE_OUT = (IssueState.FROZEN, IssueState.SENDING, IssueState.SENT)
REMEMBERED = timedelta(weeks=4)  # how long an issue's stories count as told
LOOKED: tuple[ColumnElement[Any], ...] = (  # ten thousand whole articles would be most of the time, and of the memory
    *(table(Article).c[name] for name in Looked._fields if not name.startswith("source_") or name == "source_id"),
    table(Source).c.name,
    table(Source).c.weight,
)
MANY = 500  # values in one IN list; SQLite allows 32,766, PostgreSQL plans badly long before


@dataclass(frozen=True)
class Taken:
    """The issue of the edition that has an article."""

    issue_id: int
    number: int | None


def edition_of(session: Session, edition_id: str, *, lock: bool = False) -> EditionConfig:
    """The edition's settings; NotFound if there is none, or it is switched off.

    With `lock`, whoever else composes or freezes this edition waits until the transaction ends.
    """
    query = select(Edition).where(col(Edition.id) == edition_id)
    row = session.exec(query.with_for_update() if lock else query).first()
    if row is None or not row.active:
        known = session.exec(select(Edition.id).where(col(Edition.active)).order_by(Edition.id)).all()
        raise NotFound(f"there is no edition {edition_id!r} ({', '.join(known) or 'none is set up'})")
    return edition_from_json(row.settings)


def remarks(session: Session) -> tuple[str, ...]:
    """What an editor should know of the sources: "2 of 14 sources failed", and which."""
    known = select(Source.id, Source.error).where(col(Source.active)).order_by(col(Source.id))
    return tuple(filter(None, [failed(session.exec(known).all())]))


def section_titles(session: Session, edition_id: str) -> dict[str, str]:
    """The titles of the edition's sections by id, whether or not it is switched on."""
    row = session.get(Edition, edition_id)
    return {section.id: section.title for section in standing(edition_from_json(row.settings))} if row else {}


def issue_of(session: Session, issue_id: int) -> Issue:
    """The issue as it is in the database now; NotFound if there is none."""
    issue = session.get(Issue, issue_id, populate_existing=True)
    if issue is None:
        raise NotFound(f"there is no issue with id {issue_id}")
    return issue


def overrides_of(session: Session, issue_id: int) -> dict[int, Override]:
    """The editor's decisions about an issue's articles, by article."""
    rows = session.exec(select(Override).where(col(Override.issue_id) == issue_id))
    return {row.article_id: row for row in rows}


def looked_at(session: Session, window: Window, also: Collection[int]) -> list[Looked]:
    """The articles that became available in the window, and those with the ids of `also`."""
    inside: ColumnElement[bool] = and_(
        col(Article.available_at) >= window.start, col(Article.available_at) < window.end
    )
    query = sa.select(*LOOKED).join_from(Article, Source).where(or_(inside, col(Article.id).in_(also)))
    return list(map(Looked._make, session.execute(query)))


@dataclass(frozen=True)
class Rolling:
    """An article that an earlier issue of the edition had no room for, or that went with it, and may compete again."""

    article: Looked
    issue_id: int
    number: int | None
    cancelled: bool = False  # the issue was


def rolling(session: Session, issue: Issue, most: int) -> list[Rolling]:
    """What the edition's last `most` issues that went out had no room for, and no later one has refused.

    An article's first issue is the one in whose window it became available: it competes in `most` more.
    """
    earlier = select(Issue).where(
        Issue.edition_id == issue.edition_id, col(Issue.id) < issue.id, col(Issue.state).in_(GONE_OUT)
    )
    last = session.exec(earlier.order_by(col(Issue.id).desc()).limit(most)).all() if most else ()
    if not last:
        return []
    numbers = {one.id: one.number for one in last}
    later = aliased(Placement)
    refused_later = exists().where(
        col(later.article_id) == col(Placement.article_id),
        col(later.issue_id).in_(numbers),
        col(later.issue_id) > col(Placement.issue_id),
    )
    query = (
        sa.select(*LOOKED, col(Placement.issue_id))
        .join_from(Article, Source)
        .join(Placement, col(Placement.article_id) == col(Article.id))
        .where(
            col(Placement.issue_id).in_(numbers),
            col(Placement.cause).in_(NO_ROOM),
            col(Article.available_at) >= min(one.window_start for one in last),
            ~refused_later,
        )
    )
    return [Rolling(Looked._make(row), id_, numbers[id_]) for *row, id_ in session.execute(query)]


def passed_over(session: Session, issue: Issue) -> list[Rolling]:
    """What the edition's cancelled issues of the last four weeks had, where a later one went out without it.

    Such an issue was held, say, while the next one began where it had ended: nobody has looked at its articles since.
    """
    query = select(Issue).where(Issue.edition_id == issue.edition_id, col(Issue.id) < issue.id)
    before = session.exec(query.order_by(col(Issue.id))).all()
    found: dict[int, Rolling] = {}
    for number, one in enumerate(before):
        later = [row.id for row in before[number + 1 :] if row.state in GONE_OUT]
        if one.state == IssueState.CANCELLED and later and one.window_end > issue.window_end - REMEMBERED:
            begin = max((row.window_end for row in before[:number] if counts(row)), default=one.window_start)
            end = min(one.window_end, issue.window_start)
            for article in _unseen(session, begin, end, later):
                found[article.id] = Rolling(article, one.id or 0, one.number, cancelled=True)
    return list(found.values())


def _unseen(session: Session, begin: datetime, end: datetime, issues: Collection[int | None]) -> Sequence[Looked]:
    """The articles that became available between these instants, and that none of the issues looked at."""
    seen = exists().where(col(Placement.article_id) == col(Article.id), col(Placement.issue_id).in_(issues))
    available = col(Article.available_at)
    query = sa.select(*LOOKED).join_from(Article, Source).where(available >= begin, available < end, ~seen)
    return list(map(Looked._make, session.execute(query)))


def counts(issue: Issue) -> bool:
    """Whether the edition's next issue begins where this one ended."""
    if issue.state == IssueState.SKIPPED:
        return issue.slot is not None and not issue.rolled_over
    return issue.state != IssueState.CANCELLED


def taken_by_others(session: Session, issue: Issue) -> dict[int, Taken]:
    """The articles of the edition's other issues: those that appeared, and those placed in one that is open."""
    placed = (
        select(Placement.article_id, Issue.id)
        .join(Issue, col(Issue.id) == col(Placement.issue_id))
        .where(
            Issue.edition_id == issue.edition_id,
            Issue.id != issue.id,
            col(Issue.state).in_(OPEN),
            col(Placement.left_out).is_(None),
        )
    )
    taken = {article: Taken(other or 0, None) for article, other in session.exec(placed)}
    appeared = (
        select(Appearance.article_id, Issue.id, Issue.number)
        .join(Issue, col(Issue.id) == col(Appearance.issue_id))
        .where(Appearance.edition_id == issue.edition_id, Appearance.issue_id != issue.id)
    )
    return taken | {article: Taken(other or 0, number) for article, other, number in session.exec(appeared)}


def earlier(session: Session, issue: Issue) -> list[Earlier]:
    """What the edition's other issues told in the four weeks up to this one, "also covered by" ones too.

    These are told of under the title that the issue had for their story.
    """
    query = (
        select(Article, Appearance.issue_id, Issue.number)
        .join(Appearance, col(Appearance.article_id) == col(Article.id))
        .join(Issue, col(Issue.id) == col(Appearance.issue_id))
        .where(
            Appearance.edition_id == issue.edition_id,
            Appearance.issue_id != issue.id,
            col(Issue.window_end) > issue.window_end - REMEMBERED,
            col(Issue.window_end) <= issue.window_end,
        )
    )
    found = session.exec(query).all()
    led_by = _led_by(session, {other for _, other, _ in found})
    titles = {row.id: row.title for row, _, _ in found}
    return [
        Earlier(
            row.title,
            row.dek,
            row.url,
            row.source_id,
            row.published_at or row.first_seen_at,
            Told(other, number, titles.get(led_by.get((other, row.id or 0)), row.title)),
        )
        for row, other, number in found
    ]


def _led_by(session: Session, issues: Collection[int]) -> dict[tuple[int, int], int]:
    """By issue and "also covered by" article: the article that stood in the issue for their story."""
    query = select(Placement.issue_id, Placement.article_id, Placement.also).where(
        col(Placement.issue_id).in_(issues), col(Placement.left_out).is_(None)
    )
    return {(issue, int(one["id"])): article for issue, article, also in session.exec(query) for one in also}


def next_number(session: Session, edition_id: str) -> int:
    """The number that the edition's next frozen issue gets: numbers are given at freezing, without a gap."""
    last = session.exec(select(func.max(Issue.number)).where(Issue.edition_id == edition_id)).one()
    return (last or 0) + 1


def material_of(session: Session, config: Config, edition: EditionConfig, issue: Issue) -> Material:
    """Everything that the issue's content is built from, as it is stored now."""
    assert issue.id is not None
    query = select(Placement).where(col(Placement.issue_id) == issue.id, col(Placement.left_out).is_(None))
    placements = session.exec(query.order_by(col(Placement.position))).all()
    mailing_list = session.get(people.MailingList, edition.list)
    return Material(
        site=config.site,
        edition=edition,
        list_title=mailing_list.title if mailing_list else edition.list,
        issue=issue,
        number=issue.number or next_number(session, issue.edition_id),
        placements=placements,
        articles=articles_of(session, [row.article_id for row in placements]),
        overrides=overrides_of(session, issue.id),
        sources={source.id: source.name for source in session.exec(select(Source))},
        theme=config.theme(edition.list),
        choosable=_choosable(session, edition.list),
    )


def _choosable(session: Session, list_id: str) -> tuple[str, ...]:
    """The ids of the sections of all editions of a list, sorted."""
    editions = session.exec(select(Edition).where(Edition.list_id == list_id, col(Edition.active)))
    return tuple(sorted({section.id for row in editions for section in standing(edition_from_json(row.settings))}))


def articles_of(session: Session, ids: Collection[int]) -> Mapping[int, Article]:
    """The articles with these ids, by id."""
    wanted, found = sorted(ids), dict[int, Article]()
    for start in range(0, len(wanted), MANY):
        for row in session.exec(select(Article).where(col(Article.id).in_(wanted[start : start + MANY]))):
            assert row.id is not None
            found[row.id] = row
    return found
