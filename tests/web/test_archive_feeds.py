"""The feeds of the archive: valid by rules of our own, read by others, asked with conditions (E-17, FEATURES 83)."""

from __future__ import annotations

import json
import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import feedparser
import httpx
import pytest
from commands import Shell
from sqlalchemy import Engine
from webhost import Host, add_issue, add_list, configured, serving

from digest import db
from digest.models import IssueState

ATOM = "{http://www.w3.org/2005/Atom}"
CONTENT = "{http://purl.org/rss/1.0/modules/content/}"
RFC_822 = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}")
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
PATHS = ("/archive/weekly/feed.xml", "/archive/weekly/feed.json")


@pytest.fixture
def published(host: Host, now: datetime) -> Host:
    """Twenty-five issues, of which a feed has the newest twenty, and drafts."""
    with db.writing(host.engine) as session:
        for number in range(1, 26):
            add_issue(session, now, number)
        add_issue(session, now, 26, IssueState.FROZEN)
    return host


def absolute(url: str | None) -> bool:
    parts = urlsplit(url or "")
    return parts.scheme in ("http", "https") and bool(parts.netloc) and " " not in (url or "")


def check_rss(body: bytes) -> list[ElementTree.Element]:
    """The items of a document that holds what RSS 2.0 and the best practices of the RSS board ask for."""
    root = ElementTree.fromstring(body)
    assert (root.tag, root.get("version")) == ("rss", "2.0")
    [channel] = list(root)
    assert channel.tag == "channel"
    for name in ("title", "link", "description", "language", "lastBuildDate"):
        assert len(channel.findall(name)) == 1
        assert (channel.findtext(name) or "").strip()
    assert absolute(channel.findtext("link"))
    assert re.fullmatch("[a-z]{2,3}(-[A-Za-z0-9]+)*", channel.findtext("language") or "")
    assert RFC_822.fullmatch(channel.findtext("lastBuildDate") or "")
    [own] = channel.findall(f"{ATOM}link")
    assert (own.get("rel"), own.get("type")) == ("self", "application/rss+xml")
    assert absolute(own.get("href"))
    items = channel.findall("item")
    known = {"title", "link", "guid", "pubDate", "description", f"{CONTENT}encoded"}
    for item in items:
        names = [element.tag for element in item]
        assert set(names) <= known
        assert len(names) == len(set(names))
        assert (item.findtext("title") or "").strip()
        assert absolute(item.findtext("link"))
        assert RFC_822.fullmatch(item.findtext("pubDate") or "")
        assert item.find("guid").get("isPermaLink") == "false"  # type: ignore[union-attr]
        assert "href=" in (item.findtext(f"{CONTENT}encoded") or "")
    guids = [item.findtext("guid") for item in items]
    assert len(set(guids)) == len(guids)
    return items


def check_json(body: bytes) -> list[dict[str, str]]:
    """The items of a document that holds what JSON Feed 1.1 asks for."""
    document = json.loads(body)
    assert document["version"] == "https://jsonfeed.org/version/1.1"
    known = {"version", "title", "description", "home_page_url", "feed_url", "language", "authors", "items"}
    assert set(document) <= known
    assert document["title"]
    assert absolute(document["home_page_url"])
    assert absolute(document["feed_url"])
    assert all(author["name"] and absolute(author["url"]) for author in document["authors"])
    for item in document["items"]:
        assert set(item) <= {"id", "url", "title", "summary", "content_html", "content_text", "date_published"}
        assert isinstance(item["id"], str)
        assert item["id"]
        assert ("content_html" in item) or ("content_text" in item)
        assert absolute(item["url"])
        assert RFC_3339.fullmatch(item["date_published"])
    assert len({item["id"] for item in document["items"]}) == len(document["items"])
    found: list[dict[str, str]] = document["items"]
    return found


