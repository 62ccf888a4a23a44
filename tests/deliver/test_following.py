"""What `issues status` tells of an issue on its way."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from office import open_office
from post import AT, config
from sqlalchemy import Engine, null, update

from digest import db
from digest.cli.outgoing import _followed
from digest.deliver import following, ledger
from digest.deliver.following import Following, Reason, follow
from digest.deliver.run import enqueue_issue
from digest.models import Delivery, DeliveryState, Issue, Slice, table

_d = table(Delivery)


def test_rate_rest_retry_and_reasons(engine: Engine) -> None:
    open_office(engine, 10)
    enqueue_issue(engine, config(), 12, AT)
    with db.writing(engine) as session:
        assert follow(session, 12, AT) == Following(10, 0, None, ())
        ago, soon = AT - timedelta(seconds=30), AT + timedelta(minutes=15)
        changes: list[tuple[tuple[int, ...], dict[str, object]]] = [
            ((1, 2, 3), {"state": "sent", "settled_at": ago, "reason": "250 queued as 4711"}),
            ((4,), {"state": "sent", "settled_at": AT - timedelta(minutes=5), "reason": "250 queued as 4712"}),
            ((5, 6), {"state": "deferred", "next_try_at": soon, "reason": "greylisted"}),
            ((7,), {"state": "deferred", "next_try_at": soon + timedelta(hours=1), "reason": "mailbox full"}),
            ((8,), {"state": "held", "settled_at": AT}),
        ]
        for people, values in changes:
            session.execute(update(_d).where(_d.c.subscriber_id.in_(people)).values(values))
        session.execute(update(table(Slice)).values(counts=null()))  # as while somebody holds it
        told = follow(session, 12, AT)
        assert following.left(session, 12) == following.left(session, None) == told.left == 5
    assert (told.last_minute, told.next_retry_at, told.remaining_s) == (3, soon, 100)
    assert told.reasons == (
        Reason("deferred", "greylisted", 2),
        Reason("deferred", "mailbox full", 1),
        Reason("held", "no reason was given", 1),
    )


def test_until_when_it_can_be_called_back(engine: Engine) -> None:
    open_office(engine, 3)
    plan = config()
    enqueue_issue(engine, replace(plan, mail=replace(plan.mail, undo_s=60)), 12, AT)
    with db.writing(engine) as session:
        told = follow(session, 12, AT)
        issue, none = session.get_one(Issue, 12), dict.fromkeys(DeliveryState, 0)
        said = _followed(issue, none, told)
        assert follow(session, 12, AT + timedelta(seconds=60)).begins_at is None
        assert ledger.next_slice(session, "a", AT + timedelta(seconds=60), "resend")
        assert follow(session, 12, AT).begins_at is None
        issue.state = "cancelled"
        assert _followed(issue, none, told) == []
    assert told.begins_at == AT + timedelta(seconds=60)
    assert said[0].endswith("UTC; until then `digest issues cancel 12` calls all of it back.")
