"""How work that was asked to stop ends: soon, between two commits, saying how it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from digest.deliver.progress import Going, Watcher
from digest.errors import Stopped

T = TypeVar("T")


async def unless_stopped(stop: asyncio.Event | None, work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns; Stopped, with `work` cancelled, if `stop` is set before it is done."""
    if stop is None:
        return await work
    working, told = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, told}, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            raise Stopped("stopped before anything was fixed: the same command begins anew")
        return working.result()
    finally:
        working.cancel()
        told.cancel()
        await asyncio.gather(working, told, return_exceptions=True)


def stopping(progress: Watcher, stop: asyncio.Event | None, issue_id: int) -> Watcher:
    """`progress`, that raises Stopped between two chunks of an audience once `stop` is set."""

    def report(label: str, done: int, total: int | None, going: Going | None = None) -> None:
        progress(label, done, total, going)
        if stop is not None and stop.is_set():
            raise Stopped(
                f"stopped after {done:,} deliveries of issue {issue_id} were written, before the first was sent: "
                f"`digest deliver --issue {issue_id}` goes on from there"
            )

    return report
