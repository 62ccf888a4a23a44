"""The timetable at work: APScheduler wakes an edition when something is due, the database says what.

A wake decides by the wall clock and by the slots that the database knows, so that a restart, a second scheduler
or a clock that was set makes no second issue (Z-06). Between wakes the timetable is read anew every few
seconds, counted by the monotonic clock: a clock that was set, an edition that was changed and an approval that came
late are all seen then (Z-10).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger
from sqlalchemy import Engine, or_
from sqlmodel import Session, col, select, update

from digest import db
from digest.config.stored import edition_from_json
from digest.errors import DatabaseUnavailable, DigestError
from digest.models import Edition, Issue, IssueState
from digest.slots import Action, Plan, Step, counted_since, due, known_from, named, plan, wake_after
from digest.timetable import Slot

log = logging.getLogger(__name__)

LOOK_S = 15.0  # how often the timetable is read anew
RETRY_S = 300.0  # how soon what failed, or did not move its issue, is tried again
DRAIN_S = 8.0  # how long a stop waits for work in hand


class Steps(Protocol):
    """What the timetable has done. Each is safe to repeat: a slot that has its issue gets no other.

    `draft` gathers and composes; `publish` gathers, composes, approves where nobody has to, freezes and enqueues,
    going on where an earlier try ended; `hold` puts the slot's issue to HELD (making it if need be), tells staff.
    """

    async def draft(self, edition_id: str, slot: Slot) -> None:
        """Make the slot's draft."""

    async def publish(self, edition_id: str, slot: Slot) -> None:
        """Bring the slot's issue on its way."""

    def hold(self, edition_id: str, slot: Slot, reason: str) -> None:
        """Keep the slot's issue for a person to decide."""


def owed(engine: Engine, site_zone: str, now: datetime) -> dict[Plan, list[Action]]:
    """The plan of every active edition with a schedule, and what it owes at `now`; new timetables begin with `now`."""
    with db.reading(engine) as session:
        editions = session.exec(select(Edition).where(col(Edition.active))).all()
        plans = [found for edition in editions if (found := _plan(edition, site_zone, now))]
        decided = {one: due(one, now, _known(session, one, now)) for one in plans}
    since = {one.edition_id: one.since for one in plans}
    begun = [edition for edition in editions if edition.id in since and edition.timetable_since != since[edition.id]]
    if begun:
        with db.writing(engine) as session:
            for edition in begun:
                text = named(edition_from_json(edition.settings), site_zone)
                values = {"timetable": text, "timetable_since": since[edition.id]}
                session.exec(update(Edition).where(col(Edition.id) == edition.id).values(values))
    return decided


def _plan(edition: Edition, site_zone: str, now: datetime) -> Plan | None:
    settings = edition_from_json(edition.settings)
    unchanged = edition.timetable == named(settings, site_zone)
    try:
        return plan(settings, site_zone, counted_since(edition.timetable_since, unchanged, now))
    except (ValueError, KeyError) as error:  # KeyError: a zone that this machine does not know
        log.warning("edition %s has no timetable until its settings are mended: %s", edition.id, error)
        return None


def _known(session: Session, of_plan: Plan, now: datetime) -> dict[str, tuple[datetime, IssueState]]:
    waiting = (IssueState.DRAFT, IssueState.APPROVED, IssueState.FROZEN)
    query = (
        select(Issue.slot, Issue.due_at, Issue.state)
        .where(col(Issue.edition_id) == of_plan.edition_id, col(Issue.slot).is_not(None))
        .where(or_(col(Issue.slot) >= known_from(of_plan, now), col(Issue.state).in_(waiting)))
    )
    rows = session.exec(query).all()
    return {str(slot): (due_at or now, IssueState(state)) for slot, due_at, state in rows}


