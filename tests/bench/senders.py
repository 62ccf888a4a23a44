"""The senders of the benchmark, each in a process of its own: what one run of each took."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from machine import HERE, fetched, said, tool

NODEMAILER = "10.6.0"


@dataclass(frozen=True)
class Load:
    """What is to be sent, and to which port of this machine."""

    port: int
    messages: int
    octets: int
    connections: int


@dataclass(frozen=True)
class Ours:
    """How we send: a filled issue of a database, the relay's window, the key files to sign with.

    `watched`: every request to the ledger is timed, which itself takes a few microseconds. `unhanded`, a watched one
    only: without the commit that says "handed" before a message may leave.
    """

    url: str
    issue: int
    synchronous: str = "full"
    window: int = 4
    keys: tuple[str, ...] = ()
    watched: bool = False
    unhanded: bool = False


@dataclass(frozen=True)
class Sent:
    """What one run took: seconds, CPU seconds by user and system, by the loop's and the ledger's thread."""

    messages: int
    seconds: float
    user: float
    system: float
    peak_kb: int = 0
    steady: float = 0.0  # CPU seconds a message after the first quarter
    loop: float = 0.0
    ledger: float = 0.0
    commits: int = 0
    window_ms: Sequence[float] = field(default_factory=tuple)  # from the 250 to our commit: p50, p99, longest

    @property
    def rate(self) -> float:
        """Messages a second, over the whole run."""
        return self.messages / self.seconds

    @property
    def cost(self) -> float:
        """CPU microseconds a message, over the whole run."""
        return self.each(self.user + self.system)

    def each(self, seconds: float) -> float:
        """Microseconds a message."""
        return seconds * 1e6 / self.messages


def ours(load: Load, how: Ours) -> Sent:
    """Our whole path."""
    return _told(sys.executable, HERE / "sender.py", "ours", json.dumps({**asdict(load), **asdict(how)}))


def aiosmtplib(load: Load) -> Sent:
    """aiosmtplib's `sendmail` on connections kept open."""
    return _told(sys.executable, HERE / "sender.py", "aiosmtplib", json.dumps(asdict(load)))


def nodemailer(load: Load, how: str) -> Sent:
    """nodemailer's pooled transport; `how` is raw or composed."""
    node, module = tool("node"), nodemailer_module(fetch=False)
    assert node and module
    return _told(node, HERE / "nodemailer.cjs", module, json.dumps(asdict(load)), how)


def smtp_source(load: Load) -> Sent:
    """Postfix's own load generator: a constant message in C."""
    before, at = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    given = ["-d", "-s", load.connections, "-m", load.messages, "-l", load.octets]
    given += ["-f", "news@review.example", "-t", "reader@example.org", f"inet:127.0.0.1:{load.port}"]
    subprocess.run([tool("smtp-source") or "smtp-source", *map(str, given)], check=True)
    seconds, after = time.perf_counter() - at, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Sent(load.messages, seconds, after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime)


def _told(*command: str | Path) -> Sent:
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return Sent(**found)


def nodemailer_module(*, fetch: bool) -> Path | None:
    """Where nodemailer is, if need be fetched; None where node, npm or the package is not."""
    return fetched("nodemailer", NODEMAILER, fetch=fetch)


def tool_versions(*, fetch: bool) -> dict[str, str]:
    """The versions of the tools that are no Python packages; "" for one that is not here."""
    return {
        "node": said(tool("node") or "node", "--version"),
        "nodemailer": NODEMAILER if nodemailer_module(fetch=fetch) else "",
        "Postfix": said(tool("postconf") or "postconf", "-h", "mail_version"),
    }
