"""Articles that tell one event in other words, in several languages; look-alikes; series; what was told before."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from digest.compose.candidates import Candidate
from digest.compose.evidence import Text
from digest.compose.matching import groups
from digest.compose.stories import Earlier, Told, stories

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HOUR = 500_000.0

SAME = {
    "German": ("Bundestag beschließt Rentenpaket nach langer Debatte", "Rentenpaket: Bundestag stimmt nach Debatte zu"),
    "Russian": ("Землетрясение на Камчатке: введён режим тревоги", "На Камчатке произошло землетрясение"),
    "Chinese": ("台湾花莲发生强烈地震", "花莲强烈地震已致三人受伤"),
    "Arabic": ("زلزال قوي يضرب جنوب تركيا", "زلزال يضرب جنوب تركيا ويوقع ضحايا"),
    "English": ("Pipeline to Vienna reopens after leak", "Vienna pipeline reopened two weeks after the leak"),
}
OTHERS = (
    "Opera house names a new conductor",
    "Fischer gewinnt das Rennen in Kitzbühel",
    "Цены на нефть снизились",
    "央行宣布下调利率",
    "الأسواق تغلق على ارتفاع",
    "Bakers win a prize for rye bread",
)


def found(*titles: str) -> list[list[int]]:
    return groups([Text(title, hour=HOUR + number) for number, title in enumerate(titles)])


@pytest.mark.parametrize("language", SAME)
def test_one_event_in_other_words_is_one_story(language: str) -> None:
    told = found(*SAME[language], *OTHERS)
    assert told[0] == [0, 1]
    assert told[1:] == [[number] for number in range(2, 2 + len(OTHERS))]


def test_short_titles_that_only_numbers_tell_apart_are_a_series() -> None:
    assert found("Week 3 in pictures", "Week 4 in pictures", *OTHERS)[:2] == [[0], [1]]


def test_stories_are_the_same_whatever_the_order_of_the_articles() -> None:
    titles = [title for pair in SAME.values() for title in pair] + list(OTHERS)
    texts = [Text(title, hour=HOUR) for title in titles]
    shuffled = texts.copy()
    Random(4).shuffle(shuffled)
    as_titles = [
        {frozenset(given[one].title for one in group) for group in groups(given)} for given in (texts, shuffled)
    ]
    assert as_titles[0] == as_titles[1]


def test_thousands_of_nearly_equal_titles_are_told_within_bounds() -> None:
    texts = [
        Text(f"Storm warning for the coast, station {chr(97 + n % 26)}{n // 26}x", hour=HOUR) for n in range(3_000)
    ]
    told = groups(texts)
    assert sorted(number for group in told for number in group) == list(range(3_000))


def test_bundles_of_nearly_equal_titles_are_held_one_after_another() -> None:
    names = [f"{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(200)]
    texts = [
        Text(f"Storm{one} warning{one} for{one} the{one} coast{one} of {name}x{one}", hour=HOUR)
        for one in names[:30]
        for name in names
    ]
    tracemalloc.start()
    told = groups(texts)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert told == [list(range(start, start + 200)) for start in range(0, 6_000, 200)]
    assert peak < 50_000_000


def test_a_story_that_an_earlier_issue_told_says_so_and_reposts_are_marked() -> None:
    told = Told(7, 12, "Pipeline to Vienna reopens after leak")
    earlier = Earlier(told.title, "", "https://old.example/1", "old", NOW - timedelta(hours=10), told)
    titles = ["Pipeline to Vienna reopens, after leak", SAME["English"][1], *OTHERS]
    articles = [
        Candidate(number, f"https://s.example/{number}", "", title, source="s", at=NOW)
        for number, title in enumerate(titles)
    ]
    first, *others = stories(articles, [earlier])
    assert [one.id for one in first.articles] == [0, 1]
    assert first.told == told
    assert first.repeats == {0}
    assert all(story.told is None for story in others)


def test_equal_texts_of_several_sources_are_grouped_alike_in_any_order() -> None:
    said = [Text("The harbour of Lisbon is closed", "", "", None, source) for source in ("a", "b")]
    said += [Text("Lisbon harbour is closed for a week", "", "", 0.0, source) for source in ("b", "a")]

    def told(texts: list[Text]) -> list[list[tuple[str, str]]]:
        return sorted(sorted((texts[one].title, texts[one].source) for one in group) for group in groups(texts))

    assert told(said) == told(said[::-1])
