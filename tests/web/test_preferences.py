"""The reader's own page: what a forwarded link may do, what a fresh one may, and that nothing else does anything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from webhost import Host, add_list, add_reader

from digest import db
from digest.config.stored import edition_to_json
from digest.config.values import EditionConfig, SectionConfig
from digest.models import Delivery, Edition, people, table
from subscribers.models import Subscriber, Subscription

ANN, BOB = "ann@example.org", "bob@example.net"


@pytest.fixture
def ann(host: Host, now: datetime) -> Iterator[people.Subscriber]:
    """A reader of the weekly, which has two editions and sections; there is a daily, and a private list."""
    with db.writing(host.engine) as session:
        add_list(session, now + timedelta(seconds=1), "daily")
        add_list(session, now + timedelta(seconds=2), "staff", public=False)
        sections = (SectionConfig("asia", "Asia-Pacific"), SectionConfig("europe", "Europe"))
        for one in ("weekly", "monthly"):
            settings = edition_to_json(EditionConfig(one, "weekly", one.title(), sections=sections))
            session.add(Edition(id=one, list_id="weekly", title=one.title(), settings=settings))
        person = add_reader(session, now, ANN)
        add_reader(session, now, BOB)
    yield person


def page(host: Host, person: people.Subscriber) -> str:
    """The path of the page, as the newsletter has it."""
    return host.path(host.links.preferences(person.handle, "weekly"))


def fresh(host: Host, web: httpx.Client, email: str = ANN) -> str:
    """The path of the page by the link that is mailed on request."""
    shown = re.search(r'name="shown" value="([^"]+)"', web.get("/link").text)
    assert shown
    host.clock.move(seconds=5)
    answer = web.post("/link", data={"email": email, "shown": shown[1]})
    assert "Now look at your mail" in answer.text
    links, person = table(people.MailedLink).c, table(Subscriber).c
    with db.reading(host.engine) as session:
        row = session.execute(
            select(links.id, person.handle)
            .join_from(table(people.MailedLink), table(Subscriber), person.id == links.subscriber_id)
            .where(person.email == email, links.kind == "link")
            .order_by(links.id.desc())
        ).first()
    assert row
    return host.path(host.links.account(row.handle, row.id))


def place(host: Host, email: str = ANN, list_id: str = "weekly") -> Any:
    with db.reading(host.engine) as session:
        rows = select(table(Subscription)).join_from(
            table(Subscription), table(Subscriber), table(Subscriber).c.id == table(Subscription).c.subscriber_id
        )
        return session.execute(
            rows.where(table(Subscriber).c.email == email, table(Subscription).c.list_id == list_id)
        ).one_or_none()


def occasions(host: Host) -> list[str]:
    with db.reading(host.engine) as session:
        return [one.partition(":")[0] for one in session.execute(select(table(Delivery).c.occasion)).scalars()]


SAVE = {"action": "save", "shown": ["weekly", "daily"], "on": ["weekly"]}


def test_choices_a_pause_and_a_name_are_kept_and_told_once_a_day(
    host: Host, web: httpx.Client, ann: people.Subscriber
) -> None:
    wish = SAVE | {"section:weekly:asia": "follow", "section:weekly:europe": "mute", "pause:weekly": "2"}
    wish |= {"follow:weekly": "Ines Okafor,  tomas ", "editions:weekly": "1", "edition:weekly": "monthly"}
    wish |= {"name": "Ann  Lee", "language": "de"}
    answer = web.post(page(host, ann), data=wish)
    assert (answer.status_code, "Gespeichert." in answer.text) == (200, True)
    kept = place(host)
    assert kept.choices == {
        "sections": ["asia"],
        "authors": ["ines okafor", "tomas"],
        "muted_sections": ["europe"],
        "editions": ["monthly"],
    }
    assert kept.paused_until == host.clock.now + timedelta(weeks=2)
    with db.reading(host.engine) as session:
        person = session.get_one(Subscriber, ann.id)
        assert (person.name, person.language) == ("Ann Lee", "de")
    web.post(page(host, ann), data=SAVE | {"pause:weekly": "0"})
    assert place(host).paused_until is None
    assert occasions(host) == ["changed"]
