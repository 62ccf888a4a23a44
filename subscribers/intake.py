"""One chunk of an import into the database: a few statements for thousands of people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, insert, select, update
from sqlmodel import Session

from subscribers import attributes, bulk, stage
from subscribers.addresses import hash_address
from subscribers.audience import CONFIRM_MAILS, EVERYWHERE
from subscribers.columns import table
from subscribers.joining import CONFIRM_WITHIN, Send, had_enough
from subscribers.keeping import Kept
from subscribers.meanings import Wish
from subscribers.models import Confirmation, Consent, Status, Subscriber, Subscription, Suppression, Tag
from subscribers.rows import insert_missing, insert_or_ignore, text_hash
from subscribers.sheets import Row
from subscribers.tokens import HANDLE_BYTES

MOST_NAMED = 1_000  # addresses that a report names; beyond, it counts them

_AWAY = (Status.UNSUBSCRIBED, Status.DECLINED)
_PROOF = (
    *("subscriber_id", "list_id", "action", "method", "at", "email_typed", "text", "text_hash", "locale"),
    *("form_url", "ip", "message_id"),
)


@dataclass(frozen=True)
class Order:
    """What an administrator wants of an import."""

    list_id: str
    confirmed: bool = False  # else everybody is asked by mail
    consent: str = ""  # where it came from; needed with `confirmed`
    dry_run: bool = False
    tags: tuple[str, ...] = ()  # put on everybody of the file


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


@dataclass(frozen=True)
class Taken:
    """What became of the people of a chunk."""

    words: Mapping[str, int]  # new, updated, unchanged, suppressed -> how many
    mailable: int  # confirmed on the list now, or asked
    named: tuple[str, ...]  # the first of them
    left: int
    sends: tuple[Send, ...]


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


@dataclass
class _Chunk:
    """What is to be written for a chunk, and counted of it."""

    hashes: dict[str, str]
    fresh: list[Placed] = field(default_factory=list)  # not known at all
    joining: list[Placed] = field(default_factory=list)  # known, but never on this list
    moving: list[Placed] = field(default_factory=list)  # on the list, with another status
    filling: list[tuple[int, dict[str, Any]]] = field(default_factory=list)  # what was not known of them yet
    tagging: list[tuple[str, int, tuple[str, ...]]] = field(default_factory=list)  # address, id or 0, tags
    ask: list[tuple[str, int]] = field(default_factory=list)  # the address, and the id of who was known before
    away: list[tuple[str, Kept]] = field(default_factory=list)  # who was suppressed where the file comes from
    words: Counter[str] = field(default_factory=Counter)
    mailable: list[str] = field(default_factory=list)
    left: int = 0


class Intake:
    """Takes chunks in, each in the session of its own transaction."""

    def __init__(
        self,
        order: Order,
        *,
        key: bytes,
        now: datetime,
        random_bytes: Callable[[int], bytes],
        suppressed: set[str],
    ) -> None:
        """`suppressed` is shared by the lists of one import: whom it keeps away itself still has rows to come."""
        self.suppressed = suppressed
        self.order = order
        self.key = key
        self.now = now
        self.random_bytes = random_bytes

    def take(self, session: Session, people: Mapping[str, Row]) -> Taken:
        """Store the people of a chunk, by normalised address; nothing is stored on a dry run."""
        chunk = self._chunk(session, people)
        sends: tuple[Send, ...] = ()
        asked = [email for email, _ in chunk.ask]
        if not self.order.dry_run:
            bulk.prepare(session)
            chunk.moving = self._still(session, chunk)
            ids = self._store(session, chunk)
            known = {email: id_ for email, id_ in chunk.ask if id_}
            full = had_enough(session, [*known.values()], self.now)
            asked = [email for email in asked if known.get(email) not in full]
            sends = self._ask(session, [known.get(email) or ids[email] for email in asked])
        mailable = [*chunk.mailable, *asked]
        return Taken(chunk.words, len(mailable), tuple(mailable[:MOST_NAMED]), chunk.left, sends)

    def _chunk(self, session: Session, people: Mapping[str, Row]) -> _Chunk:
        key = self.key
        chunk = _Chunk({email: hash_address(key, email) for email in people})
        known = self._known(session, people)
        away = self._away(session, chunk.hashes, {row.domain for row in people.values()}) - self.suppressed
        for email, row in people.items():
            if away and (chunk.hashes[email] in away or f"@{row.domain}" in away):
                chunk.words["suppressed"] += 1
            else:
                self._sort(chunk, row, known.get(email))
        return chunk

    def _sort(self, chunk: _Chunk, row: Row, known: Known | None) -> None:
        """Find the row its place in the chunk."""
        before = (known.status, known.left_at is not None) if known and known.status else None
        kept = row.more.kept if row.more else None
        # What another list agreed to says nothing here, and nobody is confirmed without a word of the administrator's.
        if kept and (before or not self.order.confirmed or not kept.speaks_of(self.order.list_id)):
            kept = None
        after = Status(kept.status) if kept else decide(before, row.wish, self.order.confirmed)
        if known is None:
            assert after is not None  # nobody leads to no change who was not there before
            chunk.fresh.append(Placed(row, 0, after, kept))
        elif after is not None:
            (chunk.moving if known.status else chunk.joining).append(Placed(row, known.id, after, kept))
        told = self._told(chunk, row, known)
        is_new = known is None or (known.status is None and after is not None)
        chunk.words["new" if is_new else "updated" if after is not None or told else "unchanged"] += 1
        stands = after or (known.status if known else None)
        chunk.left += stands in _AWAY
        if stands == Status.CONFIRMED:
            chunk.mailable.append(row.email)
        elif after == Status.PENDING and row.wish is Wish.JOIN and not self.order.confirmed:
            chunk.ask.append((row.email, known.id if known else 0))

    def _told(self, chunk: _Chunk, row: Row, known: Known | None) -> bool:
        """Note what else the row says; whether that changes anything of somebody whom we know."""
        if row.more is None and not self.order.tags and known is None:
            return False
        missing = _missing(known, row) if known else {}
        if known and missing:
            chunk.filling.append((known.id, missing))
        said = (*row.more.tags, *self.order.tags) if row.more else self.order.tags
        tags = tuple(tag for tag in said if not known or tag not in known.tags)
        if tags:
            chunk.tagging.append((row.email, known.id if known else 0, tags))
        if row.more and row.more.kept and row.more.kept.suppressions:
            chunk.away.append((row.email, row.more.kept))
        return bool(missing or tags)

    def _away(self, session: Session, hashes: Mapping[str, str], domains: Iterable[str]) -> set[str]:
        row = table(Suppression)
        scopes = row.c.scope.in_([EVERYWHERE, CONFIRM_MAILS, self.order.list_id])
        if not session.execute(select(select(1).where(scopes).exists())).scalar():
            return set()
        wanted = bulk.among(session, row.c.hash, [*hashes.values(), *(f"@{domain}" for domain in domains)])
        return set(session.execute(select(row.c.hash).where(wanted, scopes)).scalars())

    def _known(self, session: Session, people: Mapping[str, Row]) -> dict[str, Known]:
        person, place = table(Subscriber), table(Subscription)
        here = (place.c.subscriber_id == person.c.id) & (place.c.list_id == self.order.list_id)
        columns = person.c.email, person.c.id, person.c.name, person.c.language, place.c.status, place.c.left_at
        rows = session.execute(
            select(*columns, person.c.attributes)
            .select_from(person.outerjoin(place, here))
            .where(bulk.among(session, person.c.email, [*people]))
        )
        known = {row.email: Known(*row) for row in rows}
        tagged = [known[row.email].id for row in people.values() if row.email in known and self._tags(row)]
        if tagged:
            tag = table(Tag)
            put: dict[int, list[str]] = {}
            for name, id_ in session.execute(
                select(tag.c.name, tag.c.subscriber_id).where(tag.c.subscriber_id.in_(tagged))
            ):
                put.setdefault(id_, []).append(name)
            known = {email: one._replace(tags=tuple(put.get(one.id, ()))) for email, one in known.items()}
        return known

    def _tags(self, row: Row) -> bool:
        return bool(self.order.tags or (row.more and row.more.tags))

    def _store(self, session: Session, chunk: _Chunk) -> dict[str, int]:
        """Write it all; the ids of those who were not known."""
        ids = self._stage(session, chunk) if chunk.fresh or chunk.joining else {}
        self._move(session, chunk.moving)
        person = table(Subscriber)
        for id_, missing in chunk.filling:
            session.execute(update(person).where(person.c.id == id_).values(**missing))
        self._tag(session, chunk.tagging, ids)
        for email, kept in chunk.away:
            self._suppress(session, chunk.hashes[email], kept)
        return ids

    def _suppress(self, session: Session, hashed: str, kept: Kept) -> None:
        for scope, reason, at in kept.suppressions:
            values = {"hash": hashed, "scope": scope, "reason": reason, "at": at or self.now}
            if insert_missing(session, Suppression, values):
                self.suppressed.add(hashed)

    def _stage(self, session: Session, chunk: _Chunk) -> dict[str, int]:
        """Store those who were not known, and the places of all who had none; the ids of the former."""
        fresh, joining = chunk.fresh, chunk.joining
        numbers = bulk.next_ids(session, table(Subscriber), len(fresh)) if fresh else []
        placed = [*fresh, *joining]
        ids = [*numbers, *(one.id for one in joining)]
        # All handles of a chunk are cut from one string: asking the system for each would cost more than storing it.
        size = HANDLE_BYTES
        handles = self.random_bytes(size * len(placed))
        rows = [
            (
                id_,
                bool(one.id),
                one.row.email,
                chunk.hashes[one.row.email],
                one.row.domain,
                handles[at : at + size],
                one.row.name,
                one.row.language,
                attributes.written(one.row.more.attributes) if one.row.more else "{}",
                str(one.status),
                one.row.typed if one.row.typed != one.row.email else None,
            )
            for one, id_, at in zip(placed, ids, range(0, size * len(placed), size), strict=True)
        ]
        kept = any(one.kept for one in placed)
        if kept:
            dated = self._instant_of(session)
            rows = [(*row, *_restored(one.kept, dated)) for row, one in zip(rows, placed, strict=True)]
        stage.fill(session, stage.KEPT if kept else stage.PLAIN, rows)
        order = self.order
        common = stage.Common(order.list_id, self.now, order.consent)
        met = stage.store(session, common, fresh=len(fresh), known=len(joining))
        found = {one.row.email: id_ for one, id_ in zip(placed, ids, strict=True)}
        if met:
            found |= {
                email: one.id for email, one in self._known(session, {one.row.email: one.row for one in fresh}).items()
            }
        if kept:
            self._prove(session, [(found[one.row.email], one.row, one.kept) for one in placed if one.kept])
        return found

    def _instant_of(self, session: Session) -> Callable[[datetime | None], Any]:
        column = table(Subscriber).c.created_at
        return lambda at: None if at is None else bulk.stored(session, column, at)

    def _prove(self, session: Session, restored: Sequence[tuple[int, Row, Kept]]) -> None:
        """The record of consent that an export brought along."""
        dated = self._instant_of(session)
        rows = [
            (
                id_,
                proof["list_id"],
                proof["action"],
                proof["method"],
                dated(proof["at"]),
                proof["email_typed"] or row.email,
                proof["text"],
                text_hash(proof["text"]),
                *(proof[name] for name in ("locale", "form_url", "ip", "message_id")),
            )
            for id_, row, kept in restored
            for proof in kept.proofs
        ]
        bulk.insert(session, table(Consent), _PROOF, rows)

    def _still(self, session: Session, chunk: _Chunk) -> list[Placed]:
        """Those to be moved who still may be, locked: PostgreSQL lets others write since they were read, and who said
        no meanwhile is not brought back."""
        if not chunk.moving:
            return []
        place = table(Subscription)
        theirs = place.c.list_id == self.order.list_id, place.c.subscriber_id.in_([one.id for one in chunk.moving])
        rows = select(place.c.subscriber_id, place.c.status, place.c.left_at).where(*theirs).with_for_update()
        stand = {row.subscriber_id: (row.status, row.left_at is not None) for row in session.execute(rows)}
        order = self.order
        still = [one for one in chunk.moving if decide(stand.get(one.id), one.row.wish, order.confirmed) is one.status]
        gone = {one.row.email for one in chunk.moving} - {one.row.email for one in still}
        chunk.mailable = [email for email in chunk.mailable if email not in gone]
        return still

    def _move(self, session: Session, moving: Sequence[Placed]) -> None:
        place, proofs = table(Subscription), table(Consent)
        if not moving:
            return
        for status in {one.status for one in moving}:
            mine = place.c.subscriber_id == bindparam("person"), place.c.list_id == self.order.list_id
            change = update(place).where(*mine).values(status=status, **_dates(status, self.now))
            session.connection().execute(change, [{"person": one.id} for one in moving if one.status is status])
        now = bulk.stored(session, proofs.c.at, self.now)
        agreed = self.order.consent, text_hash(self.order.consent)
        rows = [
            (
                one.id,
                self.order.list_id,
                "unsubscribed" if one.status is Status.UNSUBSCRIBED else "imported",
                "import",
                now,
                one.row.typed,
                *(agreed if one.status is Status.CONFIRMED else ("", "")),
                one.row.language or "",
                *("", "", ""),
            )
            for one in moving
        ]
        bulk.insert(session, proofs, _PROOF, rows)

    def _tag(
        self, session: Session, tagging: Sequence[tuple[str, int, tuple[str, ...]]], ids: Mapping[str, int]
    ) -> None:
        rows = [
            {"name": name, "subscriber_id": id_ or ids[email]} for email, id_, names in tagging for name in {*names}
        ]
        if rows:
            session.execute(insert_or_ignore(session.get_bind().dialect.name, table(Tag)), rows)

    def _ask(self, session: Session, subscriber_ids: list[int]) -> tuple[Send, ...]:
        if not subscriber_ids:
            return ()
        row = table(Confirmation)
        when = {"list_id": self.order.list_id, "created_at": self.now, "expires_at": self.now + CONFIRM_WITHIN}
        made = session.execute(
            insert(row).returning(row.c.id, row.c.subscriber_id),
            [{"subscriber_id": subscriber_id, **when} for subscriber_id in subscriber_ids],
        )
        return tuple(Send("confirm", found.id, found.subscriber_id, self.order.list_id) for found in made)


def _restored(kept: Kept | None, dated: Callable[[datetime | None], Any]) -> tuple[Any, ...]:
    """The columns of `stage.KEPT` that PLAIN has not."""
    if kept is None:
        return (None,) * 7
    dates = dated(kept.joined), dated(kept.confirmed_at), dated(kept.left_at), dated(kept.paused_until)
    return dated(kept.known_since), attributes.written(kept.choices), *dates, True


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


def _dates(status: Status, now: datetime) -> dict[str, datetime]:
    if status == Status.CONFIRMED:
        return {"confirmed_at": now}
    return {"left_at": now} if status == Status.UNSUBSCRIBED else {}
