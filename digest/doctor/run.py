"""The whole examination: everything at once, ended after fifteen seconds whatever still has not answered."""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from digest.config import Config
from digest.deliver.message import parse_mailbox
from digest.doctor import database, names, relays, settings
from digest.doctor.findings import Finding, doubtful
from digest.doctor.threads import threaded

DEADLINE_S = 15.0

Progress = Callable[[str, int, int | None], None]


async def examine(
    config: Config,
    engine: Engine,
    *,
    now: datetime,
    nameserver: tuple[str, int] | None = None,
    tls: ssl.SSLContext | None = None,
    progress: Progress = lambda label, done, total: None,
) -> list[Finding]:
    """Every finding, the same order each time; sends no mail and changes nothing.

    `nameserver` (host, port) is asked instead of this machine's own; `tls` has other authorities than this machine's.
    """
    largest = asyncio.create_task(_largest(engine))
    ehlo = config.mail.ehlo or parse_mailbox(config.mail.sender).domain
    froms = [config.mail.sender, *(one.sender for one in config.lists if one.sender)]
    senders = [parse_mailbox(one).domain for one in froms]
    parts: dict[str, Coroutine[Any, Any, list[Finding]]] = {
        "database": threaded(lambda: database.examine(engine, config, now)),
        **{f'[[relays]] "{relay.name}"': relays.examine(relay, ehlo, largest, now, tls) for relay in config.relays},
        "DNS": names.examine(config, senders, nameserver),
    }
    found = [*settings.examine(config, sys.version_info[:3]), database.clock()]
    tasks = {where: asyncio.create_task(work) for where, work in parts.items()}
    progress("Checks", 0, len(tasks))
    await _until_done(list(tasks.values()), progress)
    for where, task in tasks.items():
        if task.done():
            found += task.result()
        else:
            task.cancel()
            mend = "Look whether it, or the network to it, is down, and ask again."
            found.append(doubtful(where, f"no answer within {DEADLINE_S:g} seconds", mend))
    await asyncio.gather(largest, *tasks.values(), return_exceptions=True)
    return found


async def _largest(engine: Engine) -> int:
    with suppress(TimeoutError):
        return await asyncio.wait_for(threaded(lambda: database.largest_message(engine)), DEADLINE_S / 3)
    return 0


async def _until_done(tasks: list[asyncio.Task[list[Finding]]], progress: Progress) -> None:
    end = asyncio.get_running_loop().time() + DEADLINE_S
    left = set(tasks)
    while left and (patience := end - asyncio.get_running_loop().time()) > 0:
        _, left = await asyncio.wait(left, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        progress("Checks", len(tasks) - len(left), len(tasks))
