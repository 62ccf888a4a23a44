"""Templates: text arrives as it was, hostile text inert, names are not paths, staff text is bounded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.errors import NotFound, TemplateError
from digest.templating import Templates, forbidden, line, template_root
from digest.templating.filters import FILTERS
from digest.templating.inspection import Document
from digest.templating.text import clean, columns, folded, wrapped
from digest.theme import THEMES


@dataclass(frozen=True)
class Thing:
    title: str
    lead: object = None


ECHO = """<mjml><mj-body><mj-section><mj-column><mj-text>
<p title="{{ thing.title }}"><img src="https://x.example/i.png" alt="{{ thing.title }}"><b>{{ thing.title }}</b></p>
</mj-text></mj-column></mj-section></mj-body></mjml>"""


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    return made(tmp_path_factory.mktemp("echo"), {"email/echo.mjml.j2": ECHO, "email/echo.txt.j2": "{{ thing.title }}"})


def made(root: Path, files: dict[str, str]) -> Templates:
    for name, source in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return Templates(root)


HOSTILE = [
    "no-break\u00a0space",
    "line\u2028and paragraph\u2029separators",
    "joined \U0001f469\u200d\U0001f680 and \u200bzero width",
    "हिन्दी में समाचार",
    "السَّلامُ عَلَيْكُمْ",
    "ภาษาไทย",
    "back\\slash \\n \\u{a0} \\",
    "</mj-text><mj-raw><script>alert(1)</script>",
    "{{7*7}} {% raw %} {# x #} ${7*7} #{7*7} <%= 7*7 %>",
    "<mj-include path='/etc/passwd' />",
    "\"quotes\" 'both' & &amp; &#65; &lt;script&gt; &nbsp;",
    "<![CDATA[x]]> <!-- comment --> <!--[if mso]>",
    "=?utf-8?q?a=0D=0ABcc:_x?=",
    "controls \x00\x01\x7f\x85 and\r\nends\ttab",
    "half \ud800 a character",
]


def check_echo(echo: Templates, title: str) -> None:
    html = echo.mjml("echo", {"thing": Thing(title)})
    document = Document(html)
    there = clean(title)
    assert [attrs["alt"] for tag, attrs in document.tags if tag == "img"] == [there]
    assert [attrs["title"] for tag, attrs in document.tags if tag == "p"] == [there]
    assert document.text.strip(" \n\t") == there.strip(" \n\t")
    assert forbidden(Document(html)) == ()


@pytest.mark.parametrize("title", HOSTILE)
def test_hostile_text_arrives_as_it_was(echo: Templates, title: str) -> None:
    check_echo(echo, title)


@given(st.text(st.characters(blacklist_categories=())))
def test_text_and_attributes_before_equal_those_after(echo: Templates, title: str) -> None:
    check_echo(echo, title)


@given(st.lists(st.sampled_from([*HOSTILE, "<", ">", "&", ";", '"', "--", "/mj-text", " "]), max_size=6))
def test_hostile_pieces_put_together_stay_text(echo: Templates, pieces: list[str]) -> None:
    check_echo(echo, "".join(pieces))


def test_text_part_keeps_a_value_on_one_line(echo: Templates) -> None:
    assert echo.text("echo", {"thing": Thing("one\r\n\ntwo\u2028three <b>")}) == "one two three <b>"


@pytest.mark.parametrize(
    "name",
    [
        "../echo",
        "..",
        "echo.mjml",
        "parts/echo",
        "/etc/passwd",
        "Echo",
        "",
        "a" * 65,
        "echo\n",
        "echo\0",
        "-echo",
        "ｅcho",
    ],
)
def test_names_are_looked_up_not_joined(echo: Templates, name: str) -> None:
    for ask in (echo.mjml, echo.text, echo.page):
        with pytest.raises(NotFound, match="there is no template"):
            ask(name, {})


@pytest.mark.parametrize(
    "source",
    [
        "{{ thing.title|attr('__class__') }}",
        "{{ thing.__class__ }}",
        "{{ thing.title.format(thing) }}",
        "{{ thing.title.upper() }}",
        "{{ '%999999999d' % 1 }}",
        "{{ 'a' * 10**10 }}",
        "{{ 10 ** 10 ** 10 }}",
        "{{ range(10) }}",
        "{{ cycler.__init__ }}",
        "{{ thing }}",
        "{{ thing.lead }}",
        "{{ thing.nothing }}",
        "{% include thing.title %}",
        "{% import thing.title as x %}",
        "{% if %}",
        "{{ self.__init__.__globals__ }}",
    ],
)
def test_sandbox_refuses_with_the_place(tmp_path: Path, source: str) -> None:
    templates = made(tmp_path, {"email/bad.txt.j2": f"first line\n{source}"})
    with pytest.raises(TemplateError, match=r"^template email/bad\.txt\.j2, line (2|\?)"):
        templates.text("bad", {"thing": Thing("{0.__class__}")})


def test_broken_mjml_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match=r"template bad\.mjml\.j2: not valid MJML"):
        made(tmp_path, {"email/bad.mjml.j2": "<mjml><mj-body>"}).mjml("bad", {})


def test_includes_of_mjml_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.mjml").write_text("<mj-text>secret</mj-text>")
    source = f'<mjml><mj-body><mj-include path="{tmp_path}/secret.mjml" /></mj-body></mjml>'
    templates = made(tmp_path, {"email/bad.mjml.j2": source})
    with pytest.raises(TemplateError):
        templates.mjml("bad", {})


def test_overrides_replace_single_templates(tmp_path: Path) -> None:
    head = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n'
    words = f'{head}msgid "Yes, subscribe me"\nmsgstr "Ja, bitte"\n'
    made(tmp_path, {"words/de.po": words, "email/own.txt.j2": "mine"})
    templates = Templates(template_root(), tmp_path)
    context = dict.fromkeys(("subject", "preheader", "list_title"), "x") | {"language": "de", "direction": "ltr"}
    context |= {"site": {"name": "x", "postal_address": "x"}, "blanks": {"confirm": "c", "decline": "d"}}
    context |= {"theme": THEMES["paper"]}
    assert "Ja, bitte" in templates.mjml("confirm", context)
    assert "Ja, bitte:\nc\n" in templates.text("confirm", context)
    assert templates.text("own", {}) == "mine"
    shipped = [
        "changed",
        "compact",
        "confirm",
        "goodbye",
        "link",
        "move",
        "moved",
        "notice",
        "roundup",
        "single",
        "welcome",
    ]
    assert templates.names("email", ".txt.j2") == sorted([*shipped, "own"])
    assert templates.names("email", ".mjml.j2") == shipped


LEAD = Thing("A title")


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("{{ lead.title }} and {{ count - 1 }} more", "A title and 2 more"),
        ("{{ lead.title|upper }}", "A TITLE"),
        ("{{ lead.title|truncate(5) }}", "A..."),
        ("{{ lead.title if count > 2 else 'none' }}", "A title"),
        ("{{ date|day }}", "Friday, November 20, 2026"),
        ("{{ date|day('de') }}", "Freitag, 20. November 2026"),
        ("{{ date|day('no-such-language') }}", "fredag 20. november 2026"),
        ("plain\r\n\x07text\u2028", "plain text"),
    ],
)
def test_a_line_of_staff(source: str, result: str) -> None:
    assert line(source, {"lead": LEAD, "count": 3, "date": date(2026, 11, 20)}) == result


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in range(10**9) %}{% endfor %}",
        "{{ 'a'*10**10 }}",
        "{{ 'a'.ljust(9999999999) }}",
        "{{ '%9999999999d' % 1 }}",
        "{{ lead.title|center(9999999999) }}",
        "{{ lead.title|replace('A', 'b') }}",
        "{{ lead.title.__class__ }}",
        "{{ lead.title.upper }}",
        "{{ lead.nothing }}",
        "{{ nothing }}",
        "{{ nothing.title }}",
        "{{ lead }}",
        "{{ lead.lead }}",
        "{{ [1, 2] }}",
        "{# remark #}",
        "{{",
        "}}{{ 1/0 }}",
        "",
        " \r\n",
        "a" * 501,
        "{{ long }}",
    ],
)
def test_a_line_that_can_not_be_is_said_in_a_sentence(source: str) -> None:
    with pytest.raises(TemplateError) as error:
        line(source, {"lead": LEAD, "long": "x" * 301})
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 700


def test_values_of_a_line_are_never_templates() -> None:
    assert line("{{ lead.title }}", {"lead": Thing("{{ 7*7 }} {% x %}")}) == "{{ 7*7 }} {% x %}"


@pytest.mark.parametrize(
    ("source", "html"),
    [
        ("*a* **b**", "<p><em>a</em> <strong>b</strong></p>"),
        ("<script>x</script>", "<p>&lt;script&gt;x&lt;/script&gt;</p>"),
        ("[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>"),
        ("[x](data:text/html,a)", "<p>[x](data:text/html,a)</p>"),
        ("[x](https://a.example/?a=1&b=2)", '<p><a href="https://a.example/?a=1&amp;b=2">x</a></p>'),
        ("[x](mailto:a@b.example)", '<p><a href="mailto:a@b.example">x</a></p>'),
        ("![x](https://a.example/i.png)", '<p>!<a href="https://a.example/i.png">x</a></p>'),
        ("# big", "<p><strong>big</strong></p>"),
    ],
)
def test_markdown_is_safe_html(source: str, html: str) -> None:
    assert FILTERS["markdown"](source) == html


def test_markdown_takes_styles() -> None:
    html = FILTERS["markdown"]("[x](https://a.example)", "margin:0", "color:#000000")
    assert html == '<p style="margin:0"><a href="https://a.example" style="color:#000000">x</a></p>'


@pytest.mark.parametrize(
    ("html", "words"),
    [
        ("<p onclick='x'>", "script in the attribute onclick"),
        ("<a href='javascript:x'>a</a>", "not a web or mail address"),
        ("<a href=' JAVASCRIPT:x'>a</a>", "not a web or mail address"),
        ("<img src='data:image/png;base64,x'>", "not a web or mail address"),
        ("<a href=''>a</a>", "not a web or mail address"),
        ("<mj-hero>x</mj-hero>", "raw <mj-hero>"),
        ("<meta http-equiv='refresh' content='0'>", "leads elsewhere"),
        *[(f"<{tag}>", f"<{tag}>") for tag in ("script", "form", "iframe", "object", "link", "base", "svg", "embed")],
    ],
)
def test_what_must_not_be_in_a_mail_is_found(html: str, words: str) -> None:
    assert words in " ".join(forbidden(Document(html)))


def test_blanks_are_addresses() -> None:
    assert forbidden(Document("<a href='bk3xunsubscribex'>leave</a>"), ("bk3xunsubscribex",)) == ()


@given(st.text(), st.integers(10, 80))
def test_wrapping_keeps_every_word(text: str, width: int) -> None:
    text = clean(text)
    result = wrapped(text, width)
    assert result.replace(" ", "").replace("\n", "") == text.replace(" ", "").replace("\n", "")


def test_wrapping_breaks_wide_letters_and_never_links() -> None:
    link = "https://example.org/" + "a" * 100
    assert link in wrapped(f"{'word ' * 20}{link}").split("\n")
    lines = wrapped("新" * 100).split("\n")
    assert [columns(each) for each in lines] == [76, 76, 48]


@given(st.text(st.characters(blacklist_categories=())))
def test_folded_is_one_line(text: str) -> None:
    assert len(folded(text).splitlines()) <= 1
    folded(text).encode()
