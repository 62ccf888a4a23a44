"""Running coroutines under signals: SIGTERM and Ctrl-C ask for an orderly end, a second one ends at once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from digest.cli.frame import Frame
    from digest.service import Part

T = TypeVar("T")


def until_signalled(work: Callable[[asyncio.Event], Awaitable[T]]) -> T:
    """Run `work(stop)`; the first SIGTERM or SIGINT sets `stop`, the second is the interpreter's own."""
    with asyncio.Runner(loop_factory=_quick_loop()) as runner:
        return runner.run(_run(work))


def _quick_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    # The extra `fast`: half the CPU of a message goes into the loop.
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _run(work: Callable[[asyncio.Event], Awaitable[T]]) -> T:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def asked() -> None:
        stop.set()
        for one in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(one)

    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, asked)
    return await work(stop)


def serve(here: Frame, parts: list[Part]) -> None:
    """Run parts of the service until asked to stop, telling on stderr what happens."""
    from digest import service
    from digest.config.reading import require_secret

    require_secret(here.config)
    with here.app() as app:
        until_signalled(lambda stop: service.run(app, stop, parts))
