"""Asks one source over HTTP: politely, within one deadline and two caps, at addresses that may be asked."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar

import httpx

from digest import __version__
from digest.config import Config
from digest.gather.addresses import may_connect
from digest.gather.decoding import Decoder, TooLarge, Undecodable
from digest.gather.freshness import fresh_s, retry_at
from digest.gather.hosts import without_secrets
from digest.gather.outcomes import Failed, Fetched, Later, Outcome, Unchanged, Validators
from digest.gather.urls import host, resolve

MAX_HOPS = 5
UNPACKED = 2.5  # times max_bytes
FIRST_BYTE_S = 10.0
PORTS = (80, 443)
ACCEPT = (
    "application/atom+xml, application/rss+xml, application/feed+json, application/xml;q=0.9, text/xml;q=0.8, */*;q=0.5"
)

T = TypeVar("T")
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]


@dataclass(frozen=True)
class Limits:
    """What a fetch may cost, and where it may go."""

    timeout_s: float = 30.0  # from the first look-up to the last byte, redirects included
    max_bytes: int = 10_000_000  # as received
    private: bool = False


@dataclass(frozen=True)
class _Arrived:
    """The answer at the end of the redirects, its body not yet read."""

    response: httpx.Response
    at: str
    permanent_url: str | None  # `at`, if all redirects to it are for ever
    conditional: bool  # it was asked only whether something has changed


class _Refused(Exception):
    """This is not connected to, or not followed; the message is the rest of a sentence."""


class _NoHost(_Refused):
    """The name of the host is nobody's."""


async def system_resolver(name: str, port: int) -> Sequence[str]:
    """The addresses of `name` as the system knows them; OSError if there are none. *.localhost is this machine.

    RFC 6761 section 6.3 reserves those names, and not every system's resolver knows.
    """
    if name.lower().rstrip(".").endswith(".localhost"):
        return ["127.0.0.1", "::1"]
    found = await asyncio.get_running_loop().getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class _Guarded(httpx.AsyncBaseTransport):
    """Looks a host up once, judges every address, and connects to the one that was judged: no second look-up (S-F2)."""

    def __init__(self, limits: Limits, resolver: Resolver, inner: httpx.AsyncBaseTransport | None) -> None:
        self._limits, self._resolver = limits, resolver
        # A connection is never used again: two hosts at one address must not share one.
        self._inner = inner or httpx.AsyncHTTPTransport(
            trust_env=False, limits=httpx.Limits(max_connections=None, max_keepalive_connections=0)
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        name = request.url.host
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        if port not in PORTS and not self._limits.private:
            raise _Refused(f"port {port} is not asked, only {PORTS[0]} and {PORTS[1]}")
        addresses = await self._addresses(name, port)
        request.extensions = {**request.extensions, "sni_hostname": name}
        error: httpx.ConnectError | None = None
        for address in addresses[:4]:
            request.url = request.url.copy_with(host=address)
            try:
                return await self._inner.handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout) as refused:
                error = refused if isinstance(refused, httpx.ConnectError) else httpx.ConnectError(str(refused))
        raise error or httpx.ConnectError("no address")

    async def _addresses(self, name: str, port: int) -> Sequence[str]:
        try:
            found = await self._resolver(name, port)
        except (OSError, UnicodeError) as error:
            unsure = isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN
            raise (_Refused if unsure else _NoHost)(f"the host {name} was not found") from error
        if not found:
            raise _Refused(f"the host {name} was not found")
        if not all(may_connect(address, private=self._limits.private) for address in found):
            raise _Refused(f"the host {name} is at a private address (see [gather] allow_private_addresses)")
        return found

    async def aclose(self) -> None:
        await self._inner.aclose()


