"""The tables about people: lists, subscribers, subscriptions, confirmations, links, crowds, consent, suppression."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import JSON, Index, LargeBinary
from sqlmodel import Field, SQLModel

from subscribers.columns import UtcDateTime


class Status(StrEnum):
    """Where a person stands on a list."""

    PENDING = "pending"  # asked to join, has not pressed the button in the confirm mail
    CONFIRMED = "confirmed"  # may be mailed
    UNSUBSCRIBED = "unsubscribed"  # left; only an own new sign-up leads back
    DECLINED = "declined"  # said "I did not ask" to a confirm mail


class MailingList(SQLModel, table=True):
    """What a person subscribes to; public ones show on the sign-up page, private ones answer as unknown."""

    __tablename__: ClassVar[str] = "mailing_list"

    id: str = Field(primary_key=True, max_length=64)
    title: str
    description: str = ""
    public: bool = True
    sender: str | None = None  # [[lists]] from: a mailbox that replaces [mail] from
    reply_to: str | None = None
    welcome: bool = False  # a letter to whoever has confirmed
    goodbye: bool = False  # a letter to whoever has left by the page
    active: bool = True
    declared_line: int | None = None  # line of config.toml; None for a row added by command
    created_at: datetime = Field(sa_type=UtcDateTime)


class Subscriber(SQLModel, table=True):
    """A person, known by one normalised address."""

    __tablename__: ClassVar[str] = "subscriber"

    id: int | None = Field(default=None, primary_key=True)
    email: str = Field(unique=True, max_length=254)  # normalised: lower-cased domain as A-label, see addresses
    email_hash: str = Field(max_length=64)  # keyed hash, equal to suppression.hash
    domain: str = Field(max_length=253)
    handle: bytes = Field(
        sa_type=LargeBinary, unique=True
    )  # 12 random bytes: the person's name in links, tells nothing
    name: str = ""
    language: str | None = None
    attributes: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    created_at: datetime = Field(sa_type=UtcDateTime)
    erasing_at: datetime | None = Field(default=None, sa_type=UtcDateTime)  # consent rows may go only while this is set


class Tag(SQLModel, table=True):
    """A word that staff or an import put on a person; kept apart from the attributes so that both databases find it."""

    __tablename__: ClassVar[str] = "tag"

    name: str = Field(primary_key=True, max_length=100)  # as subscribers.attributes.tags has it
    subscriber_id: int = Field(primary_key=True, foreign_key="subscriber.id", ondelete="CASCADE", index=True)


class Subscription(SQLModel, table=True):
    """A person on a list."""

    __tablename__: ClassVar[str] = "subscription"
    __table_args__ = (Index("ix_subscription_list", "list_id", "status", "subscriber_id"),)

    subscriber_id: int = Field(primary_key=True, foreign_key="subscriber.id")
    # Lists are never deleted: on PostgreSQL a key to them would be looked up again for each of a million people.
    list_id: str = Field(primary_key=True, max_length=64)
    status: str = Status.PENDING
    choices: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)  # subscribers.choices
    created_at: datetime = Field(sa_type=UtcDateTime)
    confirmed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    left_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    paused_until: datetime | None = Field(default=None, sa_type=UtcDateTime)  # gets no issue before


class Confirmation(SQLModel, table=True):
    """One request to confirm a subscription by mail; only the latest of a subscription works, once, for seven days."""

    __tablename__: ClassVar[str] = "confirmation"
    __table_args__ = (Index("ix_confirmation_person", "subscriber_id", "created_at"),)

    id: int | None = Field(default=None, primary_key=True)
    subscriber_id: int = Field(foreign_key="subscriber.id")
    list_id: str = Field(foreign_key="mailing_list.id")
    created_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    declined_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class MailedLink(SQLModel, table=True):
    """A link that somebody asked for by mail: only the latest of its kind works, for a while, once."""

    __tablename__: ClassVar[str] = "mailed_link"
    __table_args__ = (
        Index("ix_mailed_link_person", "subscriber_id", "kind", "created_at"),
        Index("ix_mailed_link_email", "email", "created_at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    subscriber_id: int = Field(foreign_key="subscriber.id")
    kind: str  # link: to all that is kept; move: to another address, and mailed there
    email: str = ""  # of a move: the new address, normalised
    email_typed: str = ""  # of a move: as it was typed
    created_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class SignUpAttempt(SQLModel, table=True):
    """A sign-up of the last hour, by the network that it came from."""

    __tablename__: ClassVar[str] = "sign_up_attempt"
    __table_args__ = (Index("ix_sign_up_attempt_network", "network", "at"),)

    id: int | None = Field(default=None, primary_key=True)
    network: str = Field(max_length=50)
    at: datetime = Field(sa_type=UtcDateTime, index=True)


class ConfirmMail(SQLModel, table=True):
    """The turn of a mail that a stranger can cause, left within the last hour or waiting; for whom is not kept."""

    __tablename__: ClassVar[str] = "confirm_mail"
    __table_args__ = (Index("ix_confirm_mail_domain", "domain", "at"),)

    id: int | None = Field(default=None, primary_key=True)
    domain: str = Field(max_length=253)
    at: datetime = Field(sa_type=UtcDateTime, index=True)


class Consent(SQLModel, table=True):
    """Who agreed to what, when, how: append-only, by triggers; rows go only while the person is being erased."""

    __tablename__: ClassVar[str] = "consent"

    id: int | None = Field(default=None, primary_key=True)
    subscriber_id: int = Field(foreign_key="subscriber.id", index=True)
    list_id: str | None = Field(default=None, max_length=64)  # without a key, as in Subscription
    # asked, confirmed, imported, unsubscribed, declined, suppressed, unsuppressed, chosen, paused, resumed, moved
    action: str
    method: str  # form, one-click, page, preferences, mail, command, import
    at: datetime = Field(sa_type=UtcDateTime)
    email_typed: str = ""
    text: str = ""  # the exact sentence the person agreed to, or where an import says consent came from
    text_hash: str = ""  # SHA-256 of `text`
    form_url: str = ""
    locale: str = ""
    ip: str = ""
    message_id: str = ""  # of the confirm mail that was answered


class Suppression(SQLModel, table=True):
    """An address, or all of a domain, that must never be mailed; scope is a list, or '' for all."""

    __tablename__: ClassVar[str] = "suppression"

    hash: str = Field(primary_key=True, max_length=254)  # keyed hash of the address; of a domain "@" and its A-label
    scope: str = Field(primary_key=True, default="", max_length=64)
    reason: str = ""
    at: datetime = Field(sa_type=UtcDateTime)
