"""Lists in and out as CSV. An import never makes anybody mailable who left, declined or is suppressed (L-12).

The file is read in chunks, each stored in a transaction of its own that the caller opens: memory stays flat, the
lock is held for a moment at a time, and an import that was cut short is finished by running it again.
"""

from __future__ import annotations

import csv
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from typing import Any, BinaryIO, TextIO

from sqlalchemy import select, type_coerce
from sqlalchemy.types import NullType
from sqlmodel import Session

from subscribers.audience import EVERYWHERE
from subscribers.columns import table
from subscribers.errors import NoConsent, UnknownList
from subscribers.intake import MOST_NAMED, Intake, Order, Taken
from subscribers.joining import Send, open_lists
from subscribers.lanes import Lanes
from subscribers.models import Subscriber, Subscription, Suppression
from subscribers.sheets import BadRow, Row, Sheet, Wish, guard, look, read

__all__ = ["Order", "Report", "export_csv", "import_csv"]

CHUNK = 10_000  # people of a transaction: one that writes fewer waits for the disk, and looks at indexes, more often
MOST_LISTED = MOST_NAMED  # bad rows that a report names
PAGE = 2_000  # people of an export that are in memory at once

Opener = Callable[[], AbstractContextManager[Session]]
Progress = Callable[[str, int, int | None], None]
Enqueue = Callable[[Session, Sequence[Send]], None]


@dataclass
class Report:
    """What came of it, as `digest subscribers import --json` tells it; rows = the sum of the other counts and bad."""

    rows: int = 0
    mailable: int = 0
    new: int = 0
    updated: int = 0
    unchanged: int = 0
    suppressed: int = 0
    left: int = 0  # of new, updated and unchanged: people who left, here or in the file
    asked: int = 0  # confirm mails
    bad_rows: int = 0
    bad: list[BadRow] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)

    def as_json(self, sheet: Sheet) -> dict[str, Any]:
        """The report as DESIGN promises it; `mailable` is the addresses, or their number if there are many."""
        named = self.mailable == len(self.addresses)
        return {
            "rows": self.rows,
            "mailable": self.addresses if named else self.mailable,
            "new": self.new,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "suppressed": self.suppressed,
            "left": self.left,
            "asked": self.asked,
            "bad": [{"line": bad.line, "reason": bad.reason} for bad in self.bad],
            "bad_rows": self.bad_rows,
            "delimiter": sheet.delimiter,
            "encoding": sheet.encoding,
            "columns": dict(sheet.columns),
        }


def import_csv(
    file: BinaryIO,
    order: Order,
    *,
    transaction: Opener,
    enqueue: Enqueue,
    key: bytes,
    now: datetime,
    random_bytes: Callable[[int], bytes],
    progress: Progress = lambda label, done, total: None,
    lanes: int = 1,
) -> dict[str, Any]:
    """Take the people of a CSV file (seekable) onto a list; the report as a dictionary.

    `enqueue` gets the confirm mails of a chunk within its transaction. With several `lanes` that many transactions are
    open at a time, in threads of their own, each for its own people: for PostgreSQL, where writers don't wait. A second
    run changes nothing. NoConsent, UnknownList or BadFile before anything is written; BadFile in mid-file leaves the
    rows before it in place.
    """
    if order.confirmed and not order.consent.strip():
        raise NoConsent("expected --consent with a word on where the consent came from")
    with transaction() as session:
        if not open_lists(session, [order.list_id], private=True):
            raise UnknownList(f"there is no list {order.list_id!r}")
    sheet = look(file)
    report = Report()
    seen: set[int] | None = set() if order.dry_run else None
    rows = read(file, sheet)
    intake = Intake(order, key=key, now=now, random_bytes=random_bytes)

    def store(people: Mapping[str, Row]) -> Taken:
        with transaction() as session:
            taken = intake.take(session, people)
            if taken.sends:
                enqueue(session, taken.sends)
        return taken

    with Lanes(lanes, store) as threads:
        while chunk := list(islice(rows, CHUNK)):
            people = _distinct(chunk, report, seen)
            for taken in threads.put(_parts(people, lanes)) if lanes > 1 else [store(people)]:
                _count(report, taken)
            progress("importing", report.rows, None)
        for taken in threads.rest():
            _count(report, taken)
    progress("importing", report.rows, report.rows)
    return report.as_json(sheet)


