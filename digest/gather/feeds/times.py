"""Times as feeds write them."""

from __future__ import annotations

from calendar import timegm
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any


def from_struct(value: Any) -> datetime | None:
    """The instant of a UTC struct_time, aware; None if it is none."""
    try:
        return datetime.fromtimestamp(timegm(value), UTC) if value else None
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def from_text(value: object) -> datetime | None:
    """The instant written as RFC 3339 or RFC 5322, aware UTC; a time without a zone counts as UTC."""
    if not isinstance(value, str) or not value.strip():
        return None
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            found = read(value.strip())
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, TypeError, OverflowError, IndexError):
            continue
    return None
