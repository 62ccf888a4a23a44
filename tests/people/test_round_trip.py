"""What goes out comes back: an export imported into an empty database makes the same people of it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from importing import exported, taker
from newsroom import KEY, counting, handle, make_lists, sign_up
from sqlalchemy import Engine, select, update

from digest import db
from subscribers import tagging
from subscribers.choices import chosen
from subscribers.columns import table
from subscribers.formulas import guard, unguard
from subscribers.leaving import suppress, unsubscribe
from subscribers.models import Consent, Subscriber, Subscription, Suppression, Tag
from subscribers.preferences import By, Wishes, change
from subscribers.rows import Proof, record
from subscribers.transfer import Order

NOWHERE = ("id", "handle", "subscriber_id")  # numbers and names in links are each database's own


@contextmanager
def empty(folder: Path, now: datetime) -> Iterator[Engine]:
    """Another office: its lists, and nobody on them."""
    engine = db.open_engine(f"sqlite:///{folder / 'other.db'}")
    db.upgrade(engine)
    with db.writing(engine) as session:
        make_lists(session, now)
    yield engine
    engine.dispose()


def everything(engine: Engine) -> dict[str, list[Any]]:
    """All rows about people, each with the address instead of a number."""
    person = table(Subscriber).alias()
    found: dict[str, list[Any]] = {}
    with db.reading(engine) as session:
        for model in (Subscriber, Subscription, Consent, Tag):
            row = table(model)
            key = row.c.id if model is Subscriber else row.c.subscriber_id
            columns = [column for column in row.c if column.name not in NOWHERE]
            rows = session.execute(select(person.c.email, *columns).select_from(row).join(person, person.c.id == key))
            found[model.__name__] = sorted(map(str, rows))
        found["Suppression"] = sorted(map(str, session.execute(select(table(Suppression)))))
    return found


def lived(engine: Engine, now: datetime) -> None:
    """An office with everything that can be the matter with a person."""
    with db.writing(engine) as session:
        make_lists(session, now)
    take = taker(engine, now)
    take(
        "email,name,language,tags,city,note\n"
        'ann@example.org,Ann,de,"vip, x",Bern,\'=1\n'
        "=bob@example.org,=cmd|' /C calc'!A0,,,,\n"
        'cy@bücher.example,"Cy, ""the"" Third",,,,"a\nb"\n'
        "gone@example.org,-2,,,,\nnever@example.org,,,,,\n"
    )
    later = now + timedelta(days=3)
    taker(engine, later)(
        "email\nann@example.org\n", Order("daily", confirmed=True, consent="another, with = and 'quotes'")
    )
    with db.writing(engine) as session:
        unsubscribe(session, handle(session, "gone@example.org"), "weekly", method="page", ip="192.0.2.9", now=later)
        suppress(session, "never@example.org", key=KEY, reason="asked, by telephone", now=later)
        sign_up(session, "new@example.org", "weekly", "daily", now=later, random=lambda size: b"?" * size, locale="de")
        suppress(session, "new@example.org", key=KEY, reason="", now=later)
        place = table(Subscription)
        session.execute(
            update(place)
            .where(place.c.list_id == "daily")
            .values(choices={"sections": ["=1", "Ü"]}, paused_until=later + timedelta(days=9))
        )


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_an_export_of_everybody_makes_the_same_database(
    engine: Engine, now: datetime, tmp_path: Path, kind: str
) -> None:
    lived(engine, now)
    text = exported(engine, kind=kind, besides={"deliveries": lambda session, ids: dict.fromkeys(ids, "[1]")})
    with empty(tmp_path, now) as other:
        order = Order("", confirmed=True, consent="moved")
        report = taker(other, now + timedelta(days=30))(text, order)
        assert (report["rows"], report["new"], report["bad"]) == (8, 8, [])
        assert everything(other) == everything(engine)
        again = taker(other, now + timedelta(days=31))(text, order)
        assert (again["new"], again["updated"]) == (0, 0)
        assert everything(other) == everything(engine)


def test_rows_of_one_list_only(engine: Engine, now: datetime, tmp_path: Path) -> None:
    lived(engine, now)
    with empty(tmp_path, now) as other:
        report = taker(other, now)(exported(engine), Order("daily", confirmed=True, consent="moved"))
        assert (report["new"], report["elsewhere"]) == (2, 6)
        assert report["mailable"] == ["ann@example.org"]


def test_consent_of_one_list_is_none_for_another(engine: Engine, now: datetime, tmp_path: Path) -> None:
    """Without a word of the administrator's, whoever agreed to the one is asked for the other."""
    lived(engine, now)
    with empty(tmp_path, now) as other:
        report = taker(other, now)(exported(engine, list_id="weekly"), Order("daily"))
        assert report["asked"] == 3
        assert ",confirmed," not in exported(other, list_id="daily")


