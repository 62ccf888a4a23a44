"""What the ledger tells people: how far an issue is, and who got it. Steps that only read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlmodel import Session

from digest.compose.selecting import wants_edition
from digest.models import Delivery, DeliveryState, Edition, Issue, IssueState, Slice, table
from subscribers.audience import why_not, wish
from subscribers.choices import read
from subscribers.models import Subscriber

_d = table(Delivery)
_s = table(Slice)
_i = table(Issue)
_e = table(Edition)
_p = table(Subscriber)


@dataclass(frozen=True)
class Told:
    """What the ledger says of one address and one occasion."""

    occasion: str
    state: str
    message_id: str
    attempts: int
    next_try_at: datetime | None
    handed_at: datetime | None
    settled_at: datetime | None
    relay: str | None
    code: int | None
    enhanced: str | None
    reason: str | None


def status(session: Session, issue_id: int) -> Mapping[str, int]:
    """How many deliveries of the issue are in each state; every state is named.

    Quick however long the issue is: only the rows of slices that are being worked off are counted, the others' counts
    are kept.
    """
    mine = _s.c.issue_id == issue_id
    kept = session.execute(select(_s.c.counts).where(mine, _s.c.counts.is_not(None))).scalars()
    live = (
        select(_d.c.state, func.count().label("number"))
        .where(_d.c.slice_id.in_(select(_s.c.id).where(mine, _s.c.counts.is_(None))))
        .group_by(_d.c.state)
    )
    counts = Counter({row.state: row.number for row in session.execute(live)})
    for some in kept:
        counts.update(some)
    return {state.value: counts[state.value] for state in DeliveryState}


def of_people(session: Session, ids: Sequence[int]) -> dict[int, str]:
    """What was sent to each of these subscribers, as a JSON list of occasion, state and instant."""
    told: dict[int, list[dict[str, str]]] = {}
    columns = _d.c.subscriber_id, _d.c.occasion, _d.c.state, _d.c.settled_at
    for id_, occasion, state, at in session.execute(
        select(*columns).where(_d.c.subscriber_id.in_(ids)).order_by(_d.c.id)
    ):
        told.setdefault(id_, []).append({"occasion": occasion, "state": state, "at": at.isoformat() if at else ""})
    return {id_: json.dumps(deliveries, separators=(",", ":")) for id_, deliveries in told.items()}


def who(session: Session, issue_id: int, normalised: str) -> Told | None:
    """What became of the issue for one address (normalised); None if it had no delivery of it."""
    asked = (
        select(*(_d.c[name] for name in Told.__dataclass_fields__))
        .select_from(_d.join(_p, _p.c.id == _d.c.subscriber_id))
        .where(_d.c.occasion == _occasion(issue_id), _p.c.email == normalised)
    )
    row = session.execute(asked).one_or_none()
    return Told(**row._mapping) if row else None


def variant_of(session: Session, issue_id: int, normalised: str) -> int | None:
    """The number of the variant that the ledger has for one address (normalised); 0 if nothing of the issue was for
    them; None if it has no row of theirs."""
    asked = (
        select(_d.c.variant_id)
        .select_from(_d.join(_p, _p.c.id == _d.c.subscriber_id))
        .where(_d.c.occasion == _occasion(issue_id), _p.c.email == normalised)
    )
    return session.execute(asked).scalar_one_or_none()


def by_variant(session: Session, issue_id: int) -> Mapping[int, int]:
    """How many readers each variant of the issue has in the ledger; under 0 those who got none."""
    its = select(_d.c.variant_id, func.count().label("readers")).where(_d.c.occasion == _occasion(issue_id))
    return {row.variant_id: row.readers for row in session.execute(its.group_by(_d.c.variant_id))}


def answer(session: Session, issue_id: int, normalised: str) -> str:
    """What became of the issue for any address (normalised), in one sentence: also for who had no delivery of it."""
    told = who(session, issue_id, normalised)
    if told is None:
        return f"It was not sent to this address: {_absent(session, issue_id, normalised)}."
    last = " ".join(str(part) for part in (told.code, told.reason) if part) or "no word of why"
    return _SAID.get(told.state, "It has not gone out yet.").format(last=last, told=told)


_SAID: Mapping[str, str] = {
    DeliveryState.SENT: "The relay {told.relay} took it at {told.settled_at}: {last}.",
    DeliveryState.SKIPPED: "It was not sent to this address: {told.reason}.",
    DeliveryState.FAILED: "It failed for good at {told.settled_at}: {last}.",
    DeliveryState.DEFERRED: "It was put off, and is tried again at {told.next_try_at}: {last}.",
    DeliveryState.HANDED: "It was handed to the relay {told.relay} at {told.handed_at}, without an answer yet.",
    DeliveryState.UNKNOWN: "It was handed to the relay {told.relay} at {told.handed_at}, without an answer yet.",
    DeliveryState.HELD: "It may have arrived: it was handed over without an answer, and a person has to decide.",
}


def _absent(session: Session, issue_id: int, normalised: str) -> str:
    issue = session.get_one(Issue, issue_id)
    if issue.frozen_at is None and issue.number is None:
        return f"the issue is {issue.state} and has no readers yet"
    if not issue.audience_complete and issue.state == IssueState.FROZEN:
        return "its list of readers is not written yet"
    person = session.execute(select(_p.c.id).where(_p.c.email == normalised)).scalar_one_or_none()
    if person is None:
        return "nobody here has this address (never signed up, or erased since)"
    list_id = session.get_one(Edition, issue.edition_id).list_id
    why = why_not(session, person, list_id, issue.frozen_at or issue.created_at)
    if not why and chose_others(session, issue, normalised):
        return "the person chose other editions of the list"
    return _WHY[why] if why or not issue.segments else outside(issue)


def outside(issue: Issue) -> str:
    """Why somebody who would get the issue by now had no delivery of it, as it went to a segment."""
    asked = " and ".join(f"({text})" for text in issue.segments) if issue.segments[1:] else issue.segments[0]
    return f"the person was not confirmed on the list, or outside the segment {asked}, when the issue was frozen"


def chose_others(session: Session, issue: Issue, normalised: str) -> bool:
    """Whether the person with this address (normalised) is on the list for other editions than the issue's."""
    list_id = session.get_one(Edition, issue.edition_id).list_id
    found = wish(session, list_id, normalised)
    editions = select(_e.c.id).where(_e.c.list_id == list_id, _e.c.active)
    if found is None:
        return False
    return not wants_edition(read(json.loads(found.choices)), issue.edition_id, set(session.scalars(editions)))


