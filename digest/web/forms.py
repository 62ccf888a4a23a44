"""What a browser or a mailbox provider posts to us: small, capped, and never more than text by name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

MAX_BODY = 64 * 1024
MAX_FIELDS = 50
MOST_FIELDS = 2000  # of a page that has a line for each section and author of each list
_PATIENCE_S = 30.0


@dataclass(frozen=True)
class Form:
    """The fields of a posted form as text; files and nested things are not in it."""

    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def one(self, name: str) -> str:
        """The first value of `name` without white space around it; "" when it was not sent."""
        return self.fields.get(name, ("",))[0].strip()

    def every(self, name: str) -> tuple[str, ...]:
        """All values of `name`, in the order sent."""
        return self.fields.get(name, ())


async def read_form(request: Request) -> Form:
    """The form in the request's body: multipart, or whatever else read as urlencoded (RFC 8058 clients differ).

    A body that can't be parsed is an empty form: one-click must work for every client. HTTPException 413 for more
    than 64 KB or 50 fields, 408 when it does not arrive within 30 seconds.
    """
    return await _read(request, MAX_FIELDS)


async def read_long_form(request: Request) -> Form:
    """As `read_form`, with up to 2,000 fields."""
    return await _read(request, MOST_FIELDS)


async def _read(request: Request, most: int) -> Form:
    body = await _body(request)
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        return await _multipart(request, body, most)
    try:
        pairs = parse_qsl(body.decode("latin-1"), keep_blank_values=True, max_num_fields=most)
    except ValueError as error:
        raise HTTPException(413) from error
    return _form(pairs)


async def _body(request: Request) -> bytes:
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or int(length) > MAX_BODY:
        raise HTTPException(413)
    body = bytearray()
    try:
        async with asyncio.timeout(_PATIENCE_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY:
                    raise HTTPException(413)
    except TimeoutError as error:
        raise HTTPException(408) from error
    except ClientDisconnect as error:  # nobody hears it, but it is no failure of ours
        raise HTTPException(400) from error
    return bytes(body)


async def _multipart(request: Request, body: bytes, most: int) -> Form:
    boundary = parse_options_header(request.headers["content-type"])[1].get(b"boundary", b"")
    preamble = max(0, body.find(b"--" + boundary))  # RFC 2046 section 5.1.1 allows one, the parser does not

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body[preamble:]

    if body.lower().count(b"\ncontent-disposition:") > most:
        raise HTTPException(413)
    # UTF-8 whatever the header says: some charsets decode nothing, and one-click must work for every client.
    headers = Headers(raw=[(b"content-type", b'multipart/form-data; boundary="%s"' % boundary)])
    try:
        data = await MultiPartParser(headers, stream(), max_files=0, max_fields=most).parse()
    except MultiPartException:
        return Form()
    return _form([(name, value) for name, value in data.multi_items() if isinstance(value, str)])


def _form(pairs: list[tuple[str, str]]) -> Form:
    fields: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        # PostgreSQL can't store NUL, and nobody types it.
        fields[name] = (*fields.get(name, ()), value.replace("\0", "\ufffd"))
    return Form(fields)
