"""The send benchmark: our whole path beside senders that only send, to one sink, in one run.

python tests/bench/send.py [--messages N] [--delayed N] [--connections N] [--octets N] [--databases LIST] [--relay PORT]

Ours is all of it: claim, personal links, body, handed and outcome commits. The others send one constant message.
CPU is that of the sending process alone, from its first to its last message, by getrusage.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from machine import HERE, listening, table, versions
from offices import databases, opened
from post import config

from digest.deliver.run import enqueue_issue

SENDER = HERE / "sender.py"
SINK = HERE / "sink.py"


@dataclass(frozen=True)
class Line:
    """What one sender did."""

    sender: str
    way: str
    messages: int
    seconds: float
    cpu: float
    peak_kb: int
    window_ms: list[float] = field(default_factory=list)  # p50, p99, longest
    ledger: float = 0.0  # CPU seconds of the writer's thread
    commits: int = 0

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds

    @property
    def cost(self) -> float:
        """CPU milliseconds a message."""
        return self.cpu * 1000 / self.messages


def told(name: str, way: str, *command: object) -> Line:
    """A sender's own measurement of itself."""
    said = subprocess.run(
        [sys.executable, SENDER, *map(str, command)], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    found: dict[str, Any] = json.loads(said)
    return Line(name, way, **found)


def smtp_source(tool: str, way: str, messages: int, octets: int, port: int, connections: int) -> Line:
    """Postfix's own load generator: a constant message in C."""
    before, at = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    given = ["-d", "-s", connections, "-m", messages, "-l", octets]
    given += ["-f", "news@review.example", "-t", "reader@example.org", f"inet:127.0.0.1:{port}"]
    subprocess.run([tool, *map(str, given)], check=True)
    seconds, after = time.perf_counter() - at, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Line("smtp-source -d", way, messages, seconds, cpu, 0)


def ours(kind: str, way: str, port: int, arguments: argparse.Namespace, messages: int) -> Line:
    """Our whole path on a new database of that kind."""
    backend, _, synchronous = kind.partition("-")
    with databases([backend]) as urls:
        url = urls[backend]
        engine = opened(url, messages, arguments.octets)
        enqueue_issue(engine, config(), 12, datetime.now(UTC) - timedelta(seconds=1))
        engine.dispose()
        return told(f"digest, {kind}", way, "ours", url, synchronous or "full", port, arguments.connections)


def measured(arguments: argparse.Namespace) -> list[Line]:
    """Every sender, straight and late."""
    lines: list[Line] = []
    source = shutil.which("smtp-source") or shutil.which("smtp-source", path="/usr/sbin")
    with ExitStack() as stack:
        port = arguments.relay or stack.enter_context(listening(SINK, "sink"))
        late = stack.enter_context(listening(SINK, "proxy", arguments.delay, port))
        ways = [("straight", port, arguments.messages), (f"{arguments.delay} ms away", late, arguments.delayed)]
        for way, at, messages in ways:
            if not messages:
                continue
            octets, connections = arguments.octets, arguments.connections
            lines.append(told("aiosmtplib sendmail", way, "aiosmtplib", messages, octets, at, connections))
            if source:
                lines.append(smtp_source(source, way, messages, octets, at, connections))
            kinds = arguments.databases if way == "straight" else arguments.databases[:1]
            lines += [ours(kind, way, at, arguments, messages) for kind in kinds]
    return lines


def shown(lines: list[Line]) -> str:
    """The table; ratios are to aiosmtplib's line of the same way."""
    rows = []
    for line in lines:
        first = next(other for other in lines if other.way == line.way)
        window = " / ".join(f"{ms:g}" for ms in line.window_ms)
        rows.append(
            [
                line.sender,
                line.way,
                f"{line.messages:,}",
                f"{line.rate:,.0f}",
                f"{line.rate / first.rate:.2f}",
                f"{line.cost:.3f}",
                f"{line.cost / first.cost:.2f}",
                f"{line.peak_kb / 1024:.0f}" if line.peak_kb else "",
                f"{line.ledger * 1e6 / line.messages:.0f}" if line.ledger else "",
                f"{2 * line.messages / line.commits:.1f}" if line.commits else "",
                window,
            ]
        )
    head = [
        "sender",
        "way",
        "messages",
        "msg/s",
        "x",
        "CPU ms/msg",
        "x",
        "peak MB",
        "ledger us/msg",
        "requests a commit",
        "250 to commit, ms: p50 / p99 / max",
    ]
    return table(head, rows)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--messages", type=int, default=5000)
    options.add_argument("--delayed", type=int, default=300, help="messages behind the delay; 0: none")
    options.add_argument("--delay", type=int, default=50, help="round trip in milliseconds")
    options.add_argument("--connections", type=int, default=10)
    options.add_argument("--octets", type=int, default=60_000)
    options.add_argument(
        "--databases", type=lambda text: text.split(","), default=["sqlite-full", "sqlite-normal", "postgresql"]
    )
    options.add_argument("--relay", type=int, help="port of a server on this machine, instead of our sink")
    arguments = options.parse_args()
    print(versions("aiosmtplib", "uvloop", "sqlalchemy", "psycopg"))
    print(f"{arguments.octets} octets, {arguments.connections} connections\n")
    print(shown(measured(arguments)))


if __name__ == "__main__":
    main()
