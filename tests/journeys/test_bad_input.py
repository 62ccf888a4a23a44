"""Bad input from every side: one clear sentence each, the good is used, nothing is lost and nothing is run."""

from __future__ import annotations

import gzip
import json
import re
import sqlite3
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser
from mailbox import Got, Mailbox, refuse
from pathlib import Path

import pytest
from desk import Desk, feed, free_port, newsroom
from feedserver import FeedServer

GATHER = "[gather]\nallow_private_addresses = true\n"
TIGHT = GATHER + "timeout_s = 3\nmax_bytes = 100000\n"
PEOPLE = ["ann@example.org", "bob@example.com", "cy@mail.example.net"]


def bombs() -> bytes:
    """Ten megabytes in ten kilobytes."""
    return gzip.compress(b"<rss>" + b" " * 10_000_000 + b"</rss>")


def endless() -> Iterator[bytes]:
    while True:
        yield b"<item>" * 1000


def serve_badly(server: FeedServer) -> dict[str, str]:
    """Every kind of bad source, by its id, and its URL."""
    bad = "bad.localhost"
    server.answer(bad, "/missing", 404)
    server.answer(bad, "/gone", 410)
    server.answer(bad, "/broken", 500)
    server.page(bad, "/malformed", b"<rss><channel><item><title>Half a fe")
    server.page(bad, "/html", b"<!doctype html><title>Welcome</title><p>Our new site", Content_Type="text/html")
    server.page(bad, "/empty", b"")
    server.drip(bad, "/slow")
    server.stream(bad, "/large", endless)
    server.answer(bad, "/bomb", 200, bombs(), Content_Encoding="gzip")
    server.answer(bad, "/loop", 302, Location="/pool")
    server.answer(bad, "/pool", 302, Location="/loop")
    kinds = ("missing", "gone", "broken", "malformed", "html", "empty", "slow", "large", "bomb", "loop")
    urls = {kind: server.url(bad, f"/{kind}") for kind in kinds}
    return urls | {"unknown": "http://no-such-host.invalid/feed", "refused": f"http://127.0.0.1:{free_port()}/feed"}


# What the sentence of each has to say.
SAYS = {
    "missing": "404 Not Found",
    "gone": "410 Gone",
    "broken": "500 Internal Server Error",
    "malformed": "not well-formed",
    "html": "",
    "empty": "",
    "slow": "did not answer in full within 3 s",
    "large": "larger than 100,000 bytes",
    "bomb": "bytes",
    "loop": "redirects in a circle",
    "unknown": "no-such-host.invalid was not found",
    "refused": "could not be reached",
}


def test_each_bad_source_is_one_sentence_and_the_good_one_is_used(database_url: str, tmp_path: Path) -> None:
    with FeedServer() as server:
        desk = newsroom(tmp_path / "desk", database_url, free_port())
        config = desk.folder / "config.toml"
        config.write_text(config.read_text().replace(GATHER, TIGHT))
        for kind, url in serve_badly(server).items():
            desk.source(kind, url)
        server.page("paper.localhost", "/feed", feed("Harbour bridge closed", "Rain ends a dry year"))
        desk.source("paper", server.url("paper.localhost", "/feed"))
        said = desk.json("gather")
    found = {source["id"]: source for source in said["sources"]}
    assert (said["articles_new"], found["paper"]["new"], found["paper"]["error"]) == (2, 2, None)
    for kind, words in SAYS.items():
        sentence = found[kind]["error"]
        assert sentence, f"{kind}: no sentence"
        assert words in sentence, f"{kind}: {sentence}"
        assert len(sentence.splitlines()) == 1, f"{kind}: {sentence}"
        assert not re.search(r"Error\(|<class|0x[0-9a-f]{6}|Errno", sentence), f"{kind}: {sentence}"


