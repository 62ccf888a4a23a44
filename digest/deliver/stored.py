"""What the messages of a variant are made of, as the database keeps it. Steps."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from sqlalchemy import select
from sqlmodel import Session

from digest.compose.variants import fields_of
from digest.deliver.message import Stationery
from digest.deliver.related import Enclosed
from digest.models import HostedPicture, Variant, table

_p = table(HostedPicture)


def stationery(session: Session, variant: Variant) -> Stationery:
    """The stored bytes of a variant, unpacked, with the pictures that travel with it."""
    return Stationery(
        variant.subject,
        zlib.decompress(variant.html).decode(),
        zlib.decompress(variant.text).decode(),
        variant.headers,
        variant.blank_word,
        fields_of(variant.fields),
        enclosed(session, variant.enclosed),
    )


def enclosed(session: Session, names: Sequence[str]) -> tuple[Enclosed, ...]:
    """The pictures with these names, in this order: always the same bytes. One that is not kept is not there."""
    if not names:
        return ()
    wanted = [name.partition(".")[0] for name in names]
    kept = session.execute(select(_p.c.sha256, _p.c.content).where(_p.c.sha256.in_(wanted)))
    content = {row.sha256: row.content for row in kept}
    return tuple(
        Enclosed(name, content[sha256]) for name, sha256 in zip(names, wanted, strict=True) if sha256 in content
    )
