"""Lists in and out: whatever the file looks like, nobody who left is mailed, and what goes out comes back."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from newsroom import KEY, claim, counting, handle, how_many, make_lists, proofs, sign_up, statuses
from sqlalchemy import Engine
from sqlmodel import Session

from digest import db
from subscribers import files, formulas, sheets, transfer
from subscribers.addresses import normalise
from subscribers.audience import size
from subscribers.errors import BadFile, NoConsent, UnknownList
from subscribers.exporting import Wanted, export_people
from subscribers.intake import Intake
from subscribers.joining import Send, decline
from subscribers.lanes import Lanes
from subscribers.leaving import suppress, unsubscribe
from subscribers.models import Confirmation, Consent, Subscriber, Subscription
from subscribers.tokens import Purpose
from subscribers.transfer import Order, import_people

AGREED = Order("weekly", confirmed=True, consent="our old list")
ASK = Order("weekly")

Import = Callable[..., dict[str, Any]]


@pytest.fixture
def take(engine: Engine, now: datetime) -> Import:
    """Imports bytes or a text into the list; `sends` collects the confirm mails asked for."""
    with db.writing(engine) as session:
        make_lists(session, now)
    random = counting()

    def run(
        content: bytes | str,
        order: Order = AGREED,
        *,
        sends: list[Send] | None = None,
        at: datetime = now,
        lanes: int = 1,
    ) -> dict[str, Any]:
        def enqueue(session: Session, some: Sequence[Send]) -> None:
            assert session.in_transaction()
            (sends if sends is not None else []).extend(some)

        return import_people(
            io.BytesIO(content.encode() if isinstance(content, str) else content),
            order,
            transaction=lambda: db.reading(engine) if order.dry_run else db.writing(engine),
            enqueue=enqueue,
            key=KEY,
            now=at,
            random_bytes=random,
            lanes=lanes,
        )

    return run


def test_the_report_says_what_happened(take: Import, engine: Engine, now: datetime) -> None:
    with db.writing(engine) as session:
        suppress(session, "away@example.org", key=KEY, reason="", now=now)
    text = "Email,Name\nann@example.org,Ann\nnobody\naway@example.org,\nbob@example.org,\nANN@example.org,\n\n"
    assert take(text) == {
        "rows": 5,
        "mailable": ["ann@example.org", "bob@example.org"],
        "new": 2,
        "updated": 0,
        "unchanged": 1,
        "suppressed": 1,
        "left": 0,
        "asked": 0,
        "elsewhere": 0,
        "bad": [{"line": 3, "reason": "expected name@domain, with one @"}],
        "bad_rows": 1,
        "format": "csv",
        "delimiter": ",",
        "encoding": "utf-8",
        "program": "",
        "columns": {"email": "Email", "name": "Name"},
        "ignored": [],
    }


def test_a_second_run_changes_nothing(take: Import, engine: Engine, now: datetime) -> None:
    text = "email,status,name\n" + "".join(f"a{n}@example.org,active,A\n" for n in range(4_100))
    first = take(text + "gone@example.org,unsubscribed,G\n")
    assert (first["new"], first["mailable"]) == (4_101, 4_100)
    again = take(text + "gone@example.org,unsubscribed,G\n", at=now + timedelta(days=1))
    assert (again["new"], again["updated"], again["unchanged"], again["mailable"]) == (0, 0, 4_101, 4_100)
    with db.reading(engine) as session:
        assert [how_many(session, model) for model in (Subscriber, Subscription, Consent)] == [4_101] * 3
        assert size(session, "weekly", now) == 4_100


def test_without_consent_people_are_asked_within_the_caps(take: Import, engine: Engine, now: datetime) -> None:
    with db.writing(engine) as session:
        sign_up(session, "ann@example.org", "daily", now=now - timedelta(hours=1), random=lambda size: b"?" * size)
    sends: list[Send] = []
    report = take("email\nann@example.org\nbob@example.org\n", ASK, sends=sends)
    assert (report["new"], report["asked"], report["mailable"]) == (2, 1, ["bob@example.org"])
    assert [(send.kind, send.list_id) for send in sends] == [("confirm", "weekly")]
    assert take("email\nann@example.org\nbob@example.org\n", ASK, sends=sends)["asked"] == 0
    with db.reading(engine) as session:
        assert size(session, "weekly", now) == 0
        assert how_many(session, Confirmation) == 2


@pytest.mark.parametrize(
    "row",
    [
        "email,status\nann@example.org,unsubscribed",
        "email,Status\nann@example.org,Inactive",
        "email,status\nann@example.org,bounced",
        "email,status\nann@example.org,something else",
        "email,status\nann@example.org,pending",
        "email,unsubscribed_at\nann@example.org,2024-01-01",
        "Email Address,UNSUB_TIME\nann@example.org,2024-01-01 10:00:00",
        "email,email_disabled\nann@example.org,true",
        "email,subscribed_to_emails\nann@example.org,false",
        "email,confirmed\nann@example.org,no",
        "email,status\nann@example.org,active\nann@example.org,unsubscribed",
        "email,status\nann@example.org,unsubscribed\nann@example.org,active",
    ],
)
def test_who_left_elsewhere_is_never_mailed(take: Import, engine: Engine, now: datetime, row: str) -> None:
    report = take(row)
    assert report["mailable"] == []
    assert take("email\nann@example.org\n", ASK)["asked"] == 0
    with db.reading(engine) as session:
        assert size(session, "weekly", now) == 0


def test_who_left_here_is_never_mailed(take: Import, engine: Engine, now: datetime) -> None:
    take("email\nann@example.org\nbob@example.org\n")
    with db.writing(engine) as session:
        unsubscribe(session, handle(session, "ann@example.org"), "weekly", method="page", now=now)
        suppress(session, "bob@example.org", key=KEY, reason="", now=now)
    report = take("email\nann@example.org\nbob@example.org\n")
    assert (report["mailable"], report["left"], report["suppressed"]) == ([], 1, 1)


def test_a_file_that_says_they_left_ends_a_subscription(take: Import, engine: Engine) -> None:
    take("email\nann@example.org\n")
    assert take("email,status\nann@example.org,unsubscribed\n")["updated"] == 1
    with db.reading(engine) as session:
        assert statuses(session, "ann@example.org") == {"weekly": "unsubscribed"}


def test_consent_for_one_list_is_none_for_another(take: Import, engine: Engine, now: datetime) -> None:
    take("email\nann@example.org\n")
    with db.reading(engine) as session:
        assert (size(session, "weekly", now), size(session, "daily", now)) == (1, 0)


def test_a_dry_run_writes_nothing_and_says_the_same(take: Import, engine: Engine) -> None:
    text = "email,name\nann@example.org,Ann\nann@example.org,Ann\nbad\n"
    dry = take(text, Order("weekly", confirmed=True, consent="x", dry_run=True))
    with db.reading(engine) as session:
        assert how_many(session, Subscriber) == 0
    assert dry == take(text)


def test_names_are_filled_in_but_not_replaced(take: Import, engine: Engine) -> None:
    take("email\nann@example.org\n")
    assert take("email,first name,last name\nann@example.org, Ann , Lee\n")["updated"] == 1
    assert take("email,name\nann@example.org,Other\n")["unchanged"] == 1


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", BadFile),
        (b"a,b\n1,2\n", BadFile),
        (b'email,name\nann@example.org,"' + b"x" * 200_000, BadFile),
    ],
)
def test_files_that_are_no_lists(take: Import, content: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        take(content)


def test_nothing_is_read_without_a_list_and_consent(take: Import) -> None:
    with pytest.raises(NoConsent):
        take("email\nann@example.org\n", Order("weekly", confirmed=True))
    with pytest.raises(UnknownList):
        take("email\nann@example.org\n", Order("nosuch"))


@pytest.mark.parametrize("delimiter", files.DELIMITERS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "latin-1"])
def test_delimiters_and_encodings(delimiter: str, encoding: str) -> None:
    text = f"E-Mail{delimiter}First name{delimiter}Last name\r\nann@example.org{delimiter}Zoë{delimiter}Müller\r\n"
    file = io.BytesIO(text.encode(encoding))
    sheet = sheets.look(file)
    (row,) = sheets.read(file, sheet)
    assert isinstance(row, sheets.Row)
    assert (sheet.delimiter, row.name, row.line) == (delimiter, "Zoë Müller", 2)


@pytest.mark.parametrize(
    ("text", "email", "name"),
    [
        ("ann@example.org\nbob@example.org\n", "ann@example.org", ""),
        ("Ann;ann@example.org\n", "ann@example.org", ""),
        ("sep=;\nemail;name\nann@example.org;Ann\n", "ann@example.org", "Ann"),
        ("address,email\nMain St 1,ann@example.org\n", "ann@example.org", ""),
        ("Contact,Full Name\nann@example.org,Ann Lee\n", "ann@example.org", "Ann Lee"),
        ('email,name\n"ann@example.org","Lee, Ann"\n', "ann@example.org", "Lee, Ann"),
        ("email,name,surname\nann@example.org,Ann,Lee\n", "ann@example.org", "Ann Lee"),
        ("email,first name\n'+ann@example.org,'=Ann\n", "+ann@example.org", "=Ann"),
    ],
)
def test_columns_are_found(text: str, email: str, name: str) -> None:
    file = io.BytesIO(text.encode())
    row = next(sheets.read(file, sheets.look(file)))
    assert isinstance(row, sheets.Row)
    assert (row.email, row.name) == (email, name)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]) | st.sampled_from("='+-@\t\r\n|%,;\"")))
def test_no_cell_begins_a_formula_and_every_cell_comes_back(cell: str) -> None:
    safe = formulas.guard(cell)
    assert formulas.unguard(safe) == cell
    for part in [safe, *safe.replace('"', ";").replace(",", ";").replace("\t", ";").split(";")]:
        assert not part or part[0] not in "=+-@\t\r\n|%"


def test_what_goes_out_comes_back(take: Import, engine: Engine, now: datetime) -> None:
    rows = [("=1+1@example.org", "=cmd|' /C calc'!A0"), ("o'hara@example.org", "O'Hara"), ("ü@bücher.example", "a;=b")]
    text = io.StringIO()
    csv.writer(text).writerows([("email", "name"), *rows, ("gone@example.org", "-2")])
    take(text.getvalue())
    with db.writing(engine) as session:
        unsubscribe(session, handle(session, "gone@example.org"), "weekly", method="page", now=now)
        sign_up(session, "new@example.org", now=now, random=lambda size: b"!" * size)
        out = io.StringIO()
        assert export_people(session, out, Wanted("weekly")) == 5
        again = io.StringIO()
        export_people(session, again, Wanted("daily"))
    assert take(out.getvalue())["unchanged"] == 5
    report = take(out.getvalue(), Order("daily", confirmed=True, consent="copied"))
    assert (report["new"], report["left"], len(report["mailable"])) == (5, 1, 3)
    with db.reading(engine) as session:
        copy = io.StringIO()
        export_people(session, copy, Wanted("daily"))
    ours, theirs = (list(csv.DictReader(io.StringIO(one.getvalue()))) for one in (out, copy))
    told = ("email", "name", "language", "status")
    assert [[row[key] for key in told] for row in ours] == [[row[key] for key in told] for row in theirs]


def test_exports_of_other_programs(corpus: Path, take: Import, now: datetime) -> None:
    """Every address is found, nobody who left there is mailable, a second import changes nothing."""
    expected = json.loads((corpus / "exports" / "expected.json").read_text())
    for number, (name, truth) in enumerate(expected.items()):
        if "emails" not in truth:
            continue
        file = corpus / "exports" / name
        with file.open("rb") as stream:
            sheet = sheets.look(stream)
            found = {row.email for row in sheets.read(stream, sheet) if isinstance(row, sheets.Row)}
        assert found == {normalise(email).normalised for email in truth["emails"]}, name
        assert sheet.delimiter == truth["delimiter"], name
        assert sheet.encoding == ("utf-8-sig" if truth["bom"] else "utf-8"), name
        at = now + timedelta(days=number)
        mailable = set(take(file.read_bytes(), at=at)["mailable"])
        if "unsubscribed" in truth.get("import_as", ""):
            assert mailable == set(), name
        for email, status in truth.get("status_by_email", {}).items():
            words = {str(value).casefold() for key, value in status.items() if key.casefold() == "status"}
            if words & {"unsubscribed", "unreachable", "inactive", "0"} or status.get("email_disabled") == "true":
                assert normalise(email).normalised not in mailable, (name, email)
        again = take(file.read_bytes(), at=at)
        assert (again["new"], again["updated"]) == (0, 0), name
        assert again["bad_rows"] == truth["rows_without_email"], name


def test_rows_of_csv_are_read_as_they_are(corpus: Path) -> None:
    for name, truth in json.loads((corpus / "exports" / "expected.json").read_text()).items():
        if "rows" in truth:
            with (corpus / "exports" / name).open("rb") as stream:
                header, *rows = [cells for _, cells in files.cells_of(stream, "utf-8", ",")]
            # The stored copies have lost their carriage returns.
            expected = [{key: cell.replace("\r\n", "\n") for key, cell in row.items()} for row in truth["rows"]]
            assert [dict(zip(header, row, strict=True)) for row in rows] == expected, name


def test_lanes_take_everybody_once_and_say_the_same(
    take: Import, engine: Engine, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer")
    monkeypatch.setattr(transfer, "CHUNK", 50)
    people = [f"reader{n % 700}@example.org,Reader {n}" for n in range(1_000)]
    said = take("email,name\n" + "\n".join([*people, "nobody"]), lanes=3)
    assert (said["rows"], said["new"], said["bad_rows"], said["mailable"]) == (1_001, 700, 1, [*said["mailable"]])
    assert len(set(said["mailable"])) == 700
    with db.reading(engine) as session:
        assert size(session, "weekly", now) == 700
    again = take("email,name\n" + "\n".join(people), lanes=3)
    assert (again["new"], again["unchanged"]) == (0, 1_000)


@pytest.mark.parametrize("left_by", ["declined", "left", "suppressed"])
def test_who_says_no_in_mid_import_is_not_brought_back(
    take: Import, engine: Engine, now: datetime, monkeypatch: pytest.MonkeyPatch, left_by: str
) -> None:
    """PostgreSQL has many writers: an import reads who is pending, they say no, and only then it writes."""
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer")
    with db.writing(engine) as session:
        (send,) = sign_up(session, "ann@example.org", now=now, random=lambda size: b"!" * size).sends
    known = Intake._known

    def and_then_no(self: Intake, session: Session, people: Any) -> Any:
        found = known(self, session, people)
        with db.writing(engine) as other:
            if left_by == "declined":
                decline(other, claim(other, Purpose.DECLINE, "ann@example.org", send.confirmation_id), now=now)
            elif left_by == "left":
                unsubscribe(other, handle(other, "ann@example.org"), "weekly", method="page", now=now)
            else:
                suppress(other, "ann@example.org", key=KEY, reason="", now=now, scope="weekly")
        return found

    monkeypatch.setattr(Intake, "_known", and_then_no)
    report = take("email\nann@example.org\nbob@example.org\n")
    assert report["mailable"] == ["bob@example.org"]
    with db.reading(engine) as session:
        assert statuses(session, "ann@example.org")["weekly"] in ("declined", "unsubscribed")
        assert proofs(session)[-1][1:] == ("imported", "import")
        assert [action for _, action, _ in proofs(session)].count("imported") == 1


@pytest.mark.parametrize("elsewhere", [True, False], ids=["known elsewhere", "a stranger"])
def test_who_signs_up_in_mid_import_keeps_their_place(
    take: Import, engine: Engine, now: datetime, monkeypatch: pytest.MonkeyPatch, *, elsewhere: bool
) -> None:
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer")
    if elsewhere:
        take("email\nann@example.org\n", Order("daily", confirmed=True, consent="x"))
    known = Intake._known

    def and_then_signs_up(self: Intake, session: Session, people: Any) -> Any:
        found = known(self, session, people)
        monkeypatch.setattr(Intake, "_known", known)
        with db.writing(engine) as other:
            sign_up(other, "ann@example.org", now=now, random=lambda size: b"!" * size)
        return found

    monkeypatch.setattr(Intake, "_known", and_then_signs_up)
    take("email\nann@example.org\nbob@example.org\n")
    with db.reading(engine) as session:
        assert statuses(session, "ann@example.org") == {"weekly": "pending"} | (
            {"daily": "confirmed"} if elsewhere else {}
        )
        assert statuses(session, "bob@example.org") == {"weekly": "confirmed"}


def test_what_fails_in_a_lane_ends_the_import(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(piece: int) -> int:
        if piece == 3:
            raise NoConsent("three")
        return piece

    with Lanes(2, fail) as lanes:
        done = list(lanes.put([1, 2]))
        with pytest.raises(NoConsent, match="three"):
            for pieces in ([3, 4], [5, 6], [7, 8]):
                done += lanes.put(pieces)
    assert set(done) <= {1, 2, 4, 5, 6, 7, 8}
