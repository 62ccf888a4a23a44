"""How many sign-ups a network may make, and how many confirm mails a crowd may cause: kept in the database (S-B15).

A form that anybody can post is a way to mail-bomb others. What one address gets is `joining.CAPS`; here is what all of
them together get. Whoever comes late is not turned away for the crowd: their mail waits its turn.
"""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, func, insert, select, true
from sqlmodel import Session

from subscribers.columns import table
from subscribers.models import ConfirmMail, SignUpAttempt

HOUR = timedelta(hours=1)
PER_NETWORK = 10  # sign-ups an hour from an IPv4 /24 or IPv6 /48, whatever comes of them
PER_DOMAIN = 60  # confirm mails an hour to one recipient domain
IN_ALL = 300  # confirm mails an hour
LONGEST_WAIT = timedelta(hours=24)  # a mail that would wait longer is not sent

_NEAR = [
    ipaddress.ip_network(near)
    for near in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7", "fe80::/10")
]
_LOCK = 7263550
_attempt = table(SignUpAttempt)
_mail = table(ConfirmMail)


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


def may_ask(session: Session, ip: str, now: datetime) -> bool:
    """Whether one more sign-up from this network fits PER_NETWORK; counts it then.

    Every sign-up counts, whoever it is for: so saying no tells nothing about an address.
    """
    where = network(ip)
    if not where:
        return True
    _lock(session, where)
    recent = select(func.count()).where(_attempt.c.network == where, _attempt.c.at > now - HOUR)
    if session.execute(recent).scalar_one() >= PER_NETWORK:
        return False
    session.execute(delete(_attempt).where(_attempt.c.at <= now - HOUR))
    session.execute(insert(_attempt).values(network=where, at=now))
    return True


def turn(session: Session, domain: str, now: datetime) -> datetime | None:
    """When a confirm mail to this recipient domain may leave, taken: now, or when the crowd before it has gone.

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
