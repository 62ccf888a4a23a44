"""Leaving, staying away, and who may be mailed at the moment of the send."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from newsroom import KEY, claim, handle, how_many, proofs, sign_up, statuses
from sqlalchemy import Integer, String, cast, delete, literal, select, update
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from subscribers.audience import (
    CONFIRM_MAILS,
    EVERYWHERE,
    Member,
    may_receive_confirm,
    may_receive_issue,
    members,
    size,
    why_not,
)
from subscribers.columns import table
from subscribers.errors import UnknownPerson
from subscribers.joining import SignUp, admit, confirm, decline
from subscribers.leaving import suppress, unsubscribe
from subscribers.models import Consent, Subscriber, Subscription, Suppression
from subscribers.standing import listing, person
from subscribers.suppressing import lift_all, subject
from subscribers.tokens import Purpose

ANN, BOB = "ann@example.org", "bob@example.net"


def reader(session: Session, now: datetime, random: Any, email: str = ANN, *lists: str) -> int:
    """Somebody confirmed on lists; their id."""
    wish = SignUp(email, lists or ("weekly",), text="on paper")
    admit(session, wish, key=KEY, now=now, random_bytes=random)
    row = table(Subscriber)
    return int(session.execute(select(row.c.id).where(row.c.email == email)).scalar_one())


def gets_issue(session: Session, subscriber_id: int, now: datetime, list_id: str = "weekly") -> bool:
    may = may_receive_issue(literal(subscriber_id, Integer), literal(list_id, String), now)
    row = table(Subscriber)
    return session.execute(select(row.c.id).where(row.c.id == subscriber_id, may)).one_or_none() is not None


def gets_confirm(session: Session, subscriber_id: int, now: datetime, number: int | None = None) -> bool:
    which = None if number is None else cast(literal(str(number), String), Integer)
    may = may_receive_confirm(literal(subscriber_id, Integer), literal("weekly", String), now, which)
    return bool(session.execute(select(may)).scalar_one())


def test_leaving_is_at_once_and_says_the_same_ever_after(session: Session, now: datetime, random: Any) -> None:
    ann = reader(session, now, random)
    said = [unsubscribe(session, handle(session, ANN), "weekly", method="one-click", ip="x", now=now) for _ in range(5)]
    assert said == [True] * 5
    assert statuses(session, ANN) == {"weekly": "unsubscribed"}
    assert proofs(session)[1:] == [("weekly", "unsubscribed", "one-click")]
    assert not gets_issue(session, ann, now)
    assert why_not(session, ann, "weekly", now) == "unsubscribed"


@pytest.mark.parametrize(("unknown", "list_id"), [(b"?" * 12, "weekly"), (None, "daily"), (None, "nosuch")])
def test_unknown_people_and_lists_are_passed_over(
    session: Session, now: datetime, random: Any, unknown: bytes | None, list_id: str
) -> None:
    reader(session, now, random)
    before = proofs(session)
    assert not unsubscribe(session, unknown or handle(session, ANN), list_id, method="page", now=now)
    assert statuses(session, ANN) == {"weekly": "confirmed"}
    assert proofs(session) == before


def test_leaving_one_list_leaves_the_others_and_other_people(session: Session, now: datetime, random: Any) -> None:
    ann, bob = reader(session, now, random, ANN, "weekly", "daily"), reader(session, now, random, BOB)
    unsubscribe(session, handle(session, ANN), "weekly", method="page", now=now)
    assert statuses(session, ANN) == {"weekly": "unsubscribed", "daily": "confirmed"}
    assert [gets_issue(session, ann, now), gets_issue(session, ann, now, "daily"), gets_issue(session, bob, now)] == [
        False,
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("scope", "weekly", "daily"), [(EVERYWHERE, False, False), ("weekly", False, True), (CONFIRM_MAILS, True, True)]
)
def test_suppression_by_scope(
    session: Session, now: datetime, random: Any, scope: str, weekly: bool, daily: bool
) -> None:
    ann = reader(session, now, random, ANN, "weekly", "daily")
    assert suppress(session, ANN, key=KEY, reason="r", scope=scope, now=now)
    assert not suppress(session, ANN, key=KEY, reason="r", scope=scope, now=now)
    assert (gets_issue(session, ann, now), gets_issue(session, ann, now, "daily")) == (weekly, daily)
    assert (size(session, "weekly", now), size(session, "daily", now)) == (weekly, daily)


def test_suppression_names_nobody_and_outlives_them(session: Session, now: datetime) -> None:
    assert suppress(session, ANN, key=KEY, reason="telephone", now=now)
    row = session.execute(select(table(Suppression))).one()
    assert "ann" not in str(tuple(row))
    assert how_many(session, Subscriber) == 0


def test_lifting_a_suppression_subscribes_nobody(session: Session, now: datetime, random: Any) -> None:
    ann = reader(session, now, random)
    suppress(session, ANN, key=KEY, reason="", now=now)
    assert why_not(session, ann, "weekly", now) == "suppressed"
    assert lift_all(session, [subject(ANN, key=KEY)], now=now)
    assert not lift_all(session, [subject(ANN, key=KEY)], now=now)
    assert why_not(session, ann, "weekly", now) == "unsubscribed"


def test_reasons(session: Session, now: datetime, random: Any) -> None:
    ann = reader(session, now, random)
    sign_up(session, BOB, now=now, random=random)
    assert why_not(session, ann, "weekly", now) == ""
    assert why_not(session, ann, "daily", now) == "never-joined"
    assert why_not(session, ann + 1, "weekly", now) == "pending"
    assert why_not(session, 4711, "weekly", now) == "erased"
    session.execute(update(table(Subscriber)).where(table(Subscriber).c.id == ann).values(erasing_at=now))
    assert why_not(session, ann, "weekly", now) == "erased"
    assert not gets_issue(session, ann, now)


def test_confirm_mails_go_to_whom_they_still_serve(session: Session, now: datetime, random: Any) -> None:
    first = sign_up(session, ANN, now=now, random=random).sends[0]
    ann = first.subscriber_id
    assert gets_confirm(session, ann, now)
    assert not gets_confirm(session, ann, now + timedelta(days=7))
    second = sign_up(session, ANN, now=now + timedelta(days=1), random=random).sends[0]
    assert not gets_confirm(session, ann, now, first.confirmation_id)
    assert gets_confirm(session, ann, now, second.confirmation_id)
    confirm(session, claim(session, Purpose.CONFIRM, ANN, second.confirmation_id), now=now)
    assert not gets_confirm(session, ann, now)


@pytest.mark.parametrize("scope", [EVERYWHERE, "weekly", CONFIRM_MAILS])
def test_no_confirm_mail_to_the_suppressed(session: Session, now: datetime, random: Any, scope: str) -> None:
    (send,) = sign_up(session, ANN, now=now, random=random).sends
    suppress(session, ANN, key=KEY, reason="", scope=scope, now=now)
    assert not gets_confirm(session, send.subscriber_id, now)


def test_no_confirm_mail_after_i_did_not_ask(session: Session, now: datetime, random: Any) -> None:
    (send,) = sign_up(session, ANN, now=now, random=random).sends
    decline(session, claim(session, Purpose.DECLINE, ANN, send.confirmation_id), now=now)
    assert not gets_confirm(session, send.subscriber_id, now)


def test_members_come_in_pages_by_id(session: Session, now: datetime, random: Any) -> None:
    ids = [reader(session, now, random, f"a{number}@d{number}.example") for number in range(5)]
    unsubscribe(session, handle(session, "a1@d1.example"), "weekly", method="page", now=now)
    suppress(session, "a3@d3.example", key=KEY, reason="", now=now)
    assert members(session, "weekly", 0, 2, now=now) == [Member(ids[0], "d0.example"), Member(ids[2], "d2.example")]
    assert members(session, "weekly", ids[2], 2, now=now) == [Member(ids[4], "d4.example")]
    assert size(session, "weekly", now) == 3


def test_consent_can_be_added_to_and_nothing_else(session: Session, now: datetime, random: Any) -> None:
    ann = reader(session, now, random)
    row = table(Consent)
    for statement in (update(row).values(text="other"), update(row).values(id=99), delete(row)):
        with pytest.raises(DBAPIError, match="append-only"), session.begin_nested():
            session.execute(statement)
    session.execute(update(table(Subscriber)).where(table(Subscriber).c.id == ann).values(erasing_at=now))
    with pytest.raises(DBAPIError, match="append-only"), session.begin_nested():
        session.execute(update(row).values(text="other"))
    session.execute(delete(row))
    assert proofs(session) == []


def test_consent_can_not_be_replaced_or_emptied(session: Session, now: datetime, random: Any) -> None:
    reader(session, now, random)
    sqlite = session.get_bind().dialect.name == "sqlite"
    statement = "REPLACE INTO consent SELECT * FROM consent" if sqlite else "TRUNCATE consent"
    with pytest.raises(DBAPIError, match="append-only"), session.begin_nested():
        session.connection().exec_driver_sql(statement)
    assert len(proofs(session)) == 1


def test_a_page_tells_all_that_is_kept_and_no_secret(session: Session, now: datetime, random: Any) -> None:
    reader(session, now, random, ANN, "weekly", "daily")
    suppress(session, ANN, key=KEY, reason="telephone", scope="daily", now=now)
    page = person(session, ANN, key=KEY)
    assert [(place["list_id"], place["status"]) for place in page["subscriptions"]] == [
        ("daily", "unsubscribed"),
        ("weekly", "confirmed"),
    ]
    assert [proof["action"] for proof in page["consent"]] == ["imported", "imported", "suppressed"]
    assert page["suppressions"] == [{"scope": "daily", "reason": "telephone", "at": now}]
    assert not {"handle", "email_hash", "id"} & page.keys()
    with pytest.raises(UnknownPerson):
        person(session, BOB, key=KEY)


def test_people_are_listed_page_by_page(session: Session, now: datetime, random: Any) -> None:
    ids = [reader(session, now, random, f"a{number}@example.org") for number in range(3)]
    sign_up(session, BOB, "daily", now=now, random=random)
    assert [row["id"] for row in listing(session, limit=2)] == ids[:2]
    assert [row["email"] for row in listing(session, after=ids[1])] == ["a2@example.org", BOB]
    assert [row["lists"] for row in listing(session, status="pending")] == [{"daily": "pending"}]
    assert listing(session, list_id="weekly", status="pending") == []


def test_a_pause_holds_until_its_instant_and_ends_by_itself(session: Session, now: datetime, random: Any) -> None:
    ann = reader(session, now, random, ANN, "weekly", "daily")
    row, until = table(Subscription), now + timedelta(weeks=2)
    session.execute(update(row).where(row.c.list_id == "weekly").values(paused_until=until))
    just_before = until - timedelta(seconds=1)
    for at, gets in ((now, False), (just_before, False), (until, True)):
        assert gets_issue(session, ann, at) == gets
        assert [member.id for member in members(session, "weekly", 0, 9, now=at)] == [ann] * gets
        assert size(session, "weekly", at) == gets
        assert why_not(session, ann, "weekly", at) == ("" if gets else "paused")
    assert gets_issue(session, ann, now, "daily")
