"""digest subscribers, from the words of a command line to its answer."""

from __future__ import annotations

import io
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


def test_import_with_a_mapping_and_a_file_of_bad_rows(run: Any, tmp_path: Path) -> None:
    odd, bad = tmp_path / "odd.txt", tmp_path / "bad.csv"
    odd.write_bytes("Kontakt^Stadt^Notiz\nann@example.org^Zürich^x\n=nobody^^\n".encode("cp1252"))
    words = ["import", str(odd), "--list", "weekly", "--confirmed", "--consent", "fair", "--bad", str(bad)]
    words += ["--delimiter", "^", "--map", "email=Kontakt", "--map", "skip=Notiz", "--tag", "Fair 2026"]
    code, report = run(*words)
    assert (code, report["mailable"], report["ignored"], report["encoding"]) == (
        0,
        ["ann@example.org"],
        ["Notiz"],
        "cp1252",
    )
    assert bad.read_text().splitlines()[1:] == ['3,"expected name@domain, with one @",\'=nobody,,']
    assert bad.stat().st_mode & 0o077 == 0
    page = run("show", "ann@example.org")[1]["subscriber"]
    assert (page["attributes"], page["tags"]) == ({"stadt": "Zürich"}, ["fair 2026"])


def test_search_filter_tag_and_export(run: Any, tmp_path: Path) -> None:
    people = tmp_path / "people.jsonl"
    people.write_text(
        '{"email":"ann@example.org","name":"Ann","city":"Bern"}\n{"email":"bob@example.com","city":"Bern"}'
    )
    assert run("import", str(people), "--list", "weekly", "--confirmed", "--consent", "x")[1]["new"] == 2
    assert run("tag", "VIP", "ann@example.org")[1] == {"tag": "vip", "tagged": 1}
    assert run("tag", "swiss", "--where", "attributes.city = Bern")[1]["tagged"] == 2
    assert run("untag", "swiss", "--where", "tag = vip")[1]["untagged"] == 1

    def found(*words: str) -> list[str]:
        return [one["email"] for one in run("list", *words)[1]["subscribers"]]

    assert found("--where", "tag = vip") == found("--search", "ANN") == ["ann@example.org"]
    assert found("--where", 'attributes.city = "Bern"', "--list", "weekly") == ["ann@example.org", "bob@example.com"]
    out = tmp_path / "out.jsonl"
    assert run("export", "--where", "tag = swiss", "--format", "jsonl", "--ledger", "--to", str(out))[1]["people"] == 1
    assert json.loads(out.read_text())["email"] == "bob@example.com"
    assert run("list", "--where", "tag =")[0] == 2
    assert run("tag", "vip")[0] == 2


def test_domains_hashes_and_files_are_suppressed(run: Any, tmp_path: Path) -> None:
    assert run("suppress", "@Example.ORG", "--reason", "trap")[0] == 0
    assert run(*ADD)[0] == 4
    assert run("unsuppress", "@example.org")[0] == 0
    assert run("unsuppress", "@example.org")[0] == 3
    never = tmp_path / "never.txt"
    never.write_text("ann@example.org\n@spam.example\nnobody\n")
    assert run("import", str(never), "--suppress", "--dry-run")[1]["new"] == 0
    code, report = run("import", str(never), "--suppress")
    assert (code, report["found"], report["new"], [one["line"] for one in report["bad"]]) == (0, 2, 2, [3])
    assert run(*ADD)[0] == 4
    shown = run("suppressions")[1]["suppressions"]
    assert {one["subject"][:5] for one in shown} >= {"@spam"}
    kept = tmp_path / "kept.csv"
    assert run("suppressions", "--to", str(kept))[1]["suppressions"] == 2
    assert run("unsuppress", "ann@example.org")[0] == 0
    assert run("import", str(kept), "--suppress")[1]["new"] == 1  # an export of suppressions is one to import
    assert run(*ADD)[0] == 4


def test_suppressions_come_back_where_they_were(run: Any, tmp_path: Path) -> None:
    kept, scopes = tmp_path / "kept.csv", {"": 0, "weekly": 0}
    assert run("suppress", "bob@example.org", "--list", "weekly")[0] == 0
    assert run("suppress", "cat@example.org")[0] == 0
    assert run("suppressions", "--to", str(kept))[1]["suppressions"] == 2
    assert run("unsuppress", "bob@example.org", "--list", "weekly")[0] == 0
    assert run("unsuppress", "cat@example.org")[0] == 0
    assert run("import", str(kept), "--suppress")[1]["new"] == 2
    for one in run("suppressions")[1]["suppressions"]:
        scopes[one["scope"]] += 1
    assert scopes == {"": 1, "weekly": 1}


def test_a_segment_is_checked(tmp_path: Path, run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run(*ADD)
    config = ["--config", str(tmp_path / "config.toml"), "--json", "segments", "check"]
    assert cli.run([*config, "joined > 1 day ago", "--list", "weekly"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "filter": "joined > 1 day ago",
        "list": "weekly",
        "people": 1,
        "mailable": 1,
    }
    assert cli.run([*config, "tag = (vip"]) == 2
    assert "at character 7 of the filter" in capsys.readouterr().out


def test_addresses_are_inspected(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    lines = b"Ann@Example.org\r\n\xff@x\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines)))
    assert cli.run(["inspect", "address"]) == 0
    ann, bad = map(json.loads, capfd.readouterr().out.splitlines())
    assert ann == {"input": "Ann@Example.org", "valid": True, "normalized": "ann@example.org", "reason": None}
    assert (bad["valid"], bad["reason"].partition(":")[0]) == (False, "dotless")


@pytest.mark.parametrize(
    "words",
    [
        ("import", "/etc/hosts", "--list", "weekly", "--map", "nonsense"),
        ("import", "/etc/hosts", "--list", "weekly", "--map", "colour=x"),
        ("import", "/etc/hosts", "--list", "weekly", "--delimiter", "ab"),
        ("import", "/etc/hosts", "--list", "weekly", "--encoding", "nonsense"),
        ("import", "/etc/hosts"),
        ("export", "--format", "xml"),
        ("export", "--to", "/no/such/folder/x.csv"),
        ("suppress", "nobody"),
        ("tag", " ", "--where", "tag = a"),
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


def test_a_row_of_half_letters_is_told_and_kept_with_the_bad_ones(run: Any, tmp_path: Path) -> None:
    odd, bad = tmp_path / "odd.jsonl", tmp_path / "bad.csv"
    odd.write_text('{"email": "ann@example.org"}\n{"email": "\\ud800", "\\udfff": 1}\n')
    code, report = run("import", str(odd), "--list", "weekly", "--dry-run", "--bad", str(bad))
    assert (code, report["rows"], report["bad_rows"]) == (0, 2, 1)
    assert "\\ud800" in bad.read_text()


def test_a_pipe_is_imported_like_a_file(run: Any, tmp_path: Path) -> None:
    pipe = tmp_path / "people"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("email\nann@example.org\nbad@@\n",))
    writer.start()
    code, report = run("import", str(pipe), "--list", "weekly", "--dry-run")
    writer.join()
    assert (code, report["rows"], report["new"]) == (0, 2, 1)
