"""Every fixed word is said in every shipped language, dates and numbers with it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import samples
import words
from babel.messages.catalog import Catalog, Message

from digest.compose.building import direction
from digest.compose.rendering import render, render_letter
from digest.errors import TemplateError
from digest.templating import Templates, template_root
from digest.templating.inspection import Document
from digest.templating.wording import fitting

TEMPLATES = Templates(template_root())
CATALOGUES = words.catalogues()
languages = pytest.mark.parametrize("language", CATALOGUES)


def places(text: str) -> set[str]:
    return set(re.findall(r"\{([a-z_]+)\}", text))


def forms(message: Message) -> tuple[str, ...]:
    return message.string if isinstance(message.string, tuple) else (str(message.string),)


def test_there_are_languages_enough() -> None:
    assert len(TEMPLATES.languages()) >= 9  # English and eight more
    assert {"ar", "he"} <= set(TEMPLATES.languages())
    assert {"ja", "zh-Hans"} <= set(TEMPLATES.languages())


@languages
def test_no_word_is_missing_and_none_is_left_over(language: str) -> None:
    known = {message.id if isinstance(message.id, str) else message.id[0] for message in CATALOGUES[language]} - {""}
    assert known == {one.one for one in words.said()}


@languages
def test_every_word_is_translated_with_its_places_in_every_plural(language: str) -> None:
    catalogue: Catalog = CATALOGUES[language]
    for message in catalogue:
        if not message.id:
            continue
        wanted = places(message.id if isinstance(message.id, str) else message.id[1])
        assert not message.fuzzy
        for form in forms(message):
            assert form.strip(), f"{language}: {message.id!r} is not translated"
            assert places(form) - {"count"} == wanted - {"count"}, message.id
            assert places(form) <= wanted
        assert len(forms(message)) == (catalogue.num_plurals if isinstance(message.id, tuple) else 1)


@languages
def test_no_english_is_left_in_a_mail(language: str) -> None:
    here = {"language": language, "direction": direction(language)}
    issue = replace(samples.ARABIC, **here, intro="", outro="")
    mails = [render(issue, TEMPLATES, name, "w0") for name in ("roundup", "compact", "single")]
    mails += [
        render_letter(kind, {**context, **here, "subject": "-"}, TEMPLATES, "w0")
        for kind, context in samples.LETTERS.items()
        if kind != "notice"
    ]
    english = (
        "Unsubscribe",
        "You get this",
        "View on the web",
        "forwarded",
        "No. 12",
        "Friday",
        "Your pref",
        " in this ",
    )
    for mail in mails:
        seen = Document(mail.html).text + mail.text
        assert [
            words
            for words in (*english, "Thank you", "Until", "It is done", "welcome back", "Read the")
            if words in seen
        ] == []


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("de", ["Nr. 142", "Freitag, 20. November 2026", "Von Ines Okafor und Tomas Lindqvist (Baltic Desk)"]),
        ("ja", ["第142号", "2026年11月20日金曜日"]),
        ("zh-CN", ["第 142 期", "2026年11月20日星期五"]),
        ("pt-BR", ["n.º 142", "sexta-feira, 20 de novembro de 2026"]),
        ("sw", ["No. 142"]),  # whose words nobody has written yet
    ],
)
def test_words_and_dates_are_those_of_the_language(language: str, said: list[str]) -> None:
    text = render(replace(samples.ISSUE, language=language), TEMPLATES, "roundup", "w0").text
    assert [one for one in said if one not in text] == []


@pytest.mark.parametrize(
    ("language", "count", "said"),
    [
        ("en", 1, "One more story on the web"),
        ("en", 2, "{count} more stories on the web"),
        ("uk", 21, "Ще {count} матеріал на сайті"),
        ("uk", 2, "Ще {count} матеріали на сайті"),
        ("pl", 5, "Jeszcze {count} artykułów w internecie"),
        ("ar", 2, "مادتان أخريان على الموقع"),
        ("ja", 1, "ウェブにあと{count}本の記事"),
    ],
)
def test_plurals_are_those_of_the_language(language: str, count: int, said: str) -> None:
    one, many = "One more story on the web", "{count} more stories on the web"
    assert TEMPLATES.wording(language).counted(one, many, count) == said


@pytest.mark.parametrize(
    ("tag", "known", "served"),
    [
        ("de", ["de"], "de"),
        ("DE-at", ["de"], "de"),
        ("pt-BR", ["pt", "pt-BR"], "pt-BR"),
        ("zh-CN", ["zh-Hans", "zh-Hant"], "zh-Hans"),
        ("zh-TW", ["zh-Hans", "zh-Hant"], "zh-Hant"),
        ("zh", ["zh-Hans"], "zh-Hans"),
        ("en-GB", ["de"], "en"),
        ("xx", ["de"], "en"),
        ("", ["de"], "en"),
    ],
)
def test_a_reader_is_served_the_nearest_language(tag: str, known: list[str], served: str) -> None:
    assert fitting(tag, known) == served


def test_what_is_filled_in_stands_isolated_and_can_not_act() -> None:
    hostile = "<b>{list}</b> & co"
    letter = {**samples.CONFIRM, "list_title": hostile}
    html = render_letter("confirm", letter, TEMPLATES, "w0").html
    assert "<bdi>&#x3c;b&#x3e;" in html.lower() or "<bdi>&lt;b&gt;{list}&lt;/b&gt; &amp; co</bdi>" in html
    rtl = render_letter("confirm", {**letter, "language": "ar", "direction": "rtl"}, TEMPLATES, "w0").text
    assert "\u2068<b>{list}</b> & co\u2069" in rtl


def test_a_newsroom_brings_a_language_or_its_own_words(tmp_path: Path) -> None:
    head = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n'
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "sw.po").write_text(f'{head}msgid "Unsubscribe"\nmsgstr "Jiondoe"\n')
    own = Templates(template_root(), tmp_path)
    assert "sw" in own.languages()
    assert own.wording("sw-KE").said("Unsubscribe") == "Jiondoe"
    assert own.wording("sw").said("Latest") == "Latest"


@pytest.mark.parametrize("broken", [b"nonsense", b'msgid "Latest"\nmsgid "Links"', b"\xff\xfe"])
def test_a_broken_catalogue_is_said_in_a_sentence(tmp_path: Path, broken: bytes) -> None:
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "sw.po").write_bytes(broken)
    with pytest.raises(TemplateError, match=r"sw\.po: not a catalogue of words"):
        Templates(template_root(), tmp_path).wording("sw")


def test_numbers_are_written_as_the_language_does() -> None:
    assert [TEMPLATES.wording(tag).number(12_345) for tag in ("en", "de", "fr")] == ["12,345", "12.345", "12\u202f345"]
