"""What whoever watches a send is told: rate, remaining time, what was put off."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from digest.cli.bars import Lines
from digest.deliver.progress import Going, Meter, clocked


def going(**changes: object) -> Going:
    usual = {"sent": 0, "deferred": 0, "failed": 0, "skipped": 0, "unsure": 0, "total": None, "rate": None}
    return Going(**{**usual, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("caption", "now", "words"),
    [
        ("at the start", going(total=10_000), "0 of 10,000"),
        ("nothing known of the end", going(sent=12, rate=3.0), "12, 3/s"),
        (
            "in the middle",
            going(sent=4200, deferred=12, failed=3, total=10_000, rate=350.0),
            "4,215 of 10,000, 350/s, 0:17 left, 12 deferred, 3 failed",
        ),
        ("more came than was there", going(sent=11, total=10, rate=1.0), "11 of 11, 1/s"),
        ("a slow one", going(sent=1, total=100_001, rate=2.5), "1 of 100,001, 2.5/s, 11:06:40 left"),
        ("the rest", going(skipped=1, unsure=2, total=3), "3 of 3, 1 skipped, 2 unsure"),
    ],
)
def test_words(caption: str, now: Going, words: str) -> None:
    assert now.words == words


@pytest.mark.parametrize(("seconds", "said"), [(0, "0:00"), (59.6, "1:00"), (750, "12:30"), (10_920, "3:02:00")])
def test_clocks(seconds: float, said: str) -> None:
    assert clocked(seconds) == said


def test_the_rate_is_that_of_the_last_seconds() -> None:
    meter = Meter(1000)
    assert meter.going({}, 100.0).rate is None
    assert meter.going({"sent": 50}, 100.5).rate is None  # too early to say
    assert meter.going({"sent": 200}, 102.0).rate == 100
    for second in range(103, 125):  # a relay that stands still
        last = meter.going({"sent": 200, "deferred": 1, "held": 1}, float(second))
    assert (last.rate, last.remaining_s, last.done, last.unsure) == (0, None, 202, 1)


def test_without_a_terminal_a_line_now_and_then() -> None:
    said: list[str] = []
    now = [0.0]
    with Lines(said.append, lambda: now[0]) as lines:
        for second in range(31):
            now[0] = float(second)
            lines("Sending", second, 100, going(sent=second, total=100, rate=1.0))
    assert said == [f"Sending: {n} of 100, 1/s, 1:{40 - n:02} left" for n in (10, 20, 30)]


def test_at_eighty_columns_the_words_are_whole() -> None:
    script = """
import io, sys, rich.console
rich.console.Console.size = property(lambda self: rich.console.ConsoleDimensions(80, 24))
from digest.cli import bars
from digest.deliver.progress import Going
bars._AFTER_S = -1.0
with bars.Bars() as shown:
    shown("Sending", 400_512, 1_000_000, Going(400_000, 500, 12, 0, 0, 1_000_000, 4200.0))
"""
    environ = {"TERM": "xterm", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environ)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", done.stderr)
    assert "400,512 of 1,000,000, 4,200/s, 2:23 left, 500 deferred, 12 failed" in shown
    assert all(len(line) <= 80 for line in re.split(r"[\r\n]", shown))
