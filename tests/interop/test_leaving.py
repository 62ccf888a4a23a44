"""A mail to the address that unsubscribes, through a real Postfix into the command, by the lines that the docs give."""

from __future__ import annotations

import os
import re
import shutil
import smtplib
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from mailbox import Mailbox
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from post import stationery
from postfix import postfix
from relays import HOSTS, Authority, Listener, open_folder
from senders import until
from sqlalchemy import Engine
from webhost import add_list, add_reader, status_of

from digest import db
from digest.blanks import Blank
from digest.deliver.message import Reader, build, message_id, prepare
from digest.links import Links
from subscribers.tokens import KeyRing

ROOT = Path(__file__).parents[2]
USER = "nobody"  # Postfix runs a command as anybody but root and itself
LISTENER = Listener(2531)
# The queue manager that comes back while the last try still has the mail locked waits five minutes then.
HERE = """
mydestination = paper.example
queue_run_delay = 1s
minimal_backoff_time = 3s
export_environment = PATH
"""
SERVICE = "local unix - n n - - local\n"
SETTINGS = """
[site]
name = "The Paper"
url = "https://paper.example"
[mail]
from = "news@paper.example"
unsubscribe_address = "leave@paper.example"
[database]
url = "sqlite:///data/digest.db"
[web]
public_url = "https://paper.example"
secret = "the secret of this newsroom"
"""
LINKS = Links("https://paper.example", KeyRing("the secret of this newsroom"), "leave@paper.example")


@dataclass(frozen=True)
class Newsroom:
    """A folder like /srv/newsroom, of a user who may do nothing else, with a command that they can run."""

    folder: Path
    command: Path
    engine: Engine

    def documented(self, way: str, config: Path) -> dict[Path, str]:
        """The lines that docs/operations.md gives for this way, by file, with our names for theirs."""
        chapter = (ROOT / "docs/operations.md").read_text().partition("## Unsubscribing by mail\n")[2]
        blocks = re.findall(r"```\n(.*?)```", chapter.partition("\n## ")[0], re.DOTALL)
        block = blocks[("aliases", "transport").index(way)].replace("user=newsroom", f"user={USER}")
        block = block.replace("/srv/newsroom/venv/bin/digest", str(self.command))
        block = block.replace("/srv/newsroom", str(self.folder))
        block = block.replace("/etc/postfix", str(config)).replace("/etc/aliases", str(config / "aliases"))
        files = re.findall(r"# (/\S+)\n(.*?)\n(?=\n# /|\Z)", block, re.DOTALL)
        return {Path(name): lines + "\n" for name, lines in files}


def runnable(folder: Path) -> Path:
    """A command `digest` that others than root can run: Python may be in a folder of root's own."""
    home, program = Path(sysconfig.get_path("stdlib")), folder / "python/bin/python"
    unused = shutil.ignore_patterns("test", "tests", "idlelib", "ensurepip", "site-packages", "config-*", "turtledemo")
    shutil.copytree(home, folder / "python/lib" / home.name, ignore=unused, symlinks=True)
    program.parent.mkdir()
    shutil.copy2(Path(sys.executable).resolve(), program)
    library = Path(sysconfig.get_config_var("LIBDIR")) / str(sysconfig.get_config_var("INSTSONAME"))
    if library.suffix != ".a" and library.exists():
        shutil.copy2(library, folder / "python/lib")
    found = os.pathsep.join([str(ROOT), *(path for path in sys.path if path.endswith("site-packages"))])
    command = folder / "digest"
    command.write_text(
        f'#!/bin/sh\nexport LD_LIBRARY_PATH={folder}/python/lib PYTHONPATH="{found}" PYTHONDONTWRITEBYTECODE=1\n'
        f'exec {program} -m digest "$@"\n'
    )
    command.chmod(0o755)
    return command


@pytest.fixture(scope="module")
def command() -> Iterator[Path]:
    with open_folder("command") as folder:
        found = runnable(folder)
        can = None
        with suppress(OSError):
            can = subprocess.run([found, "--version"], user=USER, cwd="/", capture_output=True, check=False)
        if can is None or can.returncode:
            pytest.skip(f"{USER} can't run our code here: {can.stderr.decode()[-300:] if can else 'we are not root'}")
        yield found


@pytest.fixture
def newsroom(command: Path) -> Iterator[Newsroom]:
    with open_folder("newsroom") as folder:
        (folder / "config.toml").write_text(SETTINGS)
        (folder / "data").mkdir()
        engine = db.open_engine(f"sqlite:///{folder}/data/digest.db")
        db.upgrade(engine)
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, USER)
        yield Newsroom(folder, command, engine)
        engine.dispose()


def wish(handle: bytes) -> EmailMessage:
    """What a mail program sends for the mailto: of List-Unsubscribe."""
    uri = LINKS.unsubscribe(handle, "weekly")
    values = {**dict.fromkeys(Blank, uri), Blank.NAME: "Ann"}
    number = message_id(b"k" * 32, "issue:1", "1", "paper.example")
    letter = build(prepare(stationery()), Reader("ann@example.org", "Ann", number, uri, values, LINKS.by_mail(uri)))
    mailto = str(message_from_bytes(letter)["List-Unsubscribe"]).split(",")[1].strip(" <>").removeprefix("mailto:")
    to, _, query = mailto.partition("?")
    written = EmailMessage()
    written["From"], written["To"], written["Subject"] = "ann@example.org", to, parse_qs(query)["subject"][0]
    written.set_content("")
    return written


@pytest.mark.parametrize("way", ["aliases", "transport"])
def test_a_mail_waits_while_the_database_is_away_and_leaves_the_list_then(
    newsroom: Newsroom, way: str, authority: Authority, now: datetime
) -> None:
    with db.writing(newsroom.engine) as session:
        add_list(session, now)
        ann = add_reader(session, now, "ann@example.org")
    newsroom.engine.dispose()

    def set_up(folder: Path) -> None:
        config = folder / "config"
        (config / "aliases").write_text("")
        ours = {config / "main.cf": HERE, config / "master.cf": SERVICE}
        for path, lines in (*ours.items(), *newsroom.documented(way, config).items()):
            with path.open("a") as file:
                file.write(lines)
        maps = [("postalias", config / "aliases"), ("postalias", newsroom.folder / "aliases")]
        for tool, path in [*maps, ("postmap", config / "transport")]:
            if path.exists():
                shutil.chown(path, USER if path.parent == newsroom.folder else "root")
                subprocess.run([f"/usr/sbin/{tool}", "-c", config, f"hash:{path}"], check=True)

    data, away = newsroom.folder / "data", newsroom.folder / "away"
    data.rename(away)
    with Mailbox(judge=False) as box, postfix(box.port, authority, [LISTENER], set_up) as server:
        with smtplib.SMTP(HOSTS["postfix"], LISTENER.port, timeout=30) as client:
            client.send_message(wish(ann.handle))
        until("first try", lambda: "dsn=4.3.0, status=deferred" in server.log.read_text(), 30, 0.05)
        away.rename(data)
        until("next try", lambda: "dsn=2.0.0, status=sent" in server.log.read_text(), 30, 0.05)
        assert status_of(newsroom.engine, ann.email) == "unsubscribed"
        assert "status=bounced" not in server.log.read_text()
    assert box.messages == []  # nothing was sent back
