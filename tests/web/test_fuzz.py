"""Bodies and headers that no browser sends, to every form of ours: no answer is a 500, and nothing changes (S-B4)."""

from __future__ import annotations

import logging
import os
import re
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from urllib.parse import quote_from_bytes

import pytest
from senders import until
from sqlalchemy import select
from webhost import Host, add_list, add_reader, everything, shown

from digest import db
from digest.models import Delivery, table
from digest.web.forms import MAX_BODY

REQUESTS = int(os.environ.get("DIGEST_FUZZ", "200"))
NAMES = (
    "email", "list", "name", "language", "website", "shown", "work", "sections-weekly", "action", "answer", "on",
    "sure", "List-Unsubscribe", "pause:weekly", "edition:weekly", "section:weekly:asia", "follow:weekly", "_charset_",
    "email[]", "__proto__", "status", "id", "handle", "",
)  # fmt: skip
VALUES = (
    b"", b"\0", b"\0" * 300, b"a\0b@example.org", b"\xed\xa0\x80", b"\xff\xfe", b"\xc0\xaf", b"\xf4\x90\x80\x80",
    "\u202e\u2066ann@example.org".encode(), ("e" + "\u0301" * 900).encode(), b"9" * 5000, b"-1", b"1e999", b"{}", b"[",
    b"ann@example.org\r\nBcc: bob@example.org", b"%", b"%u0000", b"%%%2", b"+", b"\x1b[2J\x07", b"null", b"nosuch",
    b"=?utf-8?b?AAA=?=", b"a@" + b"b." * 300 + b"example", b'"@"@example.org', b"x" * 61_000, "\u2028".encode(),
    b"__class__", b"{{7*7}}", b"${7*7}", b"utf-16", "\U0001f600".encode() * 70,
)  # fmt: skip
TYPES = (
    b"application/x-www-form-urlencoded", b"application/x-www-form-urlencoded; charset=utf-16", b"text/plain",
    b"application/x-www-form-urlencoded; charset=nosuch", b"application/json", b"", b";;;=", b"\xff\xfe", b"x" * 9000,
    b"multipart/form-data", b"multipart/form-data; boundary=", b"multipart/mixed; boundary=b", b"MULTIPART/form-data;b",
    b'multipart/form-data; boundary="', b"multipart/form-data; boundary=" + b"b" * 5000,
    b"multipart/form-data; a*=x''%", b"multipart/form-data; boundary=\xe9\x00",
    b"multipart/form-data; charset=utf-7; boundary=b",
)  # fmt: skip
# What a link from a newsletter does by right: the others must find nothing in any body.
RIGHTFUL = re.compile(rb"\b(save|leave|link)\b")


@dataclass(frozen=True)
class Request:
    """One request, whole; `broken` where it is no HTTP: a server may hang up on it, as on one that is too long."""

    octets: bytes
    broken: bool


