"""How well pages are read: title, author, date, image and body, against what other readers' test sets state."""

from __future__ import annotations

import gzip
import html
import json
import re
import resource
import statistics
import tarfile
import time
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from score.table import Figure

from digest.gather.pages import Page, read

SLOW = 5.0  # seconds; such a page is a failure
FIELDS = ("title", "title, cut", "author", "date", "date or none", "image", "description", "body")
_CUT = re.compile(r"\s+[|–—-]\s+[^|–—]{1,60}$|\s*\|\s*[^|]{1,60}$")
_NAMES = re.compile(r"\s*(?:[,;|/、，]|&|\band\b)\s*", re.I)
_SIGNS = " .—–-[]《》"  # around a name, and none of it
_BY = re.compile(r"^\s*by[\s:]+", re.I)
_META = re.compile(rb"<meta\b[^>]*>", re.I)
_NAME = re.compile(rb"""(?<=\s)name(?=\s*=\s*["']?(?:og|article|fb|al|music|video|book|profile|product):)""", re.I)


@dataclass
class Score:
    """Pages by what came of them, for each field and source: 1 right, 0 wrong; and what they cost."""

    marks: dict[str, dict[str, dict[str, float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(dict))
    )
    seconds: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def mean(self, about: str, *, without: str = "") -> float:
        """The mean over sources of the means over their pages."""
        means = [
            statistics.fmean(pages.values()) for name, pages in self.marks[about].items() if name != without and pages
        ]
        return statistics.fmean(means) if means else 0.0


def words(text: object) -> str:
    """One line, references decoded, NFC."""
    return " ".join(unicodedata.normalize("NFC", html.unescape(str(text or ""))).split())


def without_site(title: str) -> str:
    """A title less what follows the last bar or dash."""
    return words(_CUT.sub("", title))


def people(named: object) -> set[str]:
    """Names as a set, small, without "By"."""
    many = named if isinstance(named, list | tuple) else [named]
    return {
        name.casefold()
        for one in many
        for part in _NAMES.split(_BY.sub("", words(one)))
        if (name := words(part).strip(_SIGNS))
    }


def days(page: Page) -> set[str]:
    """The day of publication in the page's zone and in UTC."""
    at = page.published
    return {at.date().isoformat(), at.astimezone(UTC).date().isoformat()} if at else set()


def truth_days(told: object, ours: datetime | None) -> set[str]:
    """The day that the truth states, as it is written, in UTC and in the page's zone."""
    text = str(told)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return {text[:10]}
    zones = [at.tzinfo, UTC, *([ours.tzinfo] if ours else [])] if at.tzinfo else []
    return {at.date().isoformat(), *(at.astimezone(zone).date().isoformat() for zone in zones)}


def address(url: object) -> str:
    """A picture's address without its query, http and https being one."""
    return words(url).partition("?")[0].removeprefix("https:").removeprefix("http:")


def shingles(text: str) -> Counter[tuple[str, ...]]:
    """Runs of four words."""
    found = re.findall(r"\w+", text)
    return Counter(tuple(found[at : at + 4]) for at in range(max(1, len(found) - 3)) if found)


def likeness(found: str, told: str) -> float:
    """F1 of the runs of four words."""
    ours, theirs = shingles(found), shingles(told)
    same = sum((ours & theirs).values())
    return 2 * same / max(ours.total() + theirs.total(), 1)


def pages(folder: Path) -> Iterator[tuple[str, str, dict[str, Any], bytes]]:
    """Source, file, truth and bytes of each page, read in memory."""
    truth = json.loads(gzip.decompress((folder / "expected.json.gz").read_bytes()))
    for archive in sorted(folder.glob("*.tar.xz")):
        source = archive.name.removesuffix(".tar.xz")
        with tarfile.open(archive) as bundle:
            for member in bundle:
                file = bundle.extractfile(member) if member.isfile() else None
                name = member.name.removeprefix("./")
                if file is None or f"{source}/{name}" not in truth:
                    continue
                body = file.read()
                yield source, name, truth[f"{source}/{name}"], _restored(body) if source == "postlight" else body


def _restored(body: bytes) -> bytes:
    """A fault of the data mended: name and value where the site had property and content."""

    def mended(found: re.Match[bytes]) -> bytes:
        tag = re.sub(rb"(?<=\s)value(?=\s*=)", b"content", found[0]) if b"content=" not in found[0] else found[0]
        return _NAME.sub(b"property", tag)

    return _META.sub(mended, body)


def judged(page: Page, told: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """What is right of a page, of the fields that its truth states."""
    if told.get("title"):
        title, wanted = words(page.title), words(told["title"])
        yield "title", title == wanted
        yield "title, cut", bool({title, without_site(title)} & {wanted, without_site(wanted)})
    writers = told.get("author") or told.get("authors")
    if writers:
        yield "author", people(list(page.authors)) == people(writers)
    if "date" in told:
        dated = isinstance(told["date"], str) and bool(told["date"])  # NaN is null, too
        right = bool(days(page) & truth_days(told["date"], page.published)) if dated else page.published is None
        yield "date or none", right
        if dated:
            yield "date", right
    if told.get("image"):
        yield "image", address(page.image) == address(told["image"])
    if told.get("description"):
        yield "description", words(page.description) == words(told["description"])
    if told.get("articleBody"):
        yield "body", likeness("\n".join(page.paragraphs), told["articleBody"])


def score(folder: Path) -> Score:
    """Every page read and judged."""
    result = Score()
    for source, name, told, body in pages(folder):
        started = time.perf_counter()
        try:
            page = read(body, url=told.get("input_url") or "", content_type=None)
        except Exception as error:
            result.failed.append(f"{source}/{name}: {error!r}")
            page = Page()
        result.seconds.append(time.perf_counter() - started)
        if result.seconds[-1] > SLOW:
            result.failed.append(f"{source}/{name}: {result.seconds[-1]:.1f} s")
            page = Page()
        for about, mark in judged(page, told):
            result.marks[about][source][name] = float(mark)
    return result


def figures(corpus: Path) -> Iterator[Figure]:
    """What pages are held to."""
    result = score(corpus / "articles")
    read_by = "trafilatura "
    yield Figure("pages: title", result.mean("title"), note="letter by letter")
    yield Figure(
        "pages: title", result.mean("title, cut"), 0.88, baseline=read_by + "0.782", note="site's name cut off both"
    )
    yield Figure("pages: date", result.mean("date"), 0.90, baseline=read_by + "0.872")
    yield Figure("pages: author", result.mean("author"), 0.74, baseline=read_by + "0.491")
    yield Figure("pages: image", result.mean("image"), 0.90, baseline=read_by + "0.848")
    yield Figure("pages: description", result.mean("description"))
    yield Figure("pages: F1 of the body's runs of four words", result.mean("body"), 0.90, note="aeb")
    yield Figure("pages: failed, or over 5 s", len(result.failed), 0, at_most=True)
    yield Figure("pages: one page, median", statistics.median(result.seconds), unit="s")
    yield Figure("pages: one page, slowest", max(result.seconds), SLOW, at_most=True, unit="s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    yield Figure("pages: peak memory, the archives in it", peak, unit="MB")
