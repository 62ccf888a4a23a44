"""How well feeds are read, in shares of facts that other readers' own test sets state."""

from __future__ import annotations

import gzip
import html
import json
import re
import tarfile
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

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
    """What a reader reads: no tags, no references, white space folded, NFC."""
    bare = html.unescape(html.unescape(re.sub(r"<[^<>]*>", " ", html.unescape(html.unescape(str(text or ""))))))
    return "".join(unicodedata.normalize("NFC", re.sub(r"<[^<>]*>", " ", bare)).split())


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
    """F1 of each feed's entries by title and link (where there is none, by id), and the times of the entries found."""
    truth = json.loads((folder / "expected_third_party.json").read_text())
    times, scores = Score(), dict[str, float]()
    for name, told in truth.items():
        found = parse((folder / "real" / name).read_bytes()).entries
        pairs = list(_pairs(found, told["entries"]))
        if told["entries"]:
            scores[name] = 2 * len(pairs) / (len(found) + len(told["entries"]))
        for entry, wanted in pairs:
            for key in ("isoDate", "published"):
                if instant(wanted.get(key)):
                    times.add(
                        f"{name} {wanted.get('title')} {key}", close(entry.published or entry.updated, wanted[key])
                    )
    return scores, times


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
    there = entry.url in {resolve("", link) or link for link in links} if links else entry.id == name
    return there and words(entry.title) == words(told.get("title"))


def gofeed(folder: Path) -> Score:
    """Cases of gofeed whose entries agree in every field that an entry of ours has."""
    score = Score()
    with tarfile.open(folder / "gofeed-testdata.tar.gz") as archive:
        files = {member.name: _read(archive, member) for member in archive if member.isfile()}
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
    with tarfile.open(folder / "feedparser-tests.tar.gz") as archive:
        files = {member.name.removeprefix("./"): _read(archive, member) for member in archive if member.isfile()}
    by_name = {name.removeprefix("tests/"): body for name, body in files.items()}
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
    yield Figure("feeds: gofeed's cases", gofeed(folder / "feeds").share, 0.97, baseline="feedparser 0.973")
    yield Figure("feeds: feedparser's facts", feedparser_facts(folder / "feeds").share, 0.98, baseline="1.000")
