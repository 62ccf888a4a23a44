"""Others' text made harmless, and links as browsers read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.gather.clean import markup_text, plain_text, safe_html, shorten
from digest.gather.feeds.building import dek
from digest.gather.urls import canonical_url

FORBIDDEN = ("<script", "<style", "<iframe", "<svg", "<math", "<form", "<img", "onerror=", "javascript:", "data:")


@pytest.mark.parametrize(
    ("markup", "safe"),
    [
        ("<p>Hello <b>you</b></p>", "<p>Hello <b>you</b></p>"),
        ("<script>alert(1)</script>words", "words"),
        ("<a href='javascript:alert(1)'>x</a>", '<a rel="noopener noreferrer nofollow">x</a>'),
        ("<a href='/b?c=1'>x</a>", '<a href="https://a.test/b?c=1" rel="noopener noreferrer nofollow">x</a>'),
        ("<img src=x onerror=alert(1)>after", "after"),
        ("<p style='position:fixed' onclick='x()'>text</p>", "<p>text</p>"),
        ("<svg><desc>words</desc></svg>", "words"),
        ("<p>open <em>never closed", "<p>open <em>never closed</em></p>"),
        ("a \u202etxt\u202c b", "a txt b"),
    ],
)
def test_markup_is_reduced_to_what_is_safe(markup: str, safe: str) -> None:
    assert safe_html(markup, "https://a.test/") == safe


MARKUP = """<svg> <math> <style> <p> </p> <!-- --> <noscript> </noscript> <title> </title> "'> &lt;script&gt; <scr ipt>
words <img/src=x/onerror=y> <a/href=javascript:x> <table> <foreign> </foreign> <b>"""
PIECES = MARKUP.split()


@given(st.lists(st.sampled_from(PIECES), max_size=12))
def test_cleaning_again_changes_nothing(pieces: list[str]) -> None:
    once = safe_html("".join(pieces))
    assert safe_html(once) == once
    assert not any(word in once.replace("&lt;", "").lower() for word in FORBIDDEN if word.startswith("<"))


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("AT&amp;T", "AT&T"),
        ("AT&amp;amp;T", "AT&T"),
        ("a &lt; b", "a < b"),
        ("two\n  lines", "two lines"),
        ("nul\x00 bell\x07 c1\x9b", "nul bell c1"),
        ("\u202eevil\u202c \u2066x\u2069", "evil x"),
        ("line\u2028end", "line end"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("R&D and Q&A", "R&D and Q&A"),
    ],
)
def test_text_is_one_plain_line(text: str, plain: str) -> None:
    assert plain_text(text) == plain


def test_words_of_neighbouring_blocks_stay_apart() -> None:
    assert plain_text(markup_text("<p>one</p><p>two<br>three</p>")) == "one two three"


def test_texts_are_cut_after_a_word_and_marks_do_not_pile_up() -> None:
    assert plain_text("word " * 100, 20) == "word word word…"
    assert len(shorten("a" + "\u0301" * 1000, 5)) == 9


SAME = "https://news.test/world/a-story"


@pytest.mark.parametrize(
    "url",
    [
        "http://news.test/world/a-story",
        "https://www.news.test/world/a-story/",
        "https://news.test/world/a-story?utm_source=x&utm_medium=rss",
        "https://news.test/world/a-story?fbclid=1&gclid=2&mc_cid=3&_hsenc=4&igshid=5",
        "https://news.test/world/a-story#comments",
        "https://news.test/world/a-story/amp/",
        "https://amp.news.test/world/a-story",
        "https://news-test.cdn.ampproject.org/c/s/news.test/world/a-story",
        "HTTPS://News.Test:443/world/a-story?",
        "https://www.m.news.test/world/a-story/index.html/",
        "https://news.test/world/a-story?ref=rss&ml_subscriber=1&__s=2",
    ],
)
def test_variants_of_an_address_are_one_article(url: str) -> None:
    assert canonical_url(url) == SAME
    assert canonical_url(canonical_url(url)) == SAME


@pytest.mark.parametrize(
    "url",
    [
        SAME + "?p=2",
        "https://news.test/World/a-story",
        "https://other.test/world/a-story",
        SAME + "-2",
        SAME + "#!topic/2",
        SAME + "#/2",
    ],
)
def test_different_pages_stay_apart(url: str) -> None:
    assert canonical_url(url) != SAME


@pytest.mark.parametrize(
    ("summary", "line"),
    [
        pytest.param("Troops were sent [&hellip;]", "Troops were sent…", id="cut within a sentence"),
        pytest.param("Troops were sent. ...", "Troops were sent.", id="cut after a sentence"),
        pytest.param("A. The post <a>B</a> appeared first on <a>C</a>.", "A.", id="WordPress, English"),
        pytest.param("A. L&#8217;articolo B proviene da C.", "A.", id="WordPress, Italian"),
        pytest.param("A... <a href='x'>Leggi tutto</a>", "A…", id="a link to the whole"),
        pytest.param("A. submitted by <a>/u/b</a> [link] [comments]", "A.", id="reddit"),
        pytest.param("<a href='x'>Comments</a>", "", id="nothing is told"),
        pytest.param("...", "", id="no words"),
        pytest.param("Line&#x2028;sep", "Line sep", id="a separator of lines is a space"),
    ],
)
def test_a_dek_ends_as_a_sentence_ends(summary: str, line: str) -> None:
    assert dek(safe_html(summary)) == line
