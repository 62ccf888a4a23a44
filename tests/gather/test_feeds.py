"""Feeds of every dialect, by hand-written examples and by the corpora."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import hostilefeeds
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.gather.entries import Byline, Entry, Feed, Image
from digest.gather.feeds import parse

HEAD = (
    "<rss version='2.0' xmlns:dc='http://purl.org/dc/elements/1.1/' xmlns:media='http://search.yahoo.com/mrss/' "
    "xmlns:content='http://purl.org/rss/1.0/modules/content/'><channel><title>News</title><link>https://news.test/</link>"
)


def rss(item: str) -> Entry:
    (entry,) = parse(f"{HEAD}<item>{item}</item></channel></rss>".encode()).entries
    return entry


def test_the_model_magazine_has_a_place_for_everything() -> None:
    entry = rss(
        """<title>How a war ends</title><link>https://news.test/how?utm_source=rss</link><guid>7</guid>
        <pubDate>Thu, 19 Nov 2026 08:00:00 -0500</pubDate><dc:creator>By Jane Doe, John Roe and Ana Poe</dc:creator>
        <category>Analysis | Global Crises</category><category>Ukraine</category>
        <description>&lt;p&gt;A dek &amp;amp; more.&lt;/p&gt;</description>
        <media:content url="https://news.test/a.jpg" medium="image" width="1200" height="800">
        <media:description>Soldiers</media:description><media:credit>Photo Agency</media:credit></media:content>""",
    )
    assert (entry.id, entry.canonical_url) == ("7", "https://news.test/how")
    assert entry.published == datetime(2026, 11, 19, 13, 0, tzinfo=UTC)
    assert [byline.name for byline in entry.bylines] == ["Jane Doe", "John Roe", "Ana Poe"]
    assert (entry.kind, entry.section, entry.dek) == ("Analysis", "Global Crises", "A dek & more.")
    assert entry.image == Image("https://news.test/a.jpg", "Soldiers", "Photo Agency", 1200, 800)


@pytest.mark.parametrize(
    ("written", "people"),
    [
        ("Jane Doe", [Byline("Jane Doe")]),
        ("by Jane Doe &amp; John Roe", [Byline("Jane Doe"), Byline("John Roe")]),
        ("jane@news.test (Jane Doe)", [Byline("Jane Doe")]),
        ("Jane Doe (The Conversation)", [Byline("Jane Doe", "The Conversation")]),
        ("Jane Doe | Quincy Institute", [Byline("Jane Doe", "Quincy Institute")]),
        ("Jane Doe, Ph.D.", [Byline("Jane Doe, Ph.D.")]),
        ("Dan Doe Defence and security editor", [Byline("Dan Doe Defence and security editor")]),
        ("Doe, Jane", [Byline("Jane Doe")]),
        ("DOE, J., Roe, A. B., Poe, C.", [Byline("J. DOE"), Byline("A. B. Roe"), Byline("C. Poe")]),
        ("AFP, Reuters", [Byline("AFP, Reuters")]),
        ("News GmbH &amp; Co KG", [Byline("News GmbH & Co KG")]),
        ("Jane Doe)", [Byline("Jane Doe")]),
        ("No reply news.test", []),
        ("Smith, Jones and Partners", [Byline("Smith, Jones and Partners")]),
        ("admin", []),
        ("noreply@news.test", []),
    ],
)
def test_bylines(written: str, people: list[Byline]) -> None:
    assert list(rss(f"<title>x</title><dc:creator>{written}</dc:creator>").bylines) == people


def test_permission_names_the_organisation() -> None:
    text = "Words. This piece is republished with permission from The Conversation. Read it there."
    entry = rss(f"<title>x</title><dc:creator>Jane Doe</dc:creator><description>{text}</description>")
    assert entry.bylines == (Byline("Jane Doe", "The Conversation"),)


@pytest.mark.parametrize(
    ("item", "kind", "section", "title"),
    [
        ("<title>Analysis | Europe | A title</title>", "Analysis", "Europe", "A title"),
        ("<title>x</title><category>QIOSK</category>", "QiOSK", None, "x"),
        ("<title>x</title><category>video</category><category>Europe</category>", "Video", None, "x"),
        ("<title>Oil | Gas | Coal</title>", None, None, "Oil | Gas | Coal"),
    ],
)
def test_kickers(item: str, kind: str | None, section: str | None, title: str) -> None:
    entry = rss(item)
    assert (entry.kind, entry.section, entry.title) == (kind, section, title)


@pytest.mark.parametrize(
    ("item", "image"),
    [
        ("<enclosure url='https://a.test/1.jpg' type='image/jpeg' length='1'/>", Image("https://a.test/1.jpg")),
        ("<enclosure url='https://a.test/1.mp3' type='audio/mpeg' length='1'/>", None),
        (
            "<media:thumbnail url='https://a.test/t.jpg' width='90'/>"
            "<media:content url='https://a.test/b.jpg' medium='image'/>",
            Image("https://a.test/b.jpg"),
        ),
        (
            "<description>&lt;img src='https://a.test/p.gif' width='1' height='1'&gt;"
            "&lt;img src='/b.png' alt='Bee'&gt;</description>",
            Image("https://news.test/b.png", "Bee"),
        ),
        (
            "<description>&lt;figure&gt;&lt;img src='https://a.test/b.png'&gt;"
            "&lt;figcaption&gt;A bee. Photo: Ann Lee&lt;/figcaption&gt;</description>",
            Image("https://a.test/b.png", "", "Ann Lee"),
        ),
        ("<media:content url='javascript:x' medium='image'/>", None),
        ("<media:content url='https://1.gravatar.com/avatar/a795?s=96' medium='image'/>", None),
        (
            "<description>&lt;img src='https://a.test/twitter_icon.png'&gt;&lt;img src='/b.png'&gt;</description>",
            Image("https://news.test/b.png"),
        ),
    ],
)  # fmt: skip
def test_images(item: str, image: Image | None) -> None:
    assert rss(f"<title>x</title>{item}").image == image


def test_atom_prefers_its_own_words() -> None:
    feed = parse(
        b"""<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://news.test/blog/" xml:lang="de">
        <title>N</title><entry><id>tag:a,2026:1</id><title type="html">Law &amp;amp; &lt;b&gt;order&lt;/b&gt;</title>
        <link rel="self" href="self"/>
        <link href="1.html"/><updated>2026-11-20T10:00:00+01:00</updated><author><name>Jane Doe</name></author>
        <author><name>John Roe</name></author><summary type="text">1 &lt; 2</summary></entry></feed>""",
    )
    (entry,) = feed.entries
    assert (feed.kind, feed.language, entry.language) == ("atom10", "de", "de")
    assert (entry.title, entry.url) == ("Law & order", "https://news.test/blog/1.html")
    assert (entry.published, entry.updated) == (None, datetime(2026, 11, 20, 9, 0, tzinfo=UTC))
    assert [byline.name for byline in entry.bylines] == ["Jane Doe", "John Roe"]
    assert (entry.summary_html, entry.dek) == ("1 &lt; 2", "1 < 2")


def test_an_atom_entry_has_the_authors_of_its_source_or_its_feed() -> None:
    feed = parse(
        b"""<feed xmlns="http://www.w3.org/2005/Atom"><title>N</title><author><name>Jane Doe</name></author>
        <entry><id>1</id><title>a</title></entry>
        <entry><id>2</id><title>b</title>
        <source><title>Other</title><author><name>Ann Lee</name></author></source></entry>
        <entry><id>3</id><title>c</title><author><name>John Roe</name></author></entry></feed>""",
    )
    people = {entry.title: [byline.name for byline in entry.bylines] for entry in feed.entries}
    assert people == {"a": ["Jane Doe"], "b": ["Ann Lee"], "c": ["John Roe"]}


def test_a_text_may_have_a_base_of_its_own() -> None:
    feed = parse(
        b"""<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://news.test/"><entry><id>1</id><title>a</title>
        <link href="1.html"/><content type="html" xml:base="https://cdn.test/x/">&lt;a href='2'>&lt;img src='i.png'>
        </content></entry></feed>""",
    )
    (entry,) = feed.entries
    assert (entry.url, entry.image) == ("https://news.test/1.html", Image("https://cdn.test/x/i.png"))
    assert 'href="https://cdn.test/x/2"' in entry.summary_html


def test_markup_in_a_plain_element_leaves_its_words() -> None:
    assert rss("<title>x</title><category><p>Europe</p></category><guid><b>7</b></guid>").categories == ("Europe",)


def test_json_feed() -> None:
    document = {
        "version": "https://jsonfeed.org/version/1.1", "title": "N", "language": "en-us", "unknown": [1],
        "items": [{"id": 7, "url": "/7", "title": "T", "content_html": "<p>x<script>y</script>", "image": "/i.png",
                   "date_published": "2026-11-20T10:00:00Z", "authors": [{"name": "Jane Doe"}],
                   "tags": ["Opinion"]}, 5],
    }  # fmt: skip
    feed = parse(json.dumps(document).encode(), url="https://news.test/feed.json")
    (entry,) = feed.entries
    assert (feed.kind, feed.language, entry.id, entry.url) == ("json11", "en-US", "7", "https://news.test/7")
    assert (entry.summary_html, entry.kind) == ("<p>x</p>", "Opinion")
    assert entry.image == Image("https://news.test/i.png")


CYRILLIC = (
    "<?xml version='1.0'{}?><rss version='2.0'><channel><item>"
    "<title>Новости международной политики</title></item></channel></rss>"
)


@pytest.mark.parametrize(
    ("label", "encoding", "content_type"),
    [
        (" encoding='windows-1251'", "windows-1251", None),
        (" encoding='utf-8'", "windows-1251", None),
        (" encoding='windows-1251'", "utf-8", None),
        (" encoding='iso-8859-1'", "utf-8", "text/xml; charset=utf-8"),
        ("", "koi8-r", "application/rss+xml; charset=koi8-r"),
        ("", "utf-16", None),
        ("", "utf-16-le", None),
        ("", "utf-8-sig", "text/xml; charset=iso-8859-1"),
        (" encoding='gb2312'", "gb18030", None),
        (" encoding='no-such-thing'", "utf-8", None),
    ],
)
def test_charsets_right_and_wrong(label: str, encoding: str, content_type: str | None) -> None:
    feed = parse(CYRILLIC.format(label).encode(encoding), content_type=content_type)
    assert [entry.title for entry in feed.entries] == ["Новости международной политики"]


@given(st.binary(max_size=400))
def test_any_bytes_give_a_feed(body: bytes) -> None:
    parse(body)
    parse(b"<rss version='2.0'><channel><item><title>" + body)
    parse(b'{"items":[{"id":' + body)


@pytest.mark.parametrize("name", hostilefeeds.NAMES)
def test_hostile_feeds_cost_little_and_reach_for_nothing(name: str) -> None:
    cost = hostilefeeds.measured(name)
    assert cost.growth_mb < hostilefeeds.MAX_GROWTH_MB, cost
    assert cost.touched == []
    assert "root:" not in cost.problem


# The bad entry goes or is flattened, the good one beside it stays.
BESIDE = [
    "nested in HTML", "nested in HTML, a million", "nested in escaped HTML", "nested in XHTML",
    "nested in XHTML, a little", "an entry of 20 MB", "a title of 20 MB", "25 MB of entries", "attributes",
    "attributes in HTML", "categories", "references", "a huge comment", "a huge CDATA section", "a huge instruction",
    "an author of dots", "marks upon marks", "JSON: a huge number", "JSON: a million digits",
    "JSON: an item of 20 MB", "JSON: nested HTML",
]  # fmt: skip


@pytest.mark.parametrize("name", BESIDE)
def test_one_hostile_entry_leaves_the_others(name: str) -> None:
    feed = parse(hostilefeeds.FEEDS[name]())
    assert "good" in [entry.title for entry in feed.entries]


def test_a_refused_feed_says_why() -> None:
    feed = parse(hostilefeeds.FEEDS["billion laughs"]())
    assert feed.problems == ("refused: it declares an entity that is expanded, fetched or very long",)


def test_a_picture_written_into_a_tag_costs_only_its_attributes() -> None:
    picture = f"<p>before</p><img src='data:image/png;base64,{'A' * 200_000}'><p>after</p>"
    entry = rss(f"<title>x</title><description><![CDATA[{picture}]]></description>")
    assert entry.dek == "before after"


@pytest.mark.parametrize("identity", ["7", "7.50", "1e999999", '"7"'])
def test_numbers_for_ids_are_taken_as_they_are_written(identity: str) -> None:
    (entry,) = parse(
        f'{{"version": "https://jsonfeed.org/version/1.1", "items": [{{"id": {identity}}}]}}'.encode()
    ).entries
    assert entry.id == identity.strip('"')


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        pytest.param("mer, 16 nov 2022 00:38:15 +0100", "2022-11-15T23:38:15Z", id="Italian"),
        pytest.param("lun., 3 févr. 2025 10:00:00 GMT", "2025-02-03T10:00:00Z", id="French, abbreviated"),
        pytest.param("Mi, 5 März 2025 10:00 +0100", "2025-03-05T09:00:00Z", id="German, no seconds"),
        pytest.param("sáb, 9 ago 2025 08:00:00 -0300", "2025-08-09T11:00:00Z", id="Spanish"),
        pytest.param("Thu, 19 Nov 2026 08:00:00 CET", "2026-11-19T07:00:00Z", id="a zone's name"),
        pytest.param("Thu, 19 Nov 2026 08:00:00 EST", "2026-11-19T13:00:00Z", id="a zone's name that RFC 822 has"),
        pytest.param("Thu, 19 Nov 2026 08:00:00 XYZ", "2026-11-19T08:00:00Z", id="a zone that nobody knows"),
        pytest.param("Thu, 19 Nov 2026 08:00:00 GMT+1", "2026-11-19T07:00:00Z", id="an offset from GMT"),
        pytest.param("Thu, 19 Nov 2026 08:00:00 UTC-05:30", "2026-11-19T13:30:00Z", id="an offset from UTC"),
        pytest.param("Thursday, November 19, 2026 12:30 a.m. CEST", "2026-11-18T22:30:00Z", id="as Americans write"),
        pytest.param("19.11.2026 8:00", "2026-11-19T08:00:00Z", id="as Germans write"),
        pytest.param("1795075200", "2026-11-19T08:00:00Z", id="seconds since 1970"),
        pytest.param("31.31.2026", None, id="no such month"),
        pytest.param("mar, 99 nov 2022 00:38:15", None, id="no such day"),
    ],
)
def test_dates_may_name_their_months_in_other_languages(written: str, instant: str | None) -> None:
    (entry,) = parse(
        f"<rss><channel><item><title>A</title><pubDate>{written}</pubDate></item></channel></rss>".encode()
    ).entries
    assert (entry.published and entry.published.isoformat().replace("+00:00", "Z")) == instant


def test_the_text_of_a_link_counts_whatever_its_attributes() -> None:
    item = '<item><title>A</title><link uri="at://did:plc:x/post/1">https://paper.example/a</link></item>'
    (entry,) = parse(f"<rss><channel>{item}</channel></rss>".encode()).entries
    assert entry.url == "https://paper.example/a"


@pytest.mark.parametrize(
    ("channel", "ttl_s", "hours", "days"),
    [
        pytest.param("<ttl>60</ttl>", 3600, set(), set(), id="RSS ttl is in minutes"),
        pytest.param("<ttl>0</ttl>", None, set(), set(), id="nothing is no wish"),
        pytest.param("<ttl>9999999</ttl>", 604800, set(), set(), id="a week at most"),
        pytest.param("<ttl>often</ttl>", None, set(), set(), id="a ttl in words"),
        pytest.param(
            "<sy:updatePeriod> hourly </sy:updatePeriod><sy:updateFrequency>1</sy:updateFrequency>",
            3600, set(), set(), id="as WordPress says it",
        ),
        pytest.param("<sy:updateFrequency>4</sy:updateFrequency>", 21600, set(), set(), id="daily if it isn't said"),
        pytest.param(
            "<ttl>30</ttl><sy:updatePeriod>daily</sy:updatePeriod>", 86400, set(), set(), id="the longer wish counts"
        ),
        pytest.param(
            "<skipHours><hour>0</hour><hour>24</hour><hour>23</hour><hour>25</hour></skipHours>"
            "<skipDays><day>Sunday</day><day>monday</day><day>Doomsday</day></skipDays>",
            None, {0, 23}, {0, 6}, id="hours and days of RSS",
        ),
        pytest.param(
            "<skipHours>" + "".join(f"<hour>{hour}</hour>" for hour in range(24)) + "</skipHours>",
            None, set(), set(), id="never is no wish",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("end", ["</channel></rss>", "<item><title>not well-formed</channel>"])
def test_a_feed_says_how_often_it_wants_to_be_looked_at(
    channel: str, ttl_s: int | None, hours: set[int], days: set[int], end: str
) -> None:
    feed = parse(
        f"<rss version='2.0' xmlns:sy='http://purl.org/rss/1.0/modules/syndication/'><channel>{channel}{end}".encode()
    )
    assert (feed.ttl_s, feed.skip_hours, feed.skip_days) == (ttl_s, hours, days)


def json_feed(**more: object) -> Feed:
    document = {"version": "https://jsonfeed.org/version/1.1", "title": "N", "items": [], **more}
    return parse(json.dumps(document).encode(), url="https://news.test/feed.json")


@pytest.mark.parametrize(
    ("more", "expired", "next_url"),
    [
        ({}, False, None),
        ({"expired": True}, True, None),
        ({"expired": "no"}, False, None),
        ({"next_url": "/feed.json?page=2"}, False, "https://news.test/feed.json?page=2"),
        ({"next_url": "https://news.test/feed.json"}, False, None),
        ({"next_url": "file:///etc/passwd"}, False, None),
        ({"next_url": 7}, False, None),
    ],
)
def test_a_json_feed_ends_or_goes_on(more: dict[str, object], expired: bool, next_url: str | None) -> None:
    feed = json_feed(**more)
    assert (feed.expired, feed.next_url) == (expired, next_url)
