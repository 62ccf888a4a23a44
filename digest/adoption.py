"""A person's word that a restored or cloned database may send: what waits in it, and what becomes of that.

Since the copy was made the original may have sent more: whatever was under way in the copy may be with its readers by
now, and no database can know. So adopting pauses what is on its way and holds what is due, unless the person says
otherwise; people who sign up or are told something get their letters at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import func, select, update
from sqlmodel import Session, col
from sqlmodel import select as rows_of

from digest import db
from digest.compose import issues
from digest.deliver import ledger, reporting
from digest.deliver.seats import run as seats
from digest.deliver.seats.rows import Standing
from digest.models import Delivery, DeliveryState, Edition, Issue, IssueState, Slice, table
from digest.wiring import App

_d = table(Delivery)
_s = table(Slice)
_WHY = "The database is a copy that was adopted: its original may have sent this issue since."


class Choice(StrEnum):
    """What becomes of the issues that were under way when the copy was made."""

    PAUSE = "pause"  # those on their way are paused, those due are held: a person decides about each
    CANCEL = "cancel"
    GO_ON = "go on"  # exactly where the copy stood


@dataclass(frozen=True)
class Waiting:
    """An issue that is on its way in the database, and how many of its deliveries are not settled."""

    issue_id: int
    edition_id: str
    number: int | None
    subject: str
    state: str
    paused: bool
    sent: int
    left: int  # 0 while its rows are not written
    handed: int  # of those: handed over without an outcome, so perhaps delivered


@dataclass(frozen=True)
class Found:
    """How the database stands here, and what waits in it."""

    standing: Standing
    issues: tuple[Waiting, ...]
    letters: int  # confirm mails and notices
    oldest: datetime | None  # when the first of all that waits was due


def found(app: App) -> Found:
    """What adopting would be about; changes nothing."""
    standing = seats.look(app.engine, app.config)
    with db.reading(app.engine) as session:
        on_their_way = session.exec(
            rows_of(Issue).where(col(Issue.state).in_((IssueState.FROZEN, IssueState.SENDING))).order_by(col(Issue.id))
        ).all()
        theirs = select(_s.c.id).where(_s.c.issue_id.is_(None), _s.c.done.is_(False))
        letters = select(func.count()).where(_d.c.slice_id.in_(theirs), _d.c.state.in_(ledger.OPEN))
        return Found(
            standing,
            tuple(_waiting(session, issue) for issue in on_their_way),
            int(session.execute(letters).scalar_one()),
            ledger.waiting_until(session),
        )


def _waiting(session: Session, issue: Issue) -> Waiting:
    counts = reporting.status(session, issue.id or 0)
    return Waiting(
        issue_id=issue.id or 0,
        edition_id=issue.edition_id,
        number=issue.number,
        subject=issue.subject,
        state=issue.state,
        paused=issue.paused,
        sent=counts.get(DeliveryState.SENT, 0),
        left=sum(counts.get(state, 0) for state in ledger.OPEN),
        handed=counts.get(DeliveryState.HANDED, 0),
    )


def adopt(app: App, choice: Choice) -> Sequence[int]:
    """Let the database send from here; the ids of the issues that the choice stopped.

    A machine that joins others who send from this very database stops nothing of theirs.
    """
    stopped: list[int] = []
    now = app.clock()

    def also(session: Session, before: Standing) -> None:
        if not before.joins and choice is not Choice.GO_ON:
            stopped.extend(_stop(session, now, choice))
            # Slots that passed since the copy was made were the original's.
            session.execute(update(table(Edition)).values(timetable_since=now))

    seats.adopt(app.engine, app.config, now, also)
    return stopped


def _stop(session: Session, now: datetime, choice: Choice) -> list[int]:
    stopped = []
    for issue in session.exec(rows_of(Issue).order_by(col(Issue.id))).all():
        on_its_way = issue.state in (IssueState.FROZEN, IssueState.SENDING)
        is_due = issue.state in (IssueState.DRAFT, IssueState.APPROVED) and issue.due_at and issue.due_at <= now
        if not (on_its_way or is_due) or (issue.paused and choice is Choice.PAUSE):
            continue
        assert issue.id is not None
        if choice is Choice.CANCEL:
            issues.cancel(session, issue.id, now, _WHY)
        elif on_its_way:
            issues.pause(session, issue.id, True)
        else:
            issues.move(session, issue.id, IssueState.HELD, now, _WHY)
        stopped.append(issue.id)
    return stopped
