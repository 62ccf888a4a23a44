"""`digest ...` as a user types it: in this process for tables of cases, as a real process for the main ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from digest.cli import run

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Stdout as the one JSON document that it must be."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Shell:
    """A folder to type in."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *words: str) -> Answer:
        """Run a command in this process."""
        self.capsys.readouterr()
        code = run(words)
        said = self.capsys.readouterr()
        return Answer(code, said.out, said.err)

    def process(self, *words: str, stdin: bytes = b"", **environ: str) -> Answer:
        """Run a command as a process of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "digest", *words],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
            input=stdin,
            capture_output=True,
            check=False,
        )
        return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())
