"""What stands before every page: one spelling of each path, the reader's true address, safe headers, a quiet log."""

from __future__ import annotations

import ipaddress
import logging
import re
import time
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_access = logging.getLogger("digest.web.access")
_errors = logging.getLogger("digest.web")

Network = IPv4Network | IPv6Network

# What a response says that does not say it otherwise. No page of ours has a script, a cookie or a frame.
_DEFAULTS = {
    "content-security-policy": "default-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}
_WITH_TOKENS = ("unsubscribe", "confirm", "preferences", "address")
_LONG = 24  # a longer part of a path may be a token that somebody put in a strange place


class Guard:
    """ASGI middleware; `failed` makes the page for an error that nobody foresaw."""

    def __init__(self, app: ASGIApp, *, prefix: str, trusted: Sequence[str], failed: Callable[[], Response]) -> None:
        self.app = app
        self.prefix = prefix
        self.trusted = networks(trusted)
        self.failed = failed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = plain_path(scope["path"], self.prefix)
        peer = (scope["client"] or ("", 0))[0]
        forwarded = ",".join(Headers(scope=scope).getlist("x-forwarded-for"))
        client = client_address(peer, forwarded, self.trusted)
        inner = {**scope, "path": path, "root_path": "", "client": (client, 0)}
        await self._answer(inner, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.monotonic()
        status = 0

        async def guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(raw=message["headers"])
                for name, value in _DEFAULTS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self.app(scope, receive, guarded)
        except Exception:
            _errors.exception("%s %s failed", scope["method"], masked(scope["path"]))
            if status:
                raise
            await self._sorry()(scope, receive, guarded)
        finally:
            took = (time.monotonic() - began) * 1000
            _access.info("%s %s %d %.0f ms", scope["method"], masked(scope["path"]), status, took)

    def _sorry(self) -> Response:
        try:
            return self.failed()
        except Exception:  # a template that a newsroom has changed may be what failed
            _errors.exception("the page for errors failed")
            return PlainTextResponse("Something went wrong here. Please try again in a little while.", 500)


def plain_path(path: str, prefix: str) -> str:
    """The one spelling of `path` that is routed: without `prefix`, doubled slashes and a final slash.

    A redirect would say the same, but a one-click client must not be redirected (RFC 8058 section 3.1).

    >>> plain_path("//news//unsubscribe/abc/", "/news")
    '/unsubscribe/abc'
    """
    path = re.sub("/+", "/", "/" + path)
    if prefix and (path == prefix or path.startswith(prefix + "/")):
        path = path[len(prefix) :]
    return path.rstrip("/") or "/"


def masked(path: str) -> str:
    """`path` as it may be logged: no token, no control character, no endless line.

    >>> masked("/unsubscribe/AbC")
    '/unsubscribe/…'
    """
    parts = path.split("/")[1:9]
    if parts[0] in _WITH_TOKENS and len(parts) > 1:
        parts = [parts[0], "…"]
    return "/" + "/".join("…" if len(part) > _LONG or not part.isprintable() or "@" in part else part for part in parts)


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """The addresses and networks of [web] trusted_proxies; ValueError names one that is neither."""
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def client_address(peer: str, forwarded: str, trusted: Sequence[Network]) -> str:
    """The reader's IP address: `peer`, or what trusted proxies say of it in X-Forwarded-For, read from its end.

    >>> client_address("127.0.0.1", "6.6.6.6, 192.0.2.7", networks(["127.0.0.1"]))
    '192.0.2.7'
    """
    found = _address(peer)
    hops = [hop for hop in forwarded.split(",") if hop.strip()]
    while found is not None and hops and any(found in network for network in trusted):
        following = _address(hops.pop())
        if following is None:
            break
        found = following
    return str(found) if found else ""


def _address(text: str) -> IPv4Address | IPv6Address | None:
    text = text.strip()
    if "." in text:
        text = re.sub(r":\d+$", "", text) if text.count(":") == 1 else text
    text = re.sub(r"^\[(.*)\](:\d+)?$", r"\1", text)
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
