"""Keeps a queue's pauses and paces in the database, and brings it what people and other senders have changed there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from digest.deliver.pacing import board, memory
from digest.deliver.pacing.breaker import Standing, notice, sentence
from digest.deliver.pacing.jobs import Jobs
from digest.deliver.pacing.memory import Key, News, Report
from digest.deliver.pacing.pace import Slowed
from digest.deliver.writer import Writer

Alarm = Callable[[str, str], None]
log = logging.getLogger(__name__)

TICK_S = 1.0
_LATE_S = 2.5 * TICK_S  # until the other senders have heard of one more
_TRIED = 2  # failures that a relay which was down at the last run has to its name


class Keeper:
    """`begin` before the first message is taken, `tick` every second, `end` after the last one."""

    def __init__(
        self, jobs: Jobs, writer: Writer, sender: str, clock: Callable[[], float], alarm: Alarm | None = None
    ) -> None:
        self._jobs = jobs
        self._writer = writer
        self._sender = sender
        self._clock = clock
        self._alarm = alarm
        self._told: set[tuple[Key, bool]] = set()  # what staff were told of in this run
        self._seen: dict[Key, int] = {}
        self._slowed: dict[str, Slowed] = {}

    async def begin(self) -> None:
        """Go on from where the last run was: a relay that was down is tried at once, with one message."""
        seconds = self._clock()
        now = datetime.fromtimestamp(seconds, UTC)
        kept = await self._writer.do(memory.standings)
        for key, one in kept.items():
            standing = one.standing
            if not key[1] and standing.cause and not standing.by_hand:
                standing = replace(standing, retry_at=seconds, failures=min(standing.failures, _TRIED))
            board.adopt(self._jobs, *key, standing, seconds)
            self._seen[key] = one.version
        self._slowed = await self._writer.do(lambda session: memory.slowed(session, now))
        board.slow(self._jobs, self._slowed, seconds)
        board.refill(self._jobs, await self._writer.do(lambda session: memory.last_pulse(session, now)))
        await self._exchange(pulse=board.limits(self._jobs), late=_LATE_S)

    async def tick(self, at_work: bool) -> bool:
        """Tell and hear; whether anything is different now, so that who waits should look again."""
        return await self._exchange(pulse=at_work and board.limits(self._jobs))

    async def end(self) -> None:
        """Give back what was not used."""
        now, unused = datetime.fromtimestamp(self._clock(), UTC), board.unused(self._jobs)
        await self._exchange(pulse=False)
        await self._writer.do(lambda session: memory.give_back(session, unused))
        await self._writer.do(lambda session: memory.fall_silent(session, self._sender, now))

    async def _exchange(self, *, pulse: bool, late: float = 0.0) -> bool:
        jobs, seconds, slowed = self._jobs, self._clock(), board.slowed(self._jobs)
        now = datetime.fromtimestamp(seconds, UTC)
        changed = {key: board.standing(jobs, *key) for key in jobs.changed}
        jobs.changed.clear()
        wishes = board.wishes(jobs, seconds)
        report = Report(
            self._sender,
            now,
            changed,
            dict(self._seen),
            wishes,
            {name: one for name, one in slowed.items() if self._slowed.get(name) != one},
            [name for name in self._slowed if name not in slowed],
            pulse,
        )
        self._slowed = slowed
        news = await self._writer.do(lambda session: memory.exchange(session, report))
        for wish, granted in zip(wishes, news.granted, strict=True):
            board.granted(jobs, wish, granted, seconds)
        if pulse:
            board.share(jobs, news.senders, seconds, late=late if news.senders > 1 else 0.0)
        await self._tell(changed)
        return self._heard(news, seconds) or bool(wishes)

    async def _tell(self, changed: Mapping[Key, Standing]) -> None:
        for key, standing in changed.items():
            if standing.closed or (key, standing.for_a_person) in self._told:
                continue
            self._told.add((key, standing.for_a_person))
            log.warning("%s", sentence(*key, standing))
            if self._alarm and standing.for_a_person:
                try:
                    await asyncio.to_thread(self._alarm, *notice(*key, standing))
                except Exception as error:  # it must not end the run: `digest relays list` says the same
                    log.warning("staff could not be told of it: %s", type(error).__name__)

    def _heard(self, news: News, now: float) -> bool:
        different = False
        for key, one in news.standings.items():
            if one.version == self._seen.get(key, 0):
                continue
            self._seen[key] = one.version
            if key not in news.kept:
                board.adopt(self._jobs, *key, one.standing, now)
                different = True
        return different
