"""One person from the command line: what happened, all that is kept, gone; and what is past its time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import Shell
from desk import free_port, newsroom

ANN = "ann@example.org"


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """A newsroom's folder with one reader."""
    newsroom(tmp_path / "desk", "sqlite:///digest.db", free_port())
    monkeypatch.chdir(tmp_path / "desk")
    monkeypatch.delenv("DIGEST_CONFIG", raising=False)
    shell = Shell(tmp_path / "desk", capsys)
    consent = ("--confirmed", "--consent", "signed up at our stand", "--name", "Zebulon")
    assert shell("subscribers", "add", ANN, "--list", "weekly", *consent).code == 0
    return shell


def test_history_and_record_tell_all_that_is_kept(shell: Shell) -> None:
    events = shell("--json", "subscribers", "history", "Ann@Example.org").json["events"]
    assert [event["what"] for event in events] == ["first seen", "imported"]
    assert "signed up at our stand" in shell("subscribers", "history", ANN).out
    whole = shell("consent", "export", ANN).json
    assert (whole["email"], whole["name"]) == (ANN, "Zebulon")
    assert whole["consent"][0]["text_hash"]
    assert {"subscriptions", "confirmations", "links", "messages", "suppressions"} <= whole.keys()
    assert shell("consent", "export", ANN, "--to", "ann.json").code == 0
    file = shell.folder / "ann.json"
    assert json.loads(file.read_text()) == whole
    assert file.stat().st_mode & 0o777 == 0o600


def test_erasing_leaves_no_word_in_the_folder(shell: Shell) -> None:
    gone = shell("--json", "subscribers", "erase", ANN)
    assert (gone.code, gone.json) == (0, {"erased": True, "ledger_rows": 0, "file_rewritten": True})
    held = [path.read_bytes() for path in shell.folder.rglob("*") if path.is_file()]
    assert [word for word in (ANN, "Zebulon", "our stand") for one in held if word.encode() in one] == []
    for words in (("subscribers", "erase"), ("subscribers", "history"), ("consent", "export")):
        answer = shell(*words, "bob@example.org")
        assert (answer.code, answer.out) == (2, "")
        assert answer.err == "nobody has the address bob@example.org\n"
    assert shell("subscribers", "add", ANN, "--list", "weekly", "--confirmed", "--consent", "x").code == 4
    assert [one["what"] for one in shell("--json", "subscribers", "history", ANN).json["events"]] == ["kept away"]


def test_tidying_says_what_it_let_go(shell: Shell) -> None:
    gone = shell("--json", "db", "tidy", "--vacuum").json
    assert gone["gone"] == {"people": 0, "subscriptions": 0, "requests": 0, "deliveries": 0, "letters": 0}
    assert gone["file_rewritten"] is True
    assert shell("db", "tidy").out.startswith("Let go: 0 people")
