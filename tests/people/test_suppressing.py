"""Keeping away by address, domain or hash, everywhere or on one list: at every door, and at the very hand-over."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from typing import Any

import pytest
from importing import AGREED, taker
from newsroom import KEY, claim, make_lists, proofs, sign_up, statuses
from post import AT
from sqlalchemy import Engine, literal, select
from sqlmodel import Session

from digest import db
from subscribers import audience, erasing, joining
from subscribers.addresses import hash_address
from subscribers.columns import table
from subscribers.errors import BadAddress
from subscribers.models import Confirmation, Subscriber, Suppression
from subscribers.suppressing import lift_all, subject, subjects, suppress_all, suppressions
from subscribers.tokens import Purpose
from subscribers.transfer import Order

ANN = hash_address(KEY, "ann@example.org")


@pytest.fixture
def office(engine: Engine, now: datetime) -> Engine:
    """Ann and Bob at example.org, Cy elsewhere, all on both lists."""
    with db.writing(engine) as session:
        make_lists(session, now)
    for list_id in ("weekly", "daily"):
        people = "email\nann@example.org\nbob@example.org\ncy@sub.example.org\n"
        taker(engine, now)(people, Order(list_id, confirmed=True, consent="x"))
    return engine


def mailable(session: Session, list_id: str) -> list[str]:
    """Who would be mailed now, by the audience and by the rule of the hand-over, which must agree."""
    person = table(Subscriber)
    may = audience.may_receive_issue(person.c.id, literal(list_id), AT)
    handed = list(session.execute(select(person.c.email).where(may).order_by(person.c.email)).scalars())
    asked = [member.id for member in audience.members(session, list_id, 0, 100, now=AT)]
    names = select(person.c.email).where(person.c.id.in_(asked)).order_by(person.c.email)
    assert handed == list(session.execute(names).scalars())
    assert len(handed) == audience.size(session, list_id, AT)
    return [email.partition("@")[0] for email in handed]


@pytest.mark.parametrize(
    ("said", "scope", "weekly", "daily"),
    [
        ("ann@example.org", "", ["bob", "cy"], ["bob", "cy"]),
        (ANN, "", ["bob", "cy"], ["bob", "cy"]),
        (ANN.upper(), "daily", ["ann", "bob", "cy"], ["bob", "cy"]),
        ("@Example.ORG", "", ["cy"], ["cy"]),
        ("@example.org", "weekly", ["cy"], ["ann", "bob", "cy"]),
    ],
)
def test_who_is_kept_away(
    office: Engine, now: datetime, said: str, scope: str, weekly: list[str], daily: list[str]
) -> None:
    with db.writing(office) as session:
        key = subject(said, key=KEY)
        assert suppress_all(session, [key], reason="r", now=now, scope=scope) == 1
        assert suppress_all(session, [key], reason="r", now=now, scope=scope) == 0
        assert (mailable(session, "weekly"), mailable(session, "daily")) == (weekly, daily)
        assert lift_all(session, [key], scope=scope, now=now) == 1
        assert (mailable(session, "weekly"), mailable(session, "daily")) == (
            weekly,
            daily,
        )  # nobody is subscribed by it
    assert (
        taker(office, now)("email\nann@example.org\n", Order(scope or "weekly", confirmed=True, consent="x"))["new"]
        == 0
    )


def test_the_rule_alone_keeps_away(office: Engine, now: datetime) -> None:
    """Whatever a subscription says: permission is looked at when a mail is handed over."""
    with db.writing(office) as session:
        session.add(Suppression(hash="@example.org", scope="", reason="", at=now))
        session.flush()
        assert mailable(session, "weekly") == ["cy"]


@pytest.mark.parametrize("said", ["ann@example.org", "@example.org"])
def test_every_door_is_shut(office: Engine, now: datetime, said: str, random: Callable[[int], bytes]) -> None:
    stranger = "new@example.org" if said.startswith("@") else "ann@example.org"
    with db.writing(office) as session:
        suppress_all(session, [subject(said, key=KEY)], reason="r", now=now)
        assert sign_up(session, stranger, now=now, random=random).sends == ()
        wish = joining.SignUp(stranger, ("weekly",), text="on paper")
        assert joining.admit(session, wish, key=KEY, now=now, random_bytes=random) == {"weekly": "suppressed"}
    for order in (AGREED, Order("weekly")):
        report = taker(office, now)(f"email\n{stranger}\n", order)
        assert (report["suppressed"], report["mailable"], report["asked"]) == (1, [], 0)


def test_a_domain_that_is_kept_away_confirms_nothing(office: Engine, now: datetime) -> None:
    with db.writing(office) as session:
        sign_up(session, "eve@example.com", now=now, random=lambda size: b"!" * size)
        suppress_all(session, ["@example.com"], reason="r", now=now)
        asked = session.execute(select(table(Confirmation).c.id)).scalar_one()
        joining.confirm(session, claim(session, Purpose.CONFIRM, "eve@example.com", asked), now=now)
        assert statuses(session, "eve@example.com") == {"weekly": "unsubscribed"}


def test_what_is_kept_of_it(office: Engine, now: datetime) -> None:
    with db.writing(office) as session:
        suppress_all(session, ["@example.org", hash_address(KEY, "stranger@else.org")], reason="asked", now=now)
        assert proofs(session)[-2:] == [(None, "suppressed", "command")] * 2
        found = [(row["subject"][:8], row["scope"], row["reason"]) for row in suppressions(session)]
        assert sorted(found) == sorted(
            [("@example", "", "asked"), (hash_address(KEY, "stranger@else.org")[:8], "", "asked")]
        )


def test_a_suppression_is_not_lifted_in_silence(office: Engine, now: datetime) -> None:
    """Who mails somebody that was kept away can say since when, and by whom (L-04)."""
    with db.writing(office) as session:
        key = subject("ann@example.org", key=KEY)
        suppress_all(session, [key], reason="asked", now=now, scope="weekly")
        assert lift_all(session, [key], now=now) == 0
        assert lift_all(session, [key], scope="weekly", now=now) == 1
        assert proofs(session)[-2:] == [("weekly", "suppressed", "command"), ("weekly", "unsuppressed", "command")]


def test_files_of_who_is_to_be_kept_away() -> None:
    text = "\ufeffEmail;why\nann@example.org;asked\n@Bücher.example\n\nnobody@@\n" + ANN + "\n"
    assert subjects(text.splitlines(), key=KEY) == (
        {None: [ANN, "@xn--bcher-kva.example"]},
        [(5, "expected name@domain, with one @")],
    )


def test_a_file_may_say_where_each_is_kept_away() -> None:
    head = "subject,address,scope,reason,at\n"
    text = head + "@a.example,,,trap,2026\n@b.example,,weekly,,\n'@c.example,,@confirm\n@d.example\n"
    assert subjects(text.splitlines(), key=KEY) == (
        {"": ["@a.example"], "weekly": ["@b.example"], "@confirm": ["@c.example"], None: ["@d.example"]},
        [],
    )


@pytest.mark.parametrize("said", ["", "@", "@nodot", "example.org", "@a..b", "%", "a" * 63, "@" + "x" * 600])
def test_words_that_name_nobody(said: str) -> None:
    with pytest.raises(BadAddress):
        subject(said, key=KEY)


def test_a_suppression_is_there_before_and_after_a_person(engine: Engine, now: datetime) -> None:
    with db.writing(engine) as session:
        make_lists(session, now)
        suppress_all(session, [ANN], reason="erased", now=now)
    report: dict[str, Any] = taker(engine, now)("email\nANN@example.org\n")
    assert (report["suppressed"], report["new"]) == (1, 0)


@pytest.mark.parametrize("said", ["ann@example.org", "@example.org"])
def test_who_is_erased_at_that_moment_is_waited_for(office: Engine, now: datetime, said: str) -> None:
    wanted = [subject(said, key=KEY)]

    def keep_away() -> int:
        with db.writing(office) as session:
            return suppress_all(session, wanted, reason="", now=now)

    with ThreadPoolExecutor(1) as thread:
        with db.writing(office) as session:
            leaver = erasing.begin(session, "ann@example.org", now)
            told = thread.submit(keep_away)
            with suppress(TimeoutError):
                told.result(0.3)  # time to come as far as it can
            erasing.end(session, [leaver.id])
            erasing.keep_hashes(session, leaver.addresses, key=KEY, now=now)
        assert told.result(20) in (0, 1)
    with db.reading(office) as session:
        assert "ann" not in mailable(session, "weekly")
