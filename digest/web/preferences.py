"""A reader's own page: what they get, without a password; and by a link mailed within the hour, all that is kept.

What a link may do, for whoever holds it:

    from a newsletter   see the address masked; leave, choose, pause, name, language, all of which can be undone and
                        is told to the reader by a letter, once a day; join, once a mail was answered; never export,
                        erase, or change the address, as newsletters are forwarded
    mailed on request   for an hour: the same, and join at once; and one of export, erase, change of address, which
                        uses it up

GET changes nothing. Links that are unknown, forged, spent, or of somebody erased are all answered alike.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from sqlmodel import Session
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from digest import db
from digest.compose.offers import offers
from digest.deliver.greeting import enqueue_goodbyes, enqueue_welcomes
from digest.deliver.letters import enqueue_confirm, enqueue_personal, letter_mail_id
from digest.keeping.erasing import erase
from digest.keeping.telling import record
from digest.web import failures
from digest.web.forms import Form, read_form, read_long_form
from digest.web.pages import PRIVATE, Site, client, site
from digest.web.signup import ANSWER_AFTER_S, consent_text
from digest.web.speaking import own_name
from digest.web.stamp import Age, age, stamp
from digest.web.wishes import WEEKS, card, wishes
from subscribers.addresses import normalise
from subscribers.crowding import may_ask
from subscribers.errors import BadAddress
from subscribers.links import Holder, Letter, ask_link, ask_link_by_handle, ask_move, held, move, spend
from subscribers.models import Status
from subscribers.preferences import By, Changed, Reader, Wishes, change, hold, look
from subscribers.tokens import Purpose, read

router = APIRouter()

_LONGEST = 320  # characters of what was typed that are shown again

SiteHere = Annotated[Site, Depends(site)]
Posted = Annotated[Form, Depends(read_form)]
LongPosted = Annotated[Form, Depends(read_long_form)]


@dataclass(frozen=True)
class _Key:
    """What a link opens: somebody's page, from a newsletter of `list_id`, or by a link mailed on request."""

    handle: bytes
    list_id: str | None
    holder: Holder | None = None


@dataclass(frozen=True)
class _Press:
    """A button on that page, pressed."""

    site: Site
    session: Session
    key: _Key
    form: Form
    ip: str

    @property
    def holder(self) -> Holder:
        """Of the link that was mailed on request; asked for only where there is one."""
        assert self.key.holder
        return self.key.holder


@router.api_route("/preferences/{token}", methods=["GET", "HEAD"])
def preferences_page(token: str, site: SiteHere) -> Response:
    """The reader's page; changes nothing."""
    with db.reading(site.engine) as session:
        key = _key(site, session, token)
        return _page(site, session, key) if key else _no_page(site)


@router.post("/preferences/{token}")
def preferences_answer(token: str, request: Request, site: SiteHere, form: LongPosted) -> Response:
    """What was pressed there."""
    with db.writing(site.engine) as session:
        key = _key(site, session, token, lock=True)
        if key is None:
            return _no_page(site)
        acts = {"save": _save, "leave": _leave, "link": _mail_link}
        if key.holder:
            acts |= {"address": _new_address, "export": _export, "erase": _erase}
        act = acts.get(form.one("action"))
        return act(_Press(site, session, key, form, client(request))) if act else _page(site, session, key)


@router.api_route("/link", methods=["GET", "HEAD"])
def link_page(site: SiteHere) -> Response:
    """Where a reader without a newsletter at hand asks for the link to their page."""
    return _link_form(site)


@router.post("/link")
async def link_answer(request: Request, site: SiteHere, form: Posted) -> Response:
    """Mail the link; the answer is the same whoever it is, and as late."""
    began = time.monotonic()
    answer = await run_in_threadpool(_ask_link, site, form, client(request))
    if answer.status_code == 200:
        await asyncio.sleep(max(0.0, ANSWER_AFTER_S - (time.monotonic() - began)))
    return answer


