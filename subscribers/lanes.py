"""Work that is done in several threads, in order within each: two connections to PostgreSQL load two of its cores."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Generic, TypeVar

Work = TypeVar("Work")
Done = TypeVar("Done")

_AHEAD = 1  # pieces in a lane: the next is read while it works


class Lanes(Generic[Work, Done]):
    """`count` threads, each with its own queue; what fails in one is raised by the next `put` or by `rest`."""

    def __init__(self, count: int, do: Callable[[Work], Done]) -> None:
        self._do = do
        self._closing = ExitStack()
        self._threads = [self._closing.enter_context(ThreadPoolExecutor(1)) for _ in range(count)]
        self._waiting: list[deque[Future[Done]]] = [deque() for _ in range(count)]

    def __enter__(self) -> Lanes[Work, Done]:
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.shutdown(wait=False, cancel_futures=True)
        self._closing.close()

    def put(self, pieces: Sequence[Work]) -> Iterator[Done]:
        """Give each lane its piece; yields what is done by now, waiting where a lane has enough to do."""
        for thread, waiting, piece in zip(self._threads, self._waiting, pieces, strict=True):
            while len(waiting) >= _AHEAD:
                yield waiting.popleft().result()
            waiting.append(thread.submit(self._do, piece))

    def rest(self) -> Iterator[Done]:
        """What is still being done, when it is done."""
        for waiting in self._waiting:
            while waiting:
                yield waiting.popleft().result()