class Fetcher:
    """Fetches sources; close it when done (it is an async context manager)."""

    def __init__(
        self,
        limits: Limits,
        user_agent: str,
        resolver: Resolver = system_resolver,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`transport` connects to addresses that were judged, sent to it in the URL's place of the host."""
        self._limits = limits
        self._agent = user_agent
        self._client = httpx.AsyncClient(
            transport=_Guarded(limits, resolver, transport),
            timeout=httpx.Timeout(min(FIRST_BYTE_S, limits.timeout_s), pool=None),
            trust_env=False,
            follow_redirects=False,
        )

    async def __aenter__(self) -> Fetcher:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._client.aclose()

    async def fetch(self, url: str, validators: Validators | None, now: datetime) -> Outcome:
        """What came of asking `url`, `validators` going to the URL that gave them; their faults are values."""
        return await self._bounded(url, self._follow("GET", url, validators, partial(self._outcome, now)))

    async def probe(self, url: str, method: str) -> int | Failed:
        """The status that `url` answers `method` with at the end of its redirects; no body is read."""
        return await self._bounded(url, self._follow(method, url, None, _status))

    async def _bounded(self, url: str, asking: Coroutine[Any, Any, T]) -> T | Failed:
        shown = without_secrets(url)
        try:
            async with asyncio.timeout(self._limits.timeout_s) as whole:
                return await asking
        except TimeoutError:
            if whole.expired():
                return Failed(f"{shown} did not answer in full within {self._limits.timeout_s:g} s", slow=True)
            return Failed(f"{shown} did not begin to answer within {self._first_byte_s:g} s", slow=True)
        except httpx.TimeoutException:
            return Failed(f"{shown} did not answer in time", slow=True)
        except (_Refused, TooLarge, Undecodable) as error:
            return Failed(f"{shown} was not read: {error}", lost=isinstance(error, _NoHost))
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            return Failed(f"{shown} could not be reached: {_told(error)}", lost=_is_lost(error))

    async def _follow(
        self, method: str, url: str, validators: Validators | None, made: Callable[[_Arrived], Awaitable[T]]
    ) -> T:
        """What `made` makes of the answer at the end of the redirects, while it can still be read."""
        at, permanent, seen = _checked(resolve("", url)), True, {url}
        for _ in range(MAX_HOPS + 1):
            headers = self._headers(at, validators)
            request = self._client.build_request(method, at, headers=headers)
            async with asyncio.timeout(self._first_byte_s):
                response = await self._client.send(request, stream=True)
            try:
                target = _target(response, at)
                if target is None:
                    kept = at if permanent and len(seen) > 1 else None
                    return await made(_Arrived(response, at, kept, _conditions(headers)))
            finally:
                await response.aclose()
            permanent = permanent and response.status_code in (301, 308)
            if target in seen:
                raise _Refused(f"it redirects in a circle at {without_secrets(target)}")
            seen.add(target)
            at = target
        raise _Refused(f"it redirects more than {MAX_HOPS} times")

    @property
    def _first_byte_s(self) -> float:
        return min(FIRST_BYTE_S, self._limits.timeout_s)

    def _headers(self, url: str, validators: Validators | None) -> list[tuple[bytes, bytes]]:
        headers = [
            (b"User-Agent", self._agent.encode("ascii", "ignore")),
            (b"Accept", ACCEPT.encode()),
            (b"Accept-Encoding", b"gzip"),
        ]
        if validators and resolve("", validators.url) == url:
            if validators.etag:
                headers.append((b"If-None-Match", validators.etag.encode("latin-1")))
            if validators.last_modified:
                headers.append((b"If-Modified-Since", validators.last_modified.encode("latin-1")))
        return headers

    async def _outcome(self, now: datetime, arrived: _Arrived) -> Outcome:
        response, at, permanent_url = arrived.response, arrived.at, arrived.permanent_url
        status, headers, shown = response.status_code, response.headers, without_secrets(at)
        if status == HTTPStatus.NOT_MODIFIED and not arrived.conditional:
            # Of a source that was never read it would be believed for ever.
            return Failed(f"{shown} answered 304 Not Modified, which was not asked", status=304)
        if status == HTTPStatus.NOT_MODIFIED:
            return Unchanged(fresh_s(headers, now), permanent_url)
        if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
            later = retry_at(headers.get("retry-after", ""), now)
            until = f"to be left alone until {later:%Y-%m-%d %H:%M} UTC" if later else "to be asked later"
            busy = status == HTTPStatus.TOO_MANY_REQUESTS
            return Later(f"{shown} answered {_named(status)} and asks {until}", later, busy)
        if status != HTTPStatus.OK:
            return Failed(f"{shown} answered {_named(status)}", permanent=status == HTTPStatus.GONE, status=status)
        validators = Validators(at, _raw(response, b"etag"), _raw(response, b"last-modified"))
        return Fetched(
            body=await self._body(response),
            url=at,
            content_type=headers.get("content-type"),
            validators=validators if validators.etag or validators.last_modified else None,
            permanent_url=permanent_url,
            max_age_s=fresh_s(headers, now),
            link=_raw(response, b"link"),
        )

    async def _body(self, response: httpx.Response) -> bytes:
        limit = self._limits.max_bytes
        decoder = Decoder(response.headers.get("content-encoding", ""), limit, int(UNPACKED * limit))
        async for piece in response.aiter_raw():
            decoder.feed(piece)
        return decoder.result()


def fetcher(config: Config, resolver: Resolver = system_resolver) -> Fetcher:
    """A fetcher as the settings ask for."""
    gather = config.gather
    limits = Limits(gather.timeout_s, gather.max_bytes, gather.allow_private_addresses)
    return Fetcher(limits, gather.user_agent or agent(config.site.url), resolver)


def agent(site_url: str) -> str:
    """Who we say we are: product, version, and where to complain (E-08)."""
    return f"Digest/{__version__}" + (f" (+{site_url})" if site_url else "")


async def _status(arrived: _Arrived) -> int:
    return arrived.response.status_code


def _checked(url: str) -> str:
    """`url` if it may be asked at all, without its fragment."""
    if not url.startswith(("http://", "https://")) or not host(url):
        raise _Refused("only http and https addresses are asked")
    return url.partition("#")[0]


def _target(response: httpx.Response, at: str) -> str | None:
    """Where a redirect leads, checked; None for any other answer."""
    if response.status_code not in (301, 302, 303, 307, 308):
        return None
    location = _raw(response, b"location")
    if not location:
        raise _Refused("it redirects without saying where to")
    target = _checked(resolve(at, location.encode("latin-1").decode("utf-8", "replace")))
    if httpx.URL(target).userinfo and _origin(target) != _origin(at):
        raise _Refused("it redirects to an address with a password in it")
    return target


def _is_lost(error: BaseException | None) -> bool:
    """Whether nobody listens there, or with a certificate that is not theirs; our own network's faults say nothing."""
    while error is not None:
        if isinstance(error, ConnectionRefusedError | ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _conditions(headers: list[tuple[bytes, bytes]]) -> bool:
    return any(name.startswith(b"If-") for name, _ in headers)


def _origin(url: str) -> tuple[str, str, int | None]:
    parsed = httpx.URL(url)
    return parsed.scheme, parsed.host, parsed.port


def _raw(response: httpx.Response, name: bytes) -> str | None:
    """A header exactly as received, bytes as latin-1."""
    for key, value in response.headers.raw:
        if key.lower() == name:
            return value.decode("latin-1")
    return None


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _told(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:200] or type(error).__name__
