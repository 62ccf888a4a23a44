"""From an issue's audience to rows of the ledger: in chunks, resumable, nothing sendable before the last one. Steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Insert, Integer, Text, bindparam, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from digest.config import Config
from digest.deliver.given import Row, Rows, Statement, put
from digest.deliver.message import message_id, sender
from digest.errors import IllegalMove, NeedsDecision, NotFound
from digest.models import Delivery, DeliveryState, Edition, Instance, Issue, IssueState, Slice, Variant, table
from subscribers.audience import Member, members
from subscribers.models import MailingList

CHUNK = 2_000  # rows in one commit, at most
SLICE = 1_000
_LEAST = 500  # fewer only make more commits, each with its own wait for the disk
_COMMIT_S = 0.04  # what a chunk may take: others wait for the lock, and none of them longer than a tenth of a second

_d = table(Delivery)
_i = table(Issue)
_v = table(Variant)


@dataclass(frozen=True)
class Order:
    """What all rows of an issue share."""

    issue_id: int
    list_id: str
    variant_id: int
    domain: str  # right side of the Message-IDs
    key: bytes
    consents: int | None  # who confirmed after this line of the record gets the next issue
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
    everybody = select(_v.c.id).where(_v.c.issue_id == issue_id, _v.c.key == "")
    return Order(
        issue_id=issue_id,
        list_id=mailing_list.id,
        variant_id=session.execute(everybody).scalar_one(),
        domain=sender(config, mailing_list).domain,
        key=session.get_one(Instance, 1).message_key,
        consents=issue.audience_consents,
        due_at=now + timedelta(seconds=config.mail.undo_s),
        expires_at=now + timedelta(hours=config.mail.expire_h),
    )


@dataclass(frozen=True)
class Chunk:
    """The next people of an audience, in slices, each with their Message-ID; `after` and `last` are subscriber ids."""

    after: int
    last: int
    slices: tuple[tuple[Row, ...], ...]

    def __len__(self) -> int:
        return sum(map(len, self.slices))


def gathered(session: Session, order: Order, size: int) -> Chunk | None:
    """The people that come after those written, at most `size`; None when nobody is left.

    Nothing is written: all that can be done without the lock is done here.
    """
    after, done = session.execute(
        select(_i.c.audience_cursor, _i.c.audience_complete).where(_i.c.id == order.issue_id)
    ).one()
    people = [] if done else members(session, order.list_id, after, size, now=order.due_at, consented=order.consents)
    if not people:
        return None
    occasion = f"issue:{order.issue_id}"
    slices = tuple(
        tuple((member.id, message_id(order.key, occasion, str(member.id), order.domain)) for member in group)
        for group in sliced(people, SLICE)
    )
    return Chunk(after, people[-1].id, slices)


def fill(session: Session, order: Order, chunk: Chunk) -> bool:
    """Write the rows of `chunk`; False, with nothing written, if somebody else has gone on meanwhile."""
    moved = update(_i).where(
        _i.c.id == order.issue_id, _i.c.audience_cursor == chunk.after, _i.c.audience_complete.is_(False)
    )
    if session.connection().execute(moved.values(audience_cursor=chunk.last)).rowcount != 1:
        return False
    for rows in chunk.slices:
        _write(session, order, rows)
    return True


def complete(session: Session, order: Order) -> None:
    """Nobody is left: frozen becomes sending, or sent if there was nobody at all. Harmless when it was said before."""
    frozen = update(_i).where(_i.c.id == order.issue_id, _i.c.state == IssueState.FROZEN)
    session.execute(frozen.values(state=IssueState.SENDING, audience_complete=True))
    nobody = ~select(_d.c.id).where(_d.c.occasion == f"issue:{order.issue_id}").exists()
    empty = update(_i).where(_i.c.id == order.issue_id, _i.c.state == IssueState.SENDING, nobody)
    session.execute(empty.values(state=IssueState.SENT, sent_at=order.due_at))


def next_size(size: int, seconds: float) -> int:
    """How many people to take next, after `size` of them took so long: up to twice as many, never above CHUNK."""
    fitting = round(size * min(2.0, _COMMIT_S / max(seconds, 0.001)))
    return max(_LEAST, min(CHUNK, fitting))


def _write(session: Session, order: Order, rows: Sequence[Row]) -> None:
    counts = {DeliveryState.PENDING.value: len(rows)}
    piece = Slice(issue_id=order.issue_id, due_at=order.due_at, expires_at=order.expires_at, counts=counts)
    session.add(piece)
    session.flush()
    shared = {
        "its_occasion": f"issue:{order.issue_id}",
        "its_issue": order.issue_id,
        "its_list": order.list_id,
        "its_variant": order.variant_id,
        "its_slice": piece.id,
    }
    put(session, _WRITTEN, rows, shared)


def _written(rows: Rows, dialect: str) -> Insert:
    filled: dict[str, ColumnElement[Any]] = {
        "occasion": bindparam("its_occasion", type_=_d.c.occasion.type),
        "issue_id": bindparam("its_issue", type_=_d.c.issue_id.type),
        "list_id": bindparam("its_list", type_=_d.c.list_id.type),
        "variant_id": bindparam("its_variant", type_=_d.c.variant_id.type),
        "slice_id": bindparam("its_slice", type_=_d.c.slice_id.type),
        "state": literal(DeliveryState.PENDING.value),
        "attempts": literal(0),
        **rows,
    }
    if dialect == "sqlite":
        return sqlite.insert(_d).values(filled).on_conflict_do_nothing(index_elements=_ONCE)
    inserted = postgresql.insert(_d).from_select(list(filled), select(*filled.values()), include_defaults=False)
    return inserted.on_conflict_do_nothing(index_elements=_ONCE)


_ONCE = ["occasion", "subscriber_id"]  # makes repeats harmless
_WRITTEN = Statement({"subscriber_id": Integer, "message_id": Text}, _written)


def sliced(people: Sequence[Member], size: int) -> Iterator[list[Member]]:
    """The people in slices of at most `size`, each domain spread evenly over all of them and along each of them."""
    count = -(-len(people) // size)
    by_domain = sorted(people, key=lambda member: (member.domain, member.id))
    for number in range(count):
        mine = by_domain[number::count]
        # The k-th of n people of a domain belongs at (k + 1/2) / n of the way.
        places = [
            ((k + 0.5) / len(same), member.domain, member)
            for same in (list(group) for _, group in groupby(mine, key=lambda member: member.domain))
            for k, member in enumerate(same)
        ]
        yield [member for _, _, member in sorted(places, key=lambda place: place[:2])]
