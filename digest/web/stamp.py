"""When a form was shown, signed into the form: a robot that posts at once, or from a list, shows itself (S-B15)."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from subscribers.tokens import KeyRing

QUICKEST = timedelta(seconds=3)
LONGEST = timedelta(hours=24)


class Age(StrEnum):
    """What a stamp says about the form it came with."""

    GOOD = "good"
    TOO_QUICK = "too quick"  # no person types that fast
    STALE = "stale"  # too old, forged, or not there


def stamp(keys: KeyRing, now: datetime) -> str:
    """The moment `now`, to the second, signed."""
    moment = str(int(now.timestamp()))
    return f"{moment}.{_mac(keys.secret, moment)}"


def age(keys: KeyRing, text: str, now: datetime, quickest: timedelta = QUICKEST) -> Age:
    """Whether the form stamped with `text` was shown between `quickest` and 24 hours before `now`."""
    moment, _, mac = text.partition(".")
    if not (moment.isascii() and moment.isdigit() and len(moment) <= 12 and mac.isascii()):
        return Age.STALE
    fits = [hmac.compare_digest(_mac(secret, moment), mac) for secret in (keys.secret, *keys.old)]
    if not any(fits):
        return Age.STALE
    passed = now - datetime.fromtimestamp(int(moment), UTC)
    if passed > LONGEST:
        return Age.STALE
    return Age.GOOD if passed >= quickest else Age.TOO_QUICK


def _mac(secret: str, moment: str) -> str:
    return hmac.digest(secret.encode(), b"digest form v1\0" + moment.encode(), hashlib.sha256)[:16].hex()
