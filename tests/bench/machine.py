"""What a table of measurements stands on: the machine, the versions, the processes, the spread of repeated runs."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import statistics
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).parent


def versions(*packages: str, **others: str) -> str:
    """A line for the head of a table: the machine, Python packages, and `others` by name; unknown ones are left out."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    found = [f"{name} {metadata.version(name)}" for name in packages if _installed(name)]
    found += [f"{name} {version}" for name, version in others.items() if version]
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({model}), load {os.getloadavg()[0]:.1f}, "
        f"Linux {platform.release()}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
        f"{', '.join(found)}"
    )


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def tool(name: str) -> str | None:
    """Where a program is, sbin included."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


@cache
def fetched(package: str, version: str, *, fetch: bool) -> Path | None:
    """Where a package of node is, if need be fetched from npm into a cache; None where node, npm or it is not."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "digest-bench" / f"{package}-{version}"
    module, npm = cache / "node_modules" / package, tool("npm")
    if tool("node") and not module.exists() and fetch and npm:
        words = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", f"{package}@{version}"]
        subprocess.run([npm, "install", "--prefix", cache, *words], capture_output=True, check=False, timeout=120)
    return module if tool("node") and module.exists() else None


def said(*command: str | Path) -> str:
    """The last word of what a program prints, such as its version; empty if it is not there or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.split()[-1].lstrip("v") if done.stdout.split() else ""


def cpu_s(pids: Iterable[int]) -> float:
    """CPU seconds that processes have used, user and system."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def peak_kb(pid: int | str = "self") -> int:
    """The peak of a process's resident memory (VmHWM): its own; ru_maxrss goes on from its parent's. 0: ended."""
    return next((int(line.split()[1]) for line in _lines(f"/proc/{pid}/status") if line.startswith("VmHWM")), 0)


def spread(values: Sequence[float], digits: int = 0) -> str:
    """The median of repeated runs, and the least and the most of them."""
    if not values:
        return ""
    middle = f"{statistics.median(values):,.{digits}f}"
    return f"{middle} ({min(values):,.{digits}f}-{max(values):,.{digits}f})" if len(values) > 1 else middle


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
