"""How many mails strangers may cause, to one address and in all, and how often a network may ask: kept in the database
(S-B15).

A form that anybody can post is a way to mail-bomb others. So all mails that need no more than an address to ask for
them, whatever the form, count together: confirm mails, questions whether mail shall go there, links to a page.
Whoever comes late is not turned away for the crowd: their mail waits its turn.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, func, insert, literal, select, true, union_all
from sqlmodel import Session

from subscribers.columns import table
from subscribers.models import Confirmation, ConfirmMail, MailedLink, SignUpAttempt, Subscriber

Caps = Sequence[tuple[timedelta, int]]

HOUR = timedelta(hours=1)
_DAY = timedelta(hours=24)
_MONTH = timedelta(days=30)
# What an address gets whose owner may never have heard of us: confirm mails over all lists, and questions whether
# somebody's mail shall go there.
QUESTIONS: Caps = ((_DAY, 1), (_MONTH, 3))
# These, and links that a reader, or a stranger in their name, asks for. A link is used up by one thing: one a day would
# let nobody take their data along and then have it erased.
MAILS: Caps = ((_DAY, 3), (_MONTH, 10))
# All these, when the reader asks by their own newsletter: strangers can't use up what is left to them.
OWN: Caps = ((_DAY, 6), (_MONTH, 20))
PER_NETWORK = 10  # sign-ups an hour from an IPv4 /24 or IPv6 /48, whatever comes of them
PER_DOMAIN = 60  # such mails an hour to one recipient domain
IN_ALL = 300  # such mails an hour
LONGEST_WAIT = timedelta(hours=24)  # a mail that would wait longer is not sent

_NEAR = [
    ipaddress.ip_network(near)
    for near in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7", "fe80::/10")
]
_LOCK = 7263550
_attempt = table(SignUpAttempt)
_mail = table(ConfirmMail)
_person = table(Subscriber)
_request = table(Confirmation)
_link = table(MailedLink)


def network(ip: str) -> str:
    """The IPv4 /24 or IPv6 /48 that counts for `ip`; "" for an unknown or near one, which may stand for everybody.

    >>> network("192.0.2.77"), network("2001:db8:1:2::3"), network("10.0.0.7")
    ('192.0.2.0/24', '2001:db8:1::/48', '')
    """
    try:
        found = ipaddress.ip_address(ip)
    except ValueError:
        return ""
    if any(found in near for near in _NEAR):  # a proxy that the settings don't name
        return ""
    return str(ipaddress.ip_network(f"{found}/{24 if found.version == 4 else 48}", strict=False))


def has_asked_enough(session: Session, ip: str, now: datetime) -> bool:
    """Whether `may_ask` would say no by now; takes no lock, so that a storm doesn't hold those off who write."""
    return _full(session, network(ip), now)


def may_ask(session: Session, ip: str, now: datetime) -> bool:
    """Whether one more sign-up from this network fits PER_NETWORK; counts it then.

    Every sign-up counts, whoever it is for: so saying no tells nothing about an address.
    """
    where = network(ip)
    if not where:
        return True
    _lock(session, where)
    if _full(session, where, now):
        return False
    session.execute(delete(_attempt).where(_attempt.c.at <= now - HOUR))
    session.execute(insert(_attempt).values(network=where, at=now))
    return True


def _full(session: Session, where: str, now: datetime) -> bool:
    recent = select(func.count()).where(_attempt.c.network == where, _attempt.c.at > now - HOUR)
    return bool(session.execute(recent).scalar_one() >= PER_NETWORK)


def may_mail(session: Session, normalised: str, now: datetime, *, question: bool, caps: Caps = MAILS) -> bool:
    """Whether one more mail that a stranger can cause to this address fits `caps`, and a `question` QUESTIONS.

    Nobody else is told so of this address before the commit.
    """
    alone(session, [normalised])
    owner = select(_person.c.id).where(_person.c.email == normalised).scalar_subquery()
    # The lists of one confirm mail count once.
    asked = select(_request.c.created_at.label("at"), literal(1).label("question")).distinct()
    moves = select(_link.c.created_at, literal(1)).where(_link.c.email == normalised)
    links = select(_link.c.created_at, literal(0)).where(_link.c.subscriber_id == owner, _link.c.kind == "link")
    every = union_all(asked.where(_request.c.subscriber_id == owner), moves, links).subquery()
    rows = session.execute(select(every).where(every.c.at > now - _MONTH)).all()
    asks = [row.at for row in rows if row.question]
    return fit([row.at for row in rows], caps, now) and not (question and not fit(asks, QUESTIONS, now))


def had_enough(session: Session, subscriber_ids: Collection[int], now: datetime) -> set[int]:
    """Those of these people who may be asked nothing more within QUESTIONS."""
    full: set[int] = set()
    for span, most in QUESTIONS if subscriber_ids else ():
        asked = select(_request.c.subscriber_id.label("person"), _request.c.created_at).distinct()
        asked = asked.where(_request.c.subscriber_id.in_(subscriber_ids), _request.c.created_at > now - span)
        moves = select(_person.c.id, _link.c.created_at).join_from(_person, _link, _link.c.email == _person.c.email)
        moves = moves.where(_person.c.id.in_(subscriber_ids), _link.c.created_at > now - span)
        every = union_all(asked, moves).subquery()
        many = select(every.c.person).group_by(every.c.person).having(func.count() >= most)
        full.update(session.execute(many).scalars())
    return full


def fit(sent: Collection[datetime], caps: Caps, now: datetime) -> bool:
    """Whether one more fits, now, besides those sent at these instants."""
    return all(sum(at > now - span for at in sent) < most for span, most in caps)


def alone(session: Session, addresses: Collection[str]) -> None:
    """Hold off, to the end of the transaction, whoever else wants to mail to these addresses, or erases them.

    Who locks the person, too, does so before: whoever waits for both waits in one order.
    """
    for address in addresses:
        _lock(session, address)


def turn(session: Session, domain: str, now: datetime) -> datetime | None:
    """When such a mail to this recipient domain may leave, taken: now, or when the crowd before it has gone.

    In no hour more than PER_DOMAIN or IN_ALL. None when that is more than LONGEST_WAIT away: nothing is taken then.
    """
    _lock(session)
    session.execute(delete(_mail).where(_mail.c.at <= now - HOUR))
    at = now
    # Behind everybody the domain's own crowd is looked at again.
    for crowd, most in (
        (_mail.c.domain == domain, PER_DOMAIN),
        (true(), IN_ALL),
        (_mail.c.domain == domain, PER_DOMAIN),
    ):
        at = _free(session, crowd, most, at)
    if at > now + LONGEST_WAIT:
        return None
    session.execute(insert(_mail).values(domain=domain, at=at))
    return at


def _free(session: Session, crowd: ColumnElement[bool], most: int, at: datetime) -> datetime:
    """`at`, or where it would make an hour of this crowd too full, an hour behind the last but `most` of it."""
    near = select(func.count()).select_from(_mail).where(crowd, _mail.c.at > at - HOUR, _mail.c.at < at + HOUR)
    if session.execute(near).scalar_one() < most:
        return at
    last = select(_mail.c.at).where(crowd).order_by(_mail.c.at.desc()).offset(most - 1).limit(1)
    turned: datetime = session.execute(last).scalar_one() + HOUR
    return max(at, turned)


def _lock(session: Session, name: str = "") -> None:
    # On SQLite whoever writes is alone.
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_LOCK, func.hashtext(name))))
