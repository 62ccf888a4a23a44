"""Our pages: templates with what every page needs, and the headers that keep them harmless."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Engine
from starlette.requests import Request
from starlette.responses import HTMLResponse

from digest.compose.building import direction
from digest.config import Config
from digest.deliver.letters import Office
from digest.links import Links
from digest.templating import Templates
from digest.templating.wording import ENGLISH, Wording
from digest.web.opened import Opened
from digest.web.speaking import chosen, own_name, serving
from digest.web.together import Together

LANGUAGE = "en"  # of pages whose words are not translated

PRIVATE = {"cache-control": "no-store", "x-robots-tag": "noindex"}


@dataclass(frozen=True)
class Site:
    """What every handler works with; `clock` gives an aware now, `random_bytes` unguessable bytes."""

    config: Config
    engine: Engine
    together: Together
    links: Links
    templates: Templates
    instance: str  # the database's random name: what names in feeds are made of
    message_key: bytes
    suppression_key: bytes
    clock: Callable[[], datetime]
    random_bytes: Callable[[int], bytes]
    opened: Opened = field(default_factory=Opened)
    language: str = ENGLISH  # that this request is answered in
    asked: bool = False  # whether the address itself asks for that language

    @property
    def office(self) -> Office:
        """What letters are written with."""
        return Office(self.config, self.templates, self.message_key)

    @property
    def prefix(self) -> str:
        """The path that our addresses begin with on the public host, "" or "/news"."""
        return urlsplit(self.links.base).path.rstrip("/")

    @property
    def wording(self) -> Wording:
        """The fixed words of the request's language."""
        return self.templates.wording(self.language)

    def at(self, path: str) -> str:
        """The address of one of our pages, in the language that was asked for."""
        return f"{self.prefix}{path}?lang={self.language}" if self.asked else self.prefix + path

    def speaking(self, request: Request) -> Site:
        """The same for one request: in the language of `?lang=`, else of the browser, else of the site."""
        asked = serving(request.query_params.get("lang", ""), self._languages)
        usual = serving(self.config.site.language, self._languages) or ENGLISH
        accepted = chosen(request.headers.get("accept-language", ""), self._languages, usual)
        return replace(self, language=asked or accepted, asked=bool(asked))

    def for_reader(self, language: str | None) -> Site:
        """The same in a known reader's own language, unless the address asks for another."""
        own = "" if self.asked else serving(language or "", self._languages)
        return replace(self, language=own) if own else self

    @property
    def _languages(self) -> Sequence[str]:
        return self.config.site.languages or self.templates.languages()

    def page(
        self, name: str, /, *, status: int = 200, headers: Mapping[str, str] = PRIVATE, **context: object
    ) -> HTMLResponse:
        """The page of templates/pages/`name`.html.j2; not cached and not indexed unless `headers` say otherwise."""
        html = self.templates.page(name, self._everywhere() | {"status": status} | context)
        spoken = {"content-language": self.language, "vary": "Accept-Language"}
        return HTMLResponse(html, status, {"content-security-policy": policy(html), **spoken, **headers})

    def _everywhere(self) -> dict[str, Any]:
        return {
            "site": self.config.site,
            "lang": self.language,
            "language": self.language,
            "direction": direction(self.language),
            "languages": [(tag, own_name(tag)) for tag in self.config.site.languages],
            "home": self.at("/"),
            "archive": self.prefix + "/archive",
            "link": self.at("/link"),
        }


async def site(request: Request) -> Site:
    """The site that `request` came to, in the language it is answered in (a dependency of handlers)."""
    found: Site = request.app.state.site
    return found.speaking(request)


def client(request: Request) -> str:
    """The reader's IP address as the guard found it, "" when unknown."""
    return request.client.host if request.client else ""


def policy(html: str) -> str:
    """The Content-Security-Policy of one of our pages: no style but its own, no script but form.js where it asks."""
    styles = " ".join(_hash(style) for style in re.findall(r"<style>(.*?)</style>", html, re.DOTALL)) or "'none'"
    script = "script-src 'self'; " if "<script" in html else ""
    return (
        f"default-src 'none'; {script}style-src {styles}; img-src https: data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


@lru_cache(maxsize=16)
def _hash(style: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'"
