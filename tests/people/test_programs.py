"""Exports of other programs: known by their columns, what they say understood, what they know kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from importing import AGREED, taker
from newsroom import make_lists
from post import AT
from sqlalchemy import Engine, select
from sqlmodel import Session

from digest import db
from subscribers import attributes, sheets
from subscribers.audience import size
from subscribers.columns import table
from subscribers.errors import BadAttributes, BadFile
from subscribers.models import Subscriber, Tag
from subscribers.transfer import Order, Reading


@pytest.fixture
def take(engine: Engine, now: datetime) -> Callable[..., dict[str, Any]]:
    with db.writing(engine) as session:
        make_lists(session, now)
    return taker(engine, now)


def known(session: Session, email: str) -> tuple[dict[str, Any], list[str]]:
    person, tag = table(Subscriber), table(Tag)
    row = session.execute(select(person.c.id, person.c.attributes).where(person.c.email == email)).one()
    names = select(tag.c.name).where(tag.c.subscriber_id == row.id).order_by(tag.c.name)
    return row.attributes, list(session.execute(names).scalars())


# Header, a row of somebody to mail, a row of somebody to leave alone.
PROGRAMS = {
    "mailchimp": (
        "Email Address,First Name,MEMBER_RATING,OPTIN_TIME,LEID,EUID,UNSUB_TIME,TAGS",
        'a@example.org,Ann,2,2023-01-01 10:00:00,1,x,,"""VIP"""',
        "b@example.org,Bob,2,2023-01-01 10:00:00,2,y,2024-01-01 10:00:00,",
    ),
    "substack": (
        "email,active_subscription,expiry,plan,email_disabled,created_at",
        "a@example.org,false,,other,false,2023-01-01T00:00:00Z",
        "b@example.org,true,,other,true,2023-01-01T00:00:00Z",
    ),
    "ghost": (
        "id,email,name,note,subscribed_to_emails,complimentary_plan,created_at,deleted_at,labels",
        '1,a@example.org,Ann,,true,false,2023-01-01,,"friends, VIP"',
        "2,b@example.org,Bob,,false,false,2023-01-01,,",
    ),
    "beehiiv": (
        "email,status,subscription_tier,acquisition_source,created_at",
        "a@example.org,active,free,web,2023-01-01",
        "b@example.org,inactive,free,web,2023-01-01",
    ),
    "curated": ("Email Address,Subscribed at,UTM Source,UTM Medium", "a@example.org,2023-01-01,,", ""),
    "keila": (
        "Email,First name,Last name,Data,Status",
        'a@example.org,Ann,Lee,"{""city"":""Bern""}",active',
        "b@example.org,Bob,Ray,,unreachable",
    ),
    "listmonk": (
        "uuid,email,name,attributes,status,created_at,updated_at",
        '1-2,a@example.org,Ann,"{""city"": ""Bern""}",enabled,2023-01-01,2023-01-01',
        "1-3,b@example.org,Bob,{},blocklisted,2023-01-01,2023-01-01",
    ),
    "mailman": (
        "email,display_name,delivery_status",
        "a@example.org,Ann,enabled",
        "b@example.org,Bob,by_bounces",
    ),
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_are_known_and_who_left_there_is_left_alone(take: Any, engine: Engine, program: str) -> None:
    content = "\n".join(PROGRAMS[program]) + "\n"
    report = take(content)
    assert (report["program"], report["mailable"], report["bad"]) == (program, ["a@example.org"], [])
    again = take(content)
    assert (again["new"], again["updated"], again["mailable"]) == (0, 0, ["a@example.org"])
    with db.reading(engine) as session:
        assert size(session, "weekly", AT) == 1


def test_what_programs_know_is_kept(take: Any, engine: Engine) -> None:
    take("\n".join(PROGRAMS["keila"]))
    take('email,Plan,ZIP Code,Tags,OPTIN_IP\na@example.org,gold,01234,"VIP, Board members",192.0.2.1\n')
    with db.reading(engine) as session:
        kept = {"city": "Bern", "first_name": "Ann", "plan": "gold", "zip_code": "01234"}
        assert known(session, "a@example.org") == (kept, ["board members", "vip"])


def test_members_of_mailman_without_a_header(take: Any) -> None:
    report = take('Ann Lee <ann@example.org>\n"Bob, Ray" <bob@example.org>\ncy@example.org\n')
    assert report["mailable"] == ["ann@example.org", "bob@example.org", "cy@example.org"]


def test_statuses_that_mean_no(take: Any) -> None:
    words = ("unsubscribed", "Cleaned", "bounced", "blocklisted", "inactive", "disabled", "spam", "??")
    assert take("email,status\n" + "".join(f"a{n}@x.org,{word}\n" for n, word in enumerate(words)))["mailable"] == []


def test_columns_are_what_the_caller_says(take: Any, engine: Engine) -> None:
    columns = {"Contact 2": "email", "Tier": "attributes.plan", "email": "skip", "4": "status"}
    content = "email,Contact 2,Tier,Odd\nno@example.org,a@example.org,gold,active\nx,b@example.org,gold,gone\n"
    report = take(content, reading=Reading(columns=columns))
    assert (report["mailable"], report["ignored"]) == (["a@example.org"], ["email"])
    with db.reading(engine) as session:
        assert known(session, "a@example.org")[0] == {"plan": "gold"}
    with pytest.raises(BadFile, match="no column 'Nosuch'"):
        take(content, reading=Reading(columns={"Nosuch": "email"}))


def test_columns_without_a_header_have_numbers(take: Any, engine: Engine) -> None:
    columns = {"2": "email", "1": "name", "3": "attributes.city"}
    report = take("Ann,ann@example.org,Bern\nBob,bob@example.org,\n", reading=Reading(columns=columns))
    assert report["mailable"] == ["ann@example.org", "bob@example.org"]
    with db.reading(engine) as session:
        assert known(session, "ann@example.org")[0] == {"city": "Bern"}


def test_attributes_are_filled_in_but_not_replaced(take: Any, engine: Engine) -> None:
    content = "email,city,plan\na@example.org,Bern,\na@example.org,Basel,gold\n"
    take(content)
    assert take("email,city,plan\na@example.org,Basel,gold\n")["updated"] == 1
    assert take(content)["updated"] == 0
    with db.reading(engine) as session:
        assert known(session, "a@example.org")[0] == {"city": "Bern", "plan": "gold"}


def test_a_tag_for_everybody_in_the_file(take: Any, engine: Engine) -> None:
    order = Order("weekly", confirmed=True, consent="x", tags=attributes.tags([" From  Ghost "]))
    take("email\na@example.org\n")
    assert take("email\na@example.org\nb@example.org\n", order)["updated"] == 1
    assert take("email\na@example.org\nb@example.org\n", order)["unchanged"] == 2
    with db.reading(engine) as session:
        assert [known(session, f"{who}@example.org")[1] for who in "ab"] == [["from ghost"]] * 2


def test_bad_rows_are_told_with_what_stood_in_them(take: Any) -> None:
    refused: list[sheets.BadRow] = []
    content = "email,notes\n=nobody,x\na@example.org,\n" + f"b@example.org,{'y' * 5_000}\n"
    report = take(content, AGREED, refuse=lambda sheet, row: refused.append(row))
    assert [(row.line, next(iter(row.cells))) for row in refused] == [(2, "=nobody"), (4, "b@example.org")]
    assert "at most 4096" in report["bad"][1]["reason"]


def test_that_somebody_left_is_taken_whatever_else_is_wrong_with_the_row(take: Any) -> None:
    take("email\na@example.org\n")
    assert take(f"email,status,notes\na@example.org,unsubscribed,{'y' * 5_000}\n")["updated"] == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": {"b": {"c": {"d": 1}}}}', "deeper than 3"),
        ('{"a": [[[1]]]}', "deeper than 3"),
        ('{"a": 1e999}', "no number"),
        ('{"a": NaN}', "no number"),
        ('{"a": "' + "x" * 4_100 + '"}', "at most 4096"),
        ("[" * 20_000, "4096 bytes"),
        ("[" * 10_000, "JSON object"),
        ("[1]", "JSON object"),
        ("{'a': 1}", "JSON object"),
        ("__import__('os')", "JSON object"),
        ("!!python/object/apply:os.system [id]", "JSON object"),
    ],
)
def test_attributes_that_are_not_kept(text: str, said: str) -> None:
    with pytest.raises(BadAttributes, match=said):
        attributes.read(text)


def test_attributes_that_no_database_would_store() -> None:
    assert attributes.read('{"a\\u0000": "b\\u0000\\ud800c", "": 1}') == {"a": "bc"}


def test_an_import_that_was_cut_short_is_finished_by_a_second(
    take: Any, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from subscribers import transfer

    monkeypatch.setattr(transfer, "CHUNK", 100)
    content = "email,city\n" + "".join(f"a{n}@example.org,Bern\n" for n in range(450))

    def cut(label: str, done: int, total: int | None) -> None:
        if done >= 200:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take(content, AGREED, progress=cut)
    with db.reading(engine) as session:
        assert size(session, "weekly", AT) == 200
    report = take(content)
    assert (report["new"], report["unchanged"]) == (250, 200)


def test_a_dry_run_says_what_a_run_does(take: Any) -> None:
    content = 'email,tags,city\na@example.org,"x, y",Bern\nb@example.org,,\na@example.org,z,\n'
    assert take(content, Order("weekly", confirmed=True, consent="x", dry_run=True)) == take(content)
