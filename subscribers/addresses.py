"""One strict reading of an email address; everything else stores and sends only what comes out of it.

Accepted is what mailboxes of readers look like: a dot-atom, an @, a domain of two labels or more (RFC 5321
section 4.1.2 without quoted strings and literals, RFC 6531 for other scripts). Comments, groups, routes, display
names and folding are refused rather than understood: reading them differently from the next mail server is how
mail was sent to strangers elsewhere.

The part before the @ is lower-cased. RFC 5321 leaves its case to the receiver, but nobody has two mailboxes that
differ by case, while people do type `Ann@` today and `ann@` tomorrow; they are one subscriber, and one
unsubscribe ends both.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import idna

from subscribers.errors import BadAddress

__all__ = [
    "POLICY",
    "Address",
    "BadAddress",
    "hash_address",
    "hash_addresses",
    "identity",
    "inspect_address",
    "normalise",
    "normalise_domain",
    "tidy_name",
]

# Refused although the standards allow it: their codes, for reports that keep the two apart.
POLICY = frozenset({"quoted", "comment", "literal", "dotless", "reserved", "brackets"})

_LONGEST_TYPED = 512  # characters; before anything slower than a comparison looks at the text (CVE-2024-3651)
_LONGEST_LOCAL = 64  # octets, RFC 5321 section 4.5.3.1.1
_LONGEST_DOMAIN = 253  # octets as A-labels, RFC 1035
_LONGEST = 254  # octets, RFC 5321 section 4.5.3.1.3: a path of 256 with its brackets
_LONGEST_NAME = 100

_LOCAL = re.compile(
    r"[a-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+)*"
)
_ASCII_LOCAL = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_PLAIN = re.compile(rf"{_LOCAL.pattern}@{_DOMAIN.pattern}")

# Special-use names that no mail can reach (RFC 6761, 6762, 7686, 9476, 3172); example.org stays for examples.
_RESERVED = frozenset({"alt", "arpa", "invalid", "local", "localhost", "onion", "test"})

_SIGNS = {
    '"': ("quoted", "has a quoted part, which we do not mail to"),
    "\\": ("quoted", "has a backslash"),
    "(": ("comment", "has a comment in brackets"),
    ")": ("comment", "has a comment in brackets"),
    "<": ("brackets", "has angle brackets; expected the address alone, without a name"),
    ">": ("brackets", "has angle brackets; expected the address alone, without a name"),
    "[": ("literal", "has a network address instead of a domain"),
    "]": ("literal", "has a network address instead of a domain"),
    ",": ("form", "has a comma; expected one address"),
    ";": ("form", "has a semicolon; expected one address"),
    ":": ("form", "has a colon; expected one address"),
}


@dataclass(frozen=True)
class Address:
    """A valid address. `normalised` is the identity and what is sent to: lower case, domain as A-labels."""

    normalised: str
    domain: str  # A-labels (RFC 5890), lower case
    smtputf8: bool  # the local part needs a server that offers SMTPUTF8 (RFC 6531)
    written: str = ""  # for people to read: the local part as typed (NFC), the domain in its own script


def normalise(text: str) -> Address:
    """The address that `text` is, white space around it aside; BadAddress with a stable code if it is none.

    Equal mailboxes give equal results: `Ann@Ü.de`, `ann@ü.de` and `ann@xn--tda.de` are one address.
    """
    if len(text) > _LONGEST_TYPED:
        raise BadAddress("long", f"an address has at most {_LONGEST} characters, this has {len(text)}")
    text = text.strip(" \u00a0")
    _check_signs(text)
    typed_local, at, typed_domain = text.partition("@")
    if not at or "@" in typed_domain:
        raise BadAddress("form", "expected name@domain, with one @")
    local = _local(typed_local)
    domain = _domain(typed_domain)
    normalised = f"{local}@{domain}"
    if len(normalised.encode()) > _LONGEST:
        raise BadAddress("long", f"an address has at most {_LONGEST} octets, this has {len(normalised.encode())}")
    written = f"{unicodedata.normalize('NFC', typed_local)}@{_in_its_script(domain)}"
    return Address(normalised, domain, not local.isascii(), written)


def identity(text: str) -> tuple[str, str]:
    """`normalise`, for millions: the normalised address and its domain alone."""
    if text.isascii():
        local, at, domain = text.strip(" ").lower().partition("@")
        if at and len(local) <= _LONGEST_LOCAL and _ASCII_LOCAL.fullmatch(local):
            try:
                domain = _domain(domain)
            except BadAddress:
                domain = ""  # `normalise` says what is wrong first
            if domain and len(local) + len(domain) < _LONGEST:
                return f"{local}@{domain}", domain
    address = normalise(text)
    return address.normalised, address.domain


def normalise_domain(text: str) -> str:
    """The domain of an address, as A-labels in lower case; BadAddress if no mail can reach one of that name."""
    if len(text) > _LONGEST_TYPED:
        raise BadAddress("long", f"a domain has at most {_LONGEST_DOMAIN} characters, this has {len(text)}")
    return _domain(text.strip(" \u00a0"))


def inspect_address(text: str) -> dict[str, str | bool | None]:
    """What `normalise` makes of it: input, valid, normalized, and the reason (code: sentence) if it is refused."""
    try:
        return {"input": text, "valid": True, "normalized": normalise(text).normalised, "reason": None}
    except BadAddress as error:
        return {"input": text, "valid": False, "normalized": None, "reason": f"{error.code}: {error}"}


def hash_address(key: bytes, normalised: str) -> str:
    """The name under which a suppression knows an address: hex HMAC-SHA-256, useless without `key`."""
    return hmac.digest(key, normalised.encode(), hashlib.sha256).hex()


def hash_addresses(key: bytes, normalised: Iterable[str]) -> dict[str, str]:
    """`hash_address` of each: RFC 2104 begun once for all of them, which costs two fifths of beginning it for each."""
    block = hashlib.sha256().block_size
    key = (hashlib.sha256(key).digest() if len(key) > block else key).ljust(block, b"\0")
    begun, ended = (hashlib.sha256(bytes(octet ^ pad for octet in key)) for pad in (0x36, 0x5C))
    hashes = {}
    for address in normalised:
        inner, outer = begun.copy(), ended.copy()
        inner.update(address.encode())
        outer.update(inner.digest())
        hashes[address] = outer.hexdigest()
    return hashes


def tidy_name(text: str) -> str:
    """A person's name as one line of at most 100 characters, without control or invisible formatting characters."""
    visible = text[:_LONGEST_TYPED]
    if not visible.isprintable():
        visible = "".join(sign if unicodedata.category(sign)[0] not in "CZ" else " " for sign in visible)
    return " ".join(visible.split())[:_LONGEST_NAME].strip()


