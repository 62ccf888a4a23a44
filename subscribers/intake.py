"""One chunk of an import into the database: a few statements for thousands of people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlmodel import Session

from subscribers.addresses import hash_address
from subscribers.audience import CONFIRM_MAILS, EVERYWHERE
from subscribers.columns import table
from subscribers.joining import CAPS, CONFIRM_WITHIN, Send
from subscribers.models import Confirmation, Consent, Status, Subscriber, Subscription, Suppression
from subscribers.rows import insert_or_ignore, text_hash
from subscribers.sheets import Row, Wish
from subscribers.tokens import HANDLE_BYTES


@dataclass(frozen=True)
class Order:
    """What an administrator wants of an import."""

    list_id: str
    confirmed: bool = False  # else everybody is asked by mail
    consent: str = ""  # where it came from; needed with `confirmed`
    dry_run: bool = False


@dataclass(frozen=True)
class Known:
    """Somebody of a chunk as the database knows them."""

    id: int
    name: str
    language: str | None
    status: str | None  # on the list; None if they never were
    left_before: bool


@dataclass(frozen=True)
class Taken:
    """What became of the people of a chunk."""

    words: Mapping[str, str]  # address -> new, updated, unchanged, suppressed
    mailable: tuple[str, ...]  # confirmed on the list now, or asked
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


class Intake:
    """Takes chunks in, each in the session of its own transaction."""

    def __init__(self, order: Order, *, key: bytes, now: datetime, random_bytes: Callable[[int], bytes]) -> None:
        self.order = order
        self.key = key
        self.now = now
        self.random_bytes = random_bytes

    def take(self, session: Session, people: Mapping[str, Row]) -> Taken:
        """Store the people of a chunk, by normalised address; nothing is stored on a dry run."""
        hashes = {email: hash_address(self.key, email) for email in people}
        away = self._away(session, hashes.values())
        welcome = {email: row for email, row in people.items() if hashes[email] not in away}
        known = self._known(session, welcome)
        after = {
            email: decide(
                (known[email].status or "", known[email].left_before)
                if email in known and known[email].status
                else None,
                row.wish,
                self.order.confirmed,
            )
            for email, row in welcome.items()
        }
        words = dict.fromkeys(people, "suppressed")
        for email, row in welcome.items():
            words[email] = _word(known.get(email), row, after[email])
        ask = [email for email, row in welcome.items() if self._to_ask(row, after[email])]
        sends: tuple[Send, ...] = ()
        if not self.order.dry_run:
            self._store_people(session, welcome, hashes, known)
            ids = {email: someone.id for email, someone in self._known(session, welcome).items()}
            self._store_places(session, welcome, known, after, ids)
            ask = self._within_caps(session, ask, ids, known)
            sends = self._ask(session, [ids[email] for email in ask])
        stands = {email: after[email] or (known[email].status if email in known else None) for email in welcome}
        asked = set(ask)
        mailable = tuple(email for email in welcome if stands[email] == Status.CONFIRMED or email in asked)
        gone = (Status.UNSUBSCRIBED, Status.DECLINED)
        return Taken(words, mailable, sum(status in gone for status in stands.values()), sends)

    def _to_ask(self, row: Row, after: Status | None) -> bool:
        return after == Status.PENDING and row.wish is Wish.JOIN and not self.order.confirmed

    def _away(self, session: Session, hashes: Iterable[str]) -> set[str]:
        row = table(Suppression)
        scopes = row.c.scope.in_([EVERYWHERE, CONFIRM_MAILS, self.order.list_id])
        return set(session.execute(select(row.c.hash).where(row.c.hash.in_(list(hashes)), scopes)).scalars())

    def _known(self, session: Session, people: Iterable[str]) -> dict[str, Known]:
        person, place = table(Subscriber), table(Subscription)
        here = (place.c.subscriber_id == person.c.id) & (place.c.list_id == self.order.list_id)
        rows = session.execute(
            select(person.c.email, person.c.id, person.c.name, person.c.language, place.c.status, place.c.left_at)
            .select_from(person.outerjoin(place, here))
            .where(person.c.email.in_(list(people)))
        )
        return {row.email: Known(row.id, row.name, row.language, row.status, row.left_at is not None) for row in rows}

    def _store_people(
        self, session: Session, people: Mapping[str, Row], hashes: Mapping[str, str], known: Mapping[str, Known]
    ) -> None:
        row = table(Subscriber)
        fresh = [email for email in people if email not in known]
        # All handles of a chunk are cut from one string: asking the system for each would cost more than storing it.
        handles = self.random_bytes(HANDLE_BYTES * len(fresh))
        values: list[dict[str, Any]] = [
            {
                "email": email,
                "email_hash": hashes[email],
                "domain": people[email].address.domain,
                "handle": handles[HANDLE_BYTES * number : HANDLE_BYTES * (number + 1)],
                "name": people[email].name,
                "language": people[email].language,
                "attributes": {},
                "created_at": self.now,
            }
            for number, email in enumerate(fresh)
        ]
        if values:
            session.execute(insert_or_ignore(session.get_bind().dialect.name, row), values)
        for email, someone in known.items():
            missing = _missing(someone, people[email])
            if missing:
                session.execute(update(row).where(row.c.id == someone.id).values(**missing))

    def _store_places(
        self,
        session: Session,
        people: Mapping[str, Row],
        known: Mapping[str, Known],
        after: Mapping[str, Status | None],
        ids: Mapping[str, int],
    ) -> None:
        row = table(Subscription)
        fresh, proofs = [], []
        for email, status in after.items():
            if status is None:
                continue
            dates = _dates(status, self.now)
            if email in known and known[email].status:
                mine = row.c.subscriber_id == ids[email], row.c.list_id == self.order.list_id
                session.execute(update(row).where(*mine).values(status=status, **dates))
            else:
                place = {"subscriber_id": ids[email], "list_id": self.order.list_id, "status": status}
                fresh.append(
                    {**place, "choices": {}, "created_at": self.now, "confirmed_at": None, "left_at": None, **dates}
                )
            proofs.append(self._proof(ids[email], people[email], status))
        if fresh:
            session.execute(insert_or_ignore(session.get_bind().dialect.name, row), fresh)
        if proofs:
            session.execute(insert(table(Consent)), proofs)

    def _proof(self, subscriber_id: int, row: Row, status: Status) -> dict[str, Any]:
        text = self.order.consent if status == Status.CONFIRMED else ""
        return {
            "subscriber_id": subscriber_id,
            "list_id": self.order.list_id,
            "action": "unsubscribed" if status == Status.UNSUBSCRIBED else "imported",
            "method": "import",
            "at": self.now,
            "email_typed": row.typed,
            "text": text,
            "text_hash": text_hash(text),
            "form_url": "",
            "locale": row.language or "",
            "ip": "",
            "message_id": "",
        }

    def _within_caps(
        self, session: Session, ask: list[str], ids: Mapping[str, int], known: Mapping[str, Known]
    ) -> list[str]:
        """Those of `ask` who may get one more confirm mail; people we never knew may."""
        row = table(Confirmation)
        before = [ids[email] for email in ask if email in known]
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
        return [email for email in ask if ids[email] not in full]

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


def _word(known: Known | None, row: Row, after: Status | None) -> str:
    if known is None or (known.status is None and after is not None):
        return "new"
    return "updated" if after is not None or _missing(known, row) else "unchanged"


def _missing(known: Known, row: Row) -> dict[str, str]:
    """What the row tells of somebody that was not known of them yet."""
    told = {"name": row.name if not known.name else "", "language": row.language if not known.language else None}
    return {column: value for column, value in told.items() if value}


def _dates(status: Status, now: datetime) -> dict[str, datetime]:
    if status == Status.CONFIRMED:
        return {"confirmed_at": now}
    return {"left_at": now} if status == Status.UNSUBSCRIBED else {}
