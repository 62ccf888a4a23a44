"""The tables of pace and pauses: what relays and recipient domains had, and how they stand. Known through `models`."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from sqlmodel import Field, SQLModel

from subscribers.columns import UtcDateTime


class RelayState(SQLModel, table=True):
    """How a relay stands, or one recipient domain ("": the relay) behind it: mail flows while it has no cause."""

    __tablename__: ClassVar[str] = "relay_state"

    relay: str = Field(primary_key=True, max_length=64)
    domain: str = Field(default="", primary_key=True)
    by_hand: bool = False
    cause: str = ""
    said: str = ""
    since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    retry_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    failures: int = 0
    version: int = 1  # one more with every change, so that senders and people see each other's


class DayUse(SQLModel, table=True):
    """How many messages of a day (UTC) a relay has had, or (relay "") a recipient domain; parts that senders hold are
    counted as had."""

    __tablename__: ClassVar[str] = "day_use"

    relay: str = Field(primary_key=True, max_length=64)
    domain: str = Field(primary_key=True)
    day: str = Field(primary_key=True, max_length=10)
    used: int = 0


class SlowedDomain(SQLModel, table=True):
    """A recipient domain that asked for less, and the rate it gets."""

    __tablename__: ClassVar[str] = "slowed_domain"

    domain: str = Field(primary_key=True)
    rate: float
    ceiling: float
    at: datetime = Field(sa_type=UtcDateTime)


class Pulse(SQLModel, table=True):
    """A sender that is at work: those seen of late share the limits."""

    __tablename__: ClassVar[str] = "pulse"

    sender: str = Field(primary_key=True)
    seen_at: datetime = Field(sa_type=UtcDateTime)
    over: bool = False  # it has stopped
