"""The engine, made wrong in one place at a time (R-52): each has to be caught by the test named with it.

A mutant lives in a copy of the checkout; the checkout itself is never touched. By hand:

    python tests/faults/mutants.py            every mutant, one line each
    python tests/faults/mutants.py NUMBER     that one, with what its test says
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_PARTS = ("digest", "subscribers", "templates", "tests", "pyproject.toml", "config.toml", "README.md", "LICENSE")


@dataclass(frozen=True)
class Mutant:
    """`old` stands once in `file`, and becomes `new`; `test` fails then."""

    name: str
    file: str
    old: str
    new: str
    test: str


HANDING, LEDGER, SENDER, TALK = (f"digest/deliver/{name}.py" for name in ("handing", "ledger", "sender", "talk"))
DELIVER, HANDS, BOOKS = (f"tests/deliver/test_{name}.py" for name in ("deliver", "handing", "ledger"))

MUTANTS = [
    Mutant(
        "outcomes are committed when the batch is through",
        SENDER,
        "        self.writer.ask(handing.settle, ending, partial(self._settled, work, settled.state))",
        "        done = partial(self._settled, work, settled.state)\n"
        "        asyncio.get_running_loop().call_later(0.2, self.writer.ask, handing.settle, ending, done)",
        "tests/deliver/test_kill.py::test_no_commit_has_more_rows_handed_over_than_the_windows_hold[1]",
    ),
]


def copied(folder: Path) -> Path:
    """The checkout again, as far as the tests of delivery need it."""
    for part in _PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("corpus"))
        elif source.exists():
            shutil.copy2(source, folder / part)
    return folder


def mutate(folder: Path, mutant: Mutant) -> None:
    """Make that copy wrong; an error when the place is not there any more, or not the only one."""
    file = folder / mutant.file
    text = file.read_text()
    assert text.count(mutant.old) == 1, (
        f"{mutant.name}: its place stands {text.count(mutant.old)} times in {mutant.file}"
    )
    file.unlink()
    file.write_text(text.replace(mutant.old, mutant.new))


def run(folder: Path, tests: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """The tests, in that copy."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "DIGEST_", "COV_"))}
    words = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tests]
    return subprocess.run(
        words, cwd=folder, env={**ours, "PYTHONPATH": ""}, capture_output=True, text=True, check=False
    )


def caught(said: subprocess.CompletedProcess[str]) -> bool:
    """Whether a test failed, as opposed to not being found or not being run."""
    return said.returncode == 1 and " failed" in said.stdout


def main(*chosen: str) -> int:
    """Try mutants, and tell of each."""
    missed = 0
    for number, mutant in enumerate(MUTANTS, 1):
        if chosen and str(number) not in chosen:
            continue
        with tempfile.TemporaryDirectory() as folder:
            mutate(copied(Path(folder)), mutant)
            said = run(Path(folder), [mutant.test])
        missed += not caught(said)
        print(f"{number:2} {'caught' if caught(said) else 'MISSED'}  {mutant.name}  ({mutant.test})", flush=True)
        if chosen or not caught(said):
            print(said.stdout[-3000:])
    return missed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
