"""Joining by the form: S-B4, S-B5, S-B6, S-B8, S-B9, S-B11, S-B15, S-B16, S-B17, L-04, L-06."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from datetime import datetime
from itertools import product
from typing import Any

import httpx
import pytest
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
    shown,
    sign_up,
    status_of,
)

from digest import db
from digest.models import Delivery, people, table
from digest.templating.wording import ENGLISH_WORDS
from digest.web.signup import consent_text
from subscribers.joining import SignUp, join
from subscribers.leaving import suppress


def enqueued(engine: Engine) -> list[str]:
    with db.reading(engine) as session:
        return list(session.execute(select(table(Delivery).c.occasion).order_by(table(Delivery).c.id)).scalars())


def confirmation(host: Host, email: str) -> tuple[bytes, int]:
    """The person's handle and their newest confirmation: what the link in the mail holds."""
    person, mail = table(people.Subscriber).c, table(people.Confirmation).c
    with db.reading(host.engine) as session:
        row = session.execute(
            select(person.handle, mail.id)
            .join_from(table(people.Subscriber), table(people.Confirmation), mail.subscriber_id == person.id)
            .where(person.email == email)
            .order_by(mail.id.desc())
        ).first()
    assert row is not None
    return row.handle, row.id


def test_from_the_form_to_confirmed(host: Host, web: httpx.Client) -> None:
    answer = sign_up(host, web, "Ann@Example.org", name="Ann Lee")
    assert answer.status_code == 200
    assert "Now look at your mail" in answer.text
    assert status_of(host.engine, "ann@example.org") == "pending"
    handle, number = confirmation(host, "ann@example.org")
    assert enqueued(host.engine) == [f"confirm:{number}"]
    path = host.path(host.links.confirm(handle, number))
    page = web.get(path)
    assert "Subscribe to <bdi>Weekly</bdi>?" in page.text
    assert "example.org" not in page.text
    assert status_of(host.engine, "ann@example.org") == "pending"
    assert "You are subscribed" in web.post(path, data={"answer": "confirm"}).text
    assert status_of(host.engine, "ann@example.org") == "confirmed"
    assert "You are subscribed" in web.post(path, data={"answer": "confirm"}).text
    assert "This link has done its work" in web.get(path).text


def test_the_sentence_on_the_page_is_the_one_that_is_kept(host: Host, web: httpx.Client) -> None:
    sentence = consent_text("The Paper", ENGLISH_WORDS)
    assert sentence in web.get("/").text
    sign_up(host, web, "ann@example.org")
    with db.reading(host.engine) as session:
        row = session.execute(table(people.Consent).select()).one()
    assert (row.action, row.method, row.text) == ("asked", "form", sentence)
    assert row.text_hash == hashlib.sha256(sentence.encode()).hexdigest()
    assert (row.email_typed, row.form_url, row.locale, row.ip) == (
        "ann@example.org",
        "https://paper.example/",
        "en",
        "127.0.0.1",
    )


def test_the_answer_is_the_same_whoever_asks(host: Host, web: httpx.Client, now: datetime) -> None:
    with db.writing(host.engine) as session:
        add_list(session, now, "private", public=False)
        add_list(session, now, "closed", active=False)
        for status in ("confirmed", "pending", "unsubscribed", "declined"):
            add_reader(session, now, f"{status}@example.org", status=status)
        suppress(session, "away@example.org", key=SUPPRESSION_KEY, reason="asked", now=now)
        join(
            session,
            SignUp("asked@example.org", ("weekly",)),
            key=SUPPRESSION_KEY,
            now=now,
            random_bytes=lambda count: b"r" * count,
        )
    asks: list[tuple[str, dict[str, Any]]] = [
        *((f"{who}@example.org", {}) for who in ("new", "confirmed", "pending", "unsubscribed", "declined")),
        ("away@example.org", {}),
        ("asked@example.org", {}),
        ("private@example.org", {"list": "private"}),
        ("closed@example.org", {"list": "closed"}),
        ("unknown@example.org", {"list": "no such list"}),
        ("robot@example.org", {"website": "https://spam.example/"}),
        ("many@example.org", {"list": ["weekly", "private", "weekly", ""]}),
    ]
    answers = [sign_up(host, web, email, **fields) for email, fields in asks]
    seen = {(each.status_code, each.content, tuple(without_date(each))) for each in answers}
    assert len(seen) == 1
    assert next(iter(seen))[0] == 200
    assert status_of(host.engine, "confirmed@example.org") == "confirmed"
    for nobody in ("away", "private", "closed", "unknown", "robot"):
        assert status_of(host.engine, f"{nobody}@example.org") is None
    assert status_of(host.engine, "many@example.org", "private") is None


