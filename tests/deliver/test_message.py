"""The message's bytes: headers that survive hostile text, parts that decode to what was rendered."""

from __future__ import annotations

import quopri
import re
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes, policy
from email.header import decode_header

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from post import AT, KEY, LINKS, WORD, config, good, issue, mailing_list, prepared, reader, stationery

from digest.blanks import Blank, blank
from digest.deliver import headers
from digest.deliver.lint import lint
from digest.deliver.message import (
    build,
    message_id,
    parse_mailbox,
    prepare,
    quoted_printable,
    standing_headers,
)

HOSTILE = [
    "=?utf-8?q?a=0D=0ABcc:_evil@example.com?=",
    "a\r\nBcc: evil@example.com",
    "a\nBcc: evil@example.com",
    "a\rBcc: evil@example.com",
    "a\0b",
    "a\u0085Bcc: evil@example.com",
    "a\u2028Bcc: evil@example.com",
    "a\u2029\r\n\r\nBody",
    "\udcff\ud800 lone surrogates",
    "{{7*7}} </mj-text> ${7*7} <%= 7*7 %>",
    blank("othrwd", Blank.UNSUBSCRIBE),
    "\u202eright to left",
    "=?",
    "?=",
    "a" * 1000,
    "\u6f22" * 500,
    "\U0001f469\u200d\U0001f469\u200d\U0001f467" * 60,
    "e\u0301" * 200,
    " ",
    "",
    '"quoted", <b@example.org>; (comment) \\',
]
WIRE_NAMES = [
    "From",
    "To",
    "Subject",
    "Message-ID",
    "Date",
    "Auto-Submitted",
    "Precedence",
    "X-Auto-Response-Suppress",
    "List-Id",
    "List-Help",
    "List-Subscribe",
    "List-Archive",
    "List-Post",
    "Feedback-ID",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "MIME-Version",
    "Content-Type",
]

# What feeds and people type: words of all kinds, marks, joined emoji, specials, controls.
PIECES = [
    "a",
    "b ",
    "word ",
    "\u00e9",
    "\u6f22",
    "\U0001f469\u200d\U0001f467",
    "e\u0301",
    ",",
    '"',
    "\\",
    "=?",
    "?=",
    "_",
]
TEXTS = st.lists(st.sampled_from([*PIECES, "<", ">", "@", ";", "(", "\r\n", "\0", "\u2028", "'"]), max_size=150).map(
    "".join
)


def names(raw: bytes) -> list[str]:
    head = raw.partition(b"\r\n\r\n")[0].decode()
    return [line.partition(":")[0] for line in head.split("\r\n") if not line.startswith(" ")]


