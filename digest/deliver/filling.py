"""From an issue's audience to rows of the ledger: in chunks, resumable, nothing sendable before the last one. Steps.

Every chunk is read, its readers told apart by variant and laid into slices without the lock; missing variants are
printed in between (`run`); the rows, their slices and the cursor are one commit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, DateTime, Insert, Integer, Text, bindparam, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from digest import segments
from digest.config import Config
from digest.deliver.allotting import Allotment
from digest.deliver.given import Row, Rows, Statement, instant, put
from digest.deliver.message import message_id, sender
from digest.deliver.slicing import NOBODYS, Piece, Shelf
from digest.errors import IllegalMove, NeedsDecision, NotFound
from digest.models import Delivery, DeliveryState, Edition, Instance, Issue, IssueState, Slice, table
from subscribers.audience import Member, members
from subscribers.models import MailingList

CHUNK = 2_000  # rows in one commit, at most
SLICE = 1_000
NOTHING = "nothing-chosen"  # why a reader is skipped who follows nothing of what the issue has
_LEAST = 500  # fewer only make more commits, each with its own wait for the disk
_COMMIT_S = 0.04  # what a chunk may take: others wait for the lock, and none of them longer than a tenth of a second

_d = table(Delivery)
_i = table(Issue)
_s = table(Slice)
_e = table(Edition)


@dataclass(frozen=True)
class Order:
    """What all rows of an issue share."""

    issue_id: int
    list_id: str
    edition_id: str
    editions: frozenset[str]  # of the list
    domain: str  # right side of the Message-IDs
    key: bytes
    consents: int | None  # who confirmed after this line of the record gets the next issue
    segment: ColumnElement[bool] | None  # whom of the list it is for; None: all of it
    at: datetime
    due_at: datetime
    expires_at: datetime


def order(session: Session, config: Config, issue_id: int, now: datetime) -> Order:
    """What is needed to write the rows of a frozen issue; the issue's Message-ID key is the instance's, for ever.

    NotFound if there is no such issue. IllegalMove if it is not frozen. NeedsDecision without a postal address (L-01).
    """
    issue = session.get(Issue, issue_id)
    if issue is None:
        raise NotFound(f"there is no issue {issue_id}")
    if issue.state not in (IssueState.FROZEN, IssueState.SENDING):
        raise IllegalMove(f"issue {issue_id} is {issue.state}: only a frozen issue can be sent")
    if not config.site.postal_address.strip():
        raise NeedsDecision("[site] postal_address is empty: mail to a list needs the sender's postal address")
    mailing_list = session.get_one(MailingList, session.get_one(Edition, issue.edition_id).list_id)
    editions = select(_e.c.id).where(_e.c.list_id == mailing_list.id, _e.c.active)
    return Order(
        issue_id=issue_id,
        list_id=mailing_list.id,
        edition_id=issue.edition_id,
        editions=frozenset(session.execute(editions).scalars()),
        domain=sender(config, mailing_list).domain,
        key=session.get_one(Instance, 1).message_key,
        consents=issue.audience_consents,
        segment=segments.of_issue(session, issue, now),
        at=now,
        due_at=now + timedelta(seconds=config.mail.undo_s),
        expires_at=now + timedelta(hours=config.mail.expire_h),
    )


@dataclass(frozen=True)
class Chunk:
    """The next people of an audience; `after` and `last` are subscriber ids."""

    after: int
    last: int
    people: tuple[Member, ...]  # without those who chose other editions, or are outside the segment
    keys: Mapping[int, str | None]  # by subscriber id, each one's variant; None: nothing of the issue is for them

    def __len__(self) -> int:
        return len(self.people)


@dataclass
class Filling:
    """The writing of one issue's rows by this process; another one goes on from the cursor with slices of its own."""

    order: Order
    allotment: Allotment
    shelf: Shelf = field(default_factory=Shelf)

    def gathered(self, session: Session, size: int) -> Chunk | None:
        """The people that come after those written, at most `size`; None when nobody is left.

        Nothing is written: all that can be done without the lock is done here and in `laid`.
        """
        after, done = session.execute(
            select(_i.c.audience_cursor, _i.c.audience_complete).where(_i.c.id == self.order.issue_id)
        ).one()
        people = [] if done else self._next(session, after, size)
        if not people:
            return None
        outcomes = [(member, self.allotment.outcome(member)) for member in people if member.within]
        readers = tuple(member for member, found in outcomes if found.wanted)
        keys = {member.id: found.key for member, found in outcomes}
        return Chunk(after, people[-1].id, readers, keys)

    def _next(self, session: Session, after: int, size: int) -> list[Member]:
        its = self.order
        return members(session, its.list_id, after, size, now=its.due_at, consented=its.consents, segment=its.segment)

    def laid(self, chunk: Chunk) -> list[tuple[Piece, list[Row]]]:
        """The chunk's people in pieces, with their rows; all its variants have to be stored by now."""
        order, keys, ids, bands = self.order, chunk.keys, self.allotment.numbers(), self.allotment.bands()
        by_band: dict[int, list[Member]] = defaultdict(list)
        for member in chunk.people:
            by_band[bands[keys[member.id]]].append(member)
        occasion = f"issue:{order.issue_id}"

        def row(reader: int) -> Row:
            return (reader, message_id(order.key, occasion, str(reader), order.domain), ids[keys[reader]])

        return [(piece, [row(one.id) for one in piece.people]) for piece in self.shelf.pieces(by_band, SLICE)]

    def fill(self, session: Session, chunk: Chunk, pieces: Sequence[tuple[Piece, list[Row]]]) -> bool:
        """Write the rows of `chunk`; False, with nothing written, if somebody else has gone on meanwhile."""
        its = (_i.c.id == self.order.issue_id, _i.c.audience_cursor == chunk.after, _i.c.audience_complete.is_(False))
        moved = update(_i).where(*its).values(audience_cursor=chunk.last)
        if session.connection().execute(moved).rowcount != 1:
            return False
        for piece, rows in pieces:
            self.shelf.written(piece, _write(session, self.order, piece, rows))
        return True