def without_date(answer: httpx.Response) -> list[tuple[str, str]]:
    return [(name, value) for name, value in answer.headers.items() if name != "date"]


def test_what_is_no_address_is_told_at_the_field(host: Host, web: httpx.Client) -> None:
    before = everything(host.engine)
    for typed in ("", "ann", "ann@", "@example.org", "ann@example", "a b@example.org", "a@b@c.org"):
        answer = sign_up(host, web, typed, name="Ann")
        assert answer.status_code == 422, typed
        assert '<div class="problem" id="problem" role="alert">' in answer.text
        assert 'aria-invalid="true" aria-describedby="problem"' in answer.text
        assert 'value="Ann"' in answer.text
    assert everything(host.engine) == before
    again = re.search(r'name="shown" value="([^"]+)"', answer.text)
    assert again
    mended = web.post("/subscribe", data={"email": "ann@example.org", "list": "weekly", "shown": again[1]})
    assert "Now look at your mail" in mended.text


def test_a_form_without_a_good_stamp_is_shown_again(host: Host, web: httpx.Client) -> None:
    before = everything(host.engine)
    for stamped in (None, "", "1795180000.0000", "9" * 5_000):  # None: a form on somebody else's page
        answer = sign_up(host, web, "ann@example.org", shown=stamped)
        assert answer.status_code == 422
        assert "please press the button once more." in answer.text
        assert 'value="ann@example.org"' in answer.text
    assert everything(host.engine) == before


@pytest.mark.parametrize("after", [{"seconds": 1}, {"hours": 25}])
def test_too_quick_or_too_late_is_asked_again(host: Host, web: httpx.Client, after: dict[str, float]) -> None:
    form = {"email": "ann@example.org", "list": "weekly", "shown": shown(web)}
    host.clock.move(**after)
    answer = web.post("/", data=form)
    assert "please press the button once more." in answer.text
    assert status_of(host.engine, "ann@example.org") is None
    again = re.search(r'name="shown" value="([^"]+)"', answer.text)
    assert again
    host.clock.move(seconds=4)
    assert "Now look at your mail" in web.post("/", data=form | {"shown": again[1]}).text


def test_the_proof_names_the_mail_that_was_answered(host: Host, web: httpx.Client) -> None:
    sign_up(host, web, "ann@example.org")
    web.post(host.path(host.links.confirm(*confirmation(host, "ann@example.org"))), data={"answer": "confirm"})
    with db.reading(host.engine) as session:
        mail = session.execute(select(table(Delivery).c.message_id)).scalar_one()
        proofs = session.execute(select(table(people.Consent)).order_by(table(people.Consent).c.id)).all()
    assert [(one.action, one.message_id) for one in proofs] == [("asked", ""), ("confirmed", mail)]


def test_the_proof_is_in_the_language_of_the_sentence(engine: Engine, now: datetime) -> None:
    with db.writing(engine) as session:
        add_list(session, now)
    german = configured()
    german = replace(german, site=replace(german.site, language="de"))
    with serving(engine, now, german) as host, host.client() as web:
        sign_up(host, web, "ann@example.org")
    with db.reading(engine) as session:
        proof = session.execute(select(table(people.Consent))).one()
    assert proof.locale == "de"
    assert proof.text.startswith("Ich möchte, dass The Paper mir per E-Mail schickt")


def test_several_lists_are_chosen_by_ticks(host: Host, web: httpx.Client, now: datetime) -> None:
    with db.writing(host.engine) as session:
        add_list(session, now, "daily", description="Every day <at six>.")
        add_list(session, now, "staff", public=False)
    page = web.get("/").text
    assert re.findall(r'type="checkbox" name="list" value="(\w+)"', page) == ["daily", "weekly"]
    assert "&lt;at six&gt;" in page
    assert " checked" not in page
    nothing = sign_up(host, web, "ann@example.org", list=None)
    assert nothing.status_code == 422
    assert "Choose at least one newsletter." in nothing.text
    assert "Now look at your mail" in sign_up(host, web, "ann@example.org", list=["weekly", "daily"]).text
    assert len(enqueued(host.engine)) == 1
    page = web.get(host.path(host.links.confirm(*first_of(host, "ann@example.org")))).text
    assert "<li><bdi>Weekly</bdi></li>" in page
    assert "<li><bdi>Daily</bdi></li>" in page
    web.post(host.path(host.links.confirm(*first_of(host, "ann@example.org"))), data={"answer": "confirm"})
    assert [status_of(host.engine, "ann@example.org", each) for each in ("weekly", "daily")] == ["confirmed"] * 2


