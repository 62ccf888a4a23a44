"""Old articles published anew, sources that moved, and sources that became somebody else's (FEATURES 6, S-F9)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from feedserver import FeedServer
from newsfeeds import NOW, add, articles, daily, item, look, rss, source
from sqlalchemy import Engine

from digest import byhand, db
from digest.compose.eligibility import not_eligible, window
from digest.errors import NothingToDo
from digest.gather.flood import Past, quiet_after, usual

LATER = NOW + timedelta(hours=8)


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer() as running:
        yield running


def in_issue(engine: Engine, start: datetime, end: datetime, days: int = 7) -> list[str]:
    """What an issue cut at `end` may have of what is stored."""
    looked = window(start, end, days)
    return [found.title for found in articles(engine) if not_eligible(found, looked) is None]


def known(engine: Engine, server: FeedServer, count: int = 20) -> None:
    """A source that was looked at twice: its latest are known."""
    add(engine, server, "a")
    server.page("a.test", "/f", rss(*daily(count)))
    look(engine, server, NOW)


def test_old_articles_with_new_ids_and_links_bring_nothing(engine: Engine, server: FeedServer) -> None:
    known(engine, server)
    anew = [
        item(f"Piece {n} from the archive", f"http://news.test/new/{n}", NOW - timedelta(days=2 + n))
        for n in range(500)
    ]
    server.page("a.test", "/f", rss(*daily(1), *anew))
    look(engine, server, LATER)
    assert in_issue(engine, NOW + timedelta(hours=1), LATER + timedelta(hours=1)) == []
    assert source(engine, "a").held == 9  # of the latest ten: they may be late
    known_again = [
        item(f"Piece {n}", f"http://news.test/new/{n}", NOW - timedelta(days=n, hours=1)) for n in range(500)
    ]
    server.page("a.test", "/f", rss(*known_again))
    look(engine, server, LATER + timedelta(hours=8))
    assert in_issue(engine, LATER + timedelta(hours=1), LATER + timedelta(hours=9)) == []


def test_a_site_that_moved_and_dates_everything_today_brings_nothing_and_its_links_are_followed(
    engine: Engine, server: FeedServer
) -> None:
    known(engine, server, 300)
    server.page("a.test", "/f", rss(*(item(f"Piece {n}", f"http://news.test/p/{n}", LATER) for n in range(300))))
    assert look(engine, server, LATER).articles_new == 0
    stored = articles(engine)
    assert len(stored) == 300
    assert {found.url for found in stored} == {f"http://news.test/p/{n}" for n in range(300)}
    assert in_issue(engine, NOW + timedelta(hours=1), LATER + timedelta(hours=1)) == []
    assert look(engine, server, LATER + timedelta(hours=8)).articles_new == 0


def test_many_without_a_date_wait_for_a_person(engine: Engine, server: FeedServer) -> None:
    known(engine, server)
    server.page("a.test", "/f", rss(*(item(f"Undated {n}", f"http://news.test/u/{n}") for n in range(500))))
    assert look(engine, server, LATER).articles_new == 0
    assert in_issue(engine, NOW + timedelta(hours=1), LATER + timedelta(hours=1)) == []
    held = [found for found in articles(engine) if found.held_for]
    assert len(held) == 500 and source(engine, "a").held == 500
    assert held[0].held_for == (
        "It came without a date, 500 of them at one look: more than its source ever brought. "
        "`digest articles release` lets it in."
    )
    now = LATER + timedelta(hours=2)
    with db.writing(engine) as session:
        byhand.release_article(session, str(held[0].id), now)
        assert byhand.release_source(session, "a", now) == 499
    assert len(in_issue(engine, LATER + timedelta(hours=1), now + timedelta(hours=1))) == 500
    with db.writing(engine) as session, pytest.raises(NothingToDo):
        byhand.release_source(session, "a", now)


def test_a_few_without_a_date_are_news(engine: Engine, server: FeedServer) -> None:
    known(engine, server)
    server.page("a.test", "/f", rss(*(item(f"Undated {n}", f"http://news.test/u/{n}") for n in range(10)), *daily(5)))
    assert look(engine, server, LATER).articles_new == 10


def test_a_new_source_may_be_without_dates(engine: Engine, server: FeedServer) -> None:
    add(engine, server, "a")
    server.page("a.test", "/f", rss(*(item(f"Undated {n}", f"http://news.test/u/{n}") for n in range(40))))
    assert look(engine, server, NOW).articles_new == 40
    assert len(in_issue(engine, NOW - timedelta(days=7), LATER)) == 40


def test_a_source_that_was_down_for_weeks_loses_nothing(engine: Engine, server: FeedServer) -> None:
    known(engine, server)
    back = NOW + timedelta(weeks=6)
    server.page(
        "a.test",
        "/f",
        rss(*(item(f"Late {n}", f"http://news.test/l/{n}", back - timedelta(days=n)) for n in range(42))),
    )
    assert look(engine, server, back).articles_new == 42
    assert len(in_issue(engine, back - timedelta(days=7), back + timedelta(hours=1))) == 42


def test_a_column_of_one_name_is_news_each_time(engine: Engine, server: FeedServer) -> None:
    add(engine, server, "a")
    new = 0
    for day in range(6):
        at = NOW + timedelta(days=day)
        names = ("Morning briefing", "Evening briefing", "Weekend reads")
        columns = [item(name, f"http://news.test/{n}-{day}", at, dek="The news.") for n, name in enumerate(names)]
        server.page("a.test", "/f", rss(*columns, item(f"Piece {day}", f"http://news.test/p{day}", at), *daily(4)))
        new += look(engine, server, at).articles_new
    assert new == 6 * 4 + 4


@pytest.mark.parametrize(
    ("items", "title", "word"),
    [
        pytest.param(
            [item(f"Casino {n}", f"http://spam.example/{n}", LATER) for n in range(5)],
            "News",
            "its links lead to spam.example and led to news.test",
            id="links",
        ),
        pytest.param(
            [item(f"Casino {n}", f"http://news.test/c{n}", LATER) for n in range(5)],
            "Best *Casino* `Bonus`",
            'it is called "Best *Casino* \'Bonus\'" and was called "News"',
            id="title",
        ),
    ],
)
def test_a_source_with_a_new_owner_is_held(
    engine: Engine, server: FeedServer, items: list[str], title: str, word: str
) -> None:
    known(engine, server)
    server.page("a.test", "/f", rss(*items, title=title))
    assert look(engine, server, LATER).articles_new == 0
    row = source(engine, "a")
    assert row.held_for and word in row.held_for
    more = item("Casino 9", "http://spam.example/9", LATER + timedelta(hours=7))
    server.page("a.test", "/f", rss(more, *items, title=title))
    after = LATER + timedelta(hours=8)
    assert look(engine, server, after).articles_new == 0
    assert in_issue(engine, NOW + timedelta(hours=1), after + timedelta(hours=1)) == []
    with db.writing(engine) as session:
        assert byhand.release_source(session, "a", after) == 6
    assert len(in_issue(engine, LATER + timedelta(hours=1), after + timedelta(hours=1))) == 6
    assert source(engine, "a").held_for is None


def test_a_source_that_leads_to_another_owner_is_held(engine: Engine, server: FeedServer) -> None:
    known(engine, server)
    server.answer("a.test", "/f", 302, Location=server.url("parked.example", "/f"))
    server.page("parked.example", "/f", rss(*(item(f"Casino {n}", f"http://news.test/c{n}", LATER) for n in range(5))))
    assert look(engine, server, LATER).articles_new == 0
    assert "its address leads to parked.example" in str(source(engine, "a").held_for)


def test_news_after_a_silence_are_no_new_owner(engine: Engine, server: FeedServer) -> None:
    known(engine, server)
    later = NOW + timedelta(days=60)
    pieces = [item(f"Fresh {n}", f"http://blog.news.test/{n}", later - timedelta(days=n)) for n in range(20)]
    server.page("a.test", "/f", rss(*pieces, title="The News, renewed"))
    assert look(engine, server, later).articles_new == 20


def test_a_source_that_links_anywhere_is_no_new_owner(engine: Engine, server: FeedServer) -> None:
    add(engine, server, "a")
    for day in range(3):
        at = NOW + timedelta(days=day)
        links = [item(f"Link {day}-{n}", f"http://site{day}-{n}.example/", at) for n in range(20)]
        server.page("a.test", "/f", rss(*links))
        assert look(engine, server, at).articles_new == 20


def test_what_is_usual_grows_with_the_time_away() -> None:
    seen = tuple(NOW - timedelta(days=n) for n in range(10)) + (NOW - timedelta(days=10),) * 50
    past = Past(NOW, "http://news.test/f", None, "News", first_seen=seen)
    assert usual(past, NOW + timedelta(hours=6)) == 1
    assert usual(past, NOW + timedelta(days=40)) == 40
    assert usual(Past(None, "", None, ""), NOW) == 0


@pytest.mark.parametrize(
    ("days_ago", "expected_days"),
    [
        pytest.param([0, 1, 2, 3, 4], 3, id="daily"),
        pytest.param([0, 7, 14, 21, 28], 21, id="weekly"),
        pytest.param([0, 0, 0, 0, 0, 7, 7, 7, 14], 21, id="weekly, several at once"),
        pytest.param([0, 1, 4, 5, 6, 7, 8, 11, 12, 13], 9, id="weekends off"),
        pytest.param([0, 1, 2, 3], None, id="too few"),
        pytest.param([0, 0, 0, 1, 1, 1], None, id="too few intervals"),
    ],
)
def test_how_long_a_source_may_be_silent(days_ago: list[int], expected_days: int | None) -> None:
    found = quiet_after([NOW - timedelta(days=days) for days in days_ago])
    assert found == (None if expected_days is None else NOW + timedelta(days=expected_days))
