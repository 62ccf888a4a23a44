"""The web: one file per audience; no rules.

    signup    the form, here and on other pages   archive   issues on the web
    public    confirm, leave                      images    pictures of mails
    guard     stands before all of them           pages     templates and headers
    forms     what may be posted                  speaking  the language of a page
    stamp     when a form was shown               work      what it costs a robot to post one
    opened    who opens many links                together  clicks at once are one commit
    serving   uvicorn with our limits
    preferences  the reader's own page            wishes    that page as a form

Nothing here sets or reads a cookie. No page has a script, but the sign-up form where [web] proof_of_work asks for one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from fastapi import FastAPI
from sqlalchemy import Engine

from digest.config import Config
from digest.links import Links
from digest.models import Instance
from digest.templating import Templates
from digest.web import archive, failures, health, images, preferences, public, signup
from digest.web.guard import Guard
from digest.web.pages import Site
from digest.web.together import Together


class Wired(Protocol):
    """What the pages need of `wiring.App`."""

    @property
    def config(self) -> Config: ...
    @property
    def engine(self) -> Engine: ...
    @property
    def links(self) -> Links: ...
    @property
    def templates(self) -> Templates: ...
    @property
    def instance(self) -> Instance: ...
    @property
    def clock(self) -> Callable[[], datetime]: ...


def create_app(app: Wired, *, random_bytes: Callable[[int], bytes] = os.urandom) -> FastAPI:
    """The ASGI application of the public pages, for uvicorn; `app` stays open as long as it is served."""
    site = site_of(app, random_bytes)
    web = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    web.state.site = site
    for part in (signup, public, preferences, archive, images, health):
        web.include_router(part.router)
    failures.install(web, site)
    web.add_middleware(
        Guard, prefix=site.prefix, trusted=app.config.web.trusted_proxies, failed=lambda: failures.page(site, 500)
    )
    return web


def site_of(app: Wired, random_bytes: Callable[[int], bytes] = os.urandom) -> Site:
    """What the handlers work with; also for pages that are written to a folder."""
    engine = app.engine.execution_options(digest_eager=True)
    return Site(
        config=app.config,
        engine=engine,
        together=Together(engine),
        links=app.links,
        templates=app.templates,
        instance=app.instance.name,
        message_key=app.instance.message_key,
        suppression_key=app.instance.suppression_key,
        clock=app.clock,
        random_bytes=random_bytes,
    )
