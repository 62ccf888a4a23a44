"""What readers would get of an issue, before anything is fixed: proofs, one reader's mail, the list of variants."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from mailbox import Mailbox
from typing import Any

import pytest
from office import invite, rows
from post import config
from sqlalchemy import update
from variety import Wisher, choose, compiles

from digest import db, pipeline, proofs, wiring
from digest.compose import freezing, issues
from digest.compose.rendering import Rendered, render
from digest.config import DatabaseConfig, EditionConfig, ListConfig
from digest.config.values import SectionConfig, SectionMatch
from digest.errors import NeedsDecision, NotFound, NothingToDo, Stopped
from digest.models import Article, Issue, IssueState, Source, table
from digest.wiring import App

SECTIONS = (
    SectionConfig("sea", "At Sea", SectionMatch(kind=("Sea",))),
    SectionConfig("land", "On Land", SectionMatch(kind=("Land",))),
)
EDITION = EditionConfig("weekly", "weekly", "Weekly", line=1, sections=SECTIONS)
WISHERS = (
    Wisher({}),
    Wisher({"sections": ["land"]}),
    Wisher({"muted_sections": ["sea"]}),  # the same outcome
    Wisher({"authors": ["Nobody Here"]}),
    Wisher({}, "ar"),
    Wisher({"editions": ["daily"]}),
)


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with Mailbox() as box:
        yield box


@pytest.fixture
def app(database_url: str, box: Mailbox) -> Iterator[App]:
    """A newsroom with two sections, and six readers of whom five have chosen."""
    how = replace(
        config(box.relay()),
        database=DatabaseConfig(database_url),
        lists=(ListConfig("weekly", "Weekly", line=1),),
        editions=(EDITION, EditionConfig("daily", "weekly", "Daily", line=2)),
    )
    with wiring.opened(how) as app:
        now = app.clock()
        with db.writing(app.engine) as session:
            session.add(Source(id="desk", url="https://example.org/feed", active=False, created_at=now))
            session.flush()
            for title, kind in (("The harbour", "Sea"), ("The ferry", "Sea"), ("The bridge", "Land")):
                url = f"https://example.org/{title[4:]}"
                times = {"published_at": now, "first_seen_at": now, "available_at": now, "previous_look_at": now}
                session.add(Article(canonical_url=url, url=url, source_id="desk", title=title, kind=kind, **times))
        invite(app.engine, [(n, f"reader{n}@example.org") for n in range(1, len(WISHERS) + 1)])
        choose(app.engine, WISHERS)
        yield app


def approved(app: App) -> int:
    composed = pipeline.compose(app, "weekly")
    assert composed.issue.id is not None
    with db.writing(app.engine) as session:
        issues.approve(session, composed.issue.id, composed.issue.content_hash, "staff", app.clock())
    return composed.issue.id


def shares(app: App, issue_id: int) -> proofs.Shares:
    with db.reading(app.engine) as session:
        return proofs.shares_of(app, session, issue_id)


def plainly(found: proofs.Shares) -> list[tuple[int, int, str]]:
    return sorted((one.readers, len(one.articles), one.language) for one in found.variants)


def test_what_is_foreseen_is_what_goes_out(app: App, box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    issue_id = approved(app)
    foreseen = shares(app, issue_id)
    assert plainly(foreseen) == [(1, 3, "ar"), (1, 3, "en"), (2, 1, "en")]
    assert (foreseen.nothing, foreseen.elsewhere, foreseen.readers) == (1, 1, 4)
    audience = pipeline.audience_of(app, issue_id)
    assert audience.sentence == "You are about to mail 4 people. Skipped, as they follow nothing that is in it: 1."
    with compiles(monkeypatch) as seen:
        asyncio.run(pipeline.send(app, issue_id))
    assert len(seen) == 3
    written = shares(app, issue_id)
    assert (written.variants, written.nothing) == (foreseen.variants, 1)
    subjects = {got.rcpt: got.header("Subject") for got in box.messages}
    assert subjects["reader2@example.org"] == subjects["reader3@example.org"] == "The bridge"
    assert len(subjects) == 4
    assert rows(app.engine)["reader4@example.org"].reason == "nothing-chosen"


def test_any_readers_mail_is_shown_before_and_after(app: App) -> None:
    issue_id = approved(app)

    def shown(number: int) -> str:
        return pipeline.stationery_of(app, issue_id, f"Reader{number}@example.org")[0].text

    def look() -> None:
        assert ("The harbour" in shown(1), "The harbour" in shown(2), "The bridge" in shown(2)) == (True, False, True)
        assert shown(1) != shown(5)
        with pytest.raises(NothingToDo, match="they follow nothing that is in it"):
            shown(4)
        with pytest.raises(NothingToDo, match="they chose other editions of the list"):
            shown(6)
        with pytest.raises(NotFound, match="no reader with this address on the list weekly"):
            shown(99)

    look()
    pipeline.release(app, issue_id)
    look()
    kept = shown(2)
    choose(app.engine, [Wisher({})] * 6)  # what went out is what is shown, whatever they choose by now
    assert shown(2) == kept


def test_a_variant_that_cannot_go_out_is_found_before_anything_is_fixed(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue_id = approved(app)

    def spoiled(content: Any, **how: Any) -> Rendered:
        rendered = render(content, **how)
        return replace(rendered, problems=("a script is left",)) if content.language == "ar" else rendered

    with monkeypatch.context() as patch:
        patch.setattr(proofs, "render", spoiled)
        with pytest.raises(NeedsDecision, match=r"get 3 of its 3 articles, .* in 'ar', .*: a script is left"):
            pipeline.release(app, issue_id)
    with db.reading(app.engine) as session:
        assert session.get_one(Issue, issue_id).state == IssueState.APPROVED
    assert pipeline.release(app, issue_id).state == IssueState.SENDING


def test_one_that_fails_later_holds_its_issue_and_stops_no_other(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    issue_id = approved(app)

    def spoiled(content: Any, **how: Any) -> Rendered:
        return replace(render(content, **how), problems=("a script is left",))

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "prove", lambda *_, **__: proofs.NO_PROOFS)
        patch.setattr(freezing, "render", spoiled)
        with pytest.raises(NeedsDecision, match="a script is left"):
            pipeline.release(app, issue_id)
        asyncio.run(pipeline.deliver(app))
    with db.reading(app.engine) as session:
        held = session.get_one(Issue, issue_id)
    assert held.state == IssueState.HELD
    assert "a script is left" in held.reason
    assert asyncio.run(pipeline.send(app, issue_id)).composed.issue.state == IssueState.SENT


def test_asked_to_stop_while_proofs_are_printed_nothing_is_fixed(app: App) -> None:
    issue_id, stop = approved(app), asyncio.Event()
    stop.set()
    with pytest.raises(Stopped, match="before anything was fixed"):
        pipeline.release(app, issue_id, stop=stop)
    with db.reading(app.engine) as session:
        assert session.get_one(Issue, issue_id).state == IssueState.APPROVED


def test_readers_of_whom_none_follows_it(app: App) -> None:
    issue_id = approved(app)
    choose(app.engine, [Wisher({"authors": ["Nobody Here"]})] * 6)
    with pytest.raises(NeedsDecision, match="none of its list's readers follows anything that is in it"):
        pipeline.release(app, issue_id)


def test_a_closed_issue_has_nothing_to_show(app: App) -> None:
    issue_id = approved(app)
    row = table(Issue)
    with db.writing(app.engine) as session:
        session.execute(update(row).where(row.c.id == issue_id).values(state=IssueState.CANCELLED))
    with pytest.raises(NothingToDo, match="is cancelled: there is nothing to show"):
        shares(app, issue_id)
