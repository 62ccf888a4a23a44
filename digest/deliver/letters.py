"""Letters to one person: confirm mails, greetings, what readers ask for or are told, notices. Steps: each letter is
in the commit of what caused it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlmodel import Session

from digest.compose.building import direction
from digest.compose.content import SiteContent
from digest.compose.rendering import render_letter
from digest.compose.variants import fingerprint, packed
from digest.config import Config
from digest.deliver.message import Stationery, letter_headers, message_id, parse_mailbox, sender
from digest.errors import NeedsDecision
from digest.models import Delivery, Slice, Variant, table
from digest.templating import Templates
from digest.templating.wording import filled
from subscribers.joining import Send
from subscribers.links import Letter
from subscribers.models import MailingList, Subscriber

_URGENT = 1
_v = table(Variant)
_d = table(Delivery)


@dataclass(frozen=True)
class Office:
    """What letters are written with."""

    config: Config
    templates: Templates
    message_key: bytes  # of the instance


@dataclass(frozen=True)
class _Letter:
    """What is written, before it becomes bytes."""

    kind: str  # one of handing.KINDS
    context: Mapping[str, object]
    mailing_list: MailingList | None
    at: datetime


def enqueue_confirm(session: Session, office: Office, send: Send, now: datetime) -> None:
    """The confirm mail that `send` asks for; harmless when it is there already.

    Its link "I did not ask" is its List-Unsubscribe as well (H-13); it carries no advertising (L-05).
    """
    mailing_list = session.get_one(MailingList, send.list_id)
    titles = [mailing_list.title, *(session.get_one(MailingList, other).title for other in send.also)]
    whole = ", ".join(titles)
    language = _spoken(office, session.get_one(Subscriber, send.subscriber_id).language)
    ask = office.templates.wording(language).said("Please confirm: {list}")
    said = {"language": language, "direction": direction(language), "list_title": whole}
    context = _context(office, filled(ask, {"list": whole}), send.list_id) | said
    occasion = f"confirm:{send.confirmation_id}"
    domain = sender(office.config, mailing_list).domain
    delivery = Delivery(
        occasion=occasion,
        subscriber_id=send.subscriber_id,
        list_id=send.list_id,
        variant_id=_variant(session, office, _Letter("confirm", context, mailing_list, now)),
        slice_id=0,
        message_id=message_id(office.message_key, occasion, str(send.subscriber_id), domain),
    )
    _enqueue(session, office, delivery, send.at or now)


def enqueue_to_reader(session: Session, office: Office, send: Send, more: Mapping[str, object], now: datetime) -> None:
    """The letter of this kind ("welcome", "goodbye") that `send` asks for, in the reader's language where we have
    words in it; harmless when it is there already. `more` is what its template wants besides."""
    mailing_list = session.get_one(MailingList, send.list_id)
    language = _spoken(office, session.get_one(Subscriber, send.subscriber_id).language)
    words = office.templates.wording(language)
    ask = {"welcome": words.said("Welcome to {list}"), "goodbye": words.said("You have left {list}")}[send.kind]
    said = {"language": language, "direction": direction(language), "list_title": mailing_list.title, **more}
    context = _context(office, filled(ask, {"list": mailing_list.title}), send.list_id) | said
    occasion = f"{send.kind}:{send.confirmation_id}"
    domain = sender(office.config, mailing_list).domain
    delivery = Delivery(
        occasion=occasion,
        subscriber_id=send.subscriber_id,
        list_id=send.list_id,
        variant_id=_variant(session, office, _Letter(send.kind, context, mailing_list, now)),
        slice_id=0,
        message_id=message_id(office.message_key, occasion, str(send.subscriber_id), domain),
    )
    _enqueue(session, office, delivery, now)


def _spoken(office: Office, language: str | None) -> str:
    """The reader's language if there are words in it, else the site's."""
    known = office.templates.wording(language or "").language
    asked = (language or "").partition("-")[0].casefold()
    return language if language and asked == known.partition("-")[0] else office.config.site.language


def confirm_mail_id(session: Session, confirmation_id: int) -> str:
    """The Message-ID of the mail that asked for this confirmation, or "" if there was none."""
    return letter_mail_id(session, f"confirm:{confirmation_id}")


def letter_mail_id(session: Session, occasion: str) -> str:
    """The Message-ID of the one letter of an occasion like "link:7", or "" if there was none."""
    return session.execute(select(_d.c.message_id).where(_d.c.occasion == occasion)).scalar_one_or_none() or ""


def enqueue_personal(session: Session, office: Office, letter: Letter, now: datetime) -> None:
    """The letter that a reader asked for, or that tells them what changed; harmless when it is there already.

    It is in the reader's language where we have words in it, and its bytes name nobody: equal letters share them.
    """
    language = _spoken(office, letter.language)
    words = office.templates.wording(language)
    subject = {
        "link": words.said("A link to your page"),
        "move": words.said("Please confirm your new address"),
        "moved": words.said("Your address was changed"),
        "changed": words.said("Your choices were changed"),
    }[letter.kind]
    said = {"language": language, "direction": direction(language)}
    context = _context(office, subject, letter.list_id) | said
    occasion = f"{letter.kind}:{letter.number}"
    delivery = Delivery(
        occasion=occasion,
        subscriber_id=letter.subscriber_id,
        list_id=letter.list_id,
        address=letter.address,
        variant_id=_variant(session, office, _Letter(letter.kind, context, None, now)),
        slice_id=0,
        message_id=message_id(
            office.message_key, occasion, str(letter.subscriber_id), sender(office.config, None).domain
        ),
    )
    _enqueue(session, office, delivery, letter.at or now)


def enqueue_notice(session: Session, office: Office, subject: str, body: str, now: datetime) -> int:
    """A notice (Markdown) to everybody in [staff] notify; how many were enqueued: the same words go once a day."""
    written = 0
    for address in office.config.staff.notify:
        said = json.dumps([address, subject, body, now.date().isoformat()])
        occasion = f"notice:{int.from_bytes(hashlib.sha256(said.encode()).digest()[:6], 'big')}"
        context = _context(office, subject) | {"body": body}
        delivery = Delivery(
            occasion=occasion,
            address=parse_mailbox(address).address,
            variant_id=_variant(session, office, _Letter("notice", context, None, now)),
            slice_id=0,
            message_id=message_id(office.message_key, occasion, address, sender(office.config, None).domain),
        )
        written += _enqueue(session, office, delivery, now)
    return written


def _context(office: Office, subject: str, list_id: str | None = None) -> dict[str, object]:
    site = office.config.site
    shown = SiteContent(site.name, site.url, site.postal_address, site.logo, tuple(site.social.items()))
    look = office.config.theme(list_id)
    return {
        "site": shown,
        "subject": subject,
        "language": site.language,
        "direction": direction(site.language),
        "theme": look,
    }


def _enqueue(session: Session, office: Office, delivery: Delivery, now: datetime) -> bool:
    # The unique key does not hold for notices: their subscriber is NULL.
    person = delivery.subscriber_id
    whose = _d.c.subscriber_id.is_(None) if person is None else _d.c.subscriber_id == person
    if session.execute(select(_d.c.id).where(_d.c.occasion == delivery.occasion, whose)).first():
        return False
    piece = Slice(priority=_URGENT, due_at=now, expires_at=now + timedelta(hours=office.config.mail.expire_h))
    session.add(piece)
    session.flush()
    assert piece.id is not None
    delivery.slice_id = piece.id
    session.add(delivery)
    session.flush()
    return True


def _variant(session: Session, office: Office, letter: _Letter) -> int:
    # Equal letters of a minute share their bytes, Date included (F-06).
    headers = letter_headers(office.config, letter.mailing_list, letter.at.replace(second=0, microsecond=0))
    seed = json.dumps([letter.kind, headers, repr(letter.context)])
    word = hmac.digest(office.message_key, seed.encode(), hashlib.sha256).hex()[:12]
    rendered = render_letter(letter.kind, letter.context, office.templates, word)
    if rendered.problems:
        raise NeedsDecision(f"the {letter.kind} letter can't go out: {'; '.join(rendered.problems)}")
    written = Stationery(rendered.subject, rendered.html, rendered.text, headers, word)
    key = f"{letter.kind}:{fingerprint(written)}"
    found = session.execute(select(_v.c.id).where(_v.c.issue_id.is_(None), _v.c.key == key)).scalars().first()
    if found is not None:
        return int(found)
    stored = packed(written, key, letter.at)
    session.add(stored)
    session.flush()
    assert stored.id is not None
    return stored.id
