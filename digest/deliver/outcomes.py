"""What an SMTP outcome means for the ledger's row. Pure but for the dice it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from digest.deliver import retry
from digest.deliver.handing import Settled
from digest.deliver.ledger import Work
from digest.deliver.pacing.health import Judgement
from digest.deliver.replies import Accepted, Deferred, Outcome, Refused, Reply, Unknown
from digest.models import DeliveryState


def settled(
    outcome: Outcome,
    relay: str,
    work: Work,
    now: datetime,
    judged: Judgement,
    *,
    first_s: int,
    dice: Callable[[], float],
) -> Settled:
    """The row's state, the relay's words, and when it is tried again: `first_s` seconds after the first try, later
    after others, until the slice expires; then what was deferred has failed. What is judged to be no fault of the
    recipient's is deferred, whatever was said."""
    if isinstance(outcome, Accepted):
        return _kept(DeliveryState.SENT, relay, outcome.reply)
    again_at = retry.next_try(work.attempts + 1, now, work.hold.expires_at, first_s, dice())
    if again_at and judged.not_before:
        later = max(again_at, datetime.fromtimestamp(judged.not_before, UTC))
        again_at = later if later < work.hold.expires_at else None
    if isinstance(outcome, Refused) and judged.waits:
        outcome = Deferred(outcome.reply, outcome.tried)
    match outcome:
        case Deferred(reply, tried) if again_at:
            return replace(_kept(DeliveryState.DEFERRED, relay, reply, again_at), tried=tried)
        case Deferred(reply, tried):
            said = Reply(reply.code, reply.enhanced, f"expired: {reply.text}")
            return replace(_kept(DeliveryState.FAILED, relay, said), tried=tried)
        case Refused(reply, tried):
            return replace(_kept(DeliveryState.FAILED, relay, reply), tried=tried)
        case Unknown(why):
            return Settled(DeliveryState.UNKNOWN, relay, reason=why, next_try_at=again_at)
    raise AssertionError(outcome)


def _kept(state: DeliveryState, relay: str, reply: Reply, next_try_at: datetime | None = None) -> Settled:
    return Settled(state, relay, reply.code, reply.enhanced, reply.text, next_try_at)
