"""Running coroutines under signals: SIGTERM and Ctrl-C ask for an orderly end, a second one ends at once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from digest.cli.frame import Frame
    from digest.service import Part
    from digest.wiring import App

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


def say_what_is_left(here: Frame, app: App, issue_id: int | None, stop: asyncio.Event) -> None:
    """After an orderly stop: how much is left, and what goes on with it."""
    from digest import db
    from digest.deliver.following import left

    if not stop.is_set():
        return
    with db.reading(app.engine) as session:
        number = left(session, issue_id)
    if number:
        goes_on = f"digest deliver --issue {issue_id}" if issue_id else "digest deliver"
        here.say(f"Stopped as asked: {number:,} deliveries are left, `{goes_on}` goes on with them.")


def serve(here: Frame, parts: list[Part]) -> None:
    """Run parts of the service until asked to stop, telling on stderr what happens."""
    from digest import service
    from digest.config.reading import require_secret

    require_secret(here.config)
    with here.app() as app:
        stops: list[asyncio.Event] = []

        async def serving(stop: asyncio.Event) -> None:
            stops.append(stop)
            await service.run(app, stop, parts)

        until_signalled(serving)
        if service.deliver in parts:
            say_what_is_left(here, app, None, stops[0])
