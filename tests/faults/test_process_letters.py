"""A letter does not wait behind an issue: its relay keeps a connection for it."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from functools import partial
from mailbox import Envelope, Mailbox

import pytest
from office import address, open_office, rows
from post import KEY, config
from sender_process import Job
from senders import Senders, until
from sqlalchemy import Engine, insert, update

from digest import db
from digest.deliver.letters import Office, enqueue_confirm
from digest.deliver.run import enqueue_issue
from digest.models import table
from digest.templating import Templates, template_root
from subscribers.joining import Send
from subscribers.models import Confirmation, Status, Subscription


def ask(engine: Engine, number: int) -> None:
    """The n-th person asks to join, and a confirm mail is on its way."""
    now, places = datetime.now(UTC), table(Subscription)
    with db.writing(engine) as session:
        session.execute(update(places).where(places.c.subscriber_id == number).values(status=Status.PENDING))
        asked = {"subscriber_id": number, "list_id": "weekly", "created_at": now}
        made = insert(table(Confirmation)).values(**asked, expires_at=now + timedelta(days=7))
        confirmation = int(session.execute(made.returning(table(Confirmation).c.id)).scalar_one())
        office = Office(config(), Templates(template_root()), KEY)
        enqueue_confirm(session, office, Send("confirm", confirmation, number, "weekly"), now)


@pytest.mark.slow
@pytest.mark.parametrize("window", [1, 4])
def test_a_confirm_mail_leaves_while_every_connection_waits_for_an_answer(
    engine: Engine, database_url: str, window: int
) -> None:
    connections = 2
    open_office(engine, 100)
    with db.writing(engine) as session:  # the last one is not on the list yet
        places = table(Subscription)
        session.execute(update(places).where(places.c.subscriber_id == 100).values(status=Status.PENDING))
    enqueue_issue(engine, config(), 12, datetime.now(UTC))
    held, go = list[str](), threading.Event()

    async def slow(stage: str, envelope: Envelope) -> None:
        if stage == "dot" and envelope.rcpt != address(100) and not go.is_set():
            held.append(envelope.rcpt)
            while not go.is_set():
                await asyncio.sleep(0.01)

    with Mailbox(slow) as box, Senders() as senders:
        job = Job(database_url, box.port, "hold", connections, window, issue_id=None)
        sender = senders.start(job)
        until("answers owed on every connection", lambda: len(held) == connections)
        ask(engine, 100)
        until("confirm mail", partial(box.to, address(100)), 60)
        assert len(held) == connections  # not one message of the issue has been answered
        assert len(box.messages) == 1
        go.set()
        sender.finish()
    assert len(box.messages) == 100
    assert {row.state for row in rows(engine).values()} == {"sent"}
