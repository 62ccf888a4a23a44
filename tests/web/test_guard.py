"""What stands before every page, as pure functions: paths, addresses, what is logged; and the stamp of a form."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.web.guard import client_address, masked, networks, plain_path
from digest.web.stamp import Age, age, stamp
from subscribers.tokens import KeyRing

KEYS = KeyRing("new", ("old",))


@pytest.mark.parametrize(
    ("path", "prefix", "expected"),
    [
        pytest.param("/unsubscribe/abc", "", "/unsubscribe/abc", id="plain"),
        pytest.param("/unsubscribe/abc/", "", "/unsubscribe/abc", id="final slash"),
        pytest.param("//unsubscribe///abc//", "", "/unsubscribe/abc", id="doubled slashes"),
        pytest.param("", "", "/", id="nothing"),
        pytest.param("/", "/news", "/", id="the proxy took the prefix away"),
        pytest.param("/news", "/news", "/", id="prefix alone"),
        pytest.param("/news/", "/news", "/", id="prefix and slash"),
        pytest.param("//news//confirm/x", "/news", "/confirm/x", id="prefix and doubled slashes"),
        pytest.param("/newsroom", "/news", "/newsroom", id="only looks like the prefix"),
        pytest.param("/archive/news/1", "/news", "/archive/news/1", id="prefix further on"),
    ],
)
def test_every_spelling_of_a_path_is_one(path: str, prefix: str, expected: str) -> None:
    assert plain_path(path, prefix) == expected


@given(st.text(alphabet="/ab%\\", max_size=30))
def test_a_plain_path_stays_as_it_is(path: str) -> None:
    once = plain_path(path, "/ab")
    assert once.startswith("/")
    assert "//" not in once
    assert plain_path(once, "") == once


TRUSTED = ("127.0.0.1", "10.0.0.0/8", "::1")


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        pytest.param("192.0.2.1", "", "192.0.2.1", id="no proxy"),
        pytest.param("192.0.2.1", "6.6.6.6", "192.0.2.1", id="a stranger claims to be a proxy"),
        pytest.param("127.0.0.1", "192.0.2.7", "192.0.2.7", id="one proxy"),
        pytest.param("127.0.0.1", "6.6.6.6, 192.0.2.7", "192.0.2.7", id="the reader forged the beginning"),
        pytest.param("127.0.0.1", "192.0.2.7, 10.1.2.3", "192.0.2.7", id="two proxies"),
        pytest.param("127.0.0.1", "10.9.9.9, 10.1.2.3", "10.9.9.9", id="all of them trusted"),
        pytest.param("127.0.0.1", "", "127.0.0.1", id="the proxy says nothing"),
        pytest.param("127.0.0.1", "unknown", "127.0.0.1", id="no address"),
        pytest.param("127.0.0.1", "192.0.2.7:4711", "192.0.2.7", id="with a port"),
        pytest.param("::1", "[2001:db8::7]:4711", "2001:db8::7", id="IPv6 with a port"),
        pytest.param("::1", "2001:db8::7", "2001:db8::7", id="IPv6"),
        pytest.param("::ffff:127.0.0.1", "192.0.2.7", "192.0.2.7", id="IPv4 in IPv6"),
        pytest.param("", "192.0.2.7", "", id="a socket without an address"),
    ],
)
def test_only_trusted_proxies_say_who_the_reader_is(peer: str, forwarded: str, expected: str) -> None:
    assert client_address(peer, forwarded, networks(TRUSTED)) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/archive/weekly/3", "/archive/weekly/3"),
        ("/unsubscribe/ATzqM1c", "/unsubscribe/…"),
        ("/confirm/ATzqM1c/and/more", "/confirm/…"),
        ("/news/ATzqM1cATzqM1cATzqM1cATzqM1c", "/news/…"),
        ("/ann@example.org", "/…"),
        ("/line\nbreak", "/…"),
        ("/", "/"),
    ],
)
def test_the_log_holds_no_token_no_address_and_one_line(path: str, expected: str) -> None:
    assert masked(path) == expected


def test_a_stamp_is_good_between_three_seconds_and_a_day(now: datetime) -> None:
    shown = stamp(KEYS, now)
    ages = [age(KEYS, shown, now + timedelta(seconds=after)) for after in (-5, 0, 2, 3, 86_400, 86_401)]
    assert ages == [Age.TOO_QUICK, Age.TOO_QUICK, Age.TOO_QUICK, Age.GOOD, Age.GOOD, Age.STALE]


def test_a_stamp_of_an_old_key_still_counts(now: datetime) -> None:
    later = now + timedelta(minutes=1)
    assert age(KEYS, stamp(KeyRing("old"), now), later) is Age.GOOD
    assert age(KEYS, stamp(KeyRing("other"), now), later) is Age.STALE


@given(st.text(max_size=60) | st.from_regex(r"[0-9²٣]{1,30}\.[0-9a-f]{32}", fullmatch=True))
def test_no_text_passes_for_a_stamp(text: str) -> None:
    assert age(KEYS, text, datetime.fromisoformat("2026-11-20T12:00:00+00:00")) is Age.STALE
