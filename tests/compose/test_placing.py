"""Caps, the lead and the editor's hand: nothing is lost, nothing is double."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.compose.candidates import Candidate
from digest.compose.choosing import Counts, Diversity, in_turn
from digest.compose.eligibility import Refused
from digest.compose.placing import Layout, Place, place
from digest.compose.ranking import Ranked, rank
from digest.compose.stories import Story, Told
from digest.config.values import EditionConfig, RankingConfig, SectionConfig, SectionMatch
from digest.models import Cause, Override

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
EUROPE = SectionConfig("europe", "Europe", SectionMatch(section=("Europe",)))
SHORTS = SectionConfig("shorts", "QiOSK", SectionMatch(kind=("QiOSK",)), style="short")
REST = SectionConfig("rest", "Everything else")
EDITION = EditionConfig(id="weekly", list="readers", title="Weekly", sections=(EUROPE, SHORTS, REST))


def article(id_: int = 1, **values: Any) -> Candidate:
    url = f"https://a.example/{id_}"
    given = {"link": url, "title": f"Title {id_}", "source": "a", "at": NOW - timedelta(hours=id_), **values}
    return Candidate(id=id_, url=url, **given)


def ranked(*articles: Candidate, edition: EditionConfig = EDITION) -> tuple[Ranked, ...]:
    return rank([Story((one,)) for one in articles], edition.ranking, NOW)


def hand(id_: int, minutes: int = 0, **values: Any) -> dict[int, Override]:
    return {id_: Override(issue_id=1, article_id=id_, at=NOW + timedelta(minutes=minutes), **values)}


def read(layout: Layout) -> list[tuple[int, str]]:
    return [(spot.article_id, spot.section_id) for spot in layout.places]


def test_articles_stand_by_section_and_score_after_the_lead() -> None:
    layout = place(
        ranked(article(1), article(2, section="Europe"), article(3, section="Europe"), article(4, kind="QiOSK")),
        EDITION,
    )
    assert read(layout) == [(1, "rest"), (2, "europe"), (3, "europe"), (4, "shorts")]


@pytest.mark.parametrize(
    ("caption", "articles", "lead"),
    [
        ("the best", [article(1), article(2)], 1),
        ("the best with a picture", [article(1), article(2), article(3, picture=True)], 3),
        ("never a short", [article(1, kind="QiOSK", picture=True), article(2)], 2),
    ],
)
def test_the_lead(caption: str, articles: list[Candidate], lead: int) -> None:
    assert read(place(ranked(*articles), EDITION))[0][0] == lead


def test_an_editor_chooses_the_lead_even_a_short() -> None:
    all_ = ranked(article(1, picture=True), article(2), article(3, kind="QiOSK"))
    assert read(place(all_, EDITION, hand(2, section_id="lead")))[0] == (2, "rest")
    assert read(place(all_, EDITION, hand(3, section_id="lead")))[0] == (3, "rest")


def test_an_article_that_an_editor_has_put_somewhere_does_not_lead() -> None:
    layout = place(ranked(article(1, picture=True), article(2)), EDITION, hand(1, section_id="europe"))
    assert read(layout) == [(2, "rest"), (1, "europe")]


@pytest.mark.parametrize(
    ("caption", "settings", "ranking", "out"),
    [
        ("the issue's cap", {"max_articles": 2}, {}, {3: "The issue is full: 2 articles at most."}),
        ("the floor", {}, {"floor": 98.5}, {2: "below the floor of 98.5", 3: "below the floor of 98.5"}),
        ("one source", {}, {"max_per_source": 2}, {3: "Its source has its share: 2 at most."}),
        ("one author", {}, {"max_per_author": 1}, {3: "Ann has their share: 1 at most."}),
        (
            "a section's cap",
            {"sections": (replace(EUROPE, max=1), REST)},
            {},
            {3: 'The section "Europe" is full: 1 at most.'},
        ),
    ],
)
def test_caps_leave_out_the_lowest_and_say_why(
    caption: str, settings: dict[str, Any], ranking: dict[str, Any], out: dict[int, str]
) -> None:
    edition = replace(EDITION, ranking=RankingConfig(**ranking), **settings)
    articles = [
        article(1, section="Europe", authors=("Ann", "Bo")),
        article(2, authors=("Cy",)),
        article(3, section="Europe", authors=("Cy", "ann"))
        if caption != "one author"
        else article(3, authors=("ann", "Di")),
    ]
    layout = place(ranked(*articles, edition=edition), edition)
    assert layout.left_out.keys() == out.keys()
    for id_, reason in out.items():
        assert reason.casefold() in layout.left_out[id_].sentence.casefold()


def spread(diversity: float, *articles: Candidate, **more: Any) -> Layout:
    edition = replace(EDITION, ranking=RankingConfig(diversity=diversity), **more)
    return place(ranked(*articles, edition=edition), edition)


def test_each_further_article_of_a_source_counts_less_and_says_so() -> None:
    articles = [article(1), article(2), article(3), article(20, source="b")]
    assert [spot.article_id for spot in spread(0, *articles).places] == [1, 2, 3, 20]
    layout = spread(0.25, *articles)
    assert [spot.article_id for spot in layout.places] == [1, 20, 2, 3]
    third = layout.scores[3]
    assert (third.reasons[-1].factor, third.reasons[-1].value) == ("diversity", round(1 / 1.5, 4))
    assert round(math.fsum(reason.share for reason in third.reasons), 4) == third.score


def test_an_author_counts_less_where_all_is_of_one_source() -> None:
    articles = [article(1, authors=("Ann",)), article(2, authors=("ann",)), article(3, authors=("Bo",))]
    layout = spread(0.25, *articles)
    assert [spot.article_id for spot in layout.places] == [1, 3, 2]
    assert [reason.factor for reason in layout.scores[3].reasons][-1] == "coverage"


def test_a_source_with_three_hundred_articles_takes_its_share_at_most() -> None:
    edition = replace(EDITION, max_articles=20, ranking=RankingConfig(max_per_source=5))
    flood = [article(n) for n in range(1, 301)]
    others = [article(n, source=f"s{n}") for n in range(301, 311)]
    layout = place(ranked(*flood, *others, edition=edition), edition)
    assert sum(spot.article_id <= 300 for spot in layout.places) == 5
    assert len(layout.places) == 15
    assert {refused.cause for refused in layout.left_out.values()} == {Cause.SOURCE}


def test_what_was_told_before_never_leads_unless_an_editor_says_so() -> None:
    told, fresh = ranked(article(1, picture=True), article(2))
    told = replace(told, told=Told(7, 12, "Before"))
    layout = place((told, fresh), EDITION)
    assert (layout.lead, [spot.article_id for spot in layout.others]) == (Place(2, "rest"), [1])
    assert place((told,), EDITION).lead is None
    assert place((told,), EDITION).others == (Place(1, "rest"),)
    assert place((told, fresh), EDITION, hand(1, section_id="lead")).lead == Place(1, "rest")


def test_a_section_with_too_few_stands_with_the_rest() -> None:
    edition = replace(EDITION, sections=(replace(EUROPE, min=2), SHORTS, REST))
    all_ = ranked(article(1), article(2), article(3, section="Europe"), edition=edition)
    layout = place(all_, edition)
    assert read(layout) == [(1, "rest"), (2, "rest"), (3, "rest")]
    assert layout.problems == (
        'The section "Europe" asks for 2 articles at least and would have 1: it is not shown, they stand in '
        '"Everything else".',
    )
    assert layout.moved == {3: 'Its section "Europe" has too few to be shown.'}
    both = place((*all_, *ranked(article(4, section="Europe"))), edition)
    assert (read(both)[1:3], both.problems) == ([(3, "europe"), (4, "europe")], ())
    assert place(all_, edition, hand(2, section_id="europe")).problems == ()


def test_what_counts_less_beside_others_leads_though_it_falls_below_the_floor_so() -> None:
    sections = (replace(EUROPE, max=0), SHORTS, REST)
    edition = replace(EDITION, max_articles=2, sections=sections, ranking=RankingConfig(floor=95.0))
    given_ = [("Analysis", "Europe", "a"), ("Analysis", "Europe", "b"), ("QiOSK", "", "a"), ("Analysis", "", "a")]
    articles = [
        article(n, kind=kind, section=section, source=name, authors=(name,))
        for n, (kind, section, name) in enumerate(given_, 1)
    ]
    layout = place(ranked(*articles, edition=edition), edition)
    assert layout.lead is not None
    assert [id_ for id_, _ in read(layout)] == [4, 3]


def test_a_section_has_a_floor_of_its_own() -> None:
    edition = replace(EDITION, sections=(replace(EUROPE, floor=99.5), REST), ranking=RankingConfig(floor=98))
    layout = place(ranked(article(1, section="Europe"), article(2), article(9), edition=edition), edition)
    assert layout.left_out[1].sentence.endswith('is below the floor of the section "Europe" of 99.5.')
    assert {id_: refused.cause for id_, refused in layout.left_out.items()} == {1: Cause.FLOOR, 9: Cause.FLOOR}


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from("abc"), st.sampled_from(["ann", "bo", ""])), max_size=14),
    st.integers(0, 8),
)
def test_in_turn_is_the_best_of_all_each_time(rows: list[tuple[int, str, str]], most: int) -> None:
    """The heaps against looking at every one that is left, every time."""
    articles = [
        article(n, at=NOW - timedelta(hours=hours), source=source, authors=(author,) if author else ())
        for n, (hours, source, author) in enumerate(rows, 1)
    ]
    several, counts, slow = len({row[1] for row in rows}) > 1, Counts(), Counts()
    diversity, left, expected = Diversity(0.3, several), list(ranked(*articles)), []
    while left:
        best = min(left, key=lambda one: (-diversity.scored(one, slow).scored.score, one.article.url))
        left.remove(best)
        expected.append(diversity.scored(best, slow).scored.score)
        slow.take(best.article)
    found = []
    for story in in_turn(ranked(*articles), diversity, counts):
        found.append(diversity.scored(story, counts).scored.score)
        counts.take(story.article)
    assert found == pytest.approx(expected, abs=0.001)


def test_a_pinned_article_overrides_floor_and_caps_and_counts_in_them() -> None:
    edition = replace(EDITION, max_articles=2, ranking=RankingConfig(floor=98))
    layout = place(ranked(article(1), article(2), article(90), edition=edition), edition, hand(90, pinned=True))
    assert {id_ for id_, _ in read(layout)} == {1, 90}
    assert layout.left_out == {2: Refused(Cause.FULL, "The issue is full: 2 articles at most.")}


def test_of_two_decisions_for_one_position_the_later_has_it() -> None:
    all_ = ranked(*[article(n) for n in range(1, 6)])
    hands = hand(4, 1, position=0) | hand(5, 2, position=0)
    assert [id_ for id_, _ in read(place(all_, EDITION, hands))] == [1, 5, 4, 2, 3]


def test_a_section_that_is_gone_from_the_settings_leaves_it_to_the_rules() -> None:
    layout = place(ranked(article(1), article(2, section="Europe")), EDITION, hand(2, section_id="gone"))
    assert read(layout) == [(1, "rest"), (2, "europe")]


KINDS = st.sampled_from(["Analysis", "QiOSK", ""])
CAP = st.none() | st.integers(0, 3)


@st.composite
def hands(draw: st.DrawFn) -> dict[int, Override]:
    found: dict[int, Override] = {}
    for id_ in draw(st.sets(st.integers(1, 12), max_size=8)):
        dropped = draw(st.booleans())
        found |= hand(
            id_,
            draw(st.integers(0, 9)),
            dropped=dropped,
            pinned=not dropped and draw(st.booleans()),
            section_id=draw(st.sampled_from([None, "lead", "europe", "shorts", "rest", "gone"])),
            position=draw(st.none() | st.integers(0, 9)),
        )
    return found


@given(
    st.lists(st.tuples(KINDS, st.sampled_from(["Europe", ""]), st.sampled_from("ab"), st.booleans()), max_size=12),
    st.tuples(CAP, CAP, CAP, CAP, st.integers(0, 8), st.sampled_from([0.0, 95.0])),
    hands(),
)
def test_no_article_is_lost_or_double(
    given_: list[tuple[str, str, str, bool]], caps: tuple[Any, ...], decided: dict[int, Override]
) -> None:
    europe, shorts, source, author, most, floor = caps
    edition = replace(
        EDITION,
        max_articles=most,
        sections=(replace(EUROPE, max=europe), replace(SHORTS, max=shorts), REST),
        ranking=RankingConfig(floor=floor, max_per_source=source, max_per_author=author),
    )
    articles = [
        article(n, kind=kind, section=section, source=name, authors=(name,), picture=picture)
        for n, (kind, section, name, picture) in enumerate(given_, 1)
    ]
    layout = place(ranked(*articles, edition=edition), edition, decided)
    places = [id_ for id_, _ in read(layout)]
    assert sorted([*places, *layout.left_out]) == [one.id for one in articles]
    for id_, override in decided.items():
        if id_ <= len(articles):
            wanted = override.pinned or override.section_id is not None or override.position is not None
            assert override.dropped is False or id_ in layout.left_out
            assert override.dropped or not wanted or id_ in places
    styles = {"shorts": "short"}
    leads = bool(places) and styles.get(read(layout)[0][1]) != "short"
    assert leads == any(styles.get(section) != "short" for _, section in read(layout))
