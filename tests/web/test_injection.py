"""Words that would be code somewhere, in every parameter of every page: they stay words (S-B17).

DIGEST_PAYLOADS says how many requests are made: 2,500 have every payload at some door.
"""

from __future__ import annotations

import ast
import logging
import os
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from html.parser import HTMLParser
from itertools import islice, product
from pathlib import Path
from random import Random
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import func, select
from webhost import Host, add_issue, add_list, add_reader, everything, shown

from digest import db
from digest.models import Delivery, people, table
from subscribers.addresses import tidy_name

ROOT = Path(__file__).parents[2]
REQUESTS = int(os.environ.get("DIGEST_PAYLOADS", "120"))
STORED = 12  # payloads that a reader stores
PATIENCE_S = 20.0  # what sleeps in the database takes a minute

ENDS = ("'", '"', "')", '")', "'))", "", "`", "]", "\\'", "\u2019", "\u02bc", "%27", "%2527", "\xbf'", "'||'", "$$")
CLAUSES = (
    " OR 1=1", " OR 'a'='a", " AND 1=2", " OR TRUE", " UNION SELECT NULL,NULL",
    " UNION ALL SELECT email FROM subscriber",
    "; DROP TABLE subscriber", "; DELETE FROM consent", "; UPDATE subscription SET status='unsubscribed'",
    " OR (SELECT count(*) FROM suppression)>0", " AND pg_sleep(60) IS NULL", "; SELECT pg_sleep(60)",
    " OR randomblob(900000000) IS NOT NULL", " ORDER BY 99", " LIMIT 0", " GROUP BY 1 HAVING 1=1", " LIKE '%'",
    "||(SELECT version())", "||sqlite_version()", "; ATTACH DATABASE '/tmp/x' AS x", "; COPY subscriber TO '/tmp/x'",
    " IN (SELECT 1)", "::int", " COLLATE NOCASE", " RETURNING email",
)  # fmt: skip
TAILS = ("--", "/*", "#", ";", "\0")
BREAKS = ("", '"', "'", '">', "'>", "</title>", "</textarea>", "-->", "</style>", "\\x3c", "]]>", "\u2028")
MARKUP = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>",
    " onfocus=alert(1) autofocus ",
    "javascript:alert(1)", "&#60;script&#62;", "&lt;b&gt;", "<iframe src=//evil.example>", "<base href=//evil.example>",
    "<meta http-equiv=refresh content=0>", "{{7*7}}", "{% for a in b %}", "${7*7}", "<style>*{color:red}</style>",
    "<!--", "<form action=//evil.example>", "\u202e<b>", "<a href='data:text/html,x'>",
)  # fmt: skip
STRONGEST = ("\"'><img src=x onerror=alert(1)><!--", "'\"); DELETE FROM subscription; --\0")


def payloads() -> list[str]:
    """All of them, mixed, always in one order."""
    sql = ["".join(parts) for parts in product(ENDS, CLAUSES, TAILS)]
    markup = ["".join(parts) for parts in product(BREAKS, MARKUP)]
    mixed = sql + markup
    Random(17).shuffle(mixed)
    return mixed


@dataclass(frozen=True)
class Door:
    """One parameter of one page; `{}` in the path, a field or a header is where the words go."""

    path: str
    form: dict[str, str] | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, web: httpx.Client, words: str) -> httpx.Response:
        headers = {name: value.replace("{}", quote(words)) for name, value in self.headers.items()}
        path = self.path.replace("{}", quote(words, safe=""))
        if self.form is None:
            return web.get(path, headers=headers)
        form = {name.replace("{}", words): value.replace("{}", words) for name, value in self.form.items()}
        return web.post(path, data=form, headers=headers)


def doors(host: Host, reader: people.Subscriber, stamp: str) -> list[Door]:
    """Every parameter that a stranger, or who holds a newsletter, can fill in, where by right nothing is changed."""
    page = host.path(host.links.preferences(reader.handle, "weekly"))
    paths = [
        *(f"/{name}/{{}}" for name in ("archive", "archive/weekly", "confirm", "unsubscribe", "preferences", "images")),
        "/address/{}", "/archive/{}/feed.xml", "/{}", "/?lang={}", "/subscribe?list={}", "/link?email={}&lang={}",
    ]  # fmt: skip
    known = {"email": reader.email, "list": "weekly", "shown": stamp, "website": "", "name": "", "language": "en"}
    unknown = known | {"email": "nobody@example.org", "list": "{}"}
    chosen = {"action": "save", "shown": "weekly", "on": "weekly"}
    forms = [
        *(("/subscribe", known | {name: "{}"}) for name in ("email", "name", "language", "sections-weekly", "work")),
        *(("/subscribe", known | {name: "{}"}) for name in ("shown", "website")),
        ("/subscribe", unknown), ("/?lang={}", unknown),
        *(("/link", {"email": "nobody@example.org", "shown": stamp} | {name: "{}"}) for name in ("email", "shown")),
        *(("/unsubscribe/x", {name: "{}"}) for name in ("answer", "List-Unsubscribe")),
        ("/confirm/x", {"answer": "{}"}), ("/confirm/{}", {"answer": "decline"}),
        (page, {"action": "{}"}),
        *((page, chosen | {name: "{}"}) for name in ("edition:weekly", "pause:weekly", "section:weekly:asia")),
        (page, chosen | {"language": "{}"}),
        *((page, chosen | {name: "follow"}) for name in ("section:weekly:{}", "author:weekly:{}", "{}")),
        (page, chosen | {"shown": "{}"}), (page, chosen | {"leave": "{}"}),
    ]  # fmt: skip
    headers = [{name: "{}"} for name in ("accept-language", "x-forwarded-for", "user-agent", "cookie", "referer")]
    return [
        *(Door(path) for path in paths),
        *(Door(path, form) for path, form in forms),
        *(Door(path, headers=one) for one in headers for path in ("/", page)),
    ]


