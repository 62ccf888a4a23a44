"""When a deferred mail is tried again: exponential back-off with jitter, until it expires."""

from __future__ import annotations

from datetime import datetime, timedelta

_LONGEST = timedelta(hours=3)  # RFC 5321 section 4.5.4.1: after some tries, every two to three hours


def next_try(attempts: int, now: datetime, expires_at: datetime, first_s: int, dice: float) -> datetime | None:
    """When to try for the next time after `attempts` (>= 1) tries, or None: it expires before.

    The wait doubles from `first_s` seconds to three hours; `dice` in [0, 1) spreads it by a fifth either way, so that
    what was deferred together does not come back together.
    """
    wait = min(timedelta(seconds=first_s) * 2 ** min(attempts - 1, 20), max(_LONGEST, timedelta(seconds=first_s)))
    at = now + wait * (0.8 + 0.4 * dice)
    return at if at < expires_at else None
