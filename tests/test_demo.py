"""The sample magazine reads as a real one, and the demo walks the whole path with it."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from email import message_from_bytes
from pathlib import Path

import httpx
import pytest
from desk import environment

from digest.deliver.lint import inspect_email, lint
from digest.demo import pictures
from digest.demo.magazine import atom, magazine, rss, served
from digest.gather.entries import Byline
from digest.gather.feeds import parse

BASE = "http://127.0.0.1:9"


def test_the_articles_read_as_they_were_written(now: datetime) -> None:
    sample = magazine(now)
    feed = parse(rss(sample, BASE), url=f"{BASE}/feed.xml")
    assert feed.problems == ()
    assert [entry.title for entry in feed.entries] == [piece.title for piece in sample.articles]
    cables = next(entry for entry in feed.entries if entry.title == "Cables under cold water")
    assert (cables.kind, cables.section) == ("Analysis", "Seas & Straits")
    assert cables.bylines == (Byline("Tomas Lindqvist", "Institute for Northern Waters"),)
    assert cables.image is not None
    assert (cables.image.credit, cables.image.width) == ("Tomas Lindqvist", 600)
    assert len(next(entry for entry in feed.entries if entry.url.endswith("quiet")).bylines) == 2


def test_the_notes_read_as_they_were_written(now: datetime) -> None:
    sample = magazine(now)
    feed = parse(atom(sample, BASE), url=f"{BASE}/notes.xml")
    assert [(entry.title, entry.dek) for entry in feed.entries] == [(note.title, note.dek) for note in sample.notes]
    assert all(entry.published and entry.bylines for entry in feed.entries)


def test_everything_happened_within_ten_days(now: datetime) -> None:
    sample = magazine(now)
    ages = [(now - piece.published).days for piece in (*sample.articles, *sample.notes)]
    assert len(ages) >= 30
    assert min(ages) >= 0
    assert max(ages) < 10


def test_pages_and_pictures_are_served_and_unchanged_ones_are_not_sent_again(now: datetime) -> None:
    sample = magazine(now)
    with served(sample) as base, httpx.Client(base_url=base, trust_env=False) as client:
        first = client.get("/the-strait-that-went-quiet.png")
        assert first.content.startswith(b"\x89PNG")
        again = client.get("/the-strait-that-went-quiet.png", headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert sample.articles[0].title in client.get("/the-strait-that-went-quiet").text
        assert client.get("/nothing").status_code == 404


@pytest.mark.parametrize("scene", ["hills", "coast", "skyline", "contours"])
def test_pictures_are_small_and_always_the_same(scene: str) -> None:
    drawn = pictures.picture(scene, "dawn", 5)
    assert len(drawn) < 40_000
    pictures.picture.cache_clear()
    assert pictures.picture(scene, "dawn", 5) == drawn


def test_the_demo_walks_the_whole_path_and_again(tmp_path: Path) -> None:
    for _ in range(2):
        done = _digest(tmp_path, "--json", "demo", "out")
        assert done.returncode == 0, done.stderr
        shown = json.loads(done.stdout)
        assert (shown["issue"]["state"], shown["deliveries"]["sent"]) == ("sent", 8)
        raw = [(tmp_path / path).read_bytes() for path in shown["messages"]]
        assert [lint(message, loopback=True) for message in raw] == [[]] * 8
        html = (tmp_path / shown["html"]).read_text()
        assert all((tmp_path / "out" / name).is_file() for name in set(_pictures(html)))
    assert inspect_email("", raw[0], loopback=True)["failures"] == []
    # The magazine has stopped: the mail and the archive are whole without it.
    enclosed = [part for part in message_from_bytes(raw[0]).walk() if part.get_content_maintype() == "image"]
    assert len(enclosed) == len(set(_pictures(html))) > 3
    assert _digest(tmp_path, "--config", "out/config.toml", "archive", "export", "archive").returncode == 0
    page = tmp_path / "archive" / "weekly" / "1.html"
    archived = _pictures(page.read_text())
    assert (len(archived), [name for name in archived if not (page.parent / name).is_file()]) == (len(enclosed), [])


def test_the_demo_touches_no_folder_of_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "novel.txt").write_text("Call me")
    done = _digest(tmp_path, "demo", "out")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["novel.txt"]


def _digest(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "digest", *words]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)


def _pictures(html: str) -> list[str]:
    return [part.split('"')[0] for part in html.split('src="')[1:]]
