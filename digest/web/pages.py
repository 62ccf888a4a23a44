"""Our pages: templates with what every page needs, and the headers that keep them harmless."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Engine
from starlette.requests import Request
from starlette.responses import HTMLResponse

from digest.config import Config
from digest.links import Links
from digest.templating import Templates

# The pages speak English, whatever the language of the newsletter: `lang` says what is on the page.
LANGUAGE = "en"

PRIVATE = {"cache-control": "no-store", "x-robots-tag": "noindex"}


@dataclass(frozen=True)
class Site:
    """What every handler works with; `clock` gives an aware now, `random_bytes` unguessable bytes."""

    config: Config
    engine: Engine
    links: Links
    templates: Templates
    instance: str  # the database's random name: what names in feeds are made of
    message_key: bytes
    suppression_key: bytes
    clock: Callable[[], datetime]
    random_bytes: Callable[[int], bytes]
    language: str = LANGUAGE  # that this request is answered in

    @property
    def prefix(self) -> str:
        """The path that our addresses begin with on the public host, "" or "/news"."""
        return urlsplit(self.links.base).path.rstrip("/")

    def page(
        self, name: str, /, *, status: int = 200, headers: Mapping[str, str] = PRIVATE, **context: object
    ) -> HTMLResponse:
        """The page of templates/pages/`name`.html.j2; not cached and not indexed unless `headers` say otherwise."""
        html = self.templates.page(name, self._everywhere() | {"status": status} | context)
        return HTMLResponse(html, status, {"content-security-policy": policy(html), **headers})

    def _everywhere(self) -> dict[str, Any]:
        return {
            "site": self.config.site,
            "lang": self.language,
            "language": self.language,
            "home": self.prefix + "/",
            "archive": self.prefix + "/archive",
        }


async def site(request: Request) -> Site:
    """The site that `request` came to (a dependency of handlers)."""
    found: Site = request.app.state.site
    return found


def client(request: Request) -> str:
    """The reader's IP address as the guard found it, "" when unknown."""
    return request.client.host if request.client else ""


def policy(html: str) -> str:
    """The Content-Security-Policy of one of our pages: no script, and no style but its own."""
    styles = " ".join(_hash(style) for style in re.findall(r"<style>(.*?)</style>", html, re.DOTALL)) or "'none'"
    return (
        f"default-src 'none'; style-src {styles}; img-src https: data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


@lru_cache(maxsize=16)
def _hash(style: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'"
