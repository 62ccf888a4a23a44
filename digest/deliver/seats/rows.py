"""The seats of a database: whether one of them is ours, and how one is taken. Steps: they never commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, col
from sqlmodel import select as rows_of

from digest.deliver.seats.places import Place
from digest.models import Delivery, Seat, table

_d = table(Delivery)
_seat = table(Seat)
COPY = "copy"  # how the database of a seat begins, in what `digest db backup` wrote


@dataclass(frozen=True)
class Standing:
    """Whether mail may be sent from here; else why not, in words that follow a colon."""

    seat: Seat | None
    refusal: str = ""
    joins: bool = False  # another machine sends from this very database, and is right to

    @property
    def first(self) -> bool:
        """Whether nobody ever sent anything from this database."""
        return self.seat is None and not self.refusal


def standing(session: Session, place: Place, noted: int) -> Standing:
    """Whether one of the seats is `place`, and no older than the number `noted` in the file beside the database."""
    seats = session.exec(rows_of(Seat).order_by(col(Seat.seen_at).desc())).all()
    if not seats:
        began = session.execute(select(_d.c.id).where(_d.c.handed_at.is_not(None)).limit(1)).first()
        return Standing(None, "mail was sent from it, and it does not say where from" if began else "")
    mine = next((one for one in seats if (one.machine, one.database) == (place.machine, place.database)), None)
    if mine is None:
        joins = any(one.database == place.database for one in seats)
        return Standing(None, f"{_elsewhere(seats, place)}, {_last(seats[0])}", joins)
    if mine.epoch < noted:
        return Standing(mine, f"it is older than what was sent from here, a backup that was put back, {_last(mine)}")
    if mine.site and mine.site != place.site:
        return Standing(mine, f"[web] public_url is not the one it sent mail with, {_last(mine)}")
    return Standing(mine)


def _elsewhere(seats: Sequence[Seat], place: Place) -> str:
    if any(one.database == place.database for one in seats):
        return "no mail was ever sent from it on this machine"
    if any(one.database.startswith(COPY) for one in seats):
        return "it is a copy that `digest db backup` made"
    if any(one.machine == place.machine for one in seats):
        return "it is a copy, or was moved, as it lay elsewhere or in another file"
    return "it is a copy, or was moved, as it lay on another machine"


def _last(seat: Seat) -> str:
    return f"and mail was last sent from {seat.host or 'somewhere'} at {seat.seen_at:%Y-%m-%d %H:%M} UTC"


def take(session: Session, place: Place, epoch: int, now: datetime) -> None:
    """`place` as a seat of this database, counting on from `epoch`; seats that lie in other databases are gone."""
    session.execute(delete(_seat).where(_seat.c.database != place.database))
    session.execute(delete(_seat).where(_seat.c.machine == place.machine))
    session.execute(insert(_seat).values(**place.__dict__, epoch=epoch, adopted_at=now, seen_at=now))


def count_on(session: Session, place: Place, now: datetime) -> int | None:
    """The seat's number, one higher than it was; None if the seat is gone."""
    where = (_seat.c.machine == place.machine, _seat.c.database == place.database)
    values = {"epoch": _seat.c.epoch + 1, "seen_at": now, "site": place.site, "host": place.host}
    counted = update(_seat).where(*where).values(values).returning(_seat.c.epoch)
    return session.execute(counted).scalar_one_or_none()


def server_marks(session: Session) -> list[str]:
    """What tells a PostgreSQL database from every other and from its dumps: cluster, database and table."""
    marks = session.execute(
        text("SELECT oid::text, 'seat'::regclass::oid::text FROM pg_database WHERE datname = current_database()")
    ).one()
    try:
        with session.begin_nested():
            cluster = str(session.execute(text("SELECT system_identifier FROM pg_control_system()")).scalar_one())
    except DBAPIError:  # a hosted server may not tell
        cluster = ""
    return [*marks, cluster]
