"""What holds for every page: headers, limits, errors, and HTML that everybody can use (A-19)."""

from __future__ import annotations

import base64
import hashlib
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, event
from webhost import SUPPRESSION_KEY, Host, add_issue, add_list, add_reader, serving, status_of

from digest import db
from digest.models import Variant, table
from digest.templating import template_root
from digest.web.stamp import stamp
from subscribers.joining import SignUp, join

VOID = {"meta", "link", "input", "br", "img", "hr"}


class Outline(HTMLParser):
    """A page as its elements, with what is not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(names) != len(set(names)):
            self.wrong.append(f"an attribute twice in {tag}")
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> closes nothing")

    def all(self, *tags: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.elements if tag in tags]


@pytest.fixture
def pages(host: Host, web: httpx.Client, now: datetime) -> Iterator[dict[str, httpx.Response]]:
    """Every page there is, by name."""
    with db.writing(host.engine) as session:
        ann = add_reader(session, now, "ann@example.org")
        add_issue(session, now, 1)
        sends = join(
            session,
            SignUp("bob@example.org", ("weekly",)),
            key=SUPPRESSION_KEY,
            now=now,
            random_bytes=lambda count: b"r" * count,
        ).sends
    confirm = host.path(host.links.confirm(b"r" * 12, sends[0].confirmation_id))
    unsubscribe = host.path(host.links.unsubscribe(ann.handle, "weekly"))
    found = {
        "sign-up": web.get("/"),
        "problem": web.post("/subscribe", data={"email": "x"}),
        "robot": web.post("/subscribe", data={"website": "x"}),
        "archive": web.get("/archive"),
        "edition": web.get("/archive/weekly"),
        "confirm": web.get(confirm),
        "unsubscribe": web.get(unsubscribe),
        "goodbye": web.post(unsubscribe),
        "spent": web.get("/confirm/x"),
        "declined": web.post(confirm, data={"answer": "decline"}),
        "404": web.get("/nothing"),
        "405": web.put("/"),
        "413": web.post("/subscribe", content=b"x" * 70_000),
    }
    with db.writing(host.engine) as session:
        add_list(session, now, "daily", description="Every day.")
    yield found | {"sign-up, two lists": web.get("/")}


def test_every_page_is_whole_and_usable_by_keyboard_and_ear(pages: dict[str, httpx.Response]) -> None:
    for name, answer in pages.items():
        page = Outline(answer.text)
        assert (page.wrong, page.open) == ([], []), name
        assert answer.text.startswith("<!DOCTYPE html>")
        assert page.all("html") == [{"lang": "en", "dir": "ltr"}]
        assert [len(page.all(tag)) for tag in ("h1", "main", "header", "footer", "title")] == [1] * 5, name
        assert re.search(r"<title>\S.*· The Paper</title>", answer.text), name
        ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
        assert len(ids) == len(set(ids)), name
        for attributes in page.all("input"):
            if attributes.get("type") in ("email", "text"):
                assert {"for": attributes["id"]} in page.all("label"), name
        for _, attributes in page.elements:
            for reference in (attributes.get("aria-describedby"), attributes.get("aria-labelledby")):
                assert reference is None or reference in ids, name
        assert [tag for tag, attributes in page.elements if tag in ("script", "iframe", "base", "object")] == []
        assert [key for _, attributes in page.elements for key in attributes if key.startswith(("on", "style"))] == []


def test_every_page_says_that_it_is_harmless(pages: dict[str, httpx.Response]) -> None:
    for name, answer in pages.items():
        style = re.search(r"<style>(.*?)</style>", answer.text, re.DOTALL)
        assert style
        digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
        assert answer.headers["content-security-policy"] == (
            f"default-src 'none'; style-src 'sha256-{digest}'; img-src https: data:; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        ), name
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "set-cookie" not in answer.headers
        assert "server" not in answer.headers
        private = {"cache-control": "no-store", "x-robots-tag": "noindex"}
        if name not in ("sign-up", "sign-up, two lists", "archive", "edition"):
            assert {key: answer.headers.get(key) for key in private} == private, name


def test_nothing_is_loaded_from_anywhere(pages: dict[str, httpx.Response]) -> None:
    for answer in pages.values():
        page = Outline(answer.text)
        loaded = [each for each in page.all("img", "link", "video", "source") if each.get("rel") != "alternate"]
        assert [each for each in loaded if each.get("href") != "data:,"] == []
        assert "@import" not in answer.text
        assert "url(" not in answer.text


def palettes() -> dict[str, dict[str, str]]:
    """The colours of the pages by name, for light and for dark."""
    css = (template_root() / "pages" / "style.css.j2").read_text()
    light, dark = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", part)) for part in css.split("@media", 2)[:2])
    return {"light": light, "dark": dark}


def contrast(one: str, other: str) -> float:
    """WCAG 2.2 contrast ratio of two colours "#rrggbb"."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("palette", ["light", "dark"])
