"""Files of people, however they are written: any delimiter and encoding, JSON lines, and ZIPs that mean no good."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from importing import AGREED, taker
from newsroom import how_many, make_lists
from sqlalchemy import Engine

from digest import db
from subscribers import files, sheets
from subscribers.errors import BadFile
from subscribers.models import Subscriber


@pytest.fixture
def take(engine: Engine, now: datetime) -> Callable[..., dict[str, Any]]:
    with db.writing(engine) as session:
        make_lists(session, now)
    return taker(engine, now)


def zipped(members: dict[str, str | bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def rows(content: bytes, **how: str) -> list[sheets.Row | sheets.BadRow]:
    file = io.BytesIO(content)
    return list(sheets.read(file, sheets.look(file, sheets.Reading(**how))))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_json_lines(encoding: str) -> None:
    lines = [
        {"email": "ann@example.org", "name": "Zoë", "plan": 3, "tags": ["A", "b"]},
        {"email": "=bob@example.org", "name": "'=Bob", "attributes": {"city": "Bern"}},
    ]
    found = rows(("\n".join(map(json.dumps, lines)) + '\n\n{"email": \n[1]\n').encode(encoding))
    ann, bob, *bad = found
    assert isinstance(ann, sheets.Row) and ann.more and isinstance(bob, sheets.Row) and bob.more
    assert (ann.name, ann.more.attributes, ann.more.tags) == ("Zoë", {"plan": "3"}, ("a", "b"))
    assert (bob.email, bob.name, bob.more.attributes) == ("=bob@example.org", "'=Bob", {"city": "Bern"})
    assert [(one.line, one.reason) for one in bad] == [(4, "expected a JSON object"), (5, "expected a JSON object")]


def test_a_name_that_comes_up_late_means_what_it_says(take: Any) -> None:
    """A status in the hundredth line only, as exports leave out what is empty."""
    lines = [f'{{"email": "a{n}@example.org"}}' for n in range(100)]
    late = '{"status": "unsubscribed", "email": "gone@example.org"}\n{"unsubscribed_at": "2024", "email": "b@x.org"}\n'
    report = take("\n".join(lines) + "\n" + late)
    assert (len(report["mailable"]), report["left"]) == (100, 2)
    many = "\n".join(f'{{"email": "c{n}@example.org", "k{n}": ""}}' for n in range(1_100))
    assert take(many)["bad_rows"] == 101


def test_a_list_that_was_cleaned_by_somebody_is_a_list(take: Any) -> None:
    assert take("email\nann@example.org\n", name="people-cleaned.csv")["mailable"] == ["ann@example.org"]


@pytest.mark.parametrize(
    "line",
    ["[" * 100_000, '{"email": ' + "9" * 5_000 + "}", '{"a": "' + "x" * 2_000_000 + '"}'],
    ids=["deep", "a number", "long"],
)
def test_a_bad_line_costs_only_itself(line: str) -> None:
    found = rows(f'{{"email": "ann@example.org"}}\n{line}\n{{"email": "bob@example.org"}}\n'.encode())
    assert [type(one) for one in found] == [sheets.Row, sheets.BadRow, sheets.Row]


def test_an_encoding_and_a_delimiter_that_are_said() -> None:
    text = "почта^Имя\nann@example.org^Анна\n"
    (row,) = rows(text.encode("cp1251"), encoding="cp1251", delimiter="^")
    assert isinstance(row, sheets.Row)
    assert row.email == "ann@example.org"
    assert row.more
    assert row.more.attributes == {"имя": "Анна"}


@pytest.mark.parametrize("encoding", ["nonsense", "rot13", "base64"])
def test_encodings_that_there_are_not(encoding: str) -> None:
    with pytest.raises(BadFile, match="encoding"):
        rows(b"email\nann@example.org\n", encoding=encoding)


def test_a_zip_of_several_lists(take: Any) -> None:
    content = zipped(
        {
            "subscribed_members_1.csv": "Email Address,LEID,EUID\nann@example.org,1,a\nbob@example.org,2,b\n",
            "unsubscribed_members_1.csv": "Email Address,LEID,EUID\nbob@example.org,2,b\ncy@example.org,3,c\n",
            "nonsubscribed_members_1.csv": "Email Address,LEID,EUID\ndan@example.org,4,d\n",
            "../../etc/people.jsonl": '{"email": "eve@example.org"}\nbad\n',
            "C:\\evil.exe": "no list",
            "__MACOSX/._subscribed.csv": "no list",
        }
    )
    report = take(content)
    assert (report["new"], report["left"], report["mailable"]) == (5, 3, ["eve@example.org", "ann@example.org"])
    assert report["bad"] == [{"line": 2, "reason": "expected a JSON object", "file": "../../etc/people.jsonl"}]
    assert [one["program"] for one in report["files"]] == ["mailchimp", "mailchimp", "", "mailchimp"]
    again = take(content)
    assert (again["new"], again["updated"], again["mailable"]) == (0, 0, ["eve@example.org", "ann@example.org"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (zipped({"people.csv": b"a" * (64 << 20)}), "no list of people packs like that"),
        (zipped({f"{n}.csv": "email\n" for n in range(101)}), "at most 100"),
        (zipped({"readme.md": "x"}), "holds no list"),
        (zipped({"a.csv": "email\n"})[:40], "can't be read"),
    ],
    ids=["a bomb", "many", "no list", "cut short"],
)
def test_zips_that_mean_no_good(take: Any, engine: Engine, content: bytes, said: str) -> None:
    with pytest.raises(BadFile, match=said):
        take(content)
    with db.reading(engine) as session:
        assert how_many(session, Subscriber) == 0


def test_a_zip_that_lies_about_its_size(take: Any) -> None:
    packed = bytearray(zipped({"a.csv": "email\n" + "x" * 5_000_000}))
    place = packed.rindex(b"PK\x01\x02") + 24
    packed[place : place + 4] = (100).to_bytes(4, "little")
    with pytest.raises(BadFile):
        take(bytes(packed))


def test_a_json_array_says_what_was_expected() -> None:
    with pytest.raises(BadFile, match="one object on each line"):
        rows(b'[{"email": "ann@example.org"}]')


def test_lines_are_counted_for_the_bar(take: Any) -> None:
    seen: list[tuple[int, int | None]] = []
    take("email\nann@example.org\n", AGREED, progress=lambda label, done, total: seen.append((done, total)))
    assert seen[-1] == (1, 1)
    assert files.lines(io.BytesIO(b"a\nb\n")) == 2
