"""A served site with one public list and one reader."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import httpx
import pytest
from sqlalchemy import Engine
from webhost import Host, add_list, serving

from digest import db


@pytest.fixture
def host(engine: Engine, now: datetime) -> Iterator[Host]:
    """The pages on a loopback port, with the public list "weekly"."""
    with db.writing(engine) as session:
        add_list(session, now, description="Every Friday.")
    with serving(engine, now) as host:
        yield host


@pytest.fixture
def web(host: Host) -> Iterator[httpx.Client]:
    """A client of `host`."""
    with host.client() as client:
        yield client
