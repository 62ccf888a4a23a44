"""What is past its time by [retention]. Steps: each lets one chunk of it go, in its caller's transaction."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, exists, func, select
from sqlmodel import Session

from digest.config import RetentionConfig
from digest.keeping import erasing as ledger
from digest.models import Chore, Delivery, Slice, Variant, people, table
from subscribers import erasing
from subscribers.rows import changed, insert_missing

CHUNK = 500  # rows of a transaction: nobody else waits for the lock for long
EVERY = timedelta(hours=24)

_d = table(Delivery)
_s = table(Slice)
_v = table(Variant)
_chore = table(Chore)


def people_never_joined(session: Session, keep: RetentionConfig, now: datetime) -> int:
    """Erase up to CHUNK people who were asked and never said yes; they may sign up again. How many."""
    ids = erasing.unanswered(session, now - timedelta(days=keep.pending_days), CHUNK)
    if ids:
        erasing.mark(session, ids, now)
        ledger.forget(session, ids, now)
        erasing.end(session, ids)
    return len(ids)


def lists_never_joined(session: Session, keep: RetentionConfig, now: datetime) -> int:
    """Of people who are on other lists: the subscriptions that they never confirmed."""
    return erasing.drop_unanswered(session, now - timedelta(days=keep.pending_days), CHUNK)


def requests(session: Session, keep: RetentionConfig, now: datetime) -> int:
    """Requests to confirm, and mailed links, that ended long ago."""
    return erasing.drop_requests(session, now - timedelta(days=keep.requests_days), CHUNK)


def deliveries(session: Session, keep: RetentionConfig, now: datetime) -> int:
    """Rows of the ledger whose slices are done and were due long ago; the counts of issues stay."""
    if keep.ledger_days is None:
        return 0
    before = now - timedelta(days=keep.ledger_days)
    old = _s.c.done.is_(True) & (_s.c.expires_at < before)
    # Without its counts a slice's rows are what they are made of.
    kept = _s.c.issue_id.is_(None) | _s.c.counts.is_not(None)
    its = select(_d.c.id).join_from(_d, _s, _s.c.id == _d.c.slice_id).where(old, kept).order_by(_d.c.id).limit(CHUNK)
    return changed(session, delete(_d).where(_d.c.id.in_(list(session.execute(its).scalars()))))


def letters(session: Session, keep: RetentionConfig, now: datetime) -> int:
    """The slices and the bytes of letters whose rows are gone."""
    if keep.ledger_days is None:
        return 0
    before = now - timedelta(days=keep.ledger_days)
    rows = exists(select(1).where(_d.c.slice_id == _s.c.id))
    empty = select(_s.c.id).where(_s.c.issue_id.is_(None), _s.c.done.is_(True), _s.c.expires_at < before, ~rows)
    count = changed(session, delete(_s).where(_s.c.id.in_(list(session.execute(empty.limit(CHUNK)).scalars()))))
    used = exists(select(1).where(_d.c.variant_id == _v.c.id))
    unused = select(_v.c.id).where(_v.c.issue_id.is_(None), _v.c.made_at < before, ~used).limit(CHUNK - count)
    return count + changed(session, delete(_v).where(_v.c.id.in_(list(session.execute(unused).scalars()))))


def due(session: Session, now: datetime) -> bool:
    """Whether the last tidying up was a day ago; true for one caller only, who writes that it is theirs."""
    if insert_missing(session, Chore, {"name": "tidy", "at": now}):
        return True
    mine = _chore.c.name == "tidy", _chore.c.at <= now - EVERY
    return changed(session, _chore.update().where(*mine).values(at=now)) == 1


def erased_since(session: Session, since: datetime) -> bool:
    """Whether somebody was erased since then: until the file is rewritten, its free pages may remember them."""
    row = table(people.Suppression)
    found = select(func.count()).select_from(row).where(row.c.reason == erasing.ERASED, row.c.at >= since)
    return int(session.execute(found).scalar_one()) > 0
