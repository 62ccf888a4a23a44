"""Many rows for one statement, on the driver itself: on hot paths SQLAlchemy's own work would be most of the work.

A statement is written once, over the columns of the rows to come. SQLite prepares it once and steps it for each row.
PostgreSQL reads the rows as a table out of one JSON array of arrays: one round trip, whatever their number.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, bindparam, cast, column, func, select
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement
from sqlmodel import Session

Row = tuple[Any, ...]
Rows = Mapping[str, ColumnElement[Any]]

_PREFIX = "given_"  # plain names belong to SQLAlchemy's SET clause


@dataclass(frozen=True, eq=False)
class Statement:
    """A statement over rows with these columns (names and types), in this order; made once, when it is first run.

    `made` gets the columns and the kind of database. The first column tells the rows apart; on PostgreSQL a statement
    that changes rows returns it.
    """

    columns: Mapping[str, Any]
    made: Callable[[Rows, str], ClauseElement]


def changed(session: Session, statement: Statement, rows: Sequence[Row]) -> list[bool]:
    """For each row whether the statement changed one for it, as if it were run for each alone, in this order."""
    if not rows:
        return []
    run = _compiled(statement, session.get_bind().dialect)
    if run.getter:
        cursor = session.connection().connection.cursor()
        counts = [cursor.execute(run.sql, run.getter(row + run.fixed)).rowcount == 1 for row in rows]
        cursor.close()
        return counts
    said = [False] * len(rows)
    for some in _once_each(rows):
        back = {row[0] for row in _sent(session, run, [rows[place] for place in some])}
        for place in some:
            said[place] = rows[place][0] in back
    return said


def found(session: Session, statement: Statement, rows: Sequence[Row]) -> list[Row]:
    """What the statement selects for all the rows, in no order."""
    if not rows:
        return []
    run = _compiled(statement, session.get_bind().dialect)
    if run.getter:
        cursor = session.connection().connection.cursor()
        all_ = [tuple(got) for row in rows for got in cursor.execute(run.sql, run.getter(row + run.fixed)).fetchall()]
        cursor.close()
        return all_
    return _sent(session, run, rows)


def put(session: Session, statement: Statement, rows: Sequence[Row], shared: Mapping[str, Any]) -> None:
    """Run the statement for all the rows; `shared` are parameters of its own that are the same for all of them."""
    run = _compiled(statement, session.get_bind().dialect)
    if run.getter is None:
        _sent(session, run, rows, shared)
        return
    fixed, getter = tuple({**run.constants, **shared}.values()), run.getter
    cursor = session.connection().connection.cursor()
    cursor.executemany(run.sql, [getter(row + fixed) for row in rows])
    cursor.close()


def instant(at: datetime) -> str:
    """An instant in such a row, as both databases keep it: naive UTC, to the microsecond."""
    return (at if at.tzinfo is UTC else at.astimezone(UTC)).isoformat(" ", "microseconds")[:26]


@dataclass(frozen=True)
class _Compiled:
    sql: str
    constants: Mapping[str, Any]
    fixed: Row = ()
    getter: Callable[[Row], Row] | None = None  # from a row and what is fixed to parameters by place


@cache
def _compiled(statement: Statement, dialect: Dialect) -> _Compiled:
    made = statement.made(_columns(statement.columns, dialect.name), dialect.name)
    compiled: Any = made.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    constants = {
        name: str(value) if isinstance(value, str) else value  # drivers are quick with the plain type only
        for name, value in compiled.params.items()
        if not name.startswith(_PREFIX)
    }
    if dialect.name != "sqlite":
        return _Compiled(str(compiled), constants)
    order = [*(_PREFIX + name for name in statement.columns), *constants]
    getter = operator.itemgetter(*(order.index(name) for name in compiled.positiontup))
    return _Compiled(str(compiled), constants, tuple(constants.values()), getter)


def _columns(columns: Mapping[str, Any], dialect: str) -> Rows:
    if dialect == "sqlite":
        return {name: bindparam(_PREFIX + name, None, type_=kind()) for name, kind in columns.items()}
    each = func.json_array_elements(cast(bindparam(_PREFIX + "rows", None), JSON)).table_valued(
        column("value", JSON), name="each_given"
    )
    picked = [cast(each.c.value[place].astext, kind).label(name) for place, (name, kind) in enumerate(columns.items())]
    table = select(*picked).select_from(each).subquery("given")
    return {name: table.c[name] for name in columns}


def _sent(
    session: Session, run: _Compiled, rows: Sequence[Row], shared: Mapping[str, Any] = MappingProxyType({})
) -> list[Row]:
    parameters = {**run.constants, **shared, _PREFIX + "rows": json.dumps(rows)}
    result = session.connection().exec_driver_sql(run.sql, parameters)
    return [tuple(row) for row in result] if result.returns_rows else []


def _once_each(rows: Sequence[Row]) -> Iterator[list[int]]:
    # A statement changes a row once and can't say for whom: two requests about one row take two statements.
    left = list(range(len(rows)))
    while left:
        first: dict[Any, int] = {}
        for place in left:
            first.setdefault(rows[place][0], place)
        yield list(first.values())
        left = [place for place in left if first[rows[place][0]] != place]
