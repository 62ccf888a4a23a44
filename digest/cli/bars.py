"""How far the work is, on stderr once it has taken a second: bars in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from digest.deliver.progress import Going

_AFTER_S = 1.0
_LINE_S = 10.0


class Bars:
    """Call it with (label, done, total); each label gets a bar of its own, without a total one that only moves.

    With a `Going` the bar says its rate, what time is left, and what was put off or failed.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._progress:
            self._progress.stop()

    def __call__(self, label: str, done: int, total: int | None, going: Going | None = None) -> None:
        if self._progress is None:
            if time.monotonic() - self._began < _AFTER_S:
                return
            self._progress = _drawn()
        if label not in self._tasks:
            self._tasks[label] = self._progress.add_task(label, total=total, said="")
        said = going.words if going else f"{done:,}" if total is None else f"{done:,} of {total:,}"
        self._progress.update(self._tasks[label], completed=done, total=total, said=said)


class Lines:
    """The same without a terminal: a line every ten seconds, for a log or for who waits."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say, self._clock = say, clock
        self._last = clock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        pass

    def __call__(self, label: str, done: int, total: int | None, going: Going | None = None) -> None:
        now = self._clock()
        if now - self._last < _LINE_S:
            return
        self._last = now
        self._say(f"{label}: {going.words if going else f'{done:,}' if total is None else f'{done:,} of {total:,}'}")


def _drawn() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    # The words are what counts: where the line is short, the bar gives way.
    progress = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None, table_column=Column(min_width=4, max_width=40, ratio=1)),
        TextColumn("{task.fields[said]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
        console=Console(stderr=True),
        expand=True,
    )
    progress.start()
    return progress
