"""Greeting: who is welcomed to a list, and who is told that they have left it, where the list wants that.

Nothing is sent here: the caller enqueues the letters, in the transaction of the press that asked for them.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlmodel import Session

from subscribers.columns import table
from subscribers.joining import Send
from subscribers.models import Consent, MailingList, Subscriber

_person = table(Subscriber)
_list = table(MailingList)


def welcomes(session: Session, handle: bytes, now: datetime) -> tuple[Send, ...]:
    """A letter for each list that the person with this handle confirmed at `now` and that welcomes its readers, be it
    by the button in a confirm mail or on their own page."""
    joined = table(Consent).c
    rows = (
        select(joined.id, joined.subscriber_id, joined.list_id)
        .join(_person, _person.c.id == joined.subscriber_id)
        .join(_list, _list.c.id == joined.list_id)
        .where(_person.c.handle == handle, joined.at == now, joined.action == "confirmed", _list.c.welcome)
        .order_by(joined.id)
    )
    return tuple(Send("welcome", *row) for row in session.execute(rows))


def goodbyes(session: Session, handle: bytes, now: datetime) -> tuple[Send, ...]:
    """A letter for each list that the person with this handle left at `now` and that says goodbye.

    None for a list that they had never confirmed: nobody gets a letter about what they did not get.
    """
    left, earlier = table(Consent).c, table(Consent).alias("earlier").c
    joined = (
        select(func.count())
        .where(earlier.subscriber_id == left.subscriber_id, earlier.list_id == left.list_id)
        .where(earlier.action.in_(("confirmed", "imported")))
        .scalar_subquery()
    )
    rows = (
        select(left.id, left.subscriber_id, left.list_id)
        .join(_person, _person.c.id == left.subscriber_id)
        .join(_list, _list.c.id == left.list_id)
        .where(_person.c.handle == handle, left.at == now, left.action == "unsubscribed", _list.c.goodbye, joined > 0)
        .order_by(left.id)
    )
    return tuple(Send("goodbye", *row) for row in session.execute(rows))
