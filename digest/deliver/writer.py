"""The one writer of a sender: a thread with one connection, that commits together what gathered while it committed.

An asynchronous sender asks with `await writer.do(step)`, and goes on when the commit that holds the step is on disk.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from sqlalchemy import Engine
from sqlmodel import Session

from digest import db
from digest.errors import DatabaseUnavailable

T = TypeVar("T")
_BREATH = 0.001  # seconds between commits in which the lock is free: the web isn't starved
_MOST = 256  # steps in one commit, so that none takes long
_PATIENCE = 60.0  # seconds a locked or restarting database is waited for: what a relay took must not be forgotten
_PAUSE = 0.5


@dataclass(frozen=True)
class _Asked:
    step: Callable[[Session], Any]
    answer: asyncio.Future[Any]


class Writer:
    """Runs steps in commits; as a context it is stopped, after the last step asked for, when the block ends."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self._asked: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._hurried = threading.Event()
        self.commits = 0

    async def __aenter__(self) -> Self:
        self._thread.start()
        return self

    async def __aexit__(self, *rest: object) -> None:
        self._asked.put(None)
        await asyncio.to_thread(self._thread.join)

    async def do(self, step: Callable[[Session], T]) -> T:
        """What `step` returns, once it is committed; its error, with nothing of it committed, if it fails."""
        answer: asyncio.Future[T] = self._loop.create_future()
        self._asked.put(_Asked(step, answer))
        return await answer

    def _run(self) -> None:
        while (first := self._asked.get()) is not None:
            group, going = self._gathered(first)
            self._commit(group)
            if not going:
                return
            time.sleep(_BREATH)

    def _gathered(self, first: _Asked) -> tuple[list[_Asked], bool]:
        group = [first]
        while len(group) < _MOST:
            try:
                more = self._asked.get_nowait()
            except queue.Empty:
                break
            if more is None:
                return group, False
            group.append(more)
        return group, True

    def hurry(self) -> None:
        """From here on a database that can't be used fails the steps at once."""
        self._hurried.set()

    def _commit(self, group: list[_Asked]) -> None:
        failing_since = time.monotonic()
        while (error := self._tried(group)) is not None:
            if isinstance(error, DatabaseUnavailable):
                if time.monotonic() - failing_since < _PATIENCE and not self._hurried.wait(_PAUSE):
                    continue
            elif len(group) > 1:  # one bad step fails alone
                for one in group:
                    self._commit([one])
                return
            for one in group:
                self._loop.call_soon_threadsafe(_fail, one.answer, error)
            return

    def _tried(self, group: list[_Asked]) -> Exception | None:
        try:
            with db.writing(self._engine) as session:
                results = [one.step(session) for one in group]
        except Exception as error:
            return error
        self.commits += 1
        self._loop.call_soon_threadsafe(_answer, group, results)
        return None


def _answer(group: list[_Asked], results: list[Any]) -> None:
    for one, result in zip(group, results, strict=True):
        if not one.answer.done():
            one.answer.set_result(result)


def _fail(answer: asyncio.Future[Any], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