@router.api_route("/address/{token}", methods=["GET", "HEAD"])
def address_page(token: str, site: SiteHere) -> Response:
    """The question whether mail shall go to the new address, with a button; changes nothing."""
    claim = read(site.links.keys, Purpose.MOVE, token)
    with db.reading(site.engine) as session:
        holder = held(session, claim, site.clock()) if claim else None
    return _spoken(site, "address", holder.language, email=holder.new_email) if holder else _no_page(site)


@router.post("/address/{token}")
def address_answer(token: str, request: Request, site: SiteHere) -> Response:
    """Mail goes to the new address from now on, and the old one is told."""
    claim = read(site.links.keys, Purpose.MOVE, token)
    now = site.clock()
    with db.writing(site.engine) as session:
        holder = held(session, claim, now, lock=True) if claim else None
        if holder is None:
            return _no_page(site)
        mail = letter_mail_id(session, f"move:{holder.link_id}")
        key, ip = site.suppression_key, client(request)
        letter = move(session, holder, key=key, now=now, ip=ip, message_id=mail)
        if letter is None:
            return _spoken(site, "unmoved", holder.language)
        enqueue_personal(session, site.office, letter, now)
    return _spoken(site, "moved", holder.language, email=holder.new_email)


def _key(site: Site, session: Session, token: str, *, lock: bool = False) -> _Key | None:
    keys = site.links.keys
    if claim := read(keys, Purpose.PREFERENCES, token):
        known = hold(session, claim.handle) if lock else look(session, claim.handle, site.clock(), claim.subject)
        return _Key(claim.handle, claim.subject) if known else None
    if claim := read(keys, Purpose.ACCOUNT, token):
        holder = held(session, claim, site.clock(), lock=lock)
        return _Key(claim.handle, None, holder) if holder else None
    return None


def _seen(site: Site, session: Session, key: _Key) -> Reader:
    reader = look(session, key.handle, site.clock(), key.list_id)
    assert reader is not None  # the key fits, and who pressed holds it
    return reader


def _page(
    site: Site, session: Session, key: _Key, *, said: str = "", changed: Changed | None = None, **more: Any
) -> Response:
    reader = look(session, key.handle, site.clock(), key.list_id)
    if reader is None:  # erased while somebody looks
        return _no_page(site)
    offered = offers(session, [place.list_id for place in reader.places])
    return _spoken(
        site,
        "preferences",
        reader.language,
        reader=reader,
        email=reader.email if key.holder else _masked(reader.email),
        fresh=key.holder is not None,
        cards=[card(place, offered[place.list_id]) for place in reader.places],
        weeks=WEEKS,
        tongues=[(tag, own_name(tag)) for tag in _tongues(site)],
        consent=consent_text(site.config.site.name, site.for_reader(reader.language).wording),
        said=said,
        changed=changed or Changed(),
        **{"problem": "", "typed": "", **more},
    )


def _spoken(site: Site, name: str, language: str | None, **context: Any) -> Response:
    """A page in the reader's own language."""
    status = 422 if context.get("problem") else 200
    return site.for_reader(language).page(name, status=status, **context)


def _no_page(site: Site) -> Response:
    return _link_form(site, spent=True)


def _link_form(site: Site, *, spent: bool = False, form: Form | None = None, problem: str = "") -> Response:
    return _spoken(
        site,
        "link",
        None,
        spent=spent,
        email=form.one("email")[:_LONGEST] if form else "",
        shown=form.one("shown") if form and problem == "address" else stamp(site.links.keys, site.clock()),
        problem=problem,
    )


def _ask_link(site: Site, form: Form, ip: str) -> Response:
    if form.one("website") or age(site.links.keys, form.one("shown"), site.clock()) is Age.TOO_QUICK:
        return site.page("mailed")
    try:
        typed = form.one("email")
        normalise(typed)  # what is no address does not count as asking
        with db.writing(site.engine) as session:
            if not may_ask(session, ip, site.clock()):
                return failures.page(site, 429)
            _enqueue(site, session, ask_link(session, typed, key=site.suppression_key, now=site.clock()))
    except BadAddress:
        return _link_form(site, form=form, problem="address")
    return site.page("mailed")


