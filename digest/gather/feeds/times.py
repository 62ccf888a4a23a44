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


# Minutes east of UTC, for names that feedparser takes for UTC; where two zones share one, the one with more feeds.
_ZONES = {
    "WET": 0, "WEST": 60, "BST": 60, "CET": 60, "CEST": 120, "EET": 120, "EEST": 180, "MSK": 180, "SAST": 120,
    "IST": 330, "PKT": 300, "HKT": 480, "SGT": 480, "AWST": 480, "JST": 540, "KST": 540, "AEST": 600, "AEDT": 660,
    "NZST": 720, "NZDT": 780, "BRT": -180, "ART": -180,
}  # fmt: skip
_ZONE = re.compile(r"\s*\b(?:(?:GMT|UTC)\s?([+-])(\d{1,2}):?(\d\d)?|([A-Z]{3,4}))$")
_TWELVE = re.compile(r"\b(1[0-2]|0?[1-9]):(\d\d)(:\d\d)?\s?([AaPp])\.?[Mm]\b\.?")
_DOTTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?:,?\s+(\d\d?:\d\d)(?::\d\d)?)?")
_AMERICAN = re.compile(r"(?:[A-Z][a-z]{2,8},?\s+)?([A-Z][a-z]{2})[a-z]*\.?\s+(\d{1,2}),?\s+(\d{4})\b,?(.*)")
_SECONDS = re.compile(r"\d{10}(?:\d{3})?")


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


def from_irregular(value: object) -> datetime | None:
    """The instant of a time that feedparser would misread, aware UTC: odd zones, AM and PM, seconds since 1970."""
    text = value.strip()[:100] if isinstance(value, str) else ""
    if _SECONDS.fullmatch(text):
        return datetime.fromtimestamp(int(text[:10]), UTC)
    spelled = _ZONE.sub(_offset, _TWELVE.sub(_twenty_four, text))
    spelled = _DOTTED.sub(_iso, _AMERICAN.sub(r"\2 \1 \3\4", spelled))
    return from_text(spelled if ":" in spelled else f"{spelled} 00:00") if spelled != text else None


def _offset(found: re.Match[str]) -> str:
    sign, hours, minutes, name = found.groups()
    if name:
        east = _ZONES.get(name)
        return found[0] if east is None else f" {'-' if east < 0 else '+'}{abs(east) // 60:02}{abs(east) % 60:02}"
    return f" {sign}{int(hours):02}{minutes or '00'}"


def _twenty_four(found: re.Match[str]) -> str:
    return f"{int(found[1]) % 12 + 12 * (found[4] in 'Pp'):02}:{found[2]}{found[3] or ''}"


def _iso(found: re.Match[str]) -> str:
    return f"{found[3]}-{int(found[2]):02}-{int(found[1]):02} {(found[4] or '0:00').zfill(5)}"


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
