"""Asking a source: politeness, limits and forbidden places, against a real server."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from feedserver import FeedServer

from digest.gather.addresses import may_connect
from digest.gather.fetch import Fetcher, Limits
from digest.gather.outcomes import Failed, Fetched, Later, Outcome, Unchanged, Validators

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ANY = Limits(private=True)
FEED = b"<rss version='2.0'><channel><title>News</title></channel></rss>"


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer() as running:
        yield running


def fetch(
    server: FeedServer,
    path: str,
    validators: Validators | None = None,
    limits: Limits = ANY,
    host: str = "news.test",
) -> Outcome:
    async def ask() -> Outcome:
        async with Fetcher(limits, "Digest/0 (+https://example.org)", server.resolver) as fetcher:
            return await fetcher.fetch(server.url(host, path), validators, NOW)

    return asyncio.run(ask())


def test_a_feed_comes_with_its_validators_and_they_bring_304(server: FeedServer) -> None:
    server.page("news.test", "/f", FEED, Cache_Control="public, max-age=7200")
    first = fetch(server, "/f")
    assert isinstance(first, Fetched)
    assert (first.body, first.max_age_s) == (FEED, 7200)
    assert first.validators is not None
    assert isinstance(fetch(server, "/f", first.validators), Unchanged)


@pytest.mark.parametrize("etag", ['W/"x"', "unquoted", '"' + "e" * 4000 + '"', '"caf\xe9\xff"', '""'])
def test_validators_go_back_byte_for_byte(server: FeedServer, etag: str) -> None:
    server.answer("news.test", "/f", 200, FEED, ETag=etag, Last_Modified="Thursday, some day")
    first = fetch(server, "/f")
    assert isinstance(first, Fetched)
    fetch(server, "/f", first.validators)
    sent = server.asked("/f")[1].headers
    assert (sent["if-none-match"], sent["if-modified-since"]) == (etag, "Thursday, some day")


def test_validators_stay_with_the_url_that_gave_them(server: FeedServer) -> None:
    server.page("news.test", "/f", FEED)
    fetch(server, "/f", Validators(server.url("news.test", "/other"), '"x"'))
    assert "if-none-match" not in server.asked("/f")[0].headers


def test_the_request_says_who_asks_and_nothing_else(server: FeedServer) -> None:
    server.answer("news.test", "/a", 302, Location="/f", Set_Cookie="a=b")
    server.page("news.test", "/f", FEED)
    assert isinstance(fetch(server, "/a"), Fetched)
    sent = server.asked("/f")[0].headers
    assert sent["user-agent"] == "Digest/0 (+https://example.org)"
    assert sent["accept-encoding"] == "gzip"
    assert not {"cookie", "referer", "authorization"} & sent.keys()


@pytest.mark.parametrize("status", [429, 503])
def test_come_back_later_is_understood_in_both_forms(server: FeedServer, status: int) -> None:
    date = format_datetime(NOW + timedelta(hours=2), usegmt=True)
    for value, at in (("3600", NOW + timedelta(hours=1)), (date, NOW + timedelta(hours=2)), ("soon", None)):
        server.answer("news.test", "/f", status, Retry_After=value)
        outcome = fetch(server, "/f")
        assert isinstance(outcome, Later)
        assert outcome.retry_at == at


@pytest.mark.parametrize(("status", "permanent"), [(404, False), (410, True), (403, False), (500, False), (304, False)])
def test_what_other_answers_mean(server: FeedServer, status: int, permanent: bool) -> None:
    server.answer("news.test", "/f", status)
    outcome = fetch(server, "/f")
    assert isinstance(outcome, Failed)
    assert (outcome.permanent, outcome.status) == (permanent, status)
    assert str(status) in outcome.sentence


def test_only_permanent_redirects_tell_a_new_url(server: FeedServer) -> None:
    server.page("news.test", "/f", FEED)
    server.answer("news.test", "/moved", 301, Location="/f")
    server.answer("news.test", "/moved-for-now", 307, Location="/moved")
    for path, known in (("/moved", server.url("news.test", "/f")), ("/moved-for-now", None)):
        outcome = fetch(server, path)
        assert isinstance(outcome, Fetched)
        assert outcome.permanent_url == known


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "gopher://x/",
        "ftp://x/",
        "data:text/xml,<rss/>",
        "http://user:pw@news.test/",
        "",
        "/circle",
    ],
)
def test_redirects_to_forbidden_places_are_not_followed(server: FeedServer, location: str) -> None:
    server.answer("news.test", "/circle", 302, Location=location)
    outcome = fetch(server, "/circle")
    assert isinstance(outcome, Failed)
    assert len(server.requests) == 1


def test_no_more_than_five_hops(server: FeedServer) -> None:
    for number in range(8):
        server.answer("news.test", f"/{number}", 302, Location=f"/{number + 1}")
    assert isinstance(fetch(server, "/0"), Failed)
    assert len(server.requests) == 6


def endless() -> Iterable[bytes]:
    while True:
        yield b"x" * 65_536


def test_an_endless_body_ends_at_the_cap(server: FeedServer) -> None:
    server.stream("news.test", "/f", endless)
    outcome = fetch(server, "/f", limits=Limits(max_bytes=1_000_000, private=True))
    assert isinstance(outcome, Failed)
    assert "1,000,000 bytes" in outcome.sentence


def test_a_body_that_drips_ends_at_the_deadline(server: FeedServer) -> None:
    server.drip("news.test", "/f")
    outcome = fetch(server, "/f", limits=Limits(timeout_s=0.7, private=True))
    assert isinstance(outcome, Failed)
    assert "within 0.7 s" in outcome.sentence


@pytest.mark.parametrize(
    ("encoding", "body", "word"),
    [
        ("gzip", gzip.compress(b"\0" * 60_000_000), "unpack"),
        ("gzip, gzip", gzip.compress(gzip.compress(FEED)), "not asked for"),
        ("br", b"xx", "not asked for"),
        ("gzip", gzip.compress(FEED)[:-9], "cut short"),
        ("gzip", b"no gzip at all", "damaged"),
    ],
    ids=["bomb", "twice", "brotli", "cut", "damaged"],
)
def test_bombs_and_foreign_encodings_are_refused(server: FeedServer, encoding: str, body: bytes, word: str) -> None:
    server.answer("news.test", "/f", 200, body, Content_Encoding=encoding)
    outcome = fetch(server, "/f")
    assert isinstance(outcome, Failed)
    assert word in outcome.sentence


def test_gzip_is_unpacked(server: FeedServer) -> None:
    server.answer("news.test", "/f", 200, gzip.compress(FEED), Content_Encoding="gzip")
    outcome = fetch(server, "/f")
    assert isinstance(outcome, Fetched)
    assert outcome.body == FEED


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "127.0.0.1.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "inside.test",
    ],
)
def test_private_places_are_not_connected_to(server: FeedServer, host: str) -> None:
    async def resolver(name: str, port: int) -> Sequence[str]:
        return ["93.184.215.14", "127.0.0.1"] if name == "inside.test" else [name.strip("[].")]

    async def ask() -> Outcome:
        async with Fetcher(Limits(), "Digest/0", resolver) as fetcher:
            return await fetcher.fetch(f"http://{host}/", None, NOW)

    outcome = asyncio.run(ask())
    assert isinstance(outcome, Failed)
    assert "private address" in outcome.sentence
    assert server.requests == []


def test_other_ports_are_not_asked(server: FeedServer) -> None:
    outcome = fetch(server, "/f", limits=Limits())
    assert isinstance(outcome, Failed)
    assert "port" in outcome.sentence


@pytest.mark.parametrize(
    ("address", "public", "with_leave"),
    [
        ("93.184.215.14", True, True),
        ("2606:2800:21f:cb07::1", True, True),
        ("10.1.2.3", False, True),
        ("100.64.0.1", False, True),
        ("172.31.0.1", False, True),
        ("192.168.0.1", False, True),
        ("198.18.0.1", False, True),
        ("::1", False, True),
        ("fd00::1", False, True),
        ("::ffff:10.0.0.1", False, True),
        ("64:ff9b::7f00:1", False, True),
        ("2002:7f00:1::", False, True),
        ("::7f00:1", False, True),
        ("169.254.169.254", False, False),
        ("0.0.0.0", False, False),
        ("224.0.0.1", False, False),
        ("255.255.255.255", False, False),
        ("::", False, False),
        ("fe80::1%eth0", False, False),
        ("::ffff:169.254.169.254", False, False),
        ("no address", False, False),
    ],
)
def test_which_addresses_may_be_connected_to(address: str, public: bool, with_leave: bool) -> None:
    assert may_connect(address) is public
    assert may_connect(address, private=True) is with_leave


def test_a_304_that_was_not_asked_is_no_success(server: FeedServer) -> None:
    server.answer("news.test", "/f", 304)
    outcome = fetch(server, "/f")
    assert isinstance(outcome, Failed) and "304 Not Modified, which was not asked" in outcome.sentence
    elsewhere = fetch(server, "/f", Validators(server.url("news.test", "/other"), '"x"'))
    assert isinstance(elsewhere, Failed)
    assert isinstance(fetch(server, "/f", Validators(server.url("news.test", "/f"), '"x"')), Unchanged)
