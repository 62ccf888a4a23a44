"""Where a fetch may connect: spellings of forbidden places, names that change, every hop (S-F1 to S-F3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address
from random import Random

import httpx
import pytest
from feedserver import FeedServer

from digest.gather.addresses import may_connect
from digest.gather.fetch import Fetcher, Limits, system_resolver
from digest.gather.outcomes import Failed, Fetched, Outcome

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
FEED = b"<rss version='2.0'><channel><title>News</title></channel></rss>"
PUBLIC = "93.184.215.14"
INSIDE = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "169.254.169.254",
    "172.16.0.1", "172.31.255.255", "192.168.1.1", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.19.255.255",
    "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
]  # fmt: skip
INSIDE_6 = [
    "::", "::1", "fe80::1", "febf::1", "fc00::1", "fd12:3456::1", "fec0::1", "ff02::1", "100::1", "2001:db8::1",
    "2001:10::1", "3fff::1", "5f00::1", "4000::1", "1::1",
]  # fmt: skip


class Body(httpx.AsyncByteStream):
    """A feed on its way."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield FEED


class Recorder(httpx.AsyncBaseTransport):
    """Stands where connections are made: keeps the addresses, answers what it was given."""

    def __init__(self, *answers: httpx.Response) -> None:
        self.answers = list(answers)
        self.connected: list[str] = []
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.connected.append(request.url.host)
        self.requests.append(request)
        return self.answers.pop(0) if self.answers else httpx.Response(200, stream=Body())


def spellings(address: str) -> Iterator[str]:
    """An IPv4 address as URLs may write it."""
    number = int(IPv4Address(address))
    a, b, c, d = address.split(".")
    yield address
    yield f"{address}."
    yield str(number)
    yield hex(number)
    yield f"0{number:o}"
    yield f"{a}.{(int(b) << 16) + (int(c) << 8) + int(d)}"
    yield f"{a}.{b}.{(int(c) << 8) + int(d)}"
    yield ".".join(f"0{int(part):o}" for part in (a, b, c, d))
    yield ".".join(hex(int(part)) for part in (a, b, c, d))
    yield f"{a}\u3002{b}\uff0e{c}\uff61{d}"
    yield "".join(chr(ord(sign) + 0xFEE0) if sign.isdigit() else sign for sign in address)
    yield f"good.example@{address}"
    yield f"user:pass@{number}"
    yield f"%{ord(address[0]):02x}{address[1:]}"
    high, low = f"{number >> 16:x}", f"{number & 0xFFFF:x}"
    yield f"[::ffff:{address}]"
    yield f"[::ffff:{high}:{low}]"
    yield f"[64:ff9b::{high}:{low}]"
    yield f"[64:ff9b:1::{high}:{low}]"
    yield f"[2002:{high}:{low}::1]"
    yield f"[2001:0:1::{number >> 16 ^ 0xFFFF:x}:{number & 0xFFFF ^ 0xFFFF:x}]"


TABLE = [
    *(text for address in INSIDE for text in spellings(address)),
    *(f"[{address}]" for address in INSIDE_6),
    *(f"[{IPv6Address(address).exploded}]" for address in INSIDE_6),
    *("localhost", "LOCALHOST", "localhost.", "a.localhost", "x.y.localhost.", "[::1%25lo]"),
]


def ask(url: str, transport: Recorder, resolver: object) -> Outcome:
    async def asking() -> Outcome:
        async with Fetcher(Limits(), "Digest/0", resolver, transport) as fetcher:  # type: ignore[arg-type]
            return await fetcher.fetch(url, None, NOW)

    return asyncio.run(asking())


def test_no_spelling_of_a_forbidden_place_is_connected_to() -> None:
    assert len(TABLE) >= 400

    async def asking() -> list[str]:
        transport = Recorder()
        async with Fetcher(Limits(), "Digest/0", system_resolver, transport) as fetcher:
            for where in TABLE:
                outcome = await fetcher.fetch(f"http://{where}/feed", None, NOW)
                assert isinstance(outcome, Failed), where
        return transport.connected

    assert asyncio.run(asking()) == []


