"""Writing rows so that two writers at once do no harm, on SQLite and PostgreSQL alike."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, Executable, Insert, Table, update
from sqlalchemy import insert as plain_insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel

from subscribers.columns import table
from subscribers.models import Consent, Status, Subscription


def insert_or_ignore(dialect: str, into: Table) -> Insert:
    """An INSERT that leaves rows alone whose key is taken."""
    if dialect == "postgresql":
        return postgresql.insert(into).on_conflict_do_nothing()
    return sqlite.insert(into).on_conflict_do_nothing()


def insert_missing(session: Session, model: type[SQLModel], values: Mapping[str, Any]) -> bool:
    """Insert the row unless its key is taken; true if it is new."""
    statement = insert_or_ignore(session.get_bind().dialect.name, table(model)).values(**values)
    return changed(session, statement) == 1


def changed(session: Session, statement: Executable) -> int:
    """Run a Core statement that writes; the number of rows it changed."""
    result = session.execute(statement, execution_options={"preserve_rowcount": True})
    assert isinstance(result, CursorResult)
    return result.rowcount


def move(session: Session, subscriber_id: int, list_id: str, before: Collection[Status], **values: Any) -> bool:
    """Change a subscription if its status is one of `before`; false if it was not, or is not there."""
    row = table(Subscription)
    mine = row.c.subscriber_id == subscriber_id, row.c.list_id == list_id, row.c.status.in_(before)
    return changed(session, update(row).where(*mine).values(**values)) == 1


@dataclass(frozen=True)
class Proof:
    """One line of the record of consent (L-04), as it is known when it is written."""

    subscriber_id: int
    list_id: str | None
    action: str
    method: str
    at: datetime
    email_typed: str
    text: str = ""
    form_url: str = ""
    locale: str = ""
    ip: str = ""
    message_id: str = ""


def record(session: Session, *proofs: Proof) -> None:
    """Add lines to the append-only record of consent."""
    rows = [{**vars(proof), "text_hash": text_hash(proof.text)} for proof in proofs]
    session.execute(plain_insert(table(Consent)), rows)


def text_hash(text: str) -> str:
    """SHA-256 of the text as hex, "" for no text: which version of a sentence somebody agreed to."""
    return hashlib.sha256(text.encode()).hexdigest() if text else ""
