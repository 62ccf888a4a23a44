"""What polling 500 feeds costs: all unchanged, all changed, and two fifths of them slow; beside plain feedparser.

python tests/bench/polling.py [--feeds N] [--entries N] [--slow-deadline S]

The feeds are on a server of its own process, that counts what it sends. "plain" fetches the same bodies one after the
other with httpx and reads them with feedparser.parse: no deadline, caps, cleaning, identity or database.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from machine import peak_kb, table, versions

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
WORDS = ("talks", "grid", "harbour", "vote", "treaty", "budget", "coast", "court", "rail", "grain", "strait", "border")


def body(feed: int, edition: int, entries: int) -> bytes:
    """A feed as newsrooms have them; each edition has one entry that the one before had not."""
    items = []
    for number in range(edition, edition + entries):
        words = " ".join(WORDS[(feed * 7 + number * 5 + n * n) % len(WORDS)] for n in range(60))
        when = format_datetime(NOW - timedelta(hours=12 * (edition + entries - number)), usegmt=True)
        items.append(
            f"<item><title>{words[:60].title()} {number}</title><link>https://site{feed}.example/{number}</link>"
            f"<guid isPermaLink='false'>{feed}-{number}</guid><pubDate>{when}</pubDate><dc:creator>Jo Doe</dc:creator>"
            f"<category>World</category><description><![CDATA[<p>{words}</p><p><a href='/{number}'>More</a></p>]]>"
            f"</description><media:content url='https://site{feed}.example/{number}.jpg' width='800'/></item>"
        )
    spaces = "xmlns:dc='http://purl.org/dc/elements/1.1/' xmlns:media='http://search.yahoo.com/mrss/'"
    head = f"<?xml version='1.0' encoding='utf-8'?><rss version='2.0' {spaces}><channel><title>Site {feed}</title>"
    return f"{head}{''.join(reversed(items))}</channel></rss>".encode()


async def serve(entries: int) -> None:
    """The server: /EDITION/FEED, /slow/FEED, and /sent, which tells and forgets how many bytes went out."""
    sent, kept = 0, dict[tuple[int, int], bytes]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        edition, _, feed = head.split()[1].strip("/").partition("/")
        if edition == "sent":
            said, sent = json.dumps(sent).encode(), 0
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(said) + said)
        elif edition == "slow":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while not writer.is_closing():
                writer.write(b"<")
                await asyncio.sleep(1)
        else:
            etag = f'"{edition}-{feed}"'
            common = (
                f"ETag: {etag}\r\nContent-Type: application/rss+xml\r\nDate: {format_datetime(NOW, usegmt=True)}\r\n"
            )
            if f"if-none-match: {etag}" in head.lower():
                said = f"HTTP/1.1 304 Not Modified\r\n{common}\r\n".encode()
            else:
                key = int(edition), int(feed)
                text = kept.setdefault(key, body(key[1], key[0], entries))
                said = f"HTTP/1.1 200 OK\r\n{common}Content-Length: {len(text)}\r\n\r\n".encode() + text
            sent += len(said)
            writer.write(said)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@dataclass(frozen=True)
class Cost:
    """One round."""

    name: str
    feeds: int
    parsed: int
    new: int
    down: int
    cpu_s: float
    wall_s: float

    def row(self, peak: int) -> list[str]:
        """The line of the table."""
        per = self.cpu_s / self.feeds * 1000
        return [
            self.name,
            str(self.parsed),
            str(self.new),
            f"{self.down / self.feeds:,.0f}",
            f"{per:.2f}",
            f"{self.wall_s:.1f}",
            f"{peak / 1024:.0f}",
        ]


def own_cpu_s() -> float:
    """User and system seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def ours(port: int, feeds: int, deadline_s: float) -> list[list[str]]:
    """Four rounds of ours: first, unchanged, changed, and with slow ones."""
    import httpx
    from sqlmodel import select

    from digest import db
    from digest.config import Config, GatherConfig, MailConfig, SiteConfig
    from digest.gather import looking, run
    from digest.models import Source

    parsed = 0
    real = looking.read

    def counting(*given: object, **named: object) -> object:
        nonlocal parsed
        parsed += 1
        return real(*given, **named)  # type: ignore[arg-type]

    looking.read = counting  # type: ignore[assignment]

    async def resolver(name: str, at: int) -> Sequence[str]:
        return ["127.0.0.1"]

    def point(engine: object, edition: str, every: int = 1) -> None:
        with db.writing(engine) as session:  # type: ignore[arg-type]
            for number, source in enumerate(session.exec(select(Source).order_by(Source.id))):
                source.url = f"http://site{number}.example:{port}/{edition if number % 5 < every else '2'}/{number}"

    def round_(engine: object, name: str, now: datetime, timeout_s: float = 30.0) -> list[str]:
        nonlocal parsed
        config = Config(
            site=SiteConfig("News", "https://news.example"),
            mail=MailConfig("News <news@news.example>"),
            gather=GatherConfig(allow_private_addresses=True, timeout_s=timeout_s),
        )
        parsed = 0
        httpx.get(f"http://127.0.0.1:{port}/sent")
        cpu, wall = own_cpu_s(), time.perf_counter()
        report = asyncio.run(run.gather(engine, config, force=True, clock=lambda: now, resolver=resolver))  # type: ignore[arg-type]
        cpu, wall = own_cpu_s() - cpu, time.perf_counter() - wall
        down = int(httpx.get(f"http://127.0.0.1:{port}/sent").text)
        return Cost(name, feeds, parsed, report.articles_new, down, cpu, wall).row(peak_kb())

    with tempfile.TemporaryDirectory() as folder:
        engine = db.open_engine(f"sqlite:///{Path(folder) / 'digest.db'}")
        db.upgrade(engine)
        with db.writing(engine) as session:
            for number in range(feeds):
                session.add(Source(id=f"s{number:05}", url=f"http://x/{number}", created_at=NOW))
        point(engine, "1", 5)
        rows = [round_(engine, "first look", NOW)]
        rows.append(round_(engine, "all unchanged (304)", NOW + timedelta(hours=7)))
        point(engine, "2", 5)
        rows.append(round_(engine, "all changed", NOW + timedelta(hours=14)))
        point(engine, "slow", 2)
        rows.append(round_(engine, "two fifths slow, the rest unchanged", NOW + timedelta(hours=21), deadline_s))
        engine.dispose()
    return rows


