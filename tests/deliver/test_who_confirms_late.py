"""Who confirms after the freeze gets the next issue, whatever a clock says; who confirmed before gets this one."""

from __future__ import annotations

from datetime import timedelta

from newsroom import claim, counting, handle, sign_up
from office import rows
from sqlalchemy import Engine
from sqlmodel import Session
from world import NOW, World

from digest import db
from digest.deliver.run import enqueue_issue
from digest.models import Instance
from subscribers.joining import confirm
from subscribers.leaving import unsubscribe
from subscribers.tokens import Purpose

RANDOM = counting()


def _confirmed(session: Session, email: str, after: timedelta = timedelta()) -> None:
    (send,) = sign_up(session, email, "readers", now=NOW + after, random=RANDOM).sends
    assert confirm(session, claim(session, Purpose.CONFIRM, email, send.confirmation_id), now=NOW + after).list_ids


def test_who_confirms_between_the_freeze_and_the_filling_gets_the_next_issue(engine: Engine) -> None:
    world = World(engine)
    world.source("a").article("One", 1)
    with db.writing(engine) as session:
        session.add(Instance(name="test", message_key=b"k" * 32, suppression_key=b"s" * 32, created_at=NOW))
        for email in ("before@example.org", "again@example.org", "gone@example.org"):
            _confirmed(session, email)
    issue = world.freeze(world.approve(world.compose().issue))
    assert issue.id is not None
    day = timedelta(days=1)
    with db.writing(engine) as session:
        _confirmed(session, "after@example.org", -day)  # a clock that was set back changes nothing
        for email in ("again@example.org", "gone@example.org"):
            assert unsubscribe(session, handle(session, email), "readers", method="page", now=NOW)
        _confirmed(session, "again@example.org", day)
    assert enqueue_issue(engine, world.config, issue.id, NOW)["pending"] == 1
    assert set(rows(engine)) == {"before@example.org"}
    world.later(hours=1).source("a").article("Two")
    following = world.freeze(world.approve(world.compose().issue))
    assert following.id is not None
    assert enqueue_issue(engine, world.config, following.id, NOW)["pending"] == 3
