"""The tables of articles, issues and mail. Plain rows: string foreign keys, explicit joins, no relationships.

The other half, people, is in `subscribers.models`; it is imported here so that every table is known
wherever one of them is.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, Index, Integer, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel

import subscribers.models as people
from digest.gather_models import Article, Engagement, PageLook, RobotsText, Sighting, Source, SourceState
from digest.pace_models import DayUse, Pulse, RelayState, SlowedDomain
from digest.picture_models import HostedPicture, PictureLook
from subscribers.columns import UtcDateTime, table

__all__ = [
    "Appearance",
    "Article",
    "Cause",
    "Chore",
    "DayUse",
    "Delivery",
    "DeliveryState",
    "Edition",
    "Engagement",
    "HostedPicture",
    "Instance",
    "Issue",
    "IssueState",
    "Override",
    "PageLook",
    "PictureLook",
    "Placement",
    "Pulse",
    "RelayState",
    "RobotsText",
    "Seat",
    "SectionBy",
    "Sighting",
    "Slice",
    "SlowedDomain",
    "Source",
    "SourceState",
    "Variant",
    "people",
    "table",
]

# SQLite makes a rowid alias only of INTEGER; PostgreSQL needs 64 bits for ledgers of many years.
_BigId = BigInteger().with_variant(Integer, "sqlite")


class Instance(SQLModel, table=True):
    """The one row that says which database this is, with the keys that are made once and never rotated."""

    __tablename__: ClassVar[str] = "instance"

    id: int = Field(default=1, primary_key=True)
    name: str  # random; not the host
    message_key: bytes = Field(sa_type=LargeBinary)  # Message-IDs: deterministic, tell nothing (F-08, F-09)
    suppression_key: bytes = Field(sa_type=LargeBinary)  # addresses that must stay away, after erasure too
    created_at: datetime = Field(sa_type=UtcDateTime)


class Seat(SQLModel, table=True):
    """A place that mail is sent from: one machine with this very database. A copy finds itself in none of them."""

    __tablename__: ClassVar[str] = "seat"
    __table_args__ = (UniqueConstraint("machine", "database"),)

    id: int | None = Field(default=None, primary_key=True)
    machine: str  # keyed fingerprints, that tell nothing
    database: str  # of where the database lies; "copy:ID" in what `digest db backup` wrote, which is nowhere
    site: str = ""  # of [web] public_url; "" while it leads to this machine only
    host: str = ""  # the machine's name, for people
    epoch: int = 0  # how often senders started and stopped here; a file beside the database knows it, too
    adopted_at: datetime = Field(sa_type=UtcDateTime)
    seen_at: datetime = Field(sa_type=UtcDateTime)  # when a sender last started or stopped


class Edition(SQLModel, table=True):
    """A recurring newsletter: a list, a timetable, a window, sections, a template."""

    __tablename__: ClassVar[str] = "edition"

    id: str = Field(primary_key=True, max_length=64)
    list_id: str = Field(foreign_key="mailing_list.id")
    title: str
    active: bool = True
    declared_line: int | None = None
    settings: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)  # config.EditionConfig, by config.stored
    timetable: str = ""  # schedule and zone as the timetable last saw them
    timetable_since: datetime | None = Field(default=None, sa_type=UtcDateTime)  # no slot before this is owed


class IssueState(StrEnum):
    """The life of an issue; the legal moves are `compose.issues.MOVES`."""

    DRAFT = "draft"
    APPROVED = "approved"
    FROZEN = "frozen"
    SENDING = "sending"
    SENT = "sent"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    HELD = "held"


class Issue(SQLModel, table=True):
    """One dated number of an edition."""

    __tablename__: ClassVar[str] = "issue"
    __table_args__ = (
        UniqueConstraint("edition_id", "slot"),  # one slot is one issue, whatever a scheduler does (Z-06)
        UniqueConstraint("edition_id", "number"),
    )

    id: int | None = Field(default=None, primary_key=True)
    edition_id: str = Field(foreign_key="edition.id")
    slot: str | None = None  # local date and time "2026-11-27T07:00"; None when made by hand
    due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)  # the slot as an instant
    number: int | None = None  # given at freezing, unbroken
    state: str = IssueState.DRAFT
    reason: str = ""  # why it is held, skipped or cancelled, in one sentence
    window_start: datetime = Field(sa_type=UtcDateTime)
    window_end: datetime = Field(sa_type=UtcDateTime)  # the cut
    rolled_over: bool = False  # skipped as thin: the next issue starts at this one's start
    subject: str = ""
    preheader: str = ""
    intro: str = ""  # Markdown, the editor's
    outro: str = ""
    subject_override: str | None = None
    preheader_override: str | None = None
    section_words: dict[str, dict[str, str]] = Field(
        default_factory=dict, sa_type=JSON
    )  # section id -> {"note": Markdown, "question": text}, the editor's
    sponsor: dict[str, Any] | None = Field(default=None, sa_type=JSON(none_as_null=True))  # compose.content.Sponsor
    created_at: datetime = Field(sa_type=UtcDateTime)
    composed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    content_hash: str = ""  # SHA-256 of the composed content
    approved_hash: str = ""
    approved_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    approved_by: str = ""
    frozen_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    inputs: bytes | None = Field(default=None, sa_type=LargeBinary)  # zlib of the frozen content as JSON
    audience_consents: int | None = None  # the last line of consent at freezing: who confirms later gets the next issue
    segments: list[str] = Field(default_factory=list, sa_type=JSON)  # filters of whom it is for, or was; none: the list
    audience_cursor: int = 0  # highest subscriber id whose delivery row is written
    audience_complete: bool = False  # nothing is sent before this is committed
    paused: bool = False
    links_checked: dict[str, Any] | None = Field(default=None, sa_type=JSON(none_as_null=True))  # linkcheck.Checked
    sent_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Cause(StrEnum):
    """Why an article has no place, in a word for programs; `Placement.left_out` says it to people."""

    NONE = ""  # it has one
    HIDDEN = "hidden"
    HELD = "held"  # until a person lets it in
    AHEAD = "ahead"  # available only after the cut
    WINDOW = "window"  # available before the window
    BACKLOG = "backlog"
    TAKEN = "taken"  # another issue has it
    TOLD = "told"  # an earlier issue told it under the same title
    DROPPED = "dropped"  # by an editor
    STORY = "story"  # its story stands, under another article
    FLOOR = "floor"
    FULL = "full"  # the issue
    SECTION = "section"  # is full
    SOURCE = "source"  # has its share
    AUTHOR = "author"  # has their share


NO_ROOM = (Cause.FULL, Cause.SECTION, Cause.SOURCE, Cause.AUTHOR)  # good enough: may compete again


class SectionBy(StrEnum):
    """Who decided on the section that a placed article stands in."""

    RULE = "rule"
    LEARNED = "learned"  # guessed from past articles
    EDITOR = "editor"
    REST = "rest"  # nobody: no rule fits, and no guess is sure enough


class Placement(SQLModel, table=True):
    """An article's place in an issue as composing found it; rewritten by every composing, overrides laid over it."""

    __tablename__: ClassVar[str] = "placement"

    issue_id: int = Field(primary_key=True, foreign_key="issue.id")
    article_id: int = Field(primary_key=True, foreign_key="article.id")
    section_id: str = ""
    section_by: str = ""  # SectionBy; "" for what is left out
    confidence: float | None = None  # of a guess, 0 to 1
    learned_from: int | None = None  # past articles behind a guess
    position: int = 0  # over the whole issue; 0 is the lead's
    score: float = 0.0
    reasons: list[dict[str, Any]] = Field(
        default_factory=list, sa_type=JSON
    )  # {"factor","value","share"}; shares sum to score
    also: list[dict[str, str]] = Field(default_factory=list, sa_type=JSON)  # {"source","url"}
    left_out: str | None = None  # why it is a candidate only
    cause: str = Cause.NONE  # the same in a word
    notes: list[str] = Field(default_factory=list, sa_type=JSON)  # what else is to be said of it, in sentences
    is_new: bool = False  # came in after the first composing


