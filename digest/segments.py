"""Segments of the audience: `subscribers.segments` with what only the ledger knows, who got which issue."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, and_, false, func, select
from sqlmodel import Session

from digest.config.values import Config
from digest.errors import NeedsDecision, NotFound
from digest.models import Delivery, DeliveryState, Edition, Issue, IssueState, Slice, people, table
from subscribers.segment_rules import Setting, condition
from subscribers.segments import Got, named, parse

_person = table(people.Subscriber)
_delivery = table(Delivery).alias("segment_delivery")
_slice = table(Slice)
_FIXED = (IssueState.FROZEN, IssueState.SENDING, IssueState.SENT)


def where(
    session: Session, text: str, *, now: datetime, list_id: str | None = None, of: Issue | None = None
) -> ColumnElement[bool]:
    """The condition on `subscriber` that a filter means; BadFilter, or NotFound for an edition or issue there is not,
    or whose ledger is not kept any more.

    Statuses and dates are those on the list, or on any without one. With `of`, the issue that the filter is for: nobody
    got that one, and of others counts what was sent by `now`.
    """

    def got(issue: Got) -> ColumnElement[bool]:
        ids = _issues(session, issue, of)
        if not ids:
            return false()
        mine = _delivery.c.subscriber_id == _person.c.id, _delivery.c.state == DeliveryState.SENT
        by_then = [] if of is None else [_delivery.c.settled_at <= now]
        sent = select(1).where(*mine, _delivery.c.issue_id.in_(ids), *by_then)
        return sent.correlate(_person).exists()

    dialect = session.get_bind().dialect.name
    return condition(parse(text), Setting(dialect, now, list_id, got))


def size(session: Session, segment: ColumnElement[bool]) -> int:
    """How many people a segment has, on whatever list."""
    return int(session.execute(select(func.count()).select_from(_person).where(segment)).scalar_one())


def has(session: Session, segment: ColumnElement[bool], normalised: str) -> bool:
    """Whether the person with this address (normalised) is in a segment."""
    found = select(_person.c.id).where(_person.c.email == normalised, segment)
    return session.execute(found).first() is not None


def fixed(issue: Issue) -> bool:
    """Whether the issue's audience is that of its freezing, whatever is asked for now."""
    return issue.inputs is not None or issue.state in _FIXED


def filters(session: Session, issue: Issue, only: str = "") -> list[str]:
    """The filters that the issue's readers all match: those it was frozen with; before that its edition's and `only`,
    or what it was approved for.

    None of them: it is for the whole list.
    """
    if fixed(issue):
        return issue.segments
    own = session.get_one(Edition, issue.edition_id).settings.get("segment", "")
    return [text for text in (own, *([only] if only else issue.segments)) if text]


def of_issue(session: Session, issue: Issue, now: datetime, only: str = "") -> ColumnElement[bool] | None:
    """The condition on `subscriber` that the issue's `filters` mean together, None without any; as of its freezing, or
    as of `now`.

    BadFilter, or NotFound, for what `only` says; NeedsDecision if the edition's names an issue that there is not.
    """
    asked = filters(session, issue, only)
    if not asked:
        return None
    at = (fixed(issue) and issue.frozen_at) or now
    list_id = session.get_one(Edition, issue.edition_id).list_id

    def meant(text: str) -> ColumnElement[bool]:
        try:
            return where(session, text, now=at, list_id=list_id, of=issue)
        except NotFound as error:
            if text == only:
                raise
            raise NeedsDecision(f'[editions] "{issue.edition_id}" segment: {error}') from error

    return and_(*map(meant, asked))


def unknown(session: Session, config: Config) -> list[str]:
    """A sentence for each edition or list that the segments of config.toml name, and that there is not."""
    known = {
        "edition": set(session.scalars(select(table(Edition).c.id))),
        "list": set(session.scalars(select(table(people.MailingList).c.id))),
    }
    return [
        f'config.toml: [editions] "{edition.id}" segment: expected the id of a known {kind} '
        f'({", ".join(sorted(known[kind]))}), got "{name}"'
        for edition in config.editions
        for kind, name in (named(parse(edition.segment)) if edition.segment else ())
        if name not in known[kind]
    ]


def _issues(session: Session, wanted: Got, of: Issue | None) -> list[int]:
    row = table(Issue)
    if session.get(Edition, wanted.edition) is None:
        raise NotFound(f'there is no edition "{wanted.edition}"; its id stands in config.toml')
    found = select(row.c.id, row.c.number).where(row.c.edition_id == wanted.edition)
    its = session.execute(found).all()
    asked = [one.id for one in its if wanted.number in (None, one.number)]
    unheard = wanted.number is not None and not asked
    if unheard and not (of and (fixed(of) or _becomes(of, wanted, [one.number for one in its]))):
        raise NotFound(f'the edition "{wanted.edition}" has no issue {wanted.number}')
    if wanted.number is not None and not (of and fixed(of)) and any(_is_forgotten(session, id_) for id_ in asked):
        raise NotFound(f'who got issue {wanted.number} of the edition "{wanted.edition}" is not known any more')
    return [id_ for id_ in asked if of is None or id_ != of.id]


def _is_forgotten(session: Session, issue_id: int) -> bool:
    """Whether the issue's deliveries are gone by [retention]: everybody would have missed it."""
    kept = select(_delivery.c.id).where(_delivery.c.issue_id == issue_id).limit(1)
    ended = select(_slice.c.id).where(_slice.c.issue_id == issue_id, _slice.c.done.is_(True)).limit(1)
    return session.execute(ended).first() is not None and session.execute(kept).first() is None


def _becomes(issue: Issue, wanted: Got, numbers: Iterable[int | None]) -> bool:
    """Whether the issue, when it is frozen, will be the one that is meant."""
    last = max((number for number in numbers if number is not None), default=0)
    return issue.edition_id == wanted.edition and wanted.number == last + 1
