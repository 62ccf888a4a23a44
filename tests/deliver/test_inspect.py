"""digest inspect email, by its command: the linter that reads every message of every test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from desk import environment
from post import good as message


def inspected(*files: Path) -> tuple[int, list[dict[str, object]]]:
    command = [sys.executable, "-m", "digest", "inspect", "email", *map(str, files)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def test_a_good_message_has_no_failures_and_its_links_are_told(tmp_path: Path) -> None:
    fine = tmp_path / "fine.eml"
    fine.write_bytes(message())
    code, [told] = inspected(fine)
    assert (code, told["input"], told["failures"]) == (0, str(fine), [])
    assert told["html_bytes"]
    assert any("/unsubscribe/" in link for link in told["links"])  # type: ignore[attr-defined]


def test_each_failure_has_its_row_and_a_missing_file_is_told(tmp_path: Path) -> None:
    bad = tmp_path / "bad.eml"
    bad.write_bytes(message().replace(b"\r\nMIME-Version: 1.0", b"\r\nBcc: someone@example.org"))
    code, [told, missing] = inspected(bad, tmp_path / "none.eml")
    assert {failure["row"] for failure in told["failures"]} >= {"F-17", "F-26"}  # type: ignore[attr-defined]
    assert (code, "can't be read" in str(missing["error"])) == (1, True)
