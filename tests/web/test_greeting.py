"""Welcome and goodbye: written where the list wants them, once, and sent only to whom they still concern."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from mailbox import Mailbox

import httpx
import pytest
from sqlalchemy import select, update
from webhost import Host, add_issue, add_list

from digest import db
from digest.deliver.opened import Opened, opened
from digest.deliver.run import deliver
from digest.models import Delivery, Issue, people, table
from subscribers.joining import SignUp, join
from subscribers.links import ask_link

_d = table(Delivery)


def asked(host: Host, *lists: str, language: str | None = None) -> str:
    """The path of the confirm link of somebody who has just asked for `lists`."""
    host.clock.now = datetime.now(UTC) - timedelta(hours=1)  # letters wait no longer than two days
    wanted = SignUp("ann@example.org", lists, language=language)
    with db.writing(host.engine) as session:
        join(session, wanted, key=b"s" * 32, now=host.clock.now, random_bytes=lambda size: b"a" * size)
        person, mail = table(people.Subscriber).c, table(people.Confirmation).c
        number = session.execute(select(mail.id).order_by(mail.id)).scalars().first()
        handle = session.execute(select(person.handle)).scalar_one()
    assert number
    return host.path(host.links.confirm(handle, number))


def wants(host: Host, **letters: bool) -> None:
    with db.writing(host.engine) as session:
        session.execute(update(table(people.MailingList)).values(**letters))


def sent(host: Host) -> dict[str, Opened]:
    """What is delivered, by the kind of letter."""
    with Mailbox() as box:
        config = replace(host.config, relays=(box.relay(),))
        asyncio.run(deliver(host.engine, config, host.links))
        messages = [opened(got.raw) for got in box.messages]
    with db.reading(host.engine) as session:
        kinds = {row.message_id: row.occasion for row in session.execute(select(_d.c.message_id, _d.c.occasion))}
    return {kinds[one.value("Message-ID")].partition(":")[0]: one for one in messages}


def leaving(host: Host) -> str:
    with db.reading(host.engine) as session:
        handle = session.execute(select(table(people.Subscriber).c.handle)).scalar_one()
    return host.path(host.links.unsubscribe(handle, "weekly"))


def test_nobody_is_greeted_where_nothing_is_set(host: Host, web: httpx.Client) -> None:
    web.post(asked(host, "weekly"), data={"answer": "confirm"})
    web.post(leaving(host))
    assert sent(host) == {}


def test_who_confirms_is_welcomed_once_with_the_latest_issue(host: Host, web: httpx.Client, now: datetime) -> None:
    wants(host, welcome=True, goodbye=True)
    with db.writing(host.engine) as session:
        for number in (1, 2):
            add_issue(session, now, number)
        session.execute(update(table(Issue)).values(subject="Something happened", sent_at=now))
    path = asked(host, "weekly")
    for _ in range(2):
        web.post(path, data={"answer": "confirm"})
        host.clock.move(minutes=1)
    got = sent(host)
    assert list(got) == ["welcome"]
    message = got["welcome"]
    assert message.value("Subject") == "Welcome to Weekly"
    text = message.text("text/plain").replace("\r\n", "\n")
    assert "Something happened\nhttps://paper.example/archive/weekly/2" in text
    assert "https://paper.example/preferences/" in text
    assert f"https://paper.example{leaving(host)}" in text
    assert message.value("List-Unsubscribe").startswith(f"<https://paper.example{leaving(host)}>")


def test_who_joins_another_list_on_their_own_page_is_welcomed_to_it_as_well(host: Host, web: httpx.Client) -> None:
    with db.writing(host.engine) as session:
        add_list(session, host.clock.now, "daily")
    wants(host, welcome=True)
    web.post(asked(host, "weekly"), data={"answer": "confirm"})
    host.clock.move(minutes=1)
    with db.writing(host.engine) as session:
        letter = ask_link(session, "ann@example.org", key=b"s" * 32, now=host.clock.now)
        handle = session.execute(select(table(people.Subscriber).c.handle)).scalar_one()
    assert letter
    page = host.path(host.links.account(handle, letter.number))
    for _ in range(2):
        host.clock.move(minutes=1)
        web.post(page, data={"action": "save", "shown": ["weekly", "daily"], "on": ["weekly", "daily"]})
    with db.reading(host.engine) as session:
        written = session.execute(select(_d.c.list_id).where(_d.c.occasion.startswith("welcome:")).order_by(_d.c.id))
        assert written.scalars().all() == ["weekly", "daily"]
    assert sent(host)["welcome"].value("Subject") == "Welcome to Daily"


def test_a_private_list_has_no_issue_to_show(host: Host, web: httpx.Client, now: datetime) -> None:
    wants(host, welcome=True)
    path = asked(host, "weekly")
    with db.writing(host.engine) as session:
        add_issue(session, now, 1)
        session.execute(update(table(people.MailingList)).values(public=False))
    web.post(path, data={"answer": "confirm"})
    assert "/archive/" not in sent(host)["welcome"].text("text/plain")


def test_who_leaves_before_the_welcome_goes_out_gets_none(host: Host, web: httpx.Client) -> None:
    wants(host, welcome=True)
    web.post(asked(host, "weekly"), data={"answer": "confirm"})
    web.post(leaving(host))
    assert sent(host) == {}


def test_who_leaves_by_the_page_is_told_once(host: Host, web: httpx.Client) -> None:
    wants(host, goodbye=True)
    web.post(asked(host, "weekly"), data={"answer": "confirm"})
    for _ in range(2):
        host.clock.move(minutes=1)
        web.post(leaving(host))
    got = sent(host)
    assert list(got) == ["goodbye"]
    assert got["goodbye"].value("Subject") == "You have left Weekly"
    assert got["goodbye"].value("List-Unsubscribe") == ""
    assert "Subscribe again:\nhttps://paper.example/\n" in got["goodbye"].text("text/plain").replace("\r\n", "\n")


@pytest.mark.parametrize("confirmed", [True, False])
def test_one_click_and_who_never_confirmed_get_no_goodbye(host: Host, web: httpx.Client, confirmed: bool) -> None:
    wants(host, goodbye=True)
    path = asked(host, "weekly")
    if confirmed:
        web.post(path, data={"answer": "confirm"})
        web.post(leaving(host), data={"List-Unsubscribe": "One-Click"})
    else:
        web.post(leaving(host))
    assert sent(host) == {}


def test_who_is_back_before_the_goodbye_goes_out_gets_none(host: Host, web: httpx.Client) -> None:
    wants(host, goodbye=True)
    web.post(asked(host, "weekly"), data={"answer": "confirm"})
    web.post(leaving(host))
    with db.writing(host.engine) as session:
        session.execute(update(table(people.Subscription)).values(status=people.Status.CONFIRMED))
    assert sent(host) == {}


@pytest.mark.parametrize(
    ("language", "subject"),
    [("de-AT", "Willkommen bei Weekly"), ("sw", "Welcome to Weekly"), (None, "Welcome to Weekly")],
)
def test_a_greeting_is_in_the_readers_language(
    host: Host, web: httpx.Client, language: str | None, subject: str
) -> None:
    wants(host, welcome=True)
    web.post(asked(host, "weekly", language=language), data={"answer": "confirm"})
    got = sent(host)["welcome"]
    assert got.value("Subject") == subject
    assert f'lang="{"de-AT" if language == "de-AT" else "en"}"' in got.text("text/html")
