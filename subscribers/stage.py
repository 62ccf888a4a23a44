"""The people of a chunk in a table of the connection's own, and from there into the real ones, a statement for each.

Each row is given to the driver once, however many tables it ends in: on SQLite that costs less than stepping an INSERT
for each of them, on PostgreSQL less than a COPY into each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    case,
    delete,
    exists,
    func,
    literal,
    null,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateTable
from sqlmodel import Session

from subscribers import bulk
from subscribers.columns import UtcDateTime, table
from subscribers.models import Consent, Status, Subscriber, Subscription
from subscribers.rows import changed, insert_or_ignore, text_hash

# What is the same for all of a chunk stays NULL and is filled in on the way.
STAGE = Table(
    "stage",
    MetaData(),
    Column("id", Integer),
    Column("known", Boolean),  # is somebody already, on other lists
    Column("email", String),
    Column("email_hash", String),
    Column("domain", String),
    Column("handle", LargeBinary),
    Column("name", String),
    Column("language", String),
    Column("attributes", JSON),
    Column("status", String),
    Column("typed", String),  # NULL: as the address
    Column("known_since", UtcDateTime),
    Column("choices", JSON),
    Column("joined", UtcDateTime),
    Column("confirmed_at", UtcDateTime),
    Column("left_at", UtcDateTime),
    Column("paused_until", UtcDateTime),
    Column("proven", Boolean),  # comes with its own dates, choices and lines of the record of consent
    prefixes=["TEMPORARY"],
)
PLAIN = ("id", "known", "email", "email_hash", "domain", "handle", "name", "language", "attributes", "status", "typed")
KEPT = (*PLAIN, "known_since", "choices", "joined", "confirmed_at", "left_at", "paused_until", "proven")


@dataclass(frozen=True)
class Common:
    """What all rows of a chunk share."""

    list_id: str
    now: datetime
    consent: str  # the words that those who are confirmed agreed by


def fill(session: Session, names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Put the rows of a chunk, whose values are as the driver wants them, where `store` finds them."""
    session.execute(CreateTable(STAGE, if_not_exists=True))
    session.execute(text(f"TRUNCATE {STAGE.name}") if _is_postgresql(session) else delete(STAGE))
    bulk.insert(session, STAGE, names, rows)


def store(session: Session, common: Common, *, fresh: int, known: int = 0) -> bool:
    """Everybody in the stage into the tables: the `fresh` ones who were not known, then their places and proofs.

    `known` is how many of them are on other lists: they may have been given a place meanwhile, and keep it.
    True if some came to be known since the stage was filled: they have other ids, and keep the place that they have.
    """
    met = fresh > 0 and _put(session, common) < fresh
    if met or (known and _is_postgresql(session)):
        _meet(session, common)
    session.execute(_places(session, common))
    session.execute(_proofs(session, common))
    return met


def _put(session: Session, common: Common) -> int:
    """How many came in as new people."""
    if not _is_postgresql(session):
        return changed(session, insert_or_ignore("sqlite", table(Subscriber)).from_select(*_people(common)))
    try:
        # Where each row may be there already PostgreSQL takes half as long again.
        with session.begin_nested():
            return changed(session, table(Subscriber).insert().from_select(*_people(common)))
    except IntegrityError:
        return changed(session, insert_or_ignore("postgresql", table(Subscriber)).from_select(*_people(common)))


def _people(common: Common) -> tuple[list[str], Any]:
    row = STAGE.c
    names = ("id", "email", "email_hash", "domain", "handle", "name", "language", "attributes")
    since = func.coalesce(row.known_since, literal(common.now, UtcDateTime))
    return [*names, "created_at"], select(*(row[name] for name in names), since).where(row.known.is_(False))


def _meet(session: Session, common: Common) -> None:
    """Somebody else wrote to the same people meanwhile: the stage is told who they are, and who has a place."""
    person, place = table(Subscriber), table(Subscription)
    # Who signs up holds their own row: none of them gets a place between here and the commit.
    session.execute(select(person.c.id).where(person.c.email.in_(select(STAGE.c.email))).with_for_update())
    session.execute(
        update(STAGE).where(STAGE.c.email == person.c.email, STAGE.c.id != person.c.id).values(id=person.c.id)
    )
    mine = place.c.subscriber_id == STAGE.c.id, place.c.list_id == common.list_id
    session.execute(delete(STAGE).where(exists(select(1).where(*mine))))


def _places(session: Session, common: Common) -> Any:
    place, row = table(Subscription), STAGE.c
    now = literal(common.now, UtcDateTime)

    def dated(column: Any, status: Status) -> Any:
        return case((row.proven.is_(True), column), (row.status == status, now), else_=null())

    rows = select(
        row.id,
        literal(common.list_id),
        row.status,
        func.coalesce(row.choices, literal({}, JSON)),
        func.coalesce(row.joined, now),
        dated(row.confirmed_at, Status.CONFIRMED),
        dated(row.left_at, Status.UNSUBSCRIBED),
        row.paused_until,
    )
    names = ["subscriber_id", "list_id", "status", "choices", "created_at", "confirmed_at", "left_at", "paused_until"]
    return place.insert().from_select(names, rows)


def _proofs(session: Session, common: Common) -> Any:
    proof, row = table(Consent), STAGE.c
    confirmed = row.status == Status.CONFIRMED
    rows = select(
        row.id,
        literal(common.list_id),
        case((row.status == Status.UNSUBSCRIBED, literal("unsubscribed")), else_=literal("imported")),
        literal("import"),
        literal(common.now, UtcDateTime),
        func.coalesce(row.typed, row.email),
        case((confirmed, literal(common.consent)), else_=literal("")),
        case((confirmed, literal(text_hash(common.consent))), else_=literal("")),
        func.coalesce(row.language, literal("")),
        *[literal("")] * 3,
    ).where(row.proven.is_not(True))
    names = ["subscriber_id", "list_id", "action", "method", "at", "email_typed", "text", "text_hash", "locale"]
    return proof.insert().from_select([*names, "form_url", "ip", "message_id"], rows)


def _is_postgresql(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"
