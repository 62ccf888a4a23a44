"""Editions and issues for some of a list: who is foreseen, who is frozen, who gets the mail."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from mailbox import Mailbox
from typing import Any

import pytest
from office import invite, leave, rows
from post import config
from sqlalchemy import update
from variety import Wisher, choose

from digest import db, enqueuing, pipeline, proofs, wiring
from digest.compose import issues
from digest.compose.rows import issue_of
from digest.config import DatabaseConfig, EditionConfig, ListConfig, RetentionConfig
from digest.config.stored import edition_to_json
from digest.config.values import SectionConfig, SectionMatch
from digest.deliver import filling, reporting
from digest.errors import ConfigError, IllegalMove, NeedsDecision, NotFound, NothingToDo, Stopped
from digest.keeping import retention
from digest.keeping import run as keeping
from digest.models import Article, Edition, Issue, IssueState, Source, table
from digest.wiring import App
from subscribers import tagging
from subscribers.errors import BadFilter
from subscribers.models import Subscriber

SECTIONS = (
    SectionConfig("sea", "At Sea", SectionMatch(kind=("Sea",))),
    SectionConfig("land", "On Land", SectionMatch(kind=("Land",))),
)
WEEKLY = EditionConfig("weekly", "weekly", "Weekly", segment="tag = vip", line=1, sections=SECTIONS)
# Twice the same six wishes; the even ones have the tag, so that each of it has readers of three kinds.
WISHERS = [
    *(Wisher({}), Wisher({}), Wisher({"sections": ["land"]}), Wisher({"muted_sections": ["sea"]})),
    *(Wisher({"authors": ["Nobody Here"]}), Wisher({"editions": ["daily"]})),
] * 2
VIPS = {f"reader{number}@example.org" for number in (2, 4, 8, 10)}


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with Mailbox() as box:
        yield box


@pytest.fixture
def app(database_url: str, box: Mailbox) -> Iterator[App]:
    """A newsroom whose weekly is for those with a tag: six of twelve readers, two of whom chose another edition."""
    how = replace(
        config(box.relay()),
        database=DatabaseConfig(database_url),
        lists=(ListConfig("weekly", "Weekly", line=1),),
        editions=(WEEKLY, EditionConfig("daily", "weekly", "Daily", line=2)),
    )
    with wiring.opened(how) as app:
        write(app, "The harbour", "Sea")
        write(app, "The bridge", "Land")
        invite(app.engine, [(number, f"reader{number}@example.org") for number in range(1, len(WISHERS) + 1)])
        choose(app.engine, WISHERS)
        tag(app, *range(2, len(WISHERS) + 1, 2))
        yield app


def write(app: App, title: str, kind: str = "Sea") -> None:
    now, url = app.clock(), f"https://example.org/{title[4:]}"
    times = {"published_at": now, "first_seen_at": now, "available_at": now, "previous_look_at": now}
    with db.writing(app.engine) as session:
        if session.get(Source, "desk") is None:
            session.add(Source(id="desk", url="https://example.org/feed", active=False, created_at=now))
            session.flush()
        session.add(Article(canonical_url=url, url=url, source_id="desk", title=title, kind=kind, **times))


def tag(app: App, *readers: int, off: bool = False) -> None:
    with db.writing(app.engine) as session:
        (tagging.untag if off else tagging.tag)(session, "vip", table(Subscriber).c.id.in_(readers))


def ask(app: App, segment: str) -> None:
    """Another segment for the weekly, as a start with another config.toml leaves it."""
    settings = edition_to_json(replace(WEEKLY, segment=segment))
    with db.writing(app.engine) as session:
        session.execute(update(table(Edition)).where(table(Edition).c.id == "weekly").values(settings=settings))


def approved(app: App) -> int:
    composed = pipeline.compose(app, "weekly")
    assert composed.issue.id is not None
    with db.writing(app.engine) as session:
        issues.approve(session, composed.issue.id, composed.issue.content_hash, "staff", app.clock())
    return composed.issue.id


def shares(app: App, issue_id: int) -> proofs.Shares:
    with db.reading(app.engine) as session:
        return proofs.shares_of(app, session, issue_id)


def issue(app: App, issue_id: int) -> Issue:
    with db.reading(app.engine) as session:
        return issue_of(session, issue_id)


def send(app: App, issue_id: int, **more: Any) -> None:
    asyncio.run(pipeline.send(app, issue_id, **more))


def cut_off(app: App, issue_id: int, monkeypatch: pytest.MonkeyPatch, **more: Any) -> None:
    """Frozen by a process that dies before it writes a row."""

    def die(*_: object, **__: object) -> None:
        raise Stopped("killed")

    with monkeypatch.context() as dying:
        dying.setattr(enqueuing, "enqueue", die)
        with pytest.raises(Stopped):
            pipeline.release(app, issue_id, **more)


def reached(box: Mailbox) -> list[str]:
    return sorted(got.rcpt for got in box.messages)


def test_only_who_matches_gets_it_and_every_count_says_so(
    app: App, box: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    issue_id = approved(app)
    foreseen = shares(app, issue_id)
    assert (foreseen.readers, foreseen.nothing, foreseen.elsewhere, foreseen.outside) == (4, 0, 2, 6)
    audience = pipeline.audience_of(app, issue_id)
    assert audience.sentence == "You are about to mail 4 people. Not mailed, as they are outside its segment: 6."
    with pytest.raises(NothingToDo, match="not for this reader: they are outside its segment"):
        pipeline.stationery_of(app, issue_id, "reader1@example.org")
    assert "The bridge" in pipeline.stationery_of(app, issue_id, "reader4@example.org")[0].text
    caplog.set_level(logging.INFO, "digest")
    send(app, issue_id)
    assert reached(box) == sorted(VIPS)
    assert set(rows(app.engine)) == VIPS  # who is outside is not in the ledger
    assert shares(app, issue_id).variants == foreseen.variants
    assert [said for said in caplog.messages if "outside" in said] == [
        f"issue {issue_id}: 6 readers of its list are outside its segment"
    ]
    assert issue(app, issue_id).segments == ["tag = vip"]
    with db.reading(app.engine) as session:
        why = reporting.answer(session, issue_id, "reader1@example.org")
        assert "or outside the segment tag = vip, when the issue was frozen" in why


def test_what_changes_after_the_freeze_changes_nothing_but_leaving_and_erasing(app: App, box: Mailbox) -> None:
    issue_id = approved(app)
    pipeline.release(app, issue_id)
    tag(app, 2, off=True)
    tag(app, 1)
    ask(app, "tag = other")
    leave(app.engine, 4)
    keeping.erase(app.engine, "reader8@example.org", key=app.instance.suppression_key, now=app.clock())
    asyncio.run(pipeline.deliver(app, issue_id=issue_id))
    assert reached(box) == ["reader10@example.org", "reader2@example.org"]
    with db.reading(app.engine) as session:
        counts = reporting.status(session, issue_id)
    assert (counts["sent"], counts["skipped"], sum(counts.values())) == (2, 2, 4)
    assert issue(app, issue_id).state == IssueState.SENT


def test_an_issue_that_was_cut_off_goes_to_whom_it_was_frozen_for(
    app: App, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CHUNK", "SLICE", "_LEAST"):
        monkeypatch.setattr(filling, name, 1)  # pages of one reader, half of whom are outside
    issue_id = approved(app)
    cut_off(app, issue_id, monkeypatch)
    ask(app, "")
    assert shares(app, issue_id).readers == 4
    send(app, issue_id)
    assert reached(box) == sorted(VIPS)


def test_a_segment_that_means_nobody_is_told_and_mended(
    app: App, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(app, "tag = nobody")
    issue_id = approved(app)
    with pytest.raises(NeedsDecision) as caught:
        send(app, issue_id)
    assert str(caught.value) == (
        f"issue {issue_id} has nobody to go to: nobody on its list who gets this edition is in its segment, "
        "12 are outside it"
    )
    assert issue(app, issue_id).state == IssueState.APPROVED
    ask(app, "tag = vip")
    cut_off(app, issue_id, monkeypatch)
    tag(app, *range(13), off=True)  # nobody is left when the rows are written
    asyncio.run(pipeline.deliver(app, issue_id=issue_id))
    assert (issue(app, issue_id).state, reached(box)) == (IssueState.SENT, [])


def test_one_issue_for_those_who_missed_another_and_nobody_gets_it_twice(
    app: App, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(app, "")
    first = approved(app)
    with pytest.raises(BadFilter, match="at character 6 of the filter"):
        send(app, first, only="tag = ")
    with pytest.raises(NotFound, match='"weekly" has no issue 7'):
        send(app, first, only="missed weekly 7")
    send(app, first, only="tag = vip")
    with pytest.raises(NothingToDo, match="is sent"):
        send(app, first, only="tag != vip")
    box.messages.clear()
    write(app, "The ferry", "Land")
    second = approved(app)
    cut_off(app, second, monkeypatch, only="missed weekly 1")
    for state in (IssueState.FROZEN, IssueState.HELD):
        if state == IssueState.HELD:
            with db.writing(app.engine) as session:
                issues.move(session, second, IssueState.HELD, app.clock(), "late")
        with pytest.raises(IllegalMove, match="whom it goes to was fixed when it was frozen"):
            send(app, second, only="tag is missing")
    tag(app, 1)
    send(app, second)
    assert reached(box) == [f"reader{number}@example.org" for number in (1, 3, 7, 9)]
    assert issue(app, second).segments == ["missed weekly 1"]


def test_an_issue_and_its_edition_ask_together(app: App, box: Mailbox) -> None:
    issue_id = approved(app)
    send(app, issue_id, only="email begins reader1")
    assert reached(box) == ["reader10@example.org"]
    assert issue(app, issue_id).segments == ["tag = vip", "email begins reader1"]


def test_nobody_got_the_issue_that_is_being_sent(app: App) -> None:
    issue_id = approved(app)
    for segment, readers in (("got weekly", 0), ("missed weekly", 8), ("got weekly 1", 0), ("missed weekly 1", 8)):
        ask(app, segment)
        assert shares(app, issue_id).readers == readers
    pipeline.release(app, issue_id)
    assert len(rows(app.engine)) == 8 + 2  # and two who follow nothing of it
    ask(app, "missed weekly 12")
    write(app, "The ferry")
    with pytest.raises(NeedsDecision, match=r'^\[editions\] "weekly" segment: the edition "weekly" has no issue 12$'):
        pipeline.release(app, approved(app))


def test_a_segment_of_unknown_editions_and_lists_stops_the_start(app: App) -> None:
    edition = replace(WEEKLY, segment="not (got weakly or list in (weekly, dayly))")
    with pytest.raises(ConfigError) as caught, wiring.opened(replace(app.config, editions=(edition,))):
        pass
    assert caught.value.problems == (
        'config.toml: [editions] "weekly" segment: expected the id of a known edition (daily, weekly), got "weakly"',
        'config.toml: [editions] "weekly" segment: expected the id of a known list (weekly), got "dayly"',
    )
    with db.reading(app.engine) as session:
        assert session.get_one(Edition, "weekly").settings["segment"] == "tag = vip"  # what is refused is not kept


@pytest.mark.parametrize("held", [True, False], ids=["held", "approved"])
def test_an_issue_let_go_for_some_goes_to_nobody_else_whoever_ends_it(
    app: App, box: Mailbox, monkeypatch: pytest.MonkeyPatch, *, held: bool
) -> None:
    ask(app, "")
    issue_id = approved(app)
    if held:
        with db.writing(app.engine) as session:
            issues.move(session, issue_id, IssueState.HELD, app.clock(), "late")

    def die(*_: object, **__: object) -> None:
        raise Stopped("killed")

    with monkeypatch.context() as dying:
        dying.setattr(pipeline, "release", die)
        with pytest.raises(Stopped):
            send(app, issue_id, only="tag = vip")
    assert issue(app, issue_id).state == IssueState.APPROVED
    asyncio.run(pipeline.prepare(app, "weekly"))  # as the timetable does at the next slot
    asyncio.run(pipeline.deliver(app, issue_id=issue_id))
    assert reached(box) == sorted(VIPS)


def test_the_same_command_goes_on_where_it_was_cut_off(app: App, box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(app, "")
    issue_id = approved(app)
    cut_off(app, issue_id, monkeypatch, only="tag = vip")
    send(app, issue_id, only="tag = vip")
    assert reached(box) == sorted(VIPS)


def test_who_got_an_issue_is_not_guessed_once_its_ledger_is_gone(app: App, box: Mailbox) -> None:
    ask(app, "")
    first = approved(app)
    send(app, first)
    box.messages.clear()
    write(app, "The ferry", "Land")
    second = approved(app)
    with db.writing(app.engine) as session:
        retention.deliveries(session, RetentionConfig(ledger_days=1), app.clock() + timedelta(days=99))
    with pytest.raises(NotFound, match='who got issue 1 of the edition "weekly" is not known any more'):
        send(app, second, only="missed weekly 1")
    assert (reached(box), issue(app, second).state) == ([], IssueState.APPROVED)
