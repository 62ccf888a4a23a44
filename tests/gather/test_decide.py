"""Which entries are new, and whether ids may be believed, by tables and by random histories."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.compose.eligibility import not_eligible, window
from digest.gather.decide import Known, Page, available_at, published_at, sort_entries, trusts_ids
from digest.gather.entries import Entry
from digest.models import Article

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def entry(number: int, name: str = "", title: str = "", when: datetime | None = None) -> Entry:
    url = f"https://news.test/{number}"
    return Entry(name or f"id-{number}", url, url, title or f"Piece number {number}", when)


def page(number: int, when: datetime | None = None) -> Page:
    return Page(number, f"https://news.test/{number}", f"Piece number {number}", when)


def known(names: dict[str, int], when: datetime | None = None, own: bool = True) -> Known:
    pages = {number: page(number, when) for number in names.values()}
    return Known(names, {f"https://news.test/{n}": n for n in pages}, pages, set(pages) if own else set())


ONE = {"id-1": 1}
THREE = {"id-1": 1, "id-2": 2, "id-3": 3}


@pytest.mark.parametrize(
    ("entries", "before", "trusted"),
    [
        pytest.param([entry(1)], known(ONE), True, id="as before"),
        pytest.param([entry(9, "id-1", "Piece number 1")], known(ONE), True, id="a new link, the same headline"),
        pytest.param([entry(9, "id-1", "Piece, number one")], known(ONE), False, id="another link and headline"),
        pytest.param([entry(9, "id-1", "Other words", NOW)], known(ONE, NOW), True, id="edited: the same time"),
        pytest.param([entry(9, "id-1", "The piece number 1", NOW)], known(ONE), True, id="edited: alike"),
        pytest.param([entry(2, "id-1"), entry(1, "id-2")], known(ONE), False, id="ids are places in the feed"),
        pytest.param([entry(n, f"x-{n}") for n in (1, 2, 3)], known(THREE), False, id="all ids changed"),
        pytest.param([entry(n, f"x-{n}") for n in (1, 2, 3)], known(THREE, own=False), True, id="another's articles"),
        pytest.param([entry(1, "x-1"), entry(2), entry(3)], known(THREE), True, id="one id changed"),
    ],
)
def test_when_ids_are_trusted(entries: list[Entry], before: Known, trusted: bool) -> None:
    assert trusts_ids(entries, before) is trusted


def test_where_ids_are_not_trusted_the_page_stands_for_the_article() -> None:
    before = known({"1": 1, "https://news.test/2": 2})
    found = sort_entries([entry(3, "1"), entry(1, "2"), entry(2, "3")], before, trusted=False)
    assert [fresh.url for fresh, _ in found.new] == ["https://news.test/3"]
    assert [(name, article) for _, name, article in found.seen] == [
        ("https://news.test/1", 1),
        ("https://news.test/2", 2),
    ]


times = st.integers(0, 30 * 24)  # hours from the beginning
dated = st.one_of(st.none(), st.integers(-10 * 365 * 24, 10 * 365 * 24))  # hours off the true time


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(times, dated, st.booleans()), min_size=1, max_size=12),
    st.lists(times, min_size=1, max_size=12, unique=True),
    st.lists(times, min_size=1, max_size=6, unique=True),
)
def test_every_article_is_in_exactly_one_issue_or_none_with_a_reason(
    pieces: list[tuple[int, int | None, bool]], looks: list[int], cuts: list[int]
) -> None:
    """Whatever outages (gaps between looks), edits, and dates in the future, the past or not at all (E-13, E-14)."""
    ids: dict[str, int] = {}
    stored: dict[int, Article] = {}
    last: datetime | None = None
    for hour in sorted(looks):
        at = NOW + timedelta(hours=hour)
        entries = [
            replace(
                entry(number, title=f"Edited {hour}" if edited else ""),
                published=None if off is None else NOW + timedelta(hours=true + off),
            )
            for number, (true, off, edited) in enumerate(pieces)
            if true <= hour
        ]
        for fresh, names in sort_entries(entries, Known(ids, {})).new:
            number = int(fresh.id.removeprefix("id-"))
            assert number not in stored
            ids.update(dict.fromkeys(names, number))
            stored[number] = Article(
                canonical_url=fresh.url,
                url=fresh.url,
                source_id="a",
                title=fresh.title,
                published_at=published_at(fresh, at),
                first_seen_at=at,
                available_at=available_at(fresh, at),
                previous_look_at=last or at,
            )
        last = at
    ends = [NOW + timedelta(hours=hour) for hour in sorted(cuts)]
    windows = [window(start, end, 7) for start, end in zip([None, *ends], ends, strict=False)]
    for article in stored.values():
        reasons = [not_eligible(article, one) for one in windows]
        assert reasons.count(None) <= 1
        when = article.published_at
        in_time = when is None or when >= article.previous_look_at - 7 * DAY
        if in_time and windows[0].start <= article.available_at < ends[-1]:
            assert reasons.count(None) == 1
        assert article.available_at <= article.first_seen_at + 7 * DAY