def complete(session: Session, order: Order) -> None:
    """Nobody is left: frozen becomes sending, or sent if there was nobody at all. Harmless when it was said before."""
    frozen = update(_i).where(_i.c.id == order.issue_id, _i.c.state == IssueState.FROZEN)
    session.execute(frozen.values(state=IssueState.SENDING, audience_complete=True))
    nobody = ~select(_s.c.id).where(_s.c.issue_id == order.issue_id, _s.c.done.is_(False)).exists()
    empty = update(_i).where(_i.c.id == order.issue_id, _i.c.state == IssueState.SENDING, nobody)
    session.execute(empty.values(state=IssueState.SENT, sent_at=order.due_at))


def next_size(size: int, seconds: float) -> int:
    """How many people to take next, after `size` of them took so long: up to twice as many, never above CHUNK."""
    fitting = round(size * min(2.0, _COMMIT_S / max(seconds, 0.001)))
    return max(_LEAST, min(CHUNK, fitting))


def _write(session: Session, order: Order, piece: Piece, rows: Sequence[Row]) -> int:
    slice_id = _slice(session, order, piece)
    shared = {
        "its_occasion": f"issue:{order.issue_id}",
        "its_issue": order.issue_id,
        "its_list": order.list_id,
        "its_slice": slice_id,
    }
    if piece.band == NOBODYS:
        put(session, _SKIPPED, rows, {**shared, "its_end": instant(order.at)})
    else:
        put(session, _PENDING, rows, shared)
    return slice_id


def _slice(session: Session, order: Order, piece: Piece) -> int:
    """The slice of a piece: the open one, if no sender has had it (the issue may be cancelled by now), or a new one."""
    counts, done = {_state(piece).value: piece.before + len(piece.people)}, piece.band == NOBODYS
    if piece.slice_id is not None:
        untouched = (_s.c.id == piece.slice_id, _s.c.fence == 0, _s.c.done.is_(done))
        if session.connection().execute(update(_s).where(*untouched).values(counts=counts)).rowcount == 1:
            return piece.slice_id
        counts = {_state(piece).value: len(piece.people)}
    new = Slice(
        issue_id=order.issue_id,
        band=piece.band,
        due_at=order.due_at,
        expires_at=order.expires_at,
        done=done,
        counts=counts,
    )
    session.add(new)
    session.flush()
    assert new.id is not None
    return new.id


def _state(piece: Piece) -> DeliveryState:
    return DeliveryState.SKIPPED if piece.band == NOBODYS else DeliveryState.PENDING


def _pending(rows: Rows, dialect: str) -> Insert:
    return _written(rows, dialect, state=literal(DeliveryState.PENDING.value))


def _skipped(rows: Rows, dialect: str) -> Insert:
    end = bindparam("its_end", type_=DateTime())
    return _written(rows, dialect, state=literal(DeliveryState.SKIPPED.value), reason=literal(NOTHING), settled_at=end)


def _written(rows: Rows, dialect: str, **more: ColumnElement[Any]) -> Insert:
    filled: dict[str, ColumnElement[Any]] = {
        "occasion": bindparam("its_occasion", type_=_d.c.occasion.type),
        "issue_id": bindparam("its_issue", type_=_d.c.issue_id.type),
        "list_id": bindparam("its_list", type_=_d.c.list_id.type),
        "slice_id": bindparam("its_slice", type_=_d.c.slice_id.type),
        "attempts": literal(0),
        **more,
        **rows,
    }
    if dialect == "sqlite":
        return sqlite.insert(_d).values(filled).on_conflict_do_nothing(index_elements=_ONCE)
    inserted = postgresql.insert(_d).from_select(list(filled), select(*filled.values()), include_defaults=False)
    return inserted.on_conflict_do_nothing(index_elements=_ONCE)


_ONCE = ["occasion", "subscriber_id"]  # makes repeats harmless
_READERS = {"subscriber_id": Integer, "message_id": Text, "variant_id": Integer}
_PENDING = Statement(_READERS, _pending)
_SKIPPED = Statement(_READERS, _skipped)
