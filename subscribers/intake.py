"""One chunk of an import into the database: a few statements for thousands of people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlmodel import Session

from subscribers import attributes, bulk, stage
from subscribers.audience import CONFIRM_MAILS, EVERYWHERE
from subscribers.columns import table
from subscribers.crowding import had_enough
from subscribers.joining import CONFIRM_WITHIN, Send
from subscribers.keeping import Kept
from subscribers.models import Confirmation, Consent, Status, Subscriber, Subscription, Suppression, Tag
from subscribers.rows import insert_missing, insert_or_ignore, text_hash
from subscribers.sheets import Row
from subscribers.sorting import Chunk, Known, Order, People, Placed, decide, sort
from subscribers.tokens import HANDLE_BYTES

MOST_NAMED = 1_000  # addresses that a report names; beyond, it counts them

_PROOF = (
    *("subscriber_id", "list_id", "action", "method", "at", "email_typed", "text", "text_hash", "locale"),
    *("form_url", "ip", "message_id"),
)


@dataclass(frozen=True)
class Taken:
    """What became of the people of a chunk."""

    words: Mapping[str, int]  # new, updated, unchanged, suppressed -> how many
    mailable: int  # confirmed on the list now, or asked
    named: tuple[str, ...]  # the first of them
    left: int
    sends: tuple[Send, ...]


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

    def people(self, rows: Mapping[str, Row]) -> People:
        """The rows by normalised address as `take` wants them: what needs no database is done apart from it."""
        return People.of(rows, self.key)

    def take(self, session: Session, people: People) -> Taken:
        """Store the people of a chunk; nothing is stored on a dry run."""
        if not self.order.dry_run:
            bulk.prepare(session)
        away = self._away(session, people) - self.suppressed
        chunk = sort(self.order, people, self._known(session, people.rows), away)
        sends: tuple[Send, ...] = ()
        asked = [email for email, _ in chunk.ask]
        if not self.order.dry_run:
            chunk.moving = self._still(session, chunk)
            ids = self._store(session, chunk)
            known = {email: id_ for email, id_ in chunk.ask if id_}
            full = had_enough(session, [*known.values()], self.now)
            asked = [email for email in asked if known.get(email) not in full]
            sends = self._ask(session, [known.get(email) or ids[email] for email in asked])
        mailable = [*chunk.mailable, *asked]
        return Taken(chunk.words, len(mailable), tuple(mailable[:MOST_NAMED]), chunk.left, sends)

    def _away(self, session: Session, people: People) -> set[str]:
        row = table(Suppression)
        scopes = row.c.scope.in_([EVERYWHERE, CONFIRM_MAILS, self.order.list_id])
        if not session.execute(select(select(1).where(scopes).exists())).scalar():
            return set()
        domains = {f"@{one.domain}" for one in people.rows.values()}
        wanted = bulk.among(session, row.c.hash, [*people.hashes.values(), *domains])
        return set(session.execute(select(row.c.hash).where(wanted, scopes)).scalars())

    def _known(self, session: Session, rows: Mapping[str, Row]) -> dict[str, Known]:
        person, place = table(Subscriber), table(Subscription)
        here = (place.c.subscriber_id == person.c.id) & (place.c.list_id == self.order.list_id)
        columns = person.c.email, person.c.id, person.c.name, person.c.language, place.c.status, place.c.left_at
        found = session.execute(
            select(*columns, person.c.attributes)
            .select_from(person.outerjoin(place, here))
            .where(bulk.among(session, person.c.email, [*rows]))
        )
        known = {one.email: Known(*one) for one in found}
        tagged = [known[row.email].id for row in rows.values() if row.email in known and self._tags(row)]
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

    def _store(self, session: Session, chunk: Chunk) -> dict[str, int]:
        """Write it all; the ids of those who were not known."""
        ids = self._stage(session, chunk) if chunk.fresh or chunk.joining else {}
        self._move(session, chunk.moving)
        self._fill(session, chunk.filling)
        self._tag(session, chunk.tagging, ids)
        for email, kept in chunk.away:
            self._suppress(session, chunk.hashes[email], kept)
        return ids

    def _fill(self, session: Session, filling: Sequence[tuple[int, dict[str, Any]]]) -> None:
        person = table(Subscriber)
        alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for id_, missing in filling:
            alike.setdefault(tuple(missing), []).append({"person": id_, **missing})
        for names, rows in alike.items():
            values: dict[str, Any] = {name: bindparam(name) for name in names}
            session.connection().execute(update(person).where(person.c.id == bindparam("person")).values(values), rows)

    def _suppress(self, session: Session, hashed: str, kept: Kept) -> None:
        for scope, reason, at in kept.suppressions:
            values = {"hash": hashed, "scope": scope, "reason": reason, "at": at or self.now}
            if insert_missing(session, Suppression, values):
                self.suppressed.add(hashed)

    def _stage(self, session: Session, chunk: Chunk) -> dict[str, int]:
        """Store those who were not known, and the places of all who had none; the ids of the former."""
        fresh, joining = chunk.fresh, chunk.joining
        numbers = bulk.next_ids(session, table(Subscriber), len(fresh)) if fresh else []
        placed = [*fresh, *joining]
        ids = [*numbers, *(one.id for one in joining)]
        # All handles of a chunk are cut from one string: asking the system for each would cost more than storing it.
        size = HANDLE_BYTES
        handles = self.random_bytes(size * len(placed))
        hashes = chunk.hashes
        rows = [
            (
                id_,
                known != 0,
                row.email,
                hashes[row.email],
                row.domain,
                handles[at : at + size],
                row.name,
                row.language,
                attributes.written(row.more.attributes) if row.more else "{}",
                status.value,
                row.typed if row.typed != row.email else None,
            )
            for (row, known, status, _), id_, at in zip(placed, ids, range(0, size * len(placed), size), strict=True)
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

    def _still(self, session: Session, chunk: Chunk) -> list[Placed]:
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


def _dates(status: Status, now: datetime) -> dict[str, datetime]:
    if status == Status.CONFIRMED:
        return {"confirmed_at": now}
    return {"left_at": now} if status == Status.UNSUBSCRIBED else {}