def _check_signs(text: str) -> None:
    if not text:
        raise BadAddress("empty", "there is no address")
    if text.isascii() and _PLAIN.fullmatch(text.lower()):
        return
    kinds = {unicodedata.category(sign)[0] for sign in text}
    if "C" in kinds:
        raise BadAddress("control", "the address has a control or invisible character in it")
    for sign in text:
        if sign in _SIGNS:
            code, sentence = _SIGNS[sign]
            raise BadAddress(code, f"the address {sentence}")
    if "Z" in kinds:
        raise BadAddress("space", "the address has white space in it")


def _local(typed: str) -> str:
    local = unicodedata.normalize("NFC", unicodedata.normalize("NFC", typed).lower())
    if not _LOCAL.fullmatch(local):
        raise BadAddress("local", "the part before the @ is empty, or has a dot at its end or two in a row")
    if not local.isascii() and unicodedata.category(local[0])[0] == "M":
        raise BadAddress("local", "the part before the @ begins with a mark that needs a letter before it")
    if len(local.encode()) > _LONGEST_LOCAL:
        raise BadAddress("long", f"the part before the @ has more than {_LONGEST_LOCAL} octets")
    return local


# An import meets the same few thousand domains again and again.
@lru_cache(maxsize=16_384)
def _domain(typed: str) -> str:
    domain = _a_labels(typed.lower() if typed.isascii() else typed)
    labels = domain.split(".")
    if len(labels) < 2:
        raise BadAddress("dotless", "the domain has no dot; expected one like example.org")
    if len(domain) > _LONGEST_DOMAIN or not _DOMAIN.fullmatch(domain):
        raise BadAddress("domain", "the part after the @ is not a domain name")
    if all(label.isdecimal() for label in labels):
        raise BadAddress("literal", "the address has a network address instead of a domain")
    if labels[-1][-1].isdecimal() and "-" in labels[-1]:
        raise BadAddress("domain", f"no domain name ends in .{labels[-1]}")
    if labels[-1] in _RESERVED:
        raise BadAddress("reserved", f"no mail can reach a domain under .{labels[-1]}")
    return domain


def _a_labels(domain: str) -> str:
    if domain.isascii() and not any(label.startswith("xn--") for label in domain.split(".")):
        return domain
    try:
        encoded = idna.encode(domain, uts46=True, transitional=False, std3_rules=True).decode("ascii")
        idna.decode(encoded)
    except (idna.IDNAError, UnicodeError) as error:
        raise BadAddress("domain", "the part after the @ is not a domain name") from error
    return encoded


def _in_its_script(domain: str) -> str:
    return idna.decode(domain) if "xn--" in domain else domain
