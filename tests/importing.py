"""Imports for tests: bytes or a text into a database, as `digest subscribers import` takes them."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import datetime
from typing import Any

from newsroom import KEY, counting
from sqlalchemy import Engine

from digest import db
from subscribers.exporting import Wanted, export_people
from subscribers.transfer import Order, import_people

_random = counting()  # one for all: what is made with it is unique in a database
AGREED = Order("weekly", confirmed=True, consent="our old list")


def taker(engine: Engine, now: datetime) -> Callable[..., dict[str, Any]]:
    """What imports into the database: content, the order, and whatever else `import_people` knows."""

    def take(content: bytes | str, order: Order = AGREED, **more: Any) -> dict[str, Any]:
        return import_people(
            io.BytesIO(content.encode() if isinstance(content, str) else content),
            order,
            transaction=lambda: db.reading(engine) if order.dry_run else db.writing(engine),
            **{"enqueue": lambda session, sends: None, "key": KEY, "now": now, "random_bytes": _random, **more},
        )

    return take


def exported(engine: Engine, **wanted: Any) -> str:
    """The text of an export."""
    out = io.StringIO()
    with db.reading(engine) as session:
        export_people(session, out, Wanted(**wanted))
    return out.getvalue()
