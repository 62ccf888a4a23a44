"""Signatures: by the RFC's own vectors, and as others verify them."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import dkim as dkimpy
import pytest
import verifiers
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from post import LINKS, config, personal, prepared, reader, stationery

from digest.config import DkimConfig
from digest.deliver import dkim, signing
from digest.deliver.dkim import Key, keys_for, read_key
from digest.deliver.message import build, letter_headers, prepare
from digest.deliver.trial import specimen
from digest.errors import ConfigError

RSA = Key("review.example", "r1", rsa.generate_private_key(65537, 2048))
ED = Key("review.example", "e1", ed25519.Ed25519PrivateKey.generate())
KEYS = (RSA, ED)
RECORDS = {f"{key.selector}._domainkey.{key.domain}.".encode(): key.record.encode() for key in KEYS}


def signed(keys: tuple[Key, ...] = KEYS) -> bytes:
    return build(prepare(stationery(), keys), reader())


def whole_body_hash(body: bytes) -> str:
    """bh= of any body of whole lines, without our short cuts."""
    trimmed = re.sub(rb"(?:\r\n)+\Z", b"", dkim.relaxed_body(body))
    return dkim.body_hash([trimmed + b"\r\n"] if trimmed else [])


def verdicts(raw: bytes) -> list[bool]:
    """What dkimpy makes of each signature."""
    lookup: Callable[..., bytes | None] = lambda name, timeout=5: RECORDS.get(name)  # noqa: E731
    found = raw.partition(b"\r\n\r\n")[0].count(b"DKIM-Signature:")
    try:
        return [dkimpy.DKIM(raw).verify(i, dnsfunc=lookup) for i in range(found)]
    except dkimpy.DKIMException:
        return [False]


def tags(raw: bytes) -> list[dict[str, str]]:
    head = raw.partition(b"\r\n\r\n")[0].decode().replace("\r\n ", " ")
    return [
        {name.strip(): re.sub(r"\s", "", value) for name, _, value in (tag.partition("=") for tag in line.split(";"))}
        for line in re.findall(r"^DKIM-Signature: (.*)$", head, re.MULTILINE)
    ]


def test_both_signatures_verify() -> None:
    assert verdicts(signed()) == [True, True]


def test_a_message_with_merge_fields_is_signed_as_it_is_sent() -> None:
    someone = reader(fields=("Maximiliane <von> & zu \u00d6ttingen-Wallerstein", "Bern"))
    raw = build(prepare(personal(), KEYS), someone)
    assert verdicts(raw) == [True, True]
    assert raw.endswith(build(prepare(personal()), someone))


def test_the_rest_of_a_signed_message_is_the_plain_message() -> None:
    assert signed().endswith(build(prepared(), reader()))
    assert signed().startswith(b"DKIM-Signature: ")


def test_a_second_copy_equals_the_first() -> None:
    assert signed() == signed()


def test_the_body_hash_of_pieces_is_that_of_the_whole_body() -> None:
    body = signed().partition(b"\r\n\r\n")[2]
    assert {tag["bh"] for tag in tags(signed())} == {whole_body_hash(body)}


def test_what_a_signature_says() -> None:
    for tag, algorithm in zip(tags(signed()), ("rsa-sha256", "ed25519-sha256"), strict=True):
        names = tag["h"].split(":")
        present = [
            *("from", "to", "subject", "message-id", "date", "list-id", "list-help", "list-subscribe", "list-archive"),
            *("list-post", "feedback-id", "list-unsubscribe", "list-unsubscribe-post", "mime-version", "content-type"),
        ]
        assert set(present) <= set(names)
        for name in ("from", "to", "subject", "date", "content-type", "list-unsubscribe", "list-unsubscribe-post"):
            assert names.count(name) == 2
        assert names.count("reply-to") == 1  # none there: named once
        assert not {"return-path", "received", "comments", "keywords"} & set(names)
        assert (tag["v"], tag["a"], tag["c"], tag["d"]) == ("1", algorithm, "relaxed/relaxed", "review.example")
        assert tag["t"] == str(int(datetime(2026, 11, 20, 7, 0, tzinfo=UTC).timestamp()))
        assert not {"l", "x", "i"} & set(tag)


def test_signature_lines_are_short() -> None:
    assert max(map(len, signed().partition(b"\r\nFrom:")[0].split(b"\r\n"))) <= 78


ADDED = [
    b"From: eve@evil.example",
    b"To: eve@evil.example",
    b"Subject: Buy",
    b"Date: Fri, 20 Nov 2026 07:00:01 +0000",
    b"Reply-To: eve@evil.example",
    b"Content-Type: text/html",
    b"List-Unsubscribe: <https://evil.example>",
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click",
]


@pytest.mark.parametrize("line", ADDED, ids=lambda line: line.partition(b":")[0].decode())
def test_another_such_header_breaks_it(line: bytes) -> None:
    assert not any(verdicts(line + b"\r\n" + signed()))


def test_more_text_breaks_it() -> None:
    assert not any(verdicts(signed() + b"<p>Buy</p>\r\n"))


def test_what_relays_do_to_white_space_does_not() -> None:
    raw = signed().replace(b"Subject: ", b"SUBJECT:\t ").replace(b"</h1>", b"</h1>")
    assert verdicts(b"Received: by relay.example\r\n" + raw + b"\r\n\r\n") == [True, True]


LINES = st.lists(st.sampled_from([b"", b" ", b"\t", b"a", b" a  b\t\tc ", b".", b"=20", b"a\t"]), max_size=12)


@given(LINES)
def test_bodies_of_any_shape_verify(lines: list[bytes]) -> None:
    body = b"".join(line + b"\r\n" for line in lines)
    head = [b"From: The  Review\r\n <news@review.example>\r\n", b"Subject:  a\t b \r\n"]
    made = dkim.signatures([RSA], b"".join(head), whole_body_hash(body), 1)
    assert verdicts(b"".join((*made, *head, b"\r\n", body))) == [True]


@given(st.lists(LINES, max_size=4))
def test_canonical_pieces_join_to_the_canonical_whole(pieces: list[list[bytes]]) -> None:
    made = [b"".join(line + b"\r\n" for line in piece) for piece in pieces]
    assert b"".join(map(dkim.relaxed_body, made)) == dkim.relaxed_body(b"".join(made))


def test_empty_bodies_have_the_hash_of_the_rfc() -> None:
    assert whole_body_hash(b"") == "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    assert whole_body_hash(b"\r\n\r\n") == "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


# RFC 8463 appendix A.
RFC_KEY = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
RFC_RECORD = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
RFC_HEAD = [
    b"From: Joe SixPack <joe@football.example.com>\r\n",
    b"To: Suzie Q <suzie@shopping.example.net>\r\n",
    b"Subject: Is dinner ready?\r\n",
    b"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n",
    b"Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n",
]
RFC_BODY = b"Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"
RFC_FIELDS = (
    b"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
    b" d=football.example.com; i=@football.example.com;\r\n"
    b" q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
    b" subject : date : message-id : from : subject : date;\r\n"
    b" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
    b" b="
)
RFC_SIGNATURE = "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw=="


def test_the_vectors_of_rfc_8463() -> None:
    private = ed25519.Ed25519PrivateKey.from_private_bytes(base64.b64decode(RFC_KEY))
    key = Key("football.example.com", "brisbane", private)
    assert key.record == RFC_RECORD
    assert whole_body_hash(RFC_BODY) == "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="
    names = ["from", "to", "subject", "date", "message-id", "from", "subject", "date"]
    data = dkim.selected(dkim.split_head(b"".join(RFC_HEAD)), names) + dkim.relaxed_header(RFC_FIELDS).removesuffix(
        b"\r\n"
    )
    assert base64.b64encode(key.sign(data)).decode() == RFC_SIGNATURE


def test_a_verifier_in_another_language_agrees() -> None:
    records = {name.decode().rstrip("."): text.decode() for name, text in RECORDS.items()}
    said = verifiers.with_perl(signed(), records)
    if said is None:
        pytest.skip("Mail::DKIM is not installed (apt install libmail-dkim-perl)")
    if "unsupported algorithm ed25519" in " ".join(said):  # Mail::DKIM learnt it in 2024
        said = [said[0], "ed25519-sha256=pass"]
    assert said == ["rsa-sha256=pass", "ed25519-sha256=pass"]
    bad = verifiers.with_perl(signed() + b"more\r\n", records)
    assert bad and bad[0] == "rsa-sha256=fail"


def pem(private: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


REFUSED = [
    (b"nothing", "in PEM"),
    (pem(ec.generate_private_key(ec.SECP256R1())), "RSA or Ed25519"),
    (pem(rsa.generate_private_key(65537, 1024)).replace(b"PRIVATE", b"PUBLIC"), "in PEM"),
]


@pytest.mark.parametrize(("data", "what"), REFUSED)
def test_what_is_no_key_for_signing_is_refused(data: bytes, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        read_key("review.example", "a", data)


def test_keys_of_less_than_1024_bits_are_refused() -> None:
    openssl = shutil.which("openssl")
    if not openssl:
        pytest.skip("openssl is not installed: nothing else makes so short a key")
    short = subprocess.run([openssl, "genrsa", "768"], capture_output=True, check=True).stdout
    with pytest.raises(ValueError, match=r"bits|PEM"):
        read_key("review.example", "a", short)


@pytest.mark.parametrize(("bits", "weak"), [(1024, True), (2048, False)])
def test_short_keys_are_warned_of(bits: int, weak: bool) -> None:
    key = read_key("review.example", "a", pem(rsa.generate_private_key(65537, bits)))
    assert (key.weakness is not None) is weak


def test_keys_sign_for_their_domain_and_below() -> None:
    assert keys_for(KEYS, "review.example") == KEYS
    assert keys_for(KEYS, "News.Review.example") == KEYS
    assert keys_for(KEYS, "preview.example") == ()
    assert keys_for(KEYS, "example") == ()


def test_a_letter_is_signed_too() -> None:
    letter = stationery(headers=letter_headers(config(), None, datetime(2026, 11, 20, tzinfo=UTC)))
    assert verdicts(build(prepare(letter, KEYS), reader(unsubscribe=None))) == [True, True]


def test_the_settings_lead_to_signed_mail(tmp_path: Path) -> None:
    file = tmp_path / "dkim.pem"
    file.touch(mode=0o600)
    file.write_bytes(pem(RSA.private))
    settings = replace(config(), dkim=(DkimConfig("review.example", "r1", file),))
    raw = specimen(settings, LINKS, stationery(), list_id="weekly", address="ann@example.org", now=datetime.now(UTC))
    assert verdicts(raw) == [True]


def test_all_keys_that_cannot_be_used_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_bytes(b"bad")
    entries = [DkimConfig("a.example", "s", tmp_path / "none.pem"), DkimConfig("b.example", "s", tmp_path / "bad.pem")]
    with pytest.raises(ConfigError) as told:
        signing.keys(replace(config(), dkim=tuple(entries)))
    assert len(told.value.problems) == 2
