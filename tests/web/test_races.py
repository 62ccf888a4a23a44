"""What a reader does at the moment in which they are erased ends as if it had come just before, or just after."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from threading import Barrier
from typing import Any

import httpx
import pytest
from senders import until
from sqlalchemy import Engine, event, select, text
from webhost import SUPPRESSION_KEY, Host, add_list, add_reader, body, everything, serving, shown

from digest import db
from digest.keeping.erasing import erase
from digest.models import people, table
from subscribers.joining import SignUp, join
from subscribers.links import Holder, ask_move, held
from subscribers.tokens import Claim, Purpose

ROUNDS = int(os.environ.get("DIGEST_RACES", "3"))


@dataclass(frozen=True)
class Reader:
    """Somebody who is on the weekly, was asked whether they want the daily, and has a form before them."""

    host: Host
    email: str
    handle: bytes
    number: int  # of the confirm mail
    shown: str

    def presses(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """Everything they may do now: the path and the form."""
        host, form = self.host, {"email": self.email, "shown": self.shown}
        confirm = host.path(host.links.confirm(self.handle, self.number))
        page = host.path(host.links.preferences(self.handle, "weekly"))
        leave = host.path(host.links.unsubscribe(self.handle, "weekly"))
        return {
            "sign up": ("/subscribe", form | {"list": "daily"}),
            "ask for the link": ("/link", form),
            "confirm": (confirm, {"answer": "confirm"}),
            "decline": (confirm, {"answer": "decline"}),
            "choose": (page, {"action": "save", "shown": ["weekly"], "on": ["weekly"], "name": "Ann"}),
            "leave all": (page, {"action": "leave"}),
            "ask on the page": (page, {"action": "link"}),
            "one-click": (leave, {"List-Unsubscribe": "One-Click"}),
            "leave": (leave, {"answer": "everything"}),
        }

    def erase(self) -> None:
        with db.writing(self.host.engine) as session:
            erase(session, self.email, key=SUPPRESSION_KEY, now=self.host.clock.now)

    def is_gone(self) -> bool:
        with db.reading(self.host.engine) as session:
            return not session.execute(select(table(people.Subscriber)).where(_person.email == self.email)).first()


_person = table(people.Subscriber).c


def come(host: Host, email: str) -> Reader:
    with db.writing(host.engine) as session:
        handle = add_reader(session, host.clock.now, email).handle
        means: dict[str, Any] = {"key": SUPPRESSION_KEY, "now": host.clock.now, "random_bytes": os.urandom}
        (send,) = join(session, SignUp(email, ("daily",)), **means).sends
    with host.client() as web:
        form = shown(web)
    host.clock.move(seconds=10)
    return Reader(host, email, handle, send.confirmation_id, form)


@pytest.fixture
def host(engine: Engine, now: datetime) -> Iterator[Host]:
    with db.writing(engine) as session:
        add_list(session, now, welcome=True, goodbye=True)
        add_list(session, now, "daily", welcome=True)
    with serving(engine, now) as host:
        yield host


def somebody_waits(engine: Engine) -> bool:
    """Whether a transaction waits for another one; SQLite can't say, and whoever writes there waits from the start."""
    if engine.dialect.name == "sqlite":
        time.sleep(0.05)
        return True
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with engine.connect() as connection:
        return bool(connection.execute(text(waiting)).scalar())


def test_who_is_erased_while_their_press_waits_is_not_there_any_more(host: Host) -> None:
    with ThreadPoolExecutor(1) as threads, host.client() as web:
        for press in come(host, "first@example.org").presses():
            ann = come(host, f"{press.replace(' ', '-')}@example.org")
            path, form = ann.presses()[press]
            with db.writing(host.engine) as session:
                erase(session, ann.email, key=SUPPRESSION_KEY, now=host.clock.now)
                waiting = threads.submit(web.post, path, data=form)
                until(f"wait of {press}", lambda: somebody_waits(host.engine), 20)
            answer = waiting.result()
            after = everything(host.engine)
            assert (press, answer.status_code, ann.is_gone()) == (press, 200, True)
            again = web.post(path, data=form)
            assert body(again) == body(answer)
            assert everything(host.engine) == after


def test_who_erases_waits_for_who_is_leaving(host: Host) -> None:
    """Leaving touches the subscription, then the person, by the record of consent; erasing comes between."""
    ann, jobs = come(host, "ann@example.org"), []

    def between(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if statement.startswith("INSERT INTO consent") and not jobs:
            jobs.append(threads.submit(ann.erase))
            until("wait of who erases", lambda: somebody_waits(host.engine), 20)

    with ThreadPoolExecutor(1) as threads, host.client() as web:
        event.listen(host.engine, "before_cursor_execute", between)
        try:
            path, form = ann.presses()["one-click"]
            assert web.post(path, data=form).status_code == 200
        finally:
            event.remove(host.engine, "before_cursor_execute", between)
        jobs[0].result()
    assert ann.is_gone()


def test_an_address_is_given_to_who_comes_first(host: Host) -> None:
    """Somebody signs up with an address at the moment at which a reader has their mail go there."""
    ann, new = come(host, "ann@example.org"), "ann@new.example"
    link = host.path(move_link(ann, new))
    with ThreadPoolExecutor(1) as threads, host.client() as web:
        with db.writing(host.engine) as session:
            means: dict[str, Any] = {"key": SUPPRESSION_KEY, "now": host.clock.now, "random_bytes": os.urandom}
            join(session, SignUp(new, ("weekly",)), **means)
            waiting = threads.submit(web.post, link)
            until("wait of who moves", lambda: somebody_waits(host.engine), 20)
        answer = waiting.result()
    assert (answer.status_code, "Your address was not changed" in answer.text) == (200, True)
    assert not ann.is_gone()


def move_link(ann: Reader, new: str) -> str:
    """The link in the letter that asks whether mail shall go to `new`."""
    with db.writing(ann.host.engine) as session:
        person = session.execute(select(_person.id).where(_person.email == ann.email)).scalar_one()
        holder = Holder(0, person, ann.handle, ann.email, None, "", "")
        letter = ask_move(session, holder, new, key=SUPPRESSION_KEY, now=ann.host.clock.now)
        assert letter
        assert held(session, Claim(Purpose.MOVE, ann.handle, str(letter.number)), ann.host.clock.now)
    return ann.host.links.move(ann.handle, letter.number)


def test_a_crowd_of_presses_and_an_erasure_at_once(host: Host) -> None:
    def all_at_once(*acts: Callable[[], Any]) -> list[Any]:
        start = Barrier(len(acts))

        def one(act: Callable[[], Any]) -> Any:
            start.wait()
            return act()

        return [job.result() for job in [threads.submit(one, act) for act in acts]]

    with ThreadPoolExecutor(12) as threads, host.client(limits=httpx.Limits(max_connections=12)) as web:
        for number in range(ROUNDS):
            ann = come(host, f"reader{number}@example.org")
            posts = [lambda path=path, form=form: web.post(path, data=form) for path, form in ann.presses().values()]
            *answers, _ = all_at_once(*posts, ann.erase)
            assert [answer.status_code for answer in answers] == [200] * len(posts)
            assert ann.is_gone()
