"""The timetable at work: rows Z-05 to Z-10, R-35 to R-37, with clocks that change, step and stand still."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select, update

from digest import db
from digest.config.stored import edition_to_json
from digest.config.values import EditionConfig
from digest.errors import NeedsDecision
from digest.models import Edition, Issue, IssueState, people
from digest.schedule import Timetable, owed
from digest.slots import Action, Plan, Step, counted_since, due, named, plan, wake_after
from digest.timetable import Slot

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BERLIN = "Europe/Berlin"
SLOT = datetime(2026, 11, 27, 6, 0, tzinfo=UTC)  # Friday 07:00 in Berlin
LOCAL = "2026-11-27T07:00"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def weekly(**settings: Any) -> EditionConfig:
    return EditionConfig(
        **{"id": "weekly", "list": "all", "title": "Weekly", "schedule": "fri 07:00", "timezone": BERLIN, **settings}
    )


def planned(since: datetime = SLOT - 30 * DAY, **settings: Any) -> Plan:
    made = plan(weekly(**settings), "UTC", since)
    assert made
    return made


def told(actions: list[Action]) -> list[str]:
    return [f"{action.step} {action.slot.local}" for action in actions]


# --- what is owed, as a table

FRIDAY, BEFORE = (LOCAL, SLOT), ("2026-11-20T07:00", SLOT - 7 * DAY)


@pytest.mark.parametrize(
    ("caption", "settings", "now", "known", "expected"),
    [
        ("nothing between issues", {}, SLOT - 3 * DAY, {BEFORE: "sent"}, []),
        ("a draft a day before", {}, SLOT - DAY, {BEFORE: "sent"}, [f"draft {LOCAL}"]),
        ("a draft as long before as asked for", {"draft_h": 48}, SLOT - 2 * DAY, {BEFORE: "sent"}, [f"draft {LOCAL}"]),
        ("no second draft", {}, SLOT - HOUR, {BEFORE: "sent", FRIDAY: "draft"}, []),
        ("no draft where one was skipped by hand", {}, SLOT - HOUR, {BEFORE: "sent", FRIDAY: "cancelled"}, []),
        ("the issue at its slot", {}, SLOT, {FRIDAY: "draft"}, [f"publish {LOCAL}"]),
        ("the issue at its slot without a draft", {"draft_h": 0}, SLOT, {BEFORE: "sent"}, [f"publish {LOCAL}"]),
        ("an approved one", {"approval": "required"}, SLOT, {FRIDAY: "approved"}, [f"publish {LOCAL}"]),
        ("one that nobody approved waits", {"approval": "required"}, SLOT + HOUR, {FRIDAY: "draft"}, []),
        ("and has something to approve", {"approval": "required"}, SLOT, {BEFORE: "sent"}, [f"draft {LOCAL}"]),
        ("approved late", {"approval": "required"}, SLOT + 5 * HOUR, {FRIDAY: "approved"}, [f"publish {LOCAL}"]),
        ("approved too late", {"approval": "required"}, SLOT + 7 * HOUR, {FRIDAY: "approved"}, [f"hold {LOCAL}"]),
        ("freezing that was interrupted", {}, SLOT + HOUR, {FRIDAY: "frozen"}, [f"publish {LOCAL}"]),
        ("sending is not our matter", {}, SLOT + HOUR, {FRIDAY: "sending"}, []),
        ("sent", {}, SLOT + HOUR, {FRIDAY: "sent"}, []),
        ("skipped as thin", {}, SLOT + HOUR, {FRIDAY: "skipped"}, []),
        ("off for 1 h: late, once (R-37)", {}, SLOT + HOUR, {BEFORE: "sent"}, [f"publish {LOCAL}"]),
        ("to the end of the grace", {}, SLOT + 6 * HOUR, {FRIDAY: "draft"}, [f"publish {LOCAL}"]),
        ("off for longer: held", {}, SLOT + timedelta(hours=6, seconds=1), {FRIDAY: "draft"}, [f"hold {LOCAL}"]),
        ("off for 25 h: held (R-37)", {}, SLOT + 25 * HOUR, {BEFORE: "sent"}, [f"hold {LOCAL}"]),
        ("held once", {}, SLOT + 26 * HOUR, {FRIDAY: "held"}, []),
        ("off for 3 weeks: one held", {}, SLOT + 23 * DAY, {BEFORE: "sent"}, ["hold 2026-12-18T07:00"]),
        ("3 weeks, back in the grace: one issue", {}, SLOT + 21 * DAY, {BEFORE: "sent"}, ["publish 2026-12-18T07:00"]),
        (
            "3 weeks with a draft lying there: that is held too",
            {},
            SLOT + 21 * DAY,
            {FRIDAY: "draft"},
            [f"hold {LOCAL}", "publish 2026-12-18T07:00"],
        ),
        ("grace of nothing: only on time", {"grace_h": 0}, SLOT, {FRIDAY: "draft"}, [f"publish {LOCAL}"]),
    ],
)
def test_what_is_owed(
    caption: str,
    settings: dict[str, Any],
    now: datetime,
    known: dict[tuple[str, datetime], str],
    expected: list[str],
) -> None:
    states = {local: (at, IssueState(state)) for (local, at), state in known.items()}
    assert told(due(planned(**settings), now, states)) == expected


def test_a_new_timetable_owes_nothing_for_the_time_before_it() -> None:
    assert due(planned(since=SLOT + HOUR), SLOT + 2 * HOUR, {}) == []
    assert told(due(planned(since=SLOT - HOUR), SLOT + 2 * HOUR, {})) == [f"publish {LOCAL}"]


def test_a_held_slot_says_why_in_one_sentence_for_staff() -> None:
    known = {"2026-11-20T07:00": (SLOT - 7 * DAY, IssueState.SENT)}
    (action,) = due(planned(), SLOT + 23 * DAY, known)
    assert action.reason == (
        "The slot of Friday 2026-12-18 07:00 (Europe/Berlin) is 2 days ago, more than the grace of 6 hours, "
        "and it was missed: decide whether it still goes out. So were 3 before it."
    )
    (action,) = due(planned(approval="required"), SLOT + 7 * HOUR, {LOCAL: (SLOT, IssueState.DRAFT)})
    assert "is 7 hours ago, more than the grace of 6 hours, and nobody approved it: decide" in action.reason
    for how, stood in ({}, IssueState.DRAFT), ({"approval": "required"}, IssueState.APPROVED):
        (action,) = due(planned(**how), SLOT + 7 * HOUR, {LOCAL: (SLOT, stood)})
        assert "more than the grace of 6 hours, and its issue has not left: decide" in action.reason


def test_a_timetable_counts_from_when_it_is_new_changed_or_ahead_of_the_clock() -> None:
    assert counted_since(None, True, SLOT) == SLOT
    assert counted_since(SLOT - DAY, True, SLOT) == SLOT - DAY
    assert counted_since(SLOT - DAY, False, SLOT) == SLOT
    assert counted_since(SLOT + 2000 * DAY, True, SLOT) == SLOT
    assert named(weekly(timezone=None), "Asia/Tokyo") == "fri 07:00 Asia/Tokyo"


@pytest.mark.parametrize(
    ("zone", "middle"),
    [
        ("Europe/Berlin", "2026-03-29T01:00"),
        ("Europe/Berlin", "2026-10-25T01:00"),
        ("America/New_York", "2026-03-08T07:00"),
        ("America/New_York", "2026-11-01T06:00"),
        ("Australia/Lord_Howe", "2026-10-03T15:30"),
        ("Australia/Lord_Howe", "2026-04-04T15:00"),
        ("Pacific/Apia", "2011-12-30T10:00"),
    ],
)
@pytest.mark.parametrize("wall", ["00:30", "01:30", "01:45", "02:15", "02:30", "07:00"])
def test_days_of_change_have_one_draft_and_one_issue_each(zone: str, middle: str, wall: str) -> None:
    """A clock that passes every quarter of an hour and every wake of eight days, twice each: as restarts do."""
    start, end = utc(middle) - 4 * DAY, utc(middle) + 4 * DAY
    daily = planned(since=start, schedule=f"daily {wall}", timezone=zone, draft_h=5)
    known: dict[str, tuple[datetime, IssueState]] = {}
    done: list[str] = []
    now = start
    while now < end:
        for action in due(daily, now, known) + due(daily, now, known):
            done += [f"{action.step} {action.slot.local}"] if known.get(action.slot.local) != action.slot else []
            state = IssueState.DRAFT if action.step is Step.DRAFT else IssueState.SENT
            if action.step is Step.PUBLISH:
                assert now == action.slot.at
            known[action.slot.local] = (action.slot.at, state)
        now = min(wake_after(daily, now), now + timedelta(minutes=15))
    sent = [one for one in dict.fromkeys(done) if one.startswith("publish")]
    first = (start.astimezone(ZoneInfo(zone)) + DAY).date()
    dates = {f"publish {first + number * DAY}T{wall}" for number in range(7)}
    assert dates <= set(sent)
    assert len(sent) <= 9
    assert all(done.count(one) == 2 for one in sent)  # asked twice at once, owed no more afterwards


# --- with the database


class Recorder:
    """Steps that move real rows as the pipeline does, by compare-and-set, and say what they did."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self.engine, self.clock = engine, clock
        self.done: list[str] = []
        self.reasons: list[str] = []
        self.changed = asyncio.Event()

    async def draft(self, edition_id: str, slot: Slot) -> None:
        if await asyncio.to_thread(self._made, edition_id, slot):
            self._say("draft", slot)

    async def publish(self, edition_id: str, slot: Slot) -> None:
        if await asyncio.to_thread(self.send, edition_id, slot):
            self._say("publish", slot)

    def hold(self, edition_id: str, slot: Slot, reason: str) -> None:
        self._made(edition_id, slot)
        if self._moved(edition_id, slot, IssueState.HELD):
            self.reasons.append(reason)
            self.done.append(f"hold {slot.local}")

    def send(self, edition_id: str, slot: Slot) -> bool:
        self._made(edition_id, slot)
        return self._moved(edition_id, slot, IssueState.SENT)

    def perform(self, actions: dict[Plan, list[Action]]) -> None:
        for action in (one for of_plan in actions.values() for one in of_plan):
            if action.step is Step.HOLD:
                self.hold(action.edition_id, action.slot, action.reason)
            else:
                asyncio.run(getattr(self, action.step)(action.edition_id, action.slot))

    def _say(self, what: str, slot: Slot) -> None:
        self.done.append(f"{what} {slot.local}")
        self.changed.set()

    def _made(self, edition_id: str, slot: Slot) -> bool:
        now = self.clock()
        row = Issue(
            edition_id=edition_id,
            slot=slot.local,
            due_at=slot.at,
            window_start=now - 7 * DAY,
            window_end=now,
            created_at=now,
        )
        try:
            with db.writing(self.engine) as session:
                session.add(row)
        except IntegrityError:
            return False
        return True

    def _moved(self, edition_id: str, slot: Slot, to: IssueState) -> bool:
        waiting = col(Issue.state).in_([IssueState.DRAFT, IssueState.APPROVED, IssueState.FROZEN])
        with db.writing(self.engine) as session:
            statement = update(Issue).where(col(Issue.edition_id) == edition_id, col(Issue.slot) == slot.local, waiting)
            return session.exec(statement.values(state=to)).rowcount == 1


