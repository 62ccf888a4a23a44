"""Which slices are abandoned: told by watching, because a clock that was set must not take work from a living sender.

Pure but for the memory of what was seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime


class Watch:
    """Looks at leases again and again: one that is not renewed while a whole lease's time passes has no holder."""

    def __init__(self, lease_s: float) -> None:
        self._lease_s = lease_s
        self._seen: dict[int, tuple[datetime, float]] = {}

    def abandoned(self, leases: Mapping[int, datetime], monotonic: float) -> set[int]:
        """Those of `leases` (slice -> its end, whatever clock it was set by) that stood unchanged for a lease's time.

        `monotonic` is in seconds, of a clock that nobody sets.
        """
        known = self._seen
        self._seen = {
            slice_id: known[slice_id] if known.get(slice_id, ("", 0))[0] == until else (until, monotonic)
            for slice_id, until in leases.items()
        }
        return {slice_id for slice_id, (_, since) in self._seen.items() if monotonic - since >= self._lease_s}
