"""Whoever has a page already is not sent it again: ETag, Last-Modified and 304 (RFC 9110 section 13; E-17)."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from starlette.requests import Request
from starlette.responses import Response

_OF_A_BODY = ("content-length", "content-type")


def conditional(request: Request, response: Response, changed: datetime) -> Response:
    """`response` with its validators, or 304 when `request` names one; `changed` is when its content last did."""
    response.headers["etag"] = f'"{hashlib.sha256(bytes(response.body)).hexdigest()[:32]}"'
    response.headers["last-modified"] = format_datetime(changed.astimezone(UTC), usegmt=True)
    if not _known(request, response.headers["etag"], changed):
        return response
    kept = {name: value for name, value in response.headers.items() if name not in _OF_A_BODY}
    return Response(status_code=304, headers=kept)


def _known(request: Request, etag: str, changed: datetime) -> bool:
    wanted = request.headers.get("if-none-match")
    if wanted is not None:  # compares weakly, and If-Modified-Since counts only without it
        tags = [tag.strip().removeprefix("W/") for tag in wanted.split(",")]
        return etag in tags or "*" in tags
    try:
        since = parsedate_to_datetime(request.headers.get("if-modified-since", ""))
    except ValueError:
        return False
    return since.tzinfo is not None and changed.replace(microsecond=0) <= since
