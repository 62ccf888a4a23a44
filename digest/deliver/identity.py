"""Who holds a slice: a sender's name, from which another on the same machine can tell that its process is dead.

Where that can't be told for certain (another host, another container, a system without /proc) nobody is called dead,
and the lease runs out instead.
"""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc")


def name() -> str:
    """A name for a sender in this process, unlike any other's: place, process, start of the process, a random word."""
    process = os.getpid()
    return f"{_place()}/{process}/{_started(process)}/{os.urandom(4).hex()}"


def is_dead(holder: str) -> bool:
    """Whether `holder` was a process of this very place that is certainly gone."""
    place, _, rest = holder.partition("/")
    process, _, rest = rest.partition("/")
    started = rest.partition("/")[0]
    if not (place and process.isdigit() and started) or place != _place():
        return False
    try:
        os.kill(int(process), 0)  # asks only; somebody else's process may be hidden from /proc, but not from this
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return _started(int(process)) not in (started, "")


def _place() -> str:
    """This boot of this machine and this space of process numbers, or nothing where they can't be known."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}:{(_PROC / 'self/ns/pid').readlink().name}"
    except OSError:
        return ""


def _started(process: int) -> str:
    """When that process began, in ticks since the boot; "ended" for one that only waits to be reaped; "" if unknown."""
    try:
        said = (_PROC / str(process) / "stat").read_text()
    except OSError:
        return ""
    # The name, in brackets, may hold anything; the state is the first field after it, the start the twentieth.
    fields = said.rpartition(")")[2].split()
    return "ended" if fields[0] in "ZX" else fields[19]
