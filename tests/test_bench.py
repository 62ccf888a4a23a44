"""Each table of the send benchmark at its smallest: that it runs, not how fast."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SEND = Path(__file__).parent / "bench" / "send.py"
SMALL = ["--runs", "1", "--messages", "20", "--delayed", "20", "--delay", "5", "--people", "20", "--offline"]


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("sink", ["aiosmtplib sendmail", "digest"]),
        ("far", ["aiosmtplib sendmail", "digest, pipelined", "digest, chunked, window 4"]),
        ("prices", ["sqlite, full", "sqlite, 50 variants", "sqlite, signed both"]),
        ("memory", ["20"]),
    ],
)
def test_each_table_of_the_benchmark_has_its_lines(name: str, rows: list[str]) -> None:
    command = [sys.executable, SEND, *SMALL, "--octets", "5000", "--databases", "sqlite", "--tables", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = {line.split(" | ")[0].removeprefix("| "): line for line in done.stdout.splitlines() if line[:1] == "|"}
    for row in rows:
        assert any(cell[:1].isdigit() for cell in lines[row].split(" | ")[1:]), done.stdout
    for missing in (line for line in lines.values() if "not installed" in line):
        pytest.skip(f"the rest runs; {missing}")
    if "our sink is the far end" in done.stdout:
        pytest.skip("the rest runs; Postfix can't be started here")


@pytest.mark.parametrize(
    ("name", "small", "row"),
    [
        ("leaving", ["--readers", "400", "--leavers", "80"], "| sqlite | 80 |"),
        ("storm", ["--posts", "300", "--networks", "15", "--victims", "10", "--people", "20"], "| 10 | 20 of 20 |"),
    ],
)
def test_what_a_crowd_does_at_its_smallest(name: str, small: list[str], row: str) -> None:
    command = [sys.executable, SEND.with_name(f"{name}.py"), *small]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert row in done.stdout


def test_the_time_of_an_answer_is_measured() -> None:
    command = [sys.executable, SEND.with_name("answers.py"), "--rounds", "4"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "| sqlite | " in done.stdout, done.stderr
