"""A backup taken in mid-send and started elsewhere mails nobody before it is adopted; then it sends the rest (R-33)."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections import Counter
from mailbox import read_log
from pathlib import Path

import pytest
from desk import Desk, feed, mailbox_process, newsroom, until
from feedserver import FeedServer
from sqlalchemy import make_url, text

from digest import db

PEOPLE = [f"reader{n}@mail{n % 7}.example" for n in range(1500)]
REFUSAL = "nothing is sent from this database before `digest adopt`"


def caught_in_mid_send(desk: Desk, log: Path) -> subprocess.Popen[bytes]:
    """A publish that has mailed some and stands still, as if the machine had no time for it."""
    process = desk.start("publish", "weekly", "--yes")
    until("mail", lambda: log.exists() and log.stat().st_size > 100_000, seconds=120, every=0.002)
    process.send_signal(signal.SIGSTOP)
    return process


def cloned(url: str, folder: Path, desk: Desk) -> str:
    """The URL of a copy of the database, as a person brings one about."""
    if url.startswith("sqlite"):
        desk("db", "backup", str(folder / "digest.db"))
        return f"sqlite:///{folder / 'digest.db'}"
    server = make_url(url)
    name = f"{server.database}_copy"
    admin = db.open_engine(server.set(database="postgres").render_as_string(hide_password=False))
    with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        until_free = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{server.database}'"
        connection.execute(text(until_free))
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {server.database}"))
    admin.dispose()
    return server.set(database=name).render_as_string(hide_password=False)


@pytest.mark.slow
def test_a_backup_taken_in_mid_send_sends_nothing_elsewhere_before_it_is_adopted(
    database_url: str, tmp_path: Path
) -> None:
    log, later = tmp_path / "mail.log", tmp_path / "later.log"
    with FeedServer() as server, mailbox_process(log) as port, mailbox_process(later) as other_port:
        server.page("paper.localhost", "/feed", feed("Harbour bridge closed"))
        desk = newsroom(tmp_path / "desk", database_url, port)
        desk.source("paper", server.url("paper.localhost", "/feed"))
        desk.people(PEOPLE)
        sending = caught_in_mid_send(desk, log)
        (folder := tmp_path / "restored").mkdir()
        sqlite = database_url.startswith("sqlite")
        url = cloned(database_url, folder, desk) if sqlite else ""
        sending.kill()
        sending.communicate()
        url = url or cloned(database_url, folder, desk)
        restored = newsroom(folder, url, other_port)
        before = {got.rcpt for got in read_log(log)}
        assert 0 < len(before) < len(PEOPLE)

        for words in (["deliver"], ["publish", "weekly", "--yes"], ["issues", "send", "1", "--yes"]):
            assert REFUSAL in restored(*words, code=4).err
        with restored.serving() as client:
            assert client.get("/healthz").status_code == client.get("/").status_code == 200
            assert "not adopted" in restored("issues", "status").out
        assert read_log(later) == []

        assert "Say --yes to go on" in restored("adopt", code=4).err
        told = restored.json("adopt", "--yes")
        assert (told["issues"], told["waiting"][0]["left"] > 0) == ([1], True)
        restored("deliver", code=3)
        assert (read_log(later), restored("adopt", code=3).code) == ([], 3)

        restored("issues", "resume", "1")
        restored("deliver", "--until-done")
        after = Counter(got.rcpt for got in read_log(later))
        assert before | after.keys() == set(PEOPLE)
        assert set(after.values()) == {1}
        # Who wasn't sent to in the copy gets it from the copy, be it for the second time: no database can know.
        assert restored.json("issues", "status")["deliveries"]["sent"] == len(PEOPLE)
    if not sqlite:
        engine = db.open_engine(database_url)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f"DROP DATABASE {make_url(url).database} WITH (FORCE)"))
        engine.dispose()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="copies files as root or their owner")
def test_a_clone_of_the_whole_folder_mails_nobody_and_staging_only_its_own(tmp_path: Path) -> None:
    log, later = tmp_path / "mail.log", tmp_path / "later.log"
    with FeedServer() as server, mailbox_process(log) as port, mailbox_process(later) as other_port:
        server.page("paper.localhost", "/feed", feed("Harbour bridge closed"))
        desk = newsroom(tmp_path / "desk", "sqlite:///digest.db", port)
        desk.source("paper", server.url("paper.localhost", "/feed"))
        desk.people([f"reader{n}@mail{n}.example" for n in range(6)])
        desk("publish", "weekly", "--yes")
        shutil.copytree(desk.folder, tmp_path / "staging")
        server.page("paper.localhost", "/feed", feed("Harbour bridge open again", base="https://paper.example/new"))
        clone = newsroom(
            tmp_path / "staging", "sqlite:///digest.db", other_port, more='\n[[sources]]\nid = "paper"\nurl = "{}"\n'
        )
        config = clone.folder / "config.toml"
        words = config.read_text().replace("{}", server.url("paper.localhost", "/feed"))
        config.write_text(words.replace("[mail]", '[mail]\nonly_to = ["mail3.example"]'))
        assert REFUSAL in clone("publish", "weekly", "--yes", code=4).err
        clone("adopt", "--yes")
        told = clone.json("publish", "weekly", "--yes")
        assert {state: number for state, number in told["deliveries"].items() if number} == {"sent": 1, "held": 5}
        assert [got.rcpt for got in read_log(later)] == ["reader3@mail3.example"]
        desk.json("publish", "weekly", "--yes")
        assert len(read_log(log)) == 12
