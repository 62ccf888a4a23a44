"""Links asked before an issue goes out: dead, not to be told, and what an edition may do about it (FEATURES 24)."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import office
import pytest
import trustme
from commands import Shell
from feedserver import FeedServer
from sqlalchemy import Engine, update
from sqlmodel import col, select
from webhost import add_issue, add_list, configured

from digest import db, pipeline, service, staff, wiring
from digest.compose import issues
from digest.config import Config, DatabaseConfig, EditionConfig, GatherConfig, ListConfig, RelayConfig, StaffConfig
from digest.deliver import stored
from digest.errors import NeedsDecision, RelayUnavailable
from digest.gather.fetch import Fetcher, Limits
from digest.gather.outcomes import Failed
from digest.linkcheck import judging, run
from digest.linkcheck.judging import DEAD, FINE, UNTOLD, Checked, Link, links, verdict
from digest.linkcheck.run import Wanted
from digest.models import Article, Delivery, Edition, Issue, IssueState, Source, Variant, table
from digest.pipeline import HeldSlot
from digest.slots import named

BASE = "https://paper.example"


def test_which_links_are_asked() -> None:
    html = (
        f'<a href="https://a.example/1#top">One <b>story</b></a><a href="https://a.example/1">again</a>'
        f'<a href="bw9xunsubscribex">Leave</a><a href="{BASE}/archive/weekly/1">Web</a><a href="{BASE}">Home</a>'
        f'<a href="mailto:desk@a.example">Write</a><a href="{BASE}.org/x">Other</a>'
        '<a href="http://b.example/?a=1&amp;b=2">B</a>'
    )
    assert links(html, "w9", BASE) == {
        "https://a.example/1": "One story",
        f"{BASE}.org/x": "Other",
        "http://b.example/?a=1&b=2": "B",
    }


@pytest.mark.parametrize(
    ("answer", "said"),
    [(200, FINE), (204, FINE), (304, FINE), (404, DEAD), (410, DEAD)]
    + [(status, UNTOLD) for status in (400, 401, 403, 405, 418, 429, 451, 500, 503, 999)]
    + [(Failed("x", lost=True), DEAD), (Failed("x", slow=True), UNTOLD), (Failed("x"), UNTOLD)],
)
def test_what_an_answer_says(answer: int | Failed, said: str) -> None:
    assert verdict("https://a.example/", answer)[0] == said


def test_a_look_is_kept_as_it_was_and_told() -> None:
    looked = Checked("2026-11-20T12:00:00+00:00", "abc", 9, (Link("https://a.example/", "A", DEAD, "404"),), 2)
    assert judging.from_json(json.loads(json.dumps(judging.to_json(looked)))) == looked
    assert judging.told(looked, "abc") == [
        "9 links were asked 2026-11-20 12:00 UTC, 1 dead, 2 left for want of time.",
        "  dead: https://a.example/ (404)",
    ]
    assert judging.told(replace(looked, links=(), left=0), "new") == [
        "9 links were asked 2026-11-20 12:00 UTC, none is dead; the issue has changed since."
    ]


@pytest.fixture
def server() -> Iterator[FeedServer]:
    """Pages on loopback, good and bad."""
    with FeedServer() as server:
        for status in (200, 403, 404, 410, 429, 500):
            server.answer("127.0.0.1", f"/{status}", status)
        server.answer("127.0.0.1", "/moved", 301, Location="/404")
        server.answer("127.0.0.1", "/circle", 301, Location="/circle")
        server.drip("127.0.0.1", "/endless")
        yield server


def settings(private: bool = True) -> Config:
    return replace(configured(), gather=GatherConfig(allow_private_addresses=private, timeout_s=3))


def asked(
    engine: Engine, now: datetime, urls: Iterable[str], fetching: Fetcher | None = None, deadline_s: float = 60
) -> Checked:
    """The verdicts on links that stand in an issue, after they were kept with it."""
    html = "".join(f'<a href="{url}">x</a>' for url in urls)
    with db.writing(engine) as session:
        add_list(session, now)
        add_issue(session, now, 1)
    found = asyncio.run(
        run.check(
            engine,
            settings(),
            Wanted(1, "hash", html, "w", BASE),
            lambda: now,
            fetching=fetching,
            deadline_s=deadline_s,
        )
    )
    with db.reading(engine) as session:
        assert judging.from_json(session.get_one(Issue, 1).links_checked or {}) == found
    return found


def verdicts(found: Checked) -> dict[str, str]:
    return {one.url.rpartition("/")[2]: one.verdict for one in found.links}


def test_links_are_asked_politely_and_judged(engine: Engine, now: datetime, server: FeedServer) -> None:
    names = ["200", "403", "404", "410", "429", "500", "moved", "circle", "endless", "%F0%9F%98%80"]
    found = asked(engine, now, [server.url("127.0.0.1", f"/{name}") for name in names])
    assert verdicts(found) == {
        "403": UNTOLD, "404": DEAD, "410": DEAD, "429": UNTOLD, "500": UNTOLD, "moved": DEAD, "circle": UNTOLD,
        "%F0%9F%98%80": DEAD,
    }  # fmt: skip
    assert (found.asked, found.left) == (10, 0)
    assert {one.url.rpartition("/")[2]: one.why for one in found.dead}["404"] == "404"
    assert all("authorization" not in one.headers and "cookie" not in one.headers for one in server.requests)


def test_a_head_that_is_answered_well_is_all_that_is_asked(engine: Engine, now: datetime, server: FeedServer) -> None:
    server.answer("127.0.0.1", "/fine", 301, Location="/200")
    assert asked(engine, now, [server.url("127.0.0.1", f"/{name}") for name in ("fine", "404")]).asked == 2
    assert [(one.method, one.path) for one in server.requests] == [
        ("HEAD", "/fine"),
        ("HEAD", "/200"),
        ("HEAD", "/404"),
        ("GET", "/404"),
    ]


def test_nobody_there_is_dead_and_our_own_trouble_is_not(engine: Engine, now: datetime) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = free.getsockname()[1]

    async def resolver(name: str, port: int) -> Sequence[str]:
        if name == "nobody.example":
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        if name == "later.example":
            raise socket.gaierror(socket.EAI_AGAIN, "try again")
        return ["127.0.0.1"]

    urls = ["http://nobody.example/nobody", "http://later.example/later", f"http://closed.example:{closed}/closed"]
    fetching = Fetcher(Limits(timeout_s=3, private=True), "Digest", resolver)
    assert verdicts(asked(engine, now, urls, fetching)) == {"nobody": DEAD, "later": UNTOLD, "closed": DEAD}


def test_a_certificate_of_another_is_dead(engine: Engine, now: datetime) -> None:
    own, ca = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), trustme.CA()
    ca.issue_cert("other.example").configure_cert(own)

    async def conversation() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        async def resolver(name: str, port: int) -> Sequence[str]:
            return ["127.0.0.1"]

        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=own)
        port = server.sockets[0].getsockname()[1]
        async with server, Fetcher(Limits(timeout_s=3, private=True), "Digest", resolver) as fetching:
            found = await fetching.probe(f"https://mine.example:{port}/", "HEAD")
        assert isinstance(found, Failed)
        assert found.lost

    asyncio.run(conversation())


def test_private_places_are_not_asked(now: datetime, server: FeedServer) -> None:
    async def conversation() -> int | Failed:
        async with Fetcher(Limits(timeout_s=3), "Digest") as fetching:
            return await fetching.probe(server.url("127.0.0.1", "/200"), "HEAD")

    found = asyncio.run(conversation())
    assert verdict("", found)[0] == UNTOLD
    assert server.requests == []


def test_the_deadline_holds_for_all(engine: Engine, now: datetime) -> None:
    with FeedServer() as server:

        def hanging() -> Iterable[bytes]:
            server.stopping.wait(5)
            return []

        server.raw("127.0.0.1", "/hangs", hanging)
        urls = [server.url("127.0.0.1", f"/hangs?{number}") for number in range(5)]
        for url in urls:
            server.raw("127.0.0.1", "/" + url.rpartition("/")[2], hanging)
        found = asked(engine, now, urls, deadline_s=1)
    assert found.left == 5
    assert found.asked == 0


CONFIG = """[site]
name = "Example"
url = "https://example.org"
postal_address = "1 Main Street"

