"""Dates as pages write them: standards, numbers, words in many languages, and the day in an address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

EARLIEST = 1994

_MONTHS = (
    "january jan januar janvier enero ene gennaio gen januari "
    "janeiro stycznia sty leden ledna styczeń ocak января янв січня",
    "february feb februar fevrier février févr fév febrero febbraio februari "
    "fevereiro fev lutego lut února únor luty şubat февраля фев лютого",
    "march mar märz mrz maerz mars marzo maart mrt março mär marca března mart марта мар березня",
    "april apr avril abril abr aprile kwietnia kwi dubna nisan апреля апр квітня",
    "may mai mayo maggio mag mei maj maio maja května mayıs мая травня",
    "june jun juni juin junio giugno giu junho czerwca cze června haziran июня июн червня",
    "july jul juli juillet juil julio luglio lug julho lipca lip července temmuz июля июл липня",
    "august aug août aout agosto ago augustus augusti sierpnia sie srpna ağustos августа авг серпня",
    "september sep sept septembre septiembre settembre set september "
    "setembro września wrz září eylül сентября сен вересня",
    "october oct oktober okt octobre octubre ottobre ott outubro out października paź října ekim октября окт жовтня",
    "november nov novembre noviembre novembro listopada lis listopadu kasım ноября ноя листопада",
    "december dec dezember dez décembre decembre déc diciembre dic "
    "dicembre dezembro grudnia gru prosince aralık декабря дек грудня",
)  # fmt: skip
_MONTH = {name: number for number, row in reversed(list(enumerate(_MONTHS, 1))) for name in row.split()}
_ISO = re.compile(
    r"(?<!\d)((?:19|20)\d\d)-(\d\d?)-(\d\d?)(?:[T\s]+(\d\d?):(\d\d)(?::(\d\d)(?:[.,]\d+)?)?\s*(Z|UTC|GMT|[+-]\d\d:?(?:\d\d)?)?)?"
)
_COMPACT = re.compile(r"(?<!\d)((?:19|20)\d\d)(\d\d)(\d\d)(?:T?(\d\d)(\d\d)(\d\d)?)?(?!\d)")
_YEAR_FIRST = re.compile(r"(?<!\d)((?:19|20)\d\d)\s?[年./]\s?(\d\d?)\s?[月./]\s?(\d\d?)(?!\d)")
_WORDED = re.compile(
    r"(?<!\d)(\d\d?)(?:st|nd|rd|th|er|º|°|\.)?\s*(?:de\s+|of\s+|-|/)?\s*([^\W\d_]{3,12})\.?,?\s*(?:de[l]?\s+|-|/)?\s*,?\s*((?:19|20)\d\d|'\d\d)(?!\d)"
)
_AMERICAN = re.compile(r"(?<!\w)([^\W\d_]{3,12})\.?\s*(\d\d?)(?:st|nd|rd|th)?,?\s+(?:at\s+)?((?:19|20)\d\d)(?!\d)")
_NUMBERS = re.compile(r"(?<!\d)(\d\d?)\s?([./-])\s?(\d\d?)\s?[./-]\s?((?:19|20)\d\d|\d\d)(?!\d)")
_EPOCH = re.compile(r"^\s*(1\d{9})(\d{3})?(?:\.\d+)?\s*$")
_CLOCK = re.compile(r"(?<!\d)(\d\d?):(\d\d)(?::\d\d)?\s*(am|pm|a\.m\.|p\.m\.)?", re.I)
_IN_ADDRESS = re.compile(
    r"/((?:19|20)\d\d)([/_-])(0?[1-9]|1[0-2]|[a-z]{3,9})\2(0?[1-9]|[12]\d|3[01])(?=[/_.-]|$)", re.I
)
_RUN = re.compile(r"(?<!\d)(20[0-3]\d)-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])(?!\d)")
_RUN_BACK = re.compile(r"(?<!\d)(0[1-9]|[12]\d|3[01])[-.]?(0[1-9]|1[0-2])[-.]?(20[0-3]\d)(?!\d)")


@dataclass(frozen=True)
class When:
    """An instant with the zone that is written (UTC where none is), or only a day, at midnight."""

    at: datetime
    only_day: bool = False
    zoned: bool = False


def read_date(text: str, *, american: bool = False) -> When | None:
    """The first date in `text`, of the years from 1994; `american`: 3/4/2020 is in March."""
    text = text[:400]
    epoch = _EPOCH.match(text)
    if epoch:
        return When(datetime.fromtimestamp(int(epoch[1]), UTC), zoned=True)
    for read in (_iso, _mail, _worded, _numbers):
        found = read(text, american)
        if found is not None and found.at.year >= EARLIEST:
            return found
    return None


def swapped(text: str, when: When) -> date | None:
    """The other day that `text` may mean, if it has day and month as numbers with a slash or a hyphen between."""
    found = _NUMBERS.match(text.strip())
    if not found or found[2] == "." or max(int(found[1]), int(found[3])) > 12:
        return None
    return date(when.at.year, when.at.day, when.at.month)


def address_date(url: str) -> When | None:
    """The day that is part of the address."""
    path = url.partition("?")[0]
    found = _IN_ADDRESS.search(path)
    if found:
        month = found[3] if found[3].isdecimal() else str(_MONTH.get(found[3].lower(), 0))
        return _day(found[1], month, found[4])
    run = _RUN.search(path)
    if run:
        return _day(*run.groups())
    back = _RUN_BACK.search(path)
    return _day(back[3], back[2], back[1]) if back else None


def _iso(text: str, american: bool) -> When | None:
    found = _ISO.search(text)
    if not found:
        compact = _COMPACT.search(text)
        return _day(compact[1], compact[2], compact[3]) if compact and len(text.strip()) <= 25 else None
    year, month, day, hour, minute, second, zone = found.groups()
    if hour is None:
        return _day(year, month, day)
    try:
        at = datetime(
            int(year), int(month), int(day), int(hour) % 24, int(minute), int(second or 0), tzinfo=_zone(zone)
        )
    except ValueError:
        return _day(year, month, day)
    if zone is None and (at.hour, at.minute, at.second) == (0, 0, 0):
        return When(at.replace(tzinfo=UTC), only_day=True)
    return When(at, zoned=zone is not None)


def _zone(text: str | None) -> timezone:
    if not text or text in ("Z", "UTC", "GMT"):
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:4]))
    return timezone(-offset if text[0] == "-" else offset) if offset < timedelta(hours=24) else UTC


def _mail(text: str, american: bool) -> When | None:
    if not re.match(r"\s*[A-Za-z]{3},?\s", text):
        return None
    try:
        found = parsedate_to_datetime(text.strip())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return When(found if found.tzinfo else found.replace(tzinfo=UTC), zoned=found.tzinfo is not None)


def _worded(text: str, american: bool) -> When | None:
    east = _YEAR_FIRST.search(text)
    if east:
        return _day(*east.groups())
    for pattern, order in ((_WORDED, (3, 2, 1)), (_AMERICAN, (3, 1, 2))):
        for found in pattern.finditer(text):
            name = found[order[1]].lower()
            month = _MONTH.get(name) or (_MONTH.get(name[:3]) if len(name) > 3 else None)
            if month:
                return _day(found[order[0]].replace("'", "20"), str(month), found[order[2]])
    return None


def _numbers(text: str, american: bool) -> When | None:
    for found in _NUMBERS.finditer(text):
        first, sign, second, year = found.groups()
        month_first = (american and sign != "." and int(first) <= 12) or int(second) > 12
        day, month = (second, first) if month_first else (first, second)
        when = _day(year if len(year) == 4 else f"20{year}", month, day)
        if when:
            return when
    return None


def _day(year: str, month: str, day: str) -> When | None:
    try:
        found = date(int(year), int(month), int(day))
    except ValueError:
        return None
    return When(datetime(found.year, found.month, found.day, tzinfo=UTC), only_day=True)
