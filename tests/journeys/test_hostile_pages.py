"""Articles made to act, where they are seen besides the mail: the preview, the archive, its feeds (S-C1)."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import chromium
import pytest
from hostilearticles import issues, shown

from digest.compose.content import IssueContent
from digest.compose.rendering import render
from digest.previewing.page import Shown, pages
from digest.templating import Templates, template_root
from digest.web.archive import showing
from digest.web.archive.reading import Frozen, Line, Shelf, Told

COUNT = int(os.environ.get("HOSTILE_ARTICLES", "300"))
AT = datetime(2026, 11, 20, 7, tzinfo=UTC)
TEMPLATES = Templates(template_root())
PLACES = showing.Places(
    home="https://paper.example/",
    edition=lambda edition: f"/archive/{edition}",
    issue=lambda edition, number: f"/archive/{edition}/{number}",
    absolute=lambda path: f"https://paper.example/archive/{path}",
    feeds=lambda edition, file: f"/archive/{edition}/{file}",
)
pytestmark = pytest.mark.skipif(
    chromium.BINARY is None, reason="there is no chromium here: nobody sees whether scripts run"
)


@pytest.mark.slow
def test_nothing_runs_in_preview_archive_and_feeds() -> None:
    seen = {}
    for number, issue in enumerate(issues(COUNT, 20, seed=8)):
        rendered = render(issue, TEMPLATES, "roundup", "k3v9q")
        one = Shown(
            issue.subject, issue.subject, rendered.html, rendered.text, rendered.text.encode(), (issue.subject,)
        )
        line = Line("weekly", number, issue.subject, "k3v9q", AT)
        around = showing.Neighbourhood(Shelf("weekly", issue.edition, "weekly"), line, line, noindex=True)
        seen[f"/preview/{number}"] = pages([one, one], TEMPLATES)["index.html"]
        seen[f"/archive/{number}"] = showing.page(Frozen(line, rendered.html), around, PLACES, TEMPLATES)
        seen[f"/feed/{number}"] = entry(line, issue)
    stage = shown(seen)
    assert stage.reports == []
    assert stage.asked == set()


def entry(line: Line, issue: IssueContent) -> str:
    feed = showing.feed(Shelf("weekly", issue.edition, "weekly"), [("1", Told(line, issue))], PLACES, ("P", "", "en"))
    assert feed.entries[0].html
    return f"<!doctype html><title>Entry</title>{feed.entries[0].html}"
