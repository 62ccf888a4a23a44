"""Lists in. An import never makes anybody mailable who left, declined or is suppressed (L-12).

The file is read in chunks, each stored in a transaction of its own that the caller opens: memory stays flat, the
lock is held for a moment at a time, and an import that was cut short is finished by running it again.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Any, BinaryIO

from sqlmodel import Session

from subscribers import files
from subscribers.errors import NoConsent, UnknownList
from subscribers.files import Part
from subscribers.intake import MOST_NAMED, Intake, Taken
from subscribers.joining import Send, open_lists
from subscribers.lanes import Lanes
from subscribers.meanings import Wish
from subscribers.sheets import BadRow, Reading, Row, Sheet, look, read
from subscribers.sorting import Order, People

__all__ = ["Order", "Reading", "Report", "import_people"]

CHUNK = 10_000  # people of a transaction: one that writes fewer waits for the disk, and looks at indexes, more often
MOST_LISTED = MOST_NAMED  # bad rows that a report names

Opener = Callable[[], AbstractContextManager[Session]]
Progress = Callable[[str, int, int | None], None]
Enqueue = Callable[[Session, Sequence[Send]], None]
Refuse = Callable[[Sheet, BadRow], None]
Rows = Sequence[tuple[Intake, Mapping[str, Row]]]  # by list and address
Batch = Sequence[tuple[Intake, People]]


def overlook(sheet: Sheet, bad: BadRow) -> None:
    """What is done with bad rows that nobody wants but in the report."""


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
    elsewhere: int = 0  # rows of other lists than the one that was named
    bad_rows: int = 0
    bad: list[BadRow] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)

    def as_json(self, sheets: Mapping[str, Sheet]) -> dict[str, Any]:
        """The report as DESIGN promises it; `mailable` is the addresses, or their number if there are many."""
        named = self.mailable == len(self.addresses)
        counts = "rows", "new", "updated", "unchanged", "suppressed", "left", "asked", "elsewhere", "bad_rows"
        told = [{"file": name, **_described(sheet)} for name, sheet in sheets.items()]
        return {
            **{name: getattr(self, name) for name in counts},
            "mailable": self.addresses if named else self.mailable,
            "bad": [
                {"line": bad.line, "reason": bad.reason, **({"file": bad.file} if bad.file else {})} for bad in self.bad
            ],
            **_described(next(iter(sheets.values()))),
            **({"files": told} if len(told) > 1 else {}),
        }


def _described(sheet: Sheet) -> dict[str, Any]:
    return {
        "format": sheet.kind,
        "delimiter": sheet.delimiter,
        "encoding": sheet.encoding,
        "program": sheet.program,
        "columns": dict(sheet.columns),
        "ignored": list(sheet.ignored),
    }


def import_people(
    file: BinaryIO,
    order: Order,
    *,
    transaction: Opener,
    enqueue: Enqueue,
    key: bytes,
    now: datetime,
    random_bytes: Callable[[int], bytes],
    reading: Reading | None = None,
    name: str = "",
    progress: Progress = lambda label, done, total: None,
    refuse: Refuse = overlook,
    lanes: int = 1,
) -> dict[str, Any]:
    """Take the people of a file (seekable) onto a list; the report as a dictionary.

    Without a list in the order, an export of ours of everybody says for each row which list it is of.

    `enqueue` gets the confirm mails of a chunk within its transaction, `refuse` each bad row. With several `lanes` that
    many transactions are open at a time, in threads of their own, each for its own people: for PostgreSQL, where
    writers don't wait. A second run changes nothing. NoConsent, UnknownList or BadFile before anything is written;
    BadFile in mid-file leaves the rows before it in place.
    """
    if order.confirmed and not order.consent.strip():
        raise NoConsent("expected --consent with a word on where the consent came from")
    with transaction() as session:
        if order.list_id and not open_lists(session, [order.list_id], private=True):
            raise UnknownList(f"there is no list {order.list_id!r}")

    def store(batch: Batch) -> list[Taken]:
        with transaction() as session:
            done = [intake.take(session, people) for intake, people in batch]
            for taken in done:
                if taken.sends:
                    enqueue(session, taken.sends)
        return done

    with files.parts(name, file) as parts, Lanes(lanes, store) as threads:
        sheets = {part.name: look(part.file, reading or Reading(), part.name) for part in parts}
        if not order.list_id and not all("list" in sheet.places for sheet in sheets.values()):
            raise UnknownList("expected --list: only an export of ours of everybody says which list each row is of")
        means: dict[str, Any] = {"key": key, "now": now, "random_bytes": random_bytes, "suppressed": set()}
        sorter = _Sorter(order, lambda list_id: Intake(replace(order, list_id=list_id), **means), transaction, refuse)
        total = sum(files.lines(part.file) - sheets[part.name].skip for part in parts)
        for chunk in _chunks(parts, sheets):
            batches = _parts(sorter.people(*chunk), lanes)
            for done in threads.put(batches) if lanes > 1 else map(store, batches):
                sorter.count(done)
            progress("importing", sorter.report.rows, max(total, sorter.report.rows))
        for done in threads.rest():
            sorter.count(done)
        progress("importing", sorter.report.rows, sorter.report.rows)
        return sorter.report.as_json(sheets)


def _chunks(parts: Sequence[Part], sheets: Mapping[str, Sheet]) -> Iterator[tuple[str, Sheet, list[Row | BadRow]]]:
    """The rows of every part, CHUNK at a time, each with the name of the part (none if it is the only one)."""
    for part in parts:
        sheet = sheets[part.name]
        rows = read(part.file, sheet)
        while chunk := list(islice(rows, CHUNK)):
            yield part.name if len(parts) > 1 else "", sheet, chunk


def _parts(rows: Rows, count: int) -> list[Batch]:
    """The people by lane: the same address always in the same, so that no two lanes write the same person."""
    if count == 1:
        return [[(intake, intake.people(by_address)) for intake, by_address in rows]]
    parts: list[list[tuple[Intake, People]]] = [[] for _ in range(count)]
    for intake, by_address in rows:
        shares: list[dict[str, Row]] = [{} for _ in range(count)]
        for email, row in by_address.items():
            shares[zlib.crc32(email.encode()) % count][email] = row
        for part, share in zip(parts, shares, strict=True):
            part.append((intake, intake.people(share)))
    return list(parts)


class _Sorter:
    """The people of each chunk by list and address, and what became of all of them."""

    def __init__(self, order: Order, intake: Callable[[str], Intake], transaction: Opener, refuse: Refuse) -> None:
        self.report = Report()
        self._order = order
        self._new_intake = intake
        self._transaction = transaction
        self._refuse = refuse
        self._intakes: dict[str, Intake | None] = {}
        self._seen: set[int] | None = set() if order.dry_run else None

    def people(self, file: str, sheet: Sheet, chunk: list[Row | BadRow]) -> Rows:
        """The people of a chunk by list, once each, counting the rest; one that says "left" anywhere left."""
        by_list: dict[str, dict[str, Row]] = {}
        alone = "list" not in sheet.places
        self.report.rows += len(chunk)
        for row in chunk:
            if isinstance(row, BadRow):
                self._bad(sheet, replace(row, file=file))
                continue
            list_id = self._order.list_id if alone else self._list_of(file, sheet, row)
            if list_id is not None:
                self._add(by_list.setdefault(list_id, {}), list_id, row)
        return [(intake, people) for list_id, people in by_list.items() if (intake := self._intake(list_id))]

    def count(self, done: Sequence[Taken]) -> None:
        """What became of a batch."""
        report = self.report
        for taken in done:
            for word in ("new", "updated", "unchanged", "suppressed"):
                setattr(report, word, getattr(report, word) + taken.words[word])
            report.left += taken.left
            report.asked += len(taken.sends)
            report.mailable += taken.mailable
            report.addresses += taken.named[: MOST_LISTED - len(report.addresses)]

    def _add(self, people: dict[str, Row], list_id: str, row: Row) -> None:
        email, seen = row.email, self._seen
        if email not in people and (seen is None or hash((list_id, email)) not in seen):
            people[email] = row
            if seen is not None:
                seen.add(hash((list_id, email)))
            return
        self.report.unchanged += 1
        if email in people and row.wish is Wish.LEFT:
            people[email] = row

    def _list_of(self, file: str, sheet: Sheet, row: Row) -> str | None:
        """The list of a row in an export of everybody; None if it is counted already."""
        kept = row.more.kept if row.more else None
        list_id = kept.list_id if kept else ""
        if self._order.list_id and list_id != self._order.list_id:
            self.report.elsewhere += 1
            return None
        if self._intake(list_id) is None:
            self._bad(sheet, BadRow(row.line, f"there is no list {list_id[:64]!r}", file=file))
            return None
        return list_id

    def _intake(self, list_id: str) -> Intake | None:
        if list_id not in self._intakes:
            with self._transaction() as session:
                known = bool(open_lists(session, [list_id], private=True))
            self._intakes[list_id] = self._new_intake(list_id) if known else None
        return self._intakes[list_id]

    def _bad(self, sheet: Sheet, bad: BadRow) -> None:
        self.report.bad_rows += 1
        if len(self.report.bad) < MOST_LISTED:
            self.report.bad.append(bad)
        self._refuse(sheet, bad)
