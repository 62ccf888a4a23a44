"""What an edition owes at an instant: a draft before its slot, an issue at it, a held one when the slot was missed.

The slots that the database knows are the memory; a decision needs nothing else. Only the last slot that has passed
can be published, so a machine that was off for three weeks sends one issue or none, never three (Z-07).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from digest.config.values import EditionConfig
from digest.models import IssueState
from digest.timetable import Rule, Slot, next_run, parse_schedule, previous_run, slots_between

# How far back missed slots are counted for the report.
LOOK_BACK = timedelta(days=60)

# Not on its way yet: a scheduler may still publish it, or must say that it is too late.
_WAITING = frozenset({IssueState.DRAFT, IssueState.APPROVED, IssueState.FROZEN})


@dataclass(frozen=True)
class Plan:
    """An edition's timetable, and since when it is followed: slots before that are nobody's."""

    edition_id: str
    rule: Rule
    zone: ZoneInfo
    draft: timedelta  # how long before a slot its draft is composed
    grace: timedelta  # a slot missed by more is held
    automatic: bool  # nobody needs to approve
    since: datetime


class Step(StrEnum):
    """What can be owed."""

    DRAFT = "draft"
    PUBLISH = "publish"
    HOLD = "hold"


@dataclass(frozen=True)
class Action:
    """One thing owed for one slot."""

    step: Step
    edition_id: str
    slot: Slot
    state: IssueState | None  # of the slot's issue when this was decided; None: there is none
    reason: str = ""  # of HOLD: one sentence for staff


def named(edition: EditionConfig, site_zone: str) -> str:
    """The timetable as one text that differs when the schedule or the zone does; "" if the edition has none."""
    return f"{edition.schedule} {edition.timezone or site_zone}" if edition.schedule else ""


def plan(edition: EditionConfig, site_zone: str, since: datetime) -> Plan | None:
    """The plan that the settings ask for; None without a schedule. ValueError if schedule or zone can't be used."""
    if not edition.schedule:
        return None
    return Plan(
        edition_id=edition.id,
        rule=parse_schedule(edition.schedule),
        zone=ZoneInfo(edition.timezone or site_zone),
        draft=timedelta(hours=edition.draft_h),
        grace=timedelta(hours=edition.grace_h),
        automatic=edition.approval == "automatic",
        since=since,
    )


def due(plan: Plan, now: datetime, known: Mapping[str, tuple[datetime, IssueState]]) -> list[Action]:
    """Everything owed at `now`, in the order to do it; `known` has the instant and state of each slot's issue.

    `known` has to hold the last slot before `now` and the next one, if there are issues for them. What is done
    changes the states, so that it is owed no more: calling this again and again is harmless.
    """
    last, following = previous_run(now, plan.rule, plan.zone), next_run(now, plan.rule, plan.zone)
    states = {local: state for local, (_, state) in known.items()}
    owed = [
        Action(Step.HOLD, plan.edition_id, Slot(local, at), state, _overtaken(local, last))
        for local, (at, state) in sorted(known.items())
        if at <= now and local not in (last.local, following.local) and state in _WAITING
        # Freezing may just be under way elsewhere.
        if state is not IssueState.FROZEN or now - at > plan.grace
    ]
    owed += _for_last(plan, now, last, states)
    if following.at - plan.draft <= now and following.local not in known:
        owed.append(Action(Step.DRAFT, plan.edition_id, following, None))
    return owed


def _for_last(plan: Plan, now: datetime, last: Slot, states: Mapping[str, IssueState]) -> list[Action]:
    state = states.get(last.local)
    if state is None and last.at <= plan.since:
        return []
    if state is not None and state not in _WAITING:
        return []
    if now - last.at > plan.grace:
        return [Action(Step.HOLD, plan.edition_id, last, state, _late(plan, now, last, states))]
    if plan.automatic or state in (IssueState.APPROVED, IssueState.FROZEN):
        return [Action(Step.PUBLISH, plan.edition_id, last, state)]
    # Somebody has to approve: see to it that there is something to approve, and wait.
    return [Action(Step.DRAFT, plan.edition_id, last, state)] if state is None else []


def wake_after(plan: Plan, now: datetime) -> datetime:
    """The first instant later than `now` at which time alone makes something due."""
    slot = next_run(now, plan.rule, plan.zone).at
    draft = next_run(now + plan.draft, plan.rule, plan.zone).at - plan.draft
    return min(slot, draft)


def counted_since(stored: datetime | None, unchanged: bool, now: datetime) -> datetime:
    """Since when a timetable is followed: as stored, or from `now` on where it is new, changed or ahead of the clock.

    So a schedule moved to an hour ago sends nothing at once, and a clock that once was years ahead silences nothing.
    """
    return stored if stored is not None and unchanged and stored <= now else now


def known_from(plan: Plan, now: datetime) -> str:
    """The earliest slot whose issue `due` wants to know, as text; those not on their way yet it wants all."""
    return min(previous_run(now, plan.rule, plan.zone).local, f"{now - LOOK_BACK:%Y-%m-%dT%H:%M}")


def _late(plan: Plan, now: datetime, last: Slot, states: Mapping[str, IssueState]) -> str:
    start = max(plan.since, last.at - LOOK_BACK)
    before = [slot for slot in slots_between(start, last.at, plan.rule, plan.zone) if slot != last]
    settled = max((slot.local for slot in before if slot.local in states), default="")
    missed = sum(slot.local > settled for slot in before)
    cause = _cause(plan, states.get(last.local))
    also = f" So were {missed} before it." if missed and cause == "it was missed" else ""
    return (
        f"The slot of {_words(last)} ({plan.zone.key}) is {_span(now - last.at)} ago, more than the grace of "
        f"{_span(plan.grace)}, and {cause}: decide whether it still goes out.{also}"
    )


def _cause(plan: Plan, state: IssueState | None) -> str:
    if state is None:
        return "it was missed"
    return "nobody approved it" if state is IssueState.DRAFT and not plan.automatic else "its issue has not left"


def _overtaken(local: str, last: Slot) -> str:
    return (
        f"The slot of {local.replace('T', ' ')} passed without an issue, and the timetable "
        f"has come to {_words(last)} since: decide whether it still goes out."
    )


def _words(slot: Slot) -> str:
    return f"{datetime.fromisoformat(slot.local):%A} {slot.local.replace('T', ' ')}"


def _span(span: timedelta) -> str:
    for unit, name in ((timedelta(days=1), "day"), (timedelta(hours=1), "hour"), (timedelta(minutes=1), "minute")):
        # Two days at least before counting in days: "30 hours" says more than "1 day".
        if span >= (2 * unit if name == "day" else unit):
            number = span // unit
            return f"{number} {name}{'' if number == 1 else 's'}"
    return "less than a minute"
