"""Pages: what each field is taken from, and what is no answer; hostile ones cost little."""

from __future__ import annotations

import time
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
    ('<meta property="og:title" content="NEWS-2026-0185 - News Database"><title>NEWS-2026-0185 - News Database</title>',
     "NEWS-2026-0185 - News Database", "a part that is much longer than the site's name is not its name"),
    ('<meta property="og:site_name" content="Puppy"><title>Puppy buying - tips for every breed | Puppybuying</title>'
     "<h1>Puppy buying - tips for every breed</h1>", "Puppy buying - tips for every breed",
     "what the heading says in full is not cut"),
    ("<title>Some Blog &raquo; Blog Archive &raquo; A story of the day</title><h1>Some Blog</h1>",
     "A story of the day", "as WordPress wrote titles of old"),
    ("<title>A story of the day | Some Blog</title><h1>Some Blog</h1><h2>A story of the day</h2>",
     "A story of the day", "the first heading is the blog's"),
    ('<meta property="og:title" content="A story of the day"><title>A story of the day | News</title>'
     "<h1><span>Kicker line</span> <span>A story of the day</span></h1>", "A story of the day",
     "the heading has a kicker in it"),
    ('<meta property="og:title" content="Senator calls it a "><title>Senator calls it a "shame"</title>'
     '<h2>Senator calls it a "shame"</h2>', 'Senator calls it a "shame"', "cut short by a quotation mark"),
    ('<meta property="og:title" content="Ten ways you never knew to find a story"><h1>How to find a good story</h1>',
     "How to find a good story", "made for sharing: readers see another"),
    ('<meta name="application-name" content="A story of the day"><meta property="og:site_name" content="The News">'
     '<meta property="og:title" content="A story of the day"><h3 class="headline">Another story</h3>',
     "A story of the day", "where a page gives the headline as its site's name"),
    ("<title>A story: what was said - The News</title><h1>A story</h1><h1>Usage</h1>",
     "A story: what was said", "a colon ends no headline"),
    ('<html lang=ja><h1>今日の話をする<span>：</span><span>新聞の話</span></h1>',
     "今日の話をする：新聞の話", "no spaces where none are written"),
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
    ("<article><h1>A story</h1><p>Words</p><footer class=entry-meta><a rel=author>Jo Doe</a></footer></article>",
     ("Jo Doe",), "in the article's own footer"),
    ("<div class=has-sidebar><h1>A story</h1><p class=byline>Jo Doe</p></div>", ("Jo Doe",), "beside no side bar"),
    ("<div class='widget article-authors'><h1>A story</h1><p class=author-name>Jo Doe</p></div>", ("Jo Doe",),
     "a widget"),
    ("<main><h1>A story</h1><p class=byline>Jo Doe</p></main><div><p><i class=author-name>Ann Lee</i></p></div>",
     ("Jo Doe",), "the nearer to the headline"),
    ('<meta name="author" content="Jo Site"><main><h1>A story</h1><a href="/author/ann">Ann Lee</a></main>',
     ("Ann Lee",), "a link to the author's page, not who made the site"),
    ('<meta name="twitter:label1" content="Verfasst von"><meta name="twitter:data1" content="Jo Doe">', ("Jo Doe",),
     "as shared posts show it"),
    ('<meta name="twitter:label1" content="Lesezeit"><meta name="twitter:data1" content="4 Minuten">', (),
     "not how long"),
    ("<figure itemscope itemtype=https://schema.org/ImageObject><i itemprop=creator>Ann Lee</i></figure>"
     '<meta name="author" content="Jo Doe">', ("Jo Doe",), "who took the picture"),
    ('<meta name="author" content="Alpha Web GmbH"><h1>A story</h1><p><em>Von Jo Doe</em></p>', ("Jo Doe",),
     "a company"),
    ('<meta name="citation_author" content="Lee, Ann"><meta name="citation_author" content="Roe, Max">',
     ("Ann Lee", "Max Roe"), "as libraries write them"),
    ('<main><h1>A story</h1><p>About <a href="/people/ann-lee">Ann Lee</a></p></main>', (), "of whom the story tells"),
    ('<meta name="author" content="Tools & i">', ("Tools & i",), "a name with a sign in it"),
    ("<h1>A story</h1><p class=byline>By Jo Doe 5 minute read</p>", ("Jo Doe",), "how long it takes"),
    ("<h1>A story</h1><p class=byline>Jo Doe, Ann Lee and Max Roe - Browser team</p>", ("Jo Doe", "Ann Lee", "Max Roe"),
     "a team"),
    ("<h1>A story</h1><p class=byline>Jo Doe Senior Staff Writer</p>", ("Jo Doe",), "a role without a sign"),
    ("<h1>A story</h1><p class=byline>Jo Doe, Brussels</p>", ("Jo Doe",), "where they are"),
    ("<h1>A story</h1><p class=byline>Jo Doe, Reuters</p>", ("Jo Doe", "Reuters"), "with an agency"),
    ("<h1>A story</h1><p class=byline>Jo Doe</p><p class=byline>Senior Editor, The News</p>", ("Jo Doe",),
     "a role apart"),
    ("<h1>A story</h1><p class=byline>von Redaktion</p>", ("Redaktion",), "a desk, where nobody else signs"),
    ("<h1>話</h1><p class=byline>[山田太郎，新聞]</p>", ("山田太郎", "新聞"), "in brackets, with their comma"),
    ("<title>A story</title><script>1</script><noscript><h2>A story</h2><p class=byline>Posted by Jo Doe</p>"
     f"{'<p>Words for browsers without scripts.</p>' * 60}</noscript>", ("Jo Doe",), "for browsers without scripts"),
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
    ("<h1>T</h1><p class=date>04/03/2026</p><p>Erstellt am: 04.03.2026</p>", "2026-03-04T00:00:00+00:00",
     "settled by another"),
    ("<h1>T<br><small>18.11.2026 &bull; News</small></h1>", "2026-11-18T00:00:00+00:00", "in the heading"),
    ("<h1>T</h1><p class=date>18. November 2026</p><blockquote><time datetime=2026-11-01>x</time></blockquote>",
     "2026-11-18T00:00:00+00:00", "not that of what is quoted"),
    ("<h1>T</h1><p>The next meeting is on 5 February 2027, at seven in the evening, at Hurricane.</p>"
     "<footer><ul><li id=footer-info-lastmod>This page was last changed on 18 November 2026.</li></ul></footer>",
     "2026-11-18T00:00:00+00:00", "not that of which a sentence speaks"),
    ("<h1>T</h1><p><strong>Karlsruhe, (18.11.2026). A long sentence of what was said there on this day, and by whom."
     " It goes on for a while, as they do.</strong></p>", "2026-11-18T00:00:00+00:00", "a dateline"),
    ("<h1>T</h1><relative-time datetime=2026-11-18T10:00:00Z>on Nov 18</relative-time>", "2026-11-18T10:00:00+00:00",
     "an element of the site's own"),
    ('<script type="application/ld+json">{"@type":"NewsArticle","datePublished":"2026-11-15T10:00:00Z"}</script>'
     '<meta property="article:published_time" content="2026-11-18T10:00:00Z"><h1>T</h1><p class=date>18 Nov 2026</p>',
     "2026-11-18T10:00:00+00:00", "of two that contradict, the one that readers see"),
    ("<html lang=ja><h1>T</h1><p>2026年11月18日</p>", "2026-11-18T00:00:00+09:00", "a language of one zone"),
    ("<html lang=ja><h1>T</h1><time datetime=2026-11-18T10:00:00Z>x</time>", "2026-11-18T10:00:00+00:00",
     "the page's own zone"),
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


