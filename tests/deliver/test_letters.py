"""Confirm mails, notices and test copies arrive, allowed and judged as what they are."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from mailbox import Mailbox

from office import address, handle, open_office, rows
from post import KEY, LINKS, config, stationery
from sqlalchemy import Engine, insert, select, update

from digest import db
from digest.config import Config, StaffConfig
from digest.deliver.letters import Office, confirm_mail_id, enqueue_confirm, enqueue_notice
from digest.deliver.opened import opened
from digest.deliver.replies import Accepted
from digest.deliver.run import deliver
from digest.deliver.trial import send_test
from digest.models import Variant, table
from digest.templating import Templates, template_root
from subscribers.joining import Send
from subscribers.models import Confirmation, MailingList, Status, Subscription


def now() -> datetime:
    return datetime.now(UTC)


def office(settings: Config) -> Office:
    return Office(settings, Templates(template_root()), KEY)


def ask(engine: Engine, number: int, settings: Config) -> int:
    """The n-th person asks to join and a confirm mail is enqueued."""
    places = table(Subscription)
    with db.writing(engine) as session:
        session.execute(update(places).where(places.c.subscriber_id == number).values(status=Status.PENDING))
        asked = {"subscriber_id": number, "list_id": "weekly", "created_at": now()}
        made = insert(table(Confirmation)).values(**asked, expires_at=now() + timedelta(days=7))
        confirmation = int(session.execute(made.returning(table(Confirmation).c.id)).scalar_one())
        for _ in range(2):
            enqueue_confirm(session, office(settings), Send("confirm", confirmation, number, "weekly"), now())
    return confirmation


def test_a_confirm_mail_arrives_once_and_its_link_declines(engine: Engine) -> None:
    open_office(engine, 1)
    with Mailbox() as box:
        settings = config(box.relay())
        confirmation = ask(engine, 1, settings)
        asyncio.run(deliver(engine, settings, LINKS))
    (got,) = box.messages
    assert (got.rcpt, rows(engine)[address(1)].state) == (address(1), "sent")
    assert got.header("List-Unsubscribe") == f"<{LINKS.decline(handle(1), confirmation)}>"
    assert got.header("List-Id") == ""


def test_a_confirm_mail_names_every_list_it_asks_for(engine: Engine) -> None:
    open_office(engine, 1)
    with Mailbox() as box:
        settings = config(box.relay())
        with db.writing(engine) as session:
            session.add(MailingList(id="daily", title="The Daily & More", created_at=now()))
            wanted = {"subscriber_id": 1, "created_at": now(), "expires_at": now() + timedelta(days=7)}
            session.execute(update(table(Subscription)).values(status=Status.PENDING))
            session.add(Confirmation(id=1, list_id="weekly", **wanted))
            enqueue_confirm(session, office(settings), Send("confirm", 1, 1, "weekly", ("daily",)), now())
            confirm_mail = confirm_mail_id(session, 1)
        asyncio.run(deliver(engine, settings, LINKS))
    message = opened(box.messages[0].raw)
    assert message.value("Message-ID") == confirm_mail
    assert message.value("Subject") == "Please confirm: The Weekly, The Daily & More"
    assert "The Weekly, The Daily & More" in message.text("text/plain")
    assert "The Weekly, The Daily &amp; More" in message.text("text/html")


def test_a_confirm_mail_that_is_not_wanted_any_more_is_skipped(engine: Engine) -> None:
    open_office(engine, 1)
    with Mailbox() as box:
        settings = config(box.relay())
        ask(engine, 1, settings)
        with db.writing(engine) as session:
            session.execute(update(table(Confirmation)).values(declined_at=now()))
        asyncio.run(deliver(engine, settings, LINKS))
    assert box.messages == []
    assert rows(engine)[address(1)].state == "skipped"


def test_equal_letters_share_their_bytes(engine: Engine) -> None:
    open_office(engine, 2)
    at = datetime(2026, 11, 20, 12, 0, 30, tzinfo=UTC)
    settings = replace(config(), staff=StaffConfig(notify=("a@review.example", "b@review.example")))
    with db.writing(engine) as session:
        assert enqueue_notice(session, office(settings), "Feed gone", "The feed answers *410*.", at) == 2
        assert enqueue_notice(session, office(settings), "Feed gone", "The feed answers *410*.", at) == 0
        assert len(session.execute(select(Variant).where(table(Variant).c.issue_id.is_(None))).all()) == 1


def test_a_notice_reaches_the_staff(engine: Engine) -> None:
    open_office(engine, 0)
    with Mailbox() as box:
        settings = replace(config(box.relay()), staff=StaffConfig(notify=("Desk <desk@review.example>",)))
        with db.writing(engine) as session:
            enqueue_notice(session, office(settings), "Feed gone", "The feed answers 410.", now())
        told = asyncio.run(deliver(engine, settings, LINKS))
    assert told.counts == {"sent": 1}
    assert [got.rcpt for got in box.messages] == ["desk@review.example"]
    assert box.messages[0].header("Subject") == "Feed gone"


def test_a_test_copy_is_real_marked_and_harmless() -> None:
    with Mailbox() as box:
        to = {"list_id": "weekly", "address": "desk@review.example"}
        outcome = asyncio.run(send_test(config(box.relay()), LINKS, stationery(), **to, now=now()))
    assert isinstance(outcome, Accepted)
    assert box.messages[0].header("Subject").startswith("=?utf-8?q?=5BTest=5D_")
    assert box.messages[0].header("List-Unsubscribe") == f"<{LINKS.unsubscribe(bytes(12), 'weekly')}>"


def test_nothing_due_is_nothing_sent(engine: Engine) -> None:
    open_office(engine, 0)
    with Mailbox() as box:
        assert asyncio.run(deliver(engine, config(box.relay()), LINKS)).counts == {}
