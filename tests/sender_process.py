"""Processes that deliver, to be killed.

python tests/sender_process.py DATABASE PORT POLICY CONNECTIONS WINDOW      one sender
python tests/sender_process.py many                                         a sender forked for each job on stdin
python tests/sender_process.py modules                                      what a sender has loaded without need

`senders.Senders` speaks with the second form: everything is loaded once, so that a sender starts in milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from post import LINKS, config

from digest import db
from digest.config import RelayConfig
from digest.deliver import ledger, run
from digest.deliver.handing import hand, settle
from digest.deliver.writer import Writer

STEPS = ("after claim", "before handed", "after handed", "before outcome", "after outcome")


@dataclass(frozen=True)
class Job:
    """What a sender is to do, and where in its ledger it is to kill itself."""

    database: str
    port: int
    policy: str = "resend"
    connections: int = 8
    window: int = 4
    retry_first_s: int = 1
    issue_id: int | None = 12
    until_done: bool = True
    forever: bool = False
    step: str = ""  # one of STEPS
    at: int = 1  # the how-manieth such commit
    pid_file: str = ""  # gets its number, for a server that kills it
    lease_s: float = 30.0  # how long it watches a lease that is not renewed
    clock: str = ""  # file with the seconds that the clock is off by: a test sets it back and forth


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Mortal(Writer):
    """A writer that kills its process right before or right after a commit of the chosen kind."""

    job: Job
    left = 0

    async def do(self, step: Callable[..., Any]) -> Any:
        """As it is; a claim is known by what it returns."""
        answer = await super().do(step)
        if self.job.step == "after claim" and isinstance(answer, tuple) and isinstance(answer[0], ledger.Hold):
            self._count()
        return answer

    def ask(self, step: Callable[..., Any], one: Any, then: Callable[[Any], None]) -> None:
        """As it is."""
        mine = self.job.step.endswith({hand: "handed", settle: "outcome"}.get(step, "?"))
        before, after = (mine and self.job.step.startswith(when) for when in ("before", "after"))

        def told(answer: Any) -> None:
            if after:
                self._count()
            then(answer)

        super().ask(_dying(step, self) if before else step, one, told)

    def _count(self) -> None:
        self.left -= 1
        if self.left <= 0:
            _die()


@cache
def _dying(step: Callable[..., Any], writer: Mortal) -> Callable[..., Any]:
    def done(session: Any, ones: Any) -> Any:
        answer = step(session, ones)
        writer._count()
        return answer

    return done


def _clock(job: Job) -> Callable[[], datetime]:
    def now() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(Path(job.clock).read_text() or 0) if job.clock else 0)

    return now


async def main(job: Job, ready: Callable[[], object]) -> None:
    """Deliver as the job says; `ready` is called when signals are heard."""
    shape = {"connections": job.connections, "window": job.window}
    relay = RelayConfig(name="box", host="127.0.0.1", port=job.port, security="none", **shape)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    engine = db.open_engine(job.database)
    ledger.LEASE = timedelta(seconds=job.lease_s)
    Mortal.job, Mortal.left = job, job.at
    if job.pid_file:
        Path(job.pid_file).write_text(str(os.getpid()))
    run.Writer = Mortal  # type: ignore[misc]
    ready()
    told = await run.deliver(
        engine,
        config(relay, unknown=job.policy, retry_first_s=job.retry_first_s),
        LINKS,
        issue_id=job.issue_id,
        until_done=job.until_done,
        forever=job.forever,
        stop=stop,
        clock=_clock(job),
    )
    print(sorted(told.counts.items()), flush=True)
    engine.dispose()


def many() -> None:
    """A child for each job (a line of JSON), answered by its number; asked for a number, its exit code or null."""
    living: set[int] = set()
    for line in sys.stdin:
        asked = json.loads(line)
        if isinstance(asked, int):
            ended, status = os.waitpid(asked, os.WNOHANG)
            living.discard(ended)
            print(json.dumps(os.waitstatus_to_exitcode(status) if ended else None), flush=True)
            continue
        heard, said = os.pipe()
        child = os.fork()
        if child == 0:
            _be(Job(**asked), said)
        living.add(child)
        os.close(said)
        os.read(heard, 1)  # it is ready, or dead
        os.close(heard)
        print(child, flush=True)
    for child in living:
        os.kill(child, signal.SIGKILL)


def _be(job: Job, said: int) -> None:
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(2, 1)
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - as long as the process
    try:
        asyncio.run(main(job, lambda: os.write(said, b".")))
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def unwanted() -> list[str]:
    """Modules that a sender has no need of, and yet has loaded."""
    roots = ("fastapi", "starlette", "uvicorn", "feedparser", "httpx", "apscheduler", "typer", "mjml", "digest.web")
    return sorted(name for name in sys.modules if name.startswith(roots))


if __name__ == "__main__":
    if sys.argv[1:] == ["modules"]:
        print(unwanted())
    elif sys.argv[1:] == ["many"]:
        many()
    else:
        database, port, policy, connections, window = sys.argv[1:]
        asyncio.run(
            main(
                Job(database, int(port), policy, int(connections), int(window), issue_id=None),
                lambda: print("ready", flush=True),
            )
        )
