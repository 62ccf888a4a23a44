"""Signing up: the form, on our page and on others', and what it sends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Protocol

from fastapi import APIRouter, Depends
from sqlmodel import Session
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from digest import db
from digest.compose.offers import Listed, listed
from digest.config import Config
from digest.deliver.letters import enqueue_confirm, enqueue_notice
from digest.links import Links
from digest.templating import Templates
from digest.templating.wording import Wording, filled
from digest.web import failures
from digest.web.forms import Form, read_form
from digest.web.pages import PRIVATE, Site, client, site
from digest.web.stamp import QUICKEST, Age, age, stamp
from digest.web.work import BITS, proven
from subscribers import choices, crowding
from subscribers.addresses import normalise
from subscribers.errors import BadAddress
from subscribers.joining import SignUp, join
from subscribers.models import MailingList

router = APIRouter()

ANSWER_AFTER_S = 0.15  # a sign-up is answered no sooner, whatever there was to do for it (S-B5)
WITHOUT_WORK = timedelta(minutes=1)  # from showing the form to pressing, where a browser does no work that is asked for

_LONGEST = 320  # characters of what was typed that are shown again
_ANYBODY = {"access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin"}  # nothing in it is ours


class Wired(Protocol):
    """What a form for another page needs of `wiring.App`."""

    @property
    def config(self) -> Config: ...
    @property
    def links(self) -> Links: ...
    @property
    def templates(self) -> Templates: ...


SiteHere = Annotated[Site, Depends(site)]
Posted = Annotated[Form, Depends(read_form)]


def consent_text(site_name: str, wording: Wording) -> str:
    """The sentence that stands over the button and is stored with who pressed it (L-04)."""
    said = wording.said(
        "I would like {site} to send me by email what I have chosen here. I can leave at any time, "
        "with one press, by the link in every issue."
    )
    return filled(said, {"site": site_name})


@router.api_route("/", methods=["GET", "HEAD"])
@router.api_route("/subscribe", methods=["GET", "HEAD"])
def sign_up_page(site: SiteHere) -> Response:
    """The form, with the public lists."""
    return _form_page(site, Form())


@router.api_route("/form.js", methods=["GET", "HEAD"])
def script(site: SiteHere) -> Response:
    """The script that improves forms on other pages, and does the work that `proof_of_work` asks for."""
    headers = {"cache-control": "public, max-age=3600", **_ANYBODY}
    return Response(site.templates.script("form"), media_type="text/javascript", headers=headers)


@router.api_route("/subscribe/stamp", methods=["GET", "HEAD"])
def form_stamp(site: SiteHere) -> Response:
    """What a form on another page needs to be taken at once: when it was shown, and how much work it asks for."""
    bits = BITS if site.config.web.proof_of_work else 0
    headers = {"cache-control": "no-store", **_ANYBODY}
    return JSONResponse({"shown": stamp(site.links.keys, site.clock()), "bits": bits}, headers=headers)


@router.post("/")
@router.post("/subscribe")
async def sign_up(request: Request, site: SiteHere, form: Posted) -> Response:
    """Ask the address for its consent by mail; the answer is the same whoever it is.

    The work is done in a thread and answered after a fixed time: no clock tells a known address from a new one.
    """
    began = time.monotonic()
    answer = await run_in_threadpool(_sign_up, site, form, client(request))
    if answer.status_code == 200:  # the others depend on what was typed, and from where, alone
        await asyncio.sleep(max(0.0, ANSWER_AFTER_S - (time.monotonic() - began)))
    return answer


def embedded(app: Wired, lists: Sequence[MailingList], language: str) -> str:
    """The HTML of a form for a newsroom's own page: it works cross-site and without a script."""
    wording = app.templates.wording(language)
    context = {
        "lists": lists,
        "language": wording.language,
        "consent": consent_text(app.config.site.name, wording),
        "subscribe": f"{app.links.base}/subscribe?lang={wording.language}",
        "script": f"{app.links.base}/form.js",
    }
    return app.templates.page("embed", context)


def _sign_up(site: Site, form: Form, ip: str) -> Response:
    if refusal := _refused(site, form, ip):
        return refusal
    try:
        with db.writing(site.engine) as session:
            wanted = _wanted(site, listed(session), form, ip)
            if not wanted.list_ids:
                return _form_page(site, form, "lists")
            if not _join(site, session, wanted):
                return _later(site)
    except BadAddress:
        return _form_page(site, form, "email")
    return site.page("asked")