_WHY = {
    "": "the person was not confirmed on the list when the issue was frozen",
    "erased": "the person is being erased",
    "suppressed": "the address is suppressed",
    "never-joined": "the person never joined its list",
    "pending": "the person has not confirmed",
    "unsubscribed": "the person has unsubscribed",
    "declined": "the person declined",
    "list-off": "its list is switched off",
    "paused": "the person had paused the list",
}


def ledger(session: Session, issue_id: int, state: str | None, after: int, limit: int) -> list[tuple[int, str, Told]]:
    """Rows of the issue with their number and address, in the order of the people; those that follow row `after`."""
    before = select(_d.c.subscriber_id).where(_d.c.id == after).scalar_subquery()
    wanted = [_d.c.state == state] if state else []
    rows = session.execute(
        select(_d.c.id, _p.c.email, *(_d.c[name] for name in Told.__dataclass_fields__))
        .select_from(_d.join(_p, _p.c.id == _d.c.subscriber_id))
        .where(_d.c.occasion == _occasion(issue_id), _d.c.subscriber_id > func.coalesce(before, 0), *wanted)
        .order_by(_d.c.subscriber_id)
        .limit(limit)
    )
    return [(row[0], row[1], Told(*row[2:])) for row in rows]


def last_audience(session: Session, edition_id: str) -> int | None:
    """How many people the edition's last issue went to, or goes to; None if it never had one."""
    sent = select(func.max(_i.c.number)).where(_i.c.edition_id == edition_id, _i.c.audience_complete)
    last = select(_i.c.id).where(_i.c.edition_id == edition_id, _i.c.number == sent.scalar_subquery())
    issue_id = session.execute(last).scalar_one_or_none()
    if issue_id is None:
        return None
    return sum(status(session, issue_id).values())


def _occasion(issue_id: int) -> str:
    return f"issue:{issue_id}"
