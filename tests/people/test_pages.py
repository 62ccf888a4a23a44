"""Reading many people in pages: the last page costs what the first does, or a million people cost a million squared."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import office
import pytest
from post import AT
from sqlalchemy import Engine, event, text
from sqlmodel import Session

from digest import db, segments
from digest.models import Issue
from subscribers import exporting
from subscribers.audience import Member, members
from subscribers.standing import listing

PEOPLE, PAGE = 20_000, 2_000
FILTER = "(tag = vip or attributes.city = Bern) and missed weekly and list = weekly and joined > 9 days ago"
TAGGED = "INSERT INTO tag SELECT 'vip', id FROM subscriber"
SENT = """
INSERT INTO delivery (occasion, issue_id, subscriber_id, variant_id, slice_id, message_id, state, attempts, settled_at)
SELECT 'issue:11', 11, id, 1, 1, '', 'sent', 1, now() - interval '99 years' FROM subscriber
"""


PAGES: dict[str, Callable[[Session], Iterable[object]]] = {
    "an audience": lambda session: members(session, "weekly", PEOPLE - PAGE, PAGE, now=AT, consented=0),
    "a listing": lambda session: listing(session, list_id="weekly", after=PEOPLE - PAGE, limit=PAGE),
    "a listing by status": lambda session: listing(session, status="confirmed", after=PEOPLE - PAGE, limit=PAGE),
}


@pytest.fixture
def many(engine: Engine) -> Engine:
    """A list of many people, whose size the database knows."""
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite reads from where it is told, PostgreSQL from where it thinks best")
    office.open_office(engine, PEOPLE)
    run(engine, "VACUUM ANALYZE")
    return engine


def run(engine: Engine, *statements: str) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            connection.execute(text(statement))


@pytest.mark.parametrize("what", PAGES)
def test_a_page_reads_no_more_than_itself_wherever_it_begins(many: Engine, what: str) -> None:
    check(many, PAGES[what])


def test_nor_does_one_that_tells_who_of_it_is_in_a_segment(many: Engine) -> None:
    office.add_issue(many, 11)
    run(many, TAGGED, SENT, "VACUUM ANALYZE")

    def page(session: Session) -> list[Member]:
        segment = segments.where(session, FILTER, now=AT, list_id="weekly", of=session.get_one(Issue, 12))
        return members(session, "weekly", 0, PAGE, now=AT, consented=0, segment=segment)

    check(many, page)


def check(many: Engine, page: Callable[[Session], Iterable[object]]) -> None:
    asked: list[tuple[str, Any]] = []

    def heard(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:
        if "LIMIT" in statement:
            asked.append((statement, parameters))

    event.listen(many, "before_cursor_execute", heard)
    with db.reading(many) as session:
        assert len(list(page(session))) == PAGE
    event.remove(many, "before_cursor_execute", heard)
    with many.connect() as connection:
        for statement, parameters in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters).scalar_one()
            assert max(read(plan[0]["Plan"])) <= 3 * PAGE  # when little is left, it may be read at once


def test_an_export_is_one_statement_that_comes_in_pages(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "PAGE", 30)
    office.open_office(engine, 100)
    asked: list[str] = []

    def heard(_: object, __: object, statement: str, *___: object) -> None:
        asked.append(statement)

    event.listen(engine, "before_cursor_execute", heard)
    with db.reading(engine) as session:
        pages = [len(page) for page in exporting._pages(session, exporting.Wanted("weekly"))]
    event.remove(engine, "before_cursor_execute", heard)
    assert pages == [30, 30, 30, 10]
    assert len([statement for statement in asked if "subscription" in statement]) == 1


def read(node: dict[str, Any]) -> Iterator[float]:
    """Rows that each step of a plan took from a table, in all its turns."""
    if "Relation Name" in node:
        removed = node.get("Rows Removed by Filter", 0)
        yield (node["Actual Rows"] + removed) * node["Actual Loops"]
    for inner in node.get("Plans", ()):
        yield from read(inner)
