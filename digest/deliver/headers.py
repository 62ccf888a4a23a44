"""Header lines as bytes: our own small serializer, because the standard library's rewrites what it folds.

A value is one line of ASCII with its encoded-words made; folding then happens at single spaces only, so that
unfolding gives the value back, and never inside a URI, a msg-id, an address or a quoted string (F-11).
"""

from __future__ import annotations

import base64
import re
import unicodedata
from collections.abc import Iterator
from datetime import datetime

_LINE = 76
_WORD = 64  # an encoded-word with the longest name before it still fits a line of 76 (F-13)
_PLAIN_WORD = 60  # a longer word of a subject is encoded, as it could not be folded
_JOINER = "\u200d"  # zero width joiner
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]+")
_NAME = re.compile(r"[!-9;-~]+")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_Q_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_TOKENS = re.compile(r'(?:"(?:[^"\\]|\\.)*"|<[^>]*>|[^\s"<])+')
_PHRASED = frozenset({"from", "to", "reply-to", "sender", "list-id", "subject"})
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def one_line(value: str, limit: int = 500) -> str:
    """`value` on one line: controls, line separators and stray surrogates become single spaces, cut at `limit`."""
    if value.isprintable() and "  " not in value and len(value) <= limit and value == value.strip():
        return value  # as nearly every value is: the only printable space is the space
    return " ".join(_CONTROL.sub(" ", value).split())[:limit].rstrip()


def unstructured(value: str) -> str:
    """A Subject's value: ASCII as it is, anything else as encoded-words, also what only looks like one (T3)."""
    line = one_line(value)
    foldable = all(len(word) <= _PLAIN_WORD for word in line.split(" "))
    return line if line.isascii() and "=?" not in line and foldable else encoded_words(line)


def phrase(value: str) -> str:
    """A display name: atoms, or one quoted string, or encoded-words; never a mixture (F-15)."""
    line = one_line(value, 300)
    if not line.isascii() or "=?" in line:
        return encoded_words(line)
    if not line or _ATOMS.fullmatch(line):
        return line
    return '"' + re.sub(r'(["\\])', r"\\\1", line) + '"'


def mailbox(name: str, address: str) -> str:
    """One mailbox: `Name <address>`, or the bare address in angle brackets; `address` is normalised already."""
    shown = phrase(name)
    return f"{shown} <{address}>" if shown else f"<{address}>"


def encoded_words(value: str) -> str:
    """RFC 2047 words of utf-8, each <= 64 characters and whole characters only, with single spaces between."""
    data = value.encode()
    kind = "b" if sum(byte > 127 for byte in data) * 3 > len(data) else "q"
    return " ".join(f"=?utf-8?{kind}?{payload}?=" for payload in _payloads(value, kind))


def _payloads(value: str, kind: str) -> Iterator[str]:
    room = _WORD - len("=?utf-8?q??=")
    room = room // 4 * 3 if kind == "b" else room
    piece = b""
    for cluster in _clusters(value):
        data = cluster if kind == "b" else b"".join(map(_q, cluster))
        if piece and len(piece) + len(data) > room:
            yield _payload(piece, kind)
            piece = b""
        piece += data
    yield _payload(piece, kind)


def _payload(piece: bytes, kind: str) -> str:
    return (base64.b64encode(piece) if kind == "b" else piece).decode()


def _clusters(value: str) -> Iterator[bytes]:
    # Readers that show each word for itself tear marks and joined emoji apart; the shortest room holds 17 octets.
    cluster, last = b"", ""
    for char in value:
        joins = _JOINER in (char, last) or unicodedata.category(char).startswith("M")
        if cluster and (not joins or len(cluster) + len(char.encode()) > 17):
            yield cluster
            cluster = b""
        cluster += char.encode()
        last = char
    yield cluster


def _q(byte: int) -> bytes:
    return b"_" if byte == ord(" ") else bytes([byte]) if byte in _Q_SAFE else b"=%02X" % byte


def date_time(at: datetime) -> str:
    """RFC 5322 date with a numeric zone (F-05); `at` must be aware."""
    offset = at.strftime("%z")
    if not offset:
        raise ValueError(f"expected an aware datetime, got {at!r}")
    day, month = _DAYS[at.weekday()], _MONTHS[at.month - 1]
    return f"{day}, {at.day} {month} {at.year:04d} {at:%H:%M:%S} {offset[:5]}"


def line(name: str, value: str) -> bytes:
    """The header as wire bytes with CRLF, folded at white space to 76 where its grammar allows it.

    ValueError if a control character would reach the wire. Non-ASCII is written as UTF-8: only an address that
    needs SMTPUTF8 brings some (F-22).
    """
    if _CONTROL.search(value) or not _NAME.fullmatch(name):
        raise ValueError(f"{name}: a control character can't be written into a header")
    if name.lower() not in _PHRASED or len(name) + 2 + len(value.encode()) <= _LINE:
        return f"{name}: {value}\r\n".encode()
    lines = [f"{name}:"]
    for word in value.split(" ") if name.lower() == "subject" else _TOKENS.findall(value):
        if len(lines[-1]) + 1 + len(word.encode()) > _LINE and lines[-1] != f"{name}:":
            lines.append("")
        lines[-1] += f" {word}"
    return "\r\n".join(lines).encode() + b"\r\n"
