"""Feeds against what other readers' test sets state; the shares of the held-out half must not be lower."""

from __future__ import annotations

from pathlib import Path

from score import feeds as feedscores
from score import links as linkscores


def test_third_parties_find_the_same_entries_and_times(corpus: Path) -> None:
    scores, times = feedscores.third_parties(corpus / "feeds")
    assert min(scores.values()) == 1, scores
    assert times.share >= 0.99, times.missed


def test_what_feedparser_reads_in_real_feeds_is_read(corpus: Path) -> None:
    agreed = feedscores.agreement(corpus / "feeds")
    # Looked at: where it is less, the reference takes "8:19 pm CEST" for 8:19 UTC.
    assert len([name for name, share in agreed.items() if share < 0.9]) <= 0.01 * len(agreed), agreed
    assert sum(agreed.values()) / len(agreed) >= 0.99


def test_the_sanitiser_set_leaks_nothing_and_keeps_the_words(corpus: Path) -> None:
    leaks, texts = feedscores.sanitised(corpus / "feeds")
    assert leaks == []
    assert texts.share >= 0.98, texts.missed


def test_no_file_whole_or_halved_or_damaged_makes_it_fail(corpus: Path) -> None:
    assert feedscores.crashes(corpus / "feeds") == []


def test_cases_of_gofeed_agree(corpus: Path) -> None:
    score = feedscores.gofeed(corpus / "feeds")
    assert score.stated > 200
    assert score.share >= 0.98, score.missed


def test_facts_of_feedparser_hold(corpus: Path) -> None:
    score = feedscores.feedparser_facts(corpus / "feeds")
    assert score.stated > 200
    assert score.share >= 0.98, score.missed


def test_links_resolve_as_in_a_browser(corpus: Path) -> None:
    right, stated = linkscores.resolved(corpus / "urls")
    assert right == stated > 100


def test_variants_of_an_address_have_one_name_and_other_articles_another(corpus: Path) -> None:
    assert linkscores.unnamed(linkscores.web_addresses(corpus / "news")[::40]) == []
    assert len(linkscores.merged(corpus / "news")) <= 15  # looked at: one page each, under two titles
