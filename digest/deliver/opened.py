"""A message taken apart for judging: strict, by its own reading, sharing nothing with the code that writes messages.

Nothing here raises on bad input; what can't be read stands in the value for `lint` to tell.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, replace
from html.parser import HTMLParser

_ENCODED_WORD = re.compile(r"=\?([A-Za-z0-9_-]+)\?([bBqQ])\?([!->@-~]*)\?=")
_QP = re.compile(rb"(?:[\t -<>-~]|=[0-9A-F]{2})*=?")


@dataclass(frozen=True)
class Field:
    """One header as it stands: `raw` with its folds, `value` unfolded and without the white space around it."""

    name: str
    raw: str
    value: str


@dataclass(frozen=True)
class Part:
    """One body part; `text` is None when the bytes do not fit what its headers say."""

    fields: tuple[Field, ...]
    body: bytes
    kind: str  # "text/html", lower case
    charset: str
    encoding: str
    text: str | None
    inside: Multipart | None = None  # of a multipart/related


@dataclass(frozen=True)
class Multipart:
    """What stands between the delimiters of a multipart."""

    boundary: str
    parts: tuple[Part, ...]
    closed: bool  # the closing boundary is there


@dataclass(frozen=True)
class Opened:
    """A message: its header fields in order, its boundary and its parts."""

    fields: tuple[Field, ...]
    head: bytes
    body: bytes
    boundary: str
    parts: tuple[Part, ...]
    closed: bool  # the closing boundary is there

    def all(self, name: str) -> list[Field]:
        """Every field of that name."""
        key = name.lower()
        return [field for field in self.fields if field.name.lower() == key]

    def value(self, name: str) -> str:
        """The value of the first field of that name, or the empty string."""
        return next((field.value for field in self.all(name)), "")

    @property
    def shown(self) -> tuple[Part, ...]:
        """The parts among which a mail reader chooses: of a multipart/related its root, the first (RFC 2387)."""
        return tuple(
            part.inside.parts[0] if part.kind == "multipart/related" and part.inside and part.inside.parts else part
            for part in self.parts
        )

    def text(self, kind: str) -> str:
        """What the first part of that type says, decoded; empty if there is none."""
        return next((part.text or "" for part in self.shown if part.kind == kind), "")


@dataclass(frozen=True)
class Address:
    """One mailbox of an address header: the phrase as it stands, and what is between the brackets."""

    phrase: str
    address: str


def opened(raw: bytes) -> Opened:
    """`raw` taken apart."""
    head, _, body = raw.partition(b"\r\n\r\n")
    fields = _fields(head)
    content_type = next((field.value for field in fields if field.name.lower() == "content-type"), "")
    inner = _multipart(content_type, body)
    if inner is None:
        return Opened(fields, head, body, "", (_part(raw),), False)
    return Opened(fields, head, body, inner.boundary, tuple(map(_looked_into, inner.parts)), inner.closed)


def _looked_into(part: Part) -> Part:
    """A multipart/related with its parts; what is deeper inside, nobody looks at."""
    if part.kind != "multipart/related":
        return part
    content_type = next(field.value for field in part.fields if field.name.lower() == "content-type")
    return replace(part, inside=_multipart(content_type, part.body))


def _multipart(content_type: str, body: bytes) -> Multipart | None:
    """What a body with this Content-Type holds; None if it names no boundary."""
    boundary = parameter(content_type, "boundary")
    if not boundary:
        return None
    mark = b"--" + boundary.encode("utf-8", "replace")
    pieces = re.split(rb"(?:\r\n|\A)" + re.escape(mark) + rb"(?=--|\r\n)", body)
    closed = len(pieces) > 1 and pieces[-1].startswith(b"--")
    inner = [piece.removeprefix(b"\r\n") for piece in pieces[1 : -1 if closed else None]]
    return Multipart(boundary, tuple(map(_part, inner)), closed)


def _fields(head: bytes) -> tuple[Field, ...]:
    text = head.decode("utf-8", "surrogateescape")
    fields = []
    for raw in re.split(r"\r\n(?![ \t])", text):
        name, _, value = raw.partition(":")
        fields.append(Field(name, value, re.sub(r"\r\n(?=[ \t])", "", value).strip(" \t")))
    return tuple(fields)


def _part(raw: bytes) -> Part:
    head, _, body = raw.partition(b"\r\n\r\n")
    fields = _fields(head)
    values = {field.name.lower(): field.value for field in fields}
    content_type = values.get("content-type", "")
    charset = parameter(content_type, "charset").lower()
    encoding = values.get("content-transfer-encoding", "7bit").lower()
    kind = content_type.partition(";")[0].strip().lower()
    return Part(fields, body, kind, charset, encoding, _decoded(body, charset, encoding))


def _decoded(body: bytes, charset: str, encoding: str) -> str | None:
    try:
        if encoding == "quoted-printable":
            data = _unquoted(body)
        elif encoding == "base64":
            data = base64.b64decode(re.sub(rb"\r\n", b"", body), validate=True)
        elif encoding == "7bit" and body.isascii():
            data = body
        else:
            return None
        return data.decode(charset)
    except (binascii.Error, UnicodeDecodeError, LookupError, ValueError):
        return None


def _unquoted(body: bytes) -> bytes:
    lines = body.split(b"\r\n")
    if not all(map(_QP.fullmatch, lines)):
        raise ValueError("this is not quoted-printable")
    whole = b"".join(line[:-1] if line.endswith(b"=") else line + b"\r\n" for line in lines).removesuffix(b"\r\n")
    return re.sub(rb"=([0-9A-F]{2})", lambda found: bytes.fromhex(found[1].decode()), whole)


def parameter(value: str, name: str) -> str:
    """A parameter of a MIME header's value, unquoted; empty if it is not there."""
    found = re.search(rf';\s*{name}\s*=\s*(?:"([^"]*)"|([^\s;"]+))', value, re.IGNORECASE)
    return (found[1] or found[2] or "") if found else ""


