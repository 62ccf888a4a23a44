"""The story: what a newsroom does in a week, in order. Every shell calls these, and holds no rule of its own.

    draft      gather -> compose
    prepare    gather -> compose -> approve, where the edition allows -> release
    publish    prepare -> deliver
    release    freeze -> enqueue, after which nothing of the issue changes any more

Each step commits before the next begins and can be done again: a process killed anywhere is started again with the
same command, and goes on where it was.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from sqlmodel import Session

from digest import db, enqueuing, readying, staff
from digest.compose import issues, rows
from digest.compose import run as composing
from digest.compose.freezing import freeze
from digest.compose.run import Composed, Slot
from digest.deliver import run as delivering
from digest.deliver.progress import Watcher, unwatched
from digest.deliver.run import Delivered
from digest.deliver.seats import run as seats
from digest.errors import ConfigError, IllegalMove, NeedsDecision, NothingToDo
from digest.models import Issue, IssueState
from digest.proofs import NO_PROOFS, press_of, prove, stationery_of
from digest.readership import Audience, audience_of, may_narrow, somebody
from digest.stopping import stopping, unless_stopped
from digest.wiring import App

if TYPE_CHECKING:
    from digest.gather.run import GatherReport

# Besides what stands here: what an issue looks like, and whom it would go to, for whoever shows it.
__all__ = ["Audience", "audience_of", "stationery_of"]

log = logging.getLogger(__name__)

TIMETABLE = "the timetable"


@dataclass(frozen=True)
class Published:
    """What a publish came to."""

    composed: Composed
    gathered: GatherReport | None  # None: the approved issue went out as it was
    delivered: Delivered | None  # None: nothing was sent, the issue's state and reason say why


async def gather(
    app: App, *, only: Collection[str] | None = None, force: bool = True, progress: Watcher = unwatched
) -> GatherReport:
    """Look at the sources that are due (with `force` at all that may be asked), store what is new, tell staff."""
    # The process that delivers has no business with feeds: what reads them is loaded where it is used.
    from digest.gather.run import gather as look

    report = await look(app.engine, app.config, only=only, force=force, clock=app.clock, progress=progress)
    await asyncio.to_thread(staff.tell_of_sources, app)
    return report


def compose(app: App, edition_id: str, slot: Slot | None = None) -> Composed:
    """The edition's open issue, composed with everything that is there by now."""
    return composing.compose(app.engine, app.config, app.links, edition_id, app.clock(), slot)


def write_intro(app: App, issue_id: int, intro: str) -> Composed:
    """The issue with `intro` (Markdown) before its articles."""

    def change(session: Session) -> object:
        return issues.edit_issue(session, issue_id, app.clock(), {"intro": intro})

    return composing.amend(app.engine, app.config, app.links, issue_id, app.clock(), change)


async def draft(app: App, edition_id: str, slot: Slot | None = None, *, progress: Watcher = unwatched) -> Composed:
    """Gather, and compose the issue for staff to look at; who is to be told is told."""
    await gather(app, progress=progress)
    composed = await asyncio.to_thread(compose, app, edition_id, slot)
    await readying.have_pictures(app, _id(composed.issue), progress=progress)
    staff.tell(app, *staff.drafted(composed))
    return composed


async def publish(
    app: App,
    edition_id: str,
    *,
    agree: Callable[[Audience], None] | None = None,
    stop: asyncio.Event | None = None,
    progress: Watcher = unwatched,
) -> Published:
    """The whole path by hand; `agree` looks at the audience before anything is fixed, and raises to stop there.

    NeedsDecision as `prepare` says; NothingToDo when somebody else sends the issue already; Stopped when `stop` was set
    before the issue was on its way.
    """
    await asyncio.to_thread(seats.check, app.engine, app.config, app.clock())
    prepared = await prepare(app, edition_id, agree=agree, stop=stop, progress=progress)
    if prepared.composed.issue.state == IssueState.SKIPPED:
        return prepared
    issue_id = _id(prepared.composed.issue)
    delivered = await deliver(app, issue_id=issue_id, stop=stop, progress=progress)
    after = await asyncio.to_thread(composing.current, app.engine, app.config, app.links, issue_id)
    return Published(after, prepared.gathered, delivered)


async def prepare(
    app: App,
    edition_id: str,
    slot: Slot | None = None,
    *,
    agree: Callable[[Audience], None] | None = None,
    stop: asyncio.Event | None = None,
    progress: Watcher = unwatched,
) -> Published:
    """Everything but the delivery: afterwards the issue is on its way, or skipped as thin.

    An issue that a person approved goes out as it was approved: nothing is gathered into it any more, and one that was
    frozen before is only enqueued. NeedsDecision when a person has to approve it, or when it is thin and the edition
    asks. NotAdopted, with nothing done, when the database is a copy.
    """
    await asyncio.to_thread(seats.check_no_copy, app.engine, app.config)
    gathered = None
    composed = await asyncio.to_thread(_ready, app, edition_id, slot)
    if composed is None:
        gathered = await unless_stopped(stop, gather(app, progress=progress))
        composed = await asyncio.to_thread(compose, app, edition_id, slot)
        if composed.issue.state == IssueState.SKIPPED:
            return Published(composed, gathered, None)
        await asyncio.to_thread(_approve_automatically, app, composed, progress)
    issue_id = _id(composed.issue)
    if agree is not None:
        agree(await asyncio.to_thread(audience_of, app, issue_id))
    await unless_stopped(stop, _have_pictures(app, issue_id, progress))
    try:
        issue = await asyncio.to_thread(release, app, issue_id, stop=stop, progress=progress)
    except IllegalMove:
        _say_if_released(app, issue_id)
        raise
    return Published(replace(composed, issue=issue), gathered, None)


