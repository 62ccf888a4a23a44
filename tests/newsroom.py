"""People and lists for tests: a counting source of randomness, a list or two, claims without a key ring."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from itertools import count
from typing import Any

from sqlalchemy import select
from sqlmodel import Session

from subscribers.columns import table
from subscribers.joining import Joined, SignUp, join
from subscribers.models import Consent, MailingList, Subscriber, Subscription
from subscribers.tokens import Claim, Purpose

KEY = b"k" * 32
TEXT = "Yes, send me the weekly round-up."


def counting() -> Callable[[int], bytes]:
    """Stands in for os.urandom: different at every call, equal in every run."""
    numbers = count(1)
    return lambda size: hashlib.shake_256(str(next(numbers)).encode()).digest(size)


def make_lists(session: Session, now: datetime) -> None:
    """Public lists weekly and daily, a private one, and one that is switched off."""
    session.add_all(
        [
            MailingList(id="weekly", title="Weekly", created_at=now),
            MailingList(id="daily", title="Daily", created_at=now),
            MailingList(id="staff", title="Staff", public=False, created_at=now),
            MailingList(id="old", title="Old", active=False, created_at=now),
        ]
    )
    session.flush()


def sign_up(session: Session, email: str, *list_ids: str, now: datetime, random: Any, **more: Any) -> Joined:
    """Somebody fills in the form."""
    wish = SignUp(email, list_ids or ("weekly",), text=TEXT, ip="192.0.2.7", **more)
    return join(session, wish, key=KEY, now=now, random_bytes=random)


def claim(session: Session, purpose: Purpose, email: str, confirmation_id: int) -> Claim:
    """What the token in the mail says."""
    return Claim(purpose, handle(session, email), str(confirmation_id))


def handle(session: Session, email: str) -> bytes:
    """The person's name in links."""
    person = table(Subscriber)
    return bytes(session.execute(select(person.c.handle).where(person.c.email == email)).scalar_one())


def statuses(session: Session, email: str) -> dict[str, str]:
    """List -> status of one person; empty if they are not known."""
    person, place = table(Subscriber), table(Subscription)
    rows = session.execute(
        select(place.c.list_id, place.c.status)
        .join_from(place, person, person.c.id == place.c.subscriber_id)
        .where(person.c.email == email)
    )
    return {row.list_id: row.status for row in rows}


def proofs(session: Session) -> list[tuple[str | None, str, str]]:
    """The record of consent: list, action, method."""
    row = table(Consent)
    found = session.execute(select(row.c.list_id, row.c.action, row.c.method).order_by(row.c.id))
    return [(proof.list_id, proof.action, proof.method) for proof in found]


def how_many(session: Session, model: Any) -> int:
    """The number of rows of a table."""
    return len(session.execute(select(*table(model).primary_key.columns)).all())
