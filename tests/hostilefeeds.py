"""Feeds made to hurt whoever reads them, and what reading each costs: in a process of its own, watched and fenced in.

python tests/hostilefeeds.py           the table
python tests/hostilefeeds.py NAME      one, as JSON
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import re
import resource
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MAX_S = 5.0
MAX_GROWTH_MB = 300
FENCE = 2_000_000_000  # bytes of address space: what grows beyond is stopped, not the machine
PATIENCE_S = 120
THOUSANDS = 10**5
MILLION = 10**6

HEAD = (
    b"<?xml version='1.0'?>%s<rss version='2.0' xmlns:dc='http://purl.org/dc/elements/1.1/' "
    b"xmlns:xi='http://www.w3.org/2001/XInclude' xmlns:content='http://purl.org/rss/1.0/modules/content/'>"
    b"<channel><title>News</title>"
)
PARAGRAPH = b"<p>Some <b>words</b> of an article, and more of them, and so on until its end.</p>"
GOOD = b"<item><title>good</title><link>https://news.test/good</link></item>"


@dataclass(frozen=True)
class Cost:
    """What reading one feed cost, and what came of it."""

    name: str
    seconds: float  # of the processor: how busy the machine is beside it does not count
    growth_mb: int
    touched: list[str]  # sockets and files that it reached for
    good: bool  # the harmless entry at the feed's end was read
    problem: str

    @property
    def bearable(self) -> bool:
        """Within the limits, and nothing was touched."""
        return self.seconds < MAX_S and self.growth_mb < MAX_GROWTH_MB and not self.touched


def rss(items: bytes, doctype: bytes = b"") -> bytes:
    """A feed of these items and a harmless one."""
    return HEAD % doctype + items + GOOD + b"</channel></rss>"


def item(inside: bytes) -> bytes:
    """A feed with one bad item and a good one."""
    return rss(b"<item><title>bad</title>" + inside + b"</item>")


def markup(html: bytes) -> bytes:
    """A feed whose bad item has this HTML."""
    return item(b"<description><![CDATA[" + html + b"]]></description>")


def xhtml(inside: bytes) -> bytes:
    """A feed whose bad item has this as elements of its own."""
    return item(b"<content type='xhtml'>" + inside + b"</content>")


def declaring(subset: bytes, used: bytes) -> bytes:
    """A feed with this internal subset, and an item that uses what it declares."""
    return rss(b"<item><title>" + used + b"</title></item>", b"<!DOCTYPE rss [" + subset + b"]>")


def many(inside: bytes, number: int) -> bytes:
    """A feed of so many equal items."""
    return rss((b"<item><title>a</title>" + inside + b"</item>") * number)


def numbered(pattern: bytes, number: int) -> bytes:
    """The pattern, once with each number."""
    return b"".join(pattern % count for count in range(number))


def laughs() -> bytes:
    """The billion laughs."""
    names = [b"lol%d" % count for count in range(10)]
    entities = [b"<!ENTITY lol0 'lol'>"]
    entities += [b"<!ENTITY %s '%s'>" % (name, b"&%s;" % inner * 10) for inner, name in pairwise(names)]
    return declaring(b"".join(entities), b"&lol9;")


def json_feed(items: str) -> bytes:
    """A JSON Feed of these items and a harmless one."""
    good = '{"id": "good", "title": "good", "url": "https://news.test/good"}'
    return f'{{"version": "https://jsonfeed.org/version/1.1", "title": "News", "items": [{items}, {good}]}}'.encode()


def _bomb(layers: int) -> bytes:
    packed = b"<rss>" + b" " * 100_000_000
    for _ in range(layers):
        packed = gzip.compress(packed, 9)
    return packed


FEEDS: dict[str, Callable[[], bytes]] = {
    "nested, never closed": lambda: rss(b"<a>" * MILLION),
    "nested and closed": lambda: rss(b"<a>" * MILLION + b"</a>" * MILLION),
    "nested in XHTML": lambda: xhtml(b"<div>" * MILLION),
    "nested in XHTML, a little": lambda: xhtml(b"<div>" * 5_000 + b"</div>" * 5_000),
    "nested in XHTML, a little, never closed": lambda: xhtml(b"<div>" * 5_000),
    "nested in HTML": lambda: markup(b"<div>" * 30_000),
    "nested in HTML, a million": lambda: markup(b"<div>" * MILLION),
    "nested in escaped HTML": lambda: item(b"<description>" + b"&lt;div&gt;" * 90_000 + b"</description>"),
    "nested in HTML, closed by other names": lambda: markup(b"<b></i>" * 28_000),
    "formatting that is opened again and again": lambda: markup(numbered(b"<p><font size=%d>", 90) + b"<p>x" * 40_000),
    "a title of 50 MB": lambda: item(b"<title>" + b"x" * 50_000_000 + b"</title>"),
    "a title of 20 MB": lambda: item(b"<title>" + b"x" * 20_000_000 + b"</title>"),
    "an entry of 20 MB": lambda: item(b"<description>" + b"<p>words</p>" * 1_700_000 + b"</description>"),
    "25 MB of entries": lambda: many(b"<description><![CDATA[" + PARAGRAPH * 100 + b"]]></description>", 1_900),
    "billion laughs": laughs,
    "quadratic blow-up": lambda: declaring(b"<!ENTITY a '" + b"x" * 50_000 + b"'>", b"&a;" * 50_000),
    "external entity, file": lambda: declaring(b"<!ENTITY a SYSTEM 'file:///etc/passwd'>", b"&a;"),
    "external entity, network": lambda: declaring(b"<!ENTITY a SYSTEM 'http://127.0.0.1:9/a'>", b"&a;"),
    "external DTD": lambda: rss(b"", b"<!DOCTYPE rss SYSTEM 'http://127.0.0.1:9/rss.dtd'>"),
    "parameter entities": lambda: declaring(
        b"<!ENTITY % f SYSTEM 'file:///etc/passwd'><!ENTITY % e '<!ENTITY a \"%f;\">'>%e;", b"&a;"
    ),
    "XInclude": lambda: item(b"<description><xi:include href='file:///etc/passwd' parse='text'/></description>"),
    "XSLT instruction": lambda: b"<?xml-stylesheet type='text/xsl' href='http://127.0.0.1:9/a.xsl'?>" + rss(b""),
    "a schema's location": lambda: rss(b"").replace(b"<rss", b"<rss schemaLocation='http://127.0.0.1:9/a.xsd'", 1),
    "entries": lambda: rss(b"<item><title>a</title></item>" * THOUSANDS),
    "attributes": lambda: rss(b"<item " + numbered(b"a%d='1' ", THOUSANDS) + b"><title>a</title></item>"),
    "attributes in HTML": lambda: markup((b"<a " + numbered(b"a%d ", 9_000) + b">x</a>") * 10),
    "namespaces": lambda: rss(numbered(b"<x xmlns:a%d='b'/>", THOUSANDS)),
    "namespaces on one tag": lambda: rss(b"<x " + numbered(b"xmlns:a%d='b' ", THOUSANDS) + b"/>"),
    "references": lambda: item(b"<category>" + b"&amp;" * MILLION + b"</category>"),
    "references, spread": lambda: many(b"<description>" + b"&#65;" * 1_400 + b"</description>", 1_900),
    "references, not well-formed": lambda: rss(b"<item><title>" + b"&#65;" * 190_000 + b"</y>"),
    "an endless comment": lambda: rss(b"<!--" + b"x" * 20_000_000),
    "a huge comment": lambda: rss(b"<!--" + b"x" * 20_000_000 + b"-->"),
    "a huge CDATA section": lambda: item(b"<description><![CDATA[" + b"x" * 20_000_000 + b"]]></description>"),
    "a huge instruction": lambda: rss(b"<?x " + b"x" * 20_000_000 + b"?>"),
    "categories": lambda: rss(b"<item><title>a</title>" + numbered(b"<category>%d</category>", THOUSANDS) + b"</item>"),
    "categories, spread": lambda: many(numbered(b"<category>c%d</category>", 70), 1_900),
    "sources": lambda: many(b"<source url='x'>" * 20 + b"<a b='c'/>" * 50 + b"</source>" * 20, 1_900),
    "links": lambda: item(b"<link>https://news.test/a</link>" * 30_000),
    "an author of a million letters": lambda: item(b"<author>" + b"a" * 990_000 + b"</author>"),
    "an author of dots": lambda: item(b"<author>a@" + b"a." * 490_000 + b"</author>"),
    "a date of a million digits": lambda: item(b"<pubDate>" + b"1" * 990_000 + b"</pubDate>"),
    "marks upon marks": lambda: many(b"<title>a" + "\u0315\u0300".encode() * 6_000 + b"</title>", 900),
    "nothing but <": lambda: b"<" * 5_000_000,
    "nothing but &": lambda: HEAD % b"" + b"<item><title>" + b"&" * 5_000_000,
    "declarations": lambda: HEAD % b"" + b"<item><oops><!x" + b"<!" * 300_000,
    "empty lines before the feed": lambda: b"<!DOCTYPE rss " + b"\n" * 60_000 + HEAD % b"",
    "entities before the feed": lambda: b" <!ENTITY " * THOUSANDS + HEAD % b"",
    "quotes": lambda: HEAD % b"" + b'<item><a b="' * 80_000,
    "JSON: nested arrays": lambda: json_feed("[" * MILLION),
    "JSON: nested arrays, closed": lambda: json_feed("[" * MILLION + "]" * MILLION),
    "JSON: items": lambda: json_feed(", ".join(['{"id": "1", "title": "a"}'] * THOUSANDS)),
    "JSON: a huge number": lambda: json_feed('{"id": 1e999999, "title": "a"}'),
    "JSON: a million digits": lambda: json_feed('{"id": ' + "9" * MILLION + ', "title": "a"}'),
    "JSON: an item of 20 MB": lambda: json_feed('{"id": "1", "content_html": "' + "<p>x" * 5_000_000 + '"}'),
    "JSON: nested HTML": lambda: json_feed('{"id": "1", "content_html": "' + "<div>" * 30_000 + '"}'),
}  # fmt: skip
CODED: dict[str, tuple[str, Callable[[], bytes]]] = {
    "gzip, 1000 to 1": ("gzip", lambda: _bomb(1)),
    "gzip in gzip in gzip": ("gzip, gzip, gzip", lambda: _bomb(3)),
    "gzip in gzip, told once": ("gzip", lambda: _bomb(2)),
    "deflate": ("deflate", lambda: zlib.compress(b" " * 100_000_000, 9)),
    "brotli": ("br", lambda: b"\x8b\x03\x80" + b"\x00" * 1_000),
    "zstd": ("zstd", lambda: b"\x28\xb5\x2f\xfd" + b"\x00" * 1_000),
}
# The harmless entry must be read whatever stands beside it; where it is not, the feed as a whole is refused.
NAMES = [*FEEDS, *CODED]


def measured(name: str, path: Path | None = None) -> Cost:
    """The cost of reading one of these feeds (of the file at `path`, if it is given), found in a new process."""
    command = [sys.executable, str(Path(__file__).resolve()), name, *([str(path)] if path else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False, cwd=ROOT)
    if done.returncode:
        return Cost(
            name, 0.0, FENCE // MILLION, [], good=False, problem=done.stderr[-300:] or f"ended by {done.returncode}"
        )
    return Cost(**json.loads(done.stdout))


def _read(name: str, path: Path | None) -> Cost:
    """The cost, in this process."""
    from digest.gather.decoding import Decoder, TooLarge, Undecodable
    from digest.gather.feeds import parse

    parse(rss(b"") + b"<")  # whatever a first reading loads, in both ways
    before = _memory("VmRSS")
    body = path.read_bytes() if path else FEEDS[name]() if name in FEEDS else CODED[name][1]()
    _forget_the_highest()
    touched: list[str] = []
    sys.addaudithook(lambda event, given: _watch(event, given, touched))
    resource.setrlimit(resource.RLIMIT_AS, (FENCE, FENCE))
    start = time.process_time()
    problem, good = "", False
    try:
        if name in CODED:
            decoder = Decoder(CODED[name][0], max_received=10_000_000, max_decoded=25_000_000)
            for at in range(0, len(body), 65_536):
                decoder.feed(body[at : at + 65_536])
            body = decoder.result()
        feed = parse(body, url="https://news.test/feed")
        good = any(entry.title == "good" for entry in feed.entries)
        problem = feed.problems[0] if feed.problems else ""
    except (TooLarge, Undecodable) as error:
        problem = f"not decoded: {error}"
    return Cost(name, time.process_time() - start, max(_memory("VmHWM") - before, 0), touched, good, problem)


def _watch(event: str, given: tuple[Any, ...], touched: list[str]) -> None:
    if event.startswith(("socket.", "urllib.", "subprocess.", "os.exec", "os.system")):
        touched.append(f"{event} {given}"[:200])
    elif event == "open" and not _is_ours(str(given[0])):
        touched.append(f"open {given[0]}"[:200])


def _is_ours(path: str) -> bool:
    libraries = (sys.prefix, sys.base_prefix, str(ROOT / "digest"), "/proc/self/")
    return path.startswith(libraries) or os.path.realpath(path).startswith(libraries)


def _memory(key: str) -> int:
    """Megabytes, as the kernel counts them."""
    found = re.search(rf"{key}:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) // 1_000 if found else 0


def _forget_the_highest() -> None:
    """What making the feed took is not what reading it takes."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _table() -> int:
    costs = []
    for name in NAMES:
        cost = measured(name)
        costs.append(cost)
        mark = "ok" if cost.bearable else "MISS"
        good = "good" if cost.good else ""
        told = f"{name}: {cost.problem[:90]}"
        print(f"{mark:4} {cost.seconds:6.2f} s {cost.growth_mb:5} MB {good:4} {told}", *cost.touched)
    return 0 if all(cost.bearable for cost in costs) else 1


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    if len(sys.argv) == 1:
        sys.exit(_table())
    print(json.dumps(asdict(_read(sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else None))))