class Clock:
    """The real clock, set to another time, and set again at will."""

    def __init__(self, to: datetime) -> None:
        self.set(to)

    def set(self, to: datetime) -> None:
        self.ahead = to - datetime.now(UTC)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def declare(engine: Engine, since: datetime | None = SLOT - 6 * DAY, **settings: Any) -> None:
    edition = weekly(**settings)
    with db.writing(engine) as session:
        if session.get(people.MailingList, "all") is None:
            session.add(people.MailingList(id="all", title="All", created_at=SLOT - 30 * DAY))
            session.flush()
        session.merge(
            Edition(
                id=edition.id,
                list_id="all",
                title=edition.title,
                settings=edition_to_json(edition),
                timetable=named(edition, "UTC"),
                timetable_since=since,
            )
        )


def states(engine: Engine) -> dict[str | None, str]:
    with db.reading(engine) as session:
        return {issue.slot: issue.state for issue in session.exec(select(Issue))}


def fixed(now: datetime) -> Callable[[], datetime]:
    return lambda: now


def test_restarts_around_the_slot_and_a_clock_set_back_make_one_issue(engine: Engine) -> None:
    declare(engine)
    seconds = [timedelta(seconds=number) for number in range(-5, 6)]
    instants = [SLOT + second for second in seconds]
    instants += [SLOT - 2 * HOUR + second for second in seconds] + instants  # set back by two hours, and across again
    done = []
    for now in instants:
        recorder = Recorder(engine, fixed(now))
        recorder.perform(owed(engine, "UTC", now))
        done += recorder.done
    assert done == [f"draft {LOCAL}", f"publish {LOCAL}"]
    assert states(engine) == {LOCAL: "sent"}


