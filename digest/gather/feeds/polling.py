"""How often a feed wants to be looked at: RSS `ttl`, `skipHours`, `skipDays`, and the syndication module's period."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

MAX_TTL_S = 7 * 86_400  # a feed that asks for more would be forgotten

_PERIODS = {"hourly": 3_600, "daily": 86_400, "weekly": 604_800, "monthly": 2_592_000, "yearly": 31_536_000}
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NUMBER = re.compile(r"\s*(\d{1,9})(?:\.\d*)?\s*")


@dataclass(frozen=True)
class Wishes:
    """What a feed asks of those who poll it."""

    ttl_s: int | None = None
    skip_hours: frozenset[int] = frozenset()
    skip_days: frozenset[int] = frozenset()


def wishes(feed: Mapping[str, Any]) -> Wishes:
    """The wishes in a feed's own elements; one that leaves no hour or no day at all is none."""
    asked = [seconds for seconds in (_ttl(feed), _period(feed)) if seconds]
    return Wishes(
        min(max(asked), MAX_TTL_S) if asked else None,
        _some(
            (hour % 24 for hour in map(_number, _texts(feed, "digest_hours")) if hour is not None and hour <= 24), 24
        ),
        _some((_DAYS.index(day) for day in map(_day, _texts(feed, "digest_days")) if day in _DAYS), 7),
    )


def _ttl(feed: Mapping[str, Any]) -> int | None:
    minutes = _number(feed.get("ttl"))
    return 60 * minutes if minutes else None


def _period(feed: Mapping[str, Any]) -> int | None:
    """Seconds between two looks by `sy:updatePeriod` (daily if it isn't said) and `sy:updateFrequency` (once)."""
    name, times = feed.get("sy_updateperiod"), feed.get("sy_updatefrequency")
    if not isinstance(name, str) and not isinstance(times, str):
        return None
    period = _PERIODS.get(str(name or "daily").strip().lower())
    return period // max(_number(times) or 1, 1) if period else None


def _some(found: Iterable[int], all_of_them: int) -> frozenset[int]:
    kept = frozenset(found)
    return kept if len(kept) < all_of_them else frozenset()


def _texts(feed: Mapping[str, Any], key: str) -> list[str]:
    value = feed.get(key)
    return value if isinstance(value, list) else []


def _day(text: str) -> str:
    return text.strip().lower()


def _number(value: object) -> int | None:
    found = _NUMBER.fullmatch(value) if isinstance(value, str) else None
    return int(found[1]) if found else None
