"""Years of weekly issues with everything that goes wrong: each article in exactly one, or in none with the reason.

DIGEST_WEEKS=104 DIGEST_SEEDS=5 makes it the full size.
"""

from __future__ import annotations

import os
from collections import defaultdict

import pytest
from sqlalchemy import Engine
from years import Years, all_rows

from digest.compose import run
from digest.models import Appearance, Article, Cause, Issue, IssueState, Placement

WEEKS = int(os.environ.get("DIGEST_WEEKS", "20"))
SEEDS = range(1, 1 + int(os.environ.get("DIGEST_SEEDS", "1")))


@pytest.mark.parametrize("seed", SEEDS)
def test_each_article_is_in_one_issue_or_in_none_for_a_reason(engine: Engine, seed: int) -> None:
    years = Years(engine, seed)
    years.weeks(WEEKS)
    issues: dict[int, Issue] = {issue.id: issue for issue in all_rows(engine, Issue)}
    rows: dict[int, list[Placement]] = defaultdict(list)
    for row in all_rows(engine, Placement):
        if issues[row.issue_id].state != IssueState.CANCELLED:
            rows[row.article_id].append(row)
    told: dict[int, set[int]] = defaultdict(set)
    for row in (row for own in rows.values() for row in own):
        if issues[row.issue_id].state == IssueState.SENT and row.left_out is None:
            told[row.article_id].add(row.issue_id)
            for other in row.also:
                told[int(other["id"])].add(row.issue_id)
    appeared = {(row.article_id, row.issue_id) for row in all_rows(engine, Appearance)}
    violations = [f"article {id_} is in the issues {sorted(inside)}" for id_, inside in told.items() if len(inside) > 1]
    violations += [
        f"{pair} is told and not kept as told"
        for pair in appeared ^ {(id_, issue) for id_, inside in told.items() for issue in inside}
    ]
    # What an issue that was cancelled looked at waits for the next one.
    last = max(issue.window_end for issue in issues.values() if issue.state != IssueState.CANCELLED)
    articles: list[Article] = all_rows(engine, Article)
    for article in articles:
        assert article.id is not None
        own = rows[article.id]
        explained = [row.left_out for row in own if row.left_out is not None and row.cause != Cause.NONE]
        explained += [issues[row.issue_id].reason for row in own if issues[row.issue_id].state == IssueState.SKIPPED]
        if not told[article.id] and not any(explained) and article.available_at < last:
            violations.append(f"article {article.id}, available at {article.available_at}, is nowhere")
    assert violations == []
    # One page is one article, whatever became of its ids, links and words.
    pages = {piece.url for outlet in years.outlets for piece in outlet.pieces}
    assert {article.canonical_url for article in articles} <= pages
    newest = max(issues)
    for article in articles[:: max(1, len(articles) // 20)]:
        found = run.explain(engine, newest, article.id or 0)
        assert found.reason or found.placement

    if seed == 1:
        had_everything(engine)


def had_everything(engine: Engine) -> None:
    """Such years are no proof in which nothing went wrong."""
    states = {issue.state for issue in all_rows(engine, Issue)}
    assert {IssueState.SENT, IssueState.SKIPPED, IssueState.CANCELLED} <= states
    causes = {row.cause for row in all_rows(engine, Placement)}
    assert {Cause.NONE, Cause.FULL, Cause.DROPPED, Cause.STORY} <= causes
    assert {Cause.SOURCE, Cause.AUTHOR, Cause.SECTION} & causes
    assert any("rolled over" in note for row in all_rows(engine, Placement) for note in row.notes)
