"""What a message that came back asks for is done: in one transaction, with no web server."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Engine
from sqlmodel import Session

from digest import db
from digest.feedback import inbox
from digest.links import Links
from subscribers.answering import Outcome, decline
from subscribers.leaving import unsubscribe
from subscribers.tokens import Purpose, read


class Received(StrEnum):
    """What came of a message."""

    UNSUBSCRIBED = "unsubscribed"  # now, or by an earlier one
    DECLINED = "declined"  # "I did not ask", to a confirm mail
    AUTOMATIC = "automatic"  # an auto-reply or a bounce: nothing was done
    NOTHING = "nothing"  # no token of ours in it


def receive(engine: Engine, links: Links, message: bytes, now: datetime) -> Received:
    """Do what `message` asks for: a token in it leaves a list, whoever sent it and whatever else it says (H-17).

    DatabaseUnavailable when it could not be done now.
    """
    arrived = inbox.read(message)
    if arrived.automatic:
        return Received.AUTOMATIC
    with db.writing(engine) as session:
        done = [_act(session, links, token, now) for token in arrived.tokens]
    return next((one for one in done if one is not Received.NOTHING), Received.NOTHING)


def _act(session: Session, links: Links, token: str, now: datetime) -> Received:
    if claim := read(links.keys, Purpose.UNSUBSCRIBE, token):
        known = unsubscribe(session, claim.handle, claim.subject, method="mail", now=now)
        return Received.UNSUBSCRIBED if known else Received.NOTHING
    if claim := read(links.keys, Purpose.DECLINE, token):
        known = decline(session, claim, method="mail", now=now).outcome is Outcome.DONE
        return Received.DECLINED if known else Received.NOTHING
    return Received.NOTHING
