"""How well feeds are read, in shares of facts that other readers' own test sets state."""

from __future__ import annotations

import gzip
import html
import json
import random
import re
import tarfile
import unicodedata
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import hostilefeeds
from score.table import Figure

from digest.gather.entries import Entry, Feed
from digest.gather.feeds import parse
from digest.gather.urls import resolve

BASE = "http://127.0.0.1:8097/"  # where feedparser's own tests serve their files


@dataclass
class Score:
    """Facts stated, facts found, and the names of those that were not."""

    stated: int = 0
    missed: list[str] = field(default_factory=list)

    def add(self, name: str, right: bool) -> None:
        """One more fact."""
        self.stated += 1
        if not right:
            self.missed.append(name)

    @property
    def share(self) -> float:
        """Of the facts stated, those found; 1.0 when none was stated."""
        return 1 - len(self.missed) / max(self.stated, 1)


def words(text: object) -> str:
    """What a reader reads: no tags, no references, no control characters, white space folded, NFC."""
    bare = html.unescape(html.unescape(re.sub(r"<[^<>]*>", " ", html.unescape(html.unescape(str(text or ""))))))
    seen = re.sub(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]", "", re.sub(r"<[^<>]*>", " ", bare))
    return "".join(unicodedata.normalize("NFC", seen).split())


def instant(text: object) -> datetime | None:
    """The instant that a truth states, in any of their spellings."""
    if isinstance(text, list):
        return datetime(*text[:6], tzinfo=UTC)
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            found = read(str(text))
        except ValueError:
            continue
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    return None


def close(found: datetime | None, told: object) -> bool:
    """Within a second of what was told."""
    wanted = instant(told)
    return found is not None and wanted is not None and abs((found - wanted).total_seconds()) <= 1


def third_parties(folder: Path) -> tuple[dict[str, float], Score]:
    """F1 of each feed's entries by title and link (where there is none, by id), and the times of the entries found.

    An id that stands nowhere in the feed was made up by the program that wrote the truth down: it is no fact, and is
    not compared; that the entry has no link either, and the same title, decides then.
    """
    truth = json.loads((folder / "expected_third_party.json").read_text())
    times, scores = Score(), dict[str, float]()
    for name, told in truth.items():
        body = (folder / "real" / name).read_bytes()
        found = parse(body).entries
        pairs = list(_pairs(found, [_without_made_up(entry, body) for entry in told["entries"]]))
        if told["entries"]:
            scores[name] = 2 * len(pairs) / (len(found) + len(told["entries"]))
        for entry, wanted in pairs:
            for key in ("isoDate", "published"):
                if instant(wanted.get(key)):
                    times.add(
                        f"{name} {wanted.get('title')} {key}", close(entry.published or entry.updated, wanted[key])
                    )
    return scores, times


def _without_made_up(told: Mapping[str, Any], body: bytes) -> dict[str, Any]:
    text = html.unescape(body.decode("utf-8", "replace"))
    return {key: value for key, value in told.items() if key not in ("id", "guid") or str(value) in text}


def _pairs(found: tuple[Entry, ...], told: list[Mapping[str, Any]]) -> Iterator[tuple[Entry, Mapping[str, Any]]]:
    left = list(found)
    for wanted in told:
        match = next((entry for entry in left if _same(entry, wanted)), None)
        if match is not None:
            left.remove(match)
            yield match, wanted


def _same(entry: Entry, told: Mapping[str, Any]) -> bool:
    links = [link for link in (told.get("links") or [told.get("link")]) if link]
    name = told.get("id") or told.get("guid")
    if links:
        there = entry.url in {resolve("", link) or link for link in links}
    else:
        there = entry.id == name if name else not entry.url
    return there and words(entry.title) == words(told.get("title"))


def agreement(folder: Path) -> dict[str, float]:
    """Of each real feed that feedparser reads: how far the number of entries, names, titles and times are the same."""
    told = json.loads(gzip.decompress((folder / "reference_feedparser.json.gz").read_bytes()))
    return {name: _agreed(folder / "real" / name, one) for name, one in told.items() if one.get("n")}


def _agreed(path: Path, told: Mapping[str, Any]) -> float:
    """As SCORING has it; in place of a name or a time that the reference lacks, nothing is asked."""
    found = parse(path.read_bytes()).entries
    names, titles, times = Score(), Score(), Score()
    for number, wanted in enumerate(told["entries"]):
        entry = found[number] if number < len(found) else Entry("", "", "", "")
        link = str(wanted.get("link") or "")
        links = {link, resolve("", link)} - {""}
        if links or wanted.get("id"):
            names.add("", entry.url in links or entry.id == str(wanted.get("id")))
        titles.add("", words(entry.title) == words(wanted.get("title")))
        for key, time in (("published", entry.published), ("updated", entry.updated or entry.published)):
            if instant(wanted.get(key)):
                times.add("", close(time, wanted[key]))
    same = float(len(found) == told["n"])
    return (same + names.share + titles.share + times.share) / 4


