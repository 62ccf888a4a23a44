"""Many rows given to one statement: a JSON array of arrays that it reads as a table, on SQLite and PostgreSQL alike."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import FromClause, bindparam, cast, column, func, select
from sqlalchemy.dialects.postgresql import JSON
from sqlmodel import Session


def dialect(session: Session) -> str:
    """The kind of database behind the session: sqlite or postgresql."""
    return session.get_bind().dialect.name


def given(dialect: str, columns: Mapping[str, Any]) -> FromClause:
    """The rows as a table to select from, with these columns and types; `values` are its parameters."""
    if dialect == "sqlite":
        each = func.json_each(bindparam("given")).table_valued("value", name="each_given")
        picked = [
            func.json_extract(each.c.value, f"$[{place}]", type_=kind()).label(name)
            for place, (name, kind) in enumerate(columns.items())
        ]
        return select(*picked).select_from(each).subquery("given")
    each = func.json_array_elements(cast(bindparam("given"), JSON)).table_valued(
        column("value", JSON), name="each_given"
    )
    picked = [cast(each.c.value[place].astext, kind).label(name) for place, (name, kind) in enumerate(columns.items())]
    return select(*picked).select_from(each).subquery("given")


def values(rows: Sequence[Sequence[object]]) -> dict[str, str]:
    """The rows, each in the order of the columns, as the statement takes them."""
    return {"given": json.dumps(rows)}


def instant(at: datetime) -> str:
    """An instant in such a row, as both databases keep it: naive UTC, to the microsecond."""
    return at.astimezone(UTC).isoformat(" ", "microseconds")[:26]