[mail]
from = "News <news@example.org>"

[gather]
allow_private_addresses = true
timeout_s = 3

[[lists]]
id = "readers"
title = "Readers"

[[editions]]
id = "weekly"
list = "readers"
title = "Weekly"
dead_links = "{dead}"
"""


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """A shell in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Shell(tmp_path, capsys)


def composed(shell: Shell, server: FeedServer, dead: str, *names: str) -> None:
    (shell.folder / "config.toml").write_text(
        CONFIG.format(dead=dead).replace("https://example.org", server.url("127.0.0.1", "/200"))
    )
    for name in names:
        url = server.url("127.0.0.1", f"/{name}")
        added = shell("articles", "add", url, "--title", f"Story {name}")
        assert added.code == 0, added.err
    assert shell("issues", "compose", "weekly").code == 0


def test_who_approves_is_told_what_is_dead(shell: Shell, server: FeedServer) -> None:
    composed(shell, server, "warn", "200", "404", "403")
    answer = shell("--json", "issues", "check")
    assert (answer.code, answer.json["asked"], answer.json["dead"], answer.json["untold"]) == (0, 3, 1, 1)
    assert "dead: " in shell("issues", "preview", "--to", str(shell.folder / "preview")).out
    approved = shell("issues", "approve")
    assert approved.code == 0
    assert "Issue 1 is approved." in approved.out
    assert "/404 (404)" in approved.out


