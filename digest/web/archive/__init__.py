"""Issues on the web: what was sent to everybody, with nothing in it that belongs to one reader.

reading   which issues may be seen       showing   an issue as a page, an edition as a feed
feeds     RSS and JSON Feed              asking    304 for who has it already
export    the same as a folder of files
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from digest import db
from digest.web.archive import feeds, reading, showing
from digest.web.archive.asking import conditional
from digest.web.archive.showing import Neighbourhood, Places
from digest.web.pages import Site, site

router = APIRouter()

FEW = 12  # issues of an edition on the page of all editions
IN_A_FEED = 20
_FEEDS = {"feed.xml": (feeds.as_rss, feeds.RSS_TYPE), "feed.json": (feeds.as_json, feeds.JSON_TYPE)}
_NOINDEX = {"x-robots-tag": "noindex"}
_GET = ["GET", "HEAD"]


@router.api_route("/archive", methods=_GET)
def editions(request: Request, site: Annotated[Site, Depends(site)]) -> Response:
    """Every public edition with its newest issues."""
    with db.reading(site.engine) as session:
        found = [(one, reading.lines(session, one.id, FEW + 1)) for one in reading.shelves(session)]
    found = [(one, lines) for one, lines in found if lines]
    page = all_page(site, found, places(site), headers_of(site, None, 60))
    newest = max((lines[0].at for _, lines in found), default=None)
    return conditional(request, page, newest) if newest else page


@router.api_route("/archive/{edition}", methods=_GET)
def edition(edition: str, request: Request, site: Annotated[Site, Depends(site)]) -> Response:
    """Every issue of one edition, newest first; 404 when there is none to show."""
    _speakable(edition)
    with db.reading(site.engine) as session:
        shelf, lines = reading.shelf(session, edition), reading.lines(session, edition)
    if shelf is None or not lines:
        raise HTTPException(404)
    page = edition_page(site, shelf, lines, places(site), headers_of(site, shelf.list_id, 60))
    return conditional(request, page, lines[0].at)


@router.api_route("/archive/{edition}/feed.xml", methods=_GET)
@router.api_route("/archive/{edition}/feed.json", methods=_GET)
def feed(edition: str, request: Request, site: Annotated[Site, Depends(site)]) -> Response:
    """The edition's newest issues for feed readers; 404 when there is none to show."""
    _speakable(edition)
    with db.reading(site.engine) as session:
        shelf, told = reading.shelf(session, edition), reading.told(session, edition, IN_A_FEED)
    if shelf is None or not told:
        raise HTTPException(404)
    write, kind = _FEEDS[request.scope["path"].rpartition("/")[2]]
    body = write(feed_of(site, shelf, told, places(site)))
    headers = {"content-type": kind, **headers_of(site, shelf.list_id, 300)}
    return conditional(request, Response(body, headers=headers), told[0].line.at)


@router.api_route("/archive/{edition}/{number}", methods=_GET)
def issue(edition: str, number: str, request: Request, site: Annotated[Site, Depends(site)]) -> Response:
    """An issue that is being or was sent to a public list; anything else is 404 alike."""
    _speakable(edition)
    if not re.fullmatch("[1-9][0-9]{0,8}", number):
        raise HTTPException(404)
    with db.reading(site.engine) as session:
        shelf, frozen = reading.shelf(session, edition), reading.frozen(session, edition, int(number))
        before, after = reading.neighbours(session, edition, int(number))
    if shelf is None or frozen is None:
        raise HTTPException(404)
    around = Neighbourhood(shelf, before, after, site.config.noindex(shelf.list_id))
    html = showing.page(frozen, around, places(site), site.templates)
    headers = {"content-security-policy": policy(site), **headers_of(site, shelf.list_id, 300)}
    return conditional(request, HTMLResponse(html, headers=headers), after.at if after else frozen.line.at)


def all_page(
    site: Site, found: list[tuple[reading.Shelf, list[reading.Line]]], places: Places, headers: dict[str, str]
) -> HTMLResponse:
    """The page of all editions: of each its newest issues, and whether it has more."""
    shown: list[dict[str, Any]] = [
        {
            "title": shelf.title,
            "href": places.edition(shelf.id),
            "issues": _listed(site, lines[:FEW], places),
            "more": len(lines) > FEW,
            "feeds": _links(shelf, places),
        }
        for shelf, lines in found
    ]
    robots = "x-robots-tag" in headers
    return site.page("archive", headers=headers, **{"shelves": shown, "noindex": robots, **places.said})


def edition_page(
    site: Site, shelf: reading.Shelf, lines: list[reading.Line], places: Places, headers: dict[str, str]
) -> HTMLResponse:
    """The page of one edition."""
    about: dict[str, Any] = {
        "title": shelf.title,
        "issues": _listed(site, lines, places),
        "feeds": _links(shelf, places),
        "noindex": "x-robots-tag" in headers,
    }
    return site.page("edition", headers=headers, **{**about, **places.said})


def feed_of(site: Site, shelf: reading.Shelf, told: list[reading.Told], places: Places) -> feeds.Feed:
    """The edition's feed, with addresses as `places` has them."""
    said = [(reading.identity(site.instance, one.line), one) for one in told]
    about = site.config.site
    return showing.feed(shelf, said, places, (about.name, about.url, about.language))


def places(site: Site) -> Places:
    """Where the pages are on the public host."""
    archive = site.prefix + "/archive"
    return Places(
        home=site.links.subscribe(),
        edition=lambda edition: f"{archive}/{edition}",
        issue=lambda edition, number: f"{archive}/{edition}/{number}",
        absolute=lambda path: f"{site.links.archive()}/{path}",
        feeds=lambda edition, file: f"{archive}/{edition}/{file}",
    )


def _listed(site: Site, lines: list[reading.Line], places: Places) -> list[dict[str, object]]:
    return [showing.listed(line, places, site.config.site.timezone, site.language) for line in lines]


def _links(shelf: reading.Shelf, places: Places) -> dict[str, str]:
    return {"rss": places.feeds(shelf.id, "feed.xml"), "json": places.feeds(shelf.id, "feed.json")}


def headers_of(site: Site, list_id: str | None, max_age_s: int) -> dict[str, str]:
    """How long a page of the list may be kept, and whether search engines may keep it at all."""
    hidden = site.config.noindex(list_id)
    return {"cache-control": f"public, max-age={max_age_s}", **(_NOINDEX if hidden else {})}


def policy(site: Site) -> str:
    """The Content-Security-Policy of an issue's page."""
    # A mail's styles stand in its elements. Pictures of a newsroom tried out on loopback come over http.
    images = "https: data:" if site.links.base.startswith("https:") else "https: http: data:"
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src {images}; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    )


def _speakable(edition_id: str) -> None:
    if not edition_id.isprintable() or len(edition_id) > 64:
        raise HTTPException(404)