class Override(SQLModel, table=True):
    """What an editor decided about an article in an issue; nothing but the editor changes it."""

    __tablename__: ClassVar[str] = "override"

    issue_id: int = Field(primary_key=True, foreign_key="issue.id")
    article_id: int = Field(primary_key=True, foreign_key="article.id")
    pinned: bool = False
    dropped: bool = False
    update: bool = False  # it tells what is new of a story that was told before
    section_id: str | None = None
    position: int | None = None  # within its section, 0 first
    title: str | None = None
    dek: str | None = None
    at: datetime = Field(sa_type=UtcDateTime)


class Appearance(SQLModel, table=True):
    """An article was in an issue of this edition: the guard that it never is again."""

    __tablename__: ClassVar[str] = "appearance"

    edition_id: str = Field(primary_key=True, foreign_key="edition.id")
    article_id: int = Field(primary_key=True, foreign_key="article.id")
    issue_id: int = Field(foreign_key="issue.id")


class Variant(SQLModel, table=True):
    """Rendered bytes, kept for ever: of an issue for readers with equal choices, or of a letter (confirm, notice)."""

    __tablename__: ClassVar[str] = "variant"
    __table_args__ = (UniqueConstraint("issue_id", "key"),)

    id: int | None = Field(default=None, primary_key=True)
    issue_id: int | None = Field(default=None, foreign_key="issue.id")
    key: str  # "" for everybody; a letter's is "confirm:<sha256>"
    language: str = ""  # of its fixed words
    articles: list[int] = Field(default_factory=list, sa_type=JSON)  # of an issue's: those in it, in reading order
    enclosed: list[str] = Field(default_factory=list, sa_type=JSON)  # "<sha256>.jpg": pictures that travel with it
    subject: str
    html: bytes = Field(sa_type=LargeBinary)  # zlib of UTF-8, with blanks
    text: bytes = Field(sa_type=LargeBinary)
    headers: dict[str, str] = Field(
        default_factory=dict, sa_type=JSON
    )  # From, Reply-To, List-Id, Feedback-ID, Date, ...
    blank_word: str  # the random word that marks this variant's blanks
    fields: list[list[str]] = Field(default_factory=list, sa_type=JSON)  # name, default, place of merge fields
    sha256: str  # over subject, html, text, headers and, where there are some, fields
    made_at: datetime = Field(sa_type=UtcDateTime)