LD = b'<script type="application/ld+json">'
HOSTILE = [
    (b"<div>" * 1_000_000 + b"x", "nesting"),
    (b"<p><span class=byline>" * 200_000, "nesting of what is looked for"),
    (b"<p " + b" ".join(b"a%d=1" % number for number in range(300_000)) + b">x", "attributes"),
    (b"<p " + b" ".join(b"a%d=1" % number for number in range(300_000)), "attributes without end"),
    (b"<p>hello world</p>" * 1_400_000, "25 MB"),
    (LD + b"[" * 1_000_000 + b"</script>", "deep linked data"),
    ((LD + b'{"a":1,}</script>') * 50_000, "much linked data"),
    (b"<" * 3_000_000, "signs"),
    (b"<script>" * 500_000, "scripts without end"),
    (b"<script" * 400_000, "tags of scripts without end"),
    (b"<style " * 400_000, "tags of styles without end"),
    (LD + b"-->" + b" " * 500_000 + b"x", "spaces after the end of a comment"),
    (b"<h1>" + b"\x1f" * 20_000 + b"x", "what parts elements"),
    (b"<h1>" + b"<b> </b>" * 20_000 + b"x", "elements of spaces"),
    (b'<div class="' + b"x " * 3_900 + b'">' + b"<span>2020</span>" * 8_000, "a long class around many"),
    (b"".join(b'<i class="author%s%d"></i>' % (b"-" * 7_000, n) for n in range(60)), "classes of hyphens"),
    (LD + b'{"@type":"NewsArticle","author":[' + b",".join([b'"%s"' % (b"{" * 1_500)] * 20) + b"]}", "brackets"),
    (LD + b'{"@type":"NewsArticle","author":[' + b",".join([b'"%s"' % (b"@" * 1_500)] * 20) + b"]}", "addresses"),
    (b"<blockquote>" * 240 + b"<a href=x>ab</a> " * 79_000, "links in quotes of quotes"),
    (b"<aside>" * 240 + b"a b " * 600_000, "words in what stands beside"),
    (b"", "nothing"),
    (b"\xff\xfe\x00" * 1000, "no text"),
]


@pytest.mark.parametrize(("body", "caption"), HOSTILE, ids=[row[1] for row in HOSTILE])
@pytest.mark.timeout(60)
def test_no_page_costs_more_than_its_length(body: bytes, caption: str) -> None:
    began = time.process_time()
    assert read(body, url=URL).authors == ()
    assert time.process_time() - began < 5
