"""The one writer of a sender: a thread with one connection, that commits together what gathered while it committed.

An asynchronous sender asks with `await writer.do(step)`, and goes on when the commit that holds the step is on disk.
What many ask for at once goes into few statements: `writer.ask(step, one, then)` runs `step` once for all of them.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Self, TypeVar

from sqlalchemy import Engine
from sqlmodel import Session

from digest import db
from digest.errors import DatabaseUnavailable

T = TypeVar("T")
A = TypeVar("A")
_BREATH = 0.001  # seconds before a commit in which the lock is free: the web isn't starved, and more gathers
_MOST = 256  # requests in one commit, so that none takes long
_PATIENCE = 60.0  # seconds a locked or restarting database is waited for: what a relay took must not be forgotten
_PAUSE = 0.5


class _Asked(NamedTuple):
    step: Callable[..., Any]
    then: Callable[[Any], None]
    fail: Callable[[Exception], None]
    one: tuple[Any, ...] = ()  # what `step` is run for, with others; empty: it runs alone


class Writer:
    """Runs steps in commits; as a context it is stopped, after the last step asked for, when the block ends."""

    def __init__(self, engine: Engine) -> None:
        self._pen = db.Pen(engine)
        self._loop = asyncio.get_running_loop()
        self._asked: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._hurried = threading.Event()
        self._gone: Exception | None = None  # the database was away when we were in a hurry: nothing is tried any more
        self.failure: asyncio.Future[None] = self._loop.create_future()  # the first error of what was asked with `ask`
        self.commits = 0

    async def __aenter__(self) -> Self:
        self._thread.start()
        return self

    async def __aexit__(self, *rest: object) -> None:
        self._asked.put(None)
        await asyncio.to_thread(self._thread.join)

    async def do(self, step: Callable[[Session], T]) -> T:
        """What `step` returns, once it is committed; its error, with nothing of it committed, if it fails.

        All that was asked for before is done before it.
        """
        answer: asyncio.Future[T] = self._loop.create_future()
        self._asked.put(_Asked(step, *_ends(answer)))
        return await answer

    def ask(self, step: Callable[[Session, Sequence[A]], Sequence[T]], one: A, then: Callable[[T], None]) -> None:
        """Call `then` with what `step` returns for `one`, once it is committed.

        `step` is run for all that is asked of it for the same commit, in the order of asking, and must answer each as
        if it were asked for that one alone. No commit has what was asked later without what was asked before it.
        An error, of that one alone, becomes the writer's `failure`, and `then` is not called.
        """
        self._asked.put(_Asked(step, then, self._failed, (one,)))

    def _failed(self, error: Exception) -> None:
        if not self.failure.done():
            self.failure.set_exception(error)

    def _run(self) -> None:
        try:
            self._write()
        finally:
            self._pen.close()

    def _write(self) -> None:
        while (first := self._asked.get()) is not None:
            time.sleep(_BREATH)
            group, going = self._gathered(first)
            self._commit(group)
            if not going:
                return

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
        """From here on a database that can't be used fails the requests at once."""
        self._hurried.set()

    def _commit(self, group: list[_Asked]) -> None:
        failing_since = time.monotonic()
        while (error := self._gone or self._tried(group)) is not None:
            if isinstance(error, DatabaseUnavailable):
                if time.monotonic() - failing_since < _PATIENCE and not self._hurried.wait(_PAUSE):
                    continue
                self._gone = error if self._hurried.is_set() else None
            elif len(group) > 1:  # one bad request fails alone
                for one in group:
                    self._commit([one])
                return
            self._loop.call_soon_threadsafe(_fail, group, error)
            return

    def _tried(self, group: list[_Asked]) -> Exception | None:
        try:
            with self._pen.writing() as session:
                results = [pair for some in _staged(group) for pair in _results(session, some)]
        except Exception as error:
            return error
        self.commits += 1
        self._loop.call_soon_threadsafe(self._answer, results)
        return None

    def _answer(self, results: list[tuple[Callable[[Any], None], Any]]) -> None:
        for then, result in results:
            try:
                then(result)
            except Exception as error:  # the others have their answers to hear
                self._failed(error)


def _staged(group: list[_Asked]) -> Iterator[list[_Asked]]:
    """The group in pieces of one step each; what runs alone stays after what was asked before it."""
    waiting: dict[Callable[..., Any], list[_Asked]] = {}
    for asked in group:
        if asked.one:
            waiting.setdefault(asked.step, []).append(asked)
        else:
            yield from waiting.values()
            waiting = {}
            yield [asked]
    yield from waiting.values()


def _results(session: Session, some: list[_Asked]) -> Iterator[tuple[Callable[[Any], None], Any]]:
    step = some[0].step
    results = step(session, [asked.one[0] for asked in some]) if some[0].one else [step(session)]
    for asked, result in zip(some, results, strict=True):
        yield asked.then, result


def _ends(answer: asyncio.Future[T]) -> tuple[Callable[[T], None], Callable[[Exception], None]]:
    def succeed(result: T) -> None:
        if not answer.done():
            answer.set_result(result)

    def fail(error: Exception) -> None:
        if not answer.done():
            answer.set_exception(error)

    return succeed, fail


def _fail(group: list[_Asked], error: Exception) -> None:
    for asked in group:
        asked.fail(error)
