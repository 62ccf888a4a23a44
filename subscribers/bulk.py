"""Thousands of new rows at once, given to the driver itself: SQLAlchemy would cost more than the database does."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import lru_cache
from itertools import chain
from typing import Any

from sqlalchemy import Table, func, select, text
from sqlmodel import Session

_AT_ONCE = 500  # rows: of 18 columns these are 9,000 parameters, of the 32,766 that SQLite takes
_CACHE_KB = 40_000  # of SQLite: the indexes of a million people fit, and are not read from the file again and again


def prepare(session: Session) -> None:
    """Give the connection of `session` the memory that many inserts want, for as long as it is open."""
    if _is_sqlite(session):
        session.execute(text(f"PRAGMA cache_size = -{_CACHE_KB}"))


def stored(session: Session, column: Any, value: Any) -> Any:
    """`value` as the driver wants it for `column`: JSON as text, an instant without its zone."""
    dialect = session.get_bind().dialect
    process: Callable[[Any], Any] | None = column.type.dialect_impl(dialect).bind_processor(dialect)
    return process(value) if process else value


def insert(session: Session, into: Table, names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert `rows` of these columns, whose values are `stored` already and whose keys are not taken.

    SQLite takes hundreds of rows in a statement, which costs less than a step for each; PostgreSQL reads a COPY.
    """
    if not rows:
        return
    columns = ", ".join(f'"{name}"' for name in names)
    with closing(session.connection().connection.cursor()) as cursor:
        if _is_sqlite(session):
            whole = len(rows) - len(rows) % _AT_ONCE
            many, one = (_insertion(into.name, columns, len(names), count) for count in (_AT_ONCE, 1))
            for first in range(0, whole, _AT_ONCE):
                cursor.execute(many, [*chain.from_iterable(rows[first : first + _AT_ONCE])])
            cursor.executemany(one, rows[whole:])
            return
        with cursor.copy(f'COPY "{into.name}" ({columns}) FROM STDIN') as copy:
            for row in rows:
                copy.write_row(row)


@lru_cache(maxsize=16)
def _insertion(name: str, columns: str, width: int, count: int) -> str:
    row = f"({', '.join('?' * width)})"
    return f'INSERT INTO "{name}" ({columns}) VALUES {", ".join([row] * count)}'  # noqa: S608 - our own names


def next_ids(session: Session, of: Table, count: int) -> list[int]:
    """`count` ids that no row of the table `of` has, for this transaction to use."""
    if _is_sqlite(session):
        last = session.execute(select(func.max(of.c.id))).scalar() or 0
        return list(range(last + 1, last + 1 + count))
    each = func.nextval(select(func.pg_get_serial_sequence(of.name, "id")).scalar_subquery())  # looked up once
    # As one array: thousands of rows would cost more to read than to make.
    return list(
        session.execute(select(func.array_agg(each)).select_from(func.generate_series(1, count))).scalar() or ()
    )


def among(session: Session, column: Any, values: Sequence[str]) -> Any:
    """The condition that `column` is one of `values`, thousands of them, as one parameter."""
    if _is_sqlite(session):
        each = func.json_each(json.dumps(values)).table_valued("value")
        return column.in_(select(each.c.value))
    return column == func.any(list(values))


def _is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"
