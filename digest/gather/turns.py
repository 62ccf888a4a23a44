"""Whose turn it is to be asked: one request at a time to each host, twenty over all, and nobody waits for the slow."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine
from typing import Any

from digest.gather.hosts import owner_of
from digest.gather.outcomes import Failed, Later, Outcome

AT_ONCE = 20
SLOW_S = 2.0  # a request that takes longer makes room for another ...
SLOW_AT_ONCE = 250  # ... unless so many do


class Turns:
    """The turns of one round."""

    def __init__(self, slow_s: float = SLOW_S) -> None:
        self._slow_s = slow_s
        self._all = asyncio.Semaphore(AT_ONCE)
        self._slow = asyncio.Semaphore(SLOW_AT_ONCE)
        self._hosts: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._closed: dict[str, str] = {}

    async def ask(self, url: str, asking: Callable[[], Coroutine[Any, Any, Outcome]]) -> Outcome | str:
        """What came of `asking` for `url` when its host's turn had come, or a sentence: why it was not asked at all.

        A host that used up a whole deadline, or said that we ask too much, is asked nothing more in this round.
        """
        name = owner_of(url)
        async with self._hosts[name]:
            if name in self._closed:
                return self._closed[name]
            outcome = await self._in_turn(asking)
            if isinstance(outcome, Failed) and outcome.slow:
                self._closed[name] = (
                    f"{name} is too slow, another source there used up its time: it is asked again later"
                )
            if isinstance(outcome, Later) and outcome.busy:
                self._closed[name] = f"{name} asks to be left alone, for another source there: it is asked again later"
        return outcome

    async def _in_turn(self, asking: Callable[[], Coroutine[Any, Any, Outcome]]) -> Outcome:
        await self._all.acquire()
        held = self._all
        task = asyncio.ensure_future(asking())
        try:
            done, _ = await asyncio.wait({task}, timeout=self._slow_s)
            if not done and not self._slow.locked():
                await self._slow.acquire()
                self._all.release()
                held = self._slow
            return await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            held.release()
