"""What a look means for a source, by tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

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
