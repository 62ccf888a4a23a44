"""Adding sources by their site's address, and checking how they read, against a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Shell
from feedserver import FeedServer
from kinds import FEED, NEWS, PAGE, write_notes


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer() as running:
        yield running


@pytest.fixture
def here(shell: Shell) -> Shell:
    path = shell.folder / "config.toml"
    path.write_text(path.read_text() + "\n[gather]\nallow_private_addresses = true\ntimeout_s = 10\n")
    return shell


def site(server: FeedServer, *feeds: str) -> str:
    """A site whose page names these feeds."""
    links = "".join(f'<link rel=alternate type=application/rss+xml href="/{name}">' for name in feeds)
    server.page("site.localhost", "/", f"<!doctype html><head>{links}</head>".encode())
    for name in feeds:
        body = FEED.replace(b"Harbour Post", name.title().encode()).replace(b"/bridge", f"/{name}".encode())
        server.page("site.localhost", f"/{name}", body)
    return server.url("site.localhost", "/")


def test_the_feed_of_a_site_is_added(here: Shell, server: FeedServer) -> None:
    address = site(server, "news")
    answer = here("sources", "add", address)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == (
        f'Added the source "site.localhost"; digest gather fetches it. Its feed was found at {address}news.\n'
    )
    known = here("sources", "add", f"{address}news")
    assert (known.code, known.err) == (3, 'the source "site.localhost" has this URL already\n')
    assert here("gather", "--json").json["articles_new"] == 1


def test_of_several_feeds_a_person_chooses(here: Shell, server: FeedServer) -> None:
    address = site(server, "news", "sport")
    several = here("sources", "add", address, "--json")
    assert (several.code, [one["title"] for one in several.json["found"]]) == (4, ["News", "Sport"])
    assert f"{address}: 2 feeds were found, none was added: --feed NUMBER takes one, --yes the first." in several.err
    assert here("sources", "list", "--json").json == {"sources": []}
    third = here("sources", "add", address, "--feed", "3")
    assert (third.code, third.err) == (2, "--feed: expected a number up to 2, got 3\n")
    second = here("sources", "add", address, "--feed", "2", "--id", "sport", "--json").json["source"]
    assert (second["id"], second["url"], second["type"]) == ("sport", f"{address}sport", "feed")
    assert here("sources", "add", address, "--yes", "--json").json["source"]["url"] == f"{address}news"


def test_what_cannot_be_read_is_not_added_unless_said(here: Shell, server: FeedServer) -> None:
    address = server.url("site.localhost", "/later.xml")
    answer = here("sources", "add", address)
    assert (answer.code, answer.err) == (1, f"{address} answered 404 Not Found; --no-check adds it as it is\n")
    asked = len(server.requests)
    added = here("sources", "add", address, "--no-check", "--json").json["source"]
    assert (added["url"], added["type"], added["state"]) == (address, "feed", "new")
    assert len(server.requests) == asked
    other = here("sources", "add", address, "--type", "sitemap", "--id", "x")
    assert other.code == 3  # known before anything was asked
    assert len(server.requests) == asked


def test_a_page_is_added_with_its_selectors(here: Shell, server: FeedServer) -> None:
    server.page("site.localhost", "/press", PAGE)
    address = server.url("site.localhost", "/press")
    checked = here("sources", "check", address, "--select", "title=.no", "--json")
    assert checked.json["kind"] == "page"
    assert checked.json["problems"] == ['expected something for the selector title = ".no", got none in 3 articles']
    lost = here("sources", "add", address, "--select", "article=.no")
    assert (lost.code, 'article = ".no", got a page where it fits nothing; --no-check' in lost.err) == (1, True)
    words = ["--type", "page", "--select", "article=article", "--select", "title=h2 > a", "--id", "press"]
    added = here("sources", "add", address, *words, "--json").json["source"]
    assert added["selectors"] == {"article": "article", "title": "h2 > a"}
    first = here("sources", "export").out
    assert here("sources", "check", "press", "--json").json["entries"][0]["title"] == "Dredging begins at dawn"
    assert here("gather", "--json").json["articles_new"] == 2
    (here.folder / "digest.db").unlink()
    (here.folder / "feeds.opml").write_text(first)
    assert here("sources", "import", "feeds.opml", "--json").json["added"] == ["press"]
    assert here("sources", "export").out == first


def test_a_folder_is_added(here: Shell, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    write_notes(tmp_path / "notes")
    added = here("sources", "add", "https://notes.example/", "--folder", "notes", "--json").json["source"]
    assert (added["type"], added["folder"]) == ("folder", str(tmp_path / "notes"))
    assert here("gather", "--json").json["articles_new"] == 3


def test_a_folder_of_this_machine_comes_with_opml_only_where_it_may(here: Shell, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    write_notes(tmp_path / "notes")
    assert here("sources", "add", "https://notes.example/", "--folder", "notes", "--id", "n").code == 0
    (here.folder / "feeds.opml").write_text(here("sources", "export").out)
    (here.folder / "digest.db").unlink()
    said = here("sources", "import", "feeds.opml", "--json").json
    assert (said["added"], len(said["bad"])) == ([], 1)
    assert "of this machine: --folders lets it" in said["bad"][0]["reason"]
    assert here("sources", "import", "feeds.opml", "--folders", "--json").json["added"] == ["n"]


def test_keys_in_addresses_of_sources_are_not_shown(here: Shell) -> None:
    url = "https://private.example/feed?key=secret1&page=1"
    assert here("sources", "add", url, "--no-check").code == 0
    for shown in (here("sources", "list"), here("sources", "list", "--json")):
        assert "secret" not in shown.out
        assert "private.example/feed?key=" in shown.out
    assert "secret1" in here("sources", "export").out


def test_a_declared_folder_counts_from_the_file(here: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "notes").mkdir()
    write_notes(tmp_path / "notes")
    path = here.folder / "config.toml"
    text = path.read_text()
    declared = '\n[[sources]]\nid = "n"\nurl = "https://notes.example/"\ntype = "folder"\nfolder = "{}"\n'
    path.write_text(text + declared.format("notes"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert here("--config", str(path), "sources", "check", "n", "--json").json["kind"] == "folder"
    assert here("--config", str(path), "gather", "--json").json["articles_new"] == 3
    # Another folder is another source: what was known of the old one does not keep it from being read.
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "x.md").write_text("# Others\n")
    path.write_text(text + declared.format("others"))
    assert here("--config", str(path), "gather", "--json").json["articles_new"] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--type", "rss"], 'type: expected "feed" or "sitemap" or "page" or "wordpress" or "folder", got "rss"'),
        (["--select", "article"], '--select: expected NAME=CSS like article=li.post, got "article"'),
        (["--select", "title=h2["], 'select: expected CSS for title like "h2 > a" or "img@data-src", got "h2["'),
        (["--select", "titel=h2"], "select: expected a table of CSS selectors"),
        (["--type", "feed", "--select", "title=h2"], 'select: expected none, or type "page", got one for type "feed"'),
        (["--id", "by-hand"], 'id: expected another one, "by-hand" holds the articles that are added by hand'),
        (["--folder", "nowhere"], 'folder: expected a folder that is there, got "nowhere"'),
        (["--type", "folder"], "folder: missing, expected the folder of Markdown files"),
        (["--folder", ".", "--type", "page"], 'folder: expected none, or type "folder", got "."'),
    ],
)
def test_what_does_not_go_together_is_refused(here: Shell, server: FeedServer, words: list[str], said: str) -> None:
    for more in ((), ("--no-check",)):
        answer = here("sources", "add", server.url("site.localhost", "/"), *words, *more)
        assert (answer.code, answer.err.startswith(said)) == (2, True), answer.err
    assert server.requests == []


def test_sitemaps_are_inspected_as_files(here: Shell) -> None:
    (here.folder / "news.xml").write_bytes(NEWS)
    told = here("inspect", "feed", "news.xml").json
    assert (told["kind"], told["entries"][0]["title"]) == ("newssitemap", "Ferry strike – day two")
