"""What a reader sees when a page can't be shown: one table from what went wrong to a kind sentence."""

from __future__ import annotations

from fastapi import FastAPI
from sqlalchemy.exc import TimeoutError as NoConnection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse

from digest.errors import DatabaseUnavailable
from digest.web.pages import Site

_PAGES = {
    404: ("There is no such page", "The address may have been cut off on its way here, or the page has gone."),
    405: ("That does not work here", "This page can be looked at, but it takes nothing in."),
    408: ("That took too long", "The form did not arrive in time. Please go back and press the button again."),
    413: ("That is too much", "The form holds more than we take. Please go back and shorten it."),
    500: ("Something went wrong here", "It is our mistake, not yours. Please try again in a little while."),
    503: (
        "Just a moment, please",
        "We are very busy and could not do this now. Nothing has changed: please go back and try again in a minute.",
    ),
}


def page(site: Site, status: int) -> HTMLResponse:
    """The page for an HTTP status; 500's words for one that has none."""
    heading, sentence = _PAGES.get(status, _PAGES[500])
    return site.page("error", status=status, heading=heading, sentence=sentence)


def install(web: FastAPI, site: Site) -> None:
    """Answer everything foreseen that handlers raise; what nobody foresaw is the guard's."""

    async def http(request: Request, error: Exception) -> HTMLResponse:
        assert isinstance(error, HTTPException)
        answer = page(site, error.status_code)
        answer.headers.update(error.headers or {})
        return answer

    async def busy(request: Request, error: Exception) -> HTMLResponse:
        answer = page(site, 503)
        answer.headers["retry-after"] = "30"
        return answer

    web.add_exception_handler(HTTPException, http)
    web.add_exception_handler(DatabaseUnavailable, busy)
    web.add_exception_handler(NoConnection, busy)
