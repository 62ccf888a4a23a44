"""What a look means for a source, by tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from digest.gather import standing as standings
from digest.gather.entries import Feed
from digest.gather.feeds import parse
from digest.gather.outcomes import Failed, Fetched, Later, Unchanged, Validators
from digest.gather.standing import Standing, after, may_ask

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
URL = "https://news.test/f"
NEW = Standing(URL, created_at=NOW)
FEED = Feed("rss20")


def fetched(permanent_url: str | None = None, max_age_s: int | None = None) -> Fetched:
    return Fetched(b"", URL, validators=Validators(URL, '"x"'), permanent_url=permanent_url, max_age_s=max_age_s)


def wait(standing: Standing, now: datetime = NOW) -> timedelta:
    assert standing.next_look_at is not None
    return standing.next_look_at - now


def test_success_forgets_failures_and_keeps_the_interval() -> None:
    done = after(replace(NEW, failures=3, error="x", state="failing"), fetched(), FEED, NOW)
    assert (done.state, done.failures, done.error, done.etag) == ("ok", 0, None, '"x"')
    assert timedelta(hours=6) <= wait(done) < timedelta(hours=6, minutes=10)
    assert wait(after(done, Unchanged(max_age_s=36_000), None, NOW)) >= timedelta(hours=10)


def test_a_feed_cut_off_before_its_first_article_is_a_failure_and_keeps_no_validators() -> None:
    cut = parse(b"<rss><channel><item><title>Half a fe", url=URL)
    failed = after(NEW, fetched(), cut, NOW)
    assert (failed.state, failed.etag) == ("failing", None)
    assert failed.error
    assert "not well-formed" in failed.error
    nothing_yet = parse(b"<rss version='2.0'><channel><title>News</title></channel></rss>", url=URL)
    assert after(failed, fetched(), nothing_yet, NOW).state == "ok"


def test_failures_back_off_up_to_a_day() -> None:
    standing, waits = NEW, []
    for _ in range(12):
        standing = after(standing, Failed("no"), None, NOW)
        waits.append(wait(standing))
    assert waits == sorted(waits)
    assert waits[-1] < timedelta(hours=24, minutes=10)
    assert standing.state == "failing"


def test_later_is_neither_success_nor_failure() -> None:
    told = after(NEW, Later("busy", NOW + timedelta(hours=3)), None, NOW)
    assert (told.state, told.failures, wait(told)) == ("late", 0, timedelta(hours=3))
    assert not may_ask(told, NOW + timedelta(hours=2), force=True)
    untold = after(NEW, Later("busy"), None, NOW)
    assert may_ask(untold, NOW, force=True)
    assert not may_ask(untold, NOW, force=False)


def test_404_switches_off_after_fourteen_days_of_nothing_else() -> None:
    standing = after(NEW, fetched(), FEED, NOW)
    lost = Failed("404", status=404)
    for day in range(1, 15):
        standing = after(standing, lost, None, NOW + timedelta(days=day))
        assert standing.state == "failing"
    assert after(standing, lost, None, NOW + timedelta(days=15)).state == "off"
    other = after(standing, Failed("500", status=500), None, NOW + timedelta(days=14))
    assert after(other, lost, None, NOW + timedelta(days=15)).state == "failing"


def test_a_move_is_believed_the_third_time_over_a_day() -> None:
    target = "https://new.test/f"
    standing = NEW
    for hours, url in ((0, URL), (1, URL), (2, URL), (25, target)):
        standing = after(standing, fetched(target), FEED, NOW + timedelta(hours=hours))
        assert standing.url == url


def test_moves_to_no_feed_or_to_plain_http_are_not_believed() -> None:
    for target, feed in (("https://portal.test/", Feed("")), ("http://news.test/f", FEED)):
        standing = NEW
        for day in range(5):
            standing = after(standing, fetched(target), feed, NOW + timedelta(days=day))
        assert standing.url == URL


def test_polling_for_a_fortnight_stays_modest() -> None:
    standing, looks, now = NEW, 0, NOW
    while now < NOW + timedelta(days=14):
        if may_ask(standing, now, force=False):
            looks, standing = looks + 1, after(standing, fetched(), FEED, now)
        now += timedelta(minutes=5)
    assert looks <= 56
    assert standings.validators(standing) == Validators(URL, '"x"')


def looks(feed: Feed, days: int = 14, max_age_s: int | None = None) -> list[datetime]:
    """When a source is asked whose feed says this, by a timetable that looks every five minutes."""
    standing, asked, now = NEW, list[datetime](), NOW
    while now < NOW + timedelta(days=days):
        if may_ask(standing, now, force=False):
            asked.append(now)
            standing = after(standing, fetched(max_age_s=max_age_s), feed, now)
        now += timedelta(minutes=5)
    return asked


@pytest.mark.parametrize(
    ("feed", "max_age_s", "shortest", "most"),
    [
        pytest.param(FEED, None, timedelta(hours=6), 56, id="nothing said"),
        pytest.param(FEED, 43_200, timedelta(hours=12), 28, id="max-age"),
        pytest.param(FEED, 31_536_000, timedelta(hours=24), 14, id="max-age of a year"),
        pytest.param(replace(FEED, ttl_s=28_800), None, timedelta(hours=8), 42, id="ttl"),
        pytest.param(replace(FEED, ttl_s=60), None, timedelta(hours=6), 56, id="ttl of a minute"),
        pytest.param(replace(FEED, ttl_s=604_800), None, timedelta(days=7), 2, id="ttl of a week"),
    ],
)
def test_how_often_a_source_is_asked(feed: Feed, max_age_s: int | None, shortest: timedelta, most: int) -> None:
    asked = looks(feed, max_age_s=max_age_s)
    assert min(b - a for a, b in pairwise(asked)) >= shortest
    assert len(asked) <= most


def test_five_hundred_sources_in_a_fortnight() -> None:
    for number in range(500):
        standing, count = replace(NEW, url=f"https://{number}.example/f"), 0
        while standing.next_look_at is None or standing.next_look_at < NOW + timedelta(days=14):
            now = standing.next_look_at or NOW
            assert not may_ask(standing, now - timedelta(seconds=1), force=False) or count == 0
            standing, count = after(standing, fetched() if number % 2 else Unchanged(), FEED, now), count + 1
        assert count <= 56


def test_hours_and_days_that_a_feed_skips_are_left_out() -> None:
    night = replace(FEED, skip_hours=frozenset(range(18, 24)) | frozenset(range(8)))
    assert {at.hour for at in looks(night)} <= set(range(8, 18))
    weekend = replace(FEED, skip_days=frozenset({5, 6}))
    assert {at.weekday() for at in looks(weekend)} == {0, 1, 2, 3, 4}
    assert len(looks(replace(FEED, skip_hours=frozenset(range(24))))) > 50


def test_hints_hold_over_304() -> None:
    told = after(NEW, fetched(), replace(FEED, ttl_s=36_000, skip_hours=frozenset({23}), skip_days=frozenset({6})), NOW)
    unchanged = after(told, Unchanged(), None, NOW)
    assert wait(unchanged) == wait(told) >= timedelta(hours=10)
    assert (unchanged.skip_hours, unchanged.skip_days) == ([23], [6])


def test_a_fresh_answer_is_not_asked_for_again_unless_a_person_names_the_source() -> None:
    fresh = after(NEW, fetched(max_age_s=3_600), FEED, NOW)
    soon, then = NOW + timedelta(minutes=59), NOW + timedelta(hours=1)
    assert [may_ask(fresh, at, force=True) for at in (soon, then)] == [False, True]
    assert may_ask(fresh, soon, force=True, named=True)


def test_a_feed_that_has_ended_is_not_asked_again_until_a_person_says_so() -> None:
    ended = after(NEW, fetched(), replace(FEED, expired=True), NOW)
    assert (ended.state, ended.next_look_at) == ("gone", None)
    assert not may_ask(ended, NOW + timedelta(days=400), force=True)
    assert may_ask(standings.revived(ended), NOW, force=False)


def test_a_move_is_believed_over_unchanged_answers_and_the_old_url_is_kept() -> None:
    target = "https://new.test/f"
    standing = after(NEW, fetched(target), FEED, NOW)
    for hours in (6, 25):
        standing = after(standing, Unchanged(permanent_url=target), None, NOW + timedelta(hours=hours))
    assert (standing.url, standing.moved_from, standing.moved_count) == (target, URL, 0)


def test_another_target_begins_the_count_anew() -> None:
    standing = NEW
    for day, target in enumerate(["https://x.test/", "https://y.test/"] * 4):
        standing = after(standing, fetched(target), FEED, NOW + timedelta(days=day))
    assert standing.url == URL


@pytest.mark.parametrize("status", [401, 403, 404, 410, 500])
def test_the_status_is_kept_until_the_next_look(status: int) -> None:
    failed = after(NEW, Failed("no", status=status, permanent=status == 410), None, NOW)
    assert failed.status == status
    assert after(failed, fetched(), FEED, NOW).status is None


def test_what_a_password_is_in_is_shown_without_it() -> None:
    failed = after(NEW, Fetched(b"", "https://user:pass@news.test/f"), Feed("", problems=("no feed",)), NOW)
    assert failed.error == "https://news.test/f: no feed"
