"""The frame of every command: lazy nouns, exit codes, JSON, one sentence for an error, masked logs."""

from __future__ import annotations

import importlib
import json
import logging
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from commands import ROOT, Shell
from hypothesis import given
from hypothesis import strategies as st

from digest import errors
from digest.cli import NOUNS, _hoisted, frame, logs
from subscribers.errors import UnknownList

HEAVY = ("sqlalchemy", "sqlmodel", "alembic", "httpx", "pydantic", "rich", "fastapi", "jinja2", "feedparser", "asyncio")


def test_help_shows_every_noun_and_imports_nothing_heavy(shell: Shell) -> None:
    program = (
        "import sys; from digest.cli import run; code = run(['--help']);"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr.strip()) == (0, "[]")
    assert all(f"\n  {noun} " in done.stdout for noun in NOUNS)


@pytest.mark.parametrize("noun", NOUNS)
def test_every_noun_has_help_with_examples(shell: Shell, noun: str) -> None:
    module = importlib.import_module(f"digest.cli.{noun}")
    verbs = [one.name for one in module.app.registered_commands] if hasattr(module, "app") else [None]
    for verb in verbs:
        answer = shell(noun, *([verb] if verb else []), "--help")
        assert answer.code == 0
        assert "Example" in answer.out
        assert f"digest {noun}" in answer.out


def test_the_version_is_told(shell: Shell) -> None:
    assert shell("--version").out.startswith("digest ")


