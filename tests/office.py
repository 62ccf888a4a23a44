"""A database with a list, people, and an issue that is frozen: what delivery starts from."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import islice

from post import AT, KEY, stationery
from sqlalchemy import Engine, insert, select, update

from digest import db
from digest.compose.variants import packed
from digest.deliver.message import Stationery
from digest.models import Delivery, Edition, Instance, Issue, IssueState, table
from subscribers.addresses import hash_address
from subscribers.models import MailingList, Status, Subscriber, Subscription

DOMAINS = ("example.org", "example.com", "mail.example.net", "review.example")


def address(number: int) -> str:
    """The address of the n-th person, from 1."""
    return f"reader{number}@{DOMAINS[number % len(DOMAINS)]}"


def handle(number: int) -> bytes:
    """Their handle."""
    return number.to_bytes(12, "big")


def open_office(
    engine: Engine,
    people: int | Iterable[str],
    *,
    issue_id: int = 12,
    at: datetime = AT,
    written: Stationery | None = None,
) -> None:
    """A confirmed audience (so many, or these addresses), and the frozen issue `issue_id` with one variant."""
    addresses = map(address, range(1, people + 1)) if isinstance(people, int) else iter(people)
    with db.writing(engine) as session:
        session.add(Instance(name="test", message_key=KEY, suppression_key=KEY, created_at=at))
        session.add(MailingList(id="weekly", title="The Weekly", created_at=at))
        session.flush()
        session.add(Edition(id="weekly", list_id="weekly", title="Weekly"))
    numbered = enumerate(addresses, 1)
    while some := list(islice(numbered, 10_000)):
        invite(engine, some, at)
    add_issue(engine, issue_id, at, written)


def invite(engine: Engine, numbered: list[tuple[int, str]], at: datetime = AT) -> None:
    """Confirmed people, by number and address."""
    rows = [
        {
            "id": n,
            "email": email,
            "email_hash": hash_address(KEY, email),
            "domain": email.rpartition("@")[2],
            "handle": handle(n),
            "name": f"Reader {n}",
            "attributes": {},
            "created_at": at,
        }
        for n, email in numbered
    ]
    places = [
        {"subscriber_id": n, "list_id": "weekly", "status": Status.CONFIRMED, "choices": {}, "created_at": at}
        for n, _ in numbered
    ]
    with db.writing(engine) as session:
        session.execute(insert(table(Subscriber)), rows)
        session.execute(insert(table(Subscription)), places)


def add_issue(engine: Engine, issue_id: int, at: datetime = AT, written: Stationery | None = None) -> None:
    """One more frozen issue."""
    written = written or stationery()
    with db.writing(engine) as session:
        session.add(
            Issue(
                id=issue_id,
                edition_id="weekly",
                number=issue_id,
                state=IssueState.FROZEN,
                window_start=at,
                window_end=at,
                created_at=at,
            )
        )
        session.flush()
        session.add(packed(written, "", at, issue_id))


def change_issue(engine: Engine, issue_id: int = 12, **values: object) -> None:
    """What a person does to an issue from elsewhere: pause, cancel."""
    with db.writing(engine) as session:
        session.execute(update(table(Issue)).where(table(Issue).c.id == issue_id).values(**values))


def leave(engine: Engine, number: int) -> None:
    """The n-th person unsubscribes."""
    places = table(Subscription)
    with db.writing(engine) as session:
        session.execute(
            update(places).where(places.c.subscriber_id == number).values(status=Status.UNSUBSCRIBED, left_at=AT)
        )


def rows(engine: Engine) -> dict[str, Delivery]:
    """Every delivery by address."""
    with db.reading(engine) as session:
        found = session.execute(
            select(Delivery, table(Subscriber).c.email).outerjoin(
                table(Subscriber), table(Subscriber).c.id == table(Delivery).c.subscriber_id
            )
        )
        return {email or delivery.address: delivery for delivery, email in found}


def issue_state(engine: Engine, issue_id: int = 12) -> str:
    """Where the issue is in its life."""
    with db.reading(engine) as session:
        return session.get_one(Issue, issue_id).state
