"""digest subscribers, from the words of a command line to its answer."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from digest import cli

CONFIG = """
[site]
name = "The Review"
url = "https://review.example"
postal_address = "1 Main St, Town"
[database]
url = "sqlite:///{folder}/digest.db"
[web]
secret = "{secret}"
[mail]
from = "The Review <news@review.example>"
[[lists]]
id = "weekly"
title = "The Week"
"""


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command with --json; its exit code and its document (None without one)."""
    config = tmp_path / "config.toml"
    config.write_text(CONFIG.format(folder=tmp_path, secret="s3cr3t-" * 8))

    def run(*words: str) -> tuple[int, Any]:
        code = cli.run(["--config", str(config), "--json", "subscribers", *words])
        out = capsys.readouterr().out
        return code, json.loads(out) if out.startswith("{") and code == 0 else out

    return run


ADD = ("add", "Ann@Example.org", "--list", "weekly", "--confirmed", "--consent", "on paper", "--name", "Ann")


def test_add_show_unsubscribe(run: Any) -> None:
    assert run(*ADD) == (0, {"address": "Ann@Example.org", "list": "weekly", "outcome": "new"})
    assert run(*ADD)[0] == 3
    code, page = run("show", "ann@example.org")
    assert (code, page["subscriber"]["name"]) == (0, "Ann")
    assert [place["status"] for place in page["subscriber"]["subscriptions"]] == ["confirmed"]
    assert run("unsubscribe", "ann@example.org")[1]["lists"] == ["weekly"]
    assert run(*ADD)[0] == 4


def test_suppress_and_lift(run: Any) -> None:
    assert run("suppress", "ann@example.org", "--reason", "telephone")[0] == 0
    assert run("suppress", "ann@example.org")[0] == 3
    assert run(*ADD)[0] == 4
    assert run("unsuppress", "ann@example.org")[0] == 0
    assert run(*ADD)[0] == 0


def test_import_list_export(run: Any, tmp_path: Path) -> None:
    members = tmp_path / "members.csv"
    members.write_text("email;name\nann@example.org;=Ann\nbob@example.org;\nnobody;\n")
    words = ("import", str(members), "--list", "weekly", "--confirmed", "--consent", "our old list")
    assert run(*words, "--dry-run")[1]["new"] == 2
    code, report = run(*words)
    assert (code, report["rows"], report["new"], report["bad"][0]["line"]) == (0, 3, 2, 4)
    code, page = run("list", "--limit", "1")
    assert [one["email"] for one in page["subscribers"]] == ["ann@example.org"]
    assert run("list", "--after", str(page["next"]))[1]["subscribers"][0]["email"] == "bob@example.org"
    out = tmp_path / "out.csv"
    assert run("export", "--list", "weekly", "--to", str(out))[1]["people"] == 2
    assert '\r\nann@example.org,"\'=Ann",,confirmed,' in out.read_bytes().decode()
    assert out.stat().st_mode & 0o077 == 0
    assert run("export", "--list", "weekly")[1].startswith("email,name,")


@pytest.mark.parametrize(
    "words",
    [
        ("add", "ann", "--list", "weekly", "--confirmed", "--consent", "x"),
        ("add", "ann@example.org", "--list", "nosuch"),
        ("add", "ann@example.org", "--list", "weekly", "--confirmed"),
        ("import", "/no/such/file.csv", "--list", "weekly"),
        ("list", "--status", "happy"),
        ("show", "nobody@example.org"),
        ("unsubscribe", "nobody@example.org"),
        ("export", "--list", "nosuch"),
    ],
)
def test_bad_usage_is_one_sentence(run: Any, words: tuple[str, ...]) -> None:
    assert run(*words)[0] == 2


def test_a_pipe_is_imported_like_a_file(run: Any, tmp_path: Path) -> None:
    pipe = tmp_path / "people"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("email\nann@example.org\nbad@@\n",))
    writer.start()
    code, report = run("import", str(pipe), "--list", "weekly", "--dry-run")
    writer.join()
    assert (code, report["rows"], report["new"]) == (0, 2, 1)
