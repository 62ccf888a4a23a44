"""The pages in a real Chromium: by keyboard alone, with axe, with and without scripts (A-19, H-08, S-B13)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import nodetools
import pytest
from browser import Person
from chromium import BINARY, Page, page
from sqlalchemy import Engine, select
from webhost import SUPPRESSION_KEY, Host, add_edition, add_list, add_reader, configured, everything, serving, status_of

from digest import db
from digest.models import people, table
from subscribers.joining import SignUp, join

pytestmark = pytest.mark.skipif(BINARY is None, reason="there is no Chromium on this machine")

WAIT_S = float(os.environ.get("BROWSER_WAIT_S", "2"))  # how long each link of a mail is left open; 30 says it all
SIZES = [(width, dark) for width in (320, 600, 1280) for dark in (False, True)]


@pytest.fixture
def open_host(engine: Engine) -> Iterator[Host]:
    """A newsroom of two languages that asks for work, served now; on SQLite alone, as pages are the same on both."""
    if engine.dialect.name == "postgresql":
        pytest.skip("a browser sees no database")
    now = datetime.now(UTC)
    with db.writing(engine) as session:
        add_list(session, now, title="The Weekly Round-up", description="Every Friday.")
        add_list(session, now, "daily", title="The Morning Brief")
        add_edition(session, "weekly", "europe", "asia", "more")
    settings = configured(proof_of_work=True)
    settings = replace(settings, site=replace(settings.site, languages=("en", "ar")))
    with serving(engine, None, settings) as host:
        yield host


@pytest.fixture
def shown() -> Iterator[Page]:
    with page() as found:
        yield found


@pytest.fixture
def browser(shown: Page) -> Person:
    person = Person(shown)
    person.window(1280)
    return person


def asked(host: Host, email: str = "bob@example.org") -> str:
    """The path in a confirm mail to somebody."""
    handle = email.encode()[:12].ljust(12, b"x")
    with db.writing(host.engine) as session:
        wish = SignUp(email, ("weekly", "daily"))
        sent = join(session, wish, key=SUPPRESSION_KEY, now=datetime.now(UTC), random_bytes=lambda size: handle).sends[
            0
        ]
    return host.path(host.links.confirm(handle, sent.confirmation_id))


def heading(browser: Person) -> str:
    return str(browser.said("document.querySelector('h1').innerText"))


def test_a_person_joins_and_leaves_by_keyboard(open_host: Host, browser: Person) -> None:
    host = open_host
    browser.open(host.url + "/")
    browser.tab_to("input[value=weekly]")
    browser.press("Space")
    browser.tab_to("summary")
    browser.press("Enter")
    browser.tab_to("input[name=sections-weekly][value=asia]")
    browser.press("Space")
    browser.tab_to("#email")
    browser.type("ann@example.org")
    browser.press("Enter", loads=True)  # the script works, and waits until three seconds are over
    assert heading(browser) == "Now look at your mail"
    person, mail, place = (table(one) for one in (people.Subscriber, people.Confirmation, people.Subscription))
    with db.reading(host.engine) as session:
        handle, choices = session.execute(select(person.c.handle, place.c.choices).join_from(person, place)).one()
        number = session.execute(select(mail.c.id)).scalar_one()
    assert choices == {"sections": ["asia"]}
    browser.open(host.url + host.path(host.links.confirm(handle, number)))
    assert heading(browser) == "Subscribe to The Weekly Round-up?"
    browser.tab_to("button[value=confirm]")
    browser.press("Enter", loads=True)
    assert heading(browser) == "You are subscribed"
    assert status_of(host.engine, "ann@example.org") == "confirmed"
    browser.open(host.url + host.path(host.links.unsubscribe(handle, "weekly")))
    browser.tab_to("button[value=unsubscribe]")
    browser.press("Space", loads=True)
    assert heading(browser) == "You are unsubscribed"
    assert status_of(host.engine, "ann@example.org") == "unsubscribed"


def test_a_mistake_is_found_by_keyboard(open_host: Host, browser: Person) -> None:
    browser.open(open_host.url + "/?lang=en")
    browser.tab_to("input[value=weekly]")
    browser.press("Space")
    browser.tab_to("#email")
    browser.type("ann@")
    browser.press("Enter", loads=True)
    assert browser.said("document.activeElement.id") == "email"  # the focus is where the mistake is
    assert browser.said("document.activeElement.getAttribute('aria-describedby')") == "problem"
    assert browser.said("document.querySelector('input[value=weekly]').checked")


def test_a_stranger_is_kept_off_by_keyboard(open_host: Host, browser: Person) -> None:
    browser.open(open_host.url + asked(open_host))
    browser.tab_to("button[value=decline]")
    browser.press("Enter", loads=True)
    assert heading(browser) == "We will not ask again"
    assert status_of(open_host.engine, "bob@example.org") == "declined"


@pytest.mark.skipif(not nodetools.AXE.is_file(), reason="axe-core is not here: python tests/nodetools.py fetches it")
def test_axe_finds_nothing_on_any_page_at_any_width(open_host: Host, browser: Person, shown: Page) -> None:
    token = asked(open_host)
    paths = ["/", token, "/unsubscribe/x", "/confirm/x", "/nosuch", "/?lang=ar"]
    found = []
    for path in paths:
        for width, dark in SIZES:
            browser.window(width, dark=dark)
            browser.open(open_host.url + path)
            browser.said("document.querySelectorAll('details').forEach(one => one.open = true); 0")
            wide = browser.said("document.documentElement.scrollWidth")
            found += [f"{path} at {width}: {wide} wide"] if wide > width else []
            if (width, dark) in ((320, False), (1280, True)):
                found += [f"{path} at {width}: {one}" for one in nodetools.violations(shown)]
    browser.window(320)
    for path, button in [
        (token, "confirm"),
        ("/unsubscribe/x", "everything"),
        (asked(open_host, "c@x.example"), "decline"),
    ]:
        browser.open(open_host.url + path)
        browser.tab_to(f"button[value={button}]")
        browser.press("Enter", loads=True)
        found += [f"after {button}: {one}" for one in nodetools.violations(shown)]
    assert found == []


def test_a_word_without_end_widens_no_page(open_host: Host, browser: Person) -> None:
    word = "Donaudampfschifffahrtsgesellschaftskapitänswitwenrentenauszahlungsstelle"
    with db.writing(open_host.engine) as session:
        add_list(session, datetime.now(UTC), "long", title=word, description=word * 3)
        add_edition(session, "long", word.lower(), "more")
        ann = add_reader(session, datetime.now(UTC), "ann@example.org", "long")
    browser.window(320)
    for path in ("/", open_host.path(open_host.links.preferences(ann.handle, "long"))):
        browser.open(open_host.url + path)
        browser.said("document.querySelectorAll('details').forEach(one => one.open = true); 0")
        assert browser.said("document.documentElement.scrollWidth") == 320
        assert browser.said("Math.min(...[...document.querySelectorAll('button')].map(one => one.offsetHeight))") >= 44


def test_a_scanner_with_scripts_that_opens_every_link_of_a_mail_changes_nothing(
    open_host: Host, browser: Person
) -> None:
    host = open_host
    path = asked(host)
    handle = b"bob@example.org"[:12]
    links = [path, host.path(host.links.decline(handle, 1)), host.path(host.links.unsubscribe(handle, "weekly"))]
    before = everything(host.engine)
    for link in links:
        browser.open(host.url + link)
        browser.said(
            "document.querySelectorAll('a, input').forEach(one => one.dispatchEvent(new Event('mouseover'))); 0"
        )
        time.sleep(WAIT_S)
        browser.said("0")
    assert everything(host.engine) == before
    browser.open(host.url + path)
    browser.tab_to("button[value=confirm]")
    browser.press("Enter", loads=True)
    assert heading(browser) == "You are subscribed"


def test_a_form_on_another_site_is_taken_at_once_with_our_script(
    open_host: Host, browser: Person, tmp_path: Path
) -> None:
    host = open_host
    page = tmp_path / "page.html"
    page.write_text(
        f'<!doctype html><title>x</title><form method="post" action="{host.url}/subscribe" data-digest>'
        '<input type="hidden" name="list" value="weekly"><input type="email" name="email">'
        f'<button>Go</button></form><script src="{host.url}/form.js" async></script>'
    )
    browser.open(page.as_uri())
    browser.tab_to("input[name=email]")
    browser.type("eve@example.org")
    browser.press("Enter", loads=True)
    assert heading(browser) == "Now look at your mail"
    assert status_of(host.engine, "eve@example.org") == "pending"
