"""The reader's own page: what a forwarded link may do, what a fresh one may, and that nothing else does anything."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from html import unescape
from random import Random
from typing import Any

import httpx
import pytest
from newsroom import sign_up
from sqlalchemy import Engine, select
from webhost import (
    SUPPRESSION_KEY,
    Host,
    add_list,
    add_reader,
    body,
    configured,
    everything,
    serving,
    status_of,
)

from digest import db
from digest.config.stored import edition_to_json
from digest.config.values import EditionConfig, SectionConfig
from digest.models import Delivery, Edition, people, table
from subscribers.addresses import hash_address
from subscribers.audience import CONFIRM_MAILS
from subscribers.leaving import suppress
from subscribers.models import Subscriber, Subscription
from subscribers.tokens import Claim, KeyRing, Purpose, sign

FUZZ = int(os.environ.get("DIGEST_FUZZ", "15"))  # forms; 10,000 are S-B4's
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


def test_joining_by_a_newsletters_link_asks_by_mail(host: Host, web: httpx.Client, ann: people.Subscriber) -> None:
    answer = web.post(page(host, ann), data=SAVE | {"on": ["weekly", "daily"]})
    assert "A message is on its way to you" in answer.text
    assert place(host, list_id="daily").status == "pending"
    assert occasions(host) == ["confirm"]
    assert "We have asked you by mail" in web.get(page(host, ann)).text


def test_joining_by_a_fresh_link_is_consent_with_its_proof(
    host: Host, web: httpx.Client, ann: people.Subscriber
) -> None:
    web.post(fresh(host, web), data=SAVE | {"on": ["weekly", "daily"]})
    assert place(host, list_id="daily").status == "confirmed"
    with db.reading(host.engine) as session:
        proof = session.execute(select(table(people.Consent)).order_by(table(people.Consent).c.id.desc())).first()
        mail = session.execute(select(table(Delivery).c.message_id)).scalar_one()
    assert proof
    assert (proof.list_id, proof.action, proof.method, proof.message_id) == ("daily", "confirmed", "preferences", mail)
    assert "send me by email what I have chosen" in proof.text
    assert occasions(host) == ["link"]  # and nothing is told: who has that link is the reader


def test_a_private_list_is_shown_to_who_is_on_it_and_joined_by_nobody(
    host: Host, web: httpx.Client, ann: people.Subscriber
) -> None:
    assert "Staff" not in web.get(page(host, ann)).text
    web.post(fresh(host, web), data={"action": "save", "shown": ["staff"], "on": ["staff"]})
    assert place(host, list_id="staff") is None
    with db.writing(host.engine) as session:
        session.add(
            people.Subscription(subscriber_id=ann.id, list_id="staff", status="confirmed", created_at=host.clock.now)
        )
    assert "Staff" not in web.get(page(host, ann)).text  # a forwarded mail of another list does not tell
    path = fresh(host, web)
    assert "By invitation" in web.get(path).text
    web.post(path, data={"action": "save", "shown": ["staff"]})
    assert place(host, list_id="staff").status == "unsubscribed"


def test_leaving_everything_and_nothing_else_changes_twice(
    host: Host, web: httpx.Client, ann: people.Subscriber
) -> None:
    web.post(fresh(host, web), data=SAVE | {"on": ["weekly", "daily"]})
    assert "Leave everything" in web.get(page(host, ann)).text
    web.post(page(host, ann), data={"action": "leave"})
    assert [place(host, list_id=one).status for one in ("weekly", "daily")] == ["unsubscribed"] * 2
    before = everything(host.engine)
    for data in ({"action": "leave"}, {"action": "save", "shown": ["weekly", "daily"]}, {}, {"action": "nonsense"}):
        assert web.post(page(host, ann), data=data).status_code == 200
    assert everything(host.engine) == before
    assert occasions(host) == ["link"]  # who leaves gets no mail for it


FORBIDDEN = [
    {"action": "export"},
    {"action": "erase"},
    {"action": "erase", "sure": "yes"},
    {"action": "address", "email": "eve@example.com"},
]


def test_no_newsletters_link_takes_out_erases_or_moves(host: Host, web: httpx.Client, ann: people.Subscriber) -> None:
    unsubscribe = host.links.unsubscribe(ann.handle, "weekly").rpartition("/")[2]
    before = everything(host.engine)
    for data in FORBIDDEN:
        answer = web.post(page(host, ann), data=data)
        assert "content-disposition" not in answer.headers
        assert ANN not in answer.text
        for path in (f"/preferences/{unsubscribe}", f"/address/{unsubscribe}"):
            assert body(web.post(path, data=data)) == body(web.post("/preferences/x", data=data))
    assert everything(host.engine) == before
    assert "a…@example.org" in unescape(web.get(page(host, ann)).text)


def test_a_fresh_link_works_for_an_hour_for_one_thing(host: Host, web: httpx.Client, ann: people.Subscriber) -> None:
    first = fresh(host, web)
    second = fresh(host, web)
    spent = body(web.get("/preferences/x"))
    assert body(web.get(first)) == spent  # the newer one counts
    for _ in range(20):  # whatever looks at it does not use it up
        assert web.get(second, headers={"sec-purpose": "prefetch"}).status_code == 200
        web.head(second)
        web.options(second)
    told = web.post(second, data={"action": "export"})
    assert told.headers["content-disposition"] == 'attachment; filename="my-data.json"'
    assert told.headers["cache-control"] == "no-store"
    for data in FORBIDDEN:
        assert body(web.post(second, data=data)) == body(web.post("/preferences/x", data=data))
    third = fresh(host, web)
    host.clock.move(hours=1)
    assert body(web.get(third)) == spent
    assert status_of(host.engine, ANN) == "confirmed"


def test_what_is_taken_along_is_all_that_is_kept(host: Host, web: httpx.Client, ann: people.Subscriber) -> None:
    web.post(page(host, ann), data=SAVE | {"section:weekly:asia": "follow", "name": "Ann"})
    data = web.post(fresh(host, web), data={"action": "export"}).json()
    assert (data["email"], data["name"], data["domain"]) == (ANN, "Ann", "example.org")
    assert [(one["list_id"], one["status"], one["choices"]) for one in data["subscriptions"]] == [
        ("weekly", "confirmed", {"sections": ["asia"]})
    ]
    assert [line["action"] for line in data["consent"]] == ["chosen", "chosen"]
    assert [one["occasion"].partition(":")[0] for one in data["messages"]] == ["changed", "link"]
    assert data["links"][0]["used_at"]
    assert BOB not in str(data)


def test_an_address_is_changed_by_who_holds_both(host: Host, web: httpx.Client, ann: people.Subscriber) -> None:
    key, new = SUPPRESSION_KEY, "ann@new.example"
    with db.writing(host.engine) as session:
        suppress(session, ANN, key=key, reason="complained", scope="daily", now=host.clock.now)
    path = fresh(host, web)
    assert "already" in web.post(path, data={"action": "address", "email": ANN}).text
    assert web.post(path, data={"action": "address", "email": "no address"}).status_code == 422
    assert "If we may write to the new address" in web.post(path, data={"action": "address", "email": new}).text
    assert status_of(host.engine, ANN) == "confirmed"
    with db.reading(host.engine) as session:
        links = table(people.MailedLink).c
        number = session.execute(select(links.id).where(links.kind == "move")).scalar_one()
        to = session.execute(select(table(Delivery).c.address).where(table(Delivery).c.occasion == f"move:{number}"))
        assert to.scalar_one() == new
    confirm = host.path(host.links.move(ann.handle, number))
    before = everything(host.engine)
    assert new in web.get(confirm).text
    assert everything(host.engine) == before
    assert "Your address was changed" in web.post(confirm).text
    assert (status_of(host.engine, new), status_of(host.engine, ANN)) == ("confirmed", None)
    assert body(web.post(confirm)) == body(web.get("/preferences/x"))
    with db.reading(host.engine) as session:
        proofs = session.execute(select(table(people.Consent)).order_by(table(people.Consent).c.id)).all()
        hashed = hash_address(key, new)
        scopes = set(session.execute(select(table(people.Suppression).c.scope, table(people.Suppression).c.hash)))
    assert [(line.action, line.email_typed) for line in proofs] == [("suppressed", ANN), ("moved", new)]
    assert ("daily", hashed) in scopes
    assert occasions(host) == ["link", "move", "moved"]
    with db.reading(host.engine) as session:
        told = select(table(Delivery).c.address).where(table(Delivery).c.occasion == f"moved:{number}")
        assert session.execute(told).scalar_one() == ANN
    assert web.get(page(host, ann)).status_code == 200  # the links in the mails of before go on working


def test_an_address_that_is_anothers_stays_theirs(host: Host, web: httpx.Client, ann: people.Subscriber) -> None:
    path = fresh(host, web)
    answers = [web.post(path, data={"action": "address", "email": one}).text for one in ("new@example.com", BOB)]
    assert len({re.sub(r'value="[^"]*"', "", one) for one in answers}) == 1
    with db.reading(host.engine) as session:
        links = table(people.MailedLink).c
        first, second = session.execute(select(links.id).where(links.kind == "move").order_by(links.id)).scalars()
    assert "does not work any more" in web.post(host.path(host.links.move(ann.handle, first))).text
    before = everything(host.engine)
    newest = host.path(host.links.move(ann.handle, second))
    assert "Your address was not changed" in web.post(newest).text
    assert everything(host.engine) == before


def test_a_new_address_gets_no_more_mail_than_a_sign_up_would_cause(
    host: Host, web: httpx.Client, ann: people.Subscriber
) -> None:
    """Who owns an address that others type is asked once a day, by whichever door it comes (S-B15)."""
    with db.writing(host.engine) as session:
        sign_up(session, "asked@example.org", now=host.clock.now, random=lambda size: b"v" * size)
    path = fresh(host, web)
    for new in ("asked@example.org", "quiet@example.org", "quiet@example.org"):
        assert "If we may write to the new address" in web.post(path, data={"action": "address", "email": new}).text
    with db.reading(host.engine) as session:
        links = table(people.MailedLink).c
        assert session.execute(select(links.email).where(links.kind == "move")).scalars().all() == ["quiet@example.org"]


def test_erasing_takes_two_presses_and_leaves_a_hash(host: Host, web: httpx.Client, ann: people.Subscriber) -> None:
    path = fresh(host, web)
    before = everything(host.engine)
    question = web.post(path, data={"action": "erase"})
    assert "Erase everything about" in question.text
    assert everything(host.engine) == before
    assert "You are erased" in web.post(path, data={"action": "erase", "sure": "yes"}).text
    after = everything(host.engine)
    assert ANN not in repr(after)
    assert [row[:2] for row in after["suppression"]] == [(hash_address(SUPPRESSION_KEY, ANN), "")]
    assert status_of(host.engine, BOB) == "confirmed"
    spent = body(web.get("/preferences/x"))
    assert body(web.get(path)) == body(web.get(page(host, ann))) == spent
    fresh_form = re.search(r'name="shown" value="([^"]+)"', web.get("/link").text)
    assert fresh_form
    host.clock.move(seconds=5)
    web.post("/link", data={"email": ANN, "shown": fresh_form[1]})
    assert everything(host.engine)["mailed_link"] == []


def test_nobody_elses_token_does_anything_to_bob(host: Host, web: httpx.Client, ann: people.Subscriber) -> None:
    mine = fresh(host, web)
    expired, keys = fresh(host, web, BOB), host.links.keys
    host.clock.move(hours=2)
    with db.reading(host.engine) as session:
        bob = session.execute(select(table(Subscriber)).where(table(Subscriber).c.email == BOB)).one()
    forged = KeyRing("another secret, long enough")
    wrong = [
        sign(forged, Claim(Purpose.PREFERENCES, bob.handle, "weekly")),
        sign(forged, Claim(Purpose.ACCOUNT, bob.handle, "1")),
        sign(keys, Claim(Purpose.ACCOUNT, bob.handle, "1")),  # ann's number
        sign(keys, Claim(Purpose.ACCOUNT, bob.handle, "9" * 12)),
        sign(keys, Claim(Purpose.UNSUBSCRIBE, bob.handle, "weekly")),
        sign(keys, Claim(Purpose.CONFIRM, bob.handle, "1")),
        sign(keys, Claim(Purpose.PREFERENCES, b"?" * 12, "weekly")),
        expired.rpartition("/")[2],
        mine.rpartition("/")[2],
        "x",
        bob.handle.hex(),
    ]
    before = everything(host.engine)
    spent = {}
    for data in ({"action": "save", "shown": "weekly"}, {"action": "leave"}, {"action": "link"}, *FORBIDDEN):
        for page_ in ("preferences", "address"):
            for token in wrong:
                answer = web.post(f"/{page_}/{token}", data=data, headers={"cookie": "session=staff"})
                said = (answer.status_code, body(answer), sorted(set(answer.headers) - {"date"}))
                assert spent.setdefault("post", said) == said
    for token in wrong:
        assert body(web.get(f"/preferences/{token}")) == spent["post"][1]
    # A token of Ann's does what it does to Ann alone.
    web.post(page(host, ann), data={"action": "save", "shown": ["weekly"], "name": "x"})
    rows = {name: [row for row in found if BOB in repr(row)] for name, found in everything(host.engine).items()}
    assert rows == {name: [row for row in found if BOB in repr(row)] for name, found in before.items()}
    assert status_of(host.engine, BOB) == "confirmed"


def test_the_link_is_mailed_to_the_known_and_the_page_tells_nobody_who_they_are(
    host: Host, web: httpx.Client, ann: people.Subscriber
) -> None:
    with db.writing(host.engine) as session:
        suppress(session, "sue@example.org", key=SUPPRESSION_KEY, reason="", now=host.clock.now)
    answers = set()
    for email in (ANN, BOB, "nobody@example.org", "sue@example.org"):
        shown = re.search(r'name="shown" value="([^"]+)"', web.get("/link").text)
        assert shown
        host.clock.move(seconds=5)
        answer = web.post("/link", data={"email": email, "shown": shown[1]})
        answers.add((answer.status_code, answer.text, tuple(sorted(set(answer.headers) - {"date"}))))
    assert len(answers) == 1
    assert occasions(host) == ["link", "link"]
    for _ in range(4):
        fresh(host, web)
    assert occasions(host) == ["link"] * 4  # three a day, durable
    host.clock.move(hours=25)
    fresh(host, web)
    assert occasions(host) == ["link"] * 5


def test_who_never_said_yes_is_mailed_no_link(host: Host, web: httpx.Client, now: datetime) -> None:
    """A stranger signs up a victim, who gets one mail; the page for links is no way to send them three more a day."""
    with db.writing(host.engine) as session:
        sign_up(session, "victim@example.org", now=now, random=lambda size: b"v" * size)
        ann = add_reader(session, now, ANN)
    for email in ("victim@example.org", ANN):
        shown = re.search(r'name="shown" value="([^"]+)"', web.get("/link").text)
        assert shown
        host.clock.move(seconds=5)
        assert "Now look at your mail" in web.post("/link", data={"email": email, "shown": shown[1]}).text
    with db.reading(host.engine) as session:
        assert session.execute(select(table(people.MailedLink).c.subscriber_id)).scalars().all() == [ann.id]


def test_who_said_i_did_not_ask_gets_the_link_only_from_a_newsletters_page(
    host: Host, web: httpx.Client, ann: people.Subscriber
) -> None:
    with db.writing(host.engine) as session:
        suppress(session, ANN, key=SUPPRESSION_KEY, reason="", scope=CONFIRM_MAILS, now=host.clock.now)
    web.post("/link", data={"email": ANN})
    assert occasions(host) == []
    web.post(page(host, ann), data={"action": "link"})
    assert occasions(host) == ["link"]


def test_fields_that_no_page_has_change_nothing(host: Host, web: httpx.Client, ann: people.Subscriber) -> None:
    dice = Random(20261120)
    columns = [*table(Subscriber).c.keys(), *table(Subscription).c.keys(), "handle", "sender", "public", "settings"]
    path, allowed = page(host, ann), {"name", "language", "choices", "paused_until"}
    before = {name: everything(host.engine)[name] for name in ("mailing_list", "suppression", "confirmation")}
    with db.reading(host.engine) as session:
        person = dict(
            session.execute(select(table(Subscriber)).where(table(Subscriber).c.id == ann.id)).mappings().one()
        )
    for _ in range(FUZZ):
        wish: dict[str, Any] = {
            "action": "save",
            "shown": ["weekly", "nosuch", "staff"],
            "on": ["weekly", "staff", "'"],
        }
        for name in dice.sample(columns, 4):
            wish[dice.choice([name, f"{name}[]", f"subscriber.{name}", f"subscriber[{name}]"])] = dice.choice(
                ["", "1", "null", "staff", "' OR 1=1 --", "\x00", "{}", "\u202e", "9" * 400]
            )
        wish[f"section:{dice.choice(['weekly', 'staff', ''])}:{dice.choice(['asia', 'nosuch', ''])}"] = "follow"
        wish |= {"pause:weekly": dice.choice(["-1", "99", "x", ""]), "edition:weekly": ["nosuch"], "name": "Ann"}
        assert web.post(path, data=wish).status_code == 200
    now_ = place(host)
    assert set(now_.choices) <= {"sections"}
    assert (now_.status, now_.paused_until) == ("confirmed", None)
    assert place(host, list_id="staff") is None
    assert {name: everything(host.engine)[name] for name in before} == before
    with db.reading(host.engine) as session:
        after = dict(
            session.execute(select(table(Subscriber)).where(table(Subscriber).c.id == ann.id)).mappings().one()
        )
    assert {name for name in after if after[name] != person[name]} <= allowed


def test_the_page_works_behind_a_path_prefix(engine: Engine, now: datetime) -> None:
    with db.writing(engine) as session:
        add_list(session, now)
        ann = add_reader(session, now, ANN)
    with serving(engine, now, configured(path_prefix="/news")) as host, host.client() as web:
        path = host.path(host.links.preferences(ann.handle, "weekly"))
        assert path.startswith("/news/preferences/")
        assert "Saved." in web.post(path, data=SAVE | {"name": "Ann"}).text
        assert 'action="/news/link"' in web.get("/news/preferences/x").text


def test_tokens_and_addresses_are_in_no_log(
    host: Host, web: httpx.Client, ann: people.Subscriber, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    path = fresh(host, web)
    web.post(path, data={"action": "address", "email": "new@example.com"})
    web.post(path, data={"action": "erase", "sure": "yes"})
    web.get(f"/address/{path.rpartition('/')[2]}")
    logged = " ".join(record.getMessage() for record in caplog.records if record.name.startswith("digest"))
    assert "POST /preferences/…" in logged
    assert [word for word in (path.rpartition("/")[2], ANN, "new@example.com") if word in logged] == []
