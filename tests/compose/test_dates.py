"""The names of days and months that are kept are those that CLDR has."""

from __future__ import annotations

from babel.dates import get_day_names, get_month_names

from digest.compose.dates import DAYS, LANGUAGES, MONTHS
from digest.compose.words import words


def test_every_language_has_its_days_and_months() -> None:
    for language in LANGUAGES:
        days = get_day_names("wide", locale=language)
        months = get_month_names("wide", locale=language)
        for number in range(7):
            assert language == "he" or DAYS[words(days[number])[0]] & 1 << number
        for number in range(12):
            assert MONTHS[words(months[number + 1])[0]] & 1 << number


def test_a_name_that_says_nothing_is_none() -> None:
    assert "יום" not in DAYS
    assert max(DAYS.values()) < 1 << 7 and max(MONTHS.values()) < 1 << 12
    assert MONTHS["marca"] == 1 << 2 and DAYS["sobota"] == 1 << 5
