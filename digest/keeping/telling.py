"""All that is kept about one person, as plain values: to take along, to prove consent with, to look into. Step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Table, select
from sqlmodel import Session

from digest.models import Delivery, Issue, Variant, people, table
from subscribers.standing import person

_d = table(Delivery)
_MAIL = ("occasion", "list_id", "message_id", "state", "attempts", "handed_at", "settled_at", "relay", "code", "reason")


def record(session: Session, normalised: str, *, key: bytes) -> dict[str, Any]:
    """Everything about an address: the person, lists and choices, every line of consent, what they were asked, every
    message with what became of it, suppressions. UnknownPerson if there is nothing.

    `content` of a message is the SHA-256 of what it said, equal for all who got the same.
    """
    whole = person(session, normalised, key=key)
    who = table(people.Subscriber)
    found = session.execute(select(who.c.id).where(who.c.email == normalised)).scalar_one_or_none()
    asked, links = table(people.Confirmation), table(people.MailedLink)
    whole["confirmations"] = _rows(session, asked, found)
    whole["links"] = _rows(session, links, found)
    whole["messages"] = _messages(session, found)
    return whole


def history(whole: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What happened to the person of this `record`, the earliest first: at, what, list, how, and a detail."""
    return sorted(_events(whole), key=lambda event: event["at"])


def _events(whole: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if "created_at" in whole:
        yield _event(whole["created_at"], "first seen", None, "", "")
    for line in whole["consent"]:
        yield _event(line["at"], line["action"], line["list_id"], line["method"], line["text"])
    for link in whole["links"]:
        yield _event(link["created_at"], f"asked for a {link['kind']}", None, "mail", link["email"])
        if link["used_at"]:
            yield _event(link["used_at"], f"used the {link['kind']}", None, "page", "")
    for one in whole["messages"]:
        at = one["settled_at"] or one["handed_at"]
        if at:
            said = " ".join(str(part) for part in (one["code"], one["reason"]) if part)
            what = one["subject"] or one["occasion"]
            yield _event(at, one["state"], one["list_id"], one["relay"] or "", f"{what}: {said}" if said else what)
    for row in whole["suppressions"]:
        yield _event(row["at"], "kept away", row["scope"] or None, "", row["reason"])


def _event(at: datetime, what: str, list_id: str | None, how: str, detail: str) -> dict[str, Any]:
    return {"at": at, "what": what, "list": list_id, "how": how, "detail": detail}


def _rows(session: Session, rows: Table, subscriber_id: int | None) -> list[dict[str, Any]]:
    mine = select(rows).where(rows.c.subscriber_id == subscriber_id).order_by(rows.c.id)
    found = session.execute(mine).mappings()
    return [{name: value for name, value in row.items() if name not in ("id", "subscriber_id")} for row in found]


def _messages(session: Session, subscriber_id: int | None) -> list[dict[str, Any]]:
    issue, variant = table(Issue), table(Variant)
    rows = session.execute(
        select(
            *(_d.c[name] for name in _MAIL),
            issue.c.edition_id.label("edition"),
            issue.c.number,
            variant.c.subject,
            variant.c.sha256.label("content"),
        )
        .select_from(
            _d.outerjoin(issue, issue.c.id == _d.c.issue_id).outerjoin(variant, variant.c.id == _d.c.variant_id)
        )
        .where(_d.c.subscriber_id == subscriber_id)
        .order_by(_d.c.id)
    )
    return [dict(row) for row in rows.mappings()]
