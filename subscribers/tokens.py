"""Signed tokens for links: opaque, scoped to one purpose, one person and one list; they work as long as a key is kept.

A token is base64url(purpose byte + payload + 16 bytes of HMAC-SHA-256), so it holds no address and no number that
counts people (H-03, S-B12); the payload is the person's random handle and the list's id or the number of a
confirmation or a mailed link.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, field
from enum import IntEnum

HANDLE_BYTES = 12
_MAC_BYTES = 16
_LONGEST = 200


class Purpose(IntEnum):
    """What a token may do; never anything else."""

    UNSUBSCRIBE = 1
    CONFIRM = 2
    DECLINE = 3
    PREFERENCES = 4
    ACCOUNT = 5  # the subject is the number of a mailed link
    MOVE = 6  # likewise


@dataclass(frozen=True)
class KeyRing:
    """The secret that signs now, and the old ones that still verify."""

    secret: str = field(repr=False)
    old: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Claim:
    """What a valid token says: for this purpose, this person, this subject (a list id, or a number)."""

    purpose: Purpose
    handle: bytes
    subject: str


def sign(keys: KeyRing, claim: Claim) -> str:
    """The token for `claim`: URL-safe ASCII, equal for equal input."""
    payload = bytes([claim.purpose]) + claim.handle + claim.subject.encode()
    return base64.urlsafe_b64encode(payload + _mac(keys.secret, payload)).rstrip(b"=").decode()


def read(keys: KeyRing, purpose: Purpose, token: str) -> Claim | None:
    """What `token` claims, or None when it is forged, cut, for another purpose or signed by a key no longer kept."""
    raw = _decode(token)
    if raw is None or len(raw) <= 1 + HANDLE_BYTES + _MAC_BYTES or raw[0] != purpose:
        return None
    payload, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
    # Every key is tried, so that the time taken does not tell which one signed.
    fits = [hmac.compare_digest(_mac(secret, payload), mac) for secret in (keys.secret, *keys.old)]
    if not any(fits):
        return None
    return Claim(purpose, payload[1 : 1 + HANDLE_BYTES], payload[1 + HANDLE_BYTES :].decode(errors="replace"))


def _decode(token: str) -> bytes | None:
    if len(token) > _LONGEST or not token.isascii():
        return None
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    # base64 ignores the spare bits of the last letter: only the one spelling that we write is the token.
    return raw if base64.urlsafe_b64encode(raw).rstrip(b"=") == token.encode() else None


def _mac(secret: str, payload: bytes) -> bytes:
    return hmac.digest(secret.encode(), b"digest link v1\0" + payload, hashlib.sha256)[:_MAC_BYTES]
