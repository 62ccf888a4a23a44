"""When an edition is due: schedules in words or as cron lines, in a zone, over every change of its clocks.

A schedule names local dates and times; each is one `Slot`, known by its local text for ever (Z-06). What the zone
does to the clocks decides only the instant:

* a time that the clocks jump over runs at the instant by the offset before the jump (RFC 5545 section 3.3.5 as
  erratum 4271 reads it, Z-02, Z-04): 02:30 becomes 03:30, never nothing;
* a time that comes twice runs at the first (Z-03);
* the times of a date that a zone left out altogether (Apia, 30 December 2011) run when the next date begins (Z-05);
* slots that fall on one instant by this are one: the one that the clock on the wall shows, else the earliest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONG_WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_GROUPS = {"daily": "sun-sat", "weekdays": "mon-fri", "weekends": "sat,sun"}
_WALL = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)", re.ASCII)
_MOST_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

# The rarest days are twelve years apart at most: a date that is one weekday too ("0 7 */31 2 mon"), over the year 2100.
_WINDOWS_DAYS = tuple(2**power for power in range(1, 14))


@dataclass(frozen=True)
class Rule:
    """The local dates and times of a schedule; made by `parse_schedule` only."""

    times: tuple[time, ...]  # ascending
    months: frozenset[int]
    monthdays: frozenset[int]
    weekdays: frozenset[int]  # 0 is Sunday, as in a cron line
    either: bool = False  # day of month or day of week is enough

    def matches(self, day: date) -> bool:
        """Whether the schedule has slots on this local date."""
        by_month = day.day in self.monthdays
        by_week = day.isoweekday() % 7 in self.weekdays
        return day.month in self.months and (by_month or by_week if self.either else by_month and by_week)


@dataclass(frozen=True)
class Slot:
    """A local date and time that an issue is due at, and the instant that is."""

    local: str  # "2026-11-27T07:00": the key of an issue within its edition
    at: datetime  # UTC


def parse_schedule(text: str) -> Rule:
    """The rule that "fri 07:00", "mon,thu 07:00", "weekdays 07:00", "daily 06:30" or a cron line of five fields means.

    Cron fields take names, lists, ranges and steps; where day of month and day of week are both restricted, either is
    enough, as in Vixie's cron. ValueError with one sentence for anything else, and for days that no year has.
    """
    words = text.lower().split()
    if len(words) == 2 and (wall := _WALL.fullmatch(words[1])):
        at = time(int(wall[1]), int(wall[2]))
        return Rule((at,), _every(1, 12), _every(1, 31), _named_days(words[0], text))
    if len(words) == 5:
        return _cron(words, text)
    raise ValueError(f'expected a schedule such as "fri 07:00" or a cron line of five fields, got {text!r}')


def next_run(after: datetime, rule: Rule, zone: ZoneInfo) -> Slot:
    """The first slot later than the instant `after`."""
    for days in _WINDOWS_DAYS:
        if found := slots_between(after, after + days * _DAY, rule, zone):
            return found[0]
    raise AssertionError("a rule has a slot in every twelve years")


def previous_run(at: datetime, rule: Rule, zone: ZoneInfo) -> Slot:
    """The last slot at the instant `at` or earlier."""
    for days in _WINDOWS_DAYS:
        if found := slots_between(at - days * _DAY, at, rule, zone):
            return found[-1]
    raise AssertionError("a rule has a slot in every twelve years")


def slots_between(start: datetime, end: datetime, rule: Rule, zone: ZoneInfo) -> list[Slot]:
    """The slots later than `start` and not later than `end`, strictly ascending by instant."""
    # A left-out date moves its slots, and those it may coincide with, by a day: look one further on both sides.
    first = start.astimezone(zone).date() - 2 * _DAY
    last = end.astimezone(zone).date() + _DAY
    chosen: dict[datetime, tuple[bool, datetime]] = {}
    for local in _locals(first, last, rule):
        at = _instant(local, zone)
        if start < at <= end:
            moved = at.astimezone(zone).replace(tzinfo=None) != local
            chosen[at] = min(chosen.get(at, (moved, local)), (moved, local))
    return [Slot(chosen[at][1].isoformat(timespec="minutes"), at) for at in sorted(chosen)]


def _locals(first: date, last: date, rule: Rule) -> Iterator[datetime]:
    for number in range((last - first).days + 1):
        day = first + number * _DAY
        if rule.matches(day):
            yield from (datetime.combine(day, at) for at in rule.times)


def _instant(local: datetime, zone: ZoneInfo) -> datetime:
    # fold=0 is both the offset before a jump and the first of two occurrences.
    at = local.replace(tzinfo=zone).astimezone(UTC)
    shown = at.astimezone(zone)
    if shown.replace(tzinfo=None) - local >= _DAY:
        return datetime.combine(shown.date(), time.min, zone).astimezone(UTC)
    return at


@dataclass(frozen=True)
class _Field:
    what: str
    low: int
    high: int
    names: tuple[str, ...] = ()  # of `low` and the values after it


_MINUTE = _Field("minute", 0, 59)
_HOUR = _Field("hour", 0, 23)
_MONTHDAY = _Field("day of month", 1, 31)
_MONTH = _Field("month", 1, 12, _MONTHS)
_WEEKDAY = _Field("day of week", 0, 7, _WEEKDAYS)


def _named_days(word: str, text: str) -> frozenset[int]:
    if any(letter.isdigit() for letter in word):
        raise ValueError(f'expected the days of schedule {text!r} by name, such as "mon,thu"')
    return _weekdays(_GROUPS.get(word, word), text)


def _cron(words: list[str], text: str) -> Rule:
    minute, hour, monthday, month, weekday = words
    minutes = sorted(_values(minute, _MINUTE, text))
    hours = sorted(_values(hour, _HOUR, text))
    rule = Rule(
        times=tuple(time(one_hour, one_minute) for one_hour in hours for one_minute in minutes),
        months=_values(month, _MONTH, text),
        monthdays=_values(monthday, _MONTHDAY, text),
        weekdays=_weekdays(weekday, text),
        # A field that begins with a star restricts nothing in this respect, "*/2" included: so does Vixie's cron.
        either=not monthday.startswith("*") and not weekday.startswith("*"),
    )
    if not rule.either and not any(_MOST_DAYS[one - 1] >= min(rule.monthdays) for one in rule.months):
        raise ValueError(f"no year has a day that schedule {text!r} asks for")
    return rule


def _weekdays(field: str, text: str) -> frozenset[int]:
    for long, short in zip(_LONG_WEEKDAYS, _WEEKDAYS, strict=True):
        field = field.replace(long, short)
    # Sunday ends a week as well as it begins one: fri-sun is 5-7.
    field = re.sub(r"-sun\b", "-7", field)
    return frozenset(day % 7 for day in _values(field, _WEEKDAY, text))


def _values(words: str, field: _Field, text: str) -> frozenset[int]:
    values: set[int] = set()
    for part in words.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = (str(field.low), "-", str(field.high)) if span == "*" else span.partition("-")
        begin = _number(first, field)
        end = _number(last, field) if dash else begin
        # A step wants a range to step through: what "5/15" means differs from cron to cron.
        every = 1 if not slash else _number(step, _MINUTE) if dash else None
        if begin is None or end is None or not every or not field.low <= begin <= end <= field.high:
            by_name = f" or {field.names[0]} to {field.names[-1]}" if field.names else ""
            raise ValueError(
                f"expected the {field.what} of schedule {text!r} as {field.low} to {field.high}{by_name}, got {part!r}"
            )
        values.update(range(begin, end + 1, every))
    return frozenset(values)


def _number(word: str, field: _Field) -> int | None:
    if word in field.names:
        return field.names.index(word) + field.low
    return int(word) if word.isascii() and word.isdigit() and len(word) <= 2 else None


def _every(first: int, last: int) -> frozenset[int]:
    return frozenset(range(first, last + 1))
