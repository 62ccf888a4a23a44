"""Whose turn it is: one request at a time to a host, few over all, and nobody waits for the slow (FEATURES 3, S-F5)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from feedserver import FeedServer
from newsfeeds import CONFIG, NOW, add, daily, look, rss, source
from sqlalchemy import Engine

from digest import db
from digest.gather.hosts import owner
from digest.gather.outcomes import Failed, Later, Outcome, Unchanged
from digest.gather.turns import AT_ONCE, SLOW_AT_ONCE, Turns
from digest.models import Source


class Places:
    """Counts who is asked at the same time."""

    def __init__(self) -> None:
        self.now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.most_together = 0
        self.asked: list[str] = []

    def asking(
        self, url: str, until: asyncio.Event | None = None, outcome: Outcome | None = None
    ) -> Callable[[], Coroutine[Any, Any, Outcome]]:
        """A request for `url` that takes until the event is set, or a few steps."""

        async def ask() -> Outcome:
            name = owner(url.split("/")[2])
            self.asked.append(url)
            self.now[name] += 1
            self.most[name] = max(self.most[name], self.now[name])
            self.most_together = max(self.most_together, self.now.total())
            for _ in range(3):
                await asyncio.sleep(0)
            if until:
                await until.wait()
            self.now[name] -= 1
            return outcome or Unchanged()

        return ask


def test_a_host_is_asked_one_thing_at_a_time_and_twenty_are_asked_at_once() -> None:
    places = Places()

    async def round_() -> None:
        turns = Turns(slow_s=60)
        urls = [f"https://{sub}.{n}.example/{m}" for n in range(40) for m in range(5) for sub in ("www", "blog")]
        await asyncio.gather(*(turns.ask(url, places.asking(url)) for url in urls))

    asyncio.run(round_())
    assert len(places.asked) == 400
    assert set(places.most.values()) == {1}
    assert places.most_together == AT_ONCE


def test_the_slow_make_room_for_others_but_not_without_end() -> None:
    places = Places()

    async def round_() -> None:
        turns, over = Turns(slow_s=0.01), asyncio.Event()
        slow = [f"https://{n}.example/" for n in range(SLOW_AT_ONCE + 100)]
        waiting = [asyncio.ensure_future(turns.ask(url, places.asking(url, over))) for url in slow]
        while places.now.total() < SLOW_AT_ONCE + AT_ONCE:
            await asyncio.sleep(0.01)
        over.set()
        await asyncio.gather(*waiting)

    asyncio.run(round_())
    assert places.most_together == SLOW_AT_ONCE + AT_ONCE
    assert len(places.asked) == SLOW_AT_ONCE + 100


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        pytest.param(Failed("no", slow=True), "too slow", id="its whole deadline"),
        pytest.param(Later("busy", None, busy=True), "left alone", id="429"),
        pytest.param(Later("busy", None), None, id="503"),
        pytest.param(Failed("no", status=500), None, id="500"),
    ],
)
def test_a_host_that_had_enough_is_asked_nothing_more(outcome: Outcome, word: str | None) -> None:
    places = Places()

    async def round_() -> list[Outcome | str]:
        turns = Turns()
        urls = ["https://a.example/1", "https://www.a.example/2", "https://b.example/3"]
        return [await turns.ask(url, places.asking(url, outcome=outcome)) for url in urls]

    first, second, third = asyncio.run(round_())
    assert first == third == outcome
    assert (isinstance(second, str) and word in second) if word else second == outcome


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("www.bbc.co.uk", "bbc.co.uk"),
        ("feeds.bbci.co.uk.", "bbci.co.uk"),
        ("one.blogspot.com", "one.blogspot.com"),
        ("A.Example.ORG", "example.org"),
        ("localhost", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]", "::1"),
        ("", ""),
    ],
)
def test_who_answers_for_a_host(name: str, expected: str) -> None:
    assert owner(name) == expected


def test_slow_sources_cost_the_others_nothing(tmp_path: Any) -> None:
    """Two fifths of all sources send a byte now and then for ever: the round waits for one deadline, not for each."""
    engine = db.open_engine(f"sqlite:///{tmp_path / 'many.db'}", "normal")
    db.upgrade(engine)
    config = replace(CONFIG, gather=replace(CONFIG.gather, timeout_s=10.0))
    with FeedServer() as server:
        body = rss(*daily(2, "http://other.example"))
        with db.writing(engine) as session:
            for number in range(100):
                host, slow = f"{number}.example", number % 5 < 2
                if slow:
                    server.drip(host, "/f")
                else:
                    server.page(host, "/f", body)
                session.add(Source(id=f"s{number:03}", url=server.url(host, "/f"), created_at=NOW))
        report = look(engine, server, NOW, config=config)
    states = Counter(one.state for one in report.sources)
    assert states == {"ok": 60, "failing": 40}
    assert {one.error.partition(" did not ")[2] for one in report.sources if one.error} == {
        "answer in full within 10 s"
    }
    engine.dispose()


def test_what_had_no_turn_comes_first_at_the_next_round(engine: Engine) -> None:
    with FeedServer() as server:
        for name in ("a", "b", "c"):
            server.page("news.test", f"/{name}", rss(*daily(1, f"http://{name}.test")))
            add(engine, server, name, f"/{name}", host="news.test")
        server.answer("news.test", "/a", 429)
        first = {one.id: one for one in look(engine, server, NOW).sources}
        assert (first["a"].state, first["b"].state, first["b"].new) == ("late", "new", 0)
        assert "asks to be left alone" in str(first["b"].error)
        assert source(engine, "b").looked_at is None
        second = {one.id: one for one in look(engine, server, NOW + timedelta(minutes=20)).sources}
    assert [second[name].state for name in "abc"] == ["late", "ok", "ok"]
    assert [request.path for request in server.requests] == ["/a", "/b", "/c", "/a"]
