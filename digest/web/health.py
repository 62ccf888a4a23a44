"""Is it alive: for a load balancer or a person with curl."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy import text
from starlette.responses import JSONResponse

from digest import db
from digest.errors import DatabaseUnavailable
from digest.web.pages import Site, site

router = APIRouter()

_FRESH = {"cache-control": "no-store"}


@router.api_route("/healthz", methods=["GET", "HEAD"])
def health(site: Annotated[Site, Depends(site)]) -> JSONResponse:
    """200 when the database answers, 503 when it does not."""
    try:
        with db.reading(site.engine) as session:
            session.execute(text("SELECT 1 FROM instance"))
    except DatabaseUnavailable:
        return JSONResponse({"status": "unavailable", "database": "out of reach"}, 503, _FRESH)
    return JSONResponse({"status": "ok", "database": "ok"}, 200, _FRESH)