LEAK = re.compile(
    r"<\s*/?(?:script|style|form|input|iframe|frame|object|embed|svg|math|meta|base|link)\b|<[^>]*\son\w+\s*=|"
    r"<[^>]*\s(?:href|src|action|style|srcset|background)\s*=\s*[\"']?\s*(?:javascript|vbscript|data|expression)",
    re.I,
)


def sanitised(folder: Path) -> tuple[list[str], Score]:
    """The files of feedparser's sanitiser set of which something dangerous is left; and the words that are kept."""
    told = json.loads(gzip.decompress((folder / "feedparser-expected.json.gz").read_bytes()))
    leaks, texts = [], Score()
    for name, body in archived(folder / "feedparser-tests.tar.gz"):
        feed = parse(body)
        kept = [feed.title] + [text for entry in feed.entries for text in (entry.summary_html, entry.title, entry.dek)]
        leaks += [name for text in kept if "/sanitize/" in name and LEAK.search(text)]
        for fact in told.get(name, {}).get("expect", ()) if "/sanitize/" in name else ():
            found = re.fullmatch(r"(?:entries\[(\d)\]|feed)\.(.+)", fact["path"])
            if found and "equals" in fact and (right := _fact(feed, found, fact["equals"])) is not None:
                texts.add(f"{name} {fact['path']}", right)
    return leaks, texts


def archived(path: Path) -> Iterator[tuple[str, bytes]]:
    """The files of an archive, by their names in the folder that it holds."""
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isfile():
                yield member.name.removeprefix("./").removeprefix("tests/"), _read(archive, member)


