"""A newsroom in a folder, from nothing to mail in a mailbox: what `digest demo` shows."""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from html import escape
from pathlib import Path

from digest import db, pipeline, wiring
from digest.blanks import URLS, Blank, fill
from digest.config.reading import read
from digest.demo.magazine import Magazine, magazine, served
from digest.demo.mailbox import FolderMailbox
from digest.errors import UsageError
from digest.pictures import run as pictures
from digest.pipeline import Published
from subscribers.joining import SignUp, admit

READERS = (
    ("Amara Diallo", "amara@readers.example.org"),
    ("Björn Eriksen", "bjoern@readers.example.org"),
    ("Chiara Conti", "chiara@readers.example.com"),
    ("Dov Levin", "dov@readers.example.com"),
    ("Esi Mensah", "esi@mail.example.net"),
    ("Farid Rahimi", "farid@mail.example.net"),
    ("Greta Lund", "greta@post.example.org"),
    ("Hiroshi Tanaka", "hiroshi@post.example.org"),
)

_CONFIG = """\
# The newsroom of `digest demo`; docs/settings.md explains each key.
[site]
name = "{title}"
url = "{base}"
language = "en"
timezone = "Europe/London"
postal_address = "The Meridian Review, 12 Harbour Lane, Port Ellis"
social = {{ Mastodon = "https://social.example/@meridian", RSS = "{base}/feed.xml" }}

[web]
public_url = "http://127.0.0.1:8080"
secret = "{secret}"

[mail]
from = "{title} <weekly@meridian.example>"
images = "inline"  # the sample magazine stops with the demo: its pictures stay here

[[relays]]
name = "mailbox"
host = "127.0.0.1"
port = {port}
security = "none"

[gather]
allow_private_addresses = true

[[sources]]
id = "meridian"
url = "{base}/feed.xml"
name = "{title}"

[[sources]]
id = "notebook"
url = "{base}/notes.xml"
name = "{blog}"
kind = "Note"
section = "{blog}"

[[lists]]
id = "weekly"
title = "The Weekly Round-up"
description = "Every Friday morning: what you may have missed."

[[editions]]
id = "weekly"
list = "weekly"
title = "The Weekly Round-up"
schedule = "fri 07:00"
subject = "{{{{ lead.title }}}}"
max_articles = 22
ranking = {{ kinds = {{ Analysis = 1.1, Opinion = 0.9 }} }}
sections = [
  {{ id = "crises", title = "Global Crises", match = {{ section = ["Global Crises"] }}, max = 4 }},
  {{ id = "seas", title = "Seas & Straits", match = {{ section = ["Seas & Straits"] }}, max = 4 }},
  {{ id = "defence", title = "Defence & Money", match = {{ section = ["Defence & Money"] }}, max = 3 }},
  {{ id = "europe", title = "Europe", match = {{ section = ["Europe"] }}, max = 3 }},
  {{ id = "capital", title = "Capital Letters", match = {{ section = ["Capital Letters"] }}, max = 3 }},
  {{ id = "notebook", title = "{blog}", match = {{ source = ["notebook"] }}, style = "short", max = 5 }},
]
"""
_MARK = "The newsroom of `digest demo`"
_INTRO = """\
Good morning.

Two delegations stopped their clocks this week and a strait stopped answering. Between them lie *a bridge, a choir and
a warehouse*; we hope you find an hour for all three.
"""


@dataclass(frozen=True)
class Shown:
    """What the demo came to, and where it lies."""

    published: Published
    folder: Path
    html: Path
    text: Path
    messages: tuple[Path, ...]


def show(folder: Path, now: datetime, say: Callable[[str], None]) -> Shown:
    """Run the whole path in `folder`, telling each step; an earlier demo there is replaced.

    UsageError if the folder holds anything else.
    """
    _make_room(folder)
    sample = magazine(now)
    with served(sample) as base, _mailbox(folder / "messages") as port:
        say(f"1  A sample magazine is on {base}, a mailbox on 127.0.0.1:{port}.")
        _write_config(folder, sample, base, port)
        with wiring.opened(read(folder / "config.toml", os.environ)) as app:
            _add_readers(app)
            say(f"2  {len(READERS)} people are on the list.")
            published = asyncio.run(_publish(app, say))
            stationery, _, _ = pipeline.stationery_of(app, published.composed.issue.id or 0)
            values = {**dict.fromkeys(URLS, app.links.subscribe()), Blank.NAME: "reader"}
            word, fields = stationery.blank_word, stationery.defaults
            html = _with_pictures(fill(stationery.html, word, values, [*map(escape, fields)]), app, folder)
            text = fill(stationery.text, word, values, fields)
    (folder / "issue.html").write_text(html)
    (folder / "issue.txt").write_text(text)
    messages = tuple(sorted((folder / "messages").glob("*.eml")))
    return Shown(published, folder, folder / "issue.html", folder / "issue.txt", messages)


async def _publish(app: wiring.App, say: Callable[[str], None]) -> Published:
    gathered = await pipeline.gather(app)
    say(f"3  Gathered {gathered.articles_new} articles from {len(gathered.sources)} feeds.")
    composed = pipeline.compose(app, "weekly")
    pipeline.write_intro(app, composed.issue.id or 0, _INTRO)
    say("4  Composed the issue, and the editor wrote an intro.")
    published = await pipeline.publish(app, "weekly")
    say("5  Approved, frozen, sent.")
    return published


def _make_room(folder: Path) -> None:
    config = folder / "config.toml"
    if folder.exists() and any(folder.iterdir()):
        if not config.is_file() or _MARK not in config.read_text(errors="replace"):
            raise UsageError(f"{folder}: expected an empty folder or an earlier demo, and it holds something else")
        for old in (*folder.glob("digest.db*"), *folder.glob("messages/*"), *folder.glob("pictures/*")):
            old.unlink()
    folder.mkdir(parents=True, exist_ok=True)


def _write_config(folder: Path, sample: Magazine, base: str, port: int) -> None:
    text = _CONFIG.format(title=sample.title, blog=sample.blog, base=base, port=port, secret=secrets.token_urlsafe(32))
    (folder / "config.toml").touch(mode=0o600)
    (folder / "config.toml").write_text(text)


def _add_readers(app: wiring.App) -> None:
    with db.writing(app.engine) as session:
        for name, address in READERS:
            admit(
                session,
                SignUp(address, ("weekly",), name=name, text="A sample reader of `digest demo`"),
                key=app.instance.suppression_key,
                now=app.clock(),
                random_bytes=os.urandom,
            )


@contextmanager
def _mailbox(folder: Path) -> Iterator[int]:
    """A mailbox in a thread of its own; gives its port."""
    loop, ready, ports = asyncio.new_event_loop(), threading.Event(), []

    async def listen() -> None:
        server = await FolderMailbox(folder).listen()
        ports.append(int(server.sockets[0].getsockname()[1]))
        ready.set()

    def run() -> None:
        loop.create_task(listen())
        loop.run_forever()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    thread = threading.Thread(target=run, name="mailbox")
    thread.start()
    ready.wait(10)
    try:
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def _with_pictures(html: str, app: wiring.App, folder: Path) -> str:
    """The HTML with its pictures beside it, so that it is whole where no page of ours is served."""
    (folder / "pictures").mkdir(exist_ok=True)
    for url, content in pictures.content_of(app.engine, app.links, html).items():
        name = url.rpartition("/")[2]
        (folder / "pictures" / name).write_bytes(content)
        html = html.replace(url, f"pictures/{name}")
    return html