async def _have_pictures(app: App, issue_id: int, progress: Watcher) -> None:
    for lost in await readying.have_pictures(app, issue_id, progress=progress):
        log.warning("issue %d: %s", issue_id, lost)


def _say_if_released(app: App, issue_id: int) -> None:
    """NothingToDo if somebody else has released the issue meanwhile."""
    with db.reading(app.engine) as session:
        state = rows.issue_of(session, issue_id).state
    if state in (IssueState.FROZEN, IssueState.SENDING, IssueState.SENT):
        raise NothingToDo(
            f"issue {issue_id} is on its way already, somebody else released it a moment ago: "
            f"`digest issues status {issue_id}` follows it"
        )


def release(
    app: App, issue_id: int, *, only: str = "", stop: asyncio.Event | None = None, progress: Watcher = unwatched
) -> Issue:
    """The issue, frozen if it was approved, with its deliveries written; from then on it is sent by whoever delivers.

    With the filter `only` it goes to those whom it means, of its edition's segment. NeedsDecision when the content is
    not what was approved any more (the issue is a draft again), when it can't go out as rendered, when nobody is on the
    list, or in the segment, or when there is an `only` for what was frozen already. ConfigError when the settings don't
    allow mail yet. Stopped, between two chunks of the audience, when `stop` is set.
    """
    check_ready(app)
    now = app.clock()
    found = somebody(app, issue_id, only)
    if found.outside:
        log.info("issue %d: %d readers of its list are outside its segment", issue_id, found.outside)
    with db.reading(app.engine) as session:
        press = press_of(app, session, rows.issue_of(session, issue_id), now)
    proved = prove(app, issue_id, press, only=only, stop=stop, progress=progress)
    with db.writing(app.engine) as session:
        issue = rows.issue_of(session, issue_id)
        may_narrow(issue, only)
        if issue.state != IssueState.FROZEN:
            issue = freeze(session, app.config, app.links, issue_id, press, now, only)
    if issue.state == IssueState.DRAFT:
        composing.amend(app.engine, app.config, app.links, issue_id, now, lambda session: None)
        raise NeedsDecision(f"issue {issue_id} is a draft again. {issue.reason}")
    ready = proved.variants if proved.content_hash == issue.approved_hash else NO_PROOFS.variants
    return enqueuing.enqueue(app, issue_id, progress=stopping(progress, stop, issue_id), ready=ready)


async def deliver(
    app: App,
    *,
    issue_id: int | None = None,
    until_done: bool = False,
    forever: bool = False,
    stop: asyncio.Event | None = None,
    progress: Watcher = unwatched,
) -> Delivered:
    """Send what is due, of one issue or all, after writing the rows of issues that were cut off while they were frozen.

    Returns when nothing is due, with `until_done` when nothing is left to try, with `forever` when `stop` is set.
    NotAdopted, with nothing done, when the database is a copy.
    """
    check_ready(app)
    stop = stop or asyncio.Event()
    async with seats.seated(app.engine, app.config, app.clock):
        await asyncio.to_thread(enqueuing.finish, app, issue_id, stop, progress)
        keeping = asyncio.create_task(enqueuing.keep(app, stop)) if forever else None
        try:
            return await delivering.deliver(
                app.engine,
                app.config,
                app.links,
                issue_id=issue_id,
                until_done=until_done,
                forever=forever,
                stop=stop,
                clock=app.clock,
                progress=progress,
                alarm=partial(staff.tell, app),
            )
        finally:
            if keeping:
                keeping.cancel()
                await asyncio.gather(keeping, return_exceptions=True)


