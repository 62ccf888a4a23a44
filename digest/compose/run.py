"""Composing, in its transactions.

articles | eligible | stories | scored | sections and caps | the editor's hand | content | subject      -> a draft
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from digest import db
from digest.compose import issues, rows
from digest.compose.building import build
from digest.compose.candidates import Looked
from digest.compose.content import IssueContent
from digest.compose.eligibility import Window, not_eligible, taken, window
from digest.compose.freezing import frozen_content
from digest.compose.laying import Laid, lay
from digest.config.values import Config, EditionConfig
from digest.errors import NeedsDecision, NotFound, NothingToDo
from digest.links import Links
from digest.models import Article, Issue, IssueState, Override, Placement

_USUAL = gc.get_threshold()
_SELDOM = 50_000  # objects more between two looks; at the usual 700 they take a sixth of the time


class Slot(Protocol):
    """One planned time of an edition."""

    @property
    def local(self) -> str: ...
    @property
    def at(self) -> datetime: ...


@dataclass(frozen=True)
class Composed:
    """An issue as it stands after composing."""

    issue: Issue
    content: IssueContent | None  # None: it was skipped as too thin
    placements: tuple[Placement, ...]  # in reading order, then what was left out, best first
    articles: Mapping[int, Article | Looked]  # of the placements
    titles: Mapping[str, str]  # of the edition's sections, by id
    problems: tuple[str, ...] = ()  # sentences to look at; none of them stops the issue
    question: str | None = None  # what a person has to decide before the issue goes on


@dataclass(frozen=True)
class Explained:
    """Why an article is where it is in an issue, or is not."""

    issue: Issue
    article: Article
    placement: Placement | None  # None: the issue never looked at it, `reason` says why
    override: Override | None
    reason: str | None  # None: it has a place


def compose(
    engine: Engine, config: Config, links: Links, edition_id: str, now: datetime, slot: Slot | None = None
) -> Composed:
    """The edition's open issue, made or composed anew with all that became available before `now`.

    With a slot it is the slot's issue; NothingToDo if that one is no longer open. By hand it is the open issue that is
    due first. A slot takes over an open issue that was made by hand. NotFound if there is no such edition.
    """
    with _seldom_swept(), db.writing(engine) as session:
        db.take_turn(session, alone=True)
        edition = rows.edition_of(session, edition_id, lock=True)
        issue = _open(session, edition_id, slot) or _made(session, edition_id, slot, now)
        _cut(session, edition, issue, now)
        laid = lay(session, config, links, edition, issue)
        issue = _unapproved(session, issue, now)
        laid = replace(laid, problems=(*laid.problems, *rows.remarks(session)))
        return _decided(session, edition, issue, laid, now)


@contextmanager
def _seldom_swept() -> Iterator[None]:
    """Looks for garbage in circles less often: ten thousand articles are many objects, and few of them circles."""
    gc.set_threshold(_SELDOM, *_USUAL[1:])
    try:
        yield
    finally:
        gc.set_threshold(*_USUAL)


def slot_issue(session: Session, edition_id: str, slot: Slot, now: datetime) -> Issue:
    """The issue of a slot, in whatever state; made as an empty draft if there is none."""
    own = session.exec(select(Issue).where(Issue.edition_id == edition_id, Issue.slot == slot.local)).first()
    return own or _made(session, edition_id, slot, now)


def amend(
    engine: Engine, config: Config, links: Links, issue_id: int, now: datetime, change: Callable[[Session], object]
) -> Composed:
    """An editor's `change` (verbs of `issues`), and the issue laid out with it between the same ends of its window."""
    with db.writing(engine) as session:
        edition = rows.edition_of(session, rows.issue_of(session, issue_id).edition_id, lock=True)
        change(session)
        issue = rows.issue_of(session, issue_id)
        laid = lay(session, config, links, edition, issue)
        problems = (*laid.problems, *rows.remarks(session))
        return Composed(issue, laid.content, *_stored(session, issue, laid.articles), problems, _thin(edition, laid))


def approve(
    engine: Engine, config: Config, links: Links, issue_id: int, by: str, now: datetime, seen: str | None = None
) -> Issue:
    """The draft, approved by `by` as it reads now: as the content with the hash `seen`, else as it was last laid out.

    NeedsDecision if it reads otherwise by now, because articles were edited or hidden since. Then it is laid out
    anew, to be looked at again.
    """
    with db.writing(engine) as session:
        edition = rows.edition_of(session, rows.issue_of(session, issue_id).edition_id, lock=True)
        issue = rows.issue_of(session, issue_id)
        expected = seen or issue.content_hash
        if issue.state == IssueState.DRAFT:
            lay(session, config, links, edition, issue)
        if issue.state != IssueState.DRAFT or issue.content_hash == expected:
            return issues.approve(session, issue_id, expected, by, now)
    raise NeedsDecision(f"issue {issue_id} has changed since it was looked at: look again, then approve")


def current(engine: Engine, config: Config, links: Links, issue_id: int) -> Composed:
    """An issue as it stands; nothing is changed. One that is closed without having been frozen has no content."""
    with db.reading(engine) as session:
        issue = rows.issue_of(session, issue_id)
        problems = rows.remarks(session) if issue.state in rows.OPEN else ()
        return Composed(issue, content_of(session, config, links, issue), *_stored(session, issue), problems)


