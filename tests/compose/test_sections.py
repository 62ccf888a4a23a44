"""Sections, caps, the lead and the editor's hand: nothing is lost, nothing is double."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.compose.candidates import Candidate
from digest.compose.ranking import Ranked, rank
from digest.compose.sections import Layout, fits, place, section_of, standing
from digest.compose.stories import Story
from digest.config.values import EditionConfig, RankingConfig, SectionConfig, SectionMatch
from digest.models import Override

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


@pytest.mark.parametrize(
    ("caption", "rule", "one", "expected"),
    [
        ("source by id", SectionMatch(source=("a",)), article(), True),
        ("another source", SectionMatch(source=("b",)), article(), False),
        ("section, any case", SectionMatch(section=("EUROPE",)), article(section="Europe"), True),
        ("one of the categories", SectionMatch(category=("nato", "war")), article(categories=("War", "Peace")), True),
        ("one of the authors", SectionMatch(author=("bo li",)), article(authors=("Ann", "Bo Li")), True),
        ("an author's first name only", SectionMatch(author=("Bo",)), article(authors=("Bo Li",)), False),
        ("a whole word of the title", SectionMatch(keyword=("war",)), article(title="The war, again"), True),
        ("part of a word", SectionMatch(keyword=("war",)), article(title="A warning"), False),
        ("two words of the dek", SectionMatch(keyword=("cold war",)), article(dek="In the Cold War"), True),
        ("a keyword with signs", SectionMatch(keyword=("c++ (2)",)), article(title="On C++ (2) again"), True),
        ("the path's beginning", SectionMatch(path=("/video/",)), article(link="https://a.example/Video/1?x"), True),
        ("the path's end", SectionMatch(path=("/video/",)), article(link="https://a.example/old/video/1"), False),
        ("the folder itself", SectionMatch(path=("/video/",)), article(link="https://a.example/video"), True),
        ("a link that is none", SectionMatch(path=("/video/",)), article(link="https://[/video/"), False),
        (
            "the whole kicker",
            SectionMatch(kicker=("opinion | europe",)),
            article(kind="Opinion", section="Europe"),
            True,
        ),
        ("a kicker's first half", SectionMatch(kicker=("Opinion",)), article(kind="Opinion", section="Europe"), True),
        ("a kicker's second half", SectionMatch(kicker=("europe",)), article(kind="Opinion", section="Europe"), True),
        ("a kicker without spaces", SectionMatch(kicker=("A|B",)), article(kind="A", section="B"), True),
        ("another kicker", SectionMatch(kicker=("Opinion | Asia",)), article(kind="Opinion", section="Europe"), False),
        ("a word's beginning", SectionMatch(keyword=("migra*",)), article(title="On migration"), True),
        ("a word's middle", SectionMatch(keyword=("gra*",)), article(title="On migration"), False),
        ("an asterisk alone", SectionMatch(keyword=("*",)), article(title="On migration"), False),
        (
            "an accent as a letter of its own",
            SectionMatch(keyword=("caf\u00e9",)),
            article(title="CAFE\u0301s, cafe\u0301"),
            True,
        ),
        ("a name with two spaces", SectionMatch(author=("Bo  Li",)), article(authors=("bo li ",)), True),
        (
            "a path in percent signs",
            SectionMatch(path=("/\u00e9tat/",)),
            article(link="https://a.example/%C3%89tat/1"),
            True,
        ),
        ("all keys must fit", SectionMatch(source=("a",), kind=("Opinion",)), article(kind="Analysis"), False),
        ("all keys do fit", SectionMatch(source=("a",), kind=("Opinion",)), article(kind="opinion"), True),
        ("a rule without keys", SectionMatch(), article(), False),
    ],
)
def test_rules(caption: str, rule: SectionMatch, one: Candidate, expected: bool) -> None:
    assert fits(one, rule) is expected


def test_the_first_rule_that_fits_takes_it_and_the_rest_is_taken_last() -> None:
    sections = (REST, EUROPE, SectionConfig("late", "Late", SectionMatch(section=("Europe",))))
    assert section_of(article(section="Europe"), sections) is EUROPE
    assert section_of(article(section="Asia"), sections) is REST


def test_a_section_for_everything_else_is_made_where_none_is_set() -> None:
    assert [section.title for section in standing(replace(EDITION, sections=()))] == ["More"]
    taken = SectionConfig("more", "More on Europe", SectionMatch(section=("Europe",)))
    assert [section.id for section in standing(replace(EDITION, sections=(taken,)))] == ["more", "more-2"]
    empty = SectionConfig("all", "All", SectionMatch())
    assert standing(replace(EDITION, sections=(empty,))) == (empty,)


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
        assert reason.casefold() in layout.left_out[id_].casefold()


def test_a_pinned_article_overrides_floor_and_caps_and_counts_in_them() -> None:
    edition = replace(EDITION, max_articles=2, ranking=RankingConfig(floor=98))
    layout = place(ranked(article(1), article(2), article(90), edition=edition), edition, hand(90, pinned=True))
    assert {id_ for id_, _ in read(layout)} == {1, 90}
    assert layout.left_out == {2: "The issue is full: 2 articles at most."}


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