def test_an_edition_can_make_dead_links_wait_for_a_person(shell: Shell, server: FeedServer) -> None:
    composed(shell, server, "block", "200", "410")
    refused = shell("issues", "approve")
    assert refused.code == 4
    assert "issue 1 has a dead link: " in refused.err
    assert shell("--json", "issues", "list").json["issues"][0]["state"] == "draft"
    assert shell("issues", "approve", "--dead-links").code == 0
    assert shell("--json", "issues", "list").json["issues"][0]["state"] == "approved"


def test_without_dead_links_nothing_waits(shell: Shell, server: FeedServer) -> None:
    composed(shell, server, "block", "200", "429")
    assert shell("issues", "approve").code == 0
    assert server.asked("/429")


EDITOR = "editor@example.org"


@pytest.fixture
def blocked(database_url: str, server: FeedServer) -> Iterator[wiring.App]:
    """A newsroom whose timetable owes an issue since five minutes; its only article is gone from the web."""
    passed = datetime.now(UTC) - timedelta(minutes=5)
    edition = EditionConfig("weekly", "weekly", "Weekly", dead_links="block", line=1)
    edition = replace(edition, schedule=f"{passed.minute} {passed.hour} * * *", approval="automatic", draft_h=1)
    how = replace(
        settings(),
        database=DatabaseConfig(database_url),
        relays=(RelayConfig("none", "127.0.0.1", 1, security="none"),),
        staff=StaffConfig((EDITOR,)),
        lists=(ListConfig("weekly", "Weekly", line=1),),
        editions=(edition,),
    )
    with wiring.opened(how) as app:
        office.invite(app.engine, [(1, "reader@example.org")])
        at, url = app.clock() - timedelta(hours=1), server.url("127.0.0.1", "/410")
        with db.writing(app.engine) as session:
            session.add(Source(id="desk", url="https://example.org/feed", active=False, created_at=at))
            session.flush()
            times = {"published_at": at, "first_seen_at": at, "available_at": at, "previous_look_at": at}
            session.add(Article(canonical_url=url, url=url, source_id="desk", title="One", **times))
            known = {"timetable": named(edition, "UTC"), "timetable_since": at - timedelta(days=3)}
            session.execute(update(table(Edition)).values(**known))
        yield app