def explain(engine: Engine, issue_id: int, article_id: int) -> Explained:
    """Why the article is where it is in the issue, or why it is not in it; NotFound if either is unknown."""
    with db.reading(engine) as session:
        issue = rows.issue_of(session, issue_id)
        article = session.get(Article, article_id)
        if article is None:
            raise NotFound(f"there is no article with id {article_id}")
        placement = session.get(Placement, (issue_id, article_id))
        override = session.get(Override, (issue_id, article_id))
        reason = placement.left_out if placement else _never_looked(session, issue, article)
        return Explained(issue, article, placement, override, reason)


def content_of(session: Session, config: Config, links: Links, issue: Issue) -> IssueContent | None:
    """What the issue says as it stands, or said when it was frozen; None if it was closed without that."""
    if issue.inputs is not None:
        return frozen_content(issue)
    if issue.state not in rows.OPEN:
        return None
    edition = rows.edition_of(session, issue.edition_id)
    return build(rows.material_of(session, config, edition, issue), links)


def _never_looked(session: Session, issue: Issue, article: Article) -> str:
    edition = rows.edition_of(session, issue.edition_id)
    looked = Window(issue.window_start, issue.window_end, edition.window_days)
    other = rows.taken_by_others(session, issue).get(article.id or 0)
    refused = taken(other.number, other.issue_id) if other else not_eligible(article, looked)
    return refused.sentence if refused else "It came in after this issue was last composed."


def _open(session: Session, edition_id: str, slot: Slot | None) -> Issue | None:
    waiting = issues.open_issues(session, edition_id)
    if slot is None:
        return waiting[0] if waiting else None
    own = session.exec(select(Issue).where(Issue.edition_id == edition_id, Issue.slot == slot.local)).first()
    if own is not None and own.state not in {IssueState.DRAFT, IssueState.APPROVED}:
        raise NothingToDo(f"the issue of {edition_id} for {slot.local} is {own.state} already")
    by_hand = next((issue for issue in waiting if issue.slot is None), None)
    if own is None and by_hand is not None:
        by_hand.slot, by_hand.due_at = slot.local, slot.at
    return own or by_hand


def _made(session: Session, edition_id: str, slot: Slot | None, now: datetime) -> Issue:
    issue = Issue(
        edition_id=edition_id,
        slot=slot.local if slot else None,
        due_at=slot.at if slot else None,
        window_start=now,
        window_end=now,
        created_at=now,
    )
    session.add(issue)
    session.flush()
    return issue


def _cut(session: Session, edition: EditionConfig, issue: Issue, now: datetime) -> None:
    looked = window(_start(session, issue), now, edition.window_days)
    issue.window_start, issue.window_end, issue.composed_at = looked.start, looked.end, now
    session.add(issue)
    session.flush()


def _start(session: Session, issue: Issue) -> datetime | None:
    """Where the earlier issues of the edition left off; None if there are none.

    That is the cut of the latest one that counts; if none does, where the first of those began. One that was cancelled
    or rolled over does not count, nor does a thin one that was only tried by hand.
    """
    earlier = session.exec(select(Issue).where(Issue.edition_id == issue.edition_id, col(Issue.id) < issue.id)).all()
    cuts = [row.window_end for row in earlier if rows.counts(row)]
    return max(cuts) if cuts else min((row.window_start for row in earlier), default=None)


def _unapproved(session: Session, issue: Issue, now: datetime) -> Issue:
    assert issue.id is not None
    if issue.state == IssueState.APPROVED and issue.content_hash != issue.approved_hash:
        return issues.move(session, issue.id, IssueState.DRAFT, now, "Its content changed after its approval.")
    return issue


def _thin(edition: EditionConfig, laid: Laid) -> str | None:
    if laid.placed >= max(1, edition.min_articles):
        return None
    if not laid.placed:
        return "There is nothing new since the last issue."
    there = f"there is {laid.placed} article" if laid.placed == 1 else f"there are {laid.placed} articles"
    return f"The issue is thin: {there}, and the edition asks for {edition.min_articles} at least."


def _decided(session: Session, edition: EditionConfig, issue: Issue, laid: Laid, now: datetime) -> Composed:
    """The composed issue; one that is too thin is skipped, rolled over or asked about, as the edition says."""
    assert issue.id is not None
    thin = _thin(edition, laid)
    if thin is not None and issue.due_at is not None and now < issue.due_at:  # more may come until then
        return Composed(issue, laid.content, *_stored(session, issue, laid.articles), (*laid.problems, thin))
    if thin is None or edition.if_thin == "ask" or issue.state != IssueState.DRAFT:
        return Composed(issue, laid.content, *_stored(session, issue, laid.articles), laid.problems, thin)
    issue.rolled_over = edition.if_thin == "roll over"
    session.add(issue)
    session.flush()
    then = " What there is goes into the next issue." if issue.rolled_over else ""
    issue = issues.move(session, issue.id, IssueState.SKIPPED, now, thin + then)
    return Composed(issue, None, *_stored(session, issue, laid.articles), laid.problems)


def _stored(
    session: Session, issue: Issue, known: Mapping[int, Article | Looked] | None = None
) -> tuple[tuple[Placement, ...], Mapping[int, Article | Looked], Mapping[str, str]]:
    """The issue's placements, articles and titles of sections; articles that are `known` are not read again."""
    found = session.exec(select(Placement).where(col(Placement.issue_id) == issue.id)).all()
    order = sorted(found, key=lambda row: (row.left_out is not None, row.position, -row.score, row.article_id))
    articles = rows.articles_of(session, [row.article_id for row in order]) if known is None else known
    return tuple(order), articles, rows.section_titles(session, issue.edition_id)
