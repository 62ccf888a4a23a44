"""The public pages on a loopback port, as `digest web` serves them, with a clock that the test moves."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import samples
from sqlalchemy import Engine
from sqlmodel import Session

from digest import db
from digest.blanks import Blank, blank
from digest.compose.content import IssueContent, to_json
from digest.config import Config, MailConfig, SiteConfig, WebConfig
from digest.config.stored import edition_to_json
from digest.config.values import EditionConfig, SectionConfig
from digest.links import Links
from digest.models import Edition, Instance, Issue, IssueState, Variant, people, table
from digest.templating import Templates, template_root
from digest.web import create_app
from digest.web.serving import listener, server
from subscribers.addresses import hash_address
from subscribers.tokens import KeyRing

SUPPRESSION_KEY = b"s" * 32
SECRET = "a secret of the tests, long enough to be one"


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now

    def move(self, **span: float) -> None:
        self.now += timedelta(**span)


class Going(Clock):
    """A clock that goes."""

    def __call__(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class Host:
    """What create_app needs of a wired application, and the address where it is served."""

    engine: Engine
    clock: Clock
    config: Config
    templates: Templates = field(default_factory=lambda: Templates(template_root()))
    port: int = 0

    @property
    def instance(self) -> Instance:
        return Instance(name="test", message_key=b"m" * 32, suppression_key=SUPPRESSION_KEY, created_at=self.clock.now)

    @property
    def links(self) -> Links:
        web = self.config.web
        return Links(web.public_url + web.path_prefix, KeyRing(web.secret, web.old_secrets))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def path(self, link: str) -> str:
        """The path of one of our links."""
        return link.removeprefix(self.config.web.public_url)

    def client(self, **settings: Any) -> httpx.Client:
        """A client that follows nothing and believes no environment."""
        return httpx.Client(base_url=self.url, trust_env=False, timeout=30, **settings)

    def raw(self, request: bytes) -> bytes:
        """The whole answer to `request`, byte for byte, read to the end of the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(request)
            parts = []
            while part := connection.recv(65536):
                parts.append(part)
        return b"".join(parts)


def configured(**web: Any) -> Config:
    """Settings of a small newsroom; `web` replaces values of [web]."""
    return Config(
        site=SiteConfig(
            name="The Paper", url="https://paper.example", postal_address="1 Press Lane, Springfield", timezone="UTC"
        ),
        mail=MailConfig(sender="The Paper <news@paper.example>"),
        web=replace(WebConfig(public_url="https://paper.example", secret=SECRET), **web),
    )


@contextmanager
def serving(engine: Engine, now: datetime | None, config: Config | None = None) -> Iterator[Host]:
    """A host whose pages answer on a port of their own until the block ends; without `now` its clock goes."""
    host = Host(engine, Clock(now) if now else Going(datetime.now(UTC)), config or configured())
    with listener("127.0.0.1:0") as listening:
        host.port = listening.getsockname()[1]
        running = server(create_app(host))
        thread = threading.Thread(target=running.run, args=([listening],))
        thread.start()
        try:
            yield host
        finally:
            running.should_exit = True
            thread.join()


def add_list(session: Session, now: datetime, list_id: str = "weekly", **values: Any) -> None:
    """A public list, unless `values` say otherwise."""
    title = values.pop("title", list_id.title())
    session.add(people.MailingList(id=list_id, title=title, created_at=now, **values))
    session.flush()


def add_reader(
    session: Session, now: datetime, email: str, list_id: str = "weekly", status: str = "confirmed"
) -> people.Subscriber:
    """Somebody on a list; they may be on others already."""
    person = people.Subscriber(
        email=email,
        email_hash=hash_address(SUPPRESSION_KEY, email),
        domain=email.rpartition("@")[2],
        handle=os.urandom(12),
        created_at=now,
    )
    session.add(person)
    session.flush()
    assert person.id is not None
    session.add(people.Subscription(subscriber_id=person.id, list_id=list_id, status=status, created_at=now))
    session.flush()
    return person


