"""A folder with a fresh `digest init`."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Shell

SMALLEST = """[site]
name = "Example"
url = "https://example.org"

[mail]
from = "News <news@example.org>"
"""


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    """A shell in a folder with the smallest config.toml."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DIGEST_CONFIG", raising=False)
    (tmp_path / "config.toml").write_text(SMALLEST)
    before = logging.root.handlers[:], logging.root.level
    yield Shell(tmp_path, capsys)
    logging.root.handlers[:], level = before
    logging.root.setLevel(level)
