"""What is found at a site's address: by tables of pages, and over real sockets from a site of each sort."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from feedserver import FeedServer
from kinds import FEED, NEWS, PAGE, POSTS

from digest.config import Config, GatherConfig, MailConfig, SiteConfig
from digest.errors import DigestError
from digest.gather.discovery import known_form, named, usual_maps, usual_places
from digest.gather.finding import MOST, Found, find

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CONFIG = Config(
    site=SiteConfig("News", "https://news.example"),
    mail=MailConfig("News <news@news.example>"),
    gather=GatherConfig(allow_private_addresses=True, timeout_s=10.0),
)
ATOM = b"""<feed xmlns="http://www.w3.org/2005/Atom"><title>Harbour Post, Atom</title><entry><title>Bridge</title>
<id>x</id><link href="https://feed.example/bridge"/><updated>2026-11-19T08:00:00Z</updated></entry></feed>"""


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer() as running:
        yield running


def rss(title: str, link: str) -> bytes:
    return FEED.replace(b"Harbour Post", title.encode()).replace(b"https://feed.example/bridge", link.encode())


def look(server: FeedServer, path: str = "/") -> list[Found]:
    return asyncio.run(find(CONFIG, server.url("site.test", path), NOW, server.resolver))


def head(*links: str) -> bytes:
    return f"<!doctype html><html><head>{''.join(links)}</head><body><p>Welcome</p></body></html>".encode()


def alternate(href: str, type_: str = "application/rss+xml", title: str = "") -> str:
    return f'<link rel="alternate" type="{type_}" title="{title}" href="{href}">'


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        (alternate("/a.xml"), ["https://e.example/a.xml"]),
        (alternate("/a", "application/atom+xml; charset=utf-8"), ["https://e.example/a"]),
        (alternate("/a", "application/feed+json"), ["https://e.example/a"]),
        (alternate("/feed.json", "application/json"), ["https://e.example/feed.json"]),
        (alternate("/wp-json/wp/v2/pages/7", "application/json"), []),
        (alternate("/de/", "text/html"), []),
        ('<link rel=stylesheet type=application/rss+xml href="/a">', []),
        ("<LINK REL='Alternate' TYPE='Application/RSS+XML' HREF='/a'>", ["https://e.example/a"]),
        ('<link rel="feed" href="/a">', ["https://e.example/a"]),
        ('<base href="https://cdn.example/b/">' + alternate("a.xml"), ["https://cdn.example/b/a.xml"]),
        (alternate("feed://e.example/a"), ["http://e.example/a"]),
        (alternate("javascript:alert(1)"), []),
        (alternate("/a") + alternate("/a"), ["https://e.example/a"]),
        (
            alternate("/comments/feed/", title="Site: Comments")
            + alternate("/section/x/feed/")
            + alternate("https://other.example/feed")
            + alternate("/feed/"),
            [
                "https://e.example/feed/",
                "https://e.example/section/x/feed/",
                "https://other.example/feed",
                "https://e.example/comments/feed/",
            ],
        ),
        ("", []),
        ("<div>" * 3_000 + alternate("/a"), []),
    ],
)
def test_the_head_names_feeds(html: str, expected: list[str]) -> None:
    assert [one.url for one in named(html.encode(), "https://e.example/").feeds] == expected


@pytest.mark.parametrize(
    ("href", "words", "is_one"),
    [
        ("/feed", "x", True),
        ("/rss.xml", "x", True),
        ("/blog.rss", "x", True),
        ("/?feed=rss2", "x", True),
        ("/x", "RSS", True),
        ("/feedback", "Tell us", False),
        ("/news", "Newsfeed", False),
        ("/rss#top", "x", True),
        ("mailto:rss@e.example", "RSS", False),
        ("https://feeds.example/x", "x", False),
    ],
)
def test_links_that_look_like_feeds(href: str, words: str, is_one: bool) -> None:
    found = named(f'<a href="{href}">{words}</a>'.encode(), "https://e.example/").links
    assert [one.url.startswith("https://e.example/") for one in found] == [True] * is_one


@pytest.mark.parametrize(
    ("html", "header"),
    [
        ('<link rel="https://api.w.org/" href="https://e.example/wp-json/">', None),
        ("", '<https://e.example/wp-json/>; rel="https://api.w.org/"'),
        ("", '<https://e.example/x>; rel=shortlink, <https://e.example/wp-json/>; rel="https://api.w.org/"'),
    ],
)
def test_wordpress_names_its_api(html: str, header: str | None) -> None:
    found = named(html.encode(), "https://e.example/", link=header).posts
    assert found and found.url.startswith("https://e.example/wp-json/wp/v2/posts?") and found.type == "wordpress"
    assert named(b"", "https://e.example/", link='<https://e.example/x>; rel="next"').posts is None


@pytest.mark.parametrize(
    ("url", "feed"),
    [
        ("https://www.youtube.com/channel/UC1", "https://www.youtube.com/feeds/videos.xml?channel_id=UC1"),
        ("https://youtube.com/playlist?list=PL_1-a", "https://youtube.com/feeds/videos.xml?playlist_id=PL_1-a"),
        ("https://medium.com/@jo", "https://medium.com/feed/@jo"),
        ("https://jo.medium.com/", "https://jo.medium.com/feed"),
        ("https://jo.substack.com/p/x", "https://jo.substack.com/feed"),
        ("https://www.reddit.com/r/news/", "https://www.reddit.com/r/news/.rss"),
        ("https://github.com/o/r", "https://github.com/o/r/releases.atom"),
        ("https://github.com/o/r/commits/main", "https://github.com/o/r/commits.atom"),
        ("https://jo.wordpress.com/about", "https://jo.wordpress.com/feed/"),
        ("https://jo.blogspot.com/", "https://jo.blogspot.com/feeds/posts/default"),
        ("https://jo.tumblr.com/", "https://jo.tumblr.com/rss"),
        ("https://github.com/o", None),
        ("https://github.com/o/r/releases.atom", None),
        ("https://medium.com/", None),
        ("https://notmedium.com/@jo", None),
        ("https://example.org/", None),
    ],
)
def test_large_hosts_have_known_forms(url: str, feed: str | None) -> None:
    found = known_form(url)
    assert (found.url if found else None) == feed


def test_the_usual_places() -> None:
    assert usual_places("https://e.example/blog/")[0].url == "https://e.example/blog/feed"
    assert usual_places("https://e.example/a.html")[0].url == "https://e.example/feed"
    robots = (
        "User-agent: *\nSitemap: https://e.example/all.xml\nsitemap:/my-news.xml\n#Sitemap: /no.xml\nSitemap: ftp://x/y"
    )
    assert [one.url for one in usual_maps("https://e.example/x", robots)] == [
        "https://e.example/my-news.xml",
        "https://e.example/all.xml",
        "https://e.example/news-sitemap.xml",
    ]
    assert len(usual_maps("https://e.example/")) == 3


def test_a_feed_is_itself(server: FeedServer) -> None:
    server.page("site.test", "/", FEED)
    found = look(server)
    assert [(one.url, one.type, one.title) for one in found] == [(server.url("site.test", "/"), "feed", "Harbour Post")]
    assert len(server.requests) == 1


def test_a_sitemap_is_itself(server: FeedServer) -> None:
    server.page("site.test", "/news.xml", NEWS)
    assert [one.type for one in look(server, "/news.xml")] == ["sitemap"]


def test_a_site_names_its_feed_and_dialects_of_it_count_once(server: FeedServer) -> None:
    server.page("site.test", "/", head(alternate("/rss"), alternate("/atom", "application/atom+xml")))
    server.page("site.test", "/rss", FEED)
    server.page("site.test", "/atom", ATOM)
    assert [one.url for one in look(server)] == [server.url("site.test", "/rss")]


def test_several_feeds_are_all_found(server: FeedServer) -> None:
    links = (alternate("/news"), alternate("/dead"), alternate("/sport"), alternate("/comments/feed"))
    server.page("site.test", "/", head(*links))
    server.page("site.test", "/news", rss("News", "https://e.example/1"))
    server.page("site.test", "/sport", rss("Sport", "https://e.example/2"))
    server.page("site.test", "/comments/feed", rss("Comments", "https://e.example/3"))
    assert [one.title for one in look(server)] == ["News", "Sport"]


def test_a_link_in_the_page_will_do(server: FeedServer) -> None:
    server.page("site.test", "/", b"<p><a href='/our/feed'>Subscribe</a>")
    server.page("site.test", "/our/feed", FEED)
    assert [one.title for one in look(server)] == ["Harbour Post"]


@pytest.mark.parametrize("path", ["/feed", "/rss.xml", "/feed.xml", "/atom.xml", "/index.xml"])
def test_the_usual_places_are_tried(server: FeedServer, path: str) -> None:
    server.page("site.test", "/", head())
    server.page("site.test", path, FEED)
    assert [one.url for one in look(server)] == [server.url("site.test", path)]


def test_a_site_that_shows_its_page_to_browsers_only(server: FeedServer) -> None:
    server.answer("site.test", "/", 403)
    server.page("site.test", "/feed", FEED)
    assert [one.title for one in look(server)] == ["Harbour Post"]


def test_wordpress_is_asked_where_its_feed_is_missing(server: FeedServer) -> None:
    api = server.url("site.test", "/wp-json/")
    server.page("site.test", "/", head(), Link=f'<{api}>; rel="https://api.w.org/"')
    asked = (
        "/wp-json/wp/v2/posts?per_page=50&_embed=author,wp:term,wp:featuredmedia"
        "&_fields=id,guid,link,title,excerpt,content,date,date_gmt,modified_gmt,_links,_embedded"
    )
    server.page("site.test", asked, POSTS)
    assert [(one.type, one.url) for one in look(server)] == [("wordpress", server.url("site.test", asked))]
    assert len(server.requests) <= MOST


def test_a_sitemap_is_the_last_resort(server: FeedServer) -> None:
    server.page("site.test", "/", head())
    server.page("site.test", "/robots.txt", f"Sitemap: {server.url('site.test', '/map.xml')}".encode())
    server.page("site.test", "/map.xml", NEWS)
    assert [(one.type, one.title) for one in look(server)] == [("sitemap", "The Map & Post")]
    assert len(server.requests) <= MOST


def test_nothing_is_told_in_one_sentence_after_few_requests(server: FeedServer) -> None:
    server.page("site.test", "/", PAGE)
    with pytest.raises(DigestError, match="expected a feed, or a page that names one, got neither"):
        look(server)
    assert len(server.requests) <= MOST
    server.answer("site.test", "/gone", 404)
    with pytest.raises(DigestError, match=r"/gone answered 404 Not Found$"):
        look(server, "/gone")


def test_no_private_address_is_asked_for_a_site(server: FeedServer) -> None:
    """A page may name what it likes: each address is judged where it is connected to (S-F1)."""
    careful = Config(site=CONFIG.site, mail=CONFIG.mail)
    with pytest.raises(DigestError, match="is not asked, only 80 and 443"):
        asyncio.run(find(careful, server.url("site.test", "/"), NOW, server.resolver))
    with pytest.raises(DigestError, match="private address"):
        asyncio.run(find(careful, "http://site.test/", NOW, server.resolver))
    assert server.requests == []
