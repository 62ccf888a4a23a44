"""Each kind of source by a fixture of its own: the same Entry from all, and what of each is peculiar."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from kinds import FEED, NEWS, NOTES, PAGE, PLAIN, POSTS

from digest.gather import kinds
from digest.gather.entries import Byline, Entry, Feed, Image
from digest.gather.kinds.folder import to_body
from digest.gather.kinds.page import moment
from digest.gather.kinds.sitemap import newest_parts
from digest.gather.kinds.slugs import slug_title
from digest.gather.kinds.wordpress import posts_address
from digest.gather.outcomes import Part


def folder(files: dict[str, str], url: str = "https://notes.example/n") -> Feed:
    return kinds.read("folder", to_body(((name, text.encode()) for name, text in files.items()), []), url=url)


def page(html: str, **selectors: str) -> Feed:
    return kinds.read("page", html.encode(), url="https://page.example/", selectors=selectors)


def urlset(*urls: str) -> bytes:
    inside = "".join(f"<url>{url}</url>" for url in urls)
    return f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{inside}</urlset>'.encode()


ONE_OF_EACH = [
    ("feed", FEED, "rss20", "https://feed.example/bridge", "Bridge closed for repairs", ("Ida Berg",)),
    ("sitemap", NEWS, "newssitemap", "https://map.example/2026/11/ferry-strike", "Ferry strike – day two", ()),
    (
        "page",
        PAGE,
        "page",
        "https://page.example/press/dredging?utm_source=x",
        "Dredging begins at dawn",
        ("Jo Doe", "Max Roe"),
    ),
    ("wordpress", POSTS, "wordpress", "https://press.example/tunnel/", "Tunnel “too wet” & late", ("Ann Low",)),
    (
        "folder",
        to_body([("tides.md", NOTES["tides.md"].encode())], []),
        "folder",
        "https://map.example/tides",
        "Spring tides: what to expect",
        ("Lu Ma", "Di Fo"),
    ),
]


@pytest.mark.parametrize(("type_", "body", "kind", "url", "title", "authors"), ONE_OF_EACH)
def test_every_kind_gives_the_same_entries(
    type_: str, body: bytes, kind: str, url: str, title: str, authors: tuple[str, ...]
) -> None:
    feed = kinds.read(type_, body, url="https://map.example/")
    entry = feed.entries[0]
    assert (feed.kind, entry.url, entry.title) == (kind, url, title)
    assert tuple(byline.name for byline in entry.bylines) == authors
    assert entry.published is not None and entry.published.date().isoformat() == "2026-11-19"
    assert entry.id and entry.canonical_url and not entry.thin


@pytest.mark.parametrize("type_", ["feed", "sitemap", "page", "wordpress"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0",
        b"<",
        b"[",
        b"{}",
        b"[[]]",
        b"[{}]",
        b"<urlset>",
        b"<html>",
        b"\x1f\x8b",
        b"\xff\xfe<\0",
        b"[" * 10_000,
    ],
)
def test_any_bytes_give_a_feed_and_a_reason(type_: str, body: bytes) -> None:
    feed = kinds.read(type_, body)
    assert feed.entries == () and (feed.problems or feed.kind)


def test_a_sitemap_given_as_a_feed_is_told_by_its_type() -> None:
    for body, type_ in ((PLAIN, "sitemap"), (POSTS, "wordpress")):
        assert kinds.recognised(body) == type_
        feed = kinds.read("feed", body)
        assert feed.kind == "" or feed.entries == ()
    assert kinds.read("feed", PLAIN).problems[0] == 'expected a feed, got what type "sitemap" reads'
    assert kinds.recognised(FEED) == "feed" == kinds.recognised(PAGE) == kinds.recognised(b"[]")
    assert kinds.recognised(gzip.compress(PLAIN * 50)) == "sitemap"
    assert kinds.recognised(b"<?xml version='1.0'?><!-- ours --><x:urlset xmlns:x='s'/>") == "sitemap"


# --- sitemaps


def test_a_news_sitemap_says_all_but_the_words() -> None:
    feed = kinds.read("sitemap", NEWS, url="https://map.example/news.xml")
    assert (feed.title, feed.language, feed.problems) == ("The Map & Post", "en-US", ())
    entry = feed.entries[0]
    assert entry.published == datetime(2026, 11, 19, 8, 30, tzinfo=UTC)
    assert entry.updated == datetime(2026, 11, 19, 12, 0, tzinfo=UTC)
    assert entry.categories == ("Ports", "Labour")
    assert entry.image == Image("https://map.example/pictures/ferry.jpg", "A ferry <at> rest")
    assert entry.language == "en-US"


def test_a_plain_sitemap_has_titles_of_slugs_the_newest_first() -> None:
    feed = kinds.read("sitemap", PLAIN, url="https://map.example/sitemap.xml")
    assert feed.kind == "sitemap"
    assert [(entry.title, entry.thin) for entry in feed.entries] == [
        ("The long tide", True),
        ("A quiet border", True),
    ]
    assert feed.entries[0].url == "https://map.example/2026/11/the-long-tide.html?a=1&b=2"
    assert feed.entries[1].published == datetime(2026, 11, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("/2026/11/a-quiet-border", "A quiet border"),
        ("/2026/11/a-quiet-border/", "A quiet border"),
        ("/a-quiet-border.html", "A quiet border"),
        ("/news/a_quiet_border.php", "A quiet border"),
        ("/a-quiet-border/index.html", "A quiet border"),
        ("/story/a-quiet-border/7654321", "A quiet border"),
        ("/a-quiet-border-7654321", "A quiet border"),
        ("/7654321-a-quiet-border", "A quiet border"),
        ("/a-quiet-border-5f3c9a2b71", "A quiet border"),
        ("/euro-2024-final", "Euro 2024 final"),
        ("/elections-2026", "Elections 2026"),
        ("/10-ways-to-sail", "10 ways to sail"),
        ("/covid-19-numbers", "Covid 19 numbers"),
        ("/der-grenz%C3%BCbergang-heute", "Der grenzübergang heute"),
        ("/%D0%BD%D0%BE%D0%B2%D0%B8%D0%BD%D0%B8-%D0%B4%D0%BD%D0%B5%D1%81", "Новини днес"),
        ("/iPhone-sales", "IPhone sales"),
        ("/a-quiet-border?utm_source=x#top", "A quiet border"),
        ("/", ""),
        ("", ""),
        ("/about", ""),
        ("/2026/11/19/", ""),
        ("/12345-67890", ""),
        ("/tag/quiet-border", ""),
        ("/Author/jo-doe", ""),
        ("/news/page/2", ""),
        ("/a-quiet-border/gallery", ""),
    ],
)
def test_a_slug_says_its_title(path: str, title: str) -> None:
    assert slug_title(f"https://e.example{path}") == title


def test_the_newest_of_a_long_sitemap_are_read() -> None:
    urls = [
        f"<loc>https://e.example/days/day-number-{n}</loc><lastmod>{2000 + n // 100}-01-{1 + n % 28:02}</lastmod>"
        for n in range(2_500)
    ]
    feed = kinds.read("sitemap", urlset(*urls))
    assert len(feed.entries) == 2_000
    assert feed.problems == ("only the newest 2,000 of 2,500 addresses were read",)
    dates = [entry.published for entry in feed.entries]
    assert dates == sorted(dates, reverse=True)  # type: ignore[type-var]
    assert min(dates) > datetime(2004, 12, 31, tzinfo=UTC)  # type: ignore[type-var]


def test_more_addresses_than_the_protocol_allows_are_not_read() -> None:
    feed = kinds.read("sitemap", urlset(*["<loc>https://e.example/one-two</loc>"] * 50_001))
    assert "read in part: it has more than 50,000 addresses" in feed.problems


@pytest.mark.parametrize(
    ("body", "problem", "entries"),
    [
        (gzip.compress(PLAIN), "", 2),
        (gzip.compress(PLAIN)[:-20], "it was not read: its compressed body is cut short", 0),
        (gzip.compress(b" " * 30_000_000), "it was not read: it unpacks to more than 100 times its size", 0),
        (PLAIN[:-150], "not well-formed: ", 1),
        (
            PLAIN.replace(b"<urlset", b"<!DOCTYPE x [<!ENTITY a 'b'>]><urlset"),
            "read in part: it has a document type",
            0,
        ),
        (b"<urlset>" + b"<url>" * 100, "read in part: it has more than 1,500,000 elements, or some deeper than 30", 0),
        (b"<urlset><url><loc>javascript:alert-one(1)</loc></url></urlset>", "", 0),
        (b"<urlset><url><loc>/rel-ative/a-path</loc></url></urlset>", "", 1),
        (b"<urlset></urlset>", "", 0),
        (NEWS.replace(b"xmlns:n=", b"xmlns:wrong="), "", 1),
        ("\ufeff".encode() + PLAIN, "", 2),
        (PLAIN.decode().encode("utf-16"), "", 2),
    ],
)
def test_sitemaps_as_they_come(body: bytes, problem: str, entries: int) -> None:
    feed = kinds.read("sitemap", body, url="https://map.example/s.xml")
    assert len(feed.entries) == entries
    assert "".join(feed.problems[:1]).startswith(problem) and bool(feed.problems) == bool(problem)


def test_an_index_names_its_newest_sitemaps() -> None:
    def index(*places: str) -> bytes:
        return f"<sitemapindex>{''.join(f'<sitemap>{one}</sitemap>' for one in places)}</sitemapindex>".encode()

    dated = [f"<loc>/s{n}.xml</loc><lastmod>2026-11-{n:02}</lastmod>" for n in (3, 9, 1, 7, 5, 8)]
    assert newest_parts(index(*dated), "https://e.example/index.xml") == (
        [f"https://e.example/s{n}.xml" for n in (9, 8, 7, 5, 3)],
        True,
    )
    undated = [f"<loc>https://e.example/s{n}.xml</loc>" for n in range(7)]
    assert newest_parts(index(*undated), "") == ([f"https://e.example/s{n}.xml" for n in (6, 5, 4, 3, 2)], False)
    assert newest_parts(index("<loc>file:///etc/passwd</loc>"), "https://e.example/")[0] == []
    assert newest_parts(PLAIN, "") == ([], False)
    assert kinds.read("sitemap", index(*dated)).kind == "sitemapindex"


def test_the_parts_of_an_index_are_one_feed() -> None:
    parts = [Part("https://map.example/a", NEWS), Part("https://map.example/b", problem="b is away"), Part("c", PLAIN)]
    feed = kinds.read("sitemap", b"<sitemapindex/>", url="https://map.example/", parts=parts)
    assert (feed.kind, feed.title, feed.problems) == ("newssitemap", "The Map & Post", ("b is away",))
    assert [entry.title for entry in feed.entries] == ["The long tide", "Ferry strike – day two", "A quiet border"]
    lost = kinds.read("sitemap", b"<sitemapindex/>", parts=parts[1:2])
    assert (lost.kind, lost.problems) == ("", ("b is away",))


# --- pages


def test_a_page_is_read_by_the_usual_selectors() -> None:
    feed = kinds.read("page", PAGE, url="https://elsewhere.example/")
    first, second = feed.entries
    assert (feed.title, feed.language, feed.problems) == ("Press room", "en", ())
    assert first.canonical_url == "https://page.example/press/dredging"
    assert first.dek == "Two ships will deepen the northern channel until the end of the winter."
    assert first.image == Image("https://page.example/press/dredger.jpg", "A dredger", "", 800, 600)
    assert (second.title, second.url) == ("Lights out on the pier", "https://page.example/press/lights")
    assert second.published == datetime(2026, 11, 18, tzinfo=UTC)
    assert second.bylines == () and second.image is None


@pytest.mark.parametrize(
    ("html", "selectors", "expected"),
    [
        ("<a class=t href=/x>Words</a>", {"article": "a.t"}, {"url": "https://page.example/x", "title": "Words"}),
        ("<li data-u=/x><b>Ti&amp;tle</b>", {"article": "li", "link": "@data-u", "title": "b"}, {"title": "Ti&tle"}),
        ("<li><p class=l><a href=/x>T</a>", {"article": "li", "link": ".l"}, {"url": "https://page.example/x"}),
        (
            "<li><a href=/x>T</a><a class=r href=/y>U</a>",
            {"article": "li", "link": ".r"},
            {"url": "https://page.example/y"},
        ),
        ("<li><a href=/x title=Said><img src=i.png></a>", {"article": "li"}, {"title": "Said"}),
        ("<li><a href=/x>T</a><i>Short</i>", {"article": "li", "dek": "i"}, {"dek": "Short"}),
        ("<li><a href=/x>T</a><i>World</i>", {"article": "li", "section": "i"}, {"categories": ("World",)}),
        (
            "<li data-d=2026-11-19T06:00Z><a href=/x>T</a>",
            {"article": "li", "time": "@data-d"},
            {"published": datetime(2026, 11, 19, 6, tzinfo=UTC)},
        ),
        (
            "<li><a href=/x>T</a><i>Nov. 19, 2026</i>",
            {"article": "li", "time": "i"},
            {"published": datetime(2026, 11, 19, tzinfo=UTC)},
        ),
        (
            "<li><a href=/x>T</a><i>Jo Doe</i><i>Max Roe</i>",
            {"article": "li", "author": "i"},
            {"bylines": (Byline("Jo Doe"), Byline("Max Roe"))},
        ),
        (
            "<li><a href=/x>T</a><img data-big=b.jpg src=s.jpg>",
            {"article": "li", "image": "img@data-big"},
            {"image": Image("https://page.example/b.jpg")},
        ),
        (
            "<li><a href=/x>T</a><img srcset='m.jpg 640w, l.jpg 1280w'>",
            {"article": "li"},
            {"image": Image("https://page.example/m.jpg")},
        ),
        ("<li><h3>Up</h3><script>x()</script><h2><a href=/x>Here</a></h2>", {"article": "li"}, {"title": "Up"}),
        ("<li><a href=/a>Tag</a><h2><a href=/x>Here</a></h2>", {"article": "li"}, {"url": "https://page.example/x"}),
    ],
)
def test_selectors_choose(html: str, selectors: dict[str, str], expected: dict[str, Any]) -> None:
    feed = page(html, **selectors)
    assert feed.problems == ()
    assert {key: getattr(feed.entries[0], key) for key in expected} == expected


@pytest.mark.parametrize(
    ("html", "selectors", "problems"),
    [
        ("<p>x", {}, ('expected articles for the selector article = "article", got a page where it fits nothing',)),
        ("<article><a href=/x>T</a>", {"article": ".no"}, (
            'expected articles for the selector article = ".no", got a page where it fits nothing',)),
        ("<article>T", {}, ("expected a link in each article, got none in 1 articles",)),
        ("<article><a href='mailto:x'>T</a>", {}, ("expected a link in each article, got none in 1 articles",)),
        ("<article><a href=/x>T</a>", {"title": "h9", "dek": "i@title"}, (
            'expected something for the selector dek = "i@title", got none in 1 articles',
            'expected something for the selector title = "h9", got none in 1 articles')),
        ("<article><a href=/x>T</a>", {"link": "b"}, (
            'expected something for the selector link = "b", got none in 1 articles',)),
        ("<article><a href=/x>T</a>", {"dek": "p["}, (
            'expected selectors that are CSS, got article = "article", author = "[rel="author"], [itemprop="author"], '
            '.byline, .author", dek = "p[", image = "img"',)),
        ("<div>" * 2_001, {}, ("refused: its elements are nested deeper than 2,000",)),
        ("<b></b>" * 100_001, {}, ("refused: it has more than 200,000 tags",)),
        ("<p" + " a=1" * 5_001 + ">", {}, ("refused: a tag of it has more than 5,000 attributes",)),
        (" " * 5_000_001, {}, ("refused: larger than 5,000,000 characters",)),
    ],
)  # fmt: skip
def test_a_selector_that_fits_nothing_is_named(html: str, selectors: dict[str, str], problems: tuple[str, ...]) -> None:
    assert page(html, **selectors).problems == problems


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("19 November 2026", "2026-11-19"),
        ("Published on November 19th, 2026 at 7 am", "2026-11-19"),
        ("Nov 19 2026", "2026-11-19"),
        ("19. november 2026", "2026-11-19"),
        ("19 de mayo de 2026", "2026-05-19"),
        ("2026-11-19", "2026-11-19"),
        ("yesterday", ""),
        ("", ""),
        ("31 February 2026", ""),
    ],
)
def test_days_written_for_people(written: str, day: str) -> None:
    found = moment(written)
    assert (found.date().isoformat() if found else "") == day


# --- WordPress


def test_a_post_is_read_with_what_is_embedded() -> None:
    feed = kinds.read("wordpress", POSTS, url="https://press.example/wp-json/wp/v2/posts")
    entry = feed.entries[0]
    assert entry.id == "https://press.example/?p=7"
    assert entry.published == datetime(2026, 11, 19, 9, 0, tzinfo=UTC)
    assert entry.updated == datetime(2026, 11, 19, 11, 0, tzinfo=UTC)
    assert entry.categories == ("Roads & Rails", "tunnel")
    assert entry.image == Image("https://press.example/tunnel-1024.jpg", "The tunnel's mouth", "Bo Ek", 1024, 683)
    assert entry.dek == "The tunnel will open a year later."
    assert "script" not in entry.summary_html


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"date_gmt": None}, {"published": datetime(2026, 11, 19, 10, tzinfo=UTC)}),
        ({"guid": None}, {"id": "https://press.example/tunnel/"}),
        ({"_embedded": None}, {"bylines": (), "categories": (), "image": None}),
        ({"_embedded": {"author": [{"code": "rest_user_invalid_id"}]}}, {"bylines": ()}),
        ({"_embedded": {"wp:term": [[{"name": "None", "slug": "uncategorized"}]]}}, {"categories": ()}),
        ({"_embedded": {"wp:featuredmedia": [{"code": "rest_forbidden"}]}}, {"image": None}),
        ({"_embedded": {"wp:featuredmedia": [{"source_url": "/a.jpg"}]}},
         {"image": Image("https://press.example/a.jpg")}),
        ({"title": {"rendered": ""}}, {"title": ""}),
        ({"title": 7, "excerpt": [], "content": 1}, {"title": "", "dek": ""}),
    ],
)  # fmt: skip
def test_a_post_with_less(change: dict[str, Any], expected: dict[str, Any]) -> None:
    post = json.loads(POSTS)[0] | change
    entry: Entry = kinds.read("wordpress", json.dumps([post]).encode()).entries[0]
    assert {key: getattr(entry, key) for key in expected} == expected


def test_what_the_api_refuses_is_told() -> None:
    said = kinds.read("wordpress", b'{"code":"rest_no_route","message":"No route was <b>found</b>"}')
    assert said.problems == ('expected WordPress\'s list of posts, got "No route was <b>found</b>"',)
    assert kinds.read("wordpress", b"{}").problems == ("expected WordPress's list of posts, got no list",)
    assert kinds.read("wordpress", b"[]") == Feed("wordpress")


@pytest.mark.parametrize(
    ("url", "begins"),
    [
        ("https://e.example", "https://e.example/wp-json/wp/v2/posts?per_page=50&_embed=author,wp:term,"),
        ("https://e.example/", "https://e.example/wp-json/wp/v2/posts?"),
        ("https://e.example/blog/", "https://e.example/blog/wp-json/wp/v2/posts?"),
        ("https://e.example/wp-json/", "https://e.example/wp-json/wp/v2/posts?"),
        ("https://e.example/blog/wp-json/wp/v2", "https://e.example/blog/wp-json/wp/v2/posts?"),
        ("https://e.example/wp-json/wp/v2/posts?categories=4", "https://e.example/wp-json/wp/v2/posts?per_page=50&"),
        ("https://e.example/?rest_route=/", "https://e.example/?per_page=50&"),
    ],
)
def test_where_posts_are_asked_for(url: str, begins: str) -> None:
    found = posts_address(url)
    assert found.startswith(begins) and posts_address(found) == found
    assert ("categories=4" in found) == ("categories" in url)
    assert ("rest_route=/wp/v2/posts" in found) == ("rest_route" in url)


# --- folders


def test_a_folder_is_read_with_its_front_matter() -> None:
    feed = folder(NOTES)
    assert feed.problems == ()
    tides, crane, plain = feed.entries
    assert tides.id == "tides.md" and tides.url == "https://notes.example/n/tides"
    assert tides.published == datetime(2026, 11, 19, 6, 0, tzinfo=UTC)
    assert tides.dek == "A week of *high* water & low bridges."
    assert tides.image == Image("https://notes.example/n/img/tide.png", "The quay", "Port Office")
    assert (tides.section, tides.categories, tides.language) == ("Nature", ("Nature", "tides", "weather"), "en")
    assert (crane.title, crane.url) == ("A new crane", "https://notes.example/n/toml/the-crane")
    assert crane.summary_html == "<p>It lifts <em>ninety</em> tonnes.</p>"
    assert crane.published == datetime(2026, 11, 18, 8, 0, tzinfo=UTC)
    assert (plain.title, plain.url) == ("Plain words", "https://notes.example/n/plain-words")
    assert plain.published == datetime(2026, 11, 17, tzinfo=UTC)
    assert plain.summary_html == "<p>Without any front matter.</p>"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("---\ntitle: No\n---\nx", {"title": "No"}),
        ("---\ntitle: 2026-11-20\n---\nx", {"title": "2026-11-20", "published": None}),
        ("---\r\ntitle: Ends\r\n---\r\nx", {"title": "Ends"}),
        ("\ufeff---\ntitle: Marked\n---\nx", {"title": "Marked"}),
        ("---\nTitle: Case\n...\nx", {"title": "Case"}),
        ("---\n---\n# Empty *front*", {"title": "Empty front"}),
        ("# Closed #\n\nx", {"title": "Closed", "summary_html": "<p>x</p>"}),
        ("---\ntitle: T\n---\n# Other\n\nx", {"title": "T", "dek": "Other x"}),
        ("Words only, no heading.", {"title": "A quiet border"}),
        ("---\ntitle: T\ndate: 2026-11-20\n---\n", {"published": datetime(2026, 11, 20, tzinfo=UTC)}),
        ("---\ntitle: T\nupdated: 2026-11-20T08:00+02:00\n---\n", {"updated": datetime(2026, 11, 20, 6, tzinfo=UTC)}),
        ("---\ntitle: T\nauthor: By Jo Doe and Max Roe\n---\n", {"bylines": (Byline("Jo Doe"), Byline("Max Roe"))}),
        (
            "---\ntitle: T\nauthors:\n- name: Jo Doe\n- Max Roe\n---\n",
            {"bylines": (Byline("Jo Doe"), Byline("Max Roe"))},
        ),
        ("---\ntitle: T\ntags: a, b\n---\n", {"categories": ("a", "b")}),
        ("---\ntitle: T\nkind: Essay\nsection: Life\n---\n", {"kind": "Essay", "section": "Life"}),
        ("---\ntitle: Analysis | Life\n---\n", {}),
        ("---\ntitle: T\nurl: https://else.example/t\n---\n", {"url": "https://else.example/t"}),
        ("---\ntitle: T\npermalink: /t/\n---\n", {"url": "https://notes.example/t/"}),
        ("---\ntitle: T\npermalink: /:year/:title/\n---\n", {"url": "https://notes.example/n/a-quiet-border"}),
        ("---\ntitle: T\nslug: other\n---\n", {"url": "https://notes.example/n/other"}),
        ("---\ntitle: T\nurl: 'javascript:alert(1)'\n---\n", {"url": ""}),
        ("---\ntitle: T\nid: '7'\n---\n", {"id": "7"}),
        (
            "---\ntitle: T\ncover: c.png\nimage_alt: A <c>\n---\n",
            {"image": Image("https://notes.example/n/c.png", "A <c>")},
        ),
        ("---\ntitle: T\npublished: true\ndraft: no\n---\n", {"title": "T"}),
        ("---\n\nA rule, then words.\n\n---\n", {"title": "A quiet border"}),
        ("+++\ntitle = 'T'\n[image]\nsrc = 'i.png'\n+++\n", {"image": Image("https://notes.example/n/i.png")}),
    ],
)
def test_front_matter(text: str, expected: dict[str, Any]) -> None:
    feed = folder({"a-quiet-border.md": text})
    assert feed.problems == ()
    assert {key: getattr(feed.entries[0], key) for key in expected} == expected


@pytest.mark.parametrize("line", ["draft: true", "draft: yes", "published: false", "Draft: True"])
def test_drafts_are_left_out(line: str) -> None:
    assert folder({"a.md": f"---\ntitle: T\n{line}\n---\n"}) == Feed("folder")


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("a.md", "https://notes.example/n/a"),
        ("a b.md", "https://notes.example/n/a%20b"),
        ("sub/a.markdown", "https://notes.example/n/sub/a"),
        ("sub/index.md", "https://notes.example/n/sub/"),
        ("index.md", "https://notes.example/n/index"),
        ("_posts/2026-11-20-a-b.md", "https://notes.example/n/_posts/a-b"),
        ("what?.md", "https://notes.example/n/what%3F"),
        ("http:x.md", "https://notes.example/n/http:x"),
        ("a.b.md", "https://notes.example/n/a.b"),
    ],
)
def test_a_path_is_an_address(path: str, url: str) -> None:
    assert folder({path: "# T\n"}).entries[0].url == url


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("---\ntitle: T\ndate: someday\n---\n", 'a.md line 3: expected a date like 2026-11-20, got "someday"'),
        ("---\ntitle: [T\n---\n", "a.md line 2: expected YAML, got a mistake"),
        ("---\ntitle: T\n\tx: y\n---\n", "a.md line 3: expected YAML, got a mistake"),
        ("---\n- T\n---\n", "a.md line 2: expected YAML of names and values, got something else"),
        ("---\ntitle: T\n", "a.md line 1: expected front matter closed by ---, got no such line"),
        ("+++\ntitle = 'T'\n", "a.md line 1: expected front matter closed by +++, got no such line"),
        ("+++\ntitle = 'T'\nx = \n+++\n", "a.md line 3: expected TOML, got a mistake (Invalid value"),
        ("---\na: !!python/object/apply:os.system [x]\n---\n", "a.md line 1: expected a title"),
        (
            "---\n" + "a: " + "[" * 3_000 + "\n---\n",
            "a.md line 1: expected YAML, got something that is nested too deep",
        ),
        ("", "a.md line 1: expected a title in the front matter"),
    ],
)
def test_a_bad_file_is_named_and_stops_no_other(text: str, problem: str) -> None:
    feed = folder({"a.md": text, "b.md": "# Good\n"})
    assert feed.problems[0].startswith(problem) and len(feed.problems) == 1
    assert feed.entries[-1].title == "Good"


def test_aliases_grow_nothing() -> None:
    bomb = "---\na: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(20)
    )
    assert folder({"a.md": f"{bomb}title: T\ntags: *u\nauthors: *u\n---\n"}).entries[0].title == "T"


def test_of_very_long_posts_the_excerpts_count() -> None:
    long = json.loads(POSTS)[0] | {"content": {"rendered": "<p>" + "word " * 250_000 + "</p>"}}
    last = json.loads(POSTS)[0] | {"link": "https://press.example/last/", "excerpt": {"rendered": "Short"}}
    entries = kinds.read("wordpress", json.dumps([long] * 3 + [last]).encode()).entries
    assert [entry.dek for entry in entries] == ["The tunnel will open a year later."] * 3 + ["Short"]
