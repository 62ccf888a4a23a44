"""What JSON, XML and front matter can spell and no database takes, impossible dates, and words that explode."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from digest import opml
from digest.engagement import read_counts
from digest.errors import UsageError
from digest.gather import kinds
from digest.gather.entries import Feed
from digest.gather.freshness import fresh_s, retry_at
from digest.gather.kinds.folder import to_body

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HALF = "T\ud83d\0"  # half a surrogate pair, as a headline that was cut within an emoji, and NUL
NEVER = "Fri, 31 Dec 9999 23:59:59 -0800"


def texts(value: Any) -> list[str]:
    """Every text in a feed, however deep."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list | tuple | frozenset):
        return [text for one in value for text in texts(one)]
    return [text for name in getattr(value, "__dataclass_fields__", ()) for text in texts(getattr(value, name))]


def storable(feed: Feed) -> bool:
    """Whether a database takes all of it."""
    return not any("\0" in text or any("\ud800" <= sign <= "\udfff" for sign in text) for text in texts(feed))


POST = {
    "guid": {"rendered": HALF},
    "link": f"http://a.test/a{HALF}",
    "title": {"rendered": HALF},
    "excerpt": {"rendered": HALF},
    "content": {"rendered": HALF},
    "_embedded": {"author": [{"name": HALF}], "wp:term": [[{"name": HALF, "taxonomy": "category"}]]},
}


@pytest.mark.parametrize(
    "item",
    [
        {"id": HALF},
        {"content_text": HALF},
        {"content_html": f"<p>{HALF}</p>"},
        {"summary": HALF},
        {"title": HALF, "tags": [HALF], "authors": [{"name": HALF}], "image": f"/{HALF}.jpg"},
    ],
)
def test_half_a_character_in_json_costs_nothing_but_itself(item: dict[str, Any]) -> None:
    document = {"version": "https://jsonfeed.org/version/1.1", "title": HALF}
    body = json.dumps({**document, "items": [{"id": "1", "url": "http://a.test/1", "title": "One"} | item]}).encode()
    feed = kinds.read("feed", body, url="http://a.test/f")
    assert len(feed.entries) == 1 and storable(feed)


def test_half_a_character_in_wordpress_costs_nothing_but_itself() -> None:
    feed = kinds.read("wordpress", json.dumps([POST]).encode(), url="http://a.test/")
    assert len(feed.entries) == 1 and storable(feed)


@pytest.mark.parametrize(
    ("written", "title"),
    [
        ("Up &#55357;&#56960; now", "Up \U0001f680 now"),
        ("Up &#xD83D;&#xde80; now", "Up \U0001f680 now"),
        ("<![CDATA[Up &#55357;&#56960; now]]>", "Up \U0001f680 now"),
        ("Up &#55357; now", "Up \ufffd now"),
        ("Up &#xdfff; now", "Up \ufffd now"),
        ("Up &#57344; now", "Up \ue000 now"),
    ],
)
@pytest.mark.parametrize("end", ["</channel></rss>", "</channel>"], ids=["whole", "cut"])
def test_references_to_halves_of_a_character_are_read_together(written: str, title: str, end: str) -> None:
    body = f"<rss version='2.0'><channel><item><title>{written}</title><link>http://a.test/1</link></item>{end}"
    feed = kinds.read("feed", body.encode(), url="http://a.test/f")
    assert [entry.title for entry in feed.entries] == [title]
    assert storable(feed)


def test_front_matter_says_nothing_that_cannot_be_stored() -> None:
    half = '"a\\ud83d\\0b"'
    names = ("title", "id", "kind", "section", "dek", "author", "tags", "image", "alt", "credit", "date", "lang")
    front = "\n".join(f"{name}: {half}" for name in names)
    body = to_body([("a.md", f"---\n{front}\n---\nText".encode())], ["b\udcff.md: expected at most 1 byte"])
    feed = kinds.read("folder", body, url="http://a.test/")
    assert len(feed.entries) == 1 and len(feed.problems) == 2 and storable(feed)


@pytest.mark.parametrize("name", ["date", "draft", "published", "updated"])
def test_aliases_that_would_fill_the_memory_are_not_spelled_out(name: str) -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 40))
    body = to_body([("a.md", f"---\ntitle: One\n{bomb}{name}: *a39\n---\nText".encode())], [])
    feed = kinds.read("folder", body, url="http://a.test/")
    assert [entry.title for entry in feed.entries] == ["One"]


@pytest.mark.parametrize("number", ["9" * 5_000, "0x" + "f" * 5_000], ids=["decimal", "hexadecimal"])
def test_a_number_without_end_stops_no_other_file(number: str) -> None:
    files = [("a.md", f"+++\ntitle = {number}\n+++\n".encode()), ("b.md", b"+++\ntitle = 'Two'\n+++\n")]
    feed = kinds.read("folder", to_body(files, []), url="http://a.test/")
    assert [entry.title for entry in feed.entries] == ["Two"]
    assert len(feed.problems) == 1 and feed.problems[0].startswith("a.md line ")


def test_dates_beyond_the_calendar_say_nothing() -> None:
    assert fresh_s({"expires": NEVER}, NOW) is None
    assert retry_at(NEVER, NOW) is None


@pytest.mark.parametrize("encoding", ["klingon", "gb2312"])
def test_opml_in_an_encoding_that_cannot_be_read_is_told(encoding: str) -> None:
    with pytest.raises(UsageError, match="expected OPML in an encoding"):
        opml.read(f'<?xml version="1.0" encoding="{encoding}"?><opml/>'.encode())


def test_a_sheet_that_is_no_csv_is_told() -> None:
    with pytest.raises(UsageError, match="expected a CSV file"):
        read_counts(b"url,clicks\nhttp://a.test/" + b"a" * 200_000 + b",1\n", "clicks", {})
