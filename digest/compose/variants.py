"""A variant as it is stored: both parts packed, with the fingerprint that says whether they are what they were."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from digest.fields import Field
from digest.models import Variant, table

_v = table(Variant)


class Written(Protocol):
    """What readers with equal choices all get."""

    @property
    def subject(self) -> str: ...
    @property
    def html(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def blank_word(self) -> str: ...
    @property
    def fields(self) -> Sequence[Field]: ...


def packed(written: Written, key: str, made_at: datetime, issue_id: int | None = None) -> Variant:
    """The row that keeps it: of an issue, or of a letter."""
    return Variant(
        issue_id=issue_id,
        key=key,
        subject=written.subject,
        html=zlib.compress(written.html.encode(), 9),
        text=zlib.compress(written.text.encode(), 9),
        headers=dict(written.headers),
        blank_word=written.blank_word,
        fields=_as_rows(written.fields),
        sha256=fingerprint(written),
        made_at=made_at,
    )


def fingerprint(written: Written) -> str:
    """SHA-256 over subject, both parts, headers and what fields there are, as `Variant.sha256` keeps it; in hex."""
    fields = [_as_rows(written.fields)] if written.fields else []
    parts = [written.subject, written.html, written.text, sorted(written.headers.items()), *fields]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def _as_rows(fields: Sequence[Field]) -> list[list[str]]:
    return [[field.name, field.default, *(["address"] if field.in_address else [])] for field in fields]


def fields_of(rows: Sequence[Sequence[str]]) -> tuple[Field, ...]:
    """The merge fields that `Variant.fields` keeps."""
    return tuple(Field(name, default, bool(place)) for name, default, *place in rows)


def ids(session: Session, issue_id: int) -> dict[str, int]:
    """The numbers of the issue's variants by key, in the order in which they were made."""
    rows = session.execute(select(_v.c.key, _v.c.id).where(_v.c.issue_id == issue_id).order_by(_v.c.id))
    return {row.key: row.id for row in rows}


def kept(session: Session, variant: Variant) -> int:
    """The number of the issue's variant with this key, stored unless somebody else has made it before."""
    values = {one.name: getattr(variant, one.name) for one in _v.columns if one.name != "id"}
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    session.execute(insert(_v).values(values).on_conflict_do_nothing(index_elements=["issue_id", "key"]))
    found = select(_v.c.id).where(_v.c.issue_id == variant.issue_id, _v.c.key == variant.key)
    return int(session.execute(found).scalar_one())