def test_the_feeds_are_valid_and_say_the_same(published: Host, web: httpx.Client) -> None:
    rss, plain = (web.get(path) for path in PATHS)
    assert rss.headers["content-type"] == "application/rss+xml; charset=utf-8"
    assert plain.headers["content-type"] == "application/feed+json; charset=utf-8"
    items, entries = check_rss(rss.content), check_json(plain.content)
    assert [item.findtext("link") for item in items] == [entry["url"] for entry in entries]
    assert [item.findtext("guid") for item in items] == [entry["id"] for entry in entries]
    assert [item.findtext(f"{CONTENT}encoded") for item in items] == [entry["content_html"] for entry in entries]
    numbers = [int((item.findtext("link") or "").rpartition("/")[2]) for item in items]
    assert numbers == list(range(25, 5, -1))
    assert items[0].findtext("title") == "Number 25, and <more>"
    assert web.get(urlsplit(entries[0]["url"]).path).status_code == 200


def test_others_read_the_feeds(published: Host, web: httpx.Client) -> None:
    read = feedparser.parse(web.get(PATHS[0]).content)
    assert not read.bozo
    assert read.version == "rss20"
    assert len(read.entries) == 20
    assert all(entry.published_parsed and entry.id.startswith("urn:uuid:") for entry in read.entries)


def test_we_read_them_ourselves(
    published: Host, web: httpx.Client, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shell = Shell(tmp_path, capsys)
    for path in PATHS:
        (tmp_path / Path(path).name).write_bytes(web.get(path).content)
    lines = shell("inspect", "feed", *(str(tmp_path / Path(path).name) for path in PATHS)).out.splitlines()
    rss, plain = map(json.loads, lines)
    assert rss["problems"] == plain["problems"] == []
    for name in ("url", "title", "published"):
        assert [entry[name] for entry in rss["entries"]] == [entry[name] for entry in plain["entries"]]
    assert len(rss["entries"]) == 20


def test_who_has_it_is_told_so(published: Host, web: httpx.Client) -> None:
    for path in ("/archive", "/archive/weekly", "/archive/weekly/2", *PATHS):
        first = web.get(path)
        validators = {name: first.headers[name] for name in ("etag", "last-modified", "cache-control")}
        assert re.fullmatch(r"public, max-age=\d+", validators["cache-control"])
        assert parsedate_to_datetime(validators["last-modified"]).utcoffset() is not None
        for asked in (
            {"if-none-match": validators["etag"]},
            {"if-none-match": f'W/{validators["etag"]}, "x"'},
            {"if-modified-since": validators["last-modified"]},
        ):
            again = web.get(path, headers=asked)
            assert (again.status_code, again.content) == (304, b"")
            assert {name: again.headers[name] for name in validators} == validators
        for asked in (
            {"if-none-match": '"x"', "if-modified-since": validators["last-modified"]},
            {"if-modified-since": "Thu, 01 Jan 1970 00:00:00 GMT"},
            {"if-modified-since": "yesterday"},
        ):
            assert web.get(path, headers=asked).status_code == 200
        assert web.head(path).headers["etag"] == validators["etag"]


def test_names_in_feeds_outlive_a_move(engine: Engine, now: datetime) -> None:
    with db.writing(engine) as session:
        add_list(session, now)
        add_issue(session, now, 1)
    found = []
    for prefix in ("", "/news"):
        with serving(engine, now, configured(path_prefix=prefix)) as host, host.client() as web:
            [entry] = check_json(web.get(f"{prefix}/archive/weekly/feed.json").content)
            assert entry["url"] == f"https://paper.example{prefix}/archive/weekly/1"
            found.append(entry["id"])
    assert found[0] == found[1]


def test_feeds_of_what_is_hidden_are_not_there(published: Host, web: httpx.Client, now: datetime) -> None:
    with db.writing(published.engine) as session:
        add_list(session, now, "staff", public=False)
        add_issue(session, now, 1, edition_id="staff")
        add_list(session, now, "quiet")
    for name in ("feed.xml", "feed.json"):
        answers = [web.get(f"/archive/{edition}/{name}") for edition in ("staff", "quiet", "nothing", "%00")]
        assert {(answer.status_code, answer.content) for answer in answers} == {(404, web.get("/x/y").content)}
