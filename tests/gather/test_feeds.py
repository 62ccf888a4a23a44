"""Feeds of every dialect, by hand-written examples and by the corpora."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

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


NESTED = "b'<rss><channel>' + b'<a>' * 10**6"
HOSTILE = {
    "nested": NESTED,
    "nested and closed": NESTED + " + b'</a>' * 10**6",
    "50 MB title": "b'<rss><channel><item><title>' + b'x' * 50_000_000",
    "10^5 entries": "b'<rss><channel>' + b'<item><title>a</title></item>' * 10**5 + b'</channel></rss>'",
    "10^5 attributes": "b'<rss><item ' + b' '.join(b'a%d=\"1\"' % n for n in range(10**5)) + b'></item></rss>'",
    "10^5 categories": "b'<rss><item>' + b''.join(b'<category>%d</category>' % n for n in range(10**5))",
    "nothing but <": "b'<' * 5_000_000",
    "nested markup": "b'<rss><item><description>' + b'&lt;div&gt;' * 10**5 + b'</description></item></rss>'",
    "namespaces": "b'<rss>' + b''.join(b'<x xmlns:a%d=\"b%d\"/>' % (n, n) for n in range(10**5)) + b'</rss>'",
    "deep JSON": "b'{\"items\":' + b'[' * 10**6",
    "laughs": "b'<!DOCTYPE a [<!ENTITY a \"ha\"><!ENTITY b \"' + b'&a;' * 300 + b'\">]><rss><item><title>&b;'",
}  # fmt: skip
# Not ru_maxrss: it goes on from that of the process that started this one.
MEASURED = """
from digest.gather.feeds import parse
body = {body}
parse(body)
status = open("/proc/self/status").read()
print(int(status.partition("VmHWM:")[2].split()[0]) // 1024)
"""


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_feeds_cost_little(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEASURED.format(body=HOSTILE[name])],
        capture_output=True,
        timeout=30,
        check=True,
        text=True,
    )
    assert int(done.stdout) < 300


def real(corpus: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted((corpus / "feeds" / "real").iterdir()):
        yield path.name, path.read_bytes()
    for path in sorted((corpus / "feeds" / "hostile_xml").iterdir()):
        yield path.name, path.read_bytes()


def test_no_real_feed_nor_its_first_half_fails(corpus: Path) -> None:
    for _, body in real(corpus):
        parse(body)
        parse(body[: len(body) // 2])


def test_no_script_survives_the_sanitiser_set(corpus: Path) -> None:
    with tarfile.open(corpus / "feeds" / "feedparser-tests.tar.gz") as tests:
        for member in tests:
            opened = tests.extractfile(member) if "/sanitize/" in member.name and member.isfile() else None
            for entry in parse(opened.read()).entries if opened else ():
                low = entry.summary_html.lower()
                assert not any(
                    word in low for word in ("<script", "<style", "<form", "<iframe", 'href="javascript', 'href="data')
                )


def test_counts_agree_with_the_reference(corpus: Path) -> None:
    told = json.loads(gzip.decompress((corpus / "feeds" / "reference_feedparser.json.gz").read_bytes()))
    counts = [
        (name, len(parse(body).entries), told[name]["n"]) for name, body in real(corpus) if told.get(name, {}).get("n")
    ]
    assert len([name for name, ours, theirs in counts if ours != theirs]) <= 0.01 * len(counts)


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        pytest.param("mer, 16 nov 2022 00:38:15 +0100", "2022-11-15T23:38:15Z", id="Italian"),
        pytest.param("lun., 3 févr. 2025 10:00:00 GMT", "2025-02-03T10:00:00Z", id="French, abbreviated"),
        pytest.param("Mi, 5 März 2025 10:00 +0100", "2025-03-05T09:00:00Z", id="German, no seconds"),
        pytest.param("sáb, 9 ago 2025 08:00:00 -0300", "2025-08-09T11:00:00Z", id="Spanish"),
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