def _refused(site: Site, form: Form, ip: str) -> Response | None:
    """The answer to a post that asks for nothing to be written."""
    if form.one("website"):  # a field that people don't see
        return site.page("asked")
    if problem := _too_soon(site, form):
        return _form_page(site, form, problem)
    with db.reading(site.engine) as session:
        return _later(site) if crowding.has_asked_enough(session, ip, site.clock()) else None


def _later(site: Site) -> Response:
    answer = failures.page(site, 429)
    answer.headers["retry-after"] = "3600"
    return answer


def _too_soon(site: Site, form: Form) -> str:
    """Why the form is shown once more, "" when it was shown long enough ago, and not too long."""
    shown, working = form.one("shown"), site.config.web.proof_of_work
    waits = working and not proven(shown, form.one("email"), form.one("work"))
    found = age(site.links.keys, shown, site.clock(), WITHOUT_WORK if waits else QUICKEST)
    if found is Age.STALE:  # open since yesterday, or a newsroom's own form: nobody is sent away for that
        return "stale"
    if found is Age.TOO_QUICK:
        return "wait" if waits else "quick"
    return ""


def _form_page(site: Site, form: Form, problem: str = "") -> Response:
    with db.reading(site.engine) as session:
        lists = listed(session)
    return site.page(
        "signup",
        status=422 if problem else 200,
        headers=PRIVATE if problem else {"cache-control": "no-store"},
        lists=lists,
        chosen=form.every("list"),
        ticked={offer.id: form.every(f"sections-{offer.id}") for offer in lists},
        email=form.one("email")[:_LONGEST],
        name=form.one("name")[:_LONGEST],
        spoken=form.one("language") or site.language,
        shown=form.one("shown") if problem not in ("", "stale") else stamp(site.links.keys, site.clock()),
        subscribe=site.at("/subscribe"),
        script=f"{site.prefix}/form.js" if site.config.web.proof_of_work else "",
        bits=BITS,
        consent=consent_text(site.config.site.name, site.wording),
        problem=problem,
    )


def _wanted(site: Site, lists: list[Listed], form: Form, ip: str) -> SignUp:
    sections = _sections(lists, form)
    spoken = form.one("language")
    return SignUp(
        email=form.one("email"),
        # Who ticked a section of a list wants the list.
        list_ids=(*form.every("list"), *(list_id for list_id, chosen in sections.items() if chosen.sections)),
        name=form.one("name"),
        language=spoken if spoken in site.config.site.languages else site.config.site.language,
        ip=ip,
        form_url=site.links.subscribe(),
        text=consent_text(site.config.site.name, site.wording),
        locale=site.wording.language,
        choices=sections,
    )


def _sections(lists: list[Listed], form: Form) -> Mapping[str, choices.Choices]:
    offered = {offer.id: {section for section, _ in offer.sections} for offer in lists if offer.sections}
    return {
        list_id: choices.chosen(sections=known.intersection(form.every(f"sections-{list_id}")))
        for list_id, known in offered.items()
    }


def _join(site: Site, session: Session, wanted: SignUp) -> bool:
    """Do what a sign-up asks for; False when its network asks too often."""
    now = site.clock()
    normalise(wanted.email)  # what is no address does not count as asking
    if not crowding.may_ask(session, wanted.ip, now):
        return False
    joined = join(session, wanted, key=site.suppression_key, now=now, random_bytes=site.random_bytes)
    for send in joined.sends:
        enqueue_confirm(session, site.office, send, now)
    if joined.crowded:
        enqueue_notice(session, site.office, _CROWDED, _WAITING, now)
    return True


_CROWDED = "Many sign-ups at once: confirm mails wait"
_WAITING = (
    f"More than {crowding.PER_DOMAIN} confirm mails an hour to one domain, or {crowding.IN_ALL} in all, were asked for "
    "by the sign-up form. Those beyond wait their turn, up to a day. If you have not just told many people of your "
    "newsletter, somebody may be using the form to annoy others: `[web] proof_of_work = true` makes that slow."
)