def _parts(people: Mapping[str, Row], count: int) -> list[dict[str, Row]]:
    """The people by lane: the same address always in the same, so that no two lanes write the same person."""
    parts: list[dict[str, Row]] = [{} for _ in range(count)]
    for email, row in people.items():
        parts[zlib.crc32(email.encode()) % count][email] = row
    return parts


def export_csv(session: Session, out: TextIO, list_id: str) -> int:
    """Write everybody who is or was on the list, safe to open in a spreadsheet (S-C6); the number of people.

    `import_csv` reads it back to the same people and statuses.
    """
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(["email", "name", "language", "status", "suppressed", "joined", "confirmed at", "left at"])
    iso = lru_cache(maxsize=4_096)(_iso)  # people of one import share their instants
    count = 0
    for page in _everybody(session, list_id):
        count += len(page)
        writer.writerows(
            (guard(row[1]), guard(row[2]), guard(row[3] or ""), row[4], "yes" if row[5] else "", *map(iso, row[6:]))
            for row in page
        )
    return count


def _iso(instant: datetime | str | None) -> str:
    """An instant as the driver gave it, in ISO 8601: SQLAlchemy's own way costs more than the rest of the row."""
    if instant is None:
        return ""
    naive = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    return naive.replace(tzinfo=UTC).isoformat()


def _count(report: Report, taken: Taken) -> None:
    report.new += taken.words["new"]
    report.updated += taken.words["updated"]
    report.unchanged += taken.words["unchanged"]
    report.suppressed += taken.words["suppressed"]
    report.left += taken.left
    report.asked += len(taken.sends)
    report.mailable += taken.mailable
    report.addresses += taken.named[: MOST_LISTED - len(report.addresses)]


def _everybody(session: Session, list_id: str) -> Iterator[Sequence[Sequence[Any]]]:
    person, place, away = table(Subscriber), table(Subscription), table(Suppression)
    scopes = away.c.scope.in_([EVERYWHERE, list_id])
    suppressed = select(1).where(away.c.hash == person.c.email_hash, scopes).correlate(person).exists()
    dates = (type_coerce(column, NullType()) for column in (place.c.created_at, place.c.confirmed_at, place.c.left_at))
    rows = (
        select(
            person.c.id,
            person.c.email,
            person.c.name,
            person.c.language,
            place.c.status,
            suppressed.label("suppressed"),
            *dates,
        )
        .join_from(place, person, person.c.id == place.c.subscriber_id)
        .where(place.c.list_id == list_id)
        .order_by(place.c.subscriber_id)
        .execution_options(yield_per=PAGE)
    )
    # One statement, so that all of it is of one instant; in pages it would sort the whole list for each.
    yield from session.execute(rows).partitions()


def _distinct(chunk: list[Row | BadRow], report: Report, seen: set[int] | None) -> dict[str, Row]:
    """The people of a chunk by address, counting the rest; one that says "left" anywhere left."""
    people: dict[str, Row] = {}
    for row in chunk:
        report.rows += 1
        if isinstance(row, BadRow):
            report.bad_rows += 1
            if len(report.bad) < MOST_LISTED:
                report.bad.append(row)
            continue
        email = row.email
        if email in people or (seen is not None and hash(email) in seen):
            report.unchanged += 1
            if email in people and row.wish is Wish.LEFT:
                people[email] = row
            continue
        people[email] = row
        if seen is not None:
            seen.add(hash(email))
    return people