def first_of(host: Host, email: str) -> tuple[bytes, int]:
    handle, _ = confirmation(host, email)
    with db.reading(host.engine) as session:
        occasion = session.execute(select(table(Delivery).c.occasion)).scalar_one()
    return handle, int(occasion.partition(":")[2])


def test_no_public_list_no_form(engine: Engine, now: datetime) -> None:
    with serving(engine, now) as host, host.client() as web:
        page = web.get("/")
    assert page.status_code == 200
    assert "<form" not in page.text
    assert "nothing to subscribe to at the moment" in page.text


def test_i_did_not_ask_is_for_ever(host: Host, web: httpx.Client) -> None:
    sign_up(host, web, "ann@example.org")
    path = host.path(host.links.confirm(*confirmation(host, "ann@example.org")))
    assert "We will not ask again" in web.post(path, data={"answer": "decline"}).text
    assert status_of(host.engine, "ann@example.org") == "declined"
    assert "This link has done its work" in web.get(path).text
    assert "This link has done its work" in web.post(path, data={"answer": "confirm"}).text
    host.clock.move(days=40)
    assert "Now look at your mail" in sign_up(host, web, "ann@example.org").text
    assert len(enqueued(host.engine)) == 1
    assert status_of(host.engine, "ann@example.org") == "declined"


@pytest.mark.parametrize("kind", ["expired", "replaced", "forged", "of another person", "nonsense", "number of nobody"])
def test_a_link_that_does_not_confirm_says_so_kindly(host: Host, web: httpx.Client, kind: str) -> None:
    sign_up(host, web, "ann@example.org")
    handle, number = confirmation(host, "ann@example.org")
    path = host.path(host.links.confirm(handle, number))
    if kind == "expired":
        host.clock.move(days=7, seconds=1)
    elif kind == "replaced":
        host.clock.move(days=2)
        sign_up(host, web, "ann@example.org")
    else:
        path = {
            "forged": path[:-3] + "AAA",
            "of another person": host.path(host.links.confirm(b"x" * 12, number)),
            "nonsense": "/confirm/%00..%5C",
            "number of nobody": host.path(host.links.confirm(handle, number + 1_000)),
        }[kind]
    before = everything(host.engine)
    answers = [web.post(path, data={"answer": "confirm"})]
    if kind != "replaced":
        answers.append(web.get(path))
    for answer in answers:
        assert answer.status_code == 200
        assert "This link has done its work" in answer.text
    assert everything(host.engine) == before
    assert status_of(host.engine, "ann@example.org") == "pending"


HOSTILE = [
    "<script>alert(1)</script>@example.org",
    '"><img src=x onerror=alert(1)>',
    "' OR 1=1 --@example.org",
    "{{7*7}}@",
    "{% raw %}",
    "a@example.org\r\nBcc: b@example.org",
    "\x00\ud7ff\u202e@",
    "__class__",
    "a" * 60_000,
]


def test_what_is_typed_comes_back_as_text_or_not_at_all(host: Host, web: httpx.Client) -> None:
    before = everything(host.engine)
    fields = ("email", "name", "list", "shown", "__proto__", "email[]", "subscriber.status")
    for field, value in product(fields, HOSTILE):
        form = {"email": "no address", "list": "weekly", "shown": shown(web)} | {field: value}
        host.clock.move(seconds=5)
        answer = web.post("/subscribe", data=form)
        assert answer.status_code in (200, 413, 422)
        assert not re.search(r"<script|<img|onerror=alert\(1\)>|\b49\b", answer.text)
    assert everything(host.engine) == before


def test_fields_that_the_form_does_not_have_do_nothing(host: Host, web: httpx.Client) -> None:
    extra = {"status": "confirmed", "id": "1", "handle": "x", "language": "xx", "confirmed_at": "2020-01-01"}
    sign_up(host, web, "ann@example.org", **extra)
    assert status_of(host.engine, "ann@example.org") == "pending"


def test_the_form_page_looks_the_same_twice(web: httpx.Client, host: Host) -> None:
    first = body(web.get("/"))
    host.clock.move(minutes=5)
    assert body(web.get("/subscribe")) == first
