"""Which people stand together in a slice: few variants, all domains spread. Pure.

A slice holds the readers of one band: up to BAND variants, in the order in which the variants were made. Slices of a
band are sent one after another, so that a sender has few variants in memory, and prepares each of them once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from subscribers.audience import Member

BAND = 16  # variants in one slice, at most
NOBODYS = -1  # the band of those who get nothing


@dataclass(frozen=True)
class Piece:
    """People who go into one slice: into a new one, or, `before` others, into one that is still being filled."""

    band: int
    people: Sequence[Member]
    slice_id: int | None = None
    before: int = 0


@dataclass
class Shelf:
    """The slices that are being filled, the last one of each band: its number, and how many stand in it."""

    open: dict[int, tuple[int, int]] = field(default_factory=dict)

    def pieces(self, bands: Mapping[int, Sequence[Member]], size: int) -> Iterator[Piece]:
        """People by band, as pieces for slices of at most `size`; the open slice takes them if it has room for all."""
        for band, people in sorted(bands.items()):
            slice_id, before = self.open.get(band, (None, 0))
            if slice_id is None or before + len(people) > size:
                slice_id, before = None, 0
            yield from (Piece(band, group, slice_id, before) for group in sliced(people, size))

    def written(self, piece: Piece, slice_id: int) -> None:
        """The piece stands in this slice now: the next ones of its band may follow."""
        before = piece.before if piece.slice_id == slice_id else 0
        self.open[piece.band] = (slice_id, before + len(piece.people))


def sliced(people: Sequence[Member], size: int) -> Iterator[list[Member]]:
    """The people in slices of at most `size`, each domain spread evenly over all of them and along each of them."""
    count = -(-len(people) // size)
    by_domain = sorted(people, key=lambda member: (member.domain, member.id))
    for number in range(count):
        mine = by_domain[number::count]
        # The k-th of n people of a domain belongs at (k + 1/2) / n of the way.
        places = [
            ((k + 0.5) / len(same), member.domain, member)
            for same in (list(group) for _, group in groupby(mine, key=lambda member: member.domain))
            for k, member in enumerate(same)
        ]
        yield [member for _, _, member in sorted(places, key=lambda place: place[:2])]