class DeliveryState(StrEnum):
    """The life of a delivery, SECURITY Part C; the legal moves are `deliver.ledger.MOVES`."""

    PENDING = "pending"
    CLAIMED = "claimed"
    HANDED = "handed"
    SENT = "sent"
    DEFERRED = "deferred"
    FAILED = "failed"
    UNKNOWN = "unknown"
    HELD = "held"
    SKIPPED = "skipped"


class Slice(SQLModel, table=True):
    """About a thousand deliveries that one sender holds at a time, by lease and fence."""

    __tablename__: ClassVar[str] = "slice"
    __table_args__ = (Index("ix_slice_due", "done", "due_at"),)

    id: int | None = Field(default=None, primary_key=True)
    issue_id: int | None = Field(default=None, foreign_key="issue.id", index=True)
    priority: int = 0  # letters (confirm mails, notices) go before issues
    band: int = 0  # slices of one band have the same few variants, and are sent one after another
    due_at: datetime = Field(sa_type=UtcDateTime)  # nothing in it can be tried before
    expires_at: datetime = Field(sa_type=UtcDateTime)  # what is not sent by then fails
    done: bool = False
    holder: str | None = None
    lease_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    fence: int = 0
    counts: dict[str, int] | None = Field(
        default=None, sa_type=JSON(none_as_null=True)
    )  # rows by state; None while they may change


class Chore(SQLModel, table=True):
    """What is done once in a while, and when it was last begun."""

    __tablename__: ClassVar[str] = "chore"

    name: str = Field(primary_key=True, max_length=64)
    at: datetime = Field(sa_type=UtcDateTime)


class Delivery(SQLModel, table=True):
    """One occasion for one person: the ledger row."""

    __tablename__: ClassVar[str] = "delivery"
    __table_args__ = (
        UniqueConstraint("occasion", "subscriber_id"),
        Index("ix_delivery_slice", "slice_id"),  # without the state: it changes three times for each message
        Index("ix_delivery_person", "subscriber_id"),
        {"postgresql_with": {"fillfactor": 50}},  # for that its pages have room: else every index is written again
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=_BigId)
    occasion: str  # issue:12, confirm:7, welcome:7, goodbye:9, notice:3; see deliver.handing.KINDS
    # Only people are ever deleted. The other keys are of what the same commit has read or written: to look at each of
    # them for each of a million rows would be half the work of filling on PostgreSQL.
    issue_id: int | None = None
    subscriber_id: int | None = Field(
        default=None, foreign_key="subscriber.id"
    )  # None: a notice to staff, or somebody erased since
    list_id: str | None = Field(default=None, max_length=64)
    address: str | None = None  # of a notice to staff, and of letters to an address that is not the person's own
    variant_id: int  # 0: nothing of the issue is for this reader, and the row is skipped
    slice_id: int
    message_id: str
    state: str = DeliveryState.PENDING
    attempts: int = 0
    next_try_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    handed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    settled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    relay: str | None = None
    code: int | None = None
    enhanced: str | None = None
    reason: str | None = None
