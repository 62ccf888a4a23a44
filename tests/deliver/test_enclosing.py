"""Pictures that travel in a message: by RFC 2387, shown by their Content-ID, signed, and held to it by the linter."""

from __future__ import annotations

import hashlib
import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from io import BytesIO

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from PIL import Image
from post import HTML, LINKS, WORD, reader, stationery
from verifiers import with_dkimpy

from digest.blanks import Blank, blank
from digest.deliver.dkim import Key
from digest.deliver.lint import inspect_email, lint
from digest.deliver.message import Stationery, build, prepare
from digest.deliver.related import Enclosed


def painted(colour: str, kind: str, size: int = 40) -> Enclosed:
    out = BytesIO()
    Image.new("RGB", (size, size), colour).save(out, {"jpg": "JPEG", "png": "PNG"}[kind])
    return Enclosed(f"{hashlib.sha256(out.getvalue()).hexdigest()}.{kind}", out.getvalue())


RED, BLUE, HOSTED = painted("red", "jpg"), painted("blue", "png", 300), painted("green", "jpg")


def illustrated(*enclosed: Enclosed) -> Stationery:
    """An issue that shows three pictures by their addresses."""
    shown = "".join(
        f'<img src="{LINKS.picture(one.name)}" alt="A field" width="40" height="40">' for one in (RED, BLUE, HOSTED)
    )
    html = HTML.format(**{name.value: blank(WORD, name) for name in Blank}).replace("</h1>", f"</h1>{shown}")
    return stationery(html=html, enclosed=enclosed)


def message(*enclosed: Enclosed) -> bytes:
    return build(prepare(illustrated(*enclosed)), reader())


def parsed(raw: bytes) -> EmailMessage:
    found = message_from_bytes(raw, policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


def test_the_html_stands_in_a_related_with_its_pictures() -> None:
    raw = message(RED, BLUE)
    assert lint(raw, loopback=True) == []
    text, related = parsed(raw).iter_parts()
    assert (text.get_content_type(), related.get_content_type()) == ("text/plain", "multipart/related")
    assert related.get_param("type") == "text/html"
    root, *pictures = related.iter_parts()
    shown = re.findall(r'src="cid:([^"]+)"', root.get_content())
    by_id = {picture["Content-ID"]: picture for picture in pictures}
    assert [by_id[f"<{one}>"].get_content() for one in shown] == [RED.content, BLUE.content]
    assert all(one.endswith("@review.example") for one in shown)
    assert [one.get_content_type() for one in pictures] == ["image/jpeg", "image/png"]
    assert [one.get_content_disposition() for one in pictures] == ["inline", "inline"]
    assert [one.get_filename() for one in pictures] == [f"{RED.name[:12]}.jpg", f"{BLUE.name[:12]}.png"]
    assert f'src="{LINKS.picture(HOSTED.name)}"' in root.get_content()


def test_lines_of_pictures_have_76_characters() -> None:
    lines = message(BLUE).split(b"\r\n")
    encoded = [line for line in lines if re.fullmatch(rb"[A-Za-z0-9+/]{70,}", line)]
    assert len(encoded) >= 3
    assert {len(line) for line in encoded[:-1]} == {76}


def test_nothing_else_of_a_message_changes() -> None:
    plain, same = message(), message(RED)
    assert b"multipart/related" not in plain
    head, _, _ = plain.partition(b"\r\n\r\n")
    assert same.startswith(head)
    assert str(parsed(same).get_body(("plain",))) == str(parsed(plain).get_body(("plain",)))
    assert message(RED, BLUE) == message(RED, BLUE)


def test_pictures_are_signed_as_they_are() -> None:
    key = Key("review.example", "r1", rsa.generate_private_key(65537, 2048))
    records = {"r1._domainkey.review.example": key.record}
    raw = build(prepare(illustrated(RED, BLUE), (key,)), reader())
    assert with_dkimpy(raw, records) == [True]
    at = raw.rindex(b"image/png") + 300
    assert with_dkimpy(raw[:at] + (b"A" if raw[at : at + 1] != b"A" else b"B") + raw[at + 1 :], records) == [False]


def sub(pattern: bytes, new: bytes) -> bytes:
    changed, count = re.subn(pattern, new, message(RED, BLUE), count=1, flags=re.S | re.M)
    assert count == 1
    return changed


BROKEN = [
    ("F-18", "no type", sub(rb'type="text/html";', rb"")),
    ("F-18", "a picture that is not there", sub(rb"^Content-ID: <.", b"Content-ID: <z")),
    ("F-18", "no Content-ID", sub(rb"^Content-ID: .*?\r\n", b"")),
    ("F-18", "an attachment", sub(rb"^Content-Disposition: inline", b"Content-Disposition: attachment")),
    ("F-18", "something else", sub(rb"image/png", b"image/svg+xml")),
    ("F-19", "not closed", sub(rb"\r\n--=_[0-9a-f]+--\r\n(?=--)", b"\r\n")),
    ("F-20", "another kind than it says", sub(rb"image/png", b"image/jpeg")),
    ("F-20", "no base64", sub(rb"^Content-Transfer-Encoding: base64", b"Content-Transfer-Encoding: 7bit")),
]


@pytest.mark.parametrize(("row", "raw"), [(row, raw) for row, _, raw in BROKEN], ids=[what for _, what, _ in BROKEN])
def test_the_linter_knows_what_is_wrong(row: str, raw: bytes) -> None:
    assert {failure.row for failure in lint(raw, loopback=True)} == {row}


def test_a_cid_without_pictures_is_wrong() -> None:
    html = illustrated().html.replace(LINKS.picture(RED.name), "cid:red@review.example")
    [failure] = lint(build(prepare(stationery(html=html)), reader()), loopback=True)
    assert failure.row == "F-18"
    assert "cid:red@review.example" in failure.what


def test_deep_nesting_is_judged_not_feared() -> None:
    nested = "".join(f"--b{n}\r\nContent-Type: multipart/related; boundary=b{n + 1}\r\n\r\n" for n in range(5_000))
    raw = f"Content-Type: multipart/alternative; boundary=b0\r\n\r\n{nested}"
    assert "F-18" in {failure.row for failure in lint(raw.encode())}


def test_inspection_finds_nothing_wrong_with_where_pictures_are() -> None:
    told = inspect_email("a.eml", message(RED, BLUE), loopback=True)
    assert [one for one in told["failures"] if one["row"] == "A-13"] == []
