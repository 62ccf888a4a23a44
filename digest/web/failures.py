"""What a reader sees when a page can't be shown: a kind sentence for each status, in pages/error.html.j2."""

from __future__ import annotations

from fastapi import FastAPI
from sqlalchemy.exc import TimeoutError as NoConnection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse

from digest.errors import DatabaseUnavailable
from digest.web.pages import Site


def page(site: Site, status: int) -> HTMLResponse:
    """The page for an HTTP status; it says that the mistake is ours for one that it has no words for."""
    return site.page("error", status=status)


def install(web: FastAPI, site: Site) -> None:
    """Answer everything foreseen that handlers raise; what nobody foresaw is the guard's."""

    async def http(request: Request, error: Exception) -> HTMLResponse:
        assert isinstance(error, HTTPException)
        answer = page(site.speaking(request), error.status_code)
        answer.headers.update(error.headers or {})
        return answer

    async def busy(request: Request, error: Exception) -> HTMLResponse:
        answer = page(site.speaking(request), 503)
        answer.headers["retry-after"] = "30"
        return answer

    web.add_exception_handler(HTTPException, http)
    web.add_exception_handler(DatabaseUnavailable, busy)
    web.add_exception_handler(NoConnection, busy)
