"""What staff are told, and what is kept for them to decide."""

from __future__ import annotations

import logging

from sqlmodel import Session, col, select, update

from digest import db
from digest.compose import issues
from digest.compose import run as composing
from digest.compose.run import Composed, Slot
from digest.deliver.letters import Office, enqueue_notice
from digest.errors import DigestError, NeedsDecision
from digest.gather import alarms
from digest.models import Issue, IssueState, Source
from digest.wiring import App

log = logging.getLogger(__name__)


def tell(app: App, subject: str, body: str) -> None:
    """A notice to all of [staff] notify; it leaves with the next delivery."""
    if app.config.staff.notify:
        with db.writing(app.engine) as session:
            _tell(app, session, subject, body)


def tell_of_sources(app: App) -> None:
    """One notice of all that changed for sources since the last one; no trouble with it holds up an issue."""
    if not app.config.staff.notify:
        return
    try:
        with db.reading(app.engine) as session:
            if not any(said.told != source.told for source, said in _news(session, app)):
                return
        with db.writing(app.engine) as session:
            sentences: list[str] = []
            for source, said in _news(session, app):
                source.told = said.told
                sentences += said.sentences
            if sentences:
                _tell(app, session, f"Sources: {len(sentences)} to know of", "\n".join(sentences))
    except DigestError as error:
        log.warning("staff could not be told of sources, and will be after the next look: %s", error)


def _news(session: Session, app: App) -> list[tuple[Source, alarms.News]]:
    active = session.exec(select(Source).where(col(Source.active)).order_by(col(Source.id))).all()
    return [(source, alarms.news(source, app.clock())) for source in active]


def _tell(app: App, session: Session, subject: str, body: str) -> None:
    enqueue_notice(session, office(app), subject, body, app.clock())


def office(app: App) -> Office:
    """What letters are written with."""
    return Office(app.config, app.templates, app.instance.message_key)


def drafted(composed: Composed) -> tuple[str, str]:
    """Subject and body of the notice that an issue was composed."""
    issue = composed.issue
    remarks = [
        f"- {sentence}" for sentence in (*composed.problems, *([composed.question] if composed.question else []))
    ]
    lines = [f"Issue {issue.id} of {issue.edition_id} is {issue.state}.", issue.reason, *remarks]
    lines.append(f"Look at it: `digest issues show {issue.id}`")
    return f"Draft ready: {issue.edition_id}", "\n\n".join(line for line in lines if line)


def keep_waiting(app: App, edition_id: str, slot: Slot, why: NeedsDecision) -> None:
    """Keep with the slot's issue what a person has to decide before it leaves, and tell staff."""
    then = (
        "The timetable tries again every few minutes, until the grace of the edition is over: then the issue is held."
    )
    with db.writing(app.engine) as session:
        own = update(Issue).where(col(Issue.edition_id) == edition_id, col(Issue.slot) == slot.local)
        session.exec(own.where(col(Issue.state).in_((IssueState.DRAFT, IssueState.APPROVED))).values(reason=why.why))
        _tell(app, session, f"Waits for you: {edition_id} of {slot.local.replace('T', ' ')}", f"{why}\n\n{then}")


def hold(app: App, edition_id: str, slot: Slot, reason: str) -> Issue:
    """The slot's issue, held for a person to decide, with what it was waiting for, and staff told."""
    with db.writing(app.engine) as session:
        issue = composing.slot_issue(session, edition_id, slot, app.clock())
        issue_id, waited = issue.id or 0, issue.reason
    return hold_issue(app, issue_id, f"{reason} It waits for this: {waited}" if waited else reason)


def hold_issue(app: App, issue_id: int, reason: str) -> Issue:
    """The issue, held for a person to decide, and staff told."""
    with db.writing(app.engine) as session:
        held = issues.move(session, issue_id, IssueState.HELD, app.clock(), reason)
        when = f" of {held.slot.replace('T', ' ')}" if held.slot else ""
        then = f"`digest issues send {issue_id}` sends it, `digest issues cancel {issue_id}` drops it."
        _tell(app, session, f"Held: {held.edition_id}{when}", f"{reason}\n\n{then}")
    return held
