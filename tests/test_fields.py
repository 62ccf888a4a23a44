"""Merge fields as values: what is read in what staff write, and what fills it."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.deliver.headers import one_line
from digest.fields import EXPECTED, IN_AN_ADDRESS, LONGEST, Field, found, marked, mistake, plain, values

ANN = {"first_name": "Ann", "zip": 8001, "vip": True, "address": {"city": "Bern"}, "a.b": "both", "list": ["x"]}


@pytest.mark.parametrize(
    ("text", "fields", "shown"),
    [
        ("Dear [[first_name|friend]],", [Field("first_name", "friend")], "Dear friend,"),
        ("Dear [[ first_name | dear  friend ]],", [Field("first_name", "dear friend")], "Dear dear friend,"),
        ("[[name|]]", [Field("name", "")], ""),
        ("[[a.b-c_1|x|y]]", [Field("a.b-c_1", "x|y")], "x|y"),
        ("[[[a|b]]](https://example.org)", [Field("a", "b")], "[b](https://example.org)"),
        ("[to [[a|b]]](https://example.org)", [Field("a", "b")], "[to b](https://example.org)"),
        ("[[größe|M]] [[größe|M]] [[größe|L]]", [Field("größe", "M"), Field("größe", "L")], "M M L"),
        (
            "[[a|b]] https://x.example/[[a|b c]]",
            [Field("a", "b c", True), Field("a", "b")],
            "b https://x.example/b%20c",
        ),
        ("[me](https://x.example?u=[[a|(b)]])", [Field("a", "(b)", True)], "[me](https://x.example?u=%28b%29)"),
        (
            "https://x.example/#[[a|]]-[[b|c/]], [[a|]]",
            [Field("a", "", True), Field("b", "c/", True), Field("a", "")],
            "https://x.example/#-c%2F, ",
        ),
        ("[a][b] {{ x|y }} [ [a|b] ] \\[\\[a|b]]", [], "[a][b] {{ x|y }} [ [a|b] ] \\[\\[a|b]]"),
    ],
)
def test_fields_are_found_in_what_staff_write(text: str, fields: list[Field], shown: str) -> None:
    assert mistake(text) == ""
    assert list(found([text])) == fields
    assert plain(text) == shown


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Hi [[first name|x]]!", f"[[first name|x]]: {EXPECTED}"),
        ("[[first_name]]", f"[[first_name]]: {EXPECTED}"),
        ("[[|x]]", f"[[|x]]: {EXPECTED}"),
        ("[[a|b] and more", f"[[a|b] and more: {EXPECTED}"),
        ("[[a|b\nc]]", f"[[a|b: {EXPECTED}"),
        ("[[a|[[b|c]]]]", f"[[a|]]: {EXPECTED}"),
        ("[[a|<b>]] [[a(b)|c]]", f"[[a(b)|c]]: {EXPECTED}"),
        ("[[" + "x" * 100, f"[[{'x' * 40}: {EXPECTED}"),
        (f"[[a|{'x' * 201}]]", "the default of [[a|...]] has 201 characters: at most 200 are allowed"),
        ("[me](https://[[id|x]].example.org/)", IN_AN_ADDRESS),
        ("https://example.org@[[id|x]]/", IN_AN_ADDRESS),
        ("https://example.org:80[[id|x]]", IN_AN_ADDRESS),
        ("HTTPS://example.org\\[[id|x]]", IN_AN_ADDRESS),
        ("<mailto:[[id|x]]@example.org>", IN_AN_ADDRESS),
    ],
)
def test_a_field_written_wrongly_is_one_sentence(text: str, said: str) -> None:
    assert mistake(text) == said


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("first_name", "Ann"),
        ("First_Name", "Ann"),
        ("zip", "8001"),
        ("vip", "true"),
        ("address.city", "Bern"),
        ("a.b", "both"),
        ("name", "Ann Bell"),
        *((nothing, "-") for nothing in ("list", "address", "address.street", "first_name.x", "none", ".")),
    ],
)
def test_a_fact_or_the_default(field: str, value: str) -> None:
    assert values([Field(field, "-")], "Ann Bell", ANN) == (value,)


@pytest.mark.parametrize(
    ("fact", "said"),
    [
        (False, "false"),
        (3.0, "3"),
        (2.5, "2.5"),
        (10**18, str(10**18)),
        (None, "-"),
        ("  ", "-"),
        ("\r\n\x00\u2028", "-"),
        ("a\r\nBcc: b\x00c\u2028d\u0085e", "a Bcc: b c d e"),
        ("\u202egro.live\u202c", "gro.live"),
        ("x" * 500, "x" * LONGEST),
        ("[[x|y]]", "[[x|y]]"),
    ],
)
def test_a_value_is_one_short_line(fact: Any, said: str) -> None:
    assert values([Field("it", "-")], "", {"it": fact}) == (said,)


@pytest.mark.parametrize("fact", ["Zürich & <b>", "../..//evil.example", "a?b#c%2f", '"><script>', "", "\r\nx"])
def test_in_an_address_a_value_leads_nowhere_else(fact: str) -> None:
    (field,) = found(["[go](https://shop.example/a?to=[[it|x/y]])"])
    (value,) = values([field], "", {"it": fact})
    assert re.fullmatch(r"[\w.~%-]+", value, re.ASCII)
    assert unquote(value) == (" ".join(fact.split()) or "x/y")


@given(st.lists(st.sampled_from([*"[]|ab. \n-\\", "[[a|b]]", "https://x.example/"])).map("".join))
def test_any_text_is_either_right_or_told(text: str) -> None:
    fields = found([text])
    blanks = marked(text, "w0", fields)
    assert ("[[" in blanks) <= bool(mistake(text))
    assert [blanks.count(f"bw0xf{number}x") for number in range(len(fields))].count(0) == 0


def test_no_address_is_cut_within_an_octet() -> None:
    (field,) = found(["https://example.org/?q=[[q|]]"])
    (said,) = values([field], "", {"q": "\U0001f600" * LONGEST})
    assert one_line(said, 2000) == said  # as a message takes it
    assert set(unquote(said, errors="strict")) == {"\U0001f600"}
