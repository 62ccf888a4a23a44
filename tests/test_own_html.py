"""A newsroom's own HTML: its style sheet written into the elements, a text part made of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import samples
from hypothesis import given
from hypothesis import strategies as st

from digest.blanks import Blank, blank
from digest.compose.rendering import render
from digest.templating import Templates, template_root
from digest.templating.astext import as_text
from digest.templating.inlining import inlined
from digest.templating.text import columns

PAGE = "<html><head><style>{css}</style></head><body>{body}</body></html>"


@pytest.mark.parametrize(
    ("css", "body", "result"),
    [
        ("p { color: red }", "<p>x</p>", '<p style="color: red">x</p>'),
        ("p { color: red }", '<p style="margin:0">x</p>', '<p style="color: red;margin: 0">x</p>'),
        ("p { color: red } .b { color: blue }", '<p class="b">x</p>', '<p class="b" style="color: blue">x</p>'),
        ("p { color: red !important } p { color: blue }", "<p>x</p>", '<p style="color: red">x</p>'),
        (
            "p { margin: 0 }",
            '<p style="color:red !important">x</p>',
            '<p style="margin: 0;color: red !important">x</p>',
        ),
        ("p { background: url(https://a.example/b;c.png) }", "<p>x</p>", None),
        ("", "<p>x</p>", "<p>x</p>"),
    ],
)
def test_rules_are_written_into_elements(css: str, body: str, result: str | None) -> None:
    html = inlined(PAGE.format(css=css, body=body))
    assert "https://a.example/b;c.png" in html if result is None else result in html


def test_what_no_element_can_say_stays_in_the_style_block() -> None:
    css = (
        "a { color: red } a:hover { color: blue } @media (prefers-color-scheme: dark) { a { color: pink !important } }"
    )
    html = inlined(PAGE.format(css=css, body="<a href='#x'>x</a>"))
    style = html[html.index("<style>") : html.index("</style>")]
    assert "hover" in style
    assert "prefers-color-scheme" in style
    assert "pink !important" in style
    assert "red" not in style


def test_conditional_comments_of_outlook_stay_as_they_are() -> None:
    outlook = '<!--[if mso]><table role="presentation"><tr><td><![endif]-->'
    assert outlook in inlined(PAGE.format(css="p { color: red }", body=f"{outlook}<p>x</p>"))


def test_no_style_sheet_is_fetched() -> None:
    link = '<link rel="stylesheet" href="http://127.0.0.1:9/style.css">'
    assert "<p>x</p>" in inlined(f"<html><head>{link}</head><body><p>x</p></body></html>")
    local = '<link rel="stylesheet" href="file:///etc/passwd">'
    assert "<p>x</p>" in inlined(f"<html><head>{local}</head><body><p>x</p></body></html>")


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>One</p><p>Two</p>", "One\n\nTwo\n"),
        ("<h1>A title</h1><p>Words</p>", "A title\n=======\n\nWords\n"),
        ("<h2>A</h2>", "A\n-\n"),
        ("Read <a href='https://a.example/1'>this</a>.", "Read this [1] .\n\n[1] https://a.example/1\n"),
        ("<a href='https://a.example/'><img src='x.png' alt='A ship'></a>", "A ship [1]\n\n[1] https://a.example/\n"),
        ("<ul><li>One</li><li>Two</li></ul>", "- One\n\n- Two\n"),
        ("<table><tr><td>One</td><td>Two</td></tr></table>", "One\n\nTwo\n"),
        ("One<br>two", "One\ntwo\n"),
        ("<div style='display:none'>Preheader</div><p>Words</p>", "Words\n"),
        ("<div style='display: none'><a href='https://a.example/'>On phones</a></div>", None),
        ("<style>p{}</style><script>x</script><p>Words</p>", "Words\n"),
        ("<a href='#top'>Up</a>", "Up\n"),
        ("<a href=''>Nowhere</a>", "Nowhere\n"),
        ("", "\n"),
    ],
)
def test_a_text_part_says_what_the_html_says(html: str, text: str | None) -> None:
    assert as_text(html) == text if text is not None else "On phones [1]" in as_text(html)


@given(st.lists(st.text(st.characters(blacklist_categories=("Cs", "Cc"))), max_size=8))
def test_no_line_of_a_text_part_is_too_wide_unless_a_word_is(words: list[str]) -> None:
    text = as_text("<p>" + " ".join(word.replace("<", "").replace("&", "") for word in words) + "</p>")
    assert all(columns(line) <= 76 or " " not in line for line in text.split("\n"))


OWN = """<html lang="{{ language }}"><head><title>{{ subject }}</title>
<style>h1 { color: #123456 } @media (max-width:400px) { h1 { font-size: 20px !important } }</style></head>
<body><h1>{{ issue.edition }}</h1>
{% for section in issue.sections %}{% for article in section.articles %}
<p><a href="{{ article.url }}">{{ article.title }}</a></p>
{% endfor %}{% endfor %}
<p><a href="{{ blanks.unsubscribe }}">{{ "Unsubscribe"|say }}</a><br>{{ site.postal_address }}</p></body></html>"""


def test_an_issue_is_rendered_by_a_newsrooms_own_html_and_has_a_text_part(tmp_path: Path) -> None:
    (tmp_path / "email").mkdir()
    (tmp_path / "email" / "own.html.j2").write_text(OWN)
    hostile = samples.article(90, "<script>alert(1)</script> & co \u00a0 \u05d0", url="https://meridian.example/90")
    issue = replace(samples.ISSUE, sections=(replace(samples.EUROPE, articles=(hostile,)),))
    mail = render(issue, Templates(template_root(), tmp_path), "own", "w0")
    assert mail.problems == ()
    assert '<h1 style="color: #123456">The Weekly Round-up</h1>' in mail.html
    assert "@media (max-width:400px)" in mail.html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; co" in mail.html
    assert "<script>alert(1)</script> & co" in mail.text
    assert [line for line in mail.text.split("\n") if line.endswith(hostile.url)]
    assert blank("w0", Blank.UNSUBSCRIBE) in mail.text
