"""The archive as a folder: the same issues, links that lead somewhere from the disk, no token, nothing left over."""

from __future__ import annotations

import io
import json
import re
import zlib
from dataclasses import replace
from datetime import datetime
from html import unescape
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import Engine, update
from webhost import Clock, Host, add_issue, add_list, configured

from digest import db
from digest.errors import DigestError, UsageError
from digest.models import Issue, IssueState, Variant, table
from digest.pictures import storing
from digest.pictures.making import Made, made
from digest.web import site_of
from digest.web.archive.export import OURS, Exported, export


@pytest.fixture
def published(host: Host, now: datetime) -> Host:
    """Two public editions with issues, a draft, and a private list."""
    with db.writing(host.engine) as session:
        add_list(session, now, "daily")
        add_list(session, now, "staff", public=False)
        for number in (1, 2, 3):
            add_issue(session, now, number)
        add_issue(session, now, 4, IssueState.FROZEN)
        add_issue(session, now, 1, edition_id="daily")
        add_issue(session, now, 1, edition_id="staff")
    return host


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder."""
    made = tmp_path / "site"
    made.mkdir()
    return made


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def exported(host: Host, folder: Path, url: str | None = None) -> Exported:
    return export(site_of(host), folder, url)


def test_every_issue_is_there_and_every_link_leads_somewhere(published: Host, folder: Path) -> None:
    assert exported(published, folder) == Exported(issues=4, written=11, unchanged=0, removed=0)
    found = files(folder)
    pages = {"index.html", *(f"daily/{name}.html" for name in ("index", "1"))}
    pages |= {f"weekly/{name}.html" for name in ("index", "1", "2", "3")}
    feeds = {f"{edition}/feed.{kind}" for edition in ("daily", "weekly") for kind in ("xml", "json")}
    assert set(found) == {*pages, *feeds, OURS}
    for name in pages:
        for link in re.findall(r'(?:href|src)="([^"]+)"', found[name].decode()):
            leads = unescape(link)
            assert not leads.startswith("/"), f"{name} is bound to the top of a host"
            if not re.match(r"https://|data:|#", leads):
                assert (folder / name).parent.joinpath(leads).resolve().is_file(), f"{name} leads to {leads}"
        assert found[name].startswith(b"<!DOCTYPE html>")
        assert b'<meta http-equiv="Content-Security-Policy" content="default-src &#x27;none&#x27;;' in found[name]
        assert b"<script" not in found[name]


def test_no_file_holds_a_token_or_a_blank(published: Host, folder: Path) -> None:
    exported(published, folder)
    for name, content in files(folder).items():
        assert not re.search(rb"/(unsubscribe|preferences|confirm)/|bw\d+kx", content), name
        assert b"Unsubscribe" not in content


def test_feeds_name_the_pages_where_they_will_be(published: Host, folder: Path) -> None:
    exported(published, folder / "here")
    exported(published, folder / "there", "https://old.example/news/")
    read = [json.loads((folder / place / "weekly/feed.json").read_bytes()) for place in ("here", "there")]
    assert read[0]["items"][0]["url"] == "https://paper.example/archive/weekly/3"
    assert read[1]["items"][0]["url"] == "https://old.example/news/weekly/3.html"
    assert read[1]["home_page_url"] == "https://old.example/news/weekly/index.html"
    assert read[1]["feed_url"] == "https://old.example/news/weekly/feed.json"
    assert [entry["id"] for entry in read[0]["items"]] == [entry["id"] for entry in read[1]["items"]]


def test_again_nothing_changes(published: Host, folder: Path) -> None:
    exported(published, folder)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.*") if path.name != OURS}
    first = files(folder)
    assert exported(published, folder) == Exported(issues=4, written=0, unchanged=11, removed=0)
    assert files(folder) == first
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_what_is_gone_goes_and_what_is_not_ours_stays(published: Host, folder: Path) -> None:
    exported(published, folder)
    (folder / "robots.txt").write_text("User-agent: *\n")
    with db.writing(published.engine) as session:
        issues = table(Issue).c
        gone = (issues.edition_id == "daily") | (issues.number == 3)
        session.execute(update(table(Issue)).where(gone).values(state=IssueState.CANCELLED))
    done = exported(published, folder)
    assert (done.issues, done.removed) == (2, 5)
    assert set(files(folder)) == {
        OURS, "robots.txt", "index.html", "weekly/1.html", "weekly/2.html", "weekly/index.html", "weekly/feed.xml",
        "weekly/feed.json",
    }  # fmt: skip
    assert not (folder / "daily").exists()
    assert b"weekly/3.html" not in b"".join(files(folder).values())


def test_a_stranger_s_file_is_not_written_over(published: Host, folder: Path) -> None:
    (folder / "index.html").write_text("somebody's page")
    with pytest.raises(UsageError, match="was not exported by Digest"):
        exported(published, folder)
    assert list(files(folder)) == ["index.html"]


@pytest.mark.parametrize("listed", ["../kept.txt", "/etc/hostname", "a/b/../../../kept.txt", "a/../../kept.txt"])
def test_nothing_outside_the_folder_is_removed(published: Host, folder: Path, tmp_path: Path, listed: str) -> None:
    (tmp_path / "kept.txt").write_text("mine")
    (folder / OURS).write_text(json.dumps({"files": [listed]}))
    exported(published, folder)
    assert (tmp_path / "kept.txt").read_text() == "mine"


def test_a_list_that_is_none_is_said(published: Host, folder: Path) -> None:
    (folder / OURS).write_text("[]")
    with pytest.raises(UsageError, match="expected the list of files"):
        exported(published, folder)
    (folder / "file").touch()
    with pytest.raises(DigestError, match="expected a folder"):
        exported(published, folder / "file")


def test_our_pictures_come_along(published: Host, folder: Path, now: datetime) -> None:
    painted = io.BytesIO()
    Image.new("RGB", (40, 20), "teal").save(painted, "PNG")
    picture = made(painted.getvalue())
    assert isinstance(picture, Made)
    name = f"{picture.sha256}.jpg"
    with db.writing(published.engine) as session:
        storing.store(session, "https://elsewhere.example/a.png", picture, now)
        html = (
            f'<!DOCTYPE html><html><head></head><body><img src="{published.links.picture(name)}" alt=""></body></html>'
        )
        session.execute(update(table(Variant)).values(html=zlib.compress(html.encode())))
    exported(published, folder)
    assert (folder / "images" / name).read_bytes() == picture.content
    assert f'src="../images/{name}"' in (folder / "weekly/1.html").read_text()


def test_pages_are_in_the_language_of_the_site(engine: Engine, now: datetime, folder: Path) -> None:
    config = configured()
    with db.writing(engine) as session:
        add_list(session, now)
        add_issue(session, now, 1)
    host = Host(engine, Clock(now), replace(config, site=replace(config.site, language="de-AT")))
    exported(host, folder)
    page = (folder / "weekly/index.html").read_text()
    assert '<html lang="de"' in page
    assert "Archiv" in page
    assert "1. Mai 2026" in page
