"""What a reader gets of an issue: what is muted never comes, equal outcomes are one variant, languages change words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import BUDGETS, CRISES, EUROPE, LEAD, NOTES
from variety import AUTHORS, CONTENT, SECTIONS, render_with

from digest.compose.content import articles, from_json, to_json
from digest.compose.selecting import EVERYBODY, Pick, chosen_by, key, offered, said_for, wants_edition
from digest.templating import Templates, template_root
from subscribers.choices import Choices, chosen

TEMPLATES = Templates(template_root())
OFFER = offered(CONTENT, TEMPLATES.languages())
ALL = tuple(article.id for article in articles(CONTENT))


def pick(language: str | None = None, **names: list[str]) -> Pick | None:
    return chosen_by(OFFER, chosen(**names), language)


def of(*sections: object) -> tuple[int, ...]:
    return tuple(article.id for section in sections for article in section.articles)  # type: ignore[attr-defined]


GETS = [
    ("nothing chosen is everything", {}, ALL),
    ("a followed section and no other", {"sections": ["europe"]}, of(EUROPE)),
    ("the lead is of its section", {"sections": ["crises"]}, (LEAD.id, *of(CRISES))),
    ("what is muted does not come", {"muted_sections": ["notes", "crises"]}, of(BUDGETS, EUROPE)),
    ("an author wherever they write", {"authors": ["Emil Kovac"]}, (8, 10)),
    ("case and spaces of a name don't matter", {"authors": ["  emil   KOVAC "]}, (8, 10)),
    ("sections and authors add up", {"sections": ["industry"], "authors": ["emil kovac"]}, (5, 6, 8, 10)),
    ("a mute wins over following the section", {"sections": ["europe"], "muted_authors": ["Emil Kovac"]}, (7,)),
    ("and over following the author", {"authors": ["emil kovac"], "muted_sections": ["notes"]}, (8,)),
    ("who follows one author of several gets it", {"authors": ["ines okafor"]}, (LEAD.id,)),
    ("who mutes one of several doesn't", {"muted_authors": ["tomas lindqvist"]}, ALL[1:]),
    ("a section that is gone means nothing", {"sections": ["gone"]}, ALL),
    ("one without articles this week does", {"sections": ["sports"]}, None),
    ("nobody of this name wrote", {"authors": ["nobody"]}, None),
    ("everything muted", {"muted_sections": list(SECTIONS)}, None),
]


@pytest.mark.parametrize(("caption", "names", "gets"), GETS, ids=[row[0] for row in GETS])
def test_what_follows_from_choices(caption: str, names: dict[str, list[str]], gets: tuple[int, ...] | None) -> None:
    found = pick(**names)
    assert (found.articles if found else None) == gets


NAMES = st.lists(st.sampled_from([*SECTIONS, "sports", "gone"]), max_size=3)
PEOPLE = st.lists(st.sampled_from([*AUTHORS, "nobody"]), max_size=3)
WISHES = st.builds(chosen, sections=NAMES, muted_sections=NAMES, authors=PEOPLE, muted_authors=PEOPLE)


def expected(choices: Choices) -> tuple[int, ...]:
    """The rules said once more, article by article."""
    homes = {LEAD.id: "crises"} | {one.id: section.id for section in CONTENT.sections for one in section.articles}
    kept = []
    for article in articles(CONTENT):
        wrote = {byline.name.casefold() for byline in article.bylines}
        liked = homes[article.id] in choices.sections or bool(wrote & set(choices.authors))
        anything = not set(choices.sections) - {"gone"} and not choices.authors
        disliked = homes[article.id] in choices.muted_sections or bool(wrote & set(choices.muted_authors))
        if (liked or anything) and not disliked:
            kept.append(article.id)
    return tuple(kept)


@given(WISHES, WISHES)
@settings(max_examples=150, deadline=None)
def test_every_reader_gets_what_follows_and_equal_outcomes_share_a_variant(one: Choices, other: Choices) -> None:
    found = [chosen_by(OFFER, choices, None) for choices in (one, other)]
    assert [pick.articles if pick else () for pick in found] == [expected(one), expected(other)]
    keys = [key(OFFER, pick) if pick else None for pick in found]
    assert (keys[0] == keys[1]) == (expected(one) == expected(other))
    for pick, name in zip(found, keys, strict=True):
        assert (name == EVERYBODY) == (pick == OFFER.everybody)
        if pick:
            said = said_for(CONTENT, pick)
            assert sorted(article.id for article in articles(said)) == sorted(pick.articles)
            assert {article.id for article in said.latest} < set(pick.articles)
            assert from_json(to_json(said)) == said


def test_a_muted_lead_is_followed_by_the_best_of_the_rest_and_is_not_in_the_subject() -> None:
    ranked = replace(
        CONTENT,
        sections=tuple(
            replace(section, articles=tuple(replace(one, rank=one.id) for one in section.articles))
            for section in CONTENT.sections
        ),
    )
    found = chosen_by(offered(ranked, ()), chosen(muted_authors=["Tomas Lindqvist"]), None)
    assert found
    said = said_for(ranked, found)
    best = min((one for section in (CRISES, BUDGETS, EUROPE) for one in section.articles if one.picture), key=id_of)
    assert said.lead is not None
    assert said.lead.id == best.id
    assert (said.subject, said.lead_section) == (best.title, "crises")
    assert LEAD.title not in to_json(said)


def id_of(article: object) -> int:
    return article.id  # type: ignore[attr-defined,no-any-return]


def test_short_pieces_alone_have_no_lead() -> None:
    found = pick(sections=["notes"])
    assert found
    said = said_for(CONTENT, found)
    assert said.lead is None
    assert said.subject == NOTES.articles[0].title


def test_what_an_editor_wrote_stands_in_every_variant() -> None:
    found = pick(sections=["europe"])
    assert found
    said = said_for(replace(CONTENT, subject="By hand", by_hand=("subject",)), found)
    assert (said.subject, said.intro, said.outro) == ("By hand", CONTENT.intro, CONTENT.outro)
    assert said.preheader != CONTENT.preheader
    assert said_for(replace(CONTENT, by_hand=("preheader",)), found).preheader == CONTENT.preheader


LANGUAGES = [
    # asked, site's, gets
    (None, "en", "en"),
    ("", "en", "en"),
    ("en-GB", "en", "en"),
    ("en", "en-GB", "en-GB"),
    ("de", "en", "de"),
    ("de-AT", "en", "de"),
    ("de-AT", "de-CH", "de-CH"),
    ("en", "de", "en"),
    ("zh-CN", "en", "zh-Hans"),
    ("tlh", "de", "de"),
    ("not a tag", "en", "en"),
    ("x" * 300, "en", "en"),
]


@pytest.mark.parametrize(("asked", "own", "gets"), LANGUAGES)
def test_a_language_without_words_is_the_issues_own(asked: str | None, own: str, gets: str) -> None:
    offer = offered(replace(CONTENT, language=own), TEMPLATES.languages())
    found = chosen_by(offer, Choices(), asked)
    assert found is not None
    assert found.language == gets
    assert (key(offer, found) == EVERYBODY) == (gets == own)


SAID = [
    # language, direction, the date in words, "Unsubscribe"
    ("ar", "rtl", "الجمعة", "إلغاء الاشتراك"),
    ("he", "rtl", "יום שישי", "הסרה מהרשימה"),
    ("ja", "ltr", "2026年11月20日", "配信停止"),
    ("de", "ltr", "Freitag, 20. November 2026", "Abbestellen"),
]


@pytest.mark.parametrize(("language", "direction", "day", "leave"), SAID, ids=[row[0] for row in SAID])
def test_a_language_changes_words_dates_and_direction_and_no_article(
    language: str, direction: str, day: str, leave: str
) -> None:
    found = pick(language)
    assert found
    mail = render_with(TEMPLATES, said_for(CONTENT, found))
    assert mail.problems == ()
    assert f'lang="{language}"' in mail.html
    assert f'dir="{direction}"' in mail.html
    assert day in mail.html
    assert day in mail.text
    assert leave in mail.html
    assert mail.html.count('lang="en"') >= len(articles(CONTENT))  # the articles' own
    assert '<div lang="en" dir="ltr"><p' in mail.html  # and the editor's words
    assert LEAD.title in mail.text


EDITIONS = [
    ((), True),
    (("weekly",), True),
    (("daily",), False),
    (("daily", "weekly"), True),
    (("gone",), True),
]


@pytest.mark.parametrize(("names", "wanted"), EDITIONS)
def test_only_the_editions_that_were_chosen(names: tuple[str, ...], wanted: bool) -> None:
    assert wants_edition(chosen(editions=names), "weekly", {"weekly", "daily"}) == wanted
