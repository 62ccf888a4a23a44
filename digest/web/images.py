"""Pictures of mails that we serve ourselves: each under the hash of its bytes, so that it never changes."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from digest import db
from digest.pictures import storing
from digest.web.pages import Site, site

router = APIRouter()

_KINDS = {"jpg": "image/jpeg", "png": "image/png"}
# Web mail shows them on pages of other sites.
_HEADERS = {"cache-control": "public, max-age=31536000, immutable", "cross-origin-resource-policy": "cross-origin"}


@router.api_route("/images/{name}", methods=["GET", "HEAD"])
def image(name: str, request: Request, site: Annotated[Site, Depends(site)]) -> Response:
    """One picture."""
    found = re.fullmatch(r"([0-9a-f]{64})\.(jpg|png)", name)
    if found is None:
        raise HTTPException(404)
    with db.reading(site.engine) as session:
        picture = storing.picture(session, found[1])
    if picture is None or picture.kind != found[2]:
        raise HTTPException(404)
    headers = {**_HEADERS, "etag": f'"{picture.sha256[:32]}"'}
    if headers["etag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(picture.content, media_type=_KINDS[picture.kind], headers=headers)
