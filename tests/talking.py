"""Messages handed to one connection as a sender does it, and what came of each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from digest.config import RelayConfig
from digest.deliver.ledger import Hold, Work
from digest.deliver.replies import Outcome, Refused
from digest.deliver.smtp import Connection, Timeouts, Trouble, connect
from digest.deliver.talk import Talk, Written

HOLD = Hold(1, "test", 1, datetime(2026, 12, 1, tzinfo=UTC))


def always(number: int) -> bool:
    """Leave for everything."""
    return True


@dataclass
class Clerk:
    """A desk without a ledger: leave is `leave(number)`, asked anew at the loop's next turn."""

    messages: Sequence[Written]
    leave: Callable[[int], bool] = always
    came: dict[int, Outcome | Trouble | None] = field(default_factory=dict)  # None: withdrawn
    highest: int = 0  # most bodies handed over and not settled at one time
    _handed: int = 0
    taken: int = 0

    def take(self) -> Work | None:
        """The next message."""
        if self.taken == len(self.messages):
            return None
        self.taken += 1
        return Work(HOLD, self.taken - 1, "issue:1", "weekly", 1, "", 0, "", "", b"")

    def written(self, work: Work) -> Written | Refused:
        return self.messages[work.id]

    def ask(self, work: Work, relay: str, then: Callable[[bool], None]) -> None:
        given = self.leave(work.id)
        self._handed += given
        self.highest = max(self.highest, self._handed)
        asyncio.get_running_loop().call_soon(then, given)

    def settle(self, work: Work, relay: str, outcome: Outcome, handed: bool) -> None:
        self._handed -= handed
        self.came[work.id] = outcome

    def back(self, work: Work, handed: bool) -> None:
        self._handed -= handed
        self.came[work.id] = Trouble("not taken")

    def dropped(self, work: Work) -> None:
        self.came[work.id] = None


async def hand_over(connection: Connection, clerk: Clerk) -> list[Outcome | Trouble | None]:
    """What came of each message: talks until all are answered or the connection has ended; None: withdrawn."""
    while connection.usable and len(clerk.came) < len(clerk.messages):
        talk = Talk(
            connection,
            "relay",
            clerk,
            most=len(clerk.messages) - clerk.taken,
            take=clerk.take,
            trouble=lambda trouble: None,
        )
        talk.fill()
        if len(clerk.came) == len(clerk.messages):
            break
        await talk.over.wait()
    return [clerk.came.get(number, Trouble("never begun")) for number in range(len(clerk.messages))]


def handed_over(
    relay: RelayConfig, timeouts: Timeouts, messages: Sequence[Written], leave: Callable[[int], bool] = always
) -> list[Outcome | Trouble | None]:
    """What came of each on a new connection."""

    async def talk() -> list[Outcome | Trouble | None]:
        connection = await connect(relay, "client.example", timeouts)
        came = await hand_over(connection, Clerk(messages, leave))
        await connection.close()
        return came

    return asyncio.run(talk())
