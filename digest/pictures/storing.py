"""The tables of our pictures: which URL became which, and the pictures themselves. Steps."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import func
from sqlalchemy.orm import defer
from sqlmodel import Session, col, select

from digest.models import HostedPicture, PictureLook, table
from digest.pictures.making import Made, Unusable

_MANY = 500


def looks(session: Session, urls: Collection[str]) -> Mapping[str, PictureLook]:
    """What came of the last look at each URL, by URL; those never looked at are not there."""
    wanted, found = sorted(map(_key, urls)), dict[str, PictureLook]()
    for start in range(0, len(wanted), _MANY):
        some = select(PictureLook).where(col(PictureLook.url_sha256).in_(wanted[start : start + _MANY]))
        found |= {row.url: row for row in session.exec(some)}
    return found


def shown(session: Session, urls: Collection[str]) -> Mapping[str, HostedPicture]:
    """The pictures that URLs became, by URL; their bytes are read where they are asked for."""
    names = {url: look.picture for url, look in looks(session, urls).items() if look.picture is not None}
    wanted, rows = sorted(set(names.values())), dict[str, HostedPicture]()
    for start in range(0, len(wanted), _MANY):
        some = select(HostedPicture).where(col(HostedPicture.sha256).in_(wanted[start : start + _MANY]))
        rows |= {row.sha256: row for row in session.exec(some.options(defer(HostedPicture.content)))}  # type: ignore[arg-type]
    return {url: rows[name] for url, name in names.items()}


def sizes(session: Session, names: Collection[str]) -> Mapping[str, int]:
    """How many bytes our pictures have, by file name; those we don't have are not there."""
    row = table(HostedPicture).c
    found: dict[str, int] = {}
    wanted = sorted(name.partition(".")[0] for name in names)
    for start in range(0, len(wanted), _MANY):
        some = select(row.sha256, row.kind, func.length(row.content)).where(
            row.sha256.in_(wanted[start : start + _MANY])
        )
        found |= {f"{sha256}.{kind}": size for sha256, kind, size in session.execute(some)}
    return found


def picture(session: Session, sha256: str) -> HostedPicture | None:
    """One of our pictures by its name."""
    return session.get(HostedPicture, sha256)


def store(session: Session, url: str, found: Made | Unusable, now: datetime) -> None:
    """Keep what came of a look; a picture that we have already is not kept twice."""
    look = PictureLook(url_sha256=_key(url), url=url, looked_at=now)
    if isinstance(found, Unusable):
        look.problem = found.why
    else:
        look.picture = found.sha256
        if session.get(HostedPicture, found.sha256) is None:
            size = {"width": found.width, "height": found.height}
            row = HostedPicture(sha256=found.sha256, content=found.content, kind=found.kind, made_at=now, **size)
            session.add(row)
            session.flush()
    session.merge(look)


def _key(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()
