"""Which section an article belongs to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from digest.compose.candidates import Candidate
from digest.compose.sections import fits, section_of, standing
from digest.config.values import EditionConfig, SectionConfig, SectionMatch

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
EUROPE = SectionConfig("europe", "Europe", SectionMatch(section=("Europe",)))
SHORTS = SectionConfig("shorts", "QiOSK", SectionMatch(kind=("QiOSK",)), style="short")
REST = SectionConfig("rest", "Everything else")
EDITION = EditionConfig(id="weekly", list="readers", title="Weekly", sections=(EUROPE, SHORTS, REST))


def article(id_: int = 1, **values: Any) -> Candidate:
    url = f"https://a.example/{id_}"
    given = {"link": url, "title": f"Title {id_}", "source": "a", "at": NOW - timedelta(hours=id_), **values}
    return Candidate(id=id_, url=url, **given)


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
