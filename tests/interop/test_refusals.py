"""Refusals at every stage and place of a connection's window: each message still leaves under its own sender (T7)."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from mailbox import Got, Mailbox

import exim
import pytest
import verifiers
from desk import until
from post import prepared, reader, stationery
from relays import SPEAKING, Server
from talking import Clerk, hand_over

from digest.deliver.dialogue import Speech
from digest.deliver.dkim import Key
from digest.deliver.message import build, prepare
from digest.deliver.replies import Accepted, Deferred, Outcome, Refused
from digest.deliver.smtp import Timeouts, Trouble, connect
from digest.deliver.talk import Written

WINDOW = 4
PLACES = {"first": (0,), "middle": (2,), "last": (3,), "all": range(WINDOW), "alternating": (1, 3)}
STAGES = ("mail", "rcpt", "data", "body")  # body: after its end
CASES = [
    (relay, speech, stage)
    for relay, speech in SPEAKING
    for stage in STAGES
    if (relay, speech, stage) != ("exim", Speech.CHUNKED, "data")  # it asks that rule before DATA only, not at BDAT
]

Came = Outcome | Trouble | None
_numbers = itertools.count(1)


def batch(stage: str, digit: int, places: range | tuple[int, ...]) -> list[str]:
    """The local parts of one connection's readers, which tell the relay what to do with them."""
    return [f"{next(_numbers)}-{stage}{digit if n in places else 2}" for n in range(WINDOW)]


async def talk(server: Server, speech: Speech, names: list[str], keys: tuple[Key, ...]) -> list[Came]:
    """Send a message to each of these readers, under a sender of theirs, one after the other on one connection."""
    settings = server.relay(server.offering(security="none", speech=speech), window=WINDOW)
    signed = prepare(stationery(), keys)
    messages = [
        Written(
            f"bounce{name}@review.example",
            f"reader{name}@example.org",
            build(signed, reader(f"reader{name}@example.org")),
        )
        for name in names
    ]
    connection = await connect(settings, "client.example", Timeouts(30, 30, 30, 30, 30))
    assert connection.speech is speech
    came = await hand_over(connection, Clerk(messages))
    await connection.close()
    return came


async def talks(server: Server, speech: Speech, batches: list[list[str]], keys: tuple[Key, ...]) -> list[Came]:
    """The outcomes of batches, each sent on a connection of its own."""
    came = await asyncio.gather(*(talk(server, speech, names, keys) for names in batches))
    return list(itertools.chain.from_iterable(came))


def expected(name: str) -> type[Outcome | Trouble]:
    """What has to come of a message to that reader."""
    if name.endswith("2"):
        return Accepted
    return Trouble if "-mail" in name else Refused if name.endswith("5") else Deferred


@pytest.mark.parametrize(("relay", "speech", "stage"), CASES)
def test_every_message_leaves_under_its_own_sender(
    server: Callable[[str], Server],
    onward: Mailbox,
    keys: tuple[Key, ...],
    relay: str,
    speech: Speech,
    stage: str,
) -> None:
    batches = [batch(stage, digit, places) for places in PLACES.values() for digit in (5, 4)]
    came = asyncio.run(talks(server(relay), speech, batches, keys))
    names = list(itertools.chain.from_iterable(batches))
    assert list(zip(names, map(type, came), strict=True)) == [(name, expected(name)) for name in names]
    pairs = {(f"bounce{name}@review.example", f"reader{name}@example.org") for name in names if name.endswith("2")}
    until("relayed messages", lambda: pairs <= envelopes(onward))
    readers = {f"reader{name}@example.org" for name in names}
    assert {(mail, rcpt) for mail, rcpt in envelopes(onward) if rcpt in readers} == pairs


def envelopes(onward: Mailbox) -> set[tuple[str, str]]:
    """Sender and recipient of all that was relayed so far."""
    return {(got.mail, got.rcpt) for got in onward.messages}


def relayed(server: Server, speech: Speech, onward: Mailbox, keys: tuple[Key, ...]) -> Got:
    """A message as it is after that relay."""
    names = batch("rcpt", 5, (1,))
    asyncio.run(talk(server, speech, names, keys))
    return until("the relayed message", lambda: onward.to(f"reader{names[0]}@example.org"))[0]


@pytest.mark.parametrize(("relay", "speech"), SPEAKING)
def test_both_signatures_stand_after_the_hop(
    server: Callable[[str], Server],
    onward: Mailbox,
    keys: tuple[Key, ...],
    records: dict[str, str],
    relay: str,
    speech: Speech,
) -> None:
    got = relayed(server(relay), speech, onward, keys)
    assert got.raw.startswith(b"Received: ")
    assert got.raw.endswith(build(prepared(), reader(got.rcpt)))
    assert verifiers.with_dkimpy(got.raw, records) == [True, True]
    said = verifiers.with_perl(got.raw, records)
    assert said is None or said[0] == "rsa-sha256=pass"


@pytest.mark.parametrize(("relay", "speech"), SPEAKING)
def test_exim_verifies_both_signatures_after_the_hop(
    server: Callable[[str], Server], onward: Mailbox, keys: tuple[Key, ...], relay: str, speech: Speech
) -> None:
    server("exim")
    got = relayed(server(relay), speech, onward, keys)
    assert sorted(exim.verdicts(got.raw)) == ["ed25519-sha256=pass", "rsa-sha256=pass"]
    assert sorted(exim.verdicts(got.raw + b"more\r\n")) == ["ed25519-sha256=fail", "rsa-sha256=fail"]