async def send(
    app: App,
    issue_id: int,
    *,
    only: str = "",
    agree: Callable[[Audience], None] | None = None,
    dead_links: bool = False,
    stop: asyncio.Event | None = None,
    progress: Watcher = unwatched,
) -> Published:
    """Send one issue by hand: an approved one, one that was cut off, or a held one, which asking for it approves.

    With the filter `only` it goes to those whom it means, of its edition's segment. The links of a held one are asked
    again, as its edition says, unless `dead_links` may go out. NeedsDecision for a draft, and for an `only` when it was
    frozen before; NothingToDo for what is at its end.
    """
    await asyncio.to_thread(seats.check, app.engine, app.config, app.clock())
    with db.reading(app.engine) as session:
        issue = rows.issue_of(session, issue_id)
    if issue.state == IssueState.DRAFT:
        raise NeedsDecision(f"issue {issue_id} is a draft: digest issues approve {issue_id}")
    if issue.state in {IssueState.SENT, IssueState.CANCELLED, IssueState.SKIPPED}:
        raise NothingToDo(f"issue {issue_id} is {issue.state}")
    may_narrow(issue, only)
    if issue.state != IssueState.SENDING:
        await asyncio.to_thread(check_ready, app)
        audience = await asyncio.to_thread(somebody, app, issue_id, only)
        if agree is not None:
            agree(audience)
    if issue.state == IssueState.HELD:
        if issue.inputs is None:
            # Its slot passed while nobody looked at the sources.
            await unless_stopped(stop, gather(app, progress=progress))
        await asyncio.to_thread(_let_go, app, issue, only, dead_links, progress)
    elif issue.state == IssueState.APPROVED and only:
        await asyncio.to_thread(_narrow, app, issue_id, only)
    if issue.state != IssueState.SENDING:
        await unless_stopped(stop, _have_pictures(app, issue_id, progress))
        await asyncio.to_thread(release, app, issue_id, only=only, stop=stop, progress=progress)
    delivered = await deliver(app, issue_id=issue_id, stop=stop, progress=progress)
    after = await asyncio.to_thread(composing.current, app.engine, app.config, app.links, issue_id)
    return Published(after, None, delivered)


def _narrow(app: App, issue_id: int, only: str) -> None:
    # This may be cut off before it freezes, or the timetable be quicker.
    with db.writing(app.engine) as session:
        issues.narrow(session, issue_id, only)


def _let_go(app: App, issue: Issue, only: str, dead_links: bool, progress: Watcher) -> None:
    """A held issue as approved, or as frozen if it was that before; what can't be let go is held as it was.

    It is approved for `only`: the timetable may be quicker to release it, and would do so to the whole list.
    """
    issue_id, now = _id(issue), app.clock()
    with db.writing(app.engine) as session:
        issues.move(session, issue_id, IssueState.FROZEN if issue.inputs else IssueState.DRAFT, now)
    if issue.inputs:
        return
    try:
        composed = _composed_anew(app, issue)
    finally:
        # Asking links takes its time: as a draft, the timetable would hold it again meanwhile.
        with db.writing(app.engine) as session:
            if rows.issue_of(session, issue_id).state == IssueState.DRAFT:
                issues.move(session, issue_id, IssueState.HELD, now, issue.reason)
    if not dead_links:
        readying.refuse_dead_links(app, issue_id, "send", progress=progress)
    with db.writing(app.engine) as session:
        issues.move(session, issue_id, IssueState.DRAFT, now)
        issues.approve(session, issue_id, composed.issue.content_hash, "staff", now)
        if only:
            issues.narrow(session, issue_id, only)


def _composed_anew(app: App, issue: Issue) -> Composed:
    slot = HeldSlot(issue.slot, issue.due_at) if issue.slot and issue.due_at else None
    composed = compose(app, issue.edition_id, slot)
    if composed.issue.id != issue.id or composed.content is None or composed.question:
        raise NeedsDecision(composed.question or composed.issue.reason or f"issue {issue.id}: look at it first")
    return composed


@dataclass(frozen=True)
class HeldSlot:
    """The slot that a held issue was for."""

    local: str
    at: datetime


def check_ready(app: App) -> None:
    """ConfigError unless the settings have what every mail needs: a relay and a postal address (L-01)."""
    problems = []
    if not app.config.relays:
        problems.append("config.toml: [[relays]]: expected at least one SMTP server to hand mail to")
    if not app.config.site.postal_address.strip():
        problems.append(
            "config.toml: [site] postal_address: expected the sender's postal address, which every mail needs"
        )
    if problems:
        raise ConfigError(problems)


def _ready(app: App, edition_id: str, slot: Slot | None) -> Composed | None:
    """The issue that needs no composing any more: approved by a person, or frozen and cut off."""
    with db.reading(app.engine) as session:
        rows.edition_of(session, edition_id)
        ready = issues.ready(session, edition_id, slot.local if slot else None, TIMETABLE)
    return composing.current(app.engine, app.config, app.links, _id(ready)) if ready else None


def _approve_automatically(app: App, composed: Composed, progress: Watcher) -> None:
    issue_id = _id(composed.issue)
    if composed.question:
        raise NeedsDecision(
            f"issue {issue_id}: {composed.question}",
            f"`digest issues approve {issue_id}` lets it go out all the same.",
        )
    with db.writing(app.engine) as session:
        issue = rows.issue_of(session, issue_id)
        if issue.state == IssueState.APPROVED:
            return
        if rows.edition_of(session, issue.edition_id).approval == "required":
            raise NeedsDecision(f"issue {issue_id} waits for approval: digest issues approve {issue_id}")
    readying.refuse_dead_links(app, issue_id, progress=progress)
    with db.writing(app.engine) as session:
        issues.approve(session, issue_id, composed.issue.content_hash, TIMETABLE, app.clock())


def _id(issue: Issue) -> int:
    if issue.id is None:
        raise NothingToDo("the issue was never stored")
    return issue.id
