"""The linter: a message that breaks one row fails that row and no other."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from post import AT, config, good, prepared, reader, stationery

from digest.blanks import Blank
from digest.deliver.lint import inspect_email, lint, recipient
from digest.deliver.message import Stationery, build, letter_headers, prepare

Change = Callable[[bytes], bytes]


def rows(raw: bytes, **how: bool) -> set[str]:
    return {failure.row for failure in lint(raw, loopback=how.pop("loopback", True), **how)}


def sub(pattern: str, new: str) -> Change:
    """Replace the first match; it must be there."""

    def change(raw: bytes) -> bytes:
        changed, count = re.subn(pattern.encode(), new.encode(), raw, count=1, flags=re.S | re.M)
        assert count == 1, pattern
        return changed

    return change


def header(name: str, value: str) -> Change:
    """Replace a header, or take it away with an empty value."""
    new = f"{name}: {value}\r\n" if value else ""
    return sub(rf"^{name}:.*?\r\n(?![ \t])", new.replace("\\", r"\\"))


def added(line: str) -> Change:
    return lambda raw: line.encode("latin-1") + b"\r\n" + raw


def preamble(line: str) -> Change:
    return lambda raw: raw.replace(b"\r\n\r\n", f"\r\n\r\n{line}\r\n".encode(), 1)


FROM = "The Review <news@review.example>"
LONG_URI = "https://review.example/u/" + "x" * 120

BROKEN: list[tuple[str, str, Change]] = [
    ("F-01", "a line of 1200", added("X-Long: " + "a" * 1200)),
    ("F-01", "a body line of 80", preamble("a" * 80)),
    ("F-02", "a bare LF in the body", preamble("a\nb")),
    ("F-02", "a bare CR in a header", header("Subject", "a\rb")),
    ("F-03", "two Dates", added("Date: Fri, 20 Nov 2026 07:00:00 +0000")),
    ("F-03", "no Date", header("Date", "")),
    ("F-03", "two Subjects", added("Subject: again")),
    ("F-04", "two mailboxes in From", header("From", f"{FROM}, Other <o@review.example>")),
    ("F-05", "a zone by name", header("Date", "Fri, 20 Nov 2026 07:00:00 GMT")),
    ("F-05", "the wrong day of the week", header("Date", "Mon, 20 Nov 2026 07:00:00 +0000")),
    ("F-05", "the zone that says unknown", header("Date", "Fri, 20 Nov 2026 07:00:00 -0000")),
    ("F-05", "no such day", header("Date", "Fri, 31 Feb 2026 07:00:00 +0000")),
    ("F-07", "an id with a space", header("Message-ID", "<aaaaaaaaaaaaaaaa aaaa@review.example>")),
    ("F-07", "no id", header("Message-ID", "")),
    ("F-07", "an id without a domain", header("Message-ID", "<abcdefghijklmnop3456>")),
    ("F-09", "the address in the id", header("Message-ID", "<ann.abcdefghijklmnop3456@review.example>")),
    ("F-09", "a counted id", header("Message-ID", "<0000000000000000012@review.example>")),
    ("F-10", "a space before the colon", added("X-Odd : 1")),
    ("F-11 H-16", "a fold inside a URI", header("List-Archive", "<http://127.0.0.1/\r\n archive>")),
    ("F-11", "a fold inside a quoted string", header("From", '"The\r\n Review, Inc" <news@review.example>')),
    ("F-11", "a line of white space only", header("Subject", "a\r\n \r\n b")),
    ("F-12", "nine kilobytes of headers", added("\r\n".join(f"X-A{i}: " + "a" * 60 for i in range(130)))),
    ("F-13", "half a character", header("Subject", "=?utf-8?q?caf=C3?= =?utf-8?q?=A9?=")),
    ("F-13", "a word of 90", header("Subject", f"=?utf-8?q?{'a' * 78}?=")),
    ("F-13", "latin-1", header("Subject", "=?iso-8859-1?q?caf=E9?=")),
    ("F-14", "an encoded-word in a URI", header("List-Archive", "<=?utf-8?q?http?=>")),
    ("F-14 F-15", "an encoded-word in quotes", header("From", '"=?utf-8?q?caf=C3=A9?=" <news@review.example>')),
    ("F-15", "a naked comma and bracket", header("From", "Review (Inc] <news@review.example>")),
    ("F-15", "encoded and quoted", header("To", '=?utf-8?q?caf=C3=A9?= "bar" <ann@example.org>')),
    ("F-17", "no MIME-Version", header("MIME-Version", "")),
    ("F-18", "HTML first", lambda raw: raw.replace(b"text/plain", b"text/x").replace(b"text/html", b"text/plain")),
    ("F-18", "a link that the text lacks", sub(r"^https://example.org/one", "https://example.org/two")),
    ("F-18", "tags in the text", sub(r"^The week\r\n", "<div>The week</div>\r\n")),
    ("F-19", "no closing boundary", lambda raw: raw[: raw.rindex(b"\r\n--") + 2]),
    ("F-19", "the boundary in a part", lambda raw: raw + b"--" + re.search(rb'boundary="(.*?)"', raw)[1]),  # type: ignore[index]
    ("F-20", "bytes that are no utf-8", sub(r"caf=C3=A9, =E6", "caf=C3, =E6")),
    ("F-20", "another charset", sub(r'charset="utf-8"', 'charset="us-ascii"')),
    ("F-21", "a space at the end of a line", sub(r"^The week\r\n", "The week \r\n")),
    ("F-22", "8-bit in a header", added("X-A: caf\xe9")),
    ("F-26", "Bcc", added("Bcc: <eve@example.org>")),
    ("F-26", "two recipients", header("To", "<ann@example.org>, <bob@example.org>")),
    ("H-01", "no one-click link", header("List-Unsubscribe", "")),
    ("H-01", "two links", header("List-Unsubscribe", "<https://a.example/>, <https://b.example/>")),
    ("H-01", "plain http", header("List-Unsubscribe", "<http://review.example/>")),
    ("H-01", "encoded", header("List-Unsubscribe", "<mailto:a@example.org>")),
    ("H-02", "no List-Unsubscribe-Post", header("List-Unsubscribe-Post", "")),
    ("H-02", "another value", header("List-Unsubscribe-Post", "one-click")),
    ("H-14", "another link than in the body", header("List-Unsubscribe", f"<{LONG_URI}>")),
    ("H-15", "no List-Id", header("List-Id", "")),
    ("H-15", "no domain", header("List-Id", "The Weekly <weekly>")),
    ("H-16", "no brackets", header("List-Archive", "https://review.example/archive")),
    ("H-16", "twice", added("List-Archive: <https://review.example/archive>")),
    ("H-18", "auto-replied", header("Auto-Submitted", "auto-replied")),
    ("H-19", "no Precedence", header("Precedence", "")),
    ("H-19", "no word to Exchange", header("X-Auto-Response-Suppress", "")),
    ("H-21", "a short sender", header("Feedback-ID", "a:b:c:me")),
    ("H-21", "five fields", header("Feedback-ID", "a:b:c:d:sender")),
    ("H-21", "a field twice", header("Feedback-ID", "a:a:b:sender")),
    ("H-23", "Return-Path", added("Return-Path: <a@example.org>")),
    ("H-23", "X-Mailer", added("X-Mailer: 1.0")),
]


def test_a_good_message_has_no_failure() -> None:
    assert lint(good(), loopback=True) == []


@pytest.mark.parametrize(("row", "what", "change"), BROKEN, ids=[f"{row} {what}" for row, what, _ in BROKEN])
def test_a_broken_message_fails_its_row_alone(row: str, what: str, change: Change) -> None:
    assert rows(change(good())) == set(row.split())


def test_plain_http_is_for_loopback_only() -> None:
    assert rows(good(), loopback=False) == {"H-01"}


def test_a_letter_needs_no_list_headers_but_its_link() -> None:
    letter = prepare(stationery(headers=letter_headers(config(), None, AT)))
    elsewhere = {**reader().values, Blank.UNSUBSCRIBE: "https://review.example/other"}
    assert rows(build(letter, reader())) == set()
    assert rows(build(letter, reader(values=elsewhere))) == {"H-14"}


def test_a_notice_needs_no_link() -> None:
    letter = Stationery("Look", "<p>Look</p>", "Look", letter_headers(config(), None, AT), "q7w8e9")
    assert rows(build(prepare(letter), reader(unsubscribe=None))) == set()


def test_utf8_in_an_address_needs_smtputf8() -> None:
    raw = build(prepared(), reader("\u7528\u6237@example.org"))
    assert rows(raw) == {"F-22"}
    assert rows(raw, smtputf8=True) == set()
    assert recipient(raw) == "\u7528\u6237@example.org"


@pytest.mark.parametrize(
    "raw", [b"", b"\r\n", b"From: x", b"Content-Type: multipart/x; boundary=a\r\n\r\n--a", bytes(range(256))]
)
def test_nonsense_is_judged_not_feared(raw: bytes) -> None:
    assert rows(raw)


def test_inspection_tells_links_and_size() -> None:
    told = inspect_email("a.eml", good(), loopback=True)
    assert (told["input"], told["failures"]) == ("a.eml", [])
    assert told["links"] == ["https://example.org/one", reader().unsubscribe]
    assert told["html_bytes"] > 200
