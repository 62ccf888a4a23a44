"""Of the dates on a page the one of publication: the best evidence, settled by what readers see."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta, timezone

from digest.gather.pages import weights
from digest.gather.pages.clues import Clues
from digest.gather.pages.dates import When, address_date, read_date, swapped
from digest.gather.urls import host

STATED = 95  # weight of the two that most sites state: linked data and article:published_time
WEAKER = 60  # weight below which the day in the address is better

_MONTH_FIRST = re.compile(r"^en(?:[-_](?:us|ph|ca))?$", re.I)
_DAY_FIRST = (".uk", ".au", ".ie", ".nz", ".in")
_SEEN = ("time", "time.published", "class.published", "class.date", "text")
_HOURS = {"ja": 9, "jp": 9, "ko": 9, "kr": 9, "th": 7, "vi": 7, "vn": 7}  # one zone, and no summer time


@dataclass(frozen=True)
class Told:
    """A date as one piece of evidence tells it."""

    evidence: str
    text: str
    when: When

    @property
    def day(self) -> date:
        return self.when.at.date()


def published(clues: Clues, url: str, language: str | None) -> When | None:
    """When it was published, in the zone that the page names, else in that of its language if it has but one."""
    american = bool(_MONTH_FIRST.match(language or "en")) and not host(url).endswith(_DAY_FIRST)
    told = list(_told(clues, american))
    in_address = address_date(url)
    best = next(iter(told), None)
    if best is None or (weights.DATE[best.evidence] < WEAKER and in_address):
        return in_address and _at_home(in_address, language, url)
    return _at_home(_settled(_seen(best, told), told), language, url)


def _told(clues: Clues, american: bool) -> Iterator[Told]:
    for evidence, text in clues.ranked("date", weights.DATE):
        when = read_date(text, american=american)
        if when is not None:
            yield Told(evidence, text, when)


def _seen(best: Told, told: list[Told]) -> Told:
    """Of stated times that contradict each other, the one whose day readers see."""
    stated = [one for one in told if weights.DATE[one.evidence] >= STATED]
    seen = {one.day for one in told if one.evidence in _SEEN}
    if best.day in seen or len({one.day for one in stated}) < 2:
        return best
    return next((one for one in stated if one.day in seen), best)


def _settled(best: Told, told: list[Told]) -> When:
    """3/4 is in March or in April, as the other dates of the page say."""
    other = swapped(best.text, best.when)
    days = {one.day for one in told if swapped(one.text, one.when) is None}
    if other is None or best.day in days or other not in days:
        return best.when
    return replace(best.when, at=best.when.at.replace(month=other.month, day=other.day))


def _at_home(when: When, language: str | None, url: str) -> When:
    """A clock without a zone is that of the country where the language is spoken, if that has one zone."""
    hours = _HOURS.get((language or "")[:2].lower()) or _HOURS.get(host(url).rpartition(".")[2])
    if when.zoned or hours is None:
        return when
    return replace(when, at=when.at.replace(tzinfo=timezone(timedelta(hours=hours))))