def add_edition(session: Session, edition_id: str = "weekly", *sections: str) -> None:
    """An edition on the list of the same name, with these sections."""
    title, found = f"The {edition_id.title()}", tuple(SectionConfig(one, one.title()) for one in sections)
    settings = edition_to_json(EditionConfig(edition_id, edition_id, title, sections=found))
    session.add(Edition(id=edition_id, list_id=edition_id, title=title, settings=settings))
    session.flush()


def add_issue(
    session: Session, now: datetime, number: int, state: str = IssueState.SENT, edition_id: str = "weekly"
) -> None:
    """A frozen issue of an edition on the list of the same name, with every blank in it."""
    if session.get(Edition, edition_id) is None:
        add_edition(session, edition_id)
    issue = Issue(
        edition_id=edition_id,
        number=number,
        state=state,
        window_start=now,
        window_end=now,
        created_at=now,
        frozen_at=now - timedelta(weeks=30 - number),
        inputs=zlib.compress(to_json(content(number)).encode()),
    )
    session.add(issue)
    session.flush()
    word = f"w{number}k"
    html = (
        f"<!DOCTYPE html><html lang=en><head><title>No. {number}</title></head><body>"
        f"<p>Dear {blank(word, Blank.NAME)}!</p><p style='color:red'>Öffentlich</p>"
        f'<a href="{blank(word, Blank.UNSUBSCRIBE)}">Unsubscribe</a></body></html>'
    ).encode()
    session.add(
        Variant(
            issue_id=issue.id,
            key="",
            subject=f"Number {number}, and <more>",
            html=zlib.compress(html),
            text=zlib.compress(b"text"),
            blank_word=word,
            sha256=hashlib.sha256(html).hexdigest(),
            made_at=now,
        )
    )
    session.flush()


def content(number: int) -> IssueContent:
    """What the issue with this number said."""
    return replace(
        samples.ISSUE, edition="The Weekly", edition_id="weekly", number=number, subject=f"Number {number}, and <more>"
    )


def shown(web: httpx.Client, path: str = "/") -> str:
    """The stamp in the sign-up form."""
    found = re.search(r'name="shown" value="([^"]+)"', web.get(path).text)
    assert found
    return found[1]


def sign_up(host: Host, web: httpx.Client, email: str, *, headers: Any = None, **fields: Any) -> httpx.Response:
    """Fill in the form and press the button ten seconds later; a field that is None is not sent."""
    form = {"email": email, "list": "weekly", "name": "", "website": "", "shown": shown(web), **fields}
    host.clock.move(seconds=10)
    told = {key: value for key, value in form.items() if value is not None}
    return web.post("/subscribe", data=told, headers=headers)


_VOLATILE = re.compile(r"\d+\.[0-9a-f]{32}")  # the stamp of a form


def body(answer: httpx.Response) -> str:
    """The text of a page without the stamp that changes every second."""
    return _VOLATILE.sub("STAMP", answer.text)


def everything(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables about people and mail: two calls are equal when nothing has changed between them."""
    models = (
        people.Subscriber,
        people.Subscription,
        people.Confirmation,
        people.MailedLink,
        people.Consent,
        people.Suppression,
        people.MailingList,
    )
    with db.reading(engine) as session:
        tables = [table(model) for model in models] + [table(Issue)]
        return {
            found.name: sorted((tuple(row) for row in session.execute(found.select())), key=repr) for found in tables
        }


def status_of(engine: Engine, email: str, list_id: str = "weekly") -> str | None:
    """Where `email` stands on the list, None when it is not known there."""
    person, place = table(people.Subscriber).c, table(people.Subscription).c
    with db.reading(engine) as session:
        found: str | None = session.execute(
            table(people.Subscription)
            .join(table(people.Subscriber), person.id == place.subscriber_id)
            .select()
            .with_only_columns(place.status)
            .where(person.email == email, place.list_id == list_id)
        ).scalar_one_or_none()
    return found
