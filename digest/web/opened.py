"""Who opened how many links with tokens lately: a robot that walks through a mailbox confirms nothing (S-B14).

Kept in this process alone: what is held is a press of a button, and the link stays good.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from subscribers.crowding import network

MINUTE = timedelta(minutes=1)
MOST = 20  # links that one client opens in a minute before its presses are held
_MANY = 5_000  # clients that are remembered


class Opened:
    """The links that each client opened within the last minute."""

    def __init__(self) -> None:
        self._at: dict[str, dict[str, datetime]] = {}

    def note(self, client: str, token: str, now: datetime) -> None:
        """A page with this token was shown to this client."""
        if len(self._at) >= _MANY:
            self._at = {one: links for one in [*self._at] if (links := self._recent(one, now))}
        if network(client) and len(self._at) < _MANY:  # an address nearby may stand for everybody
            self._at[client] = {**self._recent(client, now), token[-24:]: now}

    def many(self, client: str, now: datetime) -> bool:
        """Whether this client opened more than MOST links within the last minute."""
        return len(self._recent(client, now)) > MOST

    def _recent(self, client: str, now: datetime) -> dict[str, datetime]:
        return {token: at for token, at in self._at.get(client, {}).items() if at > now - MINUTE}
