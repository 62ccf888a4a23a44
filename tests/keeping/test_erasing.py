"""Erasing somebody: no trace in the database's files, the counts as they were, also while a send is running."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from mailbox import Mailbox
from pathlib import Path
from typing import Any

import pytest
from newsroom import KEY, make_lists, sign_up
from office import address, open_office
from post import AT, LINKS, config
from senders import Watcher
from sqlalchemy import Engine, delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from digest import db
from digest.deliver import filling, reporting
from digest.deliver.run import deliver, enqueue_issue
from digest.keeping import run
from digest.models import Delivery, Issue, Slice, people, table
from subscribers.addresses import hash_address
from subscribers.audience import size
from subscribers.columns import table as columns_of
from subscribers.errors import UnknownPerson
from subscribers.joining import SignUp, admit
from subscribers.models import Consent, Subscriber, Suppression

NAME = "Zebulon Quillfeather"


def files(engine: Engine) -> Iterator[tuple[str, bytes]]:
    """Every file that the database keeps its tables in."""
    if engine.dialect.name == "sqlite":
        for path in Path(str(engine.url.database)).parent.glob("digest.db*"):
            yield path.name, path.read_bytes()
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CHECKPOINT"))
        folder = connection.scalar(text("SELECT current_setting('data_directory')"))
        number = connection.scalar(text("SELECT oid FROM pg_database WHERE datname = current_database()"))
    for path in Path(f"{folder}/base/{number}").iterdir():
        yield path.name, path.read_bytes()


def traces(engine: Engine, *words: str) -> list[tuple[str, str]]:
    return [(name, word) for name, held in files(engine) for word in words if word.encode() in held]


def stand_in(engine: Engine, number: int = 1) -> str:
    """The n-th reader with a long life: a name, consents, choices, links, letters, a relay's words about them."""
    who, person = address(number), columns_of(Subscriber)
    with db.writing(engine) as session:
        session.execute(
            update(person).where(person.c.id == number).values(name=NAME, email_hash=hash_address(KEY, who))
        )
        line = {"subscriber_id": number, "list_id": "weekly", "at": AT, "email_typed": who, "text": f"asked by {NAME}"}
        empty = dict.fromkeys(("text_hash", "form_url", "locale", "ip", "message_id"), "")
        session.execute(insert(columns_of(Consent)), [{**empty, **line, "action": "confirmed", "method": "page"}])
        link = {"subscriber_id": number, "kind": "move", "email": "former@example.net", "email_typed": who}
        session.execute(insert(table(people.MailedLink)).values(**link, created_at=AT, expires_at=AT))
    return who


def erase(engine: Engine, who: str) -> int:
    return run.erase(engine, who, key=KEY, now=AT)


def test_no_trace_is_left_and_the_counts_stay(engine: Engine) -> None:
    open_office(engine, 40)
    who = stand_in(engine)
    with Mailbox() as box:
        settings = config(box.relay())
        enqueue_issue(engine, settings, 12, AT)
        asyncio.run(deliver(engine, settings, LINKS, issue_id=12, clock=lambda: AT))
    with db.writing(engine) as session:
        row = table(Delivery)
        said = f"550 5.1.1 <{who}>: {NAME} is not known here"
        session.execute(update(row).where(row.c.subscriber_id == 1).values(state="failed", reason=said))
        session.execute(update(table(Slice)).values(counts=None))
        before = reporting.status(session, 12)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))  # what the planner knows of addresses is a trace, too
    assert traces(engine, who, NAME) or engine.dialect.name == "postgresql"
    assert erase(engine, who) == 1
    assert run.rewritten(engine)
    assert traces(engine, who, NAME, "former@example.net") == []
    with db.reading(engine) as session:
        assert reporting.status(session, 12) == before
        assert session.execute(select(columns_of(Suppression))).all() == [(hash_address(KEY, who), "", "erased", AT)]
        gone = session.execute(select(row).where(row.c.subscriber_id.is_(None))).one()
        assert (gone.state, gone.address, gone.message_id, gone.reason) == ("failed", None, "", None)
    with pytest.raises(UnknownPerson):
        erase(engine, who)


@pytest.mark.parametrize(
    ("state", "after"),
    [
        ("pending", ("skipped", "erased")),
        ("deferred", ("skipped", "erased")),
        ("held", ("failed", "erased")),
        ("claimed", ("claimed", None)),
        ("handed", ("handed", None)),
        ("sent", ("sent", None)),
        ("failed", ("failed", None)),
    ],
)
def test_a_row_in_any_state_stays_with_nobody_in_it(engine: Engine, state: str, after: tuple[str, str | None]) -> None:
    open_office(engine, 2)
    enqueue_issue(engine, config(), 12, AT)
    who, row = stand_in(engine), table(Delivery)
    with db.writing(engine) as session:
        session.execute(update(row).where(row.c.subscriber_id == 1).values(state=state, reason=f"of {who}"))
    erase(engine, who)
    with db.reading(engine) as session:
        gone = session.execute(select(row).where(row.c.subscriber_id.is_(None))).one()
        assert (gone.state, gone.reason) == after
        assert sum(reporting.status(session, 12).values()) == 2