class Shape(HTMLParser):
    """What a page is made of, without its words: its tags and their attributes, counted."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        hidden = [value or "" for name, value in attrs if name in ("href", "action", "src") or name.startswith("on")]
        self.found[f"{tag} {sorted(name for name, _ in attrs)} {[value.partition('?')[0] for value in hidden]}"] += 1


@pytest.fixture
def ann(host: Host) -> people.Subscriber:
    with db.writing(host.engine) as session:
        add_list(session, host.clock.now, "staff", public=False)
        add_issue(session, host.clock.now, 1)
        add_reader(session, host.clock.now, "bob@example.net")
        return add_reader(session, host.clock.now, "ann@example.org")


def stored(host: Host) -> tuple[object, int]:
    """All rows that a stranger might want to change."""
    with db.reading(host.engine) as session:
        return everything(host.engine), session.execute(select(func.count()).select_from(table(Delivery))).scalar_one()


def pairs(known: list[Door]) -> Iterator[tuple[Door, str]]:
    """The strongest at every door; then each payload once, then each at the next door, and so on."""
    yield from ((door, words) for words in STRONGEST for door in known)
    every = payloads()
    for turn in range(len(known)):
        for number, words in enumerate(every):
            yield known[(number + turn) % len(known)], words


def test_there_are_enough_of_them() -> None:
    assert len(set(payloads())) == len(payloads()) >= 2000


def test_words_are_words_at_every_door(host: Host, ann: people.Subscriber, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    with host.client() as web, ThreadPoolExecutor(4) as threads:
        stamp = shown(web)
        host.clock.now += timedelta(minutes=2)
        known = doors(host, ann, stamp)
        before = stored(host)
        harmless = {id(door): door.ask(web, "nosuch") for door in known}

        def strange(pair: tuple[Door, str]) -> str:
            door, words = pair
            began, usual, answer = time.monotonic(), harmless[id(door)], door.ask(web, words)
            took = time.monotonic() - began
            alike = answer.status_code != usual.status_code or Shape(answer.text).found == Shape(usual.text).found
            fine = answer.status_code in (usual.status_code, 404, 422) and alike and took < PATIENCE_S
            return "" if fine else f"{door}, {words!r}: {answer.status_code} after {took:.1f} s"

        told = list(threads.map(strange, islice(pairs(known), REQUESTS)))
    assert [one for one in told if one] == []
    assert stored(host) == before
    assert caplog.records == []


def test_words_that_a_reader_stores_are_kept_and_shown_as_they_are(
    host: Host, web: httpx.Client, ann: people.Subscriber
) -> None:
    page, person = host.path(host.links.preferences(ann.handle, "weekly")), table(people.Subscriber)
    usual = None
    for words in payloads()[:STORED]:
        wish = {"action": "save", "shown": "weekly", "on": "weekly", "name": words, "follow:weekly": words}
        answer = web.post(page, data=wish)
        assert answer.status_code == 200
        with db.reading(host.engine) as session:
            names = session.execute(select(person.c.name).order_by(person.c.id)).scalars().all()
        assert names == ["", tidy_name(words.replace("\0", "\ufffd"))]
        shape = Shape(web.get(page).text).found
        assert shape == (usual or shape), words
        usual = shape


# Where statements are put together, of our own names and settings alone: pragmas, names of tables, numbers.
BUILDING = {
    "digest/cli/db.py",
    "digest/db.py",
    "digest/doctor/database.py",
    "digest/keeping/run.py",
    "subscribers/bulk.py",
    "subscribers/stage.py",
}


def built(tree: ast.AST) -> bool:
    """Whether a text that is put together, and not just written, is given to the database."""
    for call in ast.walk(tree):
        name = getattr(getattr(call, "func", None), "attr", getattr(getattr(call, "func", None), "id", ""))
        if isinstance(call, ast.Call) and call.args and name in ("text", "execute", "executemany", "exec_driver_sql"):
            said = call.args[0]
            formats = isinstance(said, ast.Call) and getattr(said.func, "attr", "") == "format"
            if isinstance(said, ast.JoinedStr) or formats or (isinstance(said, ast.BinOp) and _has_text(said)):
                return True
    return False


def _has_text(said: ast.BinOp) -> bool:
    return any(isinstance(part, ast.Constant) and isinstance(part.value, str) for part in ast.walk(said))


def test_no_statement_is_put_together_of_what_somebody_said() -> None:
    files = [path for folder in ("digest", "subscribers") for path in (ROOT / folder).rglob("*.py")]
    speaking = {path: said for path in files if "execute" in (said := path.read_text()) or "text(" in said}
    found = {str(path.relative_to(ROOT)) for path, said in speaking.items() if built(ast.parse(said))}
    assert found <= BUILDING
    assert built(ast.parse("session.execute(text(f'SELECT {name}'))"))
    assert built(ast.parse("cursor.execute('SELECT ' + name)"))
    assert not built(ast.parse("session.execute(select(name).where(a == b + 1))"))