def everything(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file of every set of feeds."""
    for kind in ("real", "hostile_xml"):
        yield from ((path.name, path.read_bytes()) for path in sorted((folder / kind).iterdir()))
    for name in ("feedparser-tests.tar.gz", "gofeed-testdata.tar.gz"):
        yield from archived(folder / name)


def crashes(folder: Path) -> list[str]:
    """The files that can't be read without an exception: whole, the first half, and with each byte in 100 another."""
    failed = []
    for name, body in everything(folder):
        for how, bytes_ in (("whole", body), ("half", body[: len(body) // 2]), ("damaged", damaged(body))):
            try:
                parse(bytes_, url=BASE + name)
            except Exception as error:
                failed.append(f"{name} {how}: {error!r}")
    return failed


def damaged(body: bytes) -> bytes:
    """`body` with one byte in a hundred, at least one, replaced; the same ones each time."""
    dice = random.Random(zlib.crc32(body))
    spoiled = bytearray(body)
    for _ in range(max(len(body) // 100, 1) if body else 0):
        spoiled[dice.randrange(len(spoiled))] = dice.randrange(256)
    return bytes(spoiled)


def gofeed(folder: Path) -> Score:
    """Cases of gofeed whose entries agree in every field that an entry of ours has."""
    score = Score()
    files = dict(archived(folder / "gofeed-testdata.tar.gz"))
    for name, told in sorted(files.items()):
        body = files.get(name.removesuffix(".json") + ".xml") if name.endswith(".json") else None
        if body is not None:
            score.add(name, not _wrong(parse(body), json.loads(told)))
    return score


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    return file.read() if file else b""


def _wrong(feed: Feed, told: Mapping[str, Any]) -> list[str]:
    entries = told.get("items") or told.get("entries") or []
    if len(entries) != len(feed.entries):
        return ["entries"]
    wrong = ["title"] if "title" in told and words(told["title"]) != words(feed.title) else []
    return wrong + [
        key
        for entry, wanted in zip(feed.entries, entries, strict=True)
        for key in wanted
        if not _agrees(entry, key, wanted)
    ]


def _agrees(entry: Entry, key: str, told: Mapping[str, Any]) -> bool:
    value = told[key]
    match key:
        case "title":
            return words(entry.title) == words(value)
        case "description" | "summary" | "content":
            value = value.get("value") if isinstance(value, dict) else value
            other = key == "content" and ("summary" in told or "description" in told)
            return other or words(entry.summary_html) == words(value)
        case "link":
            return entry.url == resolve("", value)
        case "links":
            pages = [one["href"] for one in value if "href" in one] if isinstance(value[0], dict) else value
            return not pages or entry.url in {resolve("", page) for page in pages}
        case "guid" | "id":
            return words(entry.id) == words(value["value"] if isinstance(value, dict) else value)
        case "publishedParsed" | "pubDateParsed":
            return close(entry.published or entry.updated, value)
        case "updatedParsed":
            return close(entry.updated or entry.published, value)
        case "author" | "authors":
            people = value if isinstance(value, list) else [value]
            names = [
                one["name"] if isinstance(one, dict) else one
                for one in people
                if not isinstance(one, dict) or "name" in one
            ]
            return {words(name) for name in names} <= {words(byline.name) for byline in entry.bylines}
        case "categories":
            terms = [
                one.get("value") or one.get("label") or one.get("term") if isinstance(one, dict) else one
                for one in value
            ]
            return [words(term) for term in terms if term] == [words(term) for term in entry.categories]
    return True


def feedparser_facts(folder: Path) -> Score:
    """Facts of feedparser's own tests on what an entry of ours has."""
    told = json.loads(gzip.decompress((folder / "feedparser-expected.json.gz").read_bytes()))
    score = Score()
    by_name = dict(archived(folder / "feedparser-tests.tar.gz"))
    for name, case in sorted(told.items()):
        for fact in case.get("expect", ()):
            body = by_name.get(name)
            if body is None or "/sanitize/" in name or "equals" not in fact:
                continue
            found = re.fullmatch(r"(?:entries\[(\d)\]|feed)\.(.+)", fact["path"])
            if found and (right := _fact(parse(body, url=BASE + name), found, fact["equals"])) is not None:
                score.add(f"{name} {fact['path']}", right)
    return score


def _fact(feed: Feed, path: re.Match[str], told: Any) -> bool | None:
    """Whether a fact holds; None for one about what we don't keep."""
    if path[1] is None:
        return words(feed.title) == words(told) if path[2] in ("title", "title_detail.value") else None
    entry = feed.entries[int(path[1])] if int(path[1]) < len(feed.entries) else Entry("", "", "", "")
    match path[2]:
        case "title" | "title_detail.value":
            return words(entry.title) == words(told)
        case "description" | "summary" | "summary_detail.value" | "content[0].value":
            return words(entry.summary_html) == words(told)
        case "link" | "links[0].href":
            return entry.url == (resolve(BASE, told) or told)
        case "id" | "guid":
            return entry.id == told
        case "author" | "author_detail.name":
            return words(re.sub(r"\(.*\)|\S+@\S+", "", told)) in {words(byline.name) for byline in entry.bylines} | {""}
        case "published_parsed" | "created_parsed":
            return close(entry.published, told)
        case "updated_parsed":
            return close(entry.updated or entry.published, told)
    return None


def figures(folder: Path) -> Iterator[Figure]:
    """What feeds are held to."""
    scores, times = third_parties(folder / "feeds")
    mean = sum(scores.values()) / len(scores)
    yield Figure("feeds: F1 of third parties' truth", mean, 0.99, baseline="feedparser 1.000")
    yield Figure("feeds: their dates", times.share, 0.98, baseline="feedparser 0.984")
    agreed = agreement(folder / "feeds")
    least = min(agreed, key=lambda name: agreed[name])
    note = f"least: {agreed[least]:.2f}, {least}"
    yield Figure("feeds: agreement with feedparser on real ones", sum(agreed.values()) / len(agreed), note=note)
    yield Figure("feeds: gofeed's cases", gofeed(folder / "feeds").share, 0.97, baseline="feedparser 0.973")
    yield Figure("feeds: feedparser's facts", feedparser_facts(folder / "feeds").share, 0.98, baseline="1.000")
    leaks, texts = sanitised(folder / "feeds")
    yield Figure("feeds: sanitiser leaks", len(leaks), 0, at_most=True, baseline="feedparser 4", unit="files")
    yield Figure("feeds: words kept by the sanitiser", texts.share, 0.95)
    failed = crashes(folder / "feeds")
    yield Figure(
        "feeds: crashes on whole and halved files", len(failed), 0, at_most=True, unit="files", note="and damaged"
    )
    yield from hostile(folder / "feeds" / "hostile_xml")


def hostile(folder: Path) -> Iterator[Figure]:
    """What the hostile feeds cost at most, each in a process of its own: those of the set, and generated ones."""
    costs = [hostilefeeds.measured(name) for name in hostilefeeds.NAMES]
    costs += [hostilefeeds.measured(path.name, path) for path in sorted(folder.iterdir())]
    slowest = max(costs, key=lambda cost: cost.seconds)
    largest = max(costs, key=lambda cost: cost.growth_mb)
    touched = sum(bool(cost.touched) for cost in costs)
    name = f"hostile feeds, {len(costs)}"
    yield Figure(
        f"{name}: processor time", slowest.seconds, 5, at_most=True, baseline="20", unit="s", note=slowest.name
    )
    yield Figure(f"{name}: memory", largest.growth_mb, 300, at_most=True, baseline="339", unit="MB", note=largest.name)
    yield Figure(f"{name}: files and sockets touched", touched, 0, at_most=True, unit="feeds")
