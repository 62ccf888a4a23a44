"""Merge fields from the editor's hand to the readers' mail, the archive and the preview."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes, policy
from html import escape
from mailbox import Mailbox
from typing import Any
from urllib.parse import quote

import pytest
from office import invite
from post import config
from sqlalchemy import select, update
from sqlmodel import Session

from digest import db, pipeline, proofs, wiring
from digest.cli.looking import _shown
from digest.compose import issues
from digest.compose import run as composing
from digest.compose.content import Sponsor
from digest.config import DatabaseConfig, EditionConfig, ListConfig
from digest.deliver import ledger
from digest.deliver.greeting import _latest
from digest.deliver.trial import specimen
from digest.errors import UsageError
from digest.models import Article, Source, Variant, table
from digest.web.archive.reading import frozen, told
from digest.web.archive.showing import Places, _entry, _for_nobody, subject
from digest.wiring import App
from subscribers.models import MailingList, Subscriber

EVIL = '<script>"&</script>=?utf-8?q?a=0D=0ABcc:?=\r\nBcc: a@evil.example'
ONE_LINE = '<script>"&</script>=?utf-8?q?a=0D=0ABcc:?= Bcc: a@evil.example'
READERS: list[tuple[str, dict[str, Any]]] = [
    ("Ann Bell", {"first_name": "Ann", "address": {"city": "Bern"}}),
    (EVIL, {"first_name": EVIL, "address": {"city": "[[name|x]]"}}),
    ("", {}),
]
SAID = [("Ann", "Bern", "Ann Bell"), (ONE_LINE, "[[name|x]]", ONE_LINE), ("friend", "town", "you")]
WORDS = {
    "subject": "[[first_name|friend]], the week in [[address.city|town]]",
    "intro": "Dear *[[name|you]]*, this is what [[first_name|friend]] may [like in [[address.city|town]]](https://x.example/)",
}


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with Mailbox() as box:
        yield box


@pytest.fixture
def app(database_url: str, box: Mailbox) -> Iterator[App]:
    """A newsroom with one article, whose title looks like a field, and readers who told of themselves."""
    how = replace(
        config(box.relay()),
        database=DatabaseConfig(database_url),
        lists=(ListConfig("weekly", "Weekly", line=1, public=True),),
        editions=(EditionConfig("weekly", "weekly", "Weekly", line=1),),
    )
    with wiring.opened(how) as app:
        now = app.clock()
        with db.writing(app.engine) as session:
            session.add(Source(id="desk", url="https://example.org/feed", active=False, created_at=now))
            session.flush()
            times = {"published_at": now, "first_seen_at": now, "available_at": now, "previous_look_at": now}
            url = "https://example.org/1"
            title = "A feed's [[first_name|own]]"
            session.add(Article(canonical_url=url, url=url, source_id="desk", title=title, **times))
        invite(app.engine, [(n, f"reader{n}@example.org") for n in range(1, len(READERS) + 1)])
        people = table(Subscriber)
        with db.writing(app.engine) as session:
            for number, (name, attributes) in enumerate(READERS, 1):
                told = update(people).where(people.c.id == number)
                session.execute(told.values(name=name, attributes=attributes))
        yield app


def approved(app: App, words: dict[str, str]) -> int:
    issue_id = pipeline.compose(app, "weekly").issue.id
    assert issue_id is not None
    composed = composing.amend(
        app.engine,
        app.config,
        app.links,
        issue_id,
        app.clock(),
        lambda session: issues.edit_issue(session, issue_id, app.clock(), words),
    )
    with db.writing(app.engine) as session:
        issues.approve(session, issue_id, composed.issue.content_hash, "staff", app.clock())
    return issue_id


def opened(raw: bytes) -> tuple[str, str, str]:
    parsed = message_from_bytes(raw, policy=policy.default)
    text, html = (part.get_content() for part in parsed.iter_parts())
    return str(parsed["Subject"]), " ".join(text.split()), html


def check(mail: tuple[str, str, str], first: str, city: str, name: str) -> None:
    """The mail says these facts of a reader where the editor wrote the fields, and the feed's words as they were."""
    title, text, html = mail
    assert title == f"{first}, the week in {city}"
    assert f"Dear {name}, this is what {first} may like in {city} [" in text
    assert f"Dear <em>{escape(name)}</em>, this is what {escape(first)} may" in html
    assert f">like in {escape(city)}</a>" in html
    assert "A feed's [[first_name|own]]" in text
    assert "[[first_name|own]]" in html


def test_every_reader_gets_their_own_words(app: App, box: Mailbox) -> None:
    issue_id = approved(app, WORDS)
    before = proofs_of(app, issue_id)
    asyncio.run(pipeline.send(app, issue_id))
    assert len(box.messages) == len(READERS)
    for got in box.messages:
        number = int(got.rcpt.removeprefix("reader").partition("@")[0])
        check(opened(got.raw), *SAID[number - 1])
    assert before == proofs_of(app, issue_id) == WORDS["subject"]