def test_colours_can_be_told_apart(palette: str) -> None:
    colours = palettes()[palette]
    words = [("ink", "paper"), ("soft", "paper"), ("accent", "paper"), ("accent-strong", "paper"), ("ink", "field")]
    words += [("on-accent", "accent"), ("on-accent", "accent-strong"), ("wrong", "wrong-paper")]
    for front, back in words:
        assert contrast(colours[front], colours[back]) >= 4.5, (front, back)
    for front, back in [("edge", "paper"), ("edge", "field"), ("wrong", "field")]:
        assert contrast(colours[front], colours[back]) >= 3, (front, back)


def test_errors_have_their_status(pages: dict[str, httpx.Response]) -> None:
    assert {name: pages[name].status_code for name in ("404", "405", "413", "problem")} == {
        "404": 404,
        "405": 405,
        "413": 413,
        "problem": 422,
    }
    assert set(pages["405"].headers["allow"].split(", ")) <= {"GET", "HEAD", "POST"}


PART = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
TOO_MUCH: list[tuple[str, str, list[bytes]]] = [
    ("too long", "application/x-www-form-urlencoded", [b"a=" + b"b" * 65_536]),
    ("too long in chunks", "application/x-www-form-urlencoded", [b"a=" + b"b" * 40_000, b"b" * 40_000]),
    ("51 fields", "application/x-www-form-urlencoded", [b"&".join(b"a=%d" % number for number in range(51))]),
    ("51 parts", "multipart/form-data; boundary=x", [PART * 51 + b"--x--\r\n"]),
]


@pytest.mark.parametrize("path", ["/subscribe", "/unsubscribe/x", "/confirm/x"])
def test_too_much_is_refused(web: httpx.Client, path: str) -> None:
    for caption, content_type, pieces in TOO_MUCH:
        content = pieces[0] if len(pieces) == 1 else iter(pieces)
        answer = web.post(path, content=content, headers={"content-type": content_type})
        assert answer.status_code == 413, caption
        assert "That is too much" in answer.text, caption


def test_headers_without_end_are_refused(host: Host) -> None:
    head = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 40_000
    assert host.raw(head).startswith((b"HTTP/1.1 400 ", b""))
    with host.client() as web:
        assert web.get("/healthz").status_code == 200


def test_the_interface_is_not_described(web: httpx.Client) -> None:
    assert {web.get(path).status_code for path in ("/docs", "/redoc", "/openapi.json", "/api/docs")} == {404}


def test_health(web: httpx.Client) -> None:
    answer = web.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "database": "ok"})
    assert web.head("/healthz").status_code == 200


def test_a_locked_database_is_said_kindly_and_nothing_is_half_done(tmp_path: Path, now: datetime) -> None:
    engine = db.open_engine(f"sqlite:///{tmp_path / 'digest.db'}")
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout = 50"))
    db.upgrade(engine)
    with db.writing(engine) as session:
        add_list(session, now)
        ann = add_reader(session, now, "ann@example.org")
    with serving(engine, now) as host, host.client() as web:
        path = host.path(host.links.unsubscribe(ann.handle, "weekly"))
        form = {"email": "bob@example.org", "list": "weekly", "shown": stamp(host.links.keys, now)}
        host.clock.move(seconds=5)
        with closing(sqlite3.connect(tmp_path / "digest.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            refused = [web.post(path), web.post("/subscribe", data=form)]
            shown = [web.get(each) for each in ("/", path, "/archive", "/healthz")]
        assert [answer.status_code for answer in refused] == [503, 503]
        assert ["Just a moment, please" in answer.text for answer in refused] == [True, True]
        assert [answer.headers["retry-after"] for answer in refused] == ["30", "30"]
        assert [answer.status_code for answer in shown] == [200] * 4
        assert status_of(engine, "ann@example.org") == "confirmed"
        assert [web.post(path).status_code, web.post("/subscribe", data=form).status_code] == [200, 200]
        assert status_of(engine, "ann@example.org") == "unsubscribed"
    engine.dispose()


def test_a_database_out_of_reach_is_said_kindly(now: datetime) -> None:
    engine = db.open_engine("postgresql://nobody@127.0.0.1:1/nothing?connect_timeout=2")
    with serving(engine, now) as host, host.client() as web:
        assert web.get("/healthz").status_code == 503
        assert web.get("/healthz").json()["status"] == "unavailable"
        for path in ("/", "/archive", "/archive/weekly/1"):
            answer = web.get(path)
            assert answer.status_code == 503
            assert "Just a moment, please" in answer.text
            assert "127.0.0.1" not in answer.text
        assert web.get("/unsubscribe/x").status_code == 200
    engine.dispose()


def test_what_nobody_foresaw_is_our_mistake(
    web: httpx.Client, engine: Engine, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    with db.writing(engine) as session:
        add_issue(session, now, 1)
        session.execute(table(Variant).update().values(html=b"not what was frozen"))
    answer = web.get("/archive/weekly/1")
    assert answer.status_code == 500
    assert "It is our mistake, not yours" in answer.text
    assert "Traceback" not in answer.text
    assert "content-security-policy" in answer.headers
    assert [record.levelname for record in caplog.records if record.name == "digest.web"] == ["ERROR"]
