"""What runs for weeks: the web pages, the timetable and the delivery, together or apart, until asked to stop.

The web has a thread and an event loop of its own, so that a page never waits for a message; a part that fails
says so in the log and is tried again, and never takes the others with it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from digest import pipeline, staff
from digest.deliver.seats import run as seats
from digest.errors import ConfigError, DigestError, NeedsDecision, Stopped
from digest.timetable import Slot
from digest.wiring import App

log = logging.getLogger(__name__)

FAILED_S = 15.0
_REMIND_S = 900.0
_TIDY_LOOK_S = 600.0

Part = Callable[[App, asyncio.Event], Coroutine[Any, Any, None]]


async def run(app: App, stop: asyncio.Event, parts: list[Part]) -> None:
    """Run the parts side by side until `stop` is set; an error that no waiting mends ends them all."""
    tasks = [asyncio.create_task(part(app, stop)) for part in parts]
    try:
        await asyncio.gather(*tasks)
    finally:
        stop.set()
        await asyncio.gather(*tasks, return_exceptions=True)


async def deliver(app: App, stop: asyncio.Event) -> None:
    """Send whatever becomes due."""
    complaint = _Complaint()
    while not stop.is_set():
        try:
            await pipeline.deliver(app, forever=True, stop=stop)
        except (ConfigError, Stopped):
            if stop.is_set():
                return
            raise
        except DigestError as error:
            complaint.say(f"delivery waits, looking again every {FAILED_S:g} seconds: {error}")
            await waited(stop, FAILED_S)


async def timetable(app: App, stop: asyncio.Event) -> None:
    """Draft, publish and hold issues as the editions' timetables ask."""
    from digest.schedule import Timetable

    await _no_copy(app, stop)
    keeping = Timetable(app.engine, _Steps(app), site_zone=app.config.site.timezone, clock=app.clock)
    await asyncio.gather(keeping.run(stop), tidy(app, stop))


async def tidy(app: App, stop: asyncio.Event) -> None:
    """Let go of what is past its time, once a day, whichever of several processes comes first."""
    from digest.keeping import run

    while not stop.is_set():
        try:
            gone = await asyncio.to_thread(run.tidy_daily, app.engine, app.config.retention, app.clock())
        except DigestError as error:
            log.warning("what is past its time could not be let go of, and will be: %s", error)
        else:
            if gone and any(gone.values()):
                log.info("let go: %s", ", ".join(f"{count} {name}" for name, count in gone.items()))
        await waited(stop, _TIDY_LOOK_S)


async def _no_copy(app: App, stop: asyncio.Event) -> None:
    """Wait while the database is a copy that nobody adopted: its issues are the original's."""
    complaint = _Complaint()
    while not stop.is_set():
        try:
            await asyncio.to_thread(seats.check_no_copy, app.engine, app.config)
        except DigestError as error:
            complaint.say(f"the timetable waits, looking again every {FAILED_S:g} seconds: {error}")
            await waited(stop, FAILED_S)
        else:
            return


@dataclass
class _Complaint:
    """A sentence in the log when it is new, and again every quarter of an hour while it stays true."""

    last: str = ""
    again_at: float = 0.0

    def say(self, sentence: str) -> None:
        """Log it, or not."""
        now = time.monotonic()
        if sentence != self.last or now >= self.again_at:
            log.warning("%s", sentence)
            self.last, self.again_at = sentence, now + _REMIND_S


@dataclass(frozen=True)
class _Steps:
    """What the timetable has done, by the pipeline."""

    app: App

    async def draft(self, edition_id: str, slot: Slot) -> None:
        """Gather, and compose the slot's draft."""
        await pipeline.draft(self.app, edition_id, slot)

    async def publish(self, edition_id: str, slot: Slot) -> None:
        """Bring the slot's issue on its way; staff are told where it waits for a person, and what for."""
        try:
            await pipeline.prepare(self.app, edition_id, slot)
        except NeedsDecision as error:
            await asyncio.to_thread(staff.keep_waiting, self.app, edition_id, slot, error)
            raise

    def hold(self, edition_id: str, slot: Slot, reason: str) -> None:
        """Keep the slot's issue for a person to decide."""
        staff.hold(self.app, edition_id, slot, reason)


async def web(app: App, stop: asyncio.Event) -> None:
    """Serve the public pages on [web] bind; DigestError if they can't be."""
    from digest.web import create_app, serving

    listening = serving.listener(app.config.web.bind)
    server = serving.server(create_app(app))
    thread = threading.Thread(target=server.run, args=([listening],), name="web")
    thread.start()
    log.info("pages on http://%s", serving.address(listening))
    while thread.is_alive() and not stop.is_set():
        await waited(stop, 0.2)
    server.should_exit = True
    await asyncio.to_thread(thread.join)


async def waited(stop: asyncio.Event, seconds: float) -> None:
    """Wait for `seconds`, or until `stop` is set."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