def encoded_word(word: str) -> str | None:
    """What one encoded-word says by itself, or None when it is none or not whole utf-8 (RFC 2047)."""
    found = _ENCODED_WORD.fullmatch(word)
    if not found or found[1].lower() != "utf-8":
        return None
    payload = found[3].encode()
    try:
        if found[2] in "bB":
            return base64.b64decode(payload, validate=True).decode()
        return re.sub(
            rb"=([0-9A-Fa-f]{2})", lambda h: bytes.fromhex(h[1].decode()), payload.replace(b"_", b" ")
        ).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def addresses(value: str) -> list[Address]:
    """The mailboxes of an address header; one that can't be read has an empty address."""
    found = []
    for item in re.findall(r'(?:"(?:[^"\\]|\\.)*"|<[^>]*>|[^",<])+', value):
        brackets = re.search(r"<([^<>\s]*)>\s*\Z", item)
        bare = item.strip() if re.fullmatch(r"\s*[^<>\s\"]+@[^<>\s\"]+\s*", item) else ""
        address = brackets[1] if brackets else bare
        found.append(Address(item[: brackets.start()].strip() if brackets else "", address if "@" in address else ""))
    return found


def unstructured(value: str) -> str:
    """The value of a field like Subject with its encoded-words decoded; those that can't be stay as they are."""
    together = re.sub(r"(\?=)[ \t]+(?==\?)", r"\1", value)  # white space between two of them is nothing
    return _ENCODED_WORD.sub(lambda found: encoded_word(found[0]) or found[0], together)


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[str] = []
        self.words: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("style", "script")
        self.links += [value for name, value in attrs if tag in ("a", "area") and name == "href" and value]

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("style", "script")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data)


def links_and_words(html: str) -> tuple[list[str], str]:
    """Every link target of an HTML part, each once in order, and the text that it shows."""
    parser = _Links()
    parser.feed(html)
    parser.close()
    return list(dict.fromkeys(parser.links)), " ".join(parser.words)