class _Wakes(BaseTrigger):  # type: ignore[misc]  # APScheduler 3 has no annotations
    """Fires whenever time alone makes something due."""

    def __init__(self, of_plan: Plan, clock: Callable[[], datetime]) -> None:
        self.plan, self.clock = of_plan, clock

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        """APScheduler's question; only the wait is ours, the clock it adds it to is APScheduler's."""
        here = self.clock()
        return now + (wake_after(self.plan, here) - here)


class Timetable:
    """Keeps every edition's timetable; one per process, any number of processes."""

    def __init__(
        self, engine: Engine, steps: Steps, *, site_zone: str, clock: Callable[[], datetime], look_s: float = LOOK_S
    ) -> None:
        self.engine, self.steps, self.site_zone, self.clock, self.look_s = engine, steps, site_zone, clock, look_s
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._working: dict[str, asyncio.Task[Any]] = {}
        self._not_before: dict[tuple[str, str, Step, IssueState | None], float] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the timetable until `stop` is set; work in hand then has eight seconds before it is cancelled."""
        self._scheduler.start()
        try:
            while not stop.is_set():
                await self._look()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), self.look_s)
        finally:
            self._scheduler.pause()
            if self._working:
                await asyncio.wait(self._working.values(), timeout=DRAIN_S)
            self._scheduler.shutdown(wait=False)

    async def _look(self) -> None:
        now = self.clock()
        try:
            decided = await asyncio.to_thread(owed, self.engine, self.site_zone, now)
        except DatabaseUnavailable as error:
            log.warning("the timetable could not be read and will be again: %s", error)
            return
        for of_plan, actions in decided.items():
            if of_plan.edition_id not in self._working:
                # What became due since `now` is due at once.
                due_at = now if any(map(self._may_try, actions)) else wake_after(of_plan, now)
                self._set_job(of_plan, due_at)
        for job in self._scheduler.get_jobs():
            if job.id not in {one.edition_id for one in decided}:
                job.remove()

    def _set_job(self, of_plan: Plan, due_at: datetime) -> None:
        wait = due_at - self.clock()
        self._scheduler.add_job(
            self._wake,
            _Wakes(of_plan, self.clock),
            args=[of_plan.edition_id],
            id=of_plan.edition_id,
            replace_existing=True,
            next_run_time=datetime.now(UTC) + wait,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )

    async def _wake(self, edition_id: str) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._working[edition_id] = task
        try:
            for action in await asyncio.to_thread(self._actions, edition_id):
                if self._may_try(action):
                    await self._do(action)
        except DatabaseUnavailable as error:
            log.warning("edition %s could not be looked at and will be again: %s", edition_id, error)
        finally:
            del self._working[edition_id]

    def _actions(self, edition_id: str) -> list[Action]:
        decided = owed(self.engine, self.site_zone, self.clock())
        return [action for actions in decided.values() for action in actions if action.edition_id == edition_id]

    def _may_try(self, action: Action) -> bool:
        return asyncio.get_running_loop().time() >= self._not_before.get(_tried(action), 0.0)

    async def _do(self, action: Action) -> None:
        """One action; what goes wrong is logged and tried again later, and stops no other action."""
        here = asyncio.get_running_loop().time()
        self._not_before = {key: until for key, until in self._not_before.items() if until > here}
        self._not_before[_tried(action)] = here + RETRY_S
        log.info("%s: edition %s, slot %s", action.step, action.edition_id, action.slot.local)
        try:
            if action.step is Step.DRAFT:
                await self.steps.draft(action.edition_id, action.slot)
            elif action.step is Step.PUBLISH:
                await self.steps.publish(action.edition_id, action.slot)
            else:
                await asyncio.to_thread(self.steps.hold, action.edition_id, action.slot, action.reason)
        except DigestError as error:
            log.warning("%s of edition %s, slot %s: %s", action.step, action.edition_id, action.slot.local, error)
        except Exception:
            log.exception("%s of edition %s, slot %s failed", action.step, action.edition_id, action.slot.local)


def _tried(action: Action) -> tuple[str, str, Step, IssueState | None]:
    return action.edition_id, action.slot.local, action.step, action.state
