"""People taken out of the ledger of mail and out of the tables about people. Steps.

A row of the ledger stays, with nobody in it: so the counts of an issue are what they were, and a sender that holds the
row is told "erased" when it asks leave to write the body. What a relay answered may name the address, so it goes.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, case, literal, null, select, update
from sqlmodel import Session

from digest.deliver.ledger import ERASED, S
from digest.models import Delivery, Slice, table
from subscribers import erasing

_d = table(Delivery)
_s = table(Slice)

_NOT_BEGUN = (S.PENDING, S.DEFERRED)


def erase(session: Session, normalised: str, *, key: bytes, now: datetime) -> int:
    """Erase the person with this address, from everywhere; the number of ledger rows that stay without them.

    Their addresses, former ones too, are kept away from then on by their keyed hash alone. UnknownPerson.
    """
    leaver = erasing.begin(session, normalised, now)
    rows = forget(session, [leaver.id], now)
    _forget_letters_to(session, leaver.addresses, now)
    erasing.end(session, [leaver.id])
    erasing.keep_hashes(session, leaver.addresses, key=key, now=now)
    return rows


def forget(session: Session, ids: Collection[int], now: datetime) -> int:
    """Take marked people out of the ledger; how many rows stay without them."""
    return _forget(session, _d.c.subscriber_id.in_(ids), now)


def _forget(session: Session, whose: ColumnElement[bool], now: datetime) -> int:
    ends = {state.value: S.SKIPPED.value for state in _NOT_BEGUN} | {S.HELD.value: S.FAILED.value}
    open_ = _d.c.state.in_(ends)
    slices = select(_d.c.slice_id).where(whose, open_)
    session.execute(update(_s).where(_s.c.id.in_(slices)).values(counts=null()))
    values = {
        "subscriber_id": None,
        "address": None,
        "message_id": "",
        "state": case(ends, value=_d.c.state, else_=_d.c.state),
        "reason": case((open_, ERASED), else_=null()),
        "settled_at": case((open_, literal(now, _d.c.settled_at.type)), else_=_d.c.settled_at),
        "next_try_at": None,
    }
    return session.connection().execute(update(_d).where(whose).values(values)).rowcount


def _forget_letters_to(session: Session, addresses: Collection[str], now: datetime) -> None:
    """Letters that others had sent to these addresses, to have their own mail go there."""
    links = erasing.links_to(session, addresses)
    _forget(session, _d.c.occasion.in_([f"move:{number}" for number in links]), now)
    erasing.drop_links(session, links)
