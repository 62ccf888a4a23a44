"""Counts of points and clicks from a CSV file, brought to the articles that they belong to."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import delete, insert
from sqlmodel import Session, col, select

from digest.errors import UsageError
from digest.gather.completing.storing import renamed
from digest.gather.urls import canonical_url, web
from digest.models import Article, Engagement, table

CLICKS = "clicks"
LARGEST = 2**53  # a count that every program can hold
_URLS = ("url", "link", "href", "page", "article", "address")
_COUNTS: Mapping[str, tuple[str, ...]] = {
    "points": ("points", "score", "votes", "upvotes", "likes"),
    CLICKS: ("clicks", "unique clicks", "total clicks", "visits", "views", "pageviews", "opens"),
}
_ANY = ("count", "total", "number", "value")
_CHUNK = 500  # values of one IN list


@dataclass(frozen=True)
class Sheet:
    """A file's rows that could be read, with their lines, and what is wrong with the others."""

    url: str  # the name of the column
    count: str
    rows: tuple[tuple[int, str, int], ...]  # line, canonical URL, count
    bad: tuple[tuple[int, str], ...]


@dataclass
class Report:
    """What became of a file: articles that have a count now, and rows that were not taken, with line and reason."""

    stored: int = 0
    bad: list[tuple[int, str]] = field(default_factory=list)


def read_counts(body: bytes, kind: str, columns: Mapping[str, str]) -> Sheet:
    """The counts in a CSV file with a header, delimited by comma, semicolon, tab or bar.

    `columns` names the columns "url" and "count" where they are not to be guessed. UsageError if one is not found.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = body.decode("cp1252", "replace")
    try:
        return _sheet(text, kind, columns)
    except csv.Error as error:
        raise UsageError(f"expected a CSV file, got something that is none: {error}") from error


def _sheet(text: str, kind: str, columns: Mapping[str, str]) -> Sheet:
    head = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t|", key=head.count))
    header = next(reader, [])
    names = [" ".join(name.split()).replace("_", " ").casefold() for name in header]
    url = _column(header, names, "url", columns, _URLS)
    count = _column(header, names, "count", columns, (*_COUNTS[kind], *_ANY))
    rows, bad = [], []
    for row in reader:
        if not any(cell.strip() for cell in row):
            continue
        cells = [*row, *[""] * len(header)]
        address, number = cells[url].strip(), _number(cells[count])
        if number is None:
            bad.append((reader.line_num, f'expected a whole number of {kind}, got "{cells[count].strip()[:40]}"'))
        elif not web(address):
            bad.append((reader.line_num, f'expected the URL of an article, got "{address[:80]}"'))
        else:
            rows.append((reader.line_num, canonical_url(address), number))
    return Sheet(header[url], header[count], tuple(rows), tuple(bad))


def _column(header: list[str], names: list[str], meaning: str, columns: Mapping[str, str], known: Iterable[str]) -> int:
    if meaning in columns:
        if columns[meaning] not in header:
            raise UsageError(
                f'--map {meaning}: expected one of {", ".join(header) or "no columns"}, got "{columns[meaning]}"'
            )
        return header.index(columns[meaning])
    found = next((names.index(name) for name in known if name in names), None)
    if found is None:
        got = ", ".join(header)[:200] or "an empty file"
        raise UsageError(f"no column is known to hold the {meaning}: expected --map {meaning}=NAME, got {got}")
    return found


def _number(cell: str) -> int | None:
    plain = cell.strip()
    if not plain.isascii() or not plain.isdigit() or int(plain[:20]) > LARGEST:
        return None
    return int(plain[:20])


def store_counts(
    session: Session, sheet: Sheet, kind: str, now: datetime, progress: Callable[[str, int, int | None], None]
) -> Report:
    """Brings the counts to their articles in the place of earlier ones; URLs of no article are reported.

    Several rows of one article are added up if they are clicks; of points the highest counts.
    """
    report = Report(bad=list(sheet.bad))
    known = _known(session, sorted({url for _, url, _ in sheet.rows}), progress)
    counts: dict[int, int] = {}
    for line, url, count in sheet.rows:
        article = known.get(url)
        if article is None:
            report.bad.append((line, f"no article has this URL: {url}"))
        elif kind == CLICKS:
            counts[article] = counts.get(article, 0) + count
        else:
            counts[article] = max(counts.get(article, 0), count)
    ids = sorted(counts)
    for start in range(0, len(ids), _CHUNK):
        part = ids[start : start + _CHUNK]
        session.exec(delete(Engagement).where(col(Engagement.kind) == kind, col(Engagement.article_id).in_(part)))
        rows = [{"article_id": id_, "kind": kind, "count": min(counts[id_], LARGEST), "at": now} for id_ in part]
        session.exec(insert(table(Engagement)), params=rows)
        progress("Counts stored", start + len(part), len(ids))
    report.stored = len(ids)
    report.bad.sort()
    return report


def _known(session: Session, urls: list[str], progress: Callable[[str, int, int | None], None]) -> dict[str, int]:
    found: dict[str, int] = {}
    for start in range(0, len(urls), _CHUNK):
        part = urls[start : start + _CHUNK]
        pages = session.exec(select(Article.canonical_url, Article.id).where(col(Article.canonical_url).in_(part)))
        found.update((url, article) for url, article in pages.all() if article is not None)
        found.update(renamed(session, [url for url in part if url not in found]))
        progress("URLs looked up", start + len(part), len(urls))
    return found
