"""Bombs, endless and slow answers: each is over within its deadline, and none of it is kept (S-F4, S-F5, E-18)."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from feedserver import FeedServer

from digest.gather.decoding import Decoder, TooLarge, Undecodable

ROOT = Path(__file__).parents[2]
FEED = b"<rss version='2.0'><channel><title>News</title></channel></rss>"
MB = 1_000_000

# Fetches each path and tells what came of it, and by how much the process had to grow for it.
ASKING = """
import asyncio, json, resource, sys
from datetime import UTC, datetime
from digest.gather.fetch import Fetcher, Limits

port, *paths = sys.argv[1:]

async def resolver(name, port):
    return ["127.0.0.1"]

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

async def ask(path):
    limits = Limits(timeout_s=1.0 if path.startswith("/slow") else 30.0, private=True)
    async with Fetcher(limits, "Digest/0", resolver) as fetcher:
        outcome = await fetcher.fetch(f"http://news.test:{port}{path}", None, datetime.now(UTC))
    return type(outcome).__name__, getattr(outcome, "sentence", "")

asyncio.run(ask("/feed"))
said = {}
for path in paths:
    before = peak()
    kind, sentence = asyncio.run(ask(path))
    said[path] = [kind, sentence, peak() - before]
print(json.dumps(said))
"""


def headers(status: str, *more: str) -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status}", *more, "", "")).encode()


def bomb(size: int = 200 * MB) -> bytes:
    packer, piece = zlib.compressobj(9, zlib.DEFLATED, 31), b"\0" * MB
    return b"".join(packer.compress(piece) for _ in range(size // MB)) + packer.flush()


def endless(head: bytes, piece: bytes) -> Callable[[], Iterable[bytes]]:
    def pieces() -> Iterable[bytes]:
        yield head
        while True:
            yield piece

    return pieces


def slow(server: FeedServer, head: bytes, piece: bytes) -> Callable[[], Iterable[bytes]]:
    def pieces() -> Iterable[bytes]:
        yield head
        while not server.stopping.wait(0.25):
            yield piece

    return pieces


def serve(server: FeedServer) -> dict[str, tuple[str, str]]:
    """All the bad answers; what each must come to: the kind of outcome, and a word of its sentence."""
    packed = bomb()
    server.page("news.test", "/feed", FEED)
    location = f"Location: {server.url('news.test', '/feed')}"
    gz, chunked = "Content-Encoding: gzip", "Transfer-Encoding: chunked"
    chunk = b"10000\r\n" + b"<" * 65_536 + b"\r\n"
    raw: dict[str, tuple[Callable[[], Iterable[bytes]], str, str]] = {
        "/bomb": (lambda: [headers("200 OK", gz), packed], "Failed", "unpack"),
        "/deflate": (
            lambda: [headers("200 OK", "Content-Encoding: deflate"), zlib.compress(b"\0" * 60 * MB, 9)],
            "Failed",
            "unpack",
        ),
        "/nested": (
            lambda: [headers("200 OK", "Content-Encoding: gzip, gzip, gzip"), gzip.compress(gzip.compress(packed))],
            "Failed",
            "not asked for",
        ),
        "/brotli": (lambda: [headers("200 OK", "Content-Encoding: br"), packed], "Failed", "not asked for"),
        "/zstd": (lambda: [headers("200 OK", "Content-Encoding: zstd"), packed], "Failed", "not asked for"),
        "/bomb-404": (lambda: [headers("404 Not Found", gz), packed], "Failed", "404"),
        "/bomb-302": (lambda: [headers("302 Found", location, gz), packed], "Fetched", ""),
        "/endless-302": (endless(headers("302 Found", location), b"x" * 65_536), "Fetched", ""),
        "/endless-404": (endless(headers("404 Not Found"), b"x" * 65_536), "Failed", "404"),
        "/endless": (endless(headers("200 OK"), b"x" * 65_536), "Failed", "larger than 10,000,000 bytes"),
        "/chunked": (endless(headers("200 OK", chunked), chunk), "Failed", "larger than 10,000,000 bytes"),
        "/trailers": (
            endless(headers("200 OK", chunked) + b"1\r\n<\r\n0\r\n", b"X-More: " + b"x" * 1000 + b"\r\n"),
            "Failed",
            "could not be reached",
        ),
        "/headers": (endless(b"HTTP/1.1 200 OK\r\n", b"X-More: " + b"x" * 1000 + b"\r\n"), "Failed", "reached"),
        "/slow-body": (slow(server, headers("200 OK"), b"<"), "Failed", "in full within"),
        "/slow-chunks": (slow(server, headers("200 OK", chunked), b"1\r\n<\r\n"), "Failed", "in full within"),
        "/slow-headers": (slow(server, b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), "Failed", "did not"),
        "/slow-line": (slow(server, b"HTTP", b"/"), "Failed", "did not"),
        "/slow-silent": (slow(server, b"", b""), "Failed", "did not"),
    }
    for path, (pieces, _, _) in raw.items():
        server.raw("news.test", path, pieces)
    return {path: (kind, word) for path, (_, kind, word) in raw.items()}


@pytest.fixture(scope="module")
def answers() -> Iterator[tuple[dict[str, tuple[str, str]], dict[str, Any]]]:
    with FeedServer() as server:
        expected = serve(server)
        done = subprocess.run(
            [sys.executable, "-c", ASKING, str(server.port), *expected],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        yield expected, json.loads(done.stdout)


def test_bad_answers_end_as_a_sentence(answers: tuple[dict[str, tuple[str, str]], dict[str, Any]]) -> None:
    expected, found = answers
    for path, (kind, word) in expected.items():
        assert found[path][0] == kind, (path, found[path])
        assert word in found[path][1], (path, found[path])


def test_bad_answers_cost_little_memory(answers: tuple[dict[str, tuple[str, str]], dict[str, Any]]) -> None:
    _, found = answers
    assert {path: grown for path, (_, _, grown) in found.items() if grown >= 50 * MB} == {}


@pytest.mark.parametrize(
    ("received", "unpacked", "fits"),
    [
        pytest.param(os.urandom(100_000).hex().encode() * 10, 25 * MB, True, id="well packed, within"),
        pytest.param(b"\0" * 900_000, 25 * MB, True, id="small ones may pack as well as they like"),
        pytest.param(b"\0" * 1_100_000, 25 * MB, False, id="ratio"),
        pytest.param(os.urandom(3_000) * 1_000, 2 * MB, False, id="unpacked size"),
    ],
)
def test_what_may_be_unpacked(received: bytes, unpacked: int, fits: bool) -> None:
    decoder = Decoder("gzip", 10 * MB, unpacked)
    if fits:
        decoder.feed(gzip.compress(received))
        assert decoder.result() == received
    else:
        with pytest.raises(TooLarge):
            decoder.feed(gzip.compress(received))


def test_more_than_the_cap_is_not_received() -> None:
    decoder = Decoder("identity", 10, 25)
    decoder.feed(b"0123456789")
    with pytest.raises(TooLarge, match="10 bytes"):
        decoder.feed(b"!")
    with pytest.raises(Undecodable):
        Decoder("br", 10, 25)
