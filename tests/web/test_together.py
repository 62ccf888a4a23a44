"""Clicks at once: they share a commit, and no more than that."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from newsroom import make_lists
from sqlalchemy import Engine, select
from sqlmodel import Session

from digest import db
from digest.models import people, table
from digest.web.together import Together


def test_one_click_that_fails_takes_no_other_along(engine: Engine, now: datetime) -> None:
    """On PostgreSQL a deadlock with a big import is the fault of one row: providers press once, and all must count."""
    with db.writing(engine) as session:
        make_lists(session, now)
    together, held = Together(engine), threading.Event()

    def wait(session: Session) -> None:
        assert held.wait(10)

    def suppress(number: int) -> None:
        def step(session: Session) -> None:
            session.add(people.Suppression(hash=f"{number}", scope="", reason="", at=now))
            session.flush()
            if number == 2:
                raise RuntimeError("two")

        together.do(step)

    with ThreadPoolExecutor(5) as threads:
        first = threads.submit(together.do, wait)
        time.sleep(0.2)  # until the first holds everybody up
        others = [threads.submit(suppress, number) for number in range(1, 5)]
        time.sleep(0.2)
        held.set()
        first.result()
        with pytest.raises(RuntimeError, match="two"):
            others.pop(1).result()
        for other in others:
            other.result()
    with db.reading(engine) as session:
        kept = session.execute(select(table(people.Suppression).c.hash)).scalars().all()
    assert sorted(kept) == ["1", "3", "4"]