def test_an_export_brings_nobody_back(engine: Engine, now: datetime) -> None:
    lived(engine, now)
    text = exported(engine)
    with db.writing(engine) as session:
        unsubscribe(session, handle(session, "ann@example.org"), "weekly", method="page", now=now)
        suppress(session, "=bob@example.org", key=KEY, reason="", now=now)
    before = everything(engine)
    taker(engine, now)(text, Order("", confirmed=True, consent="from a backup"))
    assert everything(engine) == before


def test_a_forged_record_is_a_bad_row(engine: Engine, now: datetime) -> None:
    with db.writing(engine) as session:
        make_lists(session, now)
    header = "email,choices,suppressions,status,consent\n"
    cells = [
        "x",
        '"[1]"',
        '"[{""action"":""made up"",""at"":""2026-01-01""}]"',
        '"[{""action"":""asked"",""at"":""x""}]"',
    ]
    text = header + "".join(f"a{n}@example.org,,,confirmed,{cell}\n" for n, cell in enumerate(cells))
    report = taker(engine, now)(text + "b@example.org,,,happy,[]\n")
    assert (report["new"], report["bad_rows"]) == (0, 5)


def test_what_no_database_holds_is_a_bad_row(engine: Engine, now: datetime) -> None:
    """A file that says it is our own export may say anything: each row is judged, and the next one is read."""
    with db.writing(engine) as session:
        make_lists(session, now)
    row: dict[str, Any] = {"choices": {}, "suppressions": [], "status": "confirmed"}
    line = {"action": "asked", "at": "2026-01-01", "list_id": "weekly"}
    evil: list[dict[str, Any]] = [
        {"consent": [line | {"list_id": "x" * 65}]},
        {"consent": [line | {"list_id": "week\0ly"}]},
        {"consent": [line | {"text": "a\0b"}]},
        {"consent": [line | {"text": "\ud800"}]},
        {"consent": [line | {"at": "0001-01-01T00:00:00+14:00"}]},
        {"joined": "9999-12-31T23:59:59-14:00"},
        {"suppressions": [{"scope": "\0"}]},
        {"suppressions": [{"reason": "\udfff"}]},
        {"choices": {"sections": ["\ud800"]}},
        {"list": "week\0ly"},
        {"list": "\ud800"},
    ]
    lines = [
        {"email": f"a{n}@example.org", "list": "weekly", "consent": [line]} | row | more for n, more in enumerate(evil)
    ]
    lines.append({"email": "good@example.org", "list": "weekly", "consent": [line | {"text": "a 😀"}]} | row)
    text = "\n".join(map(json.dumps, lines))
    report = taker(engine, now)(text, Order("", confirmed=True, consent="a backup"))
    assert (report["rows"], report["bad_rows"], report["mailable"]) == (len(lines), len(evil), ["good@example.org"])


