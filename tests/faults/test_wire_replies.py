"""Replies in any pieces, and lies: what is told of a message is what became of it (R-11, S-A2, S-A3, S-19, S-24)."""

from __future__ import annotations

import asyncio
import ssl
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest
import trustme
from faultrows import FULL, Row, recorded, seeded
from faultserver import Cut, Drop, Entry, FaultServer, Lie, Merge, Reply, Rule, Script
from post import good
from talking import Clerk, hand_over

from digest.config import RelayConfig
from digest.deliver.replies import Accepted, Deferred, Outcome, Refused, Unknown
from digest.deliver.smtp import Timeouts, Trouble, connect
from digest.deliver.talk import Written

SPEECHES = {
    "chunked": ("PIPELINING", "CHUNKING", "8BITMIME"),
    "pipelined": ("PIPELINING", "8BITMIME"),
    "plain": ("8BITMIME",),
}
PATIENT = Timeouts(greeting=30, command=30, data=30, block=30, end=30)
SHORT = Timeouts(greeting=10, command=0.3, data=0.3, block=0.3, end=0.3)
# what each kind of recipient is told, and what must be told of them
KINDS = {"yes": Accepted, "unknown": Refused, "grey": Deferred, "virus": Refused, "full": Deferred}
ANSWERS = (
    Rule(Reply("550 5.1.1 nobody of that name"), "rcpt", rcpt="^unknown"),
    Rule(Reply("451 4.7.1 later, please"), "rcpt", rcpt="^grey"),
    Rule(Reply("554 5.7.1 not that"), "dot", rcpt="^virus"),
    Rule(Reply("452 4.2.2 full"), "dot", rcpt="^full"),
)
Came = list[Outcome | Trouble | None]


def mails(kinds: Sequence[str], at: int = 0) -> list[Written]:
    return [Written("news@review.example", f"{kind}{at}-{n}@example.org", good()) for n, kind in enumerate(kinds)]


async def over_one(server: FaultServer, kinds: Sequence[str], at: int = 0, timeouts: Timeouts = PATIENT) -> Came:
    """One connection with these messages."""
    connection = await connect(RelayConfig(**server.relay()), "client.example", timeouts)
    came = await hand_over(connection, Clerk(mails(kinds, at)))
    await connection.close()
    return came


def wrong(kinds: Sequence[str], came: Came) -> list[object]:
    return [(kind, told) for kind, told in zip(kinds, came, strict=True) if not isinstance(told, KINDS[kind])]


