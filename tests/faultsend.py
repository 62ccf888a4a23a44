"""An issue sent to a server that fails, hour after hour, until nobody waits any more."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from history import OPEN
from office import rows
from post import AT, LINKS, config
from sqlalchemy import Engine

from digest.config import DkimConfig, RelayConfig
from digest.deliver.pacing import breaker
from digest.deliver.run import Means, deliver, enqueue_issue
from digest.deliver.smtp import Timeouts
from digest.errors import RelayUnavailable
from digest.links import Links

PATIENT = Timeouts(greeting=30, command=30, data=30, block=30, end=30)  # no fault of these tests is a silence


def quick_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A relay in trouble is tried again after moments."""
    for cause, plan in list(breaker.PLANS.items()):
        monkeypatch.setitem(breaker.PLANS, cause, replace(plan, first=0.01, longest=0.05))


def send(
    engine: Engine,
    relays: Sequence[Mapping[str, Any]],
    *,
    policy: str = "hold",
    timeouts: Timeouts = PATIENT,
    authority: Any = None,
    hours: int = 46,
    links: Links = LINKS,
    dkim: tuple[DkimConfig, ...] = (),
    **mail: Any,
) -> int:
    """Deliver issue 12, once an hour by the clock of the ledger; how many runs it took. No task is left behind."""
    settings = replace(config(*(RelayConfig(**relay) for relay in relays), unknown=policy, **mail), dkim=dkim)
    tls = None
    if authority:
        tls = ssl.create_default_context()
        authority.configure_trust(tls)
    means = Means(timeouts=timeouts, tls=tls, dice=lambda: 0.5)
    enqueue_issue(engine, settings, 12, AT)
    for hour in range(hours):
        ahead = AT + timedelta(hours=hour, seconds=-time.monotonic())

        def clock(ahead: datetime = ahead) -> datetime:
            return ahead + timedelta(seconds=time.monotonic())

        async def run(clock: Callable[[], datetime] = clock) -> None:
            with suppress(RelayUnavailable):
                await deliver(engine, settings, links, issue_id=12, clock=clock, means=means)
            await asyncio.sleep(0)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, f"left behind: {left}"

        asyncio.run(run())
        if not any(row.state in OPEN for row in rows(engine).values()):
            return hour + 1
    return hours
