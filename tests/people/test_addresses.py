"""What is an address and what is not; the hostile ones are payloads of published advisories."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscribers.addresses import POLICY, BadAddress, hash_address, hash_addresses, normalise, tidy_name

LEGAL = [
    ("a@b.co", "a@b.co", "the shortest"),
    ("ann+news@example.org", "ann+news@example.org", "a tag"),
    ("o'hara@example.org", "o'hara@example.org", "an apostrophe"),
    ("_x@example.org", "_x@example.org", "begins with an underscore"),
    ("-x@example.org", "-x@example.org", "begins with a hyphen"),
    ("x-@example.org", "x-@example.org", "ends with a hyphen"),
    ("1234567890@example.org", "1234567890@example.org", "digits"),
    ("first.middle.last@example.org", "first.middle.last@example.org", "dots"),
    ("!#$%&'*+-/=?^_`{|}~@example.org", "!#$%&'*+-/=?^_`{|}~@example.org", "every sign of an atom"),
    ("user%uucp!path@example.org", "user%uucp!path@example.org", "signs that once were routes"),
    ("bounce+a=b.com@example.org", "bounce+a=b.com@example.org", "VERP"),
    ("customer/department=shipping@example.org", "customer/department=shipping@example.org", "a slash"),
    ("l" * 64 + "@example.org", "l" * 64 + "@example.org", "64 octets before the @"),
    ("ann@3com.com", "ann@3com.com", "a domain that begins with a digit"),
    ("ann@a-b-c.example", "ann@a-b-c.example", "hyphens in a domain"),
    ("ann@a.b.c.d.e.f.g.org", "ann@a.b.c.d.e.f.g.org", "many labels"),
    ("ann@" + "l" * 63 + ".org", "ann@" + "l" * 63 + ".org", "a label of 63 octets"),
    ("ann@example.museum", "ann@example.museum", "a long top-level name"),
    ("ann@example.co.uk", "ann@example.co.uk", "two-level registry"),
    ("ann@xn--tda.de", "ann@xn--tda.de", "an A-label"),
    ("ann@ü.de", "ann@xn--tda.de", "the same as a U-label"),
    ("ann@Ü.DE", "ann@xn--tda.de", "and in capitals"),
    ("ann@faß.de", "ann@xn--fa-hia.de", "sharp s is itself (non-transitional)"),
    ("ann@例え。テスト", "ann@xn--r8jz45g.xn--zckzah", "an ideographic full stop"),
    ("用户@example.org", "用户@example.org", "another script before the @"),
    ("Ñoñó@example.org", "ñoñó@example.org", "accents, composed"),
    ("n\u0303@example.org", "ñ@example.org", "accents, decomposed"),
    ("उदाहरण.परीक्ष@example.org", "उदाहरण.परीक्ष@example.org", "vowel signs"),
    ("Ann@Example.ORG", "ann@example.org", "capitals"),
    ("  ann@example.org ", "ann@example.org", "spaces around it"),
    ("ann@example.org\u00a0", "ann@example.org", "a space copied from a web page"),
    ("ann@example.123", "ann@example.123", "an odd top-level name"),
    ("l" * 64 + "@" + ".".join(["d" * 60] * 3) + ".exampl", None, "254 octets in all"),
]

HOSTILE = [
    ("", "empty", "nothing"),
    ("   ", "empty", "only spaces"),
    ("ann", "form", "no @"),
    ("@", "local", "nothing around the @"),
    ("@example.org", "local", "nothing before the @"),
    ("ann@", "dotless", "nothing after the @"),
    ("ann@@example.org", "form", "two @"),
    ("ann@b@example.org", "form", "two @ apart"),
    ("x@y@internal", "form", "a recipient within"),
    ("ann＠example.org", "form", "a full-width @"),
    ("ann﹫example.org", "form", "a small @"),
    (".ann@example.org", "local", "dot first"),
    ("ann.@example.org", "local", "dot last"),
    ("ann..b@example.org", "local", "two dots"),
    ("ann b@example.org", "space", "a space within"),
    ("ann @example.org", "space", "a space before the @"),
    ("ann@ example.org", "space", "a space after the @"),
    ("ann@exam\u2003ple.org", "space", "an em space"),
    ("ann\u3000b@example.org", "space", "an ideographic space"),
    ("ann@example.org\r\nRCPT TO:<eve@example.org>", "control", "a second command (GHSA-v3q9-hj7j-63hq)"),
    ("ann@example.org\n", "control", "a line feed at the end"),
    ("\rann@example.org", "control", "a carriage return first"),
    ("ann\t@example.org", "control", "a tab"),
    ("ann@example.org\x00", "control", "NUL"),
    ("ann\x7f@example.org", "control", "DEL"),
    ("ann\x85@example.org", "control", "next line, C1"),
    ("ann\u2028@example.org", "space", "a line separator"),
    ("ann\u200b@example.org", "control", "a zero-width space"),
    ("ann\u202e@example.org", "control", "right-to-left override"),
    ("\ufeffann@example.org", "control", "a byte order mark"),
    ("ann\ud800@example.org", "control", "half a surrogate pair"),
    ('"ann"@example.org', "quoted", "a quoted local part"),
    ('"x@gmail.com x"@internal.example', "quoted", "CVE-2025-13033"),
    ('"a\\"b"@example.org', "quoted", "a quoted quote"),
    ("ann\\@b@example.org", "quoted", "a backslash"),
    ("a@b.com(x)evil.com", "comment", "a comment that glues (parseaddr)"),
    ("(comment)ann@example.org", "comment", "a comment first"),
    ("ann@example.org (Ann)", "comment", "a comment last"),
    ("ann@(" + "(" * 200 + "example.org", "comment", "comments in comments"),
    ("Ann <ann@example.org>", "brackets", "a display name"),
    ("<ann@example.org>", "brackets", "a path"),
    ("<@relay.example:ann@example.org>", "brackets", "a route"),
    ("@relay.example:ann@example.org", "form", "a bare route"),
    ("ann@example.org,eve@example.org", "form", "two addresses"),
    ("ann@example.org;eve@example.org", "form", "two addresses, Outlook's way"),
    ("friends:ann@example.org;", "form", "a group"),
    ("undisclosed-recipients:;", "form", "an empty group"),
    ("mailto:ann@example.org", "form", "a URI"),
    ("ann@[127.0.0.1]", "literal", "a literal"),
    ("ann@[IPv6:::1]", "literal", "an IPv6 literal"),
    ("ann@127.0.0.1", "literal", "a network address"),
    ("ann@localhost", "dotless", "no dot"),
    ("ann@example.localhost", "reserved", "this machine"),
    ("ann@printer.local", "reserved", "the local network"),
    ("ann@example.invalid", "reserved", "by its name"),
    ("ann@hidden.onion", "reserved", "no mail there"),
    ("ann@1.0.0.127.in-addr.arpa", "reserved", "infrastructure"),
    ("ann@example.org.", "domain", "a dot at the end"),
    ("ann@.example.org", "domain", "a dot after the @"),
    ("ann@example..org", "domain", "two dots"),
    ("ann@-example.org", "domain", "hyphen first"),
    ("ann@example-.org", "domain", "hyphen last"),
    ("ann@exa_mple.org", "domain", "underscore"),
    ("ann@exam!ple.org", "domain", "another sign"),
    ("ann@example.org/path", "domain", "a path"),
    ("ann@xn--0.example", "domain", "no such A-label"),
    ("ann@xn--example.com", "domain", "an A-label of nothing"),
    ("ann@⒈example.org", "domain", "a digit with a full stop in it"),
    ("ann@" + "l" * 64 + ".org", "domain", "a label of 64 octets"),
    ("l" * 65 + "@example.org", "long", "65 octets before the @"),
    ("é" * 33 + "@example.org", "long", "66 octets before the @"),
    ("ann@" + ".".join(["d" * 62] * 4) + ".org", "domain", "a domain of 255 octets"),
    ("\u0301ann@example.org", "local", "a mark without a letter"),
    ("l" * 64 + "@" + ".".join(["d" * 60] * 3) + ".example", "long", "255 octets in all"),
    ("a" * 100_000, "long", "100,000 characters"),
    ("ann@" + "ü" * 100_000 + ".de", "long", "quadratic time (CVE-2024-3651)"),
    ("(" * 100_000, "long", "quadratic time on comments (GHSA-v53p-9fqp-m79j)"),
]


@pytest.mark.parametrize(("text", "normalised", "what"), LEGAL, ids=[row[2] for row in LEGAL])
def test_odd_but_legal(text: str, normalised: str | None, what: str) -> None:
    assert normalise(text).normalised == (normalised or text)


@pytest.mark.parametrize(("text", "code", "what"), HOSTILE, ids=[row[2] for row in HOSTILE])
def test_hostile(text: str, code: str, what: str) -> None:
    with pytest.raises(BadAddress) as caught:
        normalise(text)
    assert caught.value.code == code
    assert 10 < len(str(caught.value)) < 120


@pytest.mark.parametrize("number", [*range(0x20), 0x7F])
@pytest.mark.parametrize("place", range(0, 16, 1))
def test_no_control_character_anywhere(number: int, place: int) -> None:
    text = "ann@example.org"
    with pytest.raises(BadAddress) as caught:
        normalise(text[:place] + chr(number) + text[place:])
    assert caught.value.code == "control"


def test_what_the_parts_are() -> None:
    address = normalise("Jürgen@Bücher.example")
    assert address.normalised == "jürgen@xn--bcher-kva.example"
    assert address.domain == "xn--bcher-kva.example"
    assert address.smtputf8
    assert address.written == "Jürgen@bücher.example"
    assert not normalise("ann@bücher.example").smtputf8


@given(st.text(max_size=40) | st.from_regex(r"[a-zA-Zé.+]{1,20}@[a-zA-Zü-]{1,10}\.(de|org)", fullmatch=True))
def test_the_result_is_its_own_normal_form(text: str) -> None:
    try:
        address = normalise(text)
    except BadAddress:
        return
    again = normalise(address.normalised)
    assert (again.normalised, again.domain) == (address.normalised, address.domain)
    assert not re.search(r"[\x00-\x20\x7f<>,;:\"()\\\[\]]", address.normalised)
    assert address.normalised.count("@") == 1
    assert len(address.normalised.encode()) <= 254


@pytest.mark.parametrize("key", [b"k", b"k" * 32, b"k" * 64, b"k" * 65], ids=len)
def test_many_are_hashed_as_one_is(key: bytes) -> None:
    people = ["ann@example.org", "jürgen@example.org", f"{'x' * 64}@example.org"]
    assert hash_addresses(key, people) == {email: hash_address(key, email) for email in people}


def test_a_hash_needs_the_key() -> None:
    assert hash_address(b"k", "ann@example.org") == hash_address(b"k", "ann@example.org")
    assert hash_address(b"k", "ann@example.org") != hash_address(b"j", "ann@example.org")
    assert re.fullmatch("[0-9a-f]{64}", hash_address(b"k", "ann@example.org"))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("  Ann \t Lee ", "Ann Lee"),
        ("Ann\r\nBcc: eve@example.org", "Ann Bcc: eve@example.org"),
        ("A\u202enn\u200b", "A nn"),
        ("Zoë O'Hara", "Zoë O'Hara"),
        ("x" * 1_000, "x" * 100),
        ("", ""),
    ],
)
def test_names_are_one_tidy_line(text: str, name: str) -> None:
    assert tidy_name(text) == name


def _expected(row: dict[str, Any]) -> bool | None:
    if row["src"] != "isemail":
        return bool(row["valid"])
    valid = {"ISEMAIL_VALID_CATEGORY": True, "ISEMAIL_DNSWARN": True, "ISEMAIL_ERR": False}
    return valid.get(row["category"])


def test_corpus(corpus: Path) -> None:
    """No invalid address is accepted; a valid one is refused by the stated policy only; normal forms are equal."""
    wrong = []
    for row in json.loads((corpus / "addresses" / "addresses.json").read_text()):
        text = row["address"]
        if row.get("test") == "mailbox_valid" and (named := re.search("<([^<>]*)>$", text)):
            text = named[1]
        expected = _expected(row)
        try:
            address = normalise(text)
        except BadAddress as error:
            if expected and error.code not in POLICY:
                wrong.append((text, error.code))
            continue
        if expected is False:
            wrong.append((text, "accepted"))
        if "normalized" in row:
            ours = address.written, address.domain, address.smtputf8
            assert ours == (row["normalized"], row["ascii_domain"], row["smtputf8"])
    assert wrong == []
