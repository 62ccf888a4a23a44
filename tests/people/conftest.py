"""A session on an empty database with lists, on each kind of database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

import pytest
from newsroom import counting, make_lists
from sqlalchemy import Engine
from sqlmodel import Session

from digest import db


@pytest.fixture
def session(engine: Engine, now: datetime) -> Iterator[Session]:
    with db.writing(engine) as session:
        make_lists(session, now)
        yield session


@pytest.fixture
def random() -> Callable[[int], bytes]:
    return counting()
