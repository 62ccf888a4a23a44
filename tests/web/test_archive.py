"""Issues on the web: S-C10, S-C11, FEATURES 83."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime

import httpx
import pytest
from sqlalchemy import Engine
from webhost import Host, add_issue, add_list, configured, serving

from digest import db
from digest.config import ListConfig
from digest.models import IssueState


@pytest.fixture
def published(host: Host, now: datetime) -> Host:
    """Three issues that were sent, the last one is still being sent."""
    with db.writing(host.engine) as session:
        for number, state in enumerate([IssueState.SENT, IssueState.SENT, IssueState.SENDING], 1):
            add_issue(session, now, number, state)
    return host


def test_an_issue_is_shown_with_nothing_personal(published: Host, web: httpx.Client) -> None:
    answer = web.get("/archive/weekly/2")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<p>Dear !</p>" in answer.text
    assert "Öffentlich" in answer.text
    assert 'href="https://paper.example/"' in answer.text
    assert "Unsubscribe" not in answer.text
    assert not re.search(r"/unsubscribe/|/confirm/|bw2kx", answer.text)


def test_an_issue_can_run_nothing(published: Host, web: httpx.Client) -> None:
    policy = web.get("/archive/weekly/2").headers["content-security-policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules == {
        "default-src": "'none'",
        "style-src": "'unsafe-inline'",
        "img-src": "https: data:",
        "form-action": "'none'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }


def test_an_issue_is_not_sent_twice_to_who_has_it(published: Host, web: httpx.Client) -> None:
    tag = web.get("/archive/weekly/2").headers["etag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = web.get("/archive/weekly/2", headers={"if-none-match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert web.get("/archive/weekly/2", headers={"if-none-match": '"other"'}).status_code == 200
    assert web.get("/archive/weekly/1").headers["etag"] != tag


def test_an_issue_leads_on_to_the_next(published: Host, web: httpx.Client) -> None:
    steps = r'rel="(prev|next)" href="([^"]+)"'
    for number, around in ((1, {"next": 2}), (2, {"prev": 1, "next": 3}), (3, {"prev": 2})):
        page = web.get(f"/archive/weekly/{number}").text
        assert dict(re.findall(steps, page)) == {way: f"/archive/weekly/{to}" for way, to in around.items()}
        assert f'<link rel="canonical" href="https://paper.example/archive/weekly/{number}">' in page
        assert 'href="/archive/weekly">All issues of' in page
        assert page.index("<nav") > page.index("<body") and page.index("</nav>") < page.index("Dear")


def test_feeds_are_announced(published: Host, web: httpx.Client) -> None:
    for path in ("/archive/weekly", "/archive/weekly/2"):
        found = re.findall(
            r'<link rel="alternate" type="([^"]+)" title="The Weekly" href="([^"]+)"', web.get(path).text
        )
        kinds = {"application/rss+xml": "feed.xml", "application/feed+json": "feed.json"}
        assert dict(found) == {kind: f"/archive/weekly/{name}" for kind, name in kinds.items()}


@pytest.mark.parametrize("by", ["site", "list", "neither"])
def test_search_engines_can_be_asked_to_stay_away(engine: Engine, now: datetime, by: str) -> None:
    config = configured(noindex=by == "site")
    own = ListConfig("weekly", "Weekly", noindex={"site": None, "list": True, "neither": False}[by])
    with db.writing(engine) as session:
        add_list(session, now)
        add_issue(session, now, 1)
    with serving(engine, now, replace(config, lists=(own,))) as host, host.client() as web:
        for path in ("/archive/weekly", "/archive/weekly/1"):
            page = web.get(path)
            assert ('<meta name="robots" content="noindex">' in page.text) == (by != "neither")
            assert page.headers.get("x-robots-tag") == (None if by == "neither" else "noindex")
        assert web.get("/archive/weekly/feed.xml").headers.get("x-robots-tag") == page.headers.get("x-robots-tag")
        assert web.get("/archive").headers.get("x-robots-tag") == ("noindex" if by == "site" else None)


def test_issues_are_listed_newest_first(published: Host, web: httpx.Client, now: datetime) -> None:
    for path in ("/archive", "/archive/weekly"):
        page = web.get(path)
        assert re.findall(r'href="(/archive/weekly/\d)"', page.text) == [f"/archive/weekly/{n}" for n in (3, 2, 1)]
        assert "Number 2, and &lt;more&gt;" in page.text
        assert '<time datetime="2026-05-08">May 8, 2026</time>' in page.text
        assert "x-robots-tag" not in page.headers
    assert 'href="/archive/weekly"' not in web.get("/archive").text


def test_a_long_archive_leads_to_a_page_of_its_own(host: Host, web: httpx.Client, now: datetime) -> None:
    with db.writing(host.engine) as session:
        for number in range(1, 15):
            add_issue(session, now, number)
    short, whole = web.get("/archive").text, web.get("/archive/weekly").text
    assert len(re.findall(r"/archive/weekly/\d+", short)) == 12
    assert 'href="/archive/weekly"' in short
    assert len(re.findall(r"/archive/weekly/\d+", whole)) == 14


def test_what_is_not_sent_is_not_there(published: Host, web: httpx.Client, now: datetime) -> None:
    states = [state for state in IssueState if state not in (IssueState.SENDING, IssueState.SENT)]
    with db.writing(published.engine) as session:
        for number, state in enumerate(states, 4):
            add_issue(session, now, number, state)
    hidden = [f"/archive/weekly/{number}" for number in range(4, 4 + len(states))]
    answers_alike(web, *hidden, "/archive/weekly/9999", "/archive/nothing/1")
    listed = web.get("/archive").text + web.get("/archive/weekly").text
    assert [path for path in hidden if path in listed] == []


def test_an_issue_of_a_private_list_is_not_there(published: Host, web: httpx.Client, now: datetime) -> None:
    with db.writing(published.engine) as session:
        add_list(session, now, "staff", public=False)
        add_issue(session, now, 1, edition_id="staff")
    answers_alike(web, "/archive/staff/1", "/archive/weekly/9999")
    answers_alike(web, "/archive/staff", "/archive/nothing")
    assert "staff" not in web.get("/archive").text.lower()


def test_a_number_has_one_spelling(published: Host, web: httpx.Client) -> None:
    spellings = ["0", "01", "+1", "-1", "1.0", "٢", "1e0", "9" * 20, "%00", "2%00", "2;", "%2e%2e", "2/3"]
    answers_alike(web, *(f"/archive/weekly/{spelling}" for spelling in spellings), "/archive/weekly/9999")


def test_an_edition_that_is_none(published: Host, web: httpx.Client) -> None:
    editions = ["%00", "a%00b", "'%20OR%201=1", "x" * 3_000, "%F0%9F%98%80", "%ff"]
    answers_alike(
        web, *(f"/archive/{edition}{rest}" for edition in editions for rest in ("", "/1")), "/archive/nothing"
    )


def answers_alike(web: httpx.Client, *paths: str) -> None:
    answers = [web.get(path) for path in paths]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1


def test_an_archive_before_the_first_issue(host: Host, web: httpx.Client) -> None:
    page = web.get("/archive")
    assert page.status_code == 200
    assert "Nothing has been published yet" in page.text


def test_links_keep_the_prefix(engine: Engine, now: datetime) -> None:
    with db.writing(engine) as session:
        add_list(session, now)
        add_issue(session, now, 1)
    with serving(engine, now, configured(path_prefix="/news")) as host, host.client() as web:
        for path in ("/news/archive", "/archive", "//news/archive/"):
            page = web.get(path)
            assert 'href="/news/archive/weekly/1"' in page.text
        assert 'action="/news/subscribe"' in web.get("/news").text
        assert 'href="https://paper.example/news/"' in web.get("/news/archive/weekly/1").text