def test_a_sponsor_an_editors_title_and_the_address_of_a_link_are_each_readers_own(app: App, box: Mailbox) -> None:
    issue_id = pipeline.compose(app, "weekly").issue.id or 0
    shop = "https://shop.example/?to=[[address.city|our town]]"
    sponsor = Sponsor("Paid for [[first_name|you]]", "Maps", shop, f"[Here]({shop}&again), [[name|reader]]")

    def change(session: Session) -> None:
        issues.edit_article(session, issue_id, 1, app.clock(), "[[first_name|Friend]], read this", "A dek")
        issues.set_sponsor(session, issue_id, app.clock(), sponsor)

    composed = composing.amend(app.engine, app.config, app.links, issue_id, app.clock(), change)
    with db.writing(app.engine) as session:
        issues.approve(session, issue_id, composed.issue.content_hash, "staff", app.clock())
    asyncio.run(pipeline.send(app, issue_id))
    for got in box.messages:
        number = int(got.rcpt.removeprefix("reader").partition("@")[0])
        first, city, name = [("Ann", "Bern", "Ann Bell"), SAID[1], ("Friend", "our town", "reader")][number - 1]
        title, text, html = opened(got.raw)
        assert title == "Friend, read this"  # what is made of a title is the same for all
        assert f"{first}, read this" in text
        assert f">{escape(first)}, read this</bdi>" in html
        assert f"Paid for {escape(first if number < 3 else 'you')}" in html
        assert f"[{'Paid for ' + (first if number < 3 else 'you')}]" in text
        assert f"</a>, {escape(name)}" in html
        for end in ("", "&again"):
            assert f'href="https://shop.example/?to={quote(city, safe="")}{escape(end)}"' in html
            assert f"https://shop.example/?to={quote(city, safe='')}{end}" in text.split()
    _nobody_is_named(app)


def _nobody_is_named(app: App) -> None:
    places = Places("https://home.example/", str, lambda *_: "", str, lambda *_: "")
    with db.reading(app.engine) as session:
        shown, feed = frozen(session, "weekly", 1), told(session, "weekly", 20)
    assert shown
    page = _for_nobody(shown, places)
    assert ">Friend, read this</bdi>" in page
    assert 'href="https://shop.example/?to=our%20town"' in page
    assert not re.search(r"\bAnn\b|Bern|evil|\[\[", page + _entry("id", feed[0], places).html)
    assert "Friend, read this" in _entry("id", feed[0], places).summary


def proofs_of(app: App, issue_id: int) -> str:
    with db.reading(app.engine) as session:
        (share,) = proofs.shares_of(app, session, issue_id).variants
    return share.subject


def test_a_preview_shows_the_readers_words_and_to_nobody_the_defaults(app: App) -> None:
    issue_id = approved(app, WORDS)

    def look() -> None:
        for number, said in enumerate(SAID, 1):
            shown = _shown(app, issue_id, (), reader=f"reader{number}@example.org")
            check(opened(shown.raw), *said)
            check((shown.subject, " ".join(shown.text.split()), shown.html), *said)
        check(opened(_shown(app, issue_id, ()).raw), *SAID[-1])
        stationery, _, list_id = pipeline.stationery_of(app, issue_id)
        raw = specimen(
            app.config, app.links, stationery, list_id=list_id, address="a@example.org", now=app.clock()
        )  # a test copy
        check(opened(raw), *SAID[-1])

    look()
    pipeline.release(app, issue_id)
    look()


def test_a_field_that_nobody_has_is_told_in_the_preview(app: App) -> None:
    known = approved(app, WORDS)
    assert _shown(app, known, ()).problems == ()
    misspelt = approved(app, {"intro": "[[frist_name|friend]] [[name|you]] [[address.city|x]] [[a..1|x]]"})
    assert _shown(app, misspelt, ()).problems == (
        "nobody on the list weekly has the attribute frist_name: everybody gets the default of [[frist_name|...]]",
        "nobody on the list weekly has the attribute a..1: everybody gets the default of [[a..1|...]]",
    )


def test_the_web_shows_the_defaults(app: App) -> None:
    issue_id = approved(app, WORDS)
    asyncio.run(pipeline.send(app, issue_id))
    places = Places("https://home.example/", str, lambda *_: "", str, lambda *_: "")
    with db.reading(app.engine) as session:
        shown = frozen(session, "weekly", 1)
        assert shown
        assert subject(shown.line, places) == "friend, the week in town"
        assert "this is what friend may" in _for_nobody(shown, places)
        latest = _latest(session, app.links, session.get_one(MailingList, "weekly"))
        assert latest["issue_title"] == "friend, the week in town"


def test_without_fields_nobody_is_looked_up_again(app: App, box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    issue_id = approved(app, {"intro": "Good morning."})
    monkeypatch.delattr(ledger, "attributes")
    asyncio.run(pipeline.send(app, issue_id))
    assert len(box.messages) == len(READERS)
    assert all(got.header("Subject") == "A feed's [[first_name|own]]" for got in box.messages)
    with db.reading(app.engine) as session:
        assert session.scalars(select(table(Variant).c.fields)).all() == [[]]


@pytest.mark.parametrize("name", ["subject", "preheader", "intro", "outro"])
def test_a_field_written_wrongly_is_told_at_once(app: App, name: str) -> None:
    with pytest.raises(UsageError, match=rf"^{name}: \[\[first name\|x\]\]: expected \[\[field\|default\]\] like"):
        approved(app, {name: "Dear [[first name|x]]"})
