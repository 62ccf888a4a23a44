"""Part C's states, explored whole (R-51): no promise breaks, and an engine built wrong is found out."""

from __future__ import annotations

import pytest
from faultrows import FULL
from modelcheck import Bug, Terms, explore

from digest.deliver.ledger import MOVES
from digest.models import DeliveryState as S

# policy, window, recipients, faults
SIZES = [("resend", 1, 3, 1), ("hold", 1, 3, 1), ("resend", 2, 2, 1), ("hold", 2, 2, 2)]
FULL_SIZES = [(policy, window, 3, 2) for policy in ("resend", "hold") for window in (1, 2)]
BY_HAND = {(S.HELD, S.PENDING), (S.HELD, S.FAILED), (S.PENDING, S.HELD), (S.DEFERRED, S.HELD)}
BY_REFUSAL = {(S.HANDED, S.FAILED), (S.PENDING, S.SKIPPED), (S.DEFERRED, S.SKIPPED)}


@pytest.mark.timeout(3600 if FULL else 300)
@pytest.mark.parametrize(("policy", "window", "recipients", "faults"), FULL_SIZES if FULL else SIZES)
def test_no_promise_breaks_in_any_state(policy: str, window: int, recipients: int, faults: int) -> None:
    found = explore(Terms(policy, window, recipients, faults))
    print(
        f"R-51 {policy}, W {window}, {recipients} recipients, {faults} faults: {found.states} states, {found.ends} ends"
    )
    assert (found.broken, found.way) == ("", ())
    assert found.ends


def test_the_machine_makes_every_move_of_the_ledger() -> None:
    made = explore(Terms("resend", 1, 2, 1)).moves | explore(Terms("hold", 1, 2, 1)).moves
    legal = {(state, to) for state, following in MOVES.items() for to in following}
    assert made == legal - BY_HAND - BY_REFUSAL


@pytest.mark.parametrize("bug", [bug for bug in Bug if bug is not Bug.NONE])
def test_an_engine_built_wrong_is_found_out(bug: Bug) -> None:
    found = explore(Terms("hold", 1, 3, 1, bug=bug))
    print(f"R-51 {bug}: {found.broken}, by {', '.join(found.way)}")
    assert found.broken
