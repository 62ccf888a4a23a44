"""One person's page, and people page by page: what an administrator sees."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Table, func, select
from sqlmodel import Session

from subscribers.addresses import hash_address
from subscribers.columns import table
from subscribers.errors import UnknownPerson
from subscribers.models import Consent, Subscriber, Subscription, Suppression, Tag

_SECRET = {"handle", "email_hash", "subscriber_id"}


def person(session: Session, normalised: str, *, key: bytes) -> dict[str, Any]:
    """All that is kept about an address, as plain values: the person, their lists, every proof, suppressions.

    An address that is only suppressed has a page too; UnknownPerson if there is nothing.
    """
    email_hash = hash_address(key, normalised)
    people = table(Subscriber)
    found = session.execute(select(people).where(people.c.email == normalised)).mappings().one_or_none()
    away = table(Suppression).c.hash.in_([email_hash, "@" + normalised.rpartition("@")[2]])
    suppressions = _rows(session, table(Suppression), away, "scope")
    if found is None and not suppressions:
        raise UnknownPerson(f"nobody has the address {normalised}")
    page: dict[str, Any] = {"email": normalised, "subscriptions": [], "consent": []}
    if found is not None:
        page |= {name: value for name, value in found.items() if name not in _SECRET | {"id"}}
        places, proofs = table(Subscription), table(Consent)
        page["subscriptions"] = _rows(session, places, places.c.subscriber_id == found["id"], "list_id")
        tag = table(Tag)
        names = select(tag.c.name).where(tag.c.subscriber_id == found["id"]).order_by(tag.c.name)
        page["tags"] = list(session.execute(names).scalars())
        page["consent"] = _rows(session, proofs, proofs.c.subscriber_id == found["id"], "id")
    page["suppressions"] = [{name: row[name] for name in ("scope", "reason", "at")} for row in suppressions]
    return page


def listing(
    session: Session,
    *,
    list_id: str | None = None,
    status: str | None = None,
    where: ColumnElement[bool] | None = None,
    search: str = "",
    after: int = 0,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """Up to `limit` people by id, the first one above `after`; with `list_id` or `status` those alone.

    With `where`, a condition on `subscriber`, or `search`, a part of the address or name in any case, only those. Each
    with id, email, name, created_at, and `lists`: id of the list -> status.
    """
    people, places = table(Subscriber), table(Subscription)
    rows = select(people.c.id, people.c.email, people.c.name, people.c.created_at).where(people.c.id > after)
    if list_id is not None or status is not None:
        fits = [places.c.subscriber_id == people.c.id, places.c.subscriber_id > after]
        fits += [places.c.list_id == list_id] if list_id is not None else []
        fits += [places.c.status == status] if status is not None else []
        rows = rows.where(select(1).where(*fits).correlate(people).exists())
    if where is not None:
        rows = rows.where(where)
    if search:
        part = search.strip().lower()
        rows = rows.where(
            people.c.email.contains(part, autoescape=True) | func.lower(people.c.name).contains(part, autoescape=True)
        )
    page = [dict(row, lists={}) for row in session.execute(rows.order_by(people.c.id).limit(limit)).mappings()]
    by_id = {row["id"]: row for row in page}
    for place in session.execute(select(places).where(places.c.subscriber_id.in_(by_id))):
        by_id[place.subscriber_id]["lists"][place.list_id] = place.status
    return page


def lists_of(session: Session, normalised: str) -> tuple[bytes, list[str]]:
    """The handle of the person with this address and the lists they are or were on; UnknownPerson."""
    people, places = table(Subscriber), table(Subscription)
    found = session.execute(select(people.c.id, people.c.handle).where(people.c.email == normalised)).one_or_none()
    if found is None:
        raise UnknownPerson(f"nobody has the address {normalised}")
    lists = select(places.c.list_id).where(places.c.subscriber_id == found.id).order_by(places.c.list_id)
    return found.handle, list(session.execute(lists).scalars())


def _rows(session: Session, rows: Table, where: Any, order: str) -> list[dict[str, Any]]:
    found = session.execute(select(rows).where(where).order_by(rows.c[order])).mappings()
    return [{name: value for name, value in row.items() if name not in _SECRET} for row in found]