def plain(port: int, feeds: int) -> list[list[str]]:
    """The same bodies, fetched with httpx and read by feedparser.parse."""
    import feedparser
    import httpx

    rows = []
    with httpx.Client() as client:
        for name, edition in (("plain: first look", 1), ("plain: all changed", 2)):
            client.get(f"http://127.0.0.1:{port}/sent")
            cpu, wall, new = own_cpu_s(), time.perf_counter(), 0
            for number in range(feeds):
                answered = client.get(f"http://127.0.0.1:{port}/{edition}/{number}")
                new += len(feedparser.parse(answered.content).entries)
            cpu, wall = own_cpu_s() - cpu, time.perf_counter() - wall
            down = int(client.get(f"http://127.0.0.1:{port}/sent").text)
            rows.append(Cost(name, feeds, feeds, new, down, cpu, wall).row(peak_kb()))
    return rows


def main() -> None:
    """Measure and print; each side in a process of its own."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--feeds", type=int, default=500)
    options.add_argument("--entries", type=int, default=20)
    options.add_argument("--slow-deadline", type=float, default=10.0, help="seconds, in place of 30")
    options.add_argument("--part", choices=["serve", "ours", "plain"], help=argparse.SUPPRESS)
    options.add_argument("--port", type=int, help=argparse.SUPPRESS)
    arguments = options.parse_args()
    if arguments.part == "serve":
        asyncio.run(serve(arguments.entries))
        return
    if arguments.part:
        own = arguments.part == "ours"
        rows = (
            ours(arguments.port, arguments.feeds, arguments.slow_deadline)
            if own
            else plain(arguments.port, arguments.feeds)
        )
        print(json.dumps(rows))
        return
    same = [sys.executable, __file__, "--feeds", str(arguments.feeds), "--entries", str(arguments.entries)]
    same += ["--slow-deadline", str(arguments.slow_deadline)]
    server = subprocess.Popen([*same, "--part", "serve"], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    port = server.stdout.readline().strip()
    rows = []
    try:
        for part in ("ours", "plain"):
            done = subprocess.run([*same, "--part", part, "--port", port], stdout=subprocess.PIPE, check=True)
            rows += json.loads(done.stdout)
        print(versions("httpx", "feedparser", "sqlalchemy"))
        print(f"{arguments.feeds} feeds of {arguments.entries} entries, {len(body(1, 1, arguments.entries)):,} bytes;")
        print(f"slow: 1 byte/s, deadline {arguments.slow_deadline:g} s\n")
    finally:
        server.kill()
        server.wait()
    head = ["round", "parsed", "new", "bytes down a feed", "CPU ms a feed", "seconds", "peak MB"]
    print(table(head, rows))


if __name__ == "__main__":
    main()
