"""Listening, before anything is served."""

from __future__ import annotations

import socket

import httpx
import pytest
from webhost import Host

from digest.errors import DigestError
from digest.web.serving import address, listener


@pytest.mark.parametrize(("bind", "shown"), [("127.0.0.1:0", "127.0.0.1:"), ("[::1]:0", "[::1]:")])
def test_an_address_is_shown_as_in_a_url(bind: str, shown: str) -> None:
    with listener(bind) as listening:
        assert address(listening) == f"{shown}{listening.getsockname()[1]}"


def test_a_taken_address_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = address(taken)
        with pytest.raises(DigestError) as caught:
            listener(bind)
    assert str(caught.value) == f"[web] bind: can't listen on {bind}: Address already in use"


@pytest.mark.parametrize("bind", ["nonsense", "127.0.0.1:x", "127.0.0.1:99999", "192.0.2.1:8080", ""])
def test_an_address_that_can_not_be_had_is_one_sentence(bind: str) -> None:
    with pytest.raises(DigestError) as caught:
        listener(bind)
    assert str(caught.value).startswith(f"[web] bind: can't listen on {bind}: ")
    assert "\n" not in str(caught.value)


def test_many_who_send_a_byte_now_and_then_hold_nobody_up(web: httpx.Client, host: Host) -> None:
    """S-C9, with as many connections as an ordinary limit of open files allows."""
    request = b"POST /unsubscribe/x HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n"
    slow = [socket.create_connection(("127.0.0.1", host.port)) for _ in range(200)]
    try:
        for place, byte in enumerate(request[:20]):
            for one in slow:
                one.send(bytes([byte]))
            assert web.get(f"/unsubscribe/{place}").status_code == 200
    finally:
        for one in slow:
            one.close()