def test_three_schedulers_in_a_storm_of_restarts_make_one_issue(engine: Engine) -> None:
    declare(engine, draft_h=0)
    done: list[str] = []

    def restart(number: int) -> None:
        now = SLOT + timedelta(seconds=number % 21 - 10)
        recorder = Recorder(engine, fixed(now))
        recorder.perform(owed(engine, "UTC", now))
        done.extend(recorder.done)

    with ThreadPoolExecutor(3) as schedulers:
        list(schedulers.map(restart, range(63)))
    assert done == [f"publish {LOCAL}"]


def test_a_machine_that_was_off_for_three_weeks_holds_one_issue(engine: Engine) -> None:
    declare(engine)
    for now in (SLOT - DAY, SLOT, SLOT + 23 * DAY, SLOT + 23 * DAY + HOUR):
        recorder = Recorder(engine, fixed(now))
        recorder.perform(owed(engine, "UTC", now))
    assert states(engine) == {LOCAL: "sent", "2026-12-18T07:00": "held"}


def test_a_new_schedule_counts_from_when_it_is_first_seen(engine: Engine) -> None:
    declare(engine, since=None)
    assert list(owed(engine, "UTC", SLOT + HOUR).values()) == [[]]
    declare(engine)
    with db.writing(engine) as session:
        session.execute(update(Edition).values(timetable="wed 07:00 UTC"))
    assert list(owed(engine, "UTC", SLOT + HOUR).values()) == [[]]
    with db.reading(engine) as session:
        edition = session.exec(select(Edition)).one()
        assert (edition.timetable, edition.timetable_since) == ("fri 07:00 Europe/Berlin", SLOT + HOUR)


