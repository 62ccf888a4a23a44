"""The tree of a segment's filter as a SQL expression, for both databases; every value is bound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Double, Text, and_, case, cast, false, func, literal, not_, or_, select
from sqlalchemy.sql.expression import collate

from subscribers.columns import table
from subscribers.models import Status, Subscriber, Subscription, Tag
from subscribers.segments import Ago, All, AnyOf, Got, Node, Not, Test, Value

_person = table(Subscriber)
_place = table(Subscription).alias("segment_place")
_tag = table(Tag).alias("segment_tag")

_DATES = {"joined": _place.c.created_at, "confirmed": _place.c.confirmed_at, "left": _place.c.left_at}
_DAY = timedelta(days=1)
_FAR = datetime(9999, 12, 30, tzinfo=UTC)  # beyond it no day has a next one
Condition = ColumnElement[bool]


@dataclass(frozen=True)
class Setting:
    """What a filter is about, besides its words."""

    dialect: str  # sqlite or postgresql
    now: datetime
    list_id: str | None = None  # status and dates are those on this list; None: on any
    got: Callable[[Got], Condition] = lambda issue: false()  # whether `subscriber` was reached


def condition(tree: Node, setting: Setting) -> Condition:
    """True for those rows of `subscriber` that the filter means; never unknown, so that `not` is the opposite."""
    match tree:
        case Not():
            return not_(condition(tree.of, setting))
        case All():
            return and_(*(condition(part, setting) for part in tree.of))
        case AnyOf():
            return or_(*(condition(part, setting) for part in tree.of))
        case Got():
            return setting.got(tree)
        case Test():
            return _test(tree, setting)


def _test(test: Test, setting: Setting) -> Condition:
    if test.field == "tag":
        return _tagged(test)
    if test.field == "list":
        return _on_list(test)
    if test.field == "status":
        return _placed(setting, *([] if test.operator == "set" else [_place.c.status.in_(test.values)]))
    if test.field in _DATES:
        return _placed(setting, _dated(_DATES[test.field], test, setting.now))
    if test.field == "attributes":
        return _surely(_attribute(test, setting))
    return _surely(_text(_column(test.field), test, setting.dialect))


def _column(field: str) -> ColumnElement[Any]:
    return func.lower(_person.c.language) if field == "language" else _person.c[field]


def _surely(said: ColumnElement[Any]) -> Condition:
    return func.coalesce(said, false(), type_=Boolean)


def _placed(setting: Setting, *conditions: Condition) -> Condition:
    here = [] if setting.list_id is None else [_place.c.list_id == setting.list_id]
    mine = _place.c.subscriber_id == _person.c.id
    return select(1).where(mine, *here, *conditions).correlate(_person).exists()


def _on_list(test: Test) -> Condition:
    mine = _place.c.subscriber_id == _person.c.id, _place.c.status == Status.CONFIRMED
    lists = [] if test.operator == "set" else [_place.c.list_id.in_(test.values)]
    return select(1).where(*mine, *lists).correlate(_person).exists()


def _tagged(test: Test) -> Condition:
    names = [] if test.operator == "set" else [_tag.c.name.in_(test.values)]
    return select(1).where(_tag.c.subscriber_id == _person.c.id, *names).correlate(_person).exists()


def _text(column: ColumnElement[Any], test: Test, dialect: str) -> ColumnElement[Any]:
    if test.operator == "set":
        return and_(column.is_not(None), column != "")
    if test.operator in ("=", "in"):
        return column.in_(test.values)
    value = literal(str(test.values[0]))
    # Not LIKE: its % and _, and its small letters on SQLite, would mean something else on each.
    if test.operator == "contains":
        return (func.strpos if dialect == "postgresql" else func.instr)(column, value) > 0
    size = func.length(value)
    if test.operator == "begins":
        return func.substr(column, 1, size) == value
    longer = func.length(column) >= size
    return and_(longer, func.substr(column, func.length(column) - size + 1) == value)


def _attribute(test: Test, setting: Setting) -> ColumnElement[Any]:
    said = _value_of(test.key, setting.dialect)
    if test.operator not in ("<", "<=", ">", ">="):
        return _text(said, test, setting.dialect)
    value = test.values[0]
    if isinstance(value, date):
        bytewise = collate(said, "C") if setting.dialect == "postgresql" else said
        return case(
            (_like_a_date(said, setting.dialect), bytewise.bool_op(test.operator)(value.isoformat())), else_=false()
        )
    number = cast(said, Double)
    return case((_like_a_number(said, setting.dialect), number.bool_op(test.operator)(value)), else_=false())


def _value_of(key: str, dialect: str) -> ColumnElement[Any]:
    """The attribute as text, NULL where there is none."""
    if dialect == "postgresql":
        return func.json_extract_path_text(_person.c.attributes, key)
    each = func.json_each(_person.c.attributes).table_valued("key", "value", "type")
    # true and false are 1 and 0 there otherwise.
    said = case(
        (each.c.type.in_(["true", "false"]), each.c.type),
        (each.c.type == "null", None),
        else_=cast(each.c.value, Text),
    )
    return select(said).where(each.c.key == key).correlate(_person).limit(1).scalar_subquery()


def _like_a_number(said: ColumnElement[Any], dialect: str) -> ColumnElement[Any]:
    if dialect == "postgresql":
        return said.bool_op("~")(r"^-?[0-9]{1,30}(\.[0-9]{1,30})?$")
    glob = said.bool_op("GLOB")
    return and_(
        or_(glob("[0-9]*"), glob("-[0-9]*")),
        func.substr(said, 2).bool_op("NOT GLOB")("*[^0-9.]*"),
        said.bool_op("NOT GLOB")("*.*.*"),
        said.bool_op("NOT GLOB")("*."),
        func.length(said) <= 62,
    )


def _like_a_date(said: ColumnElement[Any], dialect: str) -> ColumnElement[Any]:
    if dialect == "postgresql":
        return said.bool_op("~")("^[0-9]{4}-[0-9]{2}-[0-9]{2}")
    return said.bool_op("GLOB")("[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*")


def _dated(column: ColumnElement[Any], test: Test, now: datetime) -> ColumnElement[Any]:
    if test.operator == "set":
        return column.is_not(None)
    if test.operator == "in":
        return or_(*(_on_day(column, value) for value in test.values))
    value = test.values[0]
    if isinstance(value, Ago):
        return column.bool_op(test.operator)(now - value.span)
    if test.operator == "=":
        return _on_day(column, value)
    begins = _begins(value)
    return {
        "<": column < begins,
        "<=": column < begins + _DAY,
        ">": column >= begins + _DAY,
        ">=": column >= begins,
    }[test.operator]


def _on_day(column: ColumnElement[Any], value: Value) -> ColumnElement[Any]:
    begins = _begins(value)
    return and_(column >= begins, column < begins + _DAY)


def _begins(value: Value) -> datetime:
    """The day's first instant, in UTC."""
    assert isinstance(value, date)
    return min(datetime.combine(value, time(), UTC), _FAR)