class Dice(Random):
    """Chooses requests."""

    def field(self, fresh: bytes) -> tuple[bytes, bytes]:
        name = self.choice(NAMES).encode()
        if name == b"shown" and self.random() < 0.8:
            return name, fresh
        return name, self.randbytes(self.randrange(40)) if self.random() < 0.3 else self.choice(VALUES)

    def fields(self, fresh: bytes) -> list[tuple[bytes, bytes]]:
        some = [self.field(fresh) for _ in range(self.choice([1, 3, 8, 8, 52, 2001 if self.random() < 0.1 else 9]))]
        filled_in = [
            (b"email", b"nobody@example.org"),
            (b"shown", fresh),
            (b"list", self.choice([b"no\0such", *VALUES[:8]])),
        ]
        first = filled_in if self.random() < 0.5 else []
        return first + some + some[: self.choice([0, 0, 2])]  # some of them repeated

    def urlencoded(self, fresh: bytes) -> bytes:
        written = quote_from_bytes if self.random() < 0.7 else lambda octets: octets.decode("latin-1")
        pairs = [f"{written(name)}={written(value)}" for name, value in self.fields(fresh)]
        return self.choice(["&", "&", ";", "&&"]).join(pairs).encode("latin-1")

    def multipart(self, fresh: bytes) -> bytes:
        parts = [self.part(name, value) for name, value in self.fields(fresh)]
        start = self.choice([b"", b"", b"preamble\r\n", b"\r\n"])
        return (
            start + b"".join(b"--b\r\n" + part for part in parts) + self.choice([b"--b--\r\n", b"--b--", b"", b"--b"])
        )

    def part(self, name: bytes, value: bytes) -> bytes:
        file = self.choice([b"", b"", b"", b'; filename="x.png"', b"; filename*=utf-8''%ff", b'; filename="'])
        more = self.choice([b"", b"", b"Content-Type: text/plain; charset=utf-16\r\n", b"X" * 9000 + b": y\r\n"])
        more += self.choice([b"", b"", b"Content-Transfer-Encoding: base64\r\n", b"Content-Type: multipart/mixed\r\n"])
        return b'Content-Disposition: form-data; name="%s"%s\r\n%s\r\n%s\r\n' % (name, file, more, value)

    def body(self, fresh: bytes) -> tuple[bytes, bytes]:
        """A content type, and a body which fits it, or does not."""
        kind = self.choice([self.urlencoded, self.multipart, self.multipart, lambda _: self.randbytes(900)])
        body = kind(fresh)
        if self.random() < 0.3:
            body = body[: self.randrange(len(body) + 1)]
        for _ in range(self.choice([0, 0, 0, 5]) if body else 0):
            place = self.randrange(len(body))
            body = body[:place] + self.randbytes(1) + body[place + 1 :]
        fits = b"multipart/form-data; boundary=b" if kind == self.multipart else TYPES[0]
        return (fits if self.random() < 0.7 else self.choice(TYPES)), RIGHTFUL.sub(b"", body)

    def headers(self) -> list[bytes]:
        names = (b"Accept-Language", b"X-Forwarded-For", b"Cookie", b"User-Agent", b"Origin", b"X-" + b"n" * 300)
        values = (
            b"x" * 7000,
            b"\xff\xfe\xfd",
            b"de;q=" + b"9" * 400,
            b"," * 3000,
            b"1.2.3.4, ::1, \xe9",
            b"",
            b"a=b;" * 900,
        )
        wild = b"x" * 70_000 if self.random() < 0.03 else None
        return [b"%s: %s" % (self.choice(names), wild or self.choice(values)) for _ in range(self.choice([0, 1, 3]))]

    def request(self, paths: list[str], fresh: bytes) -> Request:
        kind, body = self.body(fresh)
        path = self.choice(paths) + self.choice(["", "", "?lang=xx", "?lang=%00", "?%ff=%ed%a0%80", "?a[]=1&a[]=2"])
        lines = [
            f"POST {path} HTTP/1.1".encode(),
            b"Host: paper.example",
            b"Connection: close",
            b"Content-Type: " + kind,
            *self.headers(),
        ]
        broken = self.random() < 0.05
        if self.random() < 0.2:
            lines.append(b"Transfer-Encoding: chunked")
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
            body = self.randbytes(30) if broken else body
        else:
            lines.append(
                b"Content-Length: %s" % (self.choice([b"-1", b"x", b"9" * 40]) if broken else b"%d" % len(body))
            )
        octets = b"\r\n".join(lines) + b"\r\n\r\n" + body
        return Request(octets, broken or any(byte in kind for byte in b"\0\r\n"))


def answer(port: int, request: Request) -> tuple[int, bytes]:
    """The status and all of the answer; 0 where there is none."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        with suppress(OSError):  # a server need not read to the end what it refuses
            connection.sendall(request.octets)
            if request.broken:  # it may wait for the rest
                connection.shutdown(socket.SHUT_WR)
        parts = []
        with suppress(ConnectionResetError):
            while part := connection.recv(65536):
                parts.append(part)
    whole = b"".join(parts)
    return int(whole.split(b" ", 2)[1]) if whole else 0, whole


def test_no_request_breaks_a_page_or_changes_anything(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    with db.writing(host.engine) as session:
        add_list(session, host.clock.now, "staff", public=False)
        ann, bob = (add_reader(session, host.clock.now, f"{name}@example.org") for name in ("ann", "bob"))
    with host.client() as web:
        fresh = shown(web).encode()
    host.clock.now += timedelta(seconds=10)
    links = host.links
    mine = [links.preferences(ann.handle, "weekly"), links.preferences(bob.handle, "nosuch")]
    wrong = [f"/{page}/{mine[0].rpartition('/')[2]}" for page in ("unsubscribe", "confirm", "address")]
    paths = [
        "/",
        "/subscribe",
        "/subscribe",
        "/link",
        "/unsubscribe",
        *wrong,
        *map(host.path, mine),
        "/preferences/x",
        "/nosuch",
    ]
    caplog.set_level(logging.ERROR)

    def ledger() -> int:
        with db.reading(host.engine) as session:
            return len(session.execute(select(table(Delivery).c.id)).all())

    def one(number: int) -> tuple[int, int]:
        request = Dice(number).request(paths, fresh)
        status, said = answer(host.port, request)
        assert b"Traceback" not in said, number
        hung_up = not status and (request.broken or len(request.octets) > MAX_BODY)
        assert 200 <= status < 500 or hung_up, (number, status, request.octets[:300])
        return number, status

    before = everything(host.engine), ledger()
    with ThreadPoolExecutor(4) as threads:
        statuses = Counter(status for _, status in threads.map(one, range(REQUESTS)))
    assert (everything(host.engine), ledger()) == before
    assert [record.getMessage() for record in caplog.records] == []
    assert {200, 413, 422} <= set(statuses)
    assert statuses[400] < REQUESTS / 3  # the others reached a page


def test_who_hangs_up_within_a_form_is_no_failure_of_ours(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    head = b"POST /unsubscribe/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nList-Unsub"
    caplog.set_level(logging.INFO)
    with socket.create_connection(("127.0.0.1", host.port)) as connection:
        connection.sendall(head)
    until("line in the log", lambda: "POST /unsubscribe/…" in caplog.text, 20)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
