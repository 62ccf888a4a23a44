"""What is past its time goes, in chunks, and nothing else."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from mailbox import Mailbox

import pytest
from newsroom import claim, counting, make_lists, sign_up, statuses
from office import open_office
from post import AT, LINKS, config
from sqlalchemy import Engine, func, select, update
from sqlmodel import Session

from digest import db
from digest.config import RetentionConfig
from digest.deliver import reporting
from digest.deliver.run import deliver, enqueue_issue
from digest.keeping import retention, run
from digest.models import Delivery, table
from subscribers.columns import table as columns_of
from subscribers.joining import confirm
from subscribers.leaving import unsubscribe
from subscribers.models import Confirmation, Consent, Subscriber, Suppression
from subscribers.tokens import Purpose

KEEP = RetentionConfig()


def emails(session: Session) -> set[str]:
    return set(session.execute(select(columns_of(Subscriber).c.email)).scalars())


def test_who_never_said_yes_is_gone_after_thirty_days(
    engine: Engine, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "CHUNK", 3)
    random, ago = counting(), now - timedelta(days=33)
    with db.writing(engine) as session:
        make_lists(session, now)
        for number in range(8):
            sign_up(session, f"quiet{number}@example.org", now=ago, random=random)
        sign_up(session, "late@example.org", now=now - timedelta(days=29), random=random)
        for email in ("yes@example.org", "left@example.org", "half@example.org"):
            (send,) = sign_up(session, email, now=ago, random=random).sends
            confirm(session, claim(session, Purpose.CONFIRM, email, send.confirmation_id), now=ago)
        person = columns_of(Subscriber)
        left = session.execute(select(person.c.handle).where(person.c.email == "left@example.org")).scalar_one()
        unsubscribe(session, left, "weekly", method="page", now=ago)
        sign_up(session, "half@example.org", "daily", now=ago + timedelta(hours=25), random=random)
        sign_up(session, "again@example.org", now=ago - timedelta(days=31), random=random)
        sign_up(session, "again@example.org", now=now - timedelta(days=1), random=random)
    assert run.tidy(engine, KEEP, now - timedelta(days=4))["people"] == 0
    told: list[tuple[str, int]] = []
    gone = run.tidy(engine, KEEP, now, lambda label, done, total, going=None: told.append((label, done)))
    assert gone == {"people": 8, "subscriptions": 1, "requests": 0, "deliveries": 0, "letters": 0}
    assert [done for label, done in told if label == "People"] == [3, 6, 8]
    with db.writing(engine) as session:
        kept = {"late@example.org", "yes@example.org", "left@example.org", "half@example.org", "again@example.org"}
        assert emails(session) == kept
        assert statuses(session, "half@example.org") == {"weekly": "confirmed"}
        assert session.execute(select(columns_of(Suppression))).all() == []
        nobodys = columns_of(Consent).c.subscriber_id.not_in(select(columns_of(Subscriber).c.id))
        assert session.execute(select(columns_of(Consent)).where(nobodys)).all() == []
        assert sign_up(session, "quiet1@example.org", now=now, random=random).sends  # they may come again


def test_old_requests_and_the_old_ledger_go_and_the_counts_stay(engine: Engine) -> None:
    open_office(engine, 5)
    with Mailbox() as box:
        settings = config(box.relay())
        enqueue_issue(engine, settings, 12, AT)
        asyncio.run(deliver(engine, settings, LINKS, issue_id=12, clock=lambda: AT))
    with db.writing(engine) as session:
        session.add(Confirmation(subscriber_id=1, list_id="weekly", created_at=AT, expires_at=AT))
        before = reporting.status(session, 12)
    later = AT + timedelta(days=800)
    assert run.tidy(engine, KEEP, later)["deliveries"] == 0  # for ever is the default
    keep = RetentionConfig(ledger_days=730)
    assert run.tidy(engine, keep, AT + timedelta(days=700)) == dict.fromkeys(run.KINDS, 0)
    assert run.tidy(engine, keep, later)["deliveries"] == 5
    with db.reading(engine) as session:
        assert reporting.status(session, 12) == before
        assert session.execute(select(func.count()).select_from(table(Delivery))).scalar_one() == 0
        assert session.execute(select(func.count()).select_from(columns_of(Confirmation))).scalar_one() == 0


def test_one_of_many_processes_tidies_up_once_a_day(engine: Engine, now: datetime) -> None:
    assert run.tidy_daily(engine, KEEP, now) is not None
    assert run.tidy_daily(engine, KEEP, now + timedelta(hours=23)) is None
    assert run.tidy_daily(engine, KEEP, now + timedelta(hours=24)) is not None
    assert run.tidy_daily(engine, KEEP, now + timedelta(hours=25)) is None


def test_a_file_that_somebody_reads_is_rewritten_another_time(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "WAIT_S", 0.2)
    open_office(engine, 3)
    with engine.connect() as reader:
        reader.execute(select(columns_of(Subscriber))).all()
        with db.writing(engine) as session:
            session.execute(update(columns_of(Subscriber)).values(name="x"))
        assert not run.rewritten(engine)
    assert run.rewritten(engine)
