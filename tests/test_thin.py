"""A thin issue is skipped, rolled over or asked about, and staff are told which and why."""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import replace

import pytest
from post import config
from sqlmodel import col, select

from digest import db, pipeline, wiring
from digest.config import DatabaseConfig, EditionConfig, ListConfig, RelayConfig, StaffConfig
from digest.models import Article, Delivery, IssueState, Source, Variant

THIN = "The issue is thin: there is 1 article, and the edition asks for 3 at least."


@pytest.mark.parametrize(
    ("if_thin", "state", "said"),
    [
        ("skip", IssueState.SKIPPED, THIN),
        ("roll over", IssueState.SKIPPED, f"{THIN} What there is goes into the next issue."),
        ("ask", IssueState.DRAFT, THIN),
    ],
)
def test_staff_are_told_what_becomes_of_a_thin_issue(
    database_url: str, if_thin: str, state: IssueState, said: str
) -> None:
    relay = RelayConfig("out", "127.0.0.1", port=9, security="none")
    how = replace(
        config(relay),
        database=DatabaseConfig(database_url),
        staff=StaffConfig(("editor@example.org",)),
        lists=(ListConfig("weekly", "Weekly", line=1),),
        editions=(EditionConfig("weekly", "weekly", "Weekly", min_articles=3, if_thin=if_thin, line=1),),
    )
    with wiring.opened(how) as app:
        now = app.clock()
        with db.writing(app.engine) as session:
            session.add(Source(id="desk", url="https://example.org/feed", active=False, created_at=now))
            session.flush()
            url = "https://example.org/one"
            times = {"published_at": now, "first_seen_at": now, "available_at": now, "previous_look_at": now}
            session.add(Article(canonical_url=url, url=url, source_id="desk", title="One", **times))
        composed = asyncio.run(pipeline.draft(app, "weekly"))
        assert composed.issue.state == state
        assert (composed.question == THIN) == (if_thin == "ask")
        with db.reading(app.engine) as session:
            (notice,) = session.exec(
                select(Variant)
                .join(Delivery, col(Delivery.variant_id) == col(Variant.id))
                .where(Delivery.address == "editor@example.org")
            )
        assert said in " ".join(zlib.decompress(notice.text).decode().split())
