"""Pictures that travel in a message, held against RFC 2387 and 2392: all are shown, all that are shown are there."""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from collections.abc import Iterator
from html import unescape

from digest.deliver.opened import Multipart, Opened, Part, parameter

_SHOWN = re.compile(r"""["'(]cid:([^"')\s]+)""", re.IGNORECASE)
_ID = re.compile(r"<([A-Za-z0-9._+-]+@[A-Za-z0-9.-]+)>")
_BEGINS = {"image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG\r\n\x1a\n", "image/gif": b"GIF8"}

Found = Iterator[tuple[str, str]]


def failures(message: Opened) -> Found:
    """The rows that a message breaks by its pictures; none for one without any."""
    related = [part for part in message.parts if part.kind == "multipart/related"]
    shown = {unescape(found) for found in _SHOWN.findall(message.text("text/html"))}
    pictures: tuple[Part, ...] = ()
    for part in related:
        yield from _related(part, message.boundary)
        pictures += part.inside.parts[1:] if part.inside else ()
    for picture in pictures:
        yield from _picture(picture)
    ids = Counter(_content_id(picture) for picture in pictures)
    if twice := [name for name, count in ids.items() if count > 1]:
        yield "F-18", f"several pictures have the Content-ID {twice[0][:80]!r}"
    if lost := sorted(shown - ids.keys()):
        yield (
            "F-18",
            f"the HTML shows {len(lost)} pictures that are not in the message, the first is cid:{lost[0][:80]}",
        )
    if idle := sorted(ids.keys() - shown):
        yield "F-18", f"{len(idle)} pictures of the message are not shown by its HTML, the first is {idle[0][:80]!r}"


def _related(part: Part, outer: str) -> Found:
    inside = part.inside
    if _parameter(part, "type").lower() != "text/html":
        yield "F-18", 'multipart/related: expected type="text/html"'
    if inside is None or len(inside.parts) < 2:
        yield "F-18", "multipart/related: expected text/html and at least one picture"
        return
    if not inside.closed:
        yield "F-19", "the closing boundary of the multipart/related is missing"
    elif _is_mistaken(part, inside, outer):
        yield "F-19", "the boundary of the multipart/related occurs in a part, or is that of the message"


def _is_mistaken(part: Part, inside: Multipart, outer: str) -> bool:
    count = part.body.count(b"--" + inside.boundary.encode())
    return count != len(inside.parts) + 1 or inside.boundary.startswith(outer) or outer.startswith(inside.boundary)


def _picture(part: Part) -> Found:
    if part.kind not in _BEGINS:
        yield "F-18", f"multipart/related: expected pictures as JPEG, PNG or GIF, got {part.kind[:40]!r}"
    elif not (_decoded(part) or b"").startswith(_BEGINS[part.kind]):
        yield "F-20", f"{part.kind}: the bytes are not base64 of such a picture"
    if not _content_id(part):
        yield "F-18", f"{part.kind}: expected Content-ID: <id@domain>, got {_value(part, 'Content-ID')[:80]!r}"
    if not _value(part, "Content-Disposition").lower().startswith("inline"):
        yield "F-18", f"{part.kind}: expected Content-Disposition: inline"


def _decoded(part: Part) -> bytes | None:
    if part.encoding != "base64":
        return None
    try:
        return base64.b64decode(part.body.replace(b"\r\n", b""), validate=True)
    except binascii.Error:
        return None


def _content_id(part: Part) -> str:
    found = _ID.fullmatch(_value(part, "Content-ID"))
    return found[1] if found else ""


def _parameter(part: Part, name: str) -> str:
    return parameter(_value(part, "Content-Type"), name)


def _value(part: Part, name: str) -> str:
    return next((field.value for field in part.fields if field.name.lower() == name.lower()), "")
