"""The tables of pictures that we serve ourselves. Known through `models`."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from sqlalchemy import LargeBinary
from sqlmodel import Field, SQLModel

from subscribers.columns import UtcDateTime


class HostedPicture(SQLModel, table=True):
    """A picture as mails show it, kept for ever under its own name: issues that were sent point at it."""

    __tablename__: ClassVar[str] = "hosted_picture"

    sha256: str = Field(primary_key=True, max_length=64)
    content: bytes = Field(sa_type=LargeBinary)
    kind: str  # jpg | png
    width: int
    height: int
    made_at: datetime = Field(sa_type=UtcDateTime)


class PictureLook(SQLModel, table=True):
    """What came of the last look at a picture elsewhere."""

    __tablename__: ClassVar[str] = "picture_look"

    url_sha256: str = Field(primary_key=True, max_length=64)  # URLs are longer than an index takes
    url: str
    picture: str | None = Field(default=None, foreign_key="hosted_picture.sha256")
    problem: str = ""  # why there is none
    looked_at: datetime = Field(sa_type=UtcDateTime)