def decoded(value: str) -> str:
    return "".join(
        part.decode(charset or "ascii") if isinstance(part, bytes) else part for part, charset in decode_header(value)
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_brings_no_header(text: str) -> None:
    listed = mailing_list(title=text)
    raw = build(
        prepared(
            subject=f"{text} {blank(WORD, Blank.NAME)}",
            headers=standing_headers(config(), LINKS, listed, issue(), AT),
        ),
        reader(name=text),
    )
    assert names(raw) == WIRE_NAMES
    assert lint(raw, loopback=True) == []


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text_in_the_parts(text: str) -> None:
    body = text.encode("utf-8", "replace").decode()
    raw = build(prepared(text=stationery().text + body, html=stationery().html), reader(name=text))
    assert lint(raw, loopback=True) == []


@given(TEXTS)
def test_subjects_round_trip(text: str) -> None:
    wire = headers.line("Subject", headers.unstructured(text)).decode()
    assert all(len(line) <= 76 for line in wire.split("\r\n"))
    assert decoded(wire.removeprefix("Subject: ").replace("\r\n", "").strip()) == headers.one_line(text)


@given(TEXTS)
def test_a_name_stays_one_mailbox_for_another_parser(text: str) -> None:
    wire = headers.line("From", headers.mailbox(text, "ann@example.org"))
    parsed = message_from_bytes(wire + b"\r\n", policy=policy.default)["From"].addresses
    assert [one.addr_spec for one in parsed] == ["ann@example.org"]


@pytest.mark.parametrize(
    "name", ["Doe, John", '"x"', "a@b", "\u00dcn\u00ef", "=?x?=", "a" * 300, "Ann O'Neil", "a b, c" * 50]
)
def test_display_names_parse_back_equal(name: str) -> None:
    wire = headers.line("To", headers.mailbox(name, "ann@example.org"))
    parsed = message_from_bytes(wire + b"\r\n", policy=policy.default)["To"].addresses
    assert [one.display_name for one in parsed] == [name]


@given(st.lists(st.text('abc,"\\é漢 ', min_size=1, max_size=30), min_size=1, max_size=20))
def test_unfolding_gives_the_value_back(words: list[str]) -> None:
    value = headers.mailbox(" ".join(words), "ann@example.org")
    wire = headers.line("From", value).decode()
    assert wire.removeprefix("From:").replace("\r\n", "").strip() == value


@pytest.mark.parametrize("length", range(40, 900, 43))
def test_long_one_click_links_stay_whole_on_one_line(length: int) -> None:
    uri = "https://review.example/" + "x" * length
    values = {**reader().values, Blank.UNSUBSCRIBE: uri}
    raw = build(prepared(), reader(unsubscribe=uri, values=values))
    assert f"\r\nList-Unsubscribe: <{uri}>\r\n".encode() in raw
    assert lint(raw) == []


def test_a_control_character_never_reaches_the_wire() -> None:
    with pytest.raises(ValueError, match="X-A"):
        headers.line("X-A", "a\r\nb")


@settings(max_examples=300)
@given(st.text("ab \t=.\n\r\u2028é漢-", max_size=300))
def test_quoted_printable_decodes_to_the_text(text: str) -> None:
    wire = quoted_printable(text)
    lines = wire.split(b"\r\n")
    assert all(len(line) <= 76 and not line.endswith((b" ", b"\t")) for line in lines)
    assert quopri.decodestring(wire).replace(b"\r\n", b"\n").decode() == text.replace("\r\n", "\n").replace("\r", "\n")


def test_blanks_are_filled_as_each_place_needs() -> None:
    raw = build(prepared(subject=f"For {blank(WORD, Blank.NAME)}"), reader(name="<b>Ann & Bob</b>"))
    parsed = message_from_bytes(raw, policy=policy.default)
    text, html = (part.get_content() for part in parsed.iter_parts())
    assert "Dear <b>Ann & Bob</b>," in text
    assert "Dear &lt;b&gt;Ann &amp; Bob&lt;/b&gt;," in html
    assert parsed["Subject"] == "For <b>Ann & Bob</b>"
    assert WORD not in raw.decode()


def test_equal_input_gives_equal_bytes() -> None:
    assert build(prepared(), reader()) == good() == build(prepare(stationery()), reader())


def test_the_boundary_is_in_no_part_even_when_an_article_holds_it() -> None:
    mark = prepared().boundary
    raw = build(prepared(text=f"{stationery().text}\n--{mark}\n--{mark}--\n"), reader())
    assert lint(raw, loopback=True) == []


def test_message_ids_are_fixed_distinct_and_tell_nothing() -> None:
    ids = [message_id(KEY, "issue:12", str(person), "review.example") for person in range(10_000)]
    assert len(set(ids)) == 10_000
    assert ids == [message_id(KEY, "issue:12", str(person), "review.example") for person in range(10_000)]
    assert ids != sorted(ids)
    assert all(re.fullmatch(r"<[0-9a-f]{32}@review\.example>", one) for one in ids)
    assert message_id(KEY, "issue:13", "0", "review.example") not in ids


def test_list_id_outlives_the_title() -> None:
    before = standing_headers(config(), LINKS, mailing_list(title="Old"), issue(1), AT)["List-Id"]
    after = standing_headers(config(), LINKS, mailing_list(title="Neu \u00fc"), issue(2), AT)["List-Id"]
    assert before.rpartition(" ")[2] == after.rpartition(" ")[2] == "<weekly.review.example>"


def test_a_private_list_offers_no_sign_up() -> None:
    assert "List-Subscribe" not in standing_headers(config(), LINKS, mailing_list(public=False), issue(), AT)


def test_a_list_may_have_its_own_sender() -> None:
    own = mailing_list(sender="B\u00fccher <books@b\u00fccher.example>", reply_to="desk@review.example")
    said = standing_headers(config(), LINKS, own, issue(), AT)
    assert said["From"] == "=?utf-8?q?B=C3=BCcher?= <books@xn--bcher-kva.example>"
    assert said["Reply-To"] == "<desk@review.example>"
    assert said["List-Id"].endswith("<weekly.review.example>")


WEST = timezone(timedelta(hours=-3, minutes=-30))
DATES = [
    (datetime(2026, 11, 20, 7, 0, tzinfo=UTC), "Fri, 20 Nov 2026 07:00:00 +0000"),
    (
        datetime(2026, 1, 5, 23, 59, 1, tzinfo=timezone(timedelta(hours=-3, minutes=-30))),
        "Mon, 5 Jan 2026 23:59:01 -0330",
    ),
]


@pytest.mark.parametrize(("at", "wire"), DATES)
def test_dates_have_numeric_zones(at: datetime, wire: str) -> None:
    assert headers.date_time(at) == wire


MAILBOXES = [
    ("news@example.org", ("", "news@example.org")),
    ("The Review <news@example.org>", ("The Review", "news@example.org")),
    ('"Doe, John" <news@Example.org>', ("Doe, John", "news@example.org")),
    ("B <a@b\u00fccher.example>", ("B", "a@xn--bcher-kva.example")),
]


@pytest.mark.parametrize(("text", "parts"), MAILBOXES)
def test_one_mailbox_is_read(text: str, parts: tuple[str, str]) -> None:
    found = parse_mailbox(text)
    assert (found.name, found.address) == parts


@pytest.mark.parametrize(
    "text", ["", "news", "a@b.example, c@d.example", "A <a@b.example>, B <c@d.example>", "a b@c.example"]
)
def test_more_or_less_than_one_mailbox_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected one mailbox"):
        parse_mailbox(text)