def test_in_the_middle_of_a_send_nothing_more_goes_out_and_the_send_ends(engine: Engine) -> None:
    count = 60
    open_office(engine, count)
    who = {number: stand_in(engine, number) for number in (15, 30, 45, 60)}
    watcher, erased = Watcher(), threading.Event()
    watcher.at("mail", 6, partial(erased.wait, 60))  # the server waits, so that nobody of them has their mail yet
    with Mailbox(watcher) as box:
        settings = config(replace(box.relay(), connections=1))
        enqueue_issue(engine, settings, 12, AT)

        async def sending() -> None:
            task = asyncio.create_task(deliver(engine, settings, LINKS, issue_id=12, clock=lambda: AT))
            while len(box.messages) < 5:
                await asyncio.sleep(0.01)
            for one in who.values():
                await asyncio.to_thread(erase, engine, one)
            erased.set()
            await task
            assert not {got.rcpt for got in box.messages} & {*who.values()}
            while asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.sleep(0.01)

        asyncio.run(sending())
        asyncio.run(deliver(engine, settings, LINKS, issue_id=12, clock=lambda: AT))
    with db.reading(engine) as session:
        counts = reporting.status(session, 12)
        assert session.get_one(Issue, 12).state == "sent"
        rows = session.execute(select(table(Delivery))).all()
    assert (sum(counts.values()), counts["sent"] + counts["skipped"]) == (count, count)
    assert counts["skipped"] == 4
    run.rewritten(engine)
    assert traces(engine, *who.values(), NAME) == []
    assert [row for row in rows if any(one in repr(row) for one in who.values())] == []


def test_who_is_erased_while_the_rows_are_written_is_left_out(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    open_office(engine, 5)
    who, laid = [stand_in(engine, 4)], filling.Filling.laid

    def erased_meanwhile(self: filling.Filling, chunk: filling.Chunk) -> Any:
        pieces = laid(self, chunk)
        if who:
            erase(engine, who.pop())
        return pieces

    monkeypatch.setattr(filling.Filling, "laid", erased_meanwhile)
    assert enqueue_issue(engine, config(), 12, AT)["pending"] == 4


def test_an_erased_address_stays_away_from_import_and_sign_up(engine: Engine, now: datetime) -> None:
    with db.writing(engine) as session:
        make_lists(session, now)
        take(session, now)
    run.erase(engine, "ann@example.org", key=KEY, now=now)
    with db.writing(engine) as session:
        assert take(session, now) == {"weekly": "suppressed"}
        assert sign_up(session, "Ann@Example.org", now=now, random=lambda size: b"z" * size).sends == ()
        assert session.execute(select(columns_of(Subscriber))).all() == []


def test_a_former_address_that_is_anothers_now_is_left_to_them(engine: Engine, now: datetime) -> None:
    """Ann moved away from a shared mailbox, a colleague reads the newsletter there, and then Ann wants to be erased."""
    with db.writing(engine) as session:
        make_lists(session, now)
        take(session, now)
        session.execute(
            update(columns_of(Subscriber)).values(
                email="ann@example.com", email_hash=hash_address(KEY, "ann@example.com"), domain="example.com"
            )
        )
        wish = SignUp("ann@example.org", ("weekly",), text="on paper")
        admit(session, wish, key=KEY, now=now, random_bytes=lambda size: b"c" * size)
    run.erase(engine, "ann@example.com", key=KEY, now=now)
    with db.reading(engine) as session:
        assert size(session, "weekly", now) == 1
        kept = session.execute(select(columns_of(Suppression).c.hash)).scalars().all()
    assert kept == [hash_address(KEY, "ann@example.com")]


def take(session: Session, now: datetime) -> dict[str, str]:
    wish = SignUp("ann@example.org", ("weekly",), text="on paper")
    return admit(session, wish, key=KEY, now=now, random_bytes=lambda size: b"a" * size)


def test_the_record_of_consent_is_only_added_to(engine: Engine, now: datetime) -> None:
    with db.writing(engine) as session:
        make_lists(session, now)
        take(session, now)
    line = columns_of(Consent)
    tries = [
        update(line).values(ip=""),
        update(line).where(line.c.id == 1).values(id=7),
        delete(line),
        text("INSERT INTO consent SELECT * FROM consent"),
    ]
    if engine.dialect.name == "postgresql":
        tries += [text("TRUNCATE consent"), text("TRUNCATE subscriber CASCADE")]
        tries += [text("INSERT INTO consent SELECT * FROM consent ON CONFLICT (id) DO UPDATE SET ip = 'x'")]
    else:
        tries += [text("REPLACE INTO consent SELECT * FROM consent"), text("UPDATE OR REPLACE consent SET id = 1")]
        tries += [text("INSERT INTO consent SELECT * FROM consent WHERE true ON CONFLICT (id) DO UPDATE SET ip = 'x'")]
    for statement in tries:
        with pytest.raises(DBAPIError), db.writing(engine) as session:
            session.execute(statement)
        with db.reading(engine) as session:
            assert [row.action for row in session.execute(select(line))] == ["imported"]
    with db.writing(engine) as session:  # also of who is being erased nothing is changed
        session.execute(update(columns_of(Subscriber)).values(erasing_at=now))
        with pytest.raises(DBAPIError), session.begin_nested():
            session.execute(update(line).values(ip="x"))
        session.execute(delete(line))
