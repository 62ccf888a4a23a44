"""Leaving: a click, a page or an administrator ends a subscription; a suppression keeps an address away for ever.

Every function here says the same thing once or a thousand times (H-10): only the first time changes anything.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session, col

from subscribers.addresses import hash_address
from subscribers.audience import EVERYWHERE
from subscribers.models import Status, Subscriber, Subscription, Suppression
from subscribers.rows import Proof, insert_missing, move, record
from subscribers.suppressing import suppress_all

_ON_A_LIST = (Status.PENDING, Status.CONFIRMED)


def unsubscribe(session: Session, handle: bytes, list_id: str, *, method: str, ip: str = "", now: datetime) -> bool:
    """End the subscription of the person with this handle; true when there is one, ended now or before.

    `method` is one of one-click, page, mail, command. An unknown handle or list changes nothing and is false: the web
    answers both alike.
    """
    found = session.execute(
        select(col(Subscription.subscriber_id), col(Subscriber.email))
        .join(Subscriber, col(Subscriber.id) == col(Subscription.subscriber_id))
        .where(col(Subscriber.handle) == handle, col(Subscription.list_id) == list_id)
        # The record holds off who erases the person: so does the first look, or each would wait for the other.
        .with_for_update(read=True, key_share=True, of=Subscriber)
    ).one_or_none()
    if found is None:
        return False
    if _end(session, found.subscriber_id, list_id, now):
        record(session, Proof(found.subscriber_id, list_id, "unsubscribed", method, now, found.email, ip=ip))
    return True


def unsubscribe_everywhere(
    session: Session, handle: bytes, list_id: str, *, method: str, ip: str, now: datetime
) -> bool:
    """As `unsubscribe`, from every list that the person is on or has asked for; for whoever was once on `list_id`."""
    if not unsubscribe(session, handle, list_id, method=method, ip=ip, now=now):
        return False
    others = (
        select(col(Subscription.list_id))
        .join(Subscriber, col(Subscriber.id) == col(Subscription.subscriber_id))
        .where(col(Subscriber.handle) == handle, col(Subscription.status).in_(_ON_A_LIST))
        .order_by(col(Subscription.list_id))
    )
    for other in session.execute(others).scalars().all():
        unsubscribe(session, handle, other, method=method, ip=ip, now=now)
    return True


def suppress(
    session: Session,
    normalised: str,
    *,
    key: bytes,
    reason: str,
    now: datetime,
    scope: str = EVERYWHERE,
    method: str = "command",
) -> bool:
    """Keep the address away for ever, known to us or not: from everything, one list, or confirm mails; true if new.

    The subscriptions concerned end. `scope` is EVERYWHERE, a list's id or CONFIRM_MAILS (which ends none).
    """
    hashed = hash_address(key, normalised)
    return suppress_all(session, [hashed], reason=reason, now=now, scope=scope, method=method) == 1


def keep_away(session: Session, email_hash: str, scope: str, reason: str, now: datetime) -> bool:
    """Write the suppression alone, by the address's hash; true if it is new."""
    return insert_missing(session, Suppression, {"hash": email_hash, "scope": scope, "reason": reason, "at": now})


def _end(session: Session, subscriber_id: int, list_id: str, now: datetime) -> bool:
    return move(session, subscriber_id, list_id, _ON_A_LIST, status=Status.UNSUBSCRIBED, left_at=now)
