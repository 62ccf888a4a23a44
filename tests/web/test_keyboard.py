"""The reader's page with the keyboard alone, in a real browser, without a script: every step with Tab, Space, Enter."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime

import chromium
import pytest
from sqlalchemy import Engine, select
from webhost import Host, add_list, add_reader, configured, serving, status_of

from digest import db
from digest.config.stored import edition_to_json
from digest.config.values import EditionConfig, SectionConfig
from digest.models import Edition, people, table

pytestmark = pytest.mark.skipif(chromium.BINARY is None, reason="there is no chromium here")
ANN = "ann@example.org"
FOCUSED = """(() => {
  const e = document.activeElement;
  const words = [e.name || "", e.value || "", e.textContent.trim(), e.tagName];
  return [...words, e.getBoundingClientRect().width, getComputedStyle(e).outlineStyle].join("|");
})()"""


@pytest.fixture
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """One database is enough: what is pressed is the same."""
    engine = db.open_engine(f"sqlite:///{tmp_path_factory.mktemp('keyboard') / 'digest.db'}")
    db.upgrade(engine)
    return engine


def newsroom(host: Host, now: datetime) -> people.Subscriber:
    with db.writing(host.engine) as session:
        add_list(session, now, description="Every Friday.")
        add_list(session, now, "daily", description="Every morning.")
        sections = (SectionConfig("asia", "Asia-Pacific"), SectionConfig("europe", "Europe"))
        settings = edition_to_json(EditionConfig("weekly", "weekly", "Weekly", sections=sections))
        session.add(Edition(id="weekly", list_id="weekly", title="Weekly", settings=settings))
        return add_reader(session, now, ANN)


def tab_to(shown: chromium.Page, found: Callable[[str], bool]) -> None:
    """Press Tab until what has the focus says so; every stop on the way has to be visible."""
    for _ in range(80):
        shown.press("Tab")
        what = shown.said(FOCUSED)
        *said, tag, width, outline = what.split("|")
        assert tag == "BODY" or (float(width) > 0 and outline != "none"), what
        if found("|".join([*said, tag])):
            return
    raise AssertionError("the keyboard does not get there")


def button(words: str) -> Callable[[str], bool]:
    return lambda said: said.endswith("|BUTTON") and words in said


def field(name: str) -> Callable[[str], bool]:
    return lambda said: said.startswith(f"{name}|")


def test_choosing_leaving_and_being_erased_by_keyboard(engine: Engine, now: datetime) -> None:
    with serving(engine, now, configured(public_url="http://127.0.0.1")) as host, chromium.page() as shown:
        ann = newsroom(host, now)
        shown.go(host.url + host.path(host.links.preferences(ann.handle, "weekly")))
        tab_to(shown, field("pause:weekly"))
        shown.press("ArrowDown", "ArrowDown")
        tab_to(shown, lambda said: said.endswith("|SUMMARY"))
        shown.press("Enter")
        tab_to(shown, field("section:weekly:asia"))
        shown.press("ArrowDown")
        tab_to(shown, field("name"))
        shown.press(*"Ann")
        tab_to(shown, button("Save"))
        shown.press("Enter")
        shown.settle()
        assert "Saved." in shown.said("document.querySelector('[role=status]').textContent")
        with db.reading(engine) as session:
            place = session.execute(select(table(people.Subscription))).one()
            assert place.choices == {"sections": ["asia"]}
            assert (place.paused_until - now).days == 14
            assert session.get_one(people.Subscriber, ann.id).name == "Ann"

        tab_to(shown, button("Mail me the link"))
        shown.press("Enter")
        shown.settle()
        assert shown.said("document.querySelector('h1').textContent") == "Now look at your mail"
        with db.reading(engine) as session:
            number = session.execute(select(table(people.MailedLink).c.id)).scalar_one()
        shown.go(host.url + host.path(host.links.account(ann.handle, number)))
        tab_to(shown, lambda said: said.startswith("on|daily"))
        shown.press("Space")
        tab_to(shown, button("Save"))
        shown.press("Enter")
        shown.settle()
        assert status_of(engine, ANN, "daily") == "confirmed"
        tab_to(shown, button("Erase everything"))
        shown.press("Enter")
        shown.settle()
        assert status_of(engine, ANN) == "confirmed"
        tab_to(shown, button("Yes, erase everything"))
        shown.press("Enter")
        shown.settle()
        assert shown.said("document.querySelector('h1').textContent") == "You are erased"
        assert status_of(engine, ANN) is None
        assert json.loads(shown.said("JSON.stringify(document.scripts.length)")) == 0
