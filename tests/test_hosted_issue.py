"""An issue with hosted pictures, all the way: what was frozen is the same a year later, wherever the pictures went."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from mailbox import Mailbox

import pytest
from feedserver import FeedServer
from office import invite
from PIL import Image
from post import config
from sqlalchemy import update

from digest import db, pipeline, wiring
from digest.config import DatabaseConfig, EditionConfig, GatherConfig, ListConfig
from digest.models import Article, Source, table
from digest.pictures import storing
from digest.wiring import App


@pytest.fixture
def app(database_url: str) -> Iterator[App]:
    """A newsroom that hosts its pictures, with one article and one reader."""
    with Mailbox() as box:
        how = config(box.relay())
        how = replace(
            how,
            database=DatabaseConfig(database_url),
            mail=replace(how.mail, images="hosted"),
            gather=GatherConfig(allow_private_addresses=True, timeout_s=3),
            lists=(ListConfig("weekly", "Weekly", line=1),),
            editions=(EditionConfig("weekly", "weekly", "Weekly", line=1),),
        )
        with wiring.opened(how) as app:
            invite(app.engine, [(1, "reader@example.org")])
            yield app


def write(app: App, image: str) -> None:
    now, url = app.clock(), "https://example.org/one"
    with db.writing(app.engine) as session:
        session.add(Source(id="desk", url="https://example.org/feed", active=False, created_at=now))
        session.flush()
        times = {"published_at": now, "first_seen_at": now, "available_at": now, "previous_look_at": now}
        session.add(Article(canonical_url=url, url=url, source_id="desk", title="One", image_url=image, **times))


def test_what_was_frozen_stays_though_the_picture_goes(app: App) -> None:
    out = BytesIO()
    Image.new("RGB", (1_600, 800), "navy").save(out, "WEBP")
    with FeedServer() as server:
        server.page("127.0.0.1", "/lead.webp", out.getvalue())
        write(app, server.url("127.0.0.1", "/lead.webp"))
        published = asyncio.run(pipeline.prepare(app, "weekly"))
    issue_id = published.composed.issue.id or 0
    first = pipeline.stationery_of(app, issue_id)[0]
    [name] = set(re.findall(r'src="[^"]*/images/([0-9a-f]{64})\.jpg"', first.html))
    assert "lead.webp" not in first.html
    with db.writing(app.engine) as session:
        session.execute(update(table(Article)).values(image_url=None))
    assert pipeline.stationery_of(app, issue_id)[0] == first
    with db.reading(app.engine) as session:
        kept = storing.picture(session, name)
        assert kept is not None
        assert (kept.width, kept.height) == (1_200, 600)


def test_a_picture_that_can_t_be_had_stops_nothing(app: App) -> None:
    write(app, "http://127.0.0.1:1/lead.png")
    published = asyncio.run(pipeline.prepare(app, "weekly"))
    shown = pipeline.stationery_of(app, published.composed.issue.id or 0)[0]
    assert "127.0.0.1:1/" not in shown.html
    assert "One" in shown.html
