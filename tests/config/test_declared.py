"""The [[...]] tables in the database, on SQLite and PostgreSQL: created, updated, switched off, never deleted."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Engine
from sqlmodel import select

from digest import db
from digest.config import Config, EditionConfig, ListConfig, MailConfig, SiteConfig, SourceConfig
from digest.config.declared import apply, differs
from digest.config.stored import edition_from_json
from digest.models import Edition, Source, SourceState, people

EMPTY = Config(SiteConfig("Example", "https://example.org"), MailConfig("news@example.org"))
FEED = SourceConfig("blog", "https://example.org/feed", name="Blog", line=5)
LIST = ListConfig("weekly", "Weekly", line=10)
EDITION = EditionConfig("weekly", "weekly", "Weekly", line=15)
WHOLE = replace(EMPTY, sources=(FEED,), lists=(LIST,), editions=(EDITION,))


def applied(engine: Engine, config: Config, now: datetime) -> list[str]:
    with db.writing(engine) as session:
        return apply(session, config, now)


def source(engine: Engine, name: str = "blog") -> Source:
    with db.reading(engine) as session:
        return session.get_one(Source, name)


def test_an_empty_database_gets_everything(engine: Engine, now: datetime) -> None:
    assert applied(engine, WHOLE, now) == []
    with db.reading(engine) as session:
        assert session.get_one(people.MailingList, "weekly").declared_line == 10
        assert edition_from_json(session.get_one(Edition, "weekly").settings) == EDITION
    assert (source(engine).name, source(engine).declared_line, source(engine).created_at) == ("Blog", 5, now)


def test_a_second_start_changes_nothing(engine: Engine, now: datetime) -> None:
    applied(engine, WHOLE, now)
    with db.reading(engine) as session:
        assert not differs(session, WHOLE, now + timedelta(days=1))
        assert differs(session, replace(WHOLE, sources=()), now)
        assert list(session.new) == list(session.dirty) == []


def test_what_changed_in_the_file_changes(engine: Engine, now: datetime) -> None:
    applied(engine, WHOLE, now)
    feed = replace(FEED, name="The Blog", weight=2.0, line=7)
    assert applied(engine, replace(WHOLE, sources=(feed,)), now) == []
    assert (source(engine).name, source(engine).weight, source(engine).declared_line) == ("The Blog", 2.0, 7)


def test_what_is_gone_is_switched_off_and_said_once(engine: Engine, now: datetime) -> None:
    applied(engine, WHOLE, now)
    assert applied(engine, EMPTY, now) == [
        'list "weekly": switched off, as config.toml no longer holds it',
        'source "blog": switched off, as config.toml no longer holds it',
        'edition "weekly": switched off, as config.toml no longer holds it',
    ]
    assert (source(engine).active, source(engine).state) == (False, SourceState.OFF)
    assert applied(engine, EMPTY, now) == []


def test_what_comes_back_is_switched_on(engine: Engine, now: datetime) -> None:
    applied(engine, WHOLE, now)
    applied(engine, EMPTY, now)
    applied(engine, WHOLE, now)
    assert (source(engine).active, source(engine).state) == (True, SourceState.NEW)
    with db.reading(engine) as session:
        assert all(row.active for row in session.exec(select(Edition)))


def test_rows_added_by_command_stay_as_they_are(engine: Engine, now: datetime) -> None:
    with db.writing(engine) as session:
        session.add(Source(id="other", url="https://example.org/other", created_at=now))
    assert applied(engine, WHOLE, now) == []
    assert source(engine, "other").active


def test_the_file_takes_over_a_row_of_its_id(engine: Engine, now: datetime) -> None:
    with db.writing(engine) as session:
        session.add(Source(id="blog", url="https://example.org/old", created_at=now))
    assert applied(engine, WHOLE, now) == ['source "blog": line 5 of config.toml takes over the row of the database']
    assert (source(engine).url, source(engine).declared_line) == ("https://example.org/feed", 5)


def test_a_source_at_a_new_address_is_looked_at_afresh(engine: Engine, now: datetime) -> None:
    applied(engine, WHOLE, now)
    with db.writing(engine) as session:
        row = session.get_one(Source, "blog")
        row.etag, row.failures, row.state, row.next_look_at = "x", 3, SourceState.FAILING, now + timedelta(days=9)
    applied(engine, WHOLE, now)
    assert source(engine).etag == "x"
    applied(engine, replace(WHOLE, sources=(replace(FEED, url="https://example.org/new"),)), now)
    row = source(engine)
    assert (row.etag, row.failures, row.state, row.next_look_at) == (None, 0, SourceState.NEW, None)


def test_what_a_feed_calls_itself_stays_until_the_file_says_otherwise(engine: Engine, now: datetime) -> None:
    nameless = replace(WHOLE, sources=(replace(FEED, name=""),))
    applied(engine, nameless, now)
    with db.writing(engine) as session:
        session.get_one(Source, "blog").name = "A Feed's Title"
    with db.reading(engine) as session:
        assert not differs(session, nameless, now)
    elsewhere = replace(FEED, name="", url="https://example.org/other")
    applied(engine, replace(WHOLE, sources=(elsewhere,)), now)
    assert source(engine).name == ""
    applied(engine, WHOLE, now)
    assert source(engine).name == "Blog"
