"""Slots over every change of the clocks: rows Z-01 to Z-05 and Z-08 of the standards, R-35 of the reliability plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.timetable import Rule, Slot, next_run, parse_schedule, previous_run, slots_between

DAY = timedelta(days=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def shown(slot: Slot) -> str:
    return f"{slot.local} {slot.at:%Y-%m-%dT%H:%MZ}"


# --- what a schedule means


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        ("fri 07:00", "2026-11-20T06:00", "2026-11-20T07:00"),
        ("fri 07:00", "2026-11-20T07:00", "2026-11-27T07:00"),  # later than, never at
        ("Friday 7:00", "2026-11-20T06:00", "2026-11-20T07:00"),
        ("mon,thu 07:00", "2026-11-20T06:00", "2026-11-23T07:00"),
        ("mon,thu 07:00", "2026-11-23T07:00", "2026-11-26T07:00"),
        ("fri-sun 07:00", "2026-11-20T08:00", "2026-11-21T07:00"),
        ("sat-sun 07:00", "2026-11-21T08:00", "2026-11-22T07:00"),
        ("daily 06:30", "2026-11-20T06:30", "2026-11-21T06:30"),
        ("weekdays 07:00", "2026-11-20T07:00", "2026-11-23T07:00"),
        ("weekends 07:00", "2026-11-20T07:00", "2026-11-21T07:00"),
        ("0 7 * * 5", "2026-11-20T07:00", "2026-11-27T07:00"),
        ("0 7 * * fri", "2026-11-20T07:00", "2026-11-27T07:00"),
        ("0 7 * * 0", "2026-11-20T07:00", "2026-11-22T07:00"),
        ("0 7 * * 7", "2026-11-20T07:00", "2026-11-22T07:00"),
        ("30 6 1 * *", "2026-11-20T07:00", "2026-12-01T06:30"),
        ("30 6 31 * *", "2026-11-20T07:00", "2026-12-31T06:30"),
        ("0 7 29 feb *", "2026-11-20T07:00", "2028-02-29T07:00"),
        ("0 7 29 2 *", "2096-03-01T00:00", "2104-02-29T07:00"),  # eight years: 2100 has no such day
        ("0 7 */31 2 mon", "2094-01-01T00:00", "2094-02-01T07:00"),
        ("0 7 */31 2 mon", "2094-02-02T00:00", "2100-02-01T07:00"),
        ("0,30 7 * * *", "2026-11-20T07:00", "2026-11-20T07:30"),
        ("*/20 7-8 * * *", "2026-11-20T07:40", "2026-11-20T08:00"),
        ("0 8-18/5 * * *", "2026-11-20T13:00", "2026-11-20T18:00"),
        ("0 7 13 * fri", "2026-11-08T00:00", "2026-11-13T07:00"),  # both restricted: either is enough
        ("0 7 13 * fri", "2026-11-13T07:00", "2026-11-20T07:00"),
        ("0 7 13 * fri", "2026-12-11T07:00", "2026-12-13T07:00"),
        ("0 7 */2 * fri", "2026-11-20T07:00", "2026-11-27T07:00"),  # a star restricts nothing: both are asked for
        ("0 7 */2 * fri", "2026-11-27T07:00", "2026-12-11T07:00"),
    ],
)
def test_schedules_in_words_and_as_cron_lines(schedule: str, after: str, expected: str) -> None:
    assert next_run(utc(after), parse_schedule(schedule), ZoneInfo("UTC")).local == expected


@pytest.mark.parametrize(
    ("schedule", "sentence"),
    [
        ("", 'expected a schedule such as "fri 07:00" or a cron line of five fields'),
        ("friday", 'expected a schedule such as "fri 07:00"'),
        ("fri 24:00", 'expected a schedule such as "fri 07:00"'),
        ("fri 07:60", 'expected a schedule such as "fri 07:00"'),
        ("fri ٠٧:٠٠", 'expected a schedule such as "fri 07:00"'),
        ("@weekly", "a cron line of five fields"),
        ("0 7 * * fri *", "a cron line of five fields"),
        ("5 07:00", "by name"),
        ("fry 07:00", "expected the day of week of schedule 'fry 07:00' as 0 to 7 or sun to sat, got 'fry'"),
        ("fri, 07:00", "the day of week"),
        ("fri-mon 07:00", "got 'fri-mon'"),
        ("60 7 * * *", "expected the minute of schedule '60 7 * * *' as 0 to 59, got '60'"),
        ("0 24 * * *", "the hour of schedule '0 24 * * *' as 0 to 23"),
        ("0 7 0 * *", "the day of month"),
        ("0 7 * 13 *", "as 1 to 12 or jan to dec"),
        ("0 7 * * 8", "the day of week"),
        ("*/0 7 * * *", "got '*/0'"),
        ("5/15 7 * * *", "got '5/15'"),
        ("9-5 7 * * *", "got '9-5'"),
        ("1- 7 * * *", "got '1-'"),
        ("¹ 7 * * *", "the minute"),
        ("0 7 31 2 *", "no year has a day that schedule '0 7 31 2 *' asks for"),
        ("0 7 31 4,6,9,11 *", "no year has a day"),
    ],
)
def test_other_schedules_are_refused_with_one_sentence(schedule: str, sentence: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_schedule(schedule)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


# --- the clocks change


@pytest.mark.parametrize(
    ("zone", "schedule", "after", "expected"),
    [
        # skipped: the instant by the offset before (Z-02)
        ("Europe/Berlin", "sun 02:30", "2026-03-28T00:00", "2026-03-29T02:30 2026-03-29T01:30Z"),
        ("America/New_York", "sun 02:30", "2026-03-07T00:00", "2026-03-08T02:30 2026-03-08T07:30Z"),
        ("Australia/Lord_Howe", "sun 02:15", "2026-10-03T00:00", "2026-10-04T02:15 2026-10-03T15:45Z"),
        ("Africa/Cairo", "fri 00:30", "2026-04-23T00:00", "2026-04-24T00:30 2026-04-23T22:30Z"),
        # repeated: the first (Z-03)
        ("America/New_York", "sun 01:30", "2026-10-31T12:00", "2026-11-01T01:30 2026-11-01T05:30Z"),
        ("America/New_York", "sun 01:30", "2026-11-01T05:30", "2026-11-08T01:30 2026-11-08T06:30Z"),
        ("Europe/Berlin", "sun 02:30", "2026-10-24T12:00", "2026-10-25T02:30 2026-10-25T00:30Z"),
        ("Australia/Lord_Howe", "sun 01:45", "2026-04-04T12:00", "2026-04-05T01:45 2026-04-04T14:45Z"),
        # a date left out: when the next one begins (Z-05)
        ("Pacific/Apia", "fri 07:00", "2011-12-29T20:00", "2011-12-30T07:00 2011-12-30T10:00Z"),
        ("Pacific/Apia", "daily 07:00", "2011-12-30T10:00", "2011-12-31T07:00 2011-12-30T17:00Z"),
        ("Pacific/Kwajalein", "sat 07:00", "1993-08-20T20:00", "1993-08-21T07:00 1993-08-21T12:00Z"),
        # the same wall time in summer and winter is another instant (Z-01)
        ("Europe/Berlin", "fri 07:00", "2026-10-22T12:00", "2026-10-23T07:00 2026-10-23T05:00Z"),
        ("Europe/Berlin", "fri 07:00", "2026-10-23T12:00", "2026-10-30T07:00 2026-10-30T06:00Z"),
    ],
)
def test_runs_over_changes_of_the_clocks(zone: str, schedule: str, after: str, expected: str) -> None:
    assert shown(next_run(utc(after), parse_schedule(schedule), ZoneInfo(zone))) == expected


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("Europe/Berlin", "2026-03-29"),
        ("Europe/Berlin", "2026-10-25"),
        ("America/New_York", "2026-03-08"),
        ("America/New_York", "2026-11-01"),
        ("Australia/Lord_Howe", "2026-10-04"),
        ("Australia/Lord_Howe", "2026-04-05"),
    ],
)
@pytest.mark.parametrize("wall", ["00:00", "01:30", "01:45", "02:00", "02:15", "02:30", "03:00", "23:59"])
def test_a_day_of_change_has_one_edition(zone: str, day: str, wall: str) -> None:
    middle = utc(f"{day}T12:00")
    rule = parse_schedule(f"daily {wall}")
    found = slots_between(middle - 3 * DAY, middle + 3 * DAY, rule, ZoneInfo(zone))
    assert [slot.local for slot in found].count(f"{day}T{wall}") == 1


def test_slots_on_one_instant_are_one() -> None:
    # 02:00 and 02:30 do not exist and would run with 03:00 and 03:30.
    found = slots_between(
        utc("2026-03-29T00:00"), utc("2026-03-29T01:30"), parse_schedule("*/30 * * * *"), ZoneInfo("Europe/Berlin")
    )
    assert [slot.local[11:] for slot in found] == ["01:30", "03:00", "03:30"]


def test_a_date_left_out_runs_once_whatever_its_times() -> None:
    found = slots_between(
        utc("2011-12-30T09:59"), utc("2011-12-30T10:00"), parse_schedule("0 6-9 30 12 *"), ZoneInfo("Pacific/Apia")
    )
    assert [slot.local for slot in found] == ["2011-12-30T06:00"]


def test_a_zone_change_moves_the_run() -> None:
    rule, after = parse_schedule("fri 07:00"), utc("2026-11-26T00:00")
    assert shown(next_run(after, rule, ZoneInfo("Asia/Kathmandu"))) == "2026-11-27T07:00 2026-11-27T01:15Z"
    assert shown(next_run(after, rule, ZoneInfo("America/Los_Angeles"))) == "2026-11-27T07:00 2026-11-27T15:00Z"


# --- all zones, all changes


@dataclass(frozen=True)
class Change:
    at: datetime
    before: timedelta
    after: timedelta


@cache
def changes() -> dict[str, tuple[Change, ...]]:
    """Every change of an offset from 1970 to 2037, found by asking each zone for its offsets, not for its table."""
    return {zone: tuple(_changes(zone)) for zone in sorted(available_timezones())}


def _changes(name: str) -> Iterator[Change]:
    zone, end = ZoneInfo(name), utc("2038-01-01T00:00")
    at = utc("1970-01-01T00:00")
    offset = at.astimezone(zone).utcoffset()
    while at < end:
        later = at + 7 * DAY
        if later.astimezone(zone).utcoffset() != offset:
            low, high = at, later  # changes that undo each other within a week are rare and no harder
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) // 2
                middle = middle.replace(microsecond=0)
                low, high = (middle, high) if middle.astimezone(zone).utcoffset() == offset else (low, middle)
            now = high.astimezone(zone).utcoffset()
            assert offset is not None and now is not None
            yield Change(high, offset, now)
            at, offset = high, now
            continue
        at = later


def expected(change: Change, local: datetime) -> datetime:
    """The instant of a local time near a change by the two offsets alone: an oracle that knows no zoneinfo."""
    before, after = (local - offset for offset in (change.before, change.after))
    moment = change.at.replace(tzinfo=None)
    if before < moment:
        return before  # the only one, or the first of two
    if after >= moment:
        return after
    whole_days = change.after - change.before >= DAY
    return moment if whole_days else before


@pytest.mark.slow
def test_every_zone_and_every_change_has_one_run_for_each_date(capsys: pytest.CaptureFixture[str]) -> None:
    # Zones that change alike (many are one zone by several names) are asked once.
    alike = {of_zone: name for name, of_zone in changes().items()}
    cases, violations = 0, []
    for of_zone, name in alike.items():
        for change in of_zone:
            for found, local, at in runs_around(change, ZoneInfo(name)):
                cases += 1
                if [slot.at for slot in found if slot.local == f"{local:%Y-%m-%dT%H:%M}"] != [at]:
                    violations.append((name, change, local, at))
                instants = [slot.at for slot in found]
                if instants != sorted(set(instants)):
                    violations.append((name, change, local, instants))
    total = sum(map(len, changes().values()))
    with capsys.disabled():
        print(f"\n{len(changes())} zones ({len(alike)} distinct), {total} changes, {cases} cases:", end=" ")
        print(f"{len(violations)} violations", end=" ")
    assert violations == []
    assert len(changes()) > 400
    assert cases > 50_000


def runs_around(change: Change, zone: ZoneInfo) -> Iterator[tuple[list[Slot], datetime, datetime]]:
    """Per wall time at, in and beside a change, and per date: the runs of those days, a local time, and its instant."""
    jump = (change.at + min(change.before, change.after)).replace(tzinfo=None)
    width = abs(change.after - change.before) % DAY
    for near in {jump, jump + width / 2, jump + width, jump - timedelta(minutes=1)}:
        wall = near.replace(second=0, microsecond=0)
        rule = Rule((wall.time(),), *(frozenset(range(32)) for _ in range(3)))
        found = slots_between(change.at - 2 * DAY, change.at + 2 * DAY, rule, zone)
        # Midnight of a date left out is the next midnight: a later date's run takes the place of an earlier one's.
        wanted = {expected(change, wall + number * DAY): wall + number * DAY for number in (-1, 0, 1)}
        for at, local in wanted.items():
            yield found, local, at.replace(tzinfo=UTC)


@settings(deadline=None)
@given(
    zone=st.sampled_from(sorted(available_timezones())),
    after=st.datetimes(datetime(1970, 1, 1), datetime(2037, 12, 31)),
    wall=st.times(),
    day=st.sampled_from(["mon", "fri", "daily", "weekdays"]),
)
def test_runs_rise_and_none_is_left_out(zone: str, after: datetime, wall: time, day: str) -> None:
    rule, where = parse_schedule(f"{day} {wall:%H:%M}"), ZoneInfo(zone)
    start = at = after.replace(tzinfo=UTC)
    found = []
    for _ in range(10):
        slot = next_run(at, rule, where)
        assert slot.at > at
        assert previous_run(slot.at, rule, where) == slot
        found.append(slot)
        at = slot.at
    assert found == slots_between(start, at, rule, where)
    assert len({slot.local for slot in found}) == 10
