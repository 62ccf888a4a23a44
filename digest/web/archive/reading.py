"""What the archive shows: issues that went out, or are going out, to a public list. Nothing else is ever read here."""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, select
from sqlmodel import Session

from digest.compose.content import IssueContent, from_json
from digest.compose.variants import fields_of
from digest.fields import defaults
from digest.models import Edition, Issue, IssueState, Variant, people, table


@dataclass(frozen=True)
class Shelf:
    """An edition of a public list."""

    id: str
    title: str
    list_id: str


@dataclass(frozen=True)
class Line:
    """An issue as lists of issues name it; the subject still has its blanks."""

    edition_id: str
    number: int
    subject: str
    blank_word: str
    at: datetime  # when it was frozen
    defaults: tuple[str, ...] = ()  # of its merge fields, by number


@dataclass(frozen=True)
class Frozen:
    """An issue as it was sent: its HTML with blanks."""

    line: Line
    html: str


@dataclass(frozen=True)
class Told:
    """An issue with what it said."""

    line: Line
    content: IssueContent | None


def shelves(session: Session) -> list[Shelf]:
    """Every edition of a public list, by title; it may have no issue yet."""
    edition, lists = table(Edition).c, table(people.MailingList).c
    found = session.execute(
        select(edition.id, edition.title, edition.list_id)
        .join(table(people.MailingList), lists.id == edition.list_id)
        .where(lists.public)
        .order_by(edition.title, edition.id)
    )
    return [Shelf(*row) for row in found]


def shelf(session: Session, edition_id: str) -> Shelf | None:
    """The edition, if it is one of a public list."""
    return next((one for one in shelves(session) if one.id == edition_id), None)


def lines(session: Session, edition_id: str, most: int | None = None) -> list[Line]:
    """The edition's issues, newest first."""
    query = _visible(*_columns(), edition_id=edition_id).order_by(table(Issue).c.number.desc())
    return [_line(row) for row in session.execute(query.limit(most))]


def told(session: Session, edition_id: str, most: int) -> list[Told]:
    """The edition's newest issues with what they said."""
    query = _visible(*_columns(), table(Issue).c.inputs, edition_id=edition_id)
    rows = session.execute(query.order_by(table(Issue).c.number.desc()).limit(most))
    return [Told(_line(row), _content(row.inputs)) for row in rows]


def frozen(session: Session, edition_id: str, number: int) -> Frozen | None:
    """One issue, or None when there is none that may be shown."""
    query = _visible(*_columns(), table(Variant).c.html, edition_id=edition_id)
    row = session.execute(query.where(table(Issue).c.number == number)).one_or_none()
    return Frozen(_line(row), zlib.decompress(row.html).decode()) if row else None


def neighbours(session: Session, edition_id: str, number: int) -> tuple[Line | None, Line | None]:
    """The issues before and after one, where they may be shown."""
    other, query = table(Issue).c.number, _visible(*_columns(), edition_id=edition_id)
    before = session.execute(query.where(other < number).order_by(other.desc()).limit(1)).one_or_none()
    after = session.execute(query.where(other > number).order_by(other).limit(1)).one_or_none()
    return (_line(before) if before else None, _line(after) if after else None)


def identity(instance: str, line: Line) -> str:
    """The issue's name in feeds: the same for ever, wherever the pages move."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"digest:{instance}:{line.edition_id}:{line.number}").urn


def _columns() -> Sequence[Any]:
    issues, variant = table(Issue).c, table(Variant).c
    return issues.edition_id, issues.number, variant.subject, variant.blank_word, issues.frozen_at, variant.fields


def _visible(*columns: Any, edition_id: str) -> Select[Any]:
    issues, edition, lists = table(Issue).c, table(Edition).c, table(people.MailingList).c
    return (
        select(*columns)
        .join(table(Edition), edition.id == issues.edition_id)
        .join(table(people.MailingList), lists.id == edition.list_id)
        .join(table(Variant), table(Variant).c.issue_id == issues.id)
        .where(
            lists.public,
            issues.state.in_([IssueState.SENDING, IssueState.SENT]),
            issues.edition_id == edition_id,
            table(Variant).c.key == "",
        )
    )


def _line(row: Row[Any]) -> Line:
    fields = defaults(fields_of(row.fields))
    return Line(row.edition_id, row.number, row.subject, row.blank_word, row.frozen_at, fields)


def _content(inputs: bytes | None) -> IssueContent | None:
    return from_json(zlib.decompress(inputs).decode()) if inputs else None
