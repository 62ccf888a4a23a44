"""What the columns and the words of other programs' lists mean. Pure.

Where a status is told, a row is taken for somebody to mail only if it says so in a word that we know.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum


class Wish(StrEnum):
    """What a row says about its person."""

    JOIN = "join"  # nothing against mailing them
    WAIT = "wait"  # not confirmed there either, or a status that we don't know: kept, not mailed
    LEFT = "left"  # unsubscribed, bounced, complained, switched off: never mailed


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(";")]


# The names of a column of addresses, in this order: "address" may be a street.
EMAILS = _parts(
    """email;email address;e mail;e mail address;emailaddress;mail;mail address;subscriber email;user email;
    email adresse;e mail adresse;mailadresse;adresse e mail;courriel;correo;correo electronico;e mail 1 value;address"""
)
_NAMES = {
    "first": "first name;firstname;fname;given name;forename;vorname;prenom;prénom;nombre",
    "last": "last name;lastname;lname;surname;family name;nachname;nom;apellido;apellidos",
    "name": "name;full name;fullname;display name;subscriber name;real name",
    "language": "language;lang;locale;sprache;langue",
    "status": """status;state;subscription status;subscriber status;member status;email status;email permission status;
        marketing status;subscription state;delivery status""",
    "left": """unsub time;unsubscribed;unsubscribed at;unsubscribed on;unsubscribe date;unsubscribed date;
        unsubscribe time;date unsubscribed;is unsubscribed;opted out;opt out;optout;opt out time;opted out at;
        email disabled;disabled;bounced;bounced at;hard bounced;complained;complained at;clean time;cleaned;cleaned at;
        deleted;deleted at;suppressed;suppressed at;blocked;blocklisted;blacklisted;banned;do not contact;do not email;
        left;left at""",
    "stay": """subscribed;is subscribed;subscribed to emails;opted in;opt in;optin;email opt in;enabled;active;
        is active;mailable;accepts marketing;accepts email marketing""",
    "confirmed": "confirmed;is confirmed;verified;email verified",
    "tags": "tags;tag;labels;label;groups;segments",
    "attributes": "attributes;data;custom fields;custom data",
}
MEANINGS = {name: meaning for meaning, names in _NAMES.items() for name in _parts(names)}

# What other programs keep for themselves, or what we should not keep: ids, network addresses, places, counters.
_NEVER_KEPT = frozenset(
    _parts(
        """id;uuid;euid;leid;user id;external id;channel id;stripe customer id;stripe connected customer id;
        created at;updated at;last changed;last modified;date added;subscribed at;optin time;optin ip;confirm time;
        confirm ip;latitude;longitude;gmtoff;dstoff;cc;region;timezone;member rating;clicks;opens;unsub campaign title;
        unsub campaign id;unsub reason;unsub reason other;clean campaign title;clean campaign id;utm source;utm medium;
        utm term;utm content;utm campaign;utm last path;utm referrer;joined;confirmed at;suppressions;consent;choices;
        paused until;list;deliveries"""
    )
)

# A program is known by columns that stand together in its exports alone.
_PROGRAMS = {
    "digest": "email;choices;consent;suppressions",
    "mailchimp": "email address;leid;euid",
    "substack": "email;email disabled",
    "substack, current": "email;active subscription",
    "ghost": "email;subscribed to emails",
    "ghost, with labels": "email;complimentary plan;labels",
    "beehiiv": "email;stripe customer id;subscription date substack",
    "beehiiv, current": "email;subscription tier;acquisition source",
    "curated": "email address;subscribed at;utm source",
    "keila": "email;first name;last name;data",
    "keila, with ids": "email;external id",
    "listmonk": "uuid;email;attributes;status",
    "mailman": "email;display name;delivery status",
    "mautic": "firstname;lastname;company;email",
}

_NO = frozenset({"", "0", "false", "no", "n", "f", "off", "null", "none", "nil", "-", "nan"})
_JOIN_WORDS = frozenset(
    _parts(
        """1;active;subscribed;confirmed;enabled;on;true;yes;y;opted-in;opt-in;optin;opted_in;express;implied;member;
        free;paid;premium;comp;gift;trial;regular;verified;ok"""
    )
)
_LEFT_WORDS = frozenset(
    _parts(
        """0;false;no;n;off;inactive;unsubscribed;unsubscribe;unreachable;bounced;bounce;hard_bounce;hard-bounced;
        hard bounced;cleaned;complained;complaint;spam;disabled;blocked;blocklisted;blacklisted;suppressed;deleted;
        removed;left;declined;expired;cancelled;canceled;opted-out;opt-out;optout;opted_out;opted out;archived;banned;
        undeliverable;invalid;rejected;quarantined;temporary_hold;not_set;non-subscribed;nonsubscribed;transactional;
        dormant;paused;by_bounces;by_moderator;by_user"""
    )
)
# Mailchimp says it in the name of the file alone.
_FILES = {"unsubscribed": Wish.LEFT, "cleaned": Wish.LEFT, "nonsubscribed": Wish.WAIT}


def plain(name: str) -> str:
    """The name of a column as it is compared: `E-Mail_Address` -> e mail address."""
    return " ".join(re.sub(r"[\W_]+", " ", name.casefold()).split())


def program(header: Sequence[str]) -> str:
    """Which program wrote a file with this header, "" if none that we know."""
    names = {plain(name) for name in header}
    for name, columns in _PROGRAMS.items():
        if names.issuperset(_parts(columns)):
            return name.partition(",")[0]
    return ""


def is_kept(name: str) -> bool:
    """Whether a column that means nothing to us is kept as an attribute."""
    return plain(name) not in _NEVER_KEPT


def wish_of_file(name: str) -> Wish:
    """What the name of a file of Mailchimp says about everybody in it, as `cleaned_members_export.csv` does."""
    words = re.split(r"[^a-z]+", name.rpartition("/")[2].casefold())
    return next((wish for word, wish in _FILES.items() if word in words), Wish.JOIN)


def wish(said: Mapping[str, Iterable[str]]) -> Wish:
    """What cells (trimmed, in small letters) in columns that mean status, left, stay and confirmed say together."""
    status = {value for value in said["status"] if value}
    if (
        any(value not in _NO for value in said["left"])
        or any(value and value in _NO for value in said["stay"])
        or status & _LEFT_WORDS
    ):
        return Wish.LEFT
    if status - _JOIN_WORDS or any(value and value in _NO for value in said["confirmed"]):
        return Wish.WAIT
    return Wish.JOIN


def stricter(one: Wish, other: Wish) -> Wish:
    """The wish of the two that mails less."""
    order = (Wish.LEFT, Wish.WAIT, Wish.JOIN)
    return min(one, other, key=order.index)
