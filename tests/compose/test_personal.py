"""Merge fields in an issue: read in what staff write, nowhere else, and in no template a danger."""

from __future__ import annotations

from dataclasses import replace
from html import escape

import pytest
import samples

from digest.blanks import Blank, blank, field_blank, fill
from digest.compose.building import titled
from digest.compose.content import IssueContent, Sponsor
from digest.compose.personal import personal
from digest.compose.rendering import render
from digest.fields import EXPECTED, IN_AN_ADDRESS, Field, defaults, values
from digest.templating import Templates, template_root
from digest.templating.rows import Mail, failures

WORD = "k3v9"
FIRST = Field("first_name", "dear <friend>")
TEMPLATES = Templates(template_root())


def content(**words: object) -> IssueContent:
    """The sample with `[[x|y]]` in everything that a feed says."""
    lead = samples.ISSUE.lead
    assert lead
    lead = replace(lead, title=f"{lead.title} [[x|y]]", dek="[[first_name|dear <friend>]]", section="[[x|y]]")
    return replace(samples.ISSUE, lead=lead, preheader="[[x|y]] from a feed", **words)  # type: ignore[arg-type]


WRITTEN = content(
    subject=f"For {FIRST}",
    by_hand=("subject",),
    intro=f"Hello *{FIRST}*, see [what {FIRST} reads](https://example.org/x), **[[city|your_town]]**",
    outro=f"- {FIRST}\n- [{FIRST}](https://example.org/y)",
    sections=(replace(samples.ISSUE.sections[0], note=f"{FIRST}", question="[[city|your_town]]?"),),
)


@pytest.mark.parametrize("template", ["roundup", "compact", "single"])
def test_every_template_keeps_the_fields_for_the_readers(template: str) -> None:
    made = render(WRITTEN, TEMPLATES, template, WORD)
    assert made.problems == ()
    assert made.fields == (FIRST, Field("city", "your_town"))
    assert made.subject == f"For {field_blank(WORD, 0)}"
    values = dict.fromkeys(Blank, "") | {Blank.UNSUBSCRIBE: blank(WORD, Blank.UNSUBSCRIBE)}
    html = fill(made.html, WORD, values, ["Ann&amp;Co", "Bern"])
    text = fill(made.text, WORD, values, ["Ann&Co", "Bern"])
    assert "<title>For Ann&amp;Co</title>" in html
    assert "<em>Ann&amp;Co</em>" in html
    assert ">what Ann&amp;Co reads</a>" in html
    assert "<strong>Bern</strong>" in html
    assert "what Ann&Co reads [" in text
    assert "Bern?" in text
    assert "[[x|y]]" in html
    assert "[[x|y]]" in text
    assert "[[first_name" not in html.replace("[[first_name|dear &lt;friend&gt;]]", "")


def test_a_mail_with_fields_holds_every_row_of_its_look() -> None:
    made = render(WRITTEN, TEMPLATES, "roundup", WORD)
    blanks = tuple(blank(WORD, name) for name in Blank)
    usual = render(content(), TEMPLATES, "roundup", WORD)
    assert set(failures(Mail(made.subject, made.html, made.text, blanks, issue=True))) <= set(
        failures(Mail(usual.subject, usual.html, usual.text, blanks, issue=True))
    )


def test_without_fields_nothing_changes() -> None:
    told, fields, mistakes = personal(content(), WORD)
    assert (told, fields, mistakes) == (content(), (), ())


@pytest.mark.parametrize("template", ["roundup", "compact", "single"])
def test_an_editors_title_and_a_sponsors_words_are_for_each_reader(template: str) -> None:
    address = "https://shop.example/a?to=[[city|Ö & <x>]]&b=1"
    sponsor = Sponsor(f"For {FIRST}", f"Maps of {FIRST}", address, f"[Only *{FIRST}*]({address})")
    lead = samples.ISSUE.lead
    assert lead
    lead = replace(lead, title=f"{FIRST} asks", dek="[[x|y]] from a feed", by_hand=("title",))
    made = render(replace(samples.ISSUE, lead=lead, sponsor=sponsor), TEMPLATES, template, WORD)
    assert made.problems == ()
    city = Field("city", "Ö & <x>", in_address=True)
    assert set(made.fields) == {FIRST, city}
    said = dict(zip(made.fields, values(made.fields, "", {"first_name": "Ann&Co", "city": "A/B"}), strict=True))
    blanks = dict.fromkeys(Blank, "")
    html = fill(made.html, WORD, blanks, [escape(said[field]) for field in made.fields])
    text = fill(made.text, WORD, blanks, [said[field] for field in made.fields])
    assert html.count('href="https://shop.example/a?to=A%2FB&amp;b=1"') == 2
    assert "https://shop.example/a?to=A%2FB&b=1" in text.split()
    for words in ("Ann&Co asks", "For Ann&Co", "Maps of Ann&Co"):
        assert escape(words) in html
        assert words in text
    assert "Only <em>Ann&amp;Co</em>" in html
    assert WORD not in html + text
    stranger = dict(zip(made.fields, defaults(made.fields), strict=True))
    assert (stranger[FIRST], stranger[city]) == ("dear <friend>", "%C3%96%20%26%20%3Cx%3E")


def test_subject_and_preheader_made_of_an_editors_title_have_its_defaults() -> None:
    lead = samples.ISSUE.lead
    assert lead
    mine = replace(samples.ISSUE, lead=replace(lead, title="[[name|Everybody]] asks", by_hand=("title",)))
    titles, _ = titled(mine, "{{ lead.title }}")
    assert titles.subject == "Everybody asks"
    feeds = replace(samples.ISSUE, lead=replace(lead, title="[[name|Everybody]] asks"))
    assert titled(feeds, "{{ lead.title }}")[0].subject == "[[name|Everybody]] asks"


@pytest.mark.parametrize(
    ("intro", "problem"),
    [
        ("Hi [[first name|x]]", f"[[first name|x]]: {EXPECTED}"),
        ("[me](https://[[id|]].example.org/)", IN_AN_ADDRESS),
        ("[me][it]\n\n[it]: https://example.org/(a)[[id|]]", IN_AN_ADDRESS),
    ],
)
def test_what_is_written_wrongly_keeps_the_issue_from_going_out(intro: str, problem: str) -> None:
    assert problem in render(content(intro=intro), TEMPLATES, "roundup", WORD).problems
