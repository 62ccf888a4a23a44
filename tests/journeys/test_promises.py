"""What README.md promises of the commands: names, options, one JSON document, exit codes, no colours in pipes."""

from __future__ import annotations

import json
import logging
import re
import shlex
from collections.abc import Iterator
from mailbox import Mailbox
from pathlib import Path
from typing import Any

import pytest
from commands import Shell
from desk import ROOT, feed, free_port, newsroom
from feedserver import FeedServer
from typer.main import get_command

from digest.cli import root

README = (ROOT / "README.md").read_text()


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    """A shell in a newsroom's folder; commands run in this process, as a hundred processes would take minutes."""
    newsroom(tmp_path / "desk", "sqlite:///digest.db", free_port())
    monkeypatch.chdir(tmp_path / "desk")
    monkeypatch.delenv("DIGEST_CONFIG", raising=False)
    before = logging.root.handlers[:], logging.root.level
    yield Shell(tmp_path / "desk", capsys)
    logging.root.handlers[:], level = before
    logging.root.setLevel(level)


def found(words: list[str]) -> tuple[Any, list[str]]:
    """The command that `words` lead to, and the words after its name."""
    command = get_command(root)
    rest = list(words)
    while rest and hasattr(command, "commands") and not rest[0].startswith("-"):
        with command.make_context("digest", [], resilient_parsing=True) as context:
            below = command.get_command(context, rest[0])
        assert below is not None, f"no command: {' '.join(words)}"
        command, rest = below, rest[1:]
    return command, rest


def rows() -> list[str]:
    """The command lines of the README's table, each alternative on its own."""
    lines = []
    for cell in re.findall(r"^\| (`digest .*?) \| ", README, re.M):
        for typed in re.findall(r"`digest ([^`]+)`", cell.replace("\\|", "¦")):
            first, *others = (part.split() for part in typed.split("¦"))
            lines += [" ".join(first), *(" ".join([*first[:1], *other]) for other in others)]
    return lines


@pytest.mark.parametrize("line", rows())
def test_every_command_of_the_table_is_there(line: str) -> None:
    command, rest = found(line.split())
    assert not hasattr(command, "commands") or not rest, line
    assert all(word.strip("[]").isupper() for word in rest), f"{line}: {rest} is no command"


def test_the_table_is_whole() -> None:
    named = {line.split()[0] for line in rows()} | {"web", "scheduler", "worker"}
    with get_command(root).make_context("digest", [], resilient_parsing=True) as context:
        assert set(get_command(root).list_commands(context)) <= named


@pytest.mark.parametrize("line", re.findall(r"^\$ (?:.*&& )?digest (.*?)(?:\s+#.*| &&.*)?$", README, re.M))
def test_every_example_of_the_readme_can_be_parsed(line: str) -> None:
    command, rest = found(shlex.split(line))
    with command.make_context(line, rest, resilient_parsing=False) as context:
        assert context.args == []


# Words, and the key that their document has.
DOCUMENTS = [
    ("sources list", 0, "sources"),
    ("sources add http://127.0.0.1:9/feed.xml --id other --no-check", 0, "source"),
    ("gather --source paper", 0, "articles_new"),
    ("articles list", 0, "articles"),
    ("articles show 1", 0, "article"),
    ("issues compose weekly", 0, "issue"),
    ("issues list", 0, "issues"),
    ("issues show", 0, "issue"),
    ("issues explain 1", 0, None),
    ("issues pin 1", 0, None),
    ("issues edit --subject Hello", 0, None),
    ("issues preview --to out", 0, None),
    ("issues status", 0, "deliveries"),
    ("issues ledger", 0, "deliveries"),
    ("issues approve", 0, None),
    ("issues reject --reason Again", 0, None),
    ("lists list", 0, "lists"),
    ("lists show weekly", 0, "list"),
    ("subscribers add ann@example.org --list weekly --confirmed --consent Form", 0, "outcome"),
    ("subscribers list", 0, "subscribers"),
    ("subscribers show ann@example.org", 0, "subscriber"),
    ("subscribers unsubscribe ann@example.org", 0, "lists"),
    ("subscribers suppress ann@example.org", 0, "suppressed"),
    ("db upgrade", 3, None),
    ("db backup copy.db", 0, None),
    ("inspect feed feed.xml", 0, "entries"),
    ("deliver", 3, "deliveries"),
    ("articles show 4711", 2, "error"),
    ("subscribers show nobody@example.org", 2, "error"),
    ("issues send --yes", 4, "error"),
    ("publish nothing", 2, "error"),
    ("frobnicate", 2, "error"),
]


def test_json_is_one_document_and_codes_are_what_they_say(shell: Shell) -> None:
    with FeedServer() as server:
        server.page("paper.localhost", "/feed", feed("Harbour bridge closed", "Rain ends a dry year"))
        (shell.folder / "feed.xml").write_bytes(feed("Harbour bridge closed"))
        assert shell("sources", "add", server.url("paper.localhost", "/feed"), "--id", "paper").code == 0
        for words, code, key in DOCUMENTS:
            answer = shell("--json", *words.split())
            assert answer.code == code, f"{words}: {answer.code}\n{answer.out}{answer.err}"
            data = json.loads(answer.out)
            assert isinstance(data, dict), words
            assert key is None or key in data, f"{words}: {list(data)}"
            assert "\x1b" not in answer.out + answer.err


def test_the_five_codes_are_those_of_processes(tmp_path: Path) -> None:
    with FeedServer() as server, Mailbox() as box:
        desk = newsroom(tmp_path / "desk", "sqlite:///digest.db", box.port)
        server.page("paper.localhost", "/feed", feed("Harbour bridge closed"))
        desk.source("paper", server.url("paper.localhost", "/feed"))
        desk.people(["ann@example.org"])
        said = [
            desk("--help", code=0),
            desk("gather", code=0),
            desk("gathre", code=2),
            desk("deliver", code=3),
            desk("publish", "weekly", code=4),
        ]
        assert box.messages == []
        config = desk.folder / "config.toml"
        config.write_text(config.read_text().replace("sqlite:///digest.db", "sqlite:///nowhere/digest.db"))
        said.append(desk("gather", code=1))
    assert all("\x1b" not in one.out + one.err for one in said)
    assert [len(one.err.splitlines()) for one in said[2:]] == [1] * 4