def test_a_broken_config_tells_all_its_problems(tmp_path: Path) -> None:
    desk = newsroom(tmp_path / "desk", "sqlite:///digest.db", free_port())
    config = desk.folder / "config.toml"
    text = config.read_text()
    broken = text.replace("window_days = 7", 'window_days = "a week"').replace("retry_first_s = 1", "retry_frist_s = 1")
    config.write_text(broken.replace("Europe/Berlin", "Europe/Berlino"))
    for words in (("publish", "weekly"), ("serve",)):
        answer = desk("--json", *words, code=2)
        assert len(answer.data["problems"]) == len(answer.err.splitlines()) == 3
        for culprit in ("window_days", "retry_frist_s", "Europe/Berlino"):
            assert culprit in answer.err, answer.err
    config.write_text("[site\n")
    assert len(desk("gather", code=2).err.splitlines()) == 1
    assert not (desk.folder / "digest.db").exists()


@pytest.mark.slow  # it waits for the lock for ten seconds
def test_a_locked_database_is_one_sentence_and_loses_nothing(tmp_path: Path) -> None:
    with FeedServer() as server:
        desk = newsroom(tmp_path / "desk", "sqlite:///digest.db", free_port())
        server.page("paper.localhost", "/feed", feed("Harbour bridge closed"))
        desk.source("paper", server.url("paper.localhost", "/feed"))
        desk("lists", "list")
        holder = sqlite3.connect(desk.folder / "digest.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        answer = desk("--json", "subscribers", "add", "ann@example.org", "--list", "weekly", code=1)
        assert "database" in answer.data["error"]
        assert "locked" in answer.data["error"]
        assert len(answer.err.splitlines()) == 1
        holder.execute("ROLLBACK")
        holder.close()
        assert desk.json("subscribers", "list")["subscribers"] == []
        assert desk.json("gather")["articles_new"] == 1


@pytest.mark.parametrize("banner", [None, "554 5.7.1 go away"], ids=["port closed", "554 at the banner"])
def test_a_refused_relay_is_one_sentence_and_loses_nothing(banner: str | None, tmp_path: Path) -> None:
    with FeedServer() as server, Mailbox(refuse({"*": banner} if banner else {}, "connect")) as box:
        desk = newsroom(tmp_path / "desk", "sqlite:///digest.db", box.port if banner else free_port())
        server.page("paper.localhost", "/feed", feed("Harbour bridge closed"))
        desk.source("paper", server.url("paper.localhost", "/feed"))
        desk.people(PEOPLE)
        refused = desk("--json", "publish", "weekly", "--yes", code=1)
        assert "relay" in refused.data["error"]
        assert banner is None or f'{banner}"); tried again at' in refused.data["error"]
        assert len(refused.data["error"].splitlines()) == 1
        assert desk.json("issues", "status")["deliveries"]["pending"] == len(PEOPLE)
        assert box.messages == []
        box.behave(None)
        config = desk.folder / "config.toml"
        config.write_text(re.sub(r'(host = "127.0.0.1"\nport = )\d+', rf"\g<1>{box.port}", config.read_text()))
        sent = desk.json("deliver", "--until-done")["deliveries"]
        assert sent["sent"] == len(PEOPLE)
        assert sorted(got.rcpt for got in box.messages) == PEOPLE


HOSTILE = {
    "template expression": "Sum {{7*7}} {% raw %}{{ site.name }}",
    "end of the MJML text": "Ends </mj-text><script>alert(1)</script><mj-text>",
    "encoded word with CRLF": "=?utf-8?q?a=0D=0ABcc:_evil@example.com?=",
    "marker of a blank": "Reader bdeadbeefxunsubscribex bdeadbeefxnamex",
    "raw CR and LF": "Line\r\nBcc: evil@example.com\r\n\r\nbody",
    "separators of Unicode": "Para\u2028Bcc: evil@example.com\u2029\x85end",
    "NUL": "No\x00thing",
    "almost a megabyte": "M" * 900_000,
    "right to left override": "abc\u202egpj.exe",
    "attributes": '" onload="alert(1)" x=\'',
}
# As they are shown: characters that are no letters, or turn the text around, are gone.
SHOWN = {
    **HOSTILE,
    "raw CR and LF": "Line Bcc: evil@example.com body",
    "separators of Unicode": "Para Bcc: evil@example.com end",
    "NUL": "Nothing",
    "almost a megabyte": "M" * 50,
    "right to left override": "abcgpj.exe",
}
HEADERS = [
    *("From", "To", "Subject", "Message-ID", "Date", "Auto-Submitted", "Precedence", "X-Auto-Response-Suppress"),
    *("List-Id", "List-Help", "List-Subscribe", "List-Archive", "List-Post", "List-Unsubscribe"),
    *("List-Unsubscribe-Post", "Feedback-ID", "MIME-Version", "Content-Type"),
]


def hostile_feed() -> bytes:
    """A JSON feed, which can carry every one of these titles."""
    items = [
        {
            "id": f"https://paper.example/{n}",
            "url": f"https://paper.example/{n}",
            "title": title,
            "summary": title[:300],
        }
        for n, title in enumerate(HOSTILE.values())
    ]
    return json.dumps({"version": "https://jsonfeed.org/version/1.1", "title": "Paper", "items": items}).encode()


class Elements(HTMLParser):
    """The elements, attributes and words of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.handlers: set[str] = set()
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the element."""
        self.tags.add(tag)
        self.handlers |= {name for name, _ in attrs if name.startswith("on")}

    def handle_data(self, data: str) -> None:
        """Note the words."""
        self.words.append(data)


def names(got: Got) -> list[str]:
    """The names of the header fields on the wire, in order."""
    head = got.raw.partition(b"\r\n\r\n")[0].decode()
    return [line.partition(":")[0] for line in head.split("\r\n") if not line.startswith((" ", "\t"))]


def subject(got: Got) -> str:
    """As a mail program shows it."""
    return str(message_from_bytes(got.raw, EmailMessage, policy=policy.default)["Subject"])


def bodies(got: Got) -> tuple[str, str]:
    message = message_from_bytes(got.raw, EmailMessage, policy=policy.default)
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text
    assert html
    return str(text.get_content()), str(html.get_content())


def lead_with(desk: Desk, kind: str) -> None:
    """Open the issue with the article of that title, which then is the subject too."""
    desk("issues", "move", f"https://paper.example/{list(HOSTILE).index(kind)}", "--section", "lead")


def test_hostile_titles_arrive_inert(tmp_path: Path) -> None:
    with FeedServer() as server, Mailbox() as box:
        desk = newsroom(tmp_path / "desk", "sqlite:///digest.db", box.port, more="max_articles = 50\n")
        server.page("paper.localhost", "/feed", hostile_feed(), Content_Type="application/feed+json")
        desk.source("paper", server.url("paper.localhost", "/feed"))
        desk.people(PEOPLE[:1])
        assert desk.json("gather")["articles_new"] == len(HOSTILE)
        desk.json("issues", "compose", "weekly")
        for kind in (
            "end of the MJML text",
            "attributes",
            "raw CR and LF",
            "separators of Unicode",
        ):  # told as two stories
            desk("issues", "pin", f"https://paper.example/{list(HOSTILE).index(kind)}")
        lead_with(desk, "template expression")
        desk("issues", "test", "editor@example.org")
        lead_with(desk, "encoded word with CRLF")
        desk.json("publish", "weekly", "--yes")
        with desk.serving("web") as web:
            archive = web.get("/archive/weekly/1").text
    trial, sent = box.messages
    assert HOSTILE["template expression"] in subject(trial)
    assert HOSTILE["encoded word with CRLF"] in subject(sent)
    assert sorted(names(sent)) == sorted(HEADERS)
    text, html = bodies(sent)
    for kind, shown in SHOWN.items():
        assert shown in " ".join(text.split()), kind
    for page in (html, archive):
        elements = Elements(page)
        assert (elements.tags & {"script", "mj-text", "iframe", "object"}, elements.handlers) == (set(), set())
        words = " ".join("".join(elements.words).split())
        for kind, shown in SHOWN.items():
            assert shown in words, kind
    assert len(sent.raw) < 100_000
