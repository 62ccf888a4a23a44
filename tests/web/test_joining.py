"""The form's choices, its language, forms on other pages, work and crowds: FEATURES 51, 52; S-B8, S-B14, S-B15."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, select
from webhost import (
    SUPPRESSION_KEY,
    Host,
    add_edition,
    add_list,
    configured,
    everything,
    serving,
    shown,
    sign_up,
    status_of,
)

from digest import db
from digest.config import Config, StaffConfig
from digest.models import Delivery, Slice, people, table
from digest.web.opened import MOST
from digest.web.work import BITS, proven
from subscribers import crowding
from subscribers.joining import SignUp, join

PROXY: dict[str, Any] = {"trusted_proxies": ("127.0.0.1",)}


def speaking(*languages: str, **web: Any) -> Config:
    settings = configured(**web)
    return replace(settings, site=replace(settings.site, languages=languages))


def person(engine: Engine, email: str) -> Any:
    people_, place = table(people.Subscriber), table(people.Subscription)
    with db.reading(engine) as session:
        found = select(people_.c.language, place.c.list_id, place.c.choices).join_from(people_, place)
        return session.execute(found.where(people_.c.email == email).order_by(place.c.list_id)).all()


def due(engine: Engine) -> list[datetime]:
    with db.reading(engine) as session:
        rows = select(table(Slice).c.due_at).join(table(Delivery), table(Delivery).c.slice_id == table(Slice).c.id)
        return list(session.execute(rows.order_by(table(Delivery).c.id)).scalars())


@pytest.fixture
def magazine(engine: Engine, now: datetime) -> Engine:
    """Two public lists, one with sections."""
    with db.writing(engine) as session:
        add_list(session, now)
        add_list(session, now, "daily")
        add_edition(session, "weekly", "europe", "asia", "more")
        add_edition(session, "daily", "all")
    return engine


def test_lists_sections_and_language_are_chosen_on_the_form(magazine: Engine, now: datetime) -> None:
    with serving(magazine, now, speaking("en", "de")) as host, host.client() as web:
        page = web.get("/").text
        assert re.findall(r'name="sections-weekly" value="(\w+)"', page) == ["europe", "asia", "more"]
        assert "sections-daily" not in page  # one section is no choice
        assert re.findall(r'<option value="(\w+)"', page) == ["en", "de"]
        wish = {"list": ["weekly", "daily"], "sections-weekly": ["asia", "nosuch"], "language": "de"}
        sign_up(host, web, "ann@example.org", **wish)
        sign_up(host, web, "bob@example.org", list=None, **{"sections-weekly": "europe"}, language="xx")
    assert person(magazine, "ann@example.org") == [("de", "daily", {}), ("de", "weekly", {"sections": ["asia"]})]
    assert person(magazine, "bob@example.org") == [("en", "weekly", {"sections": ["europe"]})]


def test_what_was_ticked_is_ticked_when_the_form_comes_back(magazine: Engine, now: datetime) -> None:
    with serving(magazine, now) as host, host.client() as web:
        page = sign_up(host, web, "no address", list="weekly", **{"sections-weekly": "asia"}).text
    assert re.findall(r'value="(\w+)" checked', page) == ["weekly", "asia"]
    assert "<details open>" in page


def test_one_language_is_no_choice(host: Host, web: httpx.Client) -> None:
    assert "<select" not in web.get("/").text


def test_pages_speak_the_language_that_is_asked_for_or_preferred(host: Host, web: httpx.Client) -> None:
    def told(path: str = "/", accepted: str = "") -> tuple[str, str]:
        answer = web.get(path, headers={"accept-language": accepted})
        found = re.search(r'<html lang="([\w-]+)" dir="(\w+)">', answer.text)
        assert found
        assert answer.headers["content-language"] == found[1]
        assert answer.headers["vary"] == "Accept-Language"
        return found[1], found[2]

    assert told() == ("en", "ltr")
    assert told(accepted="de-AT,de;q=0.9,en;q=0.5") == ("de", "ltr")
    assert told(accepted="tlh, fr;q=0.1, *;q=0.5") == ("fr", "ltr")
    assert told(accepted="de;q=0, xx") == ("en", "ltr")
    assert told(accepted="\x01;;,,q=" + "," * 500) == ("en", "ltr")
    assert told("/?lang=ar", "de") == ("ar", "rtl")
    assert told("/?lang=xx", "de") == ("de", "ltr")
    assert told("/unsubscribe/x?lang=he") == ("he", "rtl")
    assert told("/nosuch", "ja") == ("ja", "ltr")
    assert 'action="/subscribe?lang=ar"' in web.get("/?lang=ar").text


def test_a_newsroom_of_two_languages_speaks_these(magazine: Engine, now: datetime) -> None:
    with serving(magazine, now, speaking("en", "es")) as host, host.client() as web:
        page = web.get("/", headers={"accept-language": "de, es;q=0.2"}).text
    assert '<html lang="es"' in page
    assert '<a href="?lang=es" lang="es" hreflang="es" aria-current="true">Espa&#xf1;ol</a>' in page


def test_a_confirm_page_speaks_the_language_of_who_signed_up(magazine: Engine, now: datetime) -> None:
    with db.writing(magazine) as session:
        wish = SignUp("ann@example.org", ("weekly",), language="de")
        sent = join(session, wish, key=SUPPRESSION_KEY, now=now, random_bytes=lambda size: b"r" * size).sends[0]
    with serving(magazine, now) as host, host.client() as web:
        path = host.path(host.links.confirm(b"r" * 12, sent.confirmation_id))
        assert '<html lang="de"' in web.get(path).text
        assert '<html lang="fr"' in web.get(path + "?lang=fr").text


def test_a_form_on_another_page_works_without_a_script(host: Host, web: httpx.Client) -> None:
    from_afar = {"origin": "https://paper.example", "sec-fetch-site": "cross-site"}
    form = {"list": "weekly", "email": "ann@example.org", "website": ""}
    again = web.post("/subscribe?lang=en", data=form, headers=from_afar)
    assert "please press the button once more" in again.text
    found = re.search(r'name="shown" value="([^"]+)"', again.text)
    assert found
    host.clock.move(seconds=4)
    assert "Now look at your mail" in web.post("/subscribe", data=form | {"shown": found[1]}).text
    assert status_of(host.engine, "ann@example.org") == "pending"


def test_a_form_on_another_page_works_at_once_with_the_script(host: Host, web: httpx.Client) -> None:
    script = web.get("/form.js")
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    answer = web.get("/subscribe/stamp", headers={"origin": "https://paper.example"})
    for told in (script, answer):
        assert told.headers["access-control-allow-origin"] == "*"
        assert told.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.json()["bits"] == 0
    host.clock.move(seconds=4)
    form = {"list": "weekly", "email": "ann@example.org", "shown": answer.json()["shown"]}
    assert "Now look at your mail" in web.post("/subscribe", data=form).text


def worked(stamped: str, email: str) -> str:
    return next(str(number) for number in count() if proven(stamped, email, str(number)))


def test_the_proof_of_work_is_one_hash() -> None:
    number = worked("stamp", "ann@example.org")
    told = hashlib.sha256(f"stamp:ann@example.org:{number}".encode()).digest()
    assert int.from_bytes(told, "big") < 1 << (256 - BITS)
    assert not proven("stamp", "bob@example.org", number)
    assert not any(proven("stamp", "ann@example.org", wrong) for wrong in ("", "-1", "x", "1" * 16, "１"))


def test_work_lets_a_sign_up_in_and_waiting_does_too(engine: Engine, now: datetime) -> None:
    with db.writing(engine) as session:
        add_list(session, now)
    with serving(engine, now, configured(proof_of_work=True, path_prefix="/news")) as host, host.client() as web:
        page = web.get("/news/")
        assert '<script src="/news/form.js" defer></script>' in page.text
        assert "script-src 'self'; " in page.headers["content-security-policy"]
        assert "Without JavaScript, please wait a minute" in page.text
        assert "script-src" not in web.get("/news/unsubscribe/x").headers["content-security-policy"]
        stamped = shown(web)
        form = {"list": "weekly", "email": "ann@example.org", "shown": stamped}
        host.clock.move(seconds=5)
        assert "please wait a minute" in web.post("/subscribe", data=form | {"work": "1"}).text
        assert status_of(engine, "ann@example.org") is None
        done = web.post("/subscribe", data=form | {"work": worked(stamped, "ann@example.org")})
        assert "Now look at your mail" in done.text
        host.clock.move(seconds=56)
        assert "Now look at your mail" in web.post("/subscribe", data=form | {"email": "bob@example.org"}).text


def test_a_network_that_asks_too_often_is_told_whoever_it_asks_for(engine: Engine, now: datetime) -> None:
    with db.writing(engine) as session:
        add_list(session, now)

    def ask(host: Host, web: httpx.Client, email: str, ip: str) -> int:
        return sign_up(host, web, email, headers={"x-forwarded-for": ip}).status_code

    with serving(engine, now, configured(**PROXY)) as host, host.client() as web:
        assert ask(host, web, "no address", "203.0.113.9") == 422  # and does not count
        first = [ask(host, web, "ann@example.org", f"203.0.113.{number}") for number in range(crowding.PER_NETWORK)]
        assert first == [200] * crowding.PER_NETWORK
        before = everything(engine)
        told = sign_up(host, web, "bob@example.org", headers={"x-forwarded-for": "203.0.113.77"})
        assert (told.status_code, told.headers["retry-after"]) == (429, "3600")
        assert "please try again in an hour" in told.text
        with db.writing(engine) as somebody:
            somebody.connection()  # has SQLite's lock, which who is sent away does not wait for
            assert ask(host, web, "ann@example.org", "203.0.113.77") == 429
        assert everything(engine) == before
    with serving(engine, host.clock.now, configured(**PROXY)) as host, host.client() as web:  # it was started again
        assert ask(host, web, "bob@example.org", "203.0.113.77") == 429
        assert ask(host, web, "bob@example.org", "198.51.100.1") == 200
        host.clock.move(hours=1)
        assert ask(host, web, "cat@example.org", "203.0.113.77") == 200


def test_a_crowd_waits_and_staff_are_told_once(engine: Engine, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowding, "PER_DOMAIN", 2)
    with db.writing(engine) as session:
        add_list(session, now)
    settings = replace(configured(), staff=StaffConfig(notify=("desk@paper.example",)))
    with serving(engine, now, settings) as host, host.client() as web:
        answers = {sign_up(host, web, f"reader{number}@example.org").text for number in range(4)}
        assert len(answers) == 1
    first, second, third, notice, fourth = due(engine)
    assert [third - first, fourth - second] == [timedelta(hours=1)] * 2
    assert notice < third
    with db.reading(engine) as session:
        told = list(session.execute(select(table(Delivery).c.occasion).order_by(table(Delivery).c.id)).scalars())
    assert [occasion.partition(":")[0] for occasion in told] == [*["confirm"] * 3, "notice", "confirm"]


def test_who_opens_many_links_confirms_none_until_a_minute_is_over(engine: Engine, now: datetime) -> None:
    with db.writing(engine) as session:
        add_list(session, now)
    with serving(engine, now, configured(**PROXY)) as host, host.client() as web:
        sign_up(host, web, "ann@example.org")
        with db.reading(engine) as session:
            mail = session.execute(select(table(people.Confirmation))).one()
            handle = session.execute(select(table(people.Subscriber).c.handle)).scalar_one()
        path = host.path(host.links.confirm(handle, mail.id))
        robot, human = ({"x-forwarded-for": ip} for ip in ("203.0.113.1", "203.0.113.2"))
        for number in range(MOST):
            web.get(f"/confirm/other{number}", headers=robot)
        web.get(path, headers=robot)
        held = web.post(path, data={"answer": "confirm"}, headers=robot)
        assert (held.status_code, "Please wait a minute" in held.text) == (429, True)
        assert status_of(engine, "ann@example.org") == "pending"
        host.clock.move(seconds=61)
        for number in range(MOST + 5):
            web.get(f"/confirm/other{number}", headers=robot)
        assert "You are subscribed" in web.post(path, data={"answer": "confirm"}, headers=human).text


def test_form_js_is_small_and_asks_nobody_else(web: httpx.Client) -> None:
    script = web.get("/form.js").text
    assert len(script) < 3_000
    assert re.findall(r"https?://", script) == []
    assert "eval" not in script
