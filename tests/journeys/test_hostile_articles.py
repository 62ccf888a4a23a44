"""Two thousand articles made to act: nothing of them runs where a reader or an editor sees them, in a real browser."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Sequence
from html import unescape
from pathlib import Path

import chromium
import pytest
import samples
from hostilearticles import issues, shown

from digest.compose.rendering import render
from digest.templating import Templates, template_root

pytestmark = pytest.mark.skipif(
    chromium.BINARY is None, reason="there is no chromium here: nobody sees whether scripts run"
)
TEMPLATES = Templates(template_root())
ROUNDUPS = [name for name in TEMPLATES.names("email", ".mjml.j2") if name not in samples.LETTERS]


def test_the_stage_sees_what_runs() -> None:
    acting = {
        "/1": "<script>document.title = 1</script>",
        "/2": "<img src=x onerror='1'>",
        "/3": "<svg onload=1>",
        "/4": "<meta http-equiv=refresh content='0;url=/hit'>",
        "/5": "<object data=/hit></object>",
    }
    stage = shown(acting)
    assert {path for path in acting if any(path in report for report in stage.reports)} == {"/1", "/2", "/3", "/5"}
    assert "/hit" in stage.asked


@pytest.mark.slow
@pytest.mark.parametrize("template", ROUNDUPS)
def test_nothing_runs_in_the_mail(template: str) -> None:
    check(template, ())


@pytest.mark.slow
def test_nothing_of_what_sanitisers_are_tried_with_runs_in_the_mail(corpus: Path) -> None:
    with tarfile.open(corpus / "feeds" / "feedparser-tests.tar.gz") as archive:
        cases = [one for one in archive.getmembers() if "/sanitize/" in one.name and one.isfile()]
        texts = [archive.extractfile(one).read().decode("utf-8", "replace") for one in cases]  # type: ignore[union-attr]
    payloads = [unescape(found) for text in texts for found in re.findall(r">([^<>]*&lt;.*?)</", text, re.DOTALL)]
    assert len(payloads) > 50
    check("roundup", payloads)


def check(template: str, more: Sequence[str]) -> None:
    pages = {}
    for number, issue in enumerate(issues(2_000, 20, seed=5, more=more)):
        rendered = render(issue, TEMPLATES, template, "k3v9q")
        assert (rendered.problems, rendered.trimmed) == ((), 0)
        pages[f"/mail/{number}"] = rendered.html
    stage = shown(pages)
    assert stage.reports == []
    assert stage.asked == set()
