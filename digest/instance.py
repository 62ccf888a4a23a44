"""The one row that says which database this is; its keys are made once and never rotated."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from digest.models import Instance

_KEY_BYTES = 32


def instance(session: Session, now: datetime, random_bytes: Callable[[int], bytes]) -> Instance:
    """The instance of this database, made at the first call; two first calls at once agree on one."""
    found = session.get(Instance, 1)
    if found is not None:
        return found
    made = Instance(
        name=random_bytes(6).hex(),
        message_key=random_bytes(_KEY_BYTES),
        suppression_key=random_bytes(_KEY_BYTES),
        created_at=now,
    )
    try:
        with session.begin_nested():
            session.add(made)
    except IntegrityError:
        return session.get_one(Instance, 1)
    return made
