"""From frozen to sending: the rows of an issue, begun by who releases it, finished by whoever delivers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from sqlmodel import Session, select

from digest import db, staff
from digest.compose import rows
from digest.deliver import run as delivering
from digest.deliver.progress import Watcher, unwatched
from digest.errors import DigestError, IllegalMove, NeedsDecision, Stopped
from digest.models import DeliveryState, Issue, IssueState, Variant
from digest.stopping import stopping
from digest.wiring import App

log = logging.getLogger(__name__)

LOOK_S = 15.0  # how often who delivers for ever looks for issues that were cut off while they were frozen
_CUT_OFF = "It was frozen, cut off, and is late by more than the grace: decide whether it still goes."


def enqueue(
    app: App,
    issue_id: int,
    *,
    progress: Watcher = unwatched,
    ready: Mapping[str, Variant] = MappingProxyType({}),
) -> Issue:
    """Write the deliveries of a frozen issue, from where an earlier attempt was cut off.

    `ready` are variants that are printed already, by key. Whoever follows nothing of it is skipped, and counted.
    """
    counts = delivering.enqueue_issue(app.engine, app.config, issue_id, app.clock(), progress=progress, ready=ready)
    if counts[DeliveryState.SKIPPED]:
        log.info("issue %d: %d readers follow nothing that is in it", issue_id, counts[DeliveryState.SKIPPED])
    with db.reading(app.engine) as session:
        return rows.issue_of(session, issue_id)


async def keep(app: App, stop: asyncio.Event) -> None:
    """What a process that died between freezing and enqueuing has left is picked up while we run."""
    while True:
        await asyncio.sleep(LOOK_S)
        try:
            await asyncio.to_thread(finish, app, None, stop, unwatched)
        except Stopped:
            return
        except DigestError as error:
            log.warning("a frozen issue could not be put on its way and will be tried again: %s", error)


def finish(app: App, issue_id: int | None, stop: asyncio.Event, progress: Watcher) -> None:
    """What was frozen when its process died is enqueued; what should have left too long ago is held instead (Z-07),
    and so is one with a variant that can't be printed."""
    with db.reading(app.engine) as session:
        frozen = session.exec(select(Issue).where(Issue.state == IssueState.FROZEN)).all()
        cut_off = [(issue.id or 0, _is_stale(session, issue, app.clock())) for issue in frozen]
    for found, stale in cut_off:
        if issue_id not in (None, found):
            continue
        try:
            if stale and issue_id is None:
                staff.hold_issue(app, found, _CUT_OFF)
            elif issue_id is None:
                _enqueue_or_hold(app, found, stopping(progress, stop, found))
            else:
                enqueue(app, found, progress=stopping(progress, stop, found))
        except IllegalMove as error:  # somebody enqueued, held or cancelled it meanwhile
            log.info("%s", error)


def _enqueue_or_hold(app: App, issue_id: int, progress: Watcher) -> None:
    try:
        enqueue(app, issue_id, progress=progress)
    except IllegalMove:
        raise
    except NeedsDecision as error:
        staff.hold_issue(app, issue_id, str(error))  # the others go on


def _is_stale(session: Session, issue: Issue, now: datetime) -> bool:
    grace = timedelta(hours=rows.edition_of(session, issue.edition_id).grace_h)
    return now - max(issue.due_at or issue.created_at, issue.frozen_at or issue.created_at) > grace
