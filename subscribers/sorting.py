"""What is to be done with each row of an import: nobody who left, declined or is suppressed comes back (L-12).

Values in, values out; `intake` asks the database who is known, and writes what comes out of here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from subscribers import attributes
from subscribers.addresses import hash_addresses
from subscribers.keeping import Kept
from subscribers.meanings import Wish
from subscribers.models import Status
from subscribers.sheets import Row

_AWAY = (Status.UNSUBSCRIBED, Status.DECLINED)


@dataclass(frozen=True)
class Order:
    """What an administrator wants of an import."""

    list_id: str
    confirmed: bool = False  # else everybody is asked by mail
    consent: str = ""  # where it came from; needed with `confirmed`
    dry_run: bool = False
    tags: tuple[str, ...] = ()  # put on everybody of the file


class People(NamedTuple):
    """The people of a chunk, by normalised address."""

    rows: Mapping[str, Row]
    hashes: Mapping[str, str]  # as suppressions know them

    @classmethod
    def of(cls, rows: Mapping[str, Row], key: bytes) -> People:
        """With their hashes under `key`."""
        return cls(rows, hash_addresses(key, rows))


class Known(NamedTuple):
    """Somebody of a chunk as the database knows them."""

    email: str
    id: int
    name: str
    language: str | None
    status: str | None  # on the list; None if they never were
    left_at: datetime | None
    attributes: Mapping[str, Any]
    tags: tuple[str, ...] = ()


class Placed(NamedTuple):
    """Somebody to be put on the list, or moved there."""

    row: Row
    id: int  # 0: not known yet
    status: Status
    kept: Kept | None = None


@dataclass
class Chunk:
    """What is to be written for a chunk, and counted of it."""

    hashes: Mapping[str, str]
    fresh: list[Placed] = field(default_factory=list)  # not known at all
    joining: list[Placed] = field(default_factory=list)  # known, but never on this list
    moving: list[Placed] = field(default_factory=list)  # on the list, with another status
    filling: list[tuple[int, dict[str, Any]]] = field(default_factory=list)  # what was not known of them yet
    tagging: list[tuple[str, int, tuple[str, ...]]] = field(default_factory=list)  # address, id or 0, tags
    ask: list[tuple[str, int]] = field(default_factory=list)  # the address, and the id of who was known before
    away: list[tuple[str, Kept]] = field(default_factory=list)  # who was suppressed where the file comes from
    words: Counter[str] = field(default_factory=Counter)  # new, updated, unchanged, suppressed -> how many
    mailable: list[str] = field(default_factory=list)
    left: int = 0


def decide(before: tuple[str, bool] | None, wish: Wish, confirmed: bool) -> Status | None:
    """The status a row leads to, None for no change; `before` is (status, whether they ever left this list).

    Whoever left or declined stays away, and a row that says somebody left always wins.
    """
    if wish is Wish.LEFT:
        on_list = before is None or before[0] in (Status.PENDING, Status.CONFIRMED)
        return Status.UNSUBSCRIBED if on_list else None
    if before is None:
        return Status.CONFIRMED if wish is Wish.JOIN and confirmed else Status.PENDING
    if before == (Status.PENDING, False) and wish is Wish.JOIN and confirmed:
        return Status.CONFIRMED
    return None


def sort(order: Order, people: People, known: Mapping[str, Known], away: Collection[str]) -> Chunk:
    """Find each row its place; `away` are the hashes of those who are suppressed, and of their domains."""
    chunk = Chunk(people.hashes)
    joins = order.confirmed and not order.tags
    for email, row in people.rows.items():
        if away and (people.hashes[email] in away or f"@{row.domain}" in away):
            chunk.words["suppressed"] += 1
        elif joins and row.more is None and row.wish is Wish.JOIN and email not in known:
            # As `_sort` has it, for the millions of whom there is nothing else to say.
            chunk.fresh.append(Placed(row, 0, Status.CONFIRMED))
            chunk.mailable.append(email)
        else:
            _sort(order, chunk, row, known.get(email))
    chunk.words["new"] += len(chunk.fresh)
    return chunk


def _sort(order: Order, chunk: Chunk, row: Row, known: Known | None) -> None:
    before = (known.status, known.left_at is not None) if known and known.status else None
    kept = row.more.kept if row.more else None
    # What another list agreed to says nothing here, and nobody is confirmed without a word of the administrator's.
    if kept and (before or not order.confirmed or not kept.speaks_of(order.list_id)):
        kept = None
    after = Status(kept.status) if kept else decide(before, row.wish, order.confirmed)
    told = _told(order, chunk, row, known)
    if known is None:
        assert after is not None  # nobody leads to no change who was not there before
        chunk.fresh.append(Placed(row, 0, after, kept))
    else:
        if after is not None:
            (chunk.moving if known.status else chunk.joining).append(Placed(row, known.id, after, kept))
        is_new = known.status is None and after is not None
        chunk.words["new" if is_new else "updated" if after is not None or told else "unchanged"] += 1
    stands = after or (known.status if known else None)
    chunk.left += stands in _AWAY
    if stands == Status.CONFIRMED:
        chunk.mailable.append(row.email)
    elif after == Status.PENDING and row.wish is Wish.JOIN and not order.confirmed:
        chunk.ask.append((row.email, known.id if known else 0))


def _told(order: Order, chunk: Chunk, row: Row, known: Known | None) -> bool:
    """Note what else the row says; whether that changes anything of somebody whom we know."""
    if row.more is None and not order.tags and known is None:
        return False
    missing = _missing(known, row) if known else {}
    if known and missing:
        chunk.filling.append((known.id, missing))
    said = (*row.more.tags, *order.tags) if row.more else order.tags
    tags = tuple(tag for tag in said if not known or tag not in known.tags)
    if tags:
        chunk.tagging.append((row.email, known.id if known else 0, tags))
    if row.more and row.more.kept and row.more.kept.suppressions:
        chunk.away.append((row.email, row.more.kept))
    return bool(missing or tags)


def _missing(known: Known, row: Row) -> dict[str, Any]:
    """What the row tells of somebody that was not known of them yet."""
    told: dict[str, Any] = {}
    if row.name and not known.name:
        told["name"] = row.name
    if row.language and not known.language:
        told["language"] = row.language
    if row.more and row.more.attributes.keys() - known.attributes.keys():
        both = {**row.more.attributes, **known.attributes}
        if len(attributes.written(both).encode()) <= attributes.LARGEST:
            told["attributes"] = both
    return told