def _enqueue(site: Site, session: Session, letter: Letter | None) -> None:
    if letter:
        enqueue_personal(session, site.office, letter, site.clock())


def _mail_link(press: _Press) -> Response:
    site, session, key = press.site, press.session, press.key
    reader = _seen(site, session, key)
    _enqueue(site, session, ask_link_by_handle(session, key.handle, site.clock()))
    return _spoken(site, "mailed", reader.language)


def _new_address(press: _Press) -> Response:
    site, session, key, typed = press.site, press.session, press.key, press.form.one("email")
    try:
        letter = ask_move(session, press.holder, typed, key=site.suppression_key, now=site.clock())
    except BadAddress as error:
        problem = "same" if error.code == "same" else "address"
        return _page(site, session, key, problem=problem, typed=typed[:_LONGEST])
    _enqueue(site, session, letter)
    return _page(site, session, key, said="address")


def _export(press: _Press) -> Response:
    site, session, holder = press.site, press.session, press.holder
    spend(session, holder, site.clock())
    whole = record(session, holder.email, key=site.suppression_key)
    headers = {**PRIVATE, "content-disposition": 'attachment; filename="my-data.json"'}
    return Response(json.dumps(whole, ensure_ascii=False, indent=1, default=str), 200, headers, "application/json")


def _erase(press: _Press) -> Response:
    site, holder = press.site, press.holder
    if press.form.one("sure") != "yes":
        return _spoken(site, "erase", holder.language, email=holder.email)
    erase(press.session, holder.email, key=site.suppression_key, now=site.clock())
    return _spoken(site, "erased", holder.language)


def _leave(press: _Press) -> Response:
    places = _seen(press.site, press.session, press.key).places
    on = (place.list_id for place in places if place.status in (Status.PENDING, Status.CONFIRMED))
    return _change(press, Wishes(leave=frozenset(on)))


def _save(press: _Press) -> Response:
    site, session = press.site, press.session
    reader = _seen(site, session, press.key)
    offered = offers(session, [place.list_id for place in reader.places])
    return _change(press, wishes(press.form, reader, offered, _tongues(site), site.clock()))


def _change(press: _Press, wanted: Wishes) -> Response:
    site, session, key = press.site, press.session, press.key
    now, office = site.clock(), site.office
    mail = letter_mail_id(session, f"link:{key.holder.link_id}") if key.holder else ""
    words = site.for_reader(_seen(site, session, key).language).wording
    form_url, text = f"{site.links.base}/preferences", consent_text(site.config.site.name, words)
    by = By(press.ip, form_url, text, words.language, fresh=key.holder is not None, message_id=mail)
    means: dict[str, Any] = {"key": site.suppression_key, "now": now, "random_bytes": site.random_bytes}
    changed = change(session, key.handle, wanted, by, **means)
    for send in changed.sends:
        enqueue_confirm(session, office, send, now)
    enqueue_welcomes(session, office, site.links, key.handle, now)
    if changed.left:
        enqueue_goodbyes(session, office, site.links, key.handle, now)
    reader = _seen(site, session, key)
    if {*changed.what} - {"asked"} and not key.holder and _gets_mail(reader):
        letter = Letter("changed", now.date().toordinal(), reader.id, reader.language, list_id=key.list_id)
        enqueue_personal(session, office, letter, now)
    return _page(site, session, key, said="saved" if changed != Changed() else "same", changed=changed)


def _gets_mail(reader: Reader) -> bool:
    return any(place.status == Status.CONFIRMED for place in reader.places)


def _tongues(site: Site) -> Sequence[str]:
    return site.config.site.languages or site.templates.languages()


def _masked(email: str) -> str:
    """As much of an address as its owner knows it by.

    >>> _masked("ann@example.org")
    'a…@example.org'
    """
    local, _, domain = email.partition("@")
    return f"{local[:1]}…@{domain}"