def test_a_zone_change_moves_the_run_and_repeats_no_date(engine: Engine) -> None:
    declare(engine)
    Recorder(engine, fixed(SLOT)).perform(owed(engine, "UTC", SLOT))
    declare(engine, timezone="America/New_York")
    in_new_york = SLOT + 6 * HOUR
    assert list(owed(engine, "UTC", in_new_york).values()) == [[]]
    (of_plan,) = owed(engine, "UTC", in_new_york)
    assert wake_after(of_plan, in_new_york) == in_new_york + 6 * DAY  # the draft of the next one


def test_editions_that_are_off_or_can_not_be_understood_owe_nothing(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    declare(engine)
    declare(engine, id="broken", schedule="whenever")
    declare(engine, id="nowhere", timezone="Europe/Atlantis")
    declare(engine, id="by-hand", schedule=None)
    with db.writing(engine) as session:
        session.execute(update(Edition).where(col(Edition.id) == "weekly").values(active=False))
    assert owed(engine, "UTC", SLOT) == {}
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 2


# --- with APScheduler, by a clock that is set to other times


@pytest.fixture
def keep() -> Iterator[Callable[..., None]]:
    """Runs a timetable while a scenario plays; everything has half a minute, which nothing comes near."""

    def run(engine: Engine, steps: Any, clock: Clock, scenario: Any, look_s: float = 0.05) -> None:
        async def play() -> None:
            stop = asyncio.Event()
            timetable = Timetable(engine, steps, site_zone="UTC", clock=clock, look_s=look_s)
            keeping = asyncio.create_task(timetable.run(stop))
            try:
                await asyncio.wait_for(scenario(), 30)
            finally:
                stop.set()
                await keeping

        asyncio.run(play())

    yield run


def waits_for(recorder: Recorder, *wanted: str) -> Callable[[], Any]:
    async def scenario() -> None:
        while recorder.done != list(wanted):
            recorder.changed.clear()
            await recorder.changed.wait()

    return scenario


def test_a_wake_comes_at_the_draft_and_at_the_slot(engine: Engine, keep: Callable[..., None]) -> None:
    declare(engine)
    clock = Clock(SLOT - DAY - timedelta(seconds=0.5))
    recorder = Recorder(engine, clock)
    keep(engine, recorder, clock, waits_for(recorder, f"draft {LOCAL}"), look_s=3600)
    assert clock() >= SLOT - DAY
    clock.set(SLOT - timedelta(seconds=0.5))
    recorder = Recorder(engine, clock)
    keep(engine, recorder, clock, waits_for(recorder, f"publish {LOCAL}"), look_s=3600)
    assert clock() >= SLOT


def test_a_slot_missed_within_the_grace_is_published_at_the_start(engine: Engine, keep: Callable[..., None]) -> None:
    declare(engine)
    clock = Clock(SLOT + HOUR)
    recorder = Recorder(engine, clock)
    keep(engine, recorder, clock, waits_for(recorder, f"publish {LOCAL}"))


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_a_clock_that_steps_while_waiting_is_followed(
    engine: Engine, keep: Callable[..., None], step: timedelta
) -> None:
    declare(engine, draft_h=0)
    clock = Clock(SLOT - HOUR - timedelta(minutes=1))
    recorder = Recorder(engine, clock)

    async def scenario() -> None:
        if step < timedelta(0):
            clock.set(SLOT - timedelta(seconds=1) + step)
            await asyncio.sleep(0)
            assert recorder.done == []
            clock.set(SLOT)
        else:
            clock.set(clock() + step + timedelta(minutes=1))
        await waits_for(recorder, f"publish {LOCAL}")()
        clock.set(SLOT - 2 * HOUR)  # back across the slot, and on
        clock.set(SLOT + timedelta(seconds=1))

    keep(engine, recorder, clock, scenario)
    assert recorder.done == [f"publish {LOCAL}"]


def test_an_approval_that_comes_late_is_seen(engine: Engine, keep: Callable[..., None]) -> None:
    declare(engine, approval="required")
    clock = Clock(SLOT + HOUR)
    recorder = Recorder(engine, clock)

    async def scenario() -> None:
        await waits_for(recorder, f"draft {LOCAL}")()
        with db.writing(engine) as session:
            session.execute(update(Issue).values(state=IssueState.APPROVED))
        await waits_for(recorder, f"draft {LOCAL}", f"publish {LOCAL}")()

    keep(engine, recorder, clock, scenario)


class Failing(Recorder):
    """Publishing one edition goes wrong."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime], error: Exception) -> None:
        super().__init__(engine, clock)
        self.error, self.tries = error, 0

    async def publish(self, edition_id: str, slot: Slot) -> None:
        if edition_id == "weekly":
            self.tries += 1
            raise self.error
        await super().publish(edition_id, slot)


@pytest.mark.parametrize("error", [NeedsDecision("it is thin"), ZeroDivisionError("surprise")])
def test_an_edition_that_fails_stops_no_other_and_is_not_hammered(
    engine: Engine, keep: Callable[..., None], caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    declare(engine)
    declare(engine, id="daily", schedule="daily 07:00")
    clock = Clock(SLOT + HOUR)
    steps = Failing(engine, clock, error)

    async def scenario() -> None:
        await waits_for(steps, f"publish {LOCAL}")()
        while not steps.tries:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)  # four looks more, which could try again

    keep(engine, steps, clock, scenario)
    assert steps.tries == 1
    assert [r for r in caplog.records if str(error) in r.getMessage() or r.exc_info]


def test_a_stop_lets_the_work_in_hand_end(engine: Engine, keep: Callable[..., None]) -> None:
    declare(engine)
    clock = Clock(SLOT + HOUR)
    begun, finish = asyncio.Event(), asyncio.Event()

    class Slow(Recorder):
        async def publish(self, edition_id: str, slot: Slot) -> None:
            begun.set()
            await finish.wait()
            await super().publish(edition_id, slot)

    steps = Slow(engine, clock)

    async def scenario() -> None:
        await begun.wait()
        asyncio.get_running_loop().call_later(0.2, finish.set)

    keep(engine, steps, clock, scenario)
    assert steps.done == [f"publish {LOCAL}"]
