"""One chunk of an import into the database: a few statements for thousands of people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, insert, select, update
from sqlmodel import Session

from subscribers import bulk
from subscribers.addresses import hash_address
from subscribers.audience import CONFIRM_MAILS, EVERYWHERE
from subscribers.columns import table
from subscribers.joining import CAPS, CONFIRM_WITHIN, Send
from subscribers.models import Confirmation, Consent, Status, Subscriber, Subscription, Suppression
from subscribers.rows import text_hash
from subscribers.sheets import Row, Wish
from subscribers.tokens import HANDLE_BYTES

MOST_NAMED = 1_000  # addresses that a report names; beyond, it counts them

_PERSON = ("id", "email", "email_hash", "domain", "handle", "name", "language", "attributes", "created_at")
_PLACE = ("subscriber_id", "list_id", "status", "choices", "created_at", "confirmed_at", "left_at")
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


class Known(NamedTuple):
    """Somebody of a chunk as the database knows them."""

    email: str
    id: int
    name: str
    language: str | None
    status: str | None  # on the list; None if they never were
    left_at: datetime | None


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

    fresh: list[tuple[Row, str, Status]] = field(default_factory=list)  # not known at all; with the address' hash
    joining: list[tuple[Row, int, Status]] = field(default_factory=list)  # known, but never on this list
    moving: list[tuple[Row, int, Status]] = field(default_factory=list)  # on the list, with another status
    filling: list[tuple[int, dict[str, str]]] = field(default_factory=list)  # what was not known of them yet
    ask: list[tuple[str, int]] = field(default_factory=list)  # the address, and the id of who was known before
    words: Counter[str] = field(default_factory=Counter)
    mailable: list[str] = field(default_factory=list)
    left: int = 0


class Intake:
    """Takes chunks in, each in the session of its own transaction."""

    def __init__(self, order: Order, *, key: bytes, now: datetime, random_bytes: Callable[[int], bytes]) -> None:
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
            ids = self._store(session, chunk)
            known = {email: id_ for email, id_ in chunk.ask if id_}
            asked = self._within_caps(session, asked, known)
            sends = self._ask(session, [known.get(email) or ids[email] for email in asked])
        mailable = [*chunk.mailable, *asked]
        return Taken(chunk.words, len(mailable), tuple(mailable[:MOST_NAMED]), chunk.left, sends)

    def _chunk(self, session: Session, people: Mapping[str, Row]) -> _Chunk:
        chunk = _Chunk()
        known = self._known(session, people)
        hashes = {email: hash_address(self.key, email) for email in people}
        away = self._away(session, hashes)
        for email, row in people.items():
            if hashes[email] in away:
                chunk.words["suppressed"] += 1
            else:
                self._sort(chunk, row, hashes[email], known.get(email))
        return chunk

    def _sort(self, chunk: _Chunk, row: Row, hashed: str, known: Known | None) -> None:
        """Find the row its place in the chunk."""
        before = (known.status, known.left_at is not None) if known and known.status else None
        after = decide(before, row.wish, self.order.confirmed)
        missing = _missing(known, row) if known else {}
        if known is None:
            assert after is not None  # nobody leads to no change who was not there before
            chunk.fresh.append((row, hashed, after))
        elif after is not None:
            (chunk.moving if known.status else chunk.joining).append((row, known.id, after))
        if known and missing:
            chunk.filling.append((known.id, missing))
        is_new = known is None or (known.status is None and after is not None)
        chunk.words["new" if is_new else "updated" if after is not None or missing else "unchanged"] += 1
        stands = after or (known.status if known else None)
        chunk.left += stands in (Status.UNSUBSCRIBED, Status.DECLINED)
        if stands == Status.CONFIRMED:
            chunk.mailable.append(row.email)
        elif after == Status.PENDING and row.wish is Wish.JOIN and not self.order.confirmed:
            chunk.ask.append((row.email, known.id if known else 0))

    def _away(self, session: Session, hashes: Mapping[str, str]) -> set[str]:
        row = table(Suppression)
        scopes = row.c.scope.in_([EVERYWHERE, CONFIRM_MAILS, self.order.list_id])
        if not session.execute(select(select(1).where(scopes).exists())).scalar():
            return set()
        wanted = bulk.among(session, row.c.hash, [*hashes.values()])
        return set(session.execute(select(row.c.hash).where(wanted, scopes)).scalars())

    def _known(self, session: Session, people: Iterable[str]) -> dict[str, Known]:
        person, place = table(Subscriber), table(Subscription)
        here = (place.c.subscriber_id == person.c.id) & (place.c.list_id == self.order.list_id)
        rows = session.execute(
            select(person.c.email, person.c.id, person.c.name, person.c.language, place.c.status, place.c.left_at)
            .select_from(person.outerjoin(place, here))
            .where(bulk.among(session, person.c.email, [*people]))
        )
        return {row.email: Known(*row) for row in rows}

    def _store(self, session: Session, chunk: _Chunk) -> dict[str, int]:
        """Write it all; the ids of those who were not known."""
        fresh = self._store_people(session, chunk.fresh)
        joining = [*fresh, *chunk.joining]
        self._store_places(session, joining)
        place = table(Subscription)
        for _, id_, status in chunk.moving:
            mine = place.c.subscriber_id == id_, place.c.list_id == self.order.list_id
            session.execute(update(place).where(*mine).values(status=status, **_dates(status, self.now)))
        person = table(Subscriber)
        for id_, missing in chunk.filling:
            session.execute(update(person).where(person.c.id == id_).values(**missing))
        self._store_proofs(session, [*joining, *chunk.moving])
        return {row.email: id_ for row, id_, _ in fresh}

    def _store_people(self, session: Session, fresh: list[tuple[Row, str, Status]]) -> list[tuple[Row, int, Status]]:
        """The rows with the ids of their people, who are in the database now."""
        people, size = table(Subscriber), HANDLE_BYTES
        ids = bulk.next_ids(session, people, len(fresh))
        # All handles of a chunk are cut from one string: asking the system for each would cost more than storing it.
        handles = self.random_bytes(size * len(fresh))
        now = bulk.stored(session, people.c.created_at, self.now)
        nothing = bulk.stored(session, people.c.attributes, {})
        values = [
            (id_, row.email, hashed, row.domain, handles[at : at + size], row.name, row.language, nothing, now)
            for (row, hashed, _), id_, at in zip(fresh, ids, range(0, size * len(fresh), size), strict=True)
        ]
        stored = bulk.insert_or_ignore(session, people, _PERSON, values)
        if stored < len(fresh):
            return self._met(session, fresh)
        return [(row, id_, status) for (row, _, status), id_ in zip(fresh, ids, strict=True)]

    def _met(self, session: Session, fresh: list[tuple[Row, str, Status]]) -> list[tuple[Row, int, Status]]:
        """Those of `fresh` who are still on no list of ours: somebody else wrote to the same people meanwhile."""
        known = self._known(session, [row.email for row, _, _ in fresh])
        return [(row, known[row.email].id, status) for row, _, status in fresh if known[row.email].status is None]

    def _store_places(self, session: Session, joining: list[tuple[Row, int, Status]]) -> None:
        places = table(Subscription)
        now = bulk.stored(session, places.c.created_at, self.now)
        nothing = bulk.stored(session, places.c.choices, {})
        confirmed, left = {Status.CONFIRMED: now}, {Status.UNSUBSCRIBED: now}
        values = [
            (id_, self.order.list_id, str(status), nothing, now, confirmed.get(status), left.get(status))
            for _, id_, status in joining
        ]
        bulk.insert(session, places, _PLACE, values)

    def _store_proofs(self, session: Session, changed: list[tuple[Row, int, Status]]) -> None:
        proofs = table(Consent)
        now = bulk.stored(session, proofs.c.at, self.now)
        agreed = self.order.consent, text_hash(self.order.consent)
        values = [
            (
                id_,
                self.order.list_id,
                "unsubscribed" if status is Status.UNSUBSCRIBED else "imported",
                "import",
                now,
                row.typed,
                *(agreed if status is Status.CONFIRMED else ("", "")),
                row.language or "",
                *("", "", ""),
            )
            for row, id_, status in changed
        ]
        bulk.insert(session, proofs, _PROOF, values)

    def _within_caps(self, session: Session, ask: list[str], known: Mapping[str, int]) -> list[str]:
        """Those of `ask` who may get one more confirm mail; people we never knew may."""
        row = table(Confirmation)
        before = [*known.values()]
        full: set[int] = set()
        for span, most in CAPS:
            mails = func.count(func.distinct(row.c.created_at))
            many = (
                select(row.c.subscriber_id)
                .where(row.c.subscriber_id.in_(before), row.c.created_at > self.now - span)
                .group_by(row.c.subscriber_id)
                .having(mails >= most)
            )
            full.update(session.execute(many).scalars() if before else ())
        return [email for email in ask if known.get(email) not in full]

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


def _missing(known: Known, row: Row) -> dict[str, str]:
    """What the row tells of somebody that was not known of them yet."""
    told = {"name": row.name if not known.name else "", "language": row.language if not known.language else None}
    return {column: value for column, value in told.items() if value}


def _dates(status: Status, now: datetime) -> dict[str, datetime]:
    if status == Status.CONFIRMED:
        return {"confirmed_at": now}
    return {"left_at": now} if status == Status.UNSUBSCRIBED else {}
