"""Reading many people in pages: the last page costs what the first does, or a million people cost a million squared."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import office
import pytest
from post import AT
from sqlalchemy import Engine, event, text
from sqlmodel import Session

from digest import db
from subscribers import exporting
from subscribers.audience import members
from subscribers.standing import listing

PEOPLE, PAGE = 20_000, 2_000


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
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    return engine


@pytest.mark.parametrize("what", PAGES)
def test_a_page_reads_no_more_than_itself_wherever_it_begins(many: Engine, what: str) -> None:
    asked: list[tuple[str, Any]] = []

    def heard(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:
        if "LIMIT" in statement:
            asked.append((statement, parameters))

    event.listen(many, "before_cursor_execute", heard)
    with db.reading(many) as session:
        assert len(list(PAGES[what](session))) == PAGE
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
