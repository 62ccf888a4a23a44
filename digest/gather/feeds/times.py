"""Times as feeds write them."""

from __future__ import annotations

import re
from calendar import timegm
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

# Months as newsrooms write them by hand, of the languages whose feeds were met; English ones come first.
_MONTHS = (
    "jan ene gen",
    "feb fév fev",
    "mar mrt mär maa",
    "apr abr avr",
    "may mai mag mei maj",
    "jun juin giu",
    "jul juil lug",
    "aug ago aoû aou",
    "sep set",
    "oct okt ott out",
    "nov",
    "dec dic déc dez",
)
_MONTH = {start: number for number, row in enumerate(_MONTHS, 1) for start in row.split()}
_ENGLISH = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_WORDED = re.compile(r"(?:[^\W\d]+\.?,?\s+)?(\d{1,2})\.?\s+([^\W\d]{3,})\.?\s+(\d{4})\s+(\d\d?:\d\d(?::\d\d)?)\s*(\S*)")


def from_struct(value: Any) -> datetime | None:
    """The instant of a UTC struct_time, aware; None if it is none."""
    try:
        return datetime.fromtimestamp(timegm(value), UTC) if value else None
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def from_text(value: object) -> datetime | None:
    """The instant written as RFC 3339 or RFC 5322, aware UTC; a time without a zone counts as UTC.

    RFC 5322's names of months may be those of other languages.
    """
    text = value.strip()[:100] if isinstance(value, str) else ""
    return (_standard(text) or _standard(_in_english(text))) if text else None


def _standard(text: str) -> datetime | None:
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            found = read(text)
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, TypeError, OverflowError, IndexError):
            continue
    return None


def _in_english(text: str) -> str:
    """A date in words of another language as RFC 5322 has it; empty if it is none."""
    found = _WORDED.fullmatch(text)
    month = found and (_MONTH.get(found[2][:4].lower()) or _MONTH.get(found[2][:3].lower()))
    if not found or not month:
        return ""
    return f"{found[1]} {_ENGLISH[month - 1]} {found[3]} {found[4]} {found[5] or '+0000'}"
