"""The links in our mails: confirm, leave. GET shows, POST acts, and no answer tells who is known here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy import Row, select
from sqlmodel import Session
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from digest import db
from digest.deliver.greeting import enqueue_goodbyes, enqueue_welcomes
from digest.deliver.letters import confirm_mail_id
from digest.models import people, table
from digest.web.forms import Form, read_form
from digest.web.pages import PRIVATE, Site, client, site
from subscribers.joining import Outcome, confirm, decline
from subscribers.leaving import unsubscribe, unsubscribe_everywhere
from subscribers.tokens import Claim, Purpose, read

router = APIRouter()

ONE_CLICK = ("List-Unsubscribe", "One-Click")  # RFC 8058 section 3.1

SiteHere = Annotated[Site, Depends(site)]
Posted = Annotated[Form, Depends(read_form)]


@router.api_route("/confirm", methods=["GET", "HEAD"])
@router.api_route("/confirm/{token:path}", methods=["GET", "HEAD"])
def confirm_page(request: Request, site: SiteHere, token: str = "") -> Response:
    """The question, with a button for yes and one for no; changes nothing (L-06)."""
    site.opened.note(client(request), token, site.clock())
    return _question(site, token)


@router.post("/confirm")
@router.post("/confirm/{token:path}")
def confirm_answer(request: Request, site: SiteHere, form: Posted, token: str = "") -> Response:
    """What the person pressed: yes, or "I did not ask". Yes from a client that opens many such links is held."""
    claim = read(site.links.keys, Purpose.CONFIRM, token)
    if claim is None:
        return site.page("spent")
    if form.one("answer") == "decline":
        with db.writing(site.engine) as session:
            no = replace(claim, purpose=Purpose.DECLINE)
            declined = decline(session, no, ip=client(request), now=site.clock())
        return site.page("declined" if declined.outcome == Outcome.DONE else "spent")
    if site.opened.many(client(request), site.clock()):
        return _question(site, token, held=True)
    with db.writing(site.engine) as session:
        mail = confirm_mail_id(session, int(claim.subject)) if claim.subject.isdigit() else ""
        now = site.clock()
        answer = confirm(session, claim, ip=client(request), now=now, message_id=mail)
        enqueue_welcomes(session, site.office, site.links, claim.handle, now)
    return site.page("confirmed" if answer.outcome == Outcome.DONE else "spent")


@router.api_route("/unsubscribe", methods=["GET", "HEAD"])
@router.api_route("/unsubscribe/{token:path}", methods=["GET", "HEAD"])
def unsubscribe_page(request: Request, site: SiteHere, token: str = "") -> Response:
    """The button. The same page for every token: looking at it asks the database nothing and tells nothing."""
    site.opened.note(client(request), token, site.clock())
    return site.page("unsubscribe")


@router.post("/unsubscribe")
@router.post("/unsubscribe/{token:path}")
def unsubscribe_answer(request: Request, site: SiteHere, form: Posted, token: str = "") -> Response:
    """Leave, at once: for a mailbox's one-click (RFC 8058) as for a person who pressed a button.

    Unknown, forged and used tokens are answered alike (H-10).
    """
    one_click = form.one(ONE_CLICK[0]).lower() == ONE_CLICK[1].lower()
    every = form.one("answer") == "everything" and not one_click
    _leave(site, token, "one-click" if one_click else "page", client(request), every=every)
    if one_click:
        return PlainTextResponse("Unsubscribed.\n", headers=PRIVATE)
    return site.page("goodbye", everything=every)


def _leave(site: Site, token: str, method: str, ip: str, *, every: bool) -> None:
    keys, leave = site.links.keys, unsubscribe_everywhere if every else unsubscribe
    now = site.clock()
    if claim := read(keys, Purpose.UNSUBSCRIBE, token):
        left = partial(leave, handle=claim.handle, list_id=claim.subject, method=method, ip=ip, now=now)
        if method == "one-click":  # a mailbox wants no more mail, and there may be hundreds of them
            site.together.do(left)
            return
        with db.writing(site.engine) as session:
            left(session)
            enqueue_goodbyes(session, site.office, site.links, claim.handle, now)
    elif claim := read(keys, Purpose.DECLINE, token):
        with db.writing(site.engine) as session:
            decline(session, claim, method=method, ip=ip, now=now)


def _question(site: Site, token: str, *, held: bool = False) -> Response:
    claim = read(site.links.keys, Purpose.CONFIRM, token)
    if claim is None:
        return site.page("spent")
    with db.reading(site.engine) as session:
        asked = _asked(site, session, claim)
    if not asked:
        return site.page("spent")
    own = site.for_reader(asked[0].language)
    return own.page("confirm", status=429 if held else 200, titles=[row.title for row in asked], held=held)


def _asked(site: Site, session: Session, claim: Claim) -> Sequence[Row[tuple[str, str | None]]]:
    """The lists that this confirm mail asks about, and its reader's language; none when nothing is left to answer."""
    mail, person = table(people.Confirmation).c, table(people.Subscriber).c
    lists, group = table(people.MailingList).c, table(people.Confirmation).alias("together").c
    return session.execute(
        select(lists.title, person.language)
        .select_from(table(people.Confirmation))
        .join(table(people.Subscriber), person.id == mail.subscriber_id)
        .join(group.id.table, (group.subscriber_id == mail.subscriber_id) & (group.created_at == mail.created_at))
        .join(table(people.MailingList), lists.id == group.list_id)
        .where(mail.id == int(claim.subject), person.handle == claim.handle)
        .where(mail.expires_at > site.clock(), mail.used_at.is_(None), mail.declined_at.is_(None))
        .order_by(group.id)
    ).all()
