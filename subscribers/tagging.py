"""Tags put on people and taken off, many at a time."""

from __future__ import annotations

from sqlalchemy import ColumnElement, delete, func, literal, select
from sqlmodel import Session

from subscribers.columns import table
from subscribers.models import Subscriber, Tag
from subscribers.rows import changed, insert_or_ignore


def tag(session: Session, name: str, people: ColumnElement[bool]) -> int:
    """Put a tag (as `attributes.tags` has it) on the people of a condition on `subscriber`; how many had it not."""
    person, row = table(Subscriber), table(Tag)
    before = session.execute(select(func.count()).select_from(row).where(row.c.name == name)).scalar_one()
    rows = select(literal(name), person.c.id).where(people)
    into = insert_or_ignore(session.get_bind().dialect.name, row)
    session.execute(into.from_select(["name", "subscriber_id"], rows))
    after = session.execute(select(func.count()).select_from(row).where(row.c.name == name)).scalar_one()
    return int(after - before)


def untag(session: Session, name: str, people: ColumnElement[bool]) -> int:
    """Take a tag off the people of a condition on `subscriber`; how many had it."""
    person, row = table(Subscriber), table(Tag)
    theirs = row.c.subscriber_id.in_(select(person.c.id).where(people))
    return changed(session, delete(row).where(row.c.name == name, theirs))
