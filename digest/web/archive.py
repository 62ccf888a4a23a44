"""Issues on the web: what was sent to everybody, with nothing in it that belongs to one reader."""

from __future__ import annotations

import re
import zlib
from datetime import date, datetime
from html import escape
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from babel.dates import format_date
from fastapi import APIRouter, Depends
from sqlalchemy import Row, Select, select
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from digest import db
from digest.blanks import URLS, Blank, fill
from digest.models import Edition, Issue, IssueState, Variant, people, table
from digest.web.pages import LANGUAGE, Site, site

router = APIRouter()

_FEW = 12  # issues of an edition on the page of all editions
_CACHE = {"cache-control": "public, max-age=60"}


@router.api_route("/archive", methods=["GET", "HEAD"])
def editions(site: Annotated[Site, Depends(site)]) -> HTMLResponse:
    """Every public edition with its newest issues."""
    with db.reading(site.engine) as session:
        names = session.execute(_editions()).all()
        shelves = [
            {
                "id": row.id,
                "title": row.title,
                "issues": _lines(site, session.execute(_sent(row.id).limit(_FEW + 1)).all()),
            }
            for row in names
        ]
    shelves = [shelf for shelf in shelves if shelf["issues"]]
    return site.page("archive", headers=_CACHE, shelves=shelves, few=_FEW)


@router.api_route("/archive/{edition}", methods=["GET", "HEAD"])
def edition(edition: str, site: Annotated[Site, Depends(site)]) -> HTMLResponse:
    """Every issue of one edition, newest first; 404 when there is none to show."""
    _speakable(edition)
    with db.reading(site.engine) as session:
        rows = session.execute(_sent(edition)).all()
    if not rows:
        raise HTTPException(404)
    return site.page("edition", headers=_CACHE, title=rows[0].title, issues=_lines(site, rows))


@router.api_route("/archive/{edition}/{number}", methods=["GET", "HEAD"])
def issue(edition: str, number: str, request: Request, site: Annotated[Site, Depends(site)]) -> Response:
    """The frozen HTML of an issue that is being or was sent to a public list; anything else is 404 alike."""
    _speakable(edition)
    if not re.fullmatch("[1-9][0-9]{0,8}", number):
        raise HTTPException(404)
    with db.reading(site.engine) as session:
        row = session.execute(_frozen(edition, int(number))).one_or_none()
    if row is None:
        raise HTTPException(404)
    headers = {"etag": f'"{row.sha256}"', "cache-control": "public, max-age=300"}
    if _known(request, headers["etag"]):
        return Response(status_code=304, headers=headers)
    return HTMLResponse(_for_nobody(site, row), headers=headers | {"content-security-policy": _policy(site)})


def _visible(*columns: Any) -> Select[Any]:
    issues, edition, lists = table(Issue).c, table(Edition).c, table(people.MailingList).c
    return (
        select(*columns)
        .join(table(Edition), edition.id == issues.edition_id)
        .join(table(people.MailingList), lists.id == edition.list_id)
        .join(table(Variant), table(Variant).c.issue_id == issues.id)
        .where(
            lists.public,
            issues.state.in_([IssueState.SENDING, IssueState.SENT]),
            table(Variant).c.key == "",
        )
    )


def _editions() -> Select[Any]:
    edition, lists = table(Edition).c, table(people.MailingList).c
    return (
        select(edition.id, edition.title)
        .join(table(people.MailingList), lists.id == edition.list_id)
        .where(lists.public)
        .order_by(edition.title)
    )


def _sent(edition_id: str) -> Select[Any]:
    issues, variant = table(Issue).c, table(Variant).c
    columns = (
        table(Edition).c.title,
        issues.edition_id,
        issues.number,
        issues.frozen_at,
        variant.subject,
        variant.blank_word,
    )
    return _visible(*columns).where(issues.edition_id == edition_id).order_by(issues.number.desc())


def _frozen(edition_id: str, number: int) -> Select[Any]:
    variant = table(Variant).c
    chosen = _visible(variant.html, variant.sha256, variant.blank_word)
    return chosen.where(table(Issue).c.edition_id == edition_id, table(Issue).c.number == number)


def _lines(site: Site, rows: Any) -> list[dict[str, Any]]:
    return [
        {
            "href": f"{site.prefix}/archive/{row.edition_id}/{row.number}",
            "number": row.number,
            "subject": fill(row.subject, row.blank_word, _nobody(site)),
            "day": format_date(_local(site, row.frozen_at), "long", locale=LANGUAGE),
            "date": _local(site, row.frozen_at).isoformat(),
        }
        for row in rows
    ]


def _local(site: Site, at: datetime) -> date:
    return at.astimezone(ZoneInfo(site.config.site.timezone)).date()


def _for_nobody(site: Site, row: Row[Any]) -> str:
    html = zlib.decompress(row.html).decode()
    html = html.replace(' role="article"', ' role="main"', 1)  # in a mail program it is a part of a page, here the page
    return fill(html, row.blank_word, {name: escape(value) for name, value in _nobody(site).items()})


def _nobody(site: Site) -> dict[Blank, str]:
    # Where a mail has a reader's own links, the page on the web leads to the sign-up page.
    home = site.links.subscribe()
    return {**dict.fromkeys(URLS, home), Blank.NAME: ""}


def _policy(site: Site) -> str:
    # A mail's styles stand in its elements. Pictures of a newsroom tried out on loopback come over http.
    images = "https: data:" if site.links.base.startswith("https:") else "https: http: data:"
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src {images}; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    )


def _known(request: Request, etag: str) -> bool:
    # If-None-Match compares weakly (RFC 9110 section 13.1.2).
    given = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    return etag in given or "*" in given


def _speakable(edition_id: str) -> None:
    if not edition_id.isprintable() or len(edition_id) > 64:
        raise HTTPException(404)
