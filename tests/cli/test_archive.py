"""digest archive: what staff type to have past issues as files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import Shell


def test_an_empty_archive_is_a_page_that_says_so(shell: Shell) -> None:
    answer = shell("--json", "archive", "export", "site")
    assert answer.code == 0
    assert answer.json == {"folder": "site", "issues": 0, "written": 1, "unchanged": 0, "removed": 0}
    assert "Nothing has been published yet" in Path("site/index.html").read_text()
    assert json.loads(Path("site/.digest-archive.json").read_text()) == {"files": ["index.html"]}
    assert shell("archive", "export", "site").out.startswith(
        "0 issues are in site. Its files: 0 written, 1 as they were"
    )


@pytest.mark.parametrize("url", ["ftp://x.example", "x.example", "javascript:1"])
def test_an_address_that_is_none_is_said(shell: Shell, url: str) -> None:
    answer = shell("archive", "export", "site", "--url", url)
    assert answer.code == 2
    assert answer.err == f'--url: expected an address like https://archive.example.org, got "{url}"\n'


def test_a_place_that_can_t_be_written_is_said(shell: Shell) -> None:
    Path("file").touch()
    answer = shell("archive", "export", "file/site")
    assert answer.code == 1
    assert "can't be written" in answer.err
    assert "Traceback" not in answer.err
