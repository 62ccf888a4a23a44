"""A newsroom as its staff have it: a folder with config.toml, commands typed in a shell, pages served on a port."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, TypeVar

import httpx
from sqlalchemy import update

from digest import db
from digest.models import Edition, table

ROOT = Path(__file__).parents[1]

T = TypeVar("T")

CONFIG = """\
[site]
name = "The Meridian Review"
url = "https://meridian.example"
timezone = "Europe/Berlin"
postal_address = "The Meridian Review, 12 Harbour Lane, Port Ellis"

[database]
url = "{database}"

[web]
public_url = "http://127.0.0.1:{web}"
bind = "127.0.0.1:{web}"
secret = "{secret}"

[mail]
from = "The Meridian Review <weekly@meridian.example>"
retry_first_s = 1

[[relays]]
name = "box"
host = "127.0.0.1"
port = {smtp}
security = "none"
connections = 4

[gather]
allow_private_addresses = true

[[lists]]
id = "weekly"
title = "The Weekly Round-up"
description = "Every Friday morning."

[[editions]]
id = "weekly"
list = "weekly"
title = "The Weekly Round-up"
window_days = {window_days}
"""


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Its one JSON document."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Desk:
    """The folder of a newsroom, and the commands run in it as processes of their own."""

    folder: Path
    web: int  # port of the pages

    def __call__(self, *words: str, code: int | None = 0, stdin: str = "") -> Answer:
        """Run `digest WORDS`; with `code`, it has to end so."""
        done = subprocess.run(
            self.command(*words),
            cwd=self.folder,
            env=environment(),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        assert code is None or done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return Answer(done.returncode, done.stdout, done.stderr)

    def json(self, *words: str, code: int | None = 0) -> Any:
        """The document that `digest --json WORDS` prints."""
        return self("--json", *words, code=code).data

    def command(self, *words: str) -> list[str]:
        """The command line of `digest WORDS`."""
        return [sys.executable, "-m", "digest", *words]

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """The same in the background."""
        return subprocess.Popen(
            self.command(*words), cwd=self.folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    @contextmanager
    def serving(self, *words: str) -> Iterator[httpx.Client]:
        """`digest serve` (or the words given) while the block runs; a client of its pages."""
        process = self.start(*(words or ("serve",)))
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{self.web}", trust_env=False) as client:
                _until_up(client, process)
                yield client
        finally:
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=20)
        assert process.returncode == 0, err.decode()
        assert b"Traceback" not in err, err.decode()

    def source(self, name: str, url: str, **more: object) -> None:
        """Declare one more source in config.toml."""
        keys = {"id": name, "url": url, **more}
        text = "\n[[sources]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
        with (self.folder / "config.toml").open("a") as file:
            file.write(text)

    def people(self, addresses: Sequence[str]) -> None:
        """Confirmed readers of the list."""
        file = self.folder / "people.csv"
        file.write_text("email,name\n" + "".join(f"{address},Reader {n}\n" for n, address in enumerate(addresses)))
        words = ["subscribers", "import", str(file), "--list", "weekly", "--confirmed", "--consent", "Paper form"]
        assert self.json(*words)["new"] == len(addresses)


def newsroom(folder: Path, database: str, smtp: int, *, window_days: int = 7, more: str = "") -> Desk:
    """A newsroom in `folder` that mails to port `smtp`; `more` is added to its config.toml."""
    folder.mkdir(exist_ok=True)
    web = free_port()
    text = CONFIG.format(database=database, web=web, smtp=smtp, secret="k" * 40, window_days=window_days)
    (folder / "config.toml").write_text(text + more)
    (folder / "config.toml").chmod(0o600)
    return Desk(folder, web)


def environment() -> dict[str, str]:
    """Ours, with the checkout importable from any folder."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error::ResourceWarning"}


def feed(*titles: str, base: str = "https://paper.example", days: float = 0.5) -> bytes:
    """RSS with one article per title, `days` old: BASE/0, BASE/1, ... with "Dek of TITLE" under each."""
    when = format_datetime(datetime.now(UTC) - timedelta(days=days))
    items = "".join(
        f"<item><title>{escape(title)}</title><link>{base}/{n}</link><pubDate>{when}</pubDate>"
        f"<description>{escape(f'Dek of {title}')}</description></item>"
        for n, title in enumerate(titles)
    )
    return f'<rss version="2.0"><channel><title>Paper</title>{items}</channel></rss>'.encode()


@contextmanager
def mailbox_process(log: Path) -> Iterator[int]:
    """The port of a mailbox in a process of its own, which writes whatever it accepts to `log` (mailbox.read_log)."""
    command = [sys.executable, str(ROOT / "tests" / "mailbox.py"), "--log", str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield int(process.stdout.readline().split()[1])
        finally:
            process.terminate()


def until(what: str, probe: Callable[[], T | None], seconds: float = 30.0, every: float = 0.05) -> T:
    """What `probe` answers as soon as it is something; a failure that names `what` after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := probe():
            return found
        time.sleep(every)
    raise AssertionError(f"after {seconds:g} s: no {what}")


class Form(HTMLParser):
    """The first form of a page as a browser fills it in: where it goes, its fields, its first button pressed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self._inside: bool | None = None
        self.feed(page)
        assert self._inside is not None, "the page has no form"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take in one element of the form."""
        said = {key: value or "" for key, value in attrs}
        if tag == "form" and self._inside is None:
            self._inside, self.action = True, said.get("action", "")
        elif self._inside and tag in ("input", "button") and said.get("name"):
            ticked = said.get("type") != "checkbox" or "checked" in said
            if ticked and (tag == "input" or not any(key == said["name"] for key in self.fields)):
                self.fields[said["name"]] = said.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        """The form is closed."""
        if tag == "form" and self._inside:
            self._inside = False


def back_to_yesterday(url: str) -> bool:
    """As if the timetable, once it is kept, had been since yesterday, and the machine off for a while."""
    engine, edition = db.open_engine(url), table(Edition)
    with db.writing(engine) as session:
        since = datetime.now(UTC) - timedelta(days=1)
        kept = edition.c.timetable_since.is_not(None)
        done = session.execute(update(edition).where(kept).values(timetable_since=since).returning(edition.c.id)).all()
    engine.dispose()
    return bool(done)


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _until_up(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if process.poll() is not None:
            raise AssertionError(process.communicate()[1].decode())
        try:
            if client.get("/healthz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("the pages did not come up")
