"""From approved to on its way: stopped between two chunks, pressed twice, refused, cut off, cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from mailbox import Mailbox
from typing import Any

import pytest
from office import invite
from post import config
from sqlalchemy import delete

from digest import adoption, db, enqueuing, pipeline, service, staff, wiring
from digest.adoption import Choice
from digest.compose import issues
from digest.compose import run as composing
from digest.config import DatabaseConfig, EditionConfig, ListConfig
from digest.config.stored import edition_to_json
from digest.deliver.progress import Going
from digest.errors import NeedsDecision, NotAdopted, NothingToDo, Stopped
from digest.models import Article, Edition, Issue, IssueState, Seat, Source, table
from digest.pipeline import HeldSlot
from digest.wiring import App
from subscribers.models import Subscription

EDITION = EditionConfig("weekly", "weekly", "Weekly", line=1)


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with Mailbox() as box:
        yield box


@pytest.fixture
def app(database_url: str, box: Mailbox) -> Iterator[App]:
    """A newsroom with one article and three readers."""
    how = replace(
        config(box.relay()),
        database=DatabaseConfig(database_url),
        lists=(ListConfig("weekly", "Weekly", line=1),),
        editions=(EDITION,),
    )
    with wiring.opened(how) as app:
        write(app, "One")
        invite(app.engine, [(n, f"reader{n}@example.org") for n in (1, 2, 3)])
        yield app


def write(app: App, *titles: str) -> None:
    now = app.clock()
    with db.writing(app.engine) as session:
        if session.get(Source, "desk") is None:
            url = "https://example.org/feed"
            session.add(Source(id="desk", url=url, active=False, created_at=now))
            session.flush()
        for title in titles:
            url = f"https://example.org/{title}"
            times = {"published_at": now, "first_seen_at": now, "available_at": now, "previous_look_at": now}
            session.add(Article(canonical_url=url, url=url, source_id="desk", title=title, **times))


def issue_of(app: App, issue_id: int = 1) -> Issue:
    with db.reading(app.engine) as session:
        return session.get_one(Issue, issue_id)


def approved(app: App) -> int:
    composed = pipeline.compose(app, "weekly")
    assert composed.issue.id is not None
    with db.writing(app.engine) as session:
        issues.approve(session, composed.issue.id, composed.issue.content_hash, "staff", app.clock())
    return composed.issue.id


def frozen(app: App) -> int:
    """An issue whose publisher died right after freezing it."""
    issue_id = approved(app)

    def die(label: str, done: int, total: int | None, going: Going | None = None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipeline.release(app, issue_id, progress=die)
    assert issue_of(app, issue_id).state == IssueState.FROZEN
    return issue_id


def test_asked_to_stop_while_the_rows_are_written_it_says_so_and_is_resumed(app: App, box: Mailbox) -> None:
    issue_id, stop = approved(app), asyncio.Event()

    def tell(label: str, done: int, total: int | None, going: Going | None = None) -> None:
        stop.set()

    with pytest.raises(Stopped, match=f"3 deliveries of issue {issue_id} were written.*digest deliver --issue"):
        asyncio.run(pipeline.send(app, issue_id, stop=stop, progress=tell))
    assert (issue_of(app).state, issue_of(app).audience_complete) == (IssueState.FROZEN, False)
    assert asyncio.run(pipeline.deliver(app, issue_id=issue_id)).counts["sent"] == 3


def test_asked_to_stop_while_it_gathers_nothing_is_fixed(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    async def press() -> None:
        stop = asyncio.Event()

        async def forever(*args: Any, **named: Any) -> None:
            stop.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(pipeline, "gather", forever)  # a source that never answers
        await pipeline.publish(app, "weekly", stop=stop)

    with pytest.raises(Stopped, match="before anything was fixed"):
        asyncio.run(press())
    with db.reading(app.engine) as session:
        assert session.get(Issue, 1) is None


def test_pressed_twice_the_second_says_that_the_first_is_at_it(app: App, box: Mailbox) -> None:
    write(app, *(f"Story {n}" for n in range(5)))

    def quicker(audience: pipeline.Audience) -> None:
        pipeline.release(app, 1)  # somebody else, while this one was asked whether it is sure

    with pytest.raises(NothingToDo, match=r"issue 1 is on its way already.*`digest issues status 1` follows it"):
        asyncio.run(pipeline.publish(app, "weekly", agree=quicker))
    assert issue_of(app).state == IssueState.SENDING


def held(app: App) -> int:
    at = app.clock() - timedelta(hours=2)
    return staff.hold(app, "weekly", HeldSlot(f"{at:%Y-%m-%dT%H:%M}", at), "The slot was missed.").id or 0


def test_a_held_issue_that_can_not_be_let_go_stays_held_with_its_reason(app: App) -> None:
    with db.writing(app.engine) as session:  # too few articles, and the edition asks
        row = session.get_one(Edition, "weekly")
        row.settings = edition_to_json(replace(EDITION, min_articles=5, if_thin="ask"))
        session.add(row)
    issue_id = held(app)
    with pytest.raises(NeedsDecision):
        asyncio.run(pipeline.send(app, issue_id))
    assert (issue_of(app, issue_id).state, issue_of(app, issue_id).reason) == (IssueState.HELD, "The slot was missed.")


def test_a_held_issue_for_nobody_stays_held(app: App) -> None:
    issue_id = held(app)
    with db.writing(app.engine) as session:
        session.execute(delete(table(Subscription)))
    with pytest.raises(NeedsDecision, match="nobody to go to"):
        asyncio.run(pipeline.send(app, issue_id))
    assert issue_of(app, issue_id).state == IssueState.HELD


def test_a_held_issue_is_sent_when_asked_for(app: App, box: Mailbox) -> None:
    issue_id = held(app)
    told = asyncio.run(pipeline.send(app, issue_id))
    assert told.delivered is not None
    assert told.delivered.counts["sent"] == 3


def test_what_was_cut_off_while_frozen_is_picked_up_by_who_is_delivering_already(
    app: App, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enqueuing, "LOOK_S", 0.05)

    async def serve() -> None:
        stop = asyncio.Event()
        serving = asyncio.create_task(service.deliver(app, stop))
        await asyncio.sleep(0.2)  # it runs by now, and if it does not, the better
        await asyncio.to_thread(frozen, app)
        while (await asyncio.to_thread(issue_of, app)).state != IssueState.SENT:
            await asyncio.sleep(0.05)
        stop.set()
        await serving

    asyncio.run(asyncio.wait_for(serve(), 60))
    assert len(box.messages) == 3


@pytest.mark.parametrize("to", [IssueState.HELD, IssueState.CANCELLED])
def test_an_issue_that_somebody_took_meanwhile_stops_no_delivery(
    app: App, to: IssueState, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue_id = frozen(app)

    def meanwhile(*args: Any, **named: Any) -> bool:
        with db.writing(app.engine) as session:
            issues.move(session, issue_id, to, app.clock())
        return False

    monkeypatch.setattr(enqueuing, "_is_stale", meanwhile)  # between looking and doing
    asyncio.run(pipeline.deliver(app))
    assert issue_of(app, issue_id).state == to


def test_a_number_given_stays_given_once_a_later_one_is(app: App) -> None:
    first = frozen(app)
    write(app, "Two")
    second = frozen(app)
    with db.writing(app.engine) as session:
        assert issues.cancel(session, first, app.clock()).number == 1
        assert issues.cancel(session, second, app.clock()).number is None  # the latest one's is free again
    write(app, "Three")
    assert issue_of(app, frozen(app)).number == 2


# Copies


def make_a_copy(app: App) -> None:
    """The database is that of another place from here on."""
    with db.writing(app.engine) as session:
        session.execute(table(Seat).update().values(database="elsewhere"))


def test_adopting_pauses_what_was_on_its_way_and_holds_what_is_due(app: App, box: Mailbox) -> None:
    asyncio.run(pipeline.publish(app, "weekly"))
    write(app, "Two")
    sending = approved(app)
    pipeline.release(app, sending)
    write(app, "Three")
    at = app.clock() - timedelta(minutes=5)
    due = composing.compose(
        app.engine, app.config, app.links, "weekly", app.clock(), HeldSlot(f"{at:%Y-%m-%dT%H:%M}", at)
    ).issue
    make_a_copy(app)
    before = len(box.messages)
    for attempt in (pipeline.deliver(app), pipeline.publish(app, "weekly"), pipeline.send(app, sending)):
        with pytest.raises(NotAdopted, match="digest adopt"):
            asyncio.run(attempt)
    found = adoption.found(app)
    assert [(one.issue_id, one.left) for one in found.issues] == [(sending, 3)]
    assert adoption.adopt(app, Choice.PAUSE) == [sending, due.id]
    asyncio.run(pipeline.deliver(app))
    assert len(box.messages) == before
    assert (issue_of(app, sending).paused, issue_of(app, due.id or 0).state) == (True, IssueState.HELD)
    with db.writing(app.engine) as session:
        issues.pause(session, sending, False)
    asyncio.run(pipeline.deliver(app))
    assert len(box.messages) == before + 3


@pytest.mark.parametrize(
    ("choice", "state", "mails"), [(Choice.CANCEL, IssueState.CANCELLED, 0), (Choice.GO_ON, IssueState.SENT, 3)]
)
def test_adopting_otherwise(app: App, box: Mailbox, choice: Choice, state: IssueState, mails: int) -> None:
    asyncio.run(pipeline.publish(app, "weekly"))
    write(app, "Two")
    sending = approved(app)
    pipeline.release(app, sending)
    make_a_copy(app)
    before = len(box.messages)
    adoption.adopt(app, choice)
    asyncio.run(pipeline.deliver(app))
    assert (issue_of(app, sending).state, len(box.messages) - before) == (state, mails)


def test_the_timetable_of_a_copy_waits(app: App, caplog: pytest.LogCaptureFixture) -> None:
    asyncio.run(pipeline.publish(app, "weekly"))
    make_a_copy(app)

    async def keep() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(0.5, stop.set)
        await asyncio.gather(service.timetable(app, stop), service.deliver(app, stop))

    asyncio.run(keep())
    assert caplog.text.count("nothing is sent from this database before `digest adopt`") == 2