def test_what_a_leave_for_private_places_does_not_open() -> None:
    for address in ("169.254.169.254", "0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "fe80::1"):
        assert not may_connect(address, private=True)


def test_a_name_that_changes_is_connected_to_where_it_was_judged() -> None:
    """Public at one look-up, private at the next, or both at once, ten thousand times."""
    dice = Random(1)
    answers: list[Sequence[str]] = [
        [PUBLIC],
        ["127.0.0.1"],
        [PUBLIC, "10.0.0.1"],
        ["10.0.0.1", PUBLIC],
        [PUBLIC, "::1"],
        ["2606:2800:21f:cb07::1", "::ffff:192.168.0.1"],
        ["2606:2800:21f:cb07::1", PUBLIC],
        [],
        ["no address"],
    ]

    async def resolver(name: str, port: int) -> Sequence[str]:
        return dice.choice(answers)

    async def asking() -> Recorder:
        transport = Recorder()
        async with Fetcher(Limits(), "Digest/0", resolver, transport) as fetcher:
            for _ in range(10_000):
                await fetcher.fetch("http://rebinding.example/feed", None, NOW)
        return transport

    transport = asyncio.run(asking())
    assert set(transport.connected) == {PUBLIC, "2606:2800:21f:cb07::1"}
    assert {request.headers["host"] for request in transport.requests} == {"rebinding.example"}


def test_each_hop_is_judged_anew() -> None:
    async def resolver(name: str, port: int) -> Sequence[str]:
        return {"good.example": [PUBLIC], "inside.example": ["10.0.0.1"]}[name]

    for target in ("http://inside.example/", "//inside.example/", "http://2130706433/", "http://[::1]/"):
        transport = Recorder(httpx.Response(302, headers={"Location": target}))
        if "inside" not in target:
            outcome = ask("http://good.example/", transport, _literal(resolver))
        else:
            outcome = ask("http://good.example/", transport, resolver)
        assert isinstance(outcome, Failed)
        assert transport.connected == [PUBLIC]


def _literal(resolver: object) -> object:
    async def both(name: str, port: int) -> Sequence[str]:
        return [PUBLIC] if name == "good.example" else await system_resolver(name.strip("[]"), port)

    return both


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "target",
    ["file:///etc/passwd", "gopher://good.example/", "ftp://good.example/", "data:text/xml,<rss/>", "javascript:1"],
)
def test_only_the_web_is_followed(status: int, target: str) -> None:
    async def resolver(name: str, port: int) -> Sequence[str]:
        return [PUBLIC]

    transport = Recorder(httpx.Response(status, headers={"Location": target}))
    assert isinstance(ask("https://good.example/", transport, resolver), Failed)
    assert len(transport.connected) == 1


@pytest.mark.parametrize(
    ("location", "sent"),
    [
        pytest.param("/other", True, id="same origin"),
        pytest.param("https://good.example/other", False, id="same origin, without them"),
        pytest.param("https://other.example/", False, id="another host"),
        pytest.param("http://good.example/", False, id="another scheme"),
        pytest.param("https://www.good.example/", False, id="a host below"),
        pytest.param("//other.example/", False, id="another host, without a scheme"),
    ],
)
def test_credentials_never_leave_their_origin(location: str, sent: bool) -> None:
    async def resolver(name: str, port: int) -> Sequence[str]:
        return [PUBLIC]

    redirect = httpx.Response(302, headers={"Location": location, "Set-Cookie": "session=1"})
    transport = Recorder(redirect)
    assert isinstance(ask("https://user:pass@good.example/feed", transport, resolver), Fetched)
    first, second = transport.requests
    assert first.headers["authorization"].startswith("Basic ")
    assert ("authorization" in second.headers) is sent
    assert not {"cookie", "referer"} & set(second.headers)


def test_no_sentence_shows_a_password() -> None:
    async def resolver(name: str, port: int) -> Sequence[str]:
        return [PUBLIC]

    for answer in (httpx.Response(404), httpx.Response(429), httpx.Response(302, headers={"Location": "ftp://x/"})):
        outcome = ask("https://user:sesame@good.example/feed", Recorder(answer), resolver)
        assert "sesame" not in outcome.sentence  # type: ignore[union-attr]
        assert "good.example" in outcome.sentence  # type: ignore[union-attr]


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with FeedServer() as server:
        server.page("news.test", "/f", FEED)
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")

        async def asking() -> Outcome:
            async with Fetcher(Limits(private=True), "Digest/0", server.resolver) as fetcher:
                return await fetcher.fetch(server.url("news.test", "/f"), None, NOW)

        assert isinstance(asyncio.run(asking()), Fetched)
