"""The send benchmark: our whole path beside senders that only send. One Markdown table for each question:

sink     to a sink on this machine, 10 connections: rate, CPU, memory, and whether the sink is the bottleneck
far      to Postfix behind 50 ms: what round trips cost (where Postfix can be started; else our sink is there)
prices   what variants, signatures and durability cost us, where the CPU goes, and the window from 250 to commit
memory   the peak of `digest deliver` by the number of recipients

Ours is all of it: claim, personal links, 60 KB body, `handed` and outcome commits. The others send one constant
message. CPU is that of the sending process alone, by getrusage, from before its first connection to its last reply, so
rates and CPU include what is paid once; "steady" leaves out the first quarter of the messages. Senders take turns, each
table is run several times, and every figure is the median (least-most); ratios are medians of those within each run.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import ends
import senders
from machine import cpu_s, spread, table, tool, versions
from offices import databases, next_issue, opened
from senders import Load, Ours, Sent
from sqlalchemy import Engine, text

from digest import db

AIOSMTPLIB, SOURCE = "aiosmtplib sendmail", "smtp-source -d"
TABLES = ("sink", "far", "prices", "memory")


@dataclass(frozen=True)
class Turn:
    """One run of one sender, and the CPU seconds that the far end used in it."""

    sent: Sent
    far_s: float


Turns = Mapping[str, Sequence[Turn]]


def taken(contest: Mapping[str, Callable[[], Sent]], runs: int, pids: Sequence[int] = ()) -> Turns:
    """Every sender in turn, so many times."""
    turns: dict[str, list[Turn]] = {name: [] for name in contest}
    for _ in range(runs):
        for name, send in contest.items():
            before = cpu_s(pids)
            sent = send()
            turns[name].append(Turn(sent, cpu_s(pids) - before))
    return turns


def ratio(turns: Turns, name: str, base: str, figure: Callable[[Sent], float]) -> str:
    """The median of a figure's ratios to another sender's in the same run; "" without that sender."""
    pairs = zip(turns[name], turns.get(base, ()), strict=False)
    found = [figure(one.sent) / figure(other.sent) for one, other in pairs if figure(other.sent)]
    return f"{statistics.median(found):.2f}" if found else ""


def rate(sent: Sent) -> float:
    """Messages a second."""
    return sent.rate


def cost(sent: Sent) -> float:
    """CPU a message."""
    return sent.cost


def each(turns: Sequence[Turn], figure: Callable[[Sent], float], digits: int = 0) -> str:
    """The median of a figure (least-most)."""
    return spread([figure(turn.sent) for turn in turns], digits)


def middle(turns: Sequence[Turn], figure: Callable[[Sent], float]) -> str:
    """The median of a figure alone, "" for one that was not measured."""
    found = statistics.median(figure(turn.sent) for turn in turns)
    return f"{found:,.0f}" if found else ""


@contextmanager
def office(url: str, people: int, octets: int) -> Iterator[Engine]:
    """A database with that many people."""
    engine = opened(url, people, octets)
    try:
        yield engine
    finally:
        engine.dispose()


def ours(engine: Engine, load: Load, how: Ours, variants: int = 1) -> Sent:
    """Our whole path, on one more issue of that database."""
    issue = next_issue(engine, load.octets, variants)
    engine.dispose()
    return senders.ours(load, Ours(**{**vars(how), "issue": issue}))


def compared(turns: Turns, busy: bool = True) -> str:
    """Senders beside each other; one whose turns are empty is not installed."""
    head = ["sender", "messages", "msg/s", "x aiosmtplib", "x smtp-source", "CPU us/msg", "steady", "x aiosmtplib"]
    head += ["x smtp-source", "peak MB", *(["far end busy, % of a core"] * busy)]
    rows = []
    for name, some in turns.items():
        if not some:
            rows.append([name, "not installed", *[""] * (len(head) - 2)])
            continue
        row = [name, f"{some[0].sent.messages:,}"]
        row += [each(some, rate), ratio(turns, name, AIOSMTPLIB, rate), ratio(turns, name, SOURCE, rate)]
        row += [each(some, cost), middle(some, lambda sent: sent.steady * 1e6)]
        row += [ratio(turns, name, AIOSMTPLIB, cost), ratio(turns, name, SOURCE, cost)]
        row += [middle(some, lambda sent: sent.peak_kb / 1024)]
        row += [spread([turn.far_s / turn.sent.seconds * 100 for turn in some])] * busy
        rows.append(row)
    return table(head, rows)


def to_sink(arguments: argparse.Namespace) -> str:
    """The table `sink`."""
    many, few = arguments.messages, max(1, arguments.messages // 5)
    with ExitStack() as stack:
        end = stack.enter_context(ends.smtp_sink() if arguments.sink == "postfix" else ends.sink(arguments.sinks))
        url = stack.enter_context(databases(["sqlite"]))["sqlite"]
        engine = stack.enter_context(office(url, many, arguments.octets))
        load = partial(Load, end.port, octets=arguments.octets, connections=arguments.connections)
        contest: dict[str, Callable[[], Sent]] = {
            AIOSMTPLIB: lambda: senders.aiosmtplib(load(messages=few)),
            "digest": lambda: ours(engine, load(messages=many), Ours(url, 0)),
        }
        if tool("smtp-source"):
            contest[SOURCE] = lambda: senders.smtp_source(load(messages=many))
        mailer = "nodemailer, pooled, "
        if senders.nodemailer_module(fetch=not arguments.offline):
            contest[mailer + "raw"] = lambda: senders.nodemailer(load(messages=few), "raw")
            contest[mailer + "composed"] = lambda: senders.nodemailer(load(messages=few), "composed")
        turns = taken(contest, arguments.runs, end.pids)
        return compared({**dict.fromkeys((AIOSMTPLIB, SOURCE, "digest", mailer + "raw"), ()), **turns})


def far_away(arguments: argparse.Namespace) -> str:
    """The table `far`."""
    many = arguments.delayed
    with ExitStack() as stack:
        near = _far_ends(stack, arguments)
        port = {speech: stack.enter_context(ends.proxy(arguments.delay, end)).port for speech, end in near.items()}
        url = stack.enter_context(databases(["sqlite"]))["sqlite"]
        engines = {
            count: stack.enter_context(office(f"{url}{count}", count, arguments.octets))
            for count in {many, max(1, many // 4)}
        }

        def load(speech: str, messages: int) -> Load:
            return Load(port.get(speech, port["chunked"]), messages, arguments.octets, arguments.connections)

        def digest(speech: str, window: int, messages: int) -> Callable[[], Sent]:
            how = Ours(f"{url}{messages}", 0, window=window)
            return lambda: ours(engines[messages], load(speech, messages), how)

        contest = {
            AIOSMTPLIB: lambda: senders.aiosmtplib(load("pipelined", max(1, many // 8))),
            **({"digest, pipelined": digest("pipelined", 1, max(1, many // 4))} if "pipelined" in near else {}),
            "digest, chunked, window 4": digest("chunked", 4, many),
            "digest, chunked, window 16": digest("chunked", 16, many),
        }
        if tool("smtp-source"):
            contest[SOURCE] = lambda: senders.smtp_source(load("pipelined", max(1, many // 8)))
        return compared(taken(contest, arguments.runs), busy=False)


def _far_ends(stack: ExitStack, arguments: argparse.Namespace) -> Mapping[str, ends.End]:
    if arguments.relay:
        return {"chunked": ends.End(arguments.relay)}
    if not (why := ends.why_no_postfix()):
        return stack.enter_context(ends.postfix())
    print(f"\n{why}: our sink is the far end.")
    speeches = {"chunked": True, "pipelined": False}
    return {name: stack.enter_context(ends.sink(chunking=chunking)) for name, chunking in speeches.items()}


def prices(arguments: argparse.Namespace) -> str:
    """The table `prices`; ratios are to the plain line of the same database."""
    people = arguments.messages // 2 or 1
    with ExitStack() as stack:
        end = stack.enter_context(ends.sink(arguments.sinks))
        urls = stack.enter_context(databases(arguments.databases))
        engines = {kind: stack.enter_context(office(url, people, arguments.octets)) for kind, url in urls.items()}
        load = Load(end.port, people, arguments.octets, arguments.connections)
        contest: dict[str, Callable[[], Sent]] = {}
        bases: dict[str, str] = {}

        def add(kind: str, name: str, variants: int = 1, **how: object) -> None:
            given = Ours(**{"url": urls[kind], "issue": 0, "watched": True, **how})  # type: ignore[arg-type]
            contest[name] = lambda: ours(engines[kind], load, given, variants)
            bases[name] = next(iter(other for other in contest if other.startswith(kind)))

        keys = _keys(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        for kind in urls:
            add(kind, f"{kind}, full")
            if kind == "sqlite":
                add(kind, "sqlite, 50 variants", 50)
                for name, files in keys.items():
                    add(kind, f"sqlite, signed {name}", keys=files)
                add(kind, "sqlite, synchronous normal", synchronous="normal")
            else:
                off = "&options=-csynchronous_commit%3Doff"
                url = urls[kind] + (off if "?" in urls[kind] else off.replace("&", "?"))
                add(kind, f"{kind}, synchronous_commit off", url=url)
            add(kind, f"{kind}, full, without the handed commit", unhanded=True)
        turns = taken(contest, arguments.runs, end.pids)
        return _priced(turns, bases)


def _keys(folder: Path) -> dict[str, tuple[str, ...]]:
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    files = []
    for key in (rsa.generate_private_key(65537, 2048), ed25519.Ed25519PrivateKey.generate()):
        file = folder / f"{len(files)}.pem"
        file.touch(mode=0o600)
        file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        files.append(str(file))
    return {"RSA-2048": (files[0],), "ed25519": (files[1],), "both": tuple(files)}


def _priced(turns: Turns, bases: Mapping[str, str]) -> str:
    head = ["digest", "messages", "msg/s", "x", "CPU us/msg", "x", "user", "system", "loop thread", "ledger thread"]
    head += ["commits per 1,000", "250 to commit, ms: p50", "p99", "max"]
    rows = []
    for name, some in turns.items():
        row = [name, f"{some[0].sent.messages:,}", each(some, rate), ratio(turns, name, bases[name], rate)]
        row += [each(some, cost), ratio(turns, name, bases[name], cost)]
        for part in ("user", "system", "loop", "ledger"):
            row.append(middle(some, lambda sent, part=part: sent.each(getattr(sent, part))))  # type: ignore[misc]
        row.append(middle(some, lambda sent: sent.commits * 1000 / sent.messages))
        windows = list(zip(*(turn.sent.window_ms for turn in some), strict=True))
        row += [
            f"{pick(found):.1f}"
            for pick, found in zip((statistics.median, statistics.median, max), windows, strict=False)
        ]
        rows.append(row)
    return table(head, rows)


def memory(arguments: argparse.Namespace) -> str:
    """The table `memory`."""
    from memory import shown, weighed

    people = [*arguments.people, *([1_000_000] if arguments.million else [])]
    return shown([weighed(count, 2000) for count in people])


def postgresql_version(kinds: Sequence[str]) -> str:
    """The version of the server that the measurements use."""
    if "postgresql" not in kinds:
        return ""
    with databases(["postgresql"]) as urls:
        engine = db.open_engine(urls["postgresql"])
        with engine.connect() as connection:
            found = str(connection.scalar(text("SHOW server_version")))
        engine.dispose()
        return found.split(maxsplit=1)[0]


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ", ".join(TABLES)
    parser.add_argument("--tables", type=lambda text: text.split(","), default=TABLES, help=f"of {names}; all")
    parser.add_argument("--runs", type=int, default=3, help="turns of every sender; 3")
    parser.add_argument("--messages", type=int, default=10_000, help="of ours to the sink; 10,000; others send a fifth")
    parser.add_argument("--delayed", type=int, default=6000, help="of ours, chunked, behind the delay; 6,000")
    parser.add_argument("--delay", type=int, default=50, help="round trip in milliseconds; 50")
    parser.add_argument("--connections", type=int, default=10)
    parser.add_argument("--octets", type=int, default=60_000)
    parser.add_argument("--databases", type=lambda text: text.split(","), default=["sqlite", "postgresql"])
    parser.add_argument("--sink", choices=["ours", "postfix"], default="ours", help="postfix: its smtp-sink")
    parser.add_argument("--sinks", type=int, default=1, help="processes of our sink, which take connections in turn")
    parser.add_argument("--relay", type=int, help="port of a server on this machine, behind the delay, for Postfix")
    parser.add_argument("--people", type=lambda text: [int(one) for one in text.split(",")], default=[10_000, 100_000])
    parser.add_argument("--million", action="store_true", help="memory at 1,000,000 recipients, too (some ten minutes)")
    parser.add_argument("--offline", action="store_true", help="don't fetch nodemailer")
    return parser


def main() -> None:
    """Measure and print."""
    arguments = options().parse_args()
    began = time.monotonic()
    tools = {
        **senders.tool_versions(fetch=not arguments.offline),
        "PostgreSQL": postgresql_version(arguments.databases),
    }
    print(versions("aiosmtplib", "uvloop", "sqlalchemy", "psycopg", "cryptography", **tools))
    print(f"{arguments.octets:,} octets, {arguments.connections} connections, {arguments.runs} runs", flush=True)
    made = {"sink": to_sink, "far": far_away, "prices": prices, "memory": memory}
    for name in arguments.tables:
        print(f"\n{name}\n\n{made[name](arguments)}", flush=True)
    print(f"\n{time.monotonic() - began:.0f} seconds in all")


if __name__ == "__main__":
    main()