def test_on_the_timetable_a_blocked_issue_waits_for_a_person(
    blocked: wiring.App, caplog: pytest.LogCaptureFixture
) -> None:
    for looks in (1, 2):
        keep_timetable(blocked, lambda looks=looks: caplog.text.count("issue 1 has a dead link") == looks)  # type: ignore[misc]
    assert state(blocked) == IssueState.DRAFT
    [(subject, words)] = notices(blocked)  # told once
    assert subject.startswith("Waits for you: weekly of ")
    assert "issue 1 has a dead link: " in words
    assert "digest issues approve 1 --dead-links" in words
    with db.writing(blocked.engine) as session:
        issues.approve(session, 1, session.get_one(Issue, 1).content_hash, "editor", blocked.clock())
    keep_timetable(blocked, lambda: state(blocked) == IssueState.SENDING)


def test_a_blocked_issue_is_held_when_its_grace_is_over(blocked: wiring.App, caplog: pytest.LogCaptureFixture) -> None:
    keep_timetable(blocked, lambda: "issue 1 has a dead link" in caplog.text)
    later = replace(blocked, clock=lambda: wiring.utcnow() + timedelta(hours=9))
    keep_timetable(later, lambda: state(blocked) == IssueState.HELD)
    waits, held = notices(blocked)
    assert (waits[0].partition(":")[0], held[0].partition(":")[0]) == ("Waits for you", "Held")
    with db.reading(blocked.engine) as session:
        reason = session.get_one(Issue, 1).reason
    assert "missed" not in reason
    assert re.search(r"It waits for this: issue 1 has a dead link: \S+/410 \(410\)\.$", reason)
    assert "issue 1 has a dead link" in held[1]


def test_sending_a_held_issue_asks_its_links_again(blocked: wiring.App, server: FeedServer) -> None:
    at = blocked.clock()
    staff.hold(blocked, "weekly", HeldSlot(f"{at:%Y-%m-%dT%H:%M}", at), "Nobody was here.")
    for looks in (1, 2):
        with pytest.raises(NeedsDecision, match=r"dead link: .* digest issues send 1 --dead-links"):
            asyncio.run(pipeline.send(blocked, 1))
        assert (state(blocked), len(server.asked("/410"))) == (IssueState.HELD, 2 * looks)  # HEAD, then GET
    server.answer("127.0.0.1", "/410", 200)  # it is there again
    with pytest.raises(RelayUnavailable):  # the fixture's relay is none
        asyncio.run(pipeline.send(blocked, 1))
    assert state(blocked) == IssueState.SENDING


def test_a_held_issue_can_be_sent_with_its_dead_links(blocked: wiring.App, server: FeedServer) -> None:
    at = blocked.clock()
    staff.hold(blocked, "weekly", HeldSlot(f"{at:%Y-%m-%dT%H:%M}", at), "Nobody was here.")
    with pytest.raises(RelayUnavailable):
        asyncio.run(pipeline.send(blocked, 1, dead_links=True))
    assert (state(blocked), server.asked("/410")) == (IssueState.SENDING, [])


def state(app: wiring.App) -> str:
    with db.reading(app.engine) as session:
        return session.get_one(Issue, 1).state


def notices(app: wiring.App) -> list[tuple[str, str]]:
    """Subject and words of what was written to the editor, in order; nobody else was written to."""
    with db.reading(app.engine) as session:
        found = session.exec(select(Delivery).order_by(col(Delivery.id))).all()
        assert {one.address for one in found} == {EDITOR}
        written = (stored.stationery(session, session.get_one(Variant, one.variant_id)) for one in found)
        return [(one.subject, one.text) for one in written]


def keep_timetable(app: wiring.App, seen: Callable[[], bool]) -> None:
    """Keep the timetable until something is seen: each time it begins as after a restart."""

    async def scenario() -> None:
        stop = asyncio.Event()
        keeping = asyncio.create_task(service.timetable(app, stop))
        async with asyncio.timeout(20):
            while not await asyncio.to_thread(seen):
                await asyncio.sleep(0.05)
        stop.set()
        await keeping

    asyncio.run(scenario())