def test_what_readers_did_on_their_own_page_comes_back(engine: Engine, now: datetime, tmp_path: Path) -> None:
    lived(engine, now)
    by = By("192.0.2.9", "https://review.example/preferences", "Yes", "en", fresh=True)
    wishes = Wishes(name="Ann L", choices={"weekly": chosen(sections=["asia"])}, pauses={"weekly": now})
    with db.writing(engine) as session:
        ann = handle(session, "ann@example.org")
        held = {"key": KEY, "now": now - timedelta(days=9), "random_bytes": counting()}
        assert change(session, ann, wishes, by, **held).what == ("chosen", "paused", "name")
        change(session, ann, Wishes(pauses={"weekly": None}), by, **held)
        person = session.execute(select(table(Subscriber).c.id).where(table(Subscriber).c.handle == ann)).scalar_one()
        record(session, Proof(person, None, "moved", "page", now, "Ann@example.org"))
    text = exported(engine)
    with empty(tmp_path, now) as other:
        assert taker(other, now)(text, Order("", confirmed=True, consent="moved"))["bad"] == []
        assert everything(other) == everything(engine)


def test_choices_of_a_file_are_kept_as_a_page_would_keep_them(engine: Engine, now: datetime) -> None:
    with db.writing(engine) as session:
        make_lists(session, now)
    cells = json.dumps({"sections": ["b", 7, "a"] + ["x" * 500] * 3, "authors": "all", "mine": {"deep": [[]]}})
    text = "email,choices,suppressions,status,consent\n" + 'a@example.org,"{}",,confirmed,"{}"\n'.format(
        cells.replace('"', '""'), '[{""action"":""asked"",""at"":""2026-01-01"",""list_id"":""weekly""}]'
    )
    assert taker(engine, now)(text)["new"] == 1
    with db.reading(engine) as session:
        kept = session.execute(select(table(Subscription).c.choices)).scalar_one()
    assert kept == {"sections": ["a", "b", "x" * 200]}


def test_an_export_can_be_told_not_to_guard(engine: Engine, now: datetime) -> None:
    with db.writing(engine) as session:
        make_lists(session, now)
    taker(engine, now)("email,name\na@example.org,=1+1\n")
    assert ['"\'=1+1"' in exported(engine, list_id="weekly", guarded=guarded) for guarded in (True, False)] == [
        True,
        False,
    ]


WILD = st.text(
    alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
    | st.sampled_from("='+-@\t\r\n|%,;\"\\"),
    max_size=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(WILD, WILD, WILD), min_size=80, max_size=120))
def test_thousands_of_random_rows_come_back(rows: list[tuple[str, str, str]]) -> None:
    """Formulas, quotes, breaks: no cell begins a formula, and every cell is what it was."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerows([guard(cell) for cell in (f"x{n}", *row)] for n, row in enumerate(rows))
    back = list(csv.reader(io.StringIO(out.getvalue(), newline="")))
    assert [[unguard(cell) for cell in row] for row in back] == [[f"x{n}", *row] for n, row in enumerate(rows)]
    for row in back:
        assert not any(cell[:1] in tuple("=+-@\t\r\n|%") and cell for cell in row)


def test_random_people_come_back(engine: Engine, now: datetime, tmp_path: Path) -> None:
    """Names and attributes of every kind of sign, through the database, in one go."""
    signs = ["=1", "'", "''=", "+", "-1", "@x", "|", "%", '"', "a,b", "a;=b", "\t=", "ü", "漢", "a'b", "=HYPERLINK(1)"]
    lines = [
        {"email": f"a{n}@example.org", "name": f"{one}{two}", "attributes": {one: two, "n": n, "l": [one, True, None]}}
        for n, (one, two) in enumerate((one, two) for one in signs for two in signs)
    ]
    with db.writing(engine) as session:
        make_lists(session, now)
    taker(engine, now)("\n".join(map(json.dumps, lines)))
    with db.writing(engine) as session:
        tagging.tag(session, "=vip", table(Subscriber).c.id > 100)
    with empty(tmp_path, now) as other:
        taker(other, now)(exported(engine), Order("", confirmed=True, consent="moved"))
        assert everything(other) == everything(engine)
