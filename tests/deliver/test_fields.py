"""Merge fields in a message: whatever a reader is called or has told of themselves, it stays text."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes, policy
from html import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from post import FIELDS, WORD, good, personal, reader, stationery

from digest.blanks import Blank, blank, field_blank
from digest.deliver.lint import lint
from digest.deliver.message import Reader, build, prepare
from digest.fields import values
from digest.templating.text import paragraphs, wrapped

PAYLOADS = [
    "Ann",
    "<script>alert(1)</script>",
    "</title></p><a href='https://evil.example/'>here</a>",
    '"><img src=x onerror=alert(1)> &amp; &lt;',
    "=?utf-8?q?a=0D=0ABcc:_b@evil.example?=",
    "a\r\nBcc: b@evil.example\r\n\r\nHello",
    "a\nX-Evil: 1",
    "a\x00b\x1b[31mc\x85d",
    "a\u2028b\u2029c",
    "\u202egnp.exe\u202c\u2066x",
    "[[city|x]]",
    field_blank(WORD, 1),
    blank(WORD, Blank.UNSUBSCRIBE),
    "{{ 7 * 7 }} {% raw %}",
    r"\g<0> \1 \u{a0}",
    "\u05e9\u05dc\u05d5\u05dd \u6f22\u5b57 \U0001f469\u200d\U0001f680 e\u0301",
    "w" * 500,
    "many words " * 40,
    ".\r\n.\r\nQUIT",
    "--=_boundary--",
]


def told(fact: str) -> Reader:
    filled = values(FIELDS, fact, {"city": fact})
    return reader(name=fact, fields=filled)


def parts(raw: bytes) -> tuple[str, str, str]:
    parsed = message_from_bytes(raw, policy=policy.default)
    text, html = (part.get_content() for part in parsed.iter_parts())
    return str(parsed["Subject"]), text, html


@pytest.mark.parametrize("fact", PAYLOADS)
def test_a_hostile_fact_is_text_everywhere(fact: str) -> None:
    raw = build(prepare(personal()), told(fact))
    assert lint(raw, loopback=True) == []
    subject, text, html = parts(raw)
    (said, _) = values(FIELDS, fact, {})
    assert subject == f"{said}, the week in {said}"
    assert f"{said}, is all" in " ".join(text.split())
    assert f">{escape(said)} in {escape(said)}: first article<" in html
    assert [line.partition(b":")[0] for line in raw.partition(b"\r\n\r\n")[0].split(b"\r\n") if line[:1] != b" "] == [
        line.partition(b":")[0] for line in good().partition(b"\r\n\r\n")[0].split(b"\r\n") if line[:1] != b" "
    ]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300))
def test_any_fact_is_text_everywhere(fact: str) -> None:
    raw = build(prepare(personal()), told(fact))
    (said, _) = values(FIELDS, fact, {})
    assert lint(raw, loopback=True) == []
    assert f">{escape(said)} in " in parts(raw)[2]


def test_a_line_that_gets_too_long_is_broken_and_keeps_its_indentation() -> None:
    short, long = (parts(build(prepare(personal()), told(fact)))[1] for fact in ("Jo", "Maximiliane von und zu Hohen"))
    assert "  Jo, is all well in Jo? Here is the first article \u2014 caf\u00e9, \u6f22\u5b57." in short.splitlines()
    assert "  Here is the first article \u2014 caf\u00e9, \u6f22\u5b57." in long.splitlines()
    assert max(len(line) for line in long.splitlines() if "://" not in line) <= 76


def test_for_nobody_the_defaults_stand_there() -> None:
    subject, text, html = parts(build(prepare(personal()), reader()))
    assert subject == "friend, the week in town"
    assert "friend, is all well in town?" in text
    assert "<title>friend, the week in town</title>" in html


def test_a_paragraph_is_broken_anew_for_each_reader() -> None:
    said = f"Dear {field_blank(WORD, 0)}, {'this is a sentence of some length. ' * 5}"
    mail = prepare(
        replace(personal(), text=f"{stationery().text}\n{wrapped(said)}\n\n- one\n- {field_blank(WORD, 1)}\n")
    )
    for fact in ("Jo", "Maximiliane von und zu Hohen", "\u6f22\u5b57" * 15):
        text = parts(build(mail, told(fact)))[1].replace("\r\n", "\n")
        whole = wrapped(f"Dear {fact}, {'this is a sentence of some length. ' * 5}")
        assert f"\n\n{whole}\n\n- one\n- {fact}" in text


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        (wrapped("word " * 40) + "\n\n" + wrapped("  - " + "word " * 40) + "\n", [3, 1, 3]),
        ("a line\nbroken by hand\n", [1, 1]),
        (f"{'t' * 70}\n{'=' * 70}\n", [1, 1]),
        (f"{'t' * 76}\n    indented\n", [1, 1]),
        (wrapped("\u6f22" * 100), [1, 1, 1]),
        ("", []),
    ],
)
def test_lines_that_were_one_are_found(text: str, sizes: list[int]) -> None:
    found = paragraphs(text)
    assert "".join("".join(lines) for lines in found) == text
    assert [len(lines) for lines in found] == sizes
