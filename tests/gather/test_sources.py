"""Sources of every kind, gathered over real sockets and from real folders into a real database."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from feedserver import FeedServer
from kinds import FEED, NEWS, NOTES, PAGE, PLAIN, POSTS, write_notes
from sqlalchemy import Engine
from sqlmodel import col, select
from world import World, titles

from digest import byhand, db
from digest.config import Config, GatherConfig, MailConfig, SiteConfig
from digest.gather import folders
from digest.gather.kinds import read
from digest.gather.kinds.wordpress import posts_address
from digest.gather.outcomes import Failed, Fetched, Unchanged
from digest.gather.run import GatherReport, gather
from digest.models import Article, Source

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CONFIG = Config(
    site=SiteConfig("News", "https://news.example", postal_address="1 Main Street"),
    mail=MailConfig("News <news@news.example>"),
    gather=GatherConfig(allow_private_addresses=True, timeout_s=10.0),
)


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer() as running:
        yield running


def add(engine: Engine, name: str, url: str, **settings: object) -> None:
    with db.writing(engine) as session:
        session.add(Source(id=name, url=url, created_at=NOW, **settings))


def run(engine: Engine, server: FeedServer, now: datetime = NOW, config: Config = CONFIG) -> GatherReport:
    return asyncio.run(gather(engine, config, force=True, clock=lambda: now, resolver=server.resolver))


def stored(engine: Engine) -> dict[str, Article]:
    with db.reading(engine) as session:
        found = list(session.exec(select(Article).order_by(col(Article.canonical_url))))
        session.expunge_all()
    return {article.title: article for article in found}


def test_all_kinds_and_a_pasted_link_are_one_issue(engine: Engine, server: FeedServer, tmp_path: Path) -> None:
    site = server.url("press.test", "/")
    asked = posts_address(site).removeprefix(server.url("press.test", ""))
    server.page("feed.test", "/f", FEED)
    server.page("map.test", "/news.xml", NEWS)
    server.page("page.test", "/press", PAGE)
    server.page("press.test", asked, POSTS)
    (tmp_path / "notes").mkdir()
    write_notes(tmp_path / "notes")
    world = World(engine)
    add(engine, "feed", server.url("feed.test", "/f"))
    add(engine, "map", server.url("map.test", "/news.xml"), type="sitemap")
    add(engine, "page", server.url("page.test", "/press"), type="page", selectors={"section": ".tag"})
    add(engine, "press", site, type="wordpress")
    add(engine, "notes", "https://notes.example/", type="folder", folder="notes")
    with db.writing(engine) as session:
        byhand.add_article(session, "https://else.example/pasted", NOW, title="A pasted link")
    report = run(engine, server, config=replace(CONFIG, path=tmp_path / "config.toml"))
    assert [(one.id, one.state, one.new, one.error) for one in report.sources] == [
        ("feed", "ok", 1, None),
        ("map", "ok", 1, None),
        ("notes", "ok", 3, None),
        ("page", "ok", 2, None),
        ("press", "ok", 1, None),
    ]
    assert stored(engine)["Dredging begins at dawn"].section == "Harbours"
    issue = titles(world.later(hours=1).compose())
    assert sorted(issue) == [
        "A new crane",
        "A pasted link",
        "Bridge closed for repairs",
        "Dredging begins at dawn",
        "Ferry strike – day two",
        "Lights out on the pier",
        "Plain words",
        "Spring tides: what to expect",
        "Tunnel “too wet” & late",
    ]
    again = run(engine, server, NOW + timedelta(hours=7), replace(CONFIG, path=tmp_path / "config.toml"))
    assert again.articles_new == 0
    assert {request.headers.get("if-none-match") is not None for request in server.requests[-4:]} == {True}


def test_an_index_brings_its_newest_sitemaps(engine: Engine, server: FeedServer) -> None:
    index = "".join(
        f"<sitemap><loc>{server.url('map.test', f'/{n}.xml')}</loc><lastmod>2026-11-{n:02}</lastmod></sitemap>"
        for n in range(1, 9)
    )
    server.page("map.test", "/index.xml", f"<sitemapindex>{index}</sitemapindex>".encode())
    server.page("map.test", "/8.xml", NEWS)
    server.page("map.test", "/7.xml", PLAIN)
    server.answer("map.test", "/6.xml", 500)
    add(engine, "map", server.url("map.test", "/index.xml"), type="sitemap")
    assert run(engine, server).articles_new == 3
    assert [request.path for request in server.requests] == ["/index.xml", *(f"/{n}.xml" for n in (8, 7, 6, 5, 4))]
    assert stored(engine)["A quiet border"].url == "https://map.example/2026/11/a-quiet-border"
    run(engine, server, NOW + timedelta(hours=7))
    # A sitemap of it failed: the index is read again in full.
    assert "if-none-match" not in server.asked("/index.xml")[1].headers


def test_an_index_whose_dates_stand_is_not_read_again(engine: Engine, server: FeedServer) -> None:
    place = server.url("map.test", "/1.xml")
    for name, date in (("dated", "<lastmod>2026-11-19</lastmod>"), ("undated", "")):
        body = f"<sitemapindex><sitemap><loc>{place}</loc>{date}</sitemap></sitemapindex>"
        server.page("map.test", f"/{name}.xml", body.encode())
        add(engine, name, server.url("map.test", f"/{name}.xml"), type="sitemap")
    server.page("map.test", "/1.xml", NEWS)
    run(engine, server)
    assert len(server.asked("/1.xml")) == 2
    run(engine, server, NOW + timedelta(hours=7))
    assert len(server.asked("/1.xml")) == 3


@pytest.mark.parametrize(
    ("settings", "body", "error"),
    [
        ({}, PLAIN, 'expected a feed, got what type "sitemap" reads'),
        ({"type": "sitemap"}, FEED, "expected a sitemap (<urlset> or <sitemapindex>), got something else"),
        ({"type": "page", "selectors": {"article": ".no"}}, PAGE, "expected articles for the selector article"),
        ({"type": "wordpress"}, b"<html>", "expected WordPress's list of posts, got something that is not JSON"),
    ],
)
def test_what_is_not_as_it_was_said_fails_in_one_sentence(
    engine: Engine, server: FeedServer, settings: dict[str, object], body: bytes, error: str
) -> None:
    server.page("a.test", "/wp-json/wp/v2/posts", body)
    address = server.url("a.test", "/wp-json/wp/v2/posts")
    if settings.get("type") == "wordpress":
        server.page("a.test", posts_address(address).removeprefix(server.url("a.test", "")), body)
    add(engine, "a", address, **settings)
    report = run(engine, server).sources[0]
    assert report.state == "failing" and error in (report.error or "")


def test_a_folder_is_read_only_when_it_changed(tmp_path: Path) -> None:
    write_notes(tmp_path)
    first = folders.look(tmp_path, "https://n.example/", None)
    assert isinstance(first, Fetched) and first.validators
    assert len(read("folder", first.body, url=first.url).entries) == 3
    assert folders.look(tmp_path, "https://n.example/", first.validators) == Unchanged()
    assert isinstance(folders.look(tmp_path, "https://other.example/", first.validators), Fetched)
    for change in (
        lambda: (tmp_path / "new.md").write_text("# New\n"),
        lambda: os.utime(tmp_path / "new.md", ns=(1, 1)),
        (tmp_path / "new.md").unlink,
    ):
        before = folders.look(tmp_path, "https://n.example/", None)
        assert isinstance(before, Fetched)
        change()
        assert isinstance(folders.look(tmp_path, "https://n.example/", before.validators), Fetched)


def test_what_is_no_file_of_the_folder_is_passed_over(tmp_path: Path) -> None:
    secret = tmp_path / "secret.md"
    secret.write_text("# Secret\n")
    inside = tmp_path / "notes"
    inside.mkdir()
    (inside / "good.md").write_text("# Good\n")
    (inside / "same.md").symlink_to(inside / "good.md")
    (inside / "out.md").symlink_to(secret)
    (inside / "dangling.md").symlink_to(tmp_path / "nowhere")
    (inside / "up").symlink_to(tmp_path, target_is_directory=True)
    (inside / "large.md").write_bytes(b"#" * 1_000_001)
    (inside / "words.txt").write_text("# Not one\n")
    (inside / ".hidden.md").write_text("# Not one\n")
    (inside / "_index.md").write_text("# Not one\n")
    for name in (".git", "_drafts"):
        (inside / name).mkdir()
        (inside / name / "x.md").write_text("# Not one\n")
    os.mkfifo(inside / "pipe.md")
    outcome = folders.look(inside, "https://n.example/", None)
    assert isinstance(outcome, Fetched)
    feed = read("folder", outcome.body, url=outcome.url)
    assert [(entry.title, entry.url) for entry in feed.entries] == [
        ("Good", "https://n.example/good"),
        ("Good", "https://n.example/same"),
    ]
    assert sorted(feed.problems) == [
        "dangling.md: expected a readable file, got: No such file or directory",
        "large.md: expected at most 1,000,000 bytes, got 1,000,001",
        "out.md: expected a file of the folder, got a link that leads out of it",
        "pipe.md: expected a file, got something else",
    ]


def test_the_latest_of_many_files_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "MAX_FILES", 3)
    for number in range(5):
        path = tmp_path / f"{number}.md"
        path.write_text(f"# Title {number}\n")
        os.utime(path, (number, number))
    outcome = folders.look(tmp_path, "https://n.example/", None)
    assert isinstance(outcome, Fetched)
    feed = read("folder", outcome.body, url=outcome.url)
    assert [entry.title for entry in feed.entries] == ["Title 2", "Title 3", "Title 4"]
    assert feed.problems == ("only the latest 3 of 5 files were read",)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere", "expected a folder that can be read, got: No such file or directory"),
        ("file.md", "expected a folder, got a file"),
    ],
)
def test_a_folder_that_is_not_there(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "file.md").write_text("x")
    assert folders.look(tmp_path / name, "https://n.example/", None) == Failed(f"{tmp_path / name}: {said}")


@pytest.mark.skipif(sys.platform == "darwin", reason="HFS+ takes no such names")
def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/\xff.md", "wb") as file:
        file.write(b"# Odd\n")
    outcome = folders.look(tmp_path, "https://n.example/", None)
    assert isinstance(outcome, Fetched)
    assert read("folder", outcome.body, url=outcome.url).entries[0].title == "Odd"


def test_a_file_that_is_mended_is_taken_in(
    engine: Engine, server: FeedServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.md").write_text("---\ntitle: [\n---\n")
    (tmp_path / "b.md").write_text(NOTES["tides.md"])
    add(engine, "n", "https://n.example/", type="folder", folder=str(tmp_path))
    assert run(engine, server).articles_new == 1
    assert [record.getMessage().startswith("source n: a.md line 2: expected YAML") for record in caplog.records] == [
        True
    ]
    (tmp_path / "a.md").write_text("---\ntitle: Mended\n---\n")
    assert run(engine, server, NOW + timedelta(hours=7)).articles_new == 1
    assert stored(engine)["Mended"].published_at is None


def test_a_title_that_its_page_gave_is_not_taken_back_by_a_sitemap(engine: Engine, server: FeedServer) -> None:
    server.page("map.test", "/s.xml", PLAIN)
    add(engine, "map", server.url("map.test", "/s.xml"), type="sitemap")
    assert run(engine, server).articles_new == 2
    with db.writing(engine) as session:
        row = session.exec(select(Article).where(Article.title == "A quiet border")).one()
        row.title, row.dek = "Quiet at the border, for once", "What the page says."
    server.page("map.test", "/s.xml", PLAIN + b"\n")
    assert run(engine, server, NOW + timedelta(hours=7)).articles_new == 0
    assert stored(engine)["Quiet at the border, for once"].dek == "What the page says."
