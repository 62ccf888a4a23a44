"""Pages: what each field is taken from, and what is no answer; hostile ones cost little."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from digest.gather.pages import read

URL = "https://news.test/2026/11/18/a-story"

LINKED = (
    '<script type="application/ld+json">{"@graph":[{"@type":"WebSite","name":"News"},{"@type":"NewsArticle",'
    '"headline":"A story","author":[{"@id":"#jo"},{"name":"Ann Lee"}],"datePublished":"2026-11-18T10:00:00+01:00",'
    '"image":{"url":"/a.jpg"},"articleSection":"Europe",},{"@type":"Person","@id":"#jo","name":"Jo Doe"}]}</script>'
)


def test_linked_data_is_read_though_it_is_broken() -> None:
    page = read(LINKED.encode(), url=URL)
    assert (page.title, page.authors, page.section) == ("A story", ("Jo Doe", "Ann Lee"), "Europe")
    assert page.published == datetime(2026, 11, 18, 9, 0, tzinfo=UTC)
    assert page.image == "https://news.test/a.jpg"


TITLES = [
    ("<title>A story of the day | News</title>", "A story of the day", "the site's name is cut"),
    ('<meta property="og:title" content="A story - The News"><meta property="og:site_name" content="The News">',
     "A story", "as the page names its site"),
    ('<meta property="og:title" content="undefined"><h1>A story</h1>', "A story", "what a template left unfilled"),
    ("<title>Part 3: the end</title>", "Part 3: the end", "a colon is no site"),
    ("<title>Tom &amp;amp; Jo</title>", "Tom & Jo", "encoded twice"),
]  # fmt: skip


@pytest.mark.parametrize(("markup", "title", "caption"), TITLES, ids=[row[2] for row in TITLES])
def test_a_title_is_the_headline(markup: str, title: str, caption: str) -> None:
    assert read(markup.encode(), url=URL).title == title


AUTHORS = [
    ('<meta name="author" content="By Jo Doe and Ann Lee">', ("Jo Doe", "Ann Lee"), "two in one"),
    ('<meta property="article:author" content="https://social.test/jo">', (), "an address is no name"),
    ('<meta name="author" content="admin"><a rel="author" href="/a">Jo Doe</a>', ("Jo Doe",), "a login"),
    ("<h1>A story</h1><p class=byline>Von Jo Doe, 18.11.2026</p>", ("Jo Doe",), "another language, with the day"),
    ('<meta name="author" content="Jo Doe, Staff Writer">', ("Jo Doe",), "a role"),
    ('<meta name="author" content="{{author}}">', (), "what a template left unfilled"),
    ("<div itemscope itemtype=https://schema.org/Article><i itemprop=author>Jo Doe</i></div>", ("Jo Doe",), "item"),
]  # fmt: skip


@pytest.mark.parametrize(("markup", "authors", "caption"), AUTHORS, ids=[row[2] for row in AUTHORS])
def test_authors_are_people(markup: str, authors: tuple[str, ...], caption: str) -> None:
    assert read(markup.encode(), url="https://news.test/a").authors == authors


DATES = [
    ("<meta name=date content=2026-11-18T10:00:00-05:00>", "2026-11-18T10:00:00-05:00", "zone"),
    ('<meta name="date" content="1763460000">', "2025-11-18T10:00:00+00:00", "seconds"),
    ("<h1>T</h1><time datetime='2026-11-18'>x</time>", "2026-11-18T00:00:00+00:00", "a day"),
    ("<h1>T</h1><p class=date>18. November 2026</p>", "2026-11-18T00:00:00+00:00", "German words"),
    ("<h1>T</h1><p class=date>Nov. 18, 2026</p>", "2026-11-18T00:00:00+00:00", "American words"),
    ("<h1>T</h1><p>2026年11月18日</p>", "2026-11-18T00:00:00+00:00", "Japanese"),
    ("<html lang=de><h1>T</h1><p class=date>03.04.2026</p>", "2026-04-03T00:00:00+00:00", "day first"),
    ("<html lang=en-US><h1>T</h1><p class=date>03/04/2026</p>", "2026-03-04T00:00:00+00:00", "month first"),
]  # fmt: skip


@pytest.mark.parametrize(("markup", "at", "caption"), DATES, ids=[row[2] for row in DATES])
def test_a_date_is_that_of_publication(markup: str, at: str, caption: str) -> None:
    assert read(markup.encode(), url="https://news.test/a").published == datetime.fromisoformat(at)


def test_the_address_tells_the_day_where_nothing_else_does() -> None:
    page = read(b"<p>Words</p>", url=URL)
    assert (page.published, page.only_day) == (datetime(2026, 11, 18, tzinfo=UTC), True)


def test_the_charset_is_what_the_server_says_then_what_the_page_says() -> None:
    body = '<meta charset="windows-1251"><title>Новости дня</title>'.encode("cp1251")
    assert read(body).title == "Новости дня"
    assert read("<title>Žluť</title>".encode("iso8859-2"), content_type="text/html; charset=iso-8859-2").title == "Žluť"


def test_the_text_is_that_of_the_article() -> None:
    words = "This is a sentence of the article, and it is long enough to be one. " * 3
    body = f"<nav><p>{words}</p></nav><article><p>{words}</p><p>{words}</p></article><footer><p>{words}</p></footer>"
    assert read(body.encode()).paragraphs == (words.strip(), words.strip())


HOSTILE = [
    (b"<div>" * 1_000_000 + b"x", "nesting"),
    (b"<p><span class=byline>" * 200_000, "nesting of what is looked for"),
    (b"<p " + b" ".join(b"a%d=1" % number for number in range(300_000)) + b">x", "attributes"),
    (b"<p " + b" ".join(b"a%d=1" % number for number in range(300_000)), "attributes without end"),
    (b"<p>hello world</p>" * 1_400_000, "25 MB"),
    (b'<script type="application/ld+json">' + b"[" * 1_000_000 + b"</script>", "deep linked data"),
    (b'<script type="application/ld+json">{"a":1,}</script>' * 50_000, "much linked data"),
    (b"<" * 3_000_000, "signs"),
    (b"<script>" * 500_000, "scripts without end"),
    (b"", "nothing"),
    (b"\xff\xfe\x00" * 1000, "no text"),
]


@pytest.mark.parametrize(("body", "caption"), HOSTILE, ids=[row[1] for row in HOSTILE])
@pytest.mark.timeout(60)
def test_no_page_costs_more_than_its_length(body: bytes, caption: str) -> None:
    assert read(body, url=URL).authors == ()
