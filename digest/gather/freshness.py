"""How long servers say that an answer holds, and when to come back (RFC 9111, RFC 9110 10.2.3). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

LONGEST = timedelta(days=7)  # that we stay away


def fresh_s(headers: Mapping[str, str], now: datetime) -> int | None:
    """For how many seconds from now the answer is fresh, by Cache-Control before Expires; None if it doesn't say."""
    control = headers.get("cache-control", "")
    if re.search(r"(?i)\bno-(?:cache|store)\b", control):
        return None
    found = re.search(r"(?i)(?<![\w-])max-age\s*=\s*\"?(\d{1,9})", control)
    if found:
        age = headers.get("age", "").strip()
        return max(0, int(found[1]) - (int(age[:9]) if age.isdecimal() and age.isascii() else 0))
    expires = _date(headers.get("expires", ""))
    if expires is None:
        return None
    return max(0, int((expires - (_date(headers.get("date", "")) or now)).total_seconds()))


def retry_at(value: str, now: datetime) -> datetime | None:
    """When Retry-After (seconds or a date) says to come back, at most a week ahead; None if it says nothing."""
    value = value.strip()
    if value.isdecimal() and value.isascii():
        return now + min(timedelta(seconds=int(value[:9])), LONGEST)
    found = _date(value)
    return min(max(found, now), now + LONGEST) if found else None


def _date(value: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(value)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