@pytest.mark.slow
@pytest.mark.timeout(3600 if FULL else 300)
@pytest.mark.parametrize("speech", SPEECHES)
def test_replies_cut_at_any_octet_or_merged_are_paired_as_if_whole(speech: str, tmp_path: Path) -> None:
    """R-11, S-24: the n-th connection's replies are cut after their n-th octet, the others' byte by byte or merged."""
    seed, dice = seeded()
    octets, messages = 560, 5 if not FULL else 20
    offsets = list(range(1, octets * messages // 5)) if FULL else sorted(dice.sample(range(1, octets), 40))
    ways = [Cut(offset=offset) for offset in offsets] + [Cut(size=1, pause=0), Cut(size=3, pause=0), Merge()] * 3
    rules = tuple(Rule(way, "connect", connection=number) for number, way in enumerate(ways, 1))
    rounds = 4 if FULL else 1
    pairs = len(ways) * messages * rounds
    row = Row(f"R-11 {speech}", seed, pairs, 1, 4, "-", "-")

    async def all_of_them(server: FaultServer) -> list[object]:
        found: list[object] = []
        for number in range(len(ways)):
            kinds = dice.choices(list(KINDS), k=messages)
            found += wrong(kinds, await over_one(server, kinds, number))
        return found

    for number in range(rounds):
        script = Script((*rules, *ANSWERS), SPEECHES[speech], seed=seed)
        with FaultServer(script, tmp_path / str(number)) as server, recorded(row, server.path):
            found = asyncio.run(all_of_them(server))
        assert found == [], f"seed {seed}"


LIES = {
    "a megabyte in one line": Lie(instead="250 " + "x" * 1_000_000 + "\r\n"),
    "a megabyte in lines": Lie(instead="250-more\r\n" * 100_000 + "250 done\r\n"),
    "a megabyte without an end": Lie(instead="250-more\r\n" * 100_000),
    "binary": Lie(instead="".join(map(chr, range(256))) * 4 + "\r\n"),
    "codes that differ": Lie(instead="250-well\r\n550 no\r\n"),
    "a line without a code": Lie(instead="welcome\r\n"),
    "nothing but a line end": Lie(instead="\r\n"),
    "a code that is none": Lie(instead="999 what\r\n"),
    "an intermediate reply": Lie(instead="354 go ahead\r\n"),
    "one reply too many behind": Lie(after="250 and more\r\n"),
    "one reply too many before": Lie(before="250 first\r\n"),
    "a refusal behind": Lie(after="550 no\r\n"),
    "another service": Lie(instead="HTTP/1.1 400 Bad Request\r\n\r\n"),
}


def false_words(came: Came, messages: Sequence[Written], log: Sequence[Entry]) -> tuple[int, int]:
    """How many were told as taken and were not, and as refused or deferred for good though they were taken."""
    taken = {entry.rcpt for entry in log if entry.stage == "accepted"}
    sent = sum(isinstance(told, Accepted) and mail.rcpt not in taken for told, mail in zip(came, messages, strict=True))
    not_sent = (Refused, Deferred, Trouble)
    denied = sum(isinstance(told, not_sent) and mail.rcpt in taken for told, mail in zip(came, messages, strict=True))
    return sent, denied


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("speech", SPEECHES)
def test_a_lie_ends_the_talk_and_moves_no_outcome_beyond_its_own_number(speech: str, tmp_path: Path) -> None:
    """R-11: at each stage. Only an extra reply can move one outcome, and only in a window (S-A3)."""
    stages = [stage for stage in ("rset", "mail", "rcpt", "data", "dot") if stage != "data" or speech != "chunked"]
    seed, dice = seeded()
    print("seed", seed)
    cases = [(name, stage) for name in LIES for stage in (stages if FULL else dice.sample(stages, 2))]
    rules = tuple(
        Rule(LIES[name], stage, connection=number, transaction=2 if stage != "rset" else 1, times=1)
        for number, (name, stage) in enumerate(cases, 1)
    )
    kinds = ["yes", "virus", "yes", "unknown", "virus", "yes"]

    async def all_of_them(server: FaultServer) -> list[Came]:
        return [await over_one(server, kinds, number, SHORT) for number in range(len(cases))]

    tracemalloc.start()
    with FaultServer(Script((*rules, *ANSWERS), SPEECHES[speech]), tmp_path) as server:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        told = asyncio.run(all_of_them(server))
        kept, peak = (octets - before for octets in tracemalloc.get_traced_memory())
        tracemalloc.stop()
        log = server.log()
    for number, ((name, stage), came) in enumerate(zip(cases, told, strict=True)):
        sent, denied = false_words(came, mails(kinds, number), log)
        shifting = speech == "chunked" and ("too many" in name or "behind" in name)
        assert sent <= shifting, f"{name} at {stage}: {came}"
        assert denied <= shifting, f"{name} at {stage}: {came}"
    assert kept < 5_000_000
    assert peak < 10_000_000


@pytest.mark.slow
@pytest.mark.timeout(1800 if FULL else 300)
@pytest.mark.parametrize("speech", SPEECHES)
def test_a_line_behind_the_acceptance_never_turns_the_next_refusal_into_one(speech: str, tmp_path: Path) -> None:
    """S-A3."""
    trials = 10_000 if FULL else 40
    rules = (Rule(Lie(after="250 ok\r\n"), "dot", rcpt="^yes"), *ANSWERS)

    async def all_of_them(server: FaultServer) -> list[Came]:
        return [await over_one(server, ("yes", "unknown", "unknown"), number) for number in range(trials)]

    with FaultServer(Script(rules, SPEECHES[speech]), tmp_path) as server:
        told = asyncio.run(all_of_them(server))
    assert sum(isinstance(later, Accepted) for came in told for later in came[1:]) == 0
    assert all(isinstance(came[0], Accepted) for came in told)


@pytest.mark.parametrize("after", ["235 2.7.0 welcome\r\n", "250-faults\r\n250 AUTH PLAIN\r\n235 ok\r\n", "x"])
def test_no_word_put_in_before_tls_logs_us_in_or_sends_anything(after: str, tmp_path: Path) -> None:
    """S-A2: bytes behind 220 in one segment; the server itself refuses the log-in under TLS."""
    authority, runs = trustme.CA(), 333 if FULL else 5
    rules = (Rule(Lie(after=after), "starttls"), Rule(Reply("535 5.7.8 no"), "auth"))
    script = Script(rules, tls="starttls", login=("ann", "secret"))
    context = ssl.create_default_context()
    authority.configure_trust(context)

    async def try_it(server: FaultServer) -> None:
        with pytest.raises(Trouble):
            await connect(RelayConfig(**server.relay()), "client.example", SHORT, context)

    with FaultServer(script, tmp_path, authority) as server:
        for _ in range(runs):
            asyncio.run(try_it(server))
        stages = [entry.stage for entry in server.log()]
    assert stages.count("starttls") == runs
    assert not {"mail", "rcpt", "accepted"} & set(stages)


@pytest.mark.parametrize("tls", ["none", "starttls", "tls"])
def test_a_server_that_hangs_up_at_quit_changes_nothing(tls: str, tmp_path: Path) -> None:
    """S-19: without a word, and without the end of TLS."""
    authority = trustme.CA()
    context = ssl.create_default_context()
    authority.configure_trust(context)

    async def talk(server: FaultServer) -> Came:
        connection = await connect(RelayConfig(**server.relay()), "client.example", PATIENT, context)
        came = await hand_over(connection, Clerk(mails(["yes"])))
        await connection.close()
        return came

    with FaultServer(Script((Rule(Drop(), "quit"),), tls=tls), tmp_path, authority) as server:
        assert isinstance(asyncio.run(talk(server))[0], Accepted)


@pytest.mark.parametrize("speech", SPEECHES)
def test_a_reply_that_never_comes_leaves_nothing_called_sent(speech: str, tmp_path: Path) -> None:
    """S-24: fewer replies than commands."""
    rules = (Rule(Lie(instead=""), "rcpt", rcpt="^virus"), *ANSWERS)
    kinds = ["yes", "virus"]
    with FaultServer(Script(rules, SPEECHES[speech]), tmp_path) as server:
        came = asyncio.run(over_one(server, kinds, timeouts=SHORT))
        assert false_words(came, mails(kinds), server.log()) == (0, 0)
    assert isinstance(came[0], Accepted)
    assert isinstance(came[1], Deferred | Unknown | Refused | Trouble)
