"""The reader's pages: sign up, confirm, leave. GET shows, POST acts, and no answer tells who is known here."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy import select
from sqlmodel import Session
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from digest import db
from digest.deliver.letters import Office, confirm_mail_id, enqueue_confirm
from digest.models import people, table
from digest.web.forms import Form, read_form
from digest.web.pages import PRIVATE, Site, client, site
from digest.web.stamp import Age, age, stamp
from subscribers.errors import BadAddress
from subscribers.joining import Outcome, SignUp, confirm, decline, join
from subscribers.leaving import unsubscribe
from subscribers.tokens import Claim, Purpose, read

router = APIRouter()

ANSWER_AFTER_S = 0.15  # a sign-up is answered no sooner, whatever there was to do for it (S-B5)
ONE_CLICK = ("List-Unsubscribe", "One-Click")  # RFC 8058 section 3.1

_LONGEST = 320  # characters of what was typed that are shown again

_NO_ADDRESS = "This is not an email address that we can write to. It should look like name@example.org."
_NO_LIST = "Choose at least one newsletter."
_AGAIN = "Almost there: please press the button once more."

SiteHere = Annotated[Site, Depends(site)]
Posted = Annotated[Form, Depends(read_form)]


CONSENT_LOCALE = "en"  # the language that `consent_text` is in, whatever the site's is


def consent_text(site_name: str) -> str:
    """The sentence that stands over the button and is stored with who pressed it (L-04)."""
    return (
        f"I would like {site_name} to send me by email what I have chosen here. I can leave at any time, "
        "with one press, by the link in every issue."
    )


@router.api_route("/", methods=["GET", "HEAD"])
@router.api_route("/subscribe", methods=["GET", "HEAD"])
def sign_up_page(site: SiteHere) -> Response:
    """The form, with the public lists."""
    return _form_page(site, Form())


@router.post("/")
@router.post("/subscribe")
async def sign_up(request: Request, site: SiteHere, form: Posted) -> Response:
    """Ask the address for its consent by mail; the answer is the same whoever it is.

    The work is done in a thread and answered after a fixed time: no clock tells a known address from a new one.
    """
    began = time.monotonic()
    answer = await run_in_threadpool(_sign_up, site, form, client(request))
    if answer.status_code == 200:  # the others depend on what was typed alone
        await asyncio.sleep(max(0.0, ANSWER_AFTER_S - (time.monotonic() - began)))
    return answer


@router.api_route("/confirm/{token}", methods=["GET", "HEAD"])
def confirm_page(token: str, site: SiteHere) -> Response:
    """The question, with a button for yes and one for no; changes nothing (L-06)."""
    claim = read(site.links.keys, Purpose.CONFIRM, token)
    if claim is None:
        return site.page("spent")
    with db.reading(site.engine) as session:
        titles = _asked(site, session, claim)
    return site.page("confirm", titles=titles) if titles else site.page("spent")


@router.post("/confirm/{token}")
def confirm_answer(token: str, request: Request, site: SiteHere, form: Posted) -> Response:
    """What the person pressed: yes, or "I did not ask"."""
    claim = read(site.links.keys, Purpose.CONFIRM, token)
    if claim is None:
        return site.page("spent")
    if form.one("answer") == "decline":
        with db.writing(site.engine) as session:
            decline(session, replace(claim, purpose=Purpose.DECLINE), ip=client(request), now=site.clock())
        return site.page("declined")
    with db.writing(site.engine) as session:
        mail = confirm_mail_id(session, int(claim.subject)) if claim.subject.isdigit() else ""
        answer = confirm(session, claim, ip=client(request), now=site.clock(), message_id=mail)
    return site.page("confirmed" if answer.outcome == Outcome.DONE else "spent")


@router.api_route("/unsubscribe", methods=["GET", "HEAD"])
@router.api_route("/unsubscribe/{token:path}", methods=["GET", "HEAD"])
def unsubscribe_page(site: SiteHere) -> Response:
    """The button. The same page for every token: looking at it asks the database nothing and tells nothing."""
    return site.page("unsubscribe")


@router.post("/unsubscribe")
@router.post("/unsubscribe/{token:path}")
def unsubscribe_answer(request: Request, site: SiteHere, form: Posted, token: str = "") -> Response:
    """Leave, at once: for a mailbox's one-click (RFC 8058) as for a person who pressed the button.

    Unknown, forged and used tokens are answered alike (H-10).
    """
    one_click = form.one(ONE_CLICK[0]).lower() == ONE_CLICK[1].lower()
    _leave(site, token, "one-click" if one_click else "page", client(request))
    return PlainTextResponse("Unsubscribed.\n", headers=PRIVATE) if one_click else site.page("goodbye")


def _leave(site: Site, token: str, method: str, ip: str) -> None:
    keys = site.links.keys
    if claim := read(keys, Purpose.UNSUBSCRIBE, token):
        with db.writing(site.engine) as session:
            unsubscribe(session, claim.handle, claim.subject, method=method, ip=ip, now=site.clock())
    elif claim := read(keys, Purpose.DECLINE, token):
        with db.writing(site.engine) as session:
            decline(session, claim, method=method, ip=ip, now=site.clock())


def _sign_up(site: Site, form: Form, ip: str) -> Response:
    if form.one("website"):  # a field that people don't see
        return site.page("asked")
    shown = age(site.links.keys, form.one("shown"), site.clock())
    if shown is Age.STALE:  # open since yesterday, or a newsroom's own form: nobody is sent away for that
        return _form_page(site, form, _AGAIN, keep=False)
    if shown is Age.TOO_QUICK:
        return _form_page(site, form, _AGAIN)
    if not form.every("list"):
        return _form_page(site, form, _NO_LIST, "choices")
    try:
        with db.writing(site.engine) as session:
            _join(site, session, form, ip)
    except BadAddress:
        return _form_page(site, form, _NO_ADDRESS, "email")
    return site.page("asked")


def _form_page(site: Site, form: Form, problem: str = "", wrong: str = "", keep: bool = True) -> Response:
    with db.reading(site.engine) as session:
        lists = _public_lists(session)
    return site.page(
        "signup",
        status=422 if problem else 200,
        headers=PRIVATE if problem else {"cache-control": "no-store"},
        lists=lists,
        chosen=form.every("list"),
        email=form.one("email")[:_LONGEST],
        name=form.one("name")[:_LONGEST],
        shown=form.one("shown") if problem and keep else stamp(site.links.keys, site.clock()),
        subscribe=site.prefix + "/subscribe",
        consent=consent_text(site.config.site.name),
        problem=problem,
        wrong=wrong,
    )


def _public_lists(session: Session) -> list[dict[str, str]]:
    lists = table(people.MailingList).c
    chosen = select(lists.id, lists.title, lists.description).where(lists.public, lists.active)
    return [
        dict(row)
        for row in session.execute(chosen.order_by(lists.created_at, lists.declared_line, lists.id)).mappings()
    ]


def _asked(site: Site, session: Session, claim: Claim) -> list[str]:
    """The titles of the lists that this confirm mail asks about; none when there is nothing left to answer."""
    mail, person = table(people.Confirmation).c, table(people.Subscriber).c
    lists, group = table(people.MailingList).c, table(people.Confirmation).alias("together").c
    return list(
        session.execute(
            select(lists.title)
            .select_from(table(people.Confirmation))
            .join(table(people.Subscriber), person.id == mail.subscriber_id)
            .join(group.id.table, (group.subscriber_id == mail.subscriber_id) & (group.created_at == mail.created_at))
            .join(table(people.MailingList), lists.id == group.list_id)
            .where(mail.id == int(claim.subject), person.handle == claim.handle)
            .where(mail.expires_at > site.clock(), mail.used_at.is_(None), mail.declined_at.is_(None))
            .order_by(group.id)
        ).scalars()
    )


def _join(site: Site, session: Session, form: Form, ip: str) -> None:
    now = site.clock()
    wanted = SignUp(
        email=form.one("email"),
        list_ids=form.every("list"),
        name=form.one("name"),
        language=site.config.site.language,
        ip=ip,
        form_url=site.links.subscribe(),
        text=consent_text(site.config.site.name),
        locale=CONSENT_LOCALE,
    )
    joined = join(session, wanted, key=site.suppression_key, now=now, random_bytes=site.random_bytes)
    office = Office(site.config, site.templates, site.message_key)
    for send in joined.sends:
        enqueue_confirm(session, office, send, now)
