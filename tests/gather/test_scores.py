"""Feeds against what other readers' test sets state; the shares of the held-out half must not be lower."""

from __future__ import annotations

import json
from pathlib import Path

from score import feeds as feedscores


def test_third_parties_find_the_same_entries_and_times(corpus: Path) -> None:
    scores, times = feedscores.third_parties(corpus / "feeds")
    truth = json.loads((corpus / "feeds" / "expected_third_party.json").read_text())
    for name, score in scores.items():
        # Where a program made up an id for want of title and link, the feed has none that could be found.
        body = (corpus / "feeds" / "real" / name).read_text("utf-8", "replace")
        made_up = all(str(entry.get("id")) not in body and not entry.get("title") for entry in truth[name]["entries"])
        assert score == 1 or made_up, name
    assert sum(scores.values()) / len(scores) >= 0.94
    assert times.share >= 0.98, times.missed


def test_cases_of_gofeed_agree(corpus: Path) -> None:
    score = feedscores.gofeed(corpus / "feeds")
    assert score.stated > 200
    assert score.share >= 0.98, score.missed


def test_facts_of_feedparser_hold(corpus: Path) -> None:
    score = feedscores.feedparser_facts(corpus / "feeds")
    assert score.stated > 200
    assert score.share >= 0.98, score.missed
