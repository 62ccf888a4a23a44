"""The segments of editions: whether each names issues that there are, and means somebody of its list."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Engine
from sqlmodel import Session

from digest import segments
from digest.config import Config, EditionConfig
from digest.doctor.findings import Finding, bad, doubtful, good
from digest.errors import NotFound
from digest.models import Issue
from subscribers.audience import size


def examine(engine: Engine, config: Config, now: datetime) -> Iterator[Finding]:
    """A finding for each edition that is for some of its list."""
    with Session(engine) as session:
        for edition in config.editions:
            if edition.segment:
                yield _of(session, edition, now)


def _of(session: Session, edition: EditionConfig, now: datetime) -> Finding:
    where = f'[editions] "{edition.id}" segment'
    coming = Issue(edition_id=edition.id, window_start=now, window_end=now, created_at=now)
    try:
        means = segments.where(session, edition.segment, now=now, list_id=edition.list, of=coming)
    except NotFound as error:
        return bad(where, str(error), "Mend it in config.toml: no issue of this edition goes out before.")
    count, everybody = size(session, edition.list, now, means), size(session, edition.list, now)
    said = f"means {count:,} of the {everybody:,} on its list"
    if not count:
        return doubtful(where, said, "Mend it, unless nobody is meant yet: the next issue waits until somebody is.")
    return good(where, said)