@pytest.mark.parametrize(
    ("typed", "understood"),
    [
        (["sources", "list", "--json"], ["--json", "sources", "list"]),
        (["sources", "list", "-v", "--config", "x"], ["-v", "--config", "x", "sources", "list"]),
        (["sources", "list", "--config=x"], ["--config=x", "sources", "list"]),
        (["articles", "show", "--", "--json"], ["articles", "show", "--", "--json"]),
        (["sources", "list", "--config"], ["--config", "sources", "list"]),
    ],
)
def test_options_of_every_command_may_stand_anywhere(typed: list[str], understood: list[str]) -> None:
    assert _hoisted(typed) == understood


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.DigestError("x"), 1),
        (errors.DatabaseUnavailable("x"), 1),
        (errors.RelayUnavailable("x"), 1),
        (errors.ConfigError(["x"]), 2),
        (errors.UsageError("x"), 2),
        (errors.NotFound("x"), 2),
        (errors.Declared("x"), 2),
        (errors.NothingToDo("x"), 3),
        (errors.NeedsDecision("x"), 4),
        (errors.IllegalMove("x"), 4),
        (UnknownList("x"), 2),
        (ZeroDivisionError("x"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_each_error_has_its_exit_code(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str], shell: Shell
) -> None:
    for as_json in (False, True):
        with frame.translated(as_json=as_json, verbose=0) as ended:
            raise error
        assert ended.code == code
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        if as_json and code != 130:
            assert json.loads(said.out)["exit"] == code


def test_an_error_with_json_is_one_document(shell: Shell) -> None:
    answer = shell("lists", "show", "nope", "--json")
    assert (answer.code, answer.json) == (2, {"error": 'there is no list "nope" (there is none)', "exit": 2})


def test_wrong_usage_with_json_is_one_document(shell: Shell) -> None:
    answer = shell("--json", "sources", "add")
    assert (answer.code, answer.json["exit"]) == (2, 2)
    assert "digest sources add --help" in answer.err


def test_all_problems_of_the_settings_are_told(shell: Shell) -> None:
    (shell.folder / "config.toml").write_text("[site]\n")
    answer = shell("sources", "list", "--json")
    assert (answer.code, len(answer.json["problems"])) == (2, 3)
    assert len(answer.err.splitlines()) == 3


def test_settings_are_found_by_option_and_environment(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "config.toml").rename(tmp_path / "other.toml")
    assert shell("sources", "list").code == 2
    assert shell("sources", "list", "--config", "other.toml").code == 0
    answer = shell.process("sources", "list", "--json", DIGEST_CONFIG=str(tmp_path / "other.toml"))
    assert (answer.code, answer.json) == (0, {"sources": []})


def test_a_surprise_is_one_sentence_and_its_traceback_is_masked(
    capsys: pytest.CaptureFixture[str], shell: Shell
) -> None:
    for verbose in (0, 1):
        logs.start(verbose)
        with frame.translated(as_json=False, verbose=verbose):
            raise RuntimeError("jo@example.org is not here")
        said = capsys.readouterr().err
        assert "jo@" not in said
        assert "***@example.org" in said
        assert ("Traceback" in said) == bool(verbose)


@pytest.mark.parametrize(
    ("line", "written"),
    [
        ("mail to Jo.Doe+x@example.org failed", "mail to ***@example.org failed"),
        ("RCPT TO:<jo@example.org>", "RCPT TO:<***@example.org>"),
        ("GET /unsubscribe/AbC-_123= 200", "GET /unsubscribe/*** 200"),
        ("POST /confirm/AbC", "POST /confirm/***"),
        ("postgresql://digest:hush@db/digest", "postgresql://***@db/digest"),
        ("password=hush next", "password=*** next"),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("{'secret': 'hush'}", "{'secret': ***"),
        ("nothing to hide", "nothing to hide"),
        (
            "HTTP Request: GET https://jo:hush@a.test/f?page=2&apikey=hush",
            "HTTP Request: GET https://***@a.test/f?page=2&apikey=***",
        ),
    ],
)
def test_logs_are_masked(line: str, written: str) -> None:
    assert logs.masked(line) == written


def test_arguments_of_logs_are_masked(capsys: pytest.CaptureFixture[str], shell: Shell) -> None:
    logs.start(1)
    logging.getLogger("digest.test").info("sent to %s", "jo@example.org")
    assert capsys.readouterr().err.endswith("INFO digest.test: sent to ***@example.org\n")


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_printed(text: str) -> None:
    assert all(letter.isprintable() or letter == "\n" for letter in frame.printable(text))


def test_columns_align_and_long_cells_are_cut() -> None:
    lines = frame.columns(["A", "B"], [["x", None], ["y\ny", "z" * 70]])
    assert lines == ["A    B", "x", "y y  " + "z" * 59 + "…"]


def test_columns_align_with_wide_letters() -> None:
    assert frame.columns(["A", "B"], [["日本", 1], ["e\u0301", 2]]) == ["A     B", "日本  1", "e\u0301     2"]


def test_a_command_that_is_not_there_names_the_near_one(shell: Shell) -> None:
    answer = shell("sourcs", "list")
    assert (answer.code, answer.err) == (2, "No such command 'sourcs', did you mean sources? (see digest --help)\n")
    assert shell("xyzzy").code == 2


def test_a_decision_without_a_terminal_is_a_refusal(shell: Shell) -> None:
    here = frame.Frame(Path("config.toml"), {}, as_json=True, verbose=0)
    here.decide("Sure?", yes=True)
    with pytest.raises(errors.NeedsDecision, match=r"Sure\? Say --yes"):
        here.decide("Sure?", yes=False)


@pytest.mark.parametrize("text", ["2026-11-20T07:00Z", "2026-11-20T07:00", "2026-11-20T08:00+01:00"])
def test_a_clock_begins_at_the_given_instant_and_goes_on(text: str) -> None:
    clock, begin = frame.clock(text), datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
    assert clock is not None
    first = clock()
    assert begin < first < clock() < begin + timedelta(minutes=1)


def test_a_clock_that_is_no_instant_is_refused() -> None:
    with pytest.raises(errors.UsageError, match="--now: expected an instant"):
        frame.clock("tomorrow")


def test_a_reader_that_leaves_is_no_error(shell: Shell) -> None:
    done = subprocess.Popen(
        [sys.executable, "-m", "digest", "sources", "list"],
        cwd=shell.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert done.stdout is not None
    assert done.stderr is not None
    done.stdout.close()
    assert done.stderr.read() == b""
    done.stderr.close()
    assert done.wait() == 141


def test_ctrl_c_ends_without_a_traceback(shell: Shell) -> None:
    # Tests started in the background may have it ignored, which children inherit; a handler is not inherited.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    # Waits for its standard input when the signal comes.
    done = subprocess.Popen(
        [sys.executable, "-m", "digest", "-v", "sources", "import", "-"],
        cwd=shell.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    signal.signal(signal.SIGINT, before)
    assert done.stdin is not None
    # The pipe takes 64 KB: once a write of more returns, the command is reading.
    done.stdin.write(b" " * 100_000)
    done.stdin.flush()
    done.send_signal(signal.SIGINT)
    _, err = done.communicate()
    assert (done.returncode, err) == (130, b"")


@pytest.mark.parametrize(
    "words",
    [
        [b"subscribers", b"show", b"ann\xe9@example.org"],
        [b"lists", b"add", b"weekly", b"--title", b"Der B\xe4r"],
        [b"--config", b"b\xe4r.toml", b"lists", b"list"],
        [b"nosuch\xff"],
        [b"lists", b"add", b"weekly", b"--title", b"\xe4" * 5000],
    ],
)
def test_words_that_are_not_utf_8_are_a_usage_error(words: list[bytes], tmp_path: Path) -> None:
    for options in ([], [b"--json"]):
        command = [sys.executable.encode(), b"-m", b"digest", *words, *options]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=60)
        (sentence,) = done.stderr.decode().splitlines()
        assert done.returncode == 2
        assert sentence.endswith("expected words in UTF-8, and no file is called that")
        assert (json.loads(done.stdout)["error"] if options else sentence) == sentence


def test_a_file_may_have_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    name = b"b\xe4r.xml"
    (tmp_path / os.fsdecode(name)).write_text("<rss><channel><title>A</title></channel></rss>")
    command = [sys.executable.encode(), b"-m", b"digest", b"inspect", b"feed", name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=60)
    assert (done.returncode, b"\\udce4" in done.stdout) == (0, True)
