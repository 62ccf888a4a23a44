"""What staff are told of sources: once when it becomes true, once when it no longer is (E-07, E-16)."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from feedserver import FeedServer
from newsfeeds import NOW, add, daily, item, rss, source
from post import config
from sqlmodel import col, select

from digest import byhand, db, pipeline, wiring
from digest.compose import run as composing
from digest.config import DatabaseConfig, EditionConfig, GatherConfig, ListConfig, StaffConfig
from digest.errors import NothingToDo
from digest.gather.alarms import failed, news
from digest.models import Delivery, Source, SourceState, Variant
from digest.wiring import App


def row(**values: object) -> Source:
    return Source(**{"id": "blog", "url": "https://blog.example/f", "created_at": NOW, "state": "ok", **values})


GONE = {"state": SourceState.GONE, "error": "https://blog.example/f answered 410 Gone; it is not asked again"}
HOSTILE = {
    "held_for": 'it is called "[win](http://x) <b>*now*</b>". `digest articles release --source my_blog` lets it in.'
}


@pytest.mark.parametrize(
    ("now", "told", "says"),
    [
        pytest.param(row(), "", None, id="all is well"),
        pytest.param(
            row(**GONE), "gone", "answered 410 Gone; it is not asked again. `digest sources retry blog`", id="gone"
        ),
        pytest.param(row(state="off", error="404 for 14 days"), "off", "404 for 14 days", id="off"),
        pytest.param(row(state="failing", failures=1, status=403, error="403"), "refused", "let us in", id="403"),
        pytest.param(row(state="failing", failures=1, status=401, error="401"), "refused", "let us in", id="401"),
        pytest.param(row(state="failing", failures=4, error="500"), "", None, id="failing, not for long"),
        pytest.param(row(state="failing", failures=5, error="500"), "failing", "5 looks in a row", id="failing"),
        pytest.param(row(state="late", failures=0, error="429"), "", None, id="asked to come later"),
        pytest.param(row(quiet_after=NOW - timedelta(hours=1)), "quiet", "nothing new", id="silent"),
        pytest.param(row(quiet_after=NOW), "", None, id="not silent yet"),
        pytest.param(row(held=3), "held", "3 articles wait", id="articles held"),
        pytest.param(row(held=1), "held", "1 article waits", id="an article held"),
        pytest.param(row(**HOSTILE), "owner", r"\[win\](http://x) \<b\>\*now\*\</b\>", id="other people's words"),
        pytest.param(row(**HOSTILE), "owner", "`digest articles release --source my_blog`", id="our own"),
    ],
)
def test_what_is_told_once(now: Source, told: str, says: str | None) -> None:
    first = news(now, NOW)
    assert first.told == told
    assert len(first.sentences) == (says is not None)
    assert says is None or says in first.sentences[0]
    now.told = first.told
    assert news(now, NOW).sentences == ()
    well = news(row(told=told), NOW)
    assert well.told == ""
    assert bool(well.sentences) == (told not in ("", "held", "owner"))


@pytest.mark.parametrize(
    ("sources", "says"),
    [
        ([], None),
        ([("a", None), ("b", None)], None),
        ([("a", None), ("b", "no")], "1 of 2 sources failed at the last look: b. "),
        ([("a", "no")], "1 of 1 source failed at the last look: a. "),
        ([(name, "no") for name in "hgfedcba"], "8 of 8 sources failed at the last look: a, b, c, d, e and 3 more. "),
    ],
)
def test_how_many_failed(sources: list[tuple[str, str | None]], says: str | None) -> None:
    found = failed(sources)
    assert found is None if says is None else str(found).startswith(says)


class Desk:
    """A newsroom with a clock that the test turns, and feeds on loopback."""

    def __init__(self, app: App, server: FeedServer) -> None:
        self.now = NOW
        self.app = replace(app, clock=lambda: self.now)
        self.server = server

    def add(self, name: str, body: bytes) -> None:
        """A source that answers this."""
        host = f"{name}.localhost"
        add(self.app.engine, self.server, name, host=host, name=name.title())
        self.server.page(host, "/f", body)

    def answer(self, name: str, status: int) -> None:
        """From now on the source answers this."""
        self.server.answer(f"{name}.localhost", "/f", status)

    def gather(self, **later: float) -> list[str]:
        """A round, some time later; the text of the notices that it brought."""
        self.now += timedelta(**later)
        before = len(self.notices())
        asyncio.run(pipeline.gather(self.app))
        return self.notices()[before:]

    def notices(self) -> list[str]:
        """The text of every notice so far."""
        with db.reading(self.app.engine) as session:
            written = select(Variant.text, Delivery.id).where(col(Variant.id) == col(Delivery.variant_id))
            return [
                " ".join(zlib.decompress(text).decode().split())
                for text, _ in session.exec(written.order_by(col(Delivery.id)))
            ]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    settings = replace(
        config(),
        database=DatabaseConfig(f"sqlite:///{tmp_path / 'desk.db'}"),
        gather=GatherConfig(allow_private_addresses=True, timeout_s=20.0),
        staff=StaffConfig(("editor@review.example",)),
        lists=(ListConfig("weekly", "Weekly", line=1),),
        editions=(EditionConfig("weekly", "weekly", "Weekly", line=1),),
    )
    with FeedServer() as server, wiring.opened(settings, clock=lambda: NOW) as app:
        yield Desk(app, server)


def test_a_round_brings_one_notice_of_all_that_changed_and_only_once(desk: Desk) -> None:
    for name in ("good", "gone", "shut"):
        desk.add(name, rss(*daily(3, f"http://{name}.test")))
    assert desk.gather() == []
    desk.answer("gone", 410)
    desk.answer("shut", 403)
    (notice,) = desk.gather(hours=7)
    assert "answered 410 Gone; it is not asked again" in notice
    assert "answered 403 Forbidden: it does not let us in" in notice
    assert "Good" not in notice
    assert desk.gather(hours=7) == []
    with db.writing(desk.app.engine) as session:
        byhand.retry_source(session, "gone")
        with pytest.raises(NothingToDo, match='"good" is ok'):
            byhand.retry_source(session, "good")
    for name in ("gone", "shut"):
        desk.server.page(f"{name}.localhost", "/f", rss(*daily(3, f"http://{name}.test")))
    (notice,) = desk.gather(hours=7)
    assert notice.count("is well again") == 2
    assert desk.gather(hours=7) == []


def test_a_source_that_fails_for_long_is_told_of_and_holds_up_nothing(desk: Desk) -> None:
    desk.add("good", rss(*daily(3, "http://good.test")))
    desk.add("bad", b"<html>maintenance</html>")
    told = [desk.gather(hours=3) for _ in range(8)]
    assert [len(notices) for notices in told] == [0, 0, 0, 0, 1, 0, 0, 0]
    assert "5 looks in a row failed" in told[4][0]


def test_a_source_that_falls_silent_is_told_of_after_three_times_its_interval(desk: Desk) -> None:
    desk.add("daily", rss(*daily(10, "http://daily.test")))
    told = [desk.gather(days=1) for _ in range(4)]
    assert [len(notices) for notices in told] == [0, 0, 1, 0]
    assert "nothing new for three times as long" in told[2][0]
    news = item("Here again", "http://daily.test/again", desk.now)
    desk.server.page("daily.localhost", "/f", rss(news, *daily(10, "http://daily.test")))
    (notice,) = desk.gather(hours=1)
    assert "is well again" in notice


def test_a_source_with_a_new_owner_is_told_of(desk: Desk) -> None:
    desk.add("blog", rss(*daily(10, "http://blog.test")))
    desk.gather()
    desk.server.page("blog.localhost", "/f", rss(*daily(10, "http://casino.test")).replace(b"Piece", b"Win"))
    (notice,) = desk.gather(hours=7)
    assert "may have a new owner" in notice and "digest articles release --source blog" in notice


def test_without_staff_to_tell_nothing_is_kept_for_told(desk: Desk) -> None:
    desk.app = replace(desk.app, config=replace(desk.app.config, staff=StaffConfig(())))
    desk.add("gone", b"")
    desk.answer("gone", 410)
    assert desk.gather() == []
    assert source(desk.app.engine, "gone").told == ""


def test_the_draft_and_its_notice_say_which_sources_failed(desk: Desk) -> None:
    desk.add("good", rss(*daily(3, "http://good.test")))
    desk.add("bad", b"")
    desk.answer("bad", 500)
    desk.gather()
    desk.now += timedelta(hours=1)
    composed = asyncio.run(pipeline.draft(desk.app, "weekly"))
    sentence = "1 of 2 sources failed at the last look: bad. `digest sources list` says why."
    assert sentence in composed.problems
    assert "1 of 2 sources failed at the last look: bad." in desk.notices()[-1]
    assert composed.issue.id is not None
    shown = composing.current(desk.app.engine, desk.app.config, desk.app.links, composed.issue.id)
    assert sentence in shown.problems
