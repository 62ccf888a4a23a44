"""A server that goes away at each stage, in each way: nobody is lost, copies are bounded (R-08 to R-10, R-12)."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme
from faultrows import FULL, Row, recorded, seeded
from faultsend import quick_pauses, send
from faultserver import Act, Blackhole, Delay, Drop, FaultServer, HalfClose, Reset, Rule, Script
from history import judge
from office import open_office
from post import good
from sqlalchemy import Engine
from talking import handed_over

from digest.config import RelayConfig
from digest.deliver.replies import Accepted, Unknown
from digest.deliver.smtp import Timeouts
from digest.deliver.talk import Written

SPEECHES = {
    "chunked": ("PIPELINING", "CHUNKING", "8BITMIME", "SIZE 50000000"),
    "pipelined": ("PIPELINING", "8BITMIME", "SIZE 50000000"),
    "plain": ("8BITMIME", "SIZE 50000000"),
}
DATA_LESS = ("data", "chunked")
# stage, after its reply: the twelve of R-08
STAGES = [
    ("connect", False),
    ("connect", True),
    ("ehlo", False),
    ("starttls", False),
    ("secure", False),
    ("auth", False),
    ("mail", False),
    ("rcpt", False),
    ("data", False),
    ("body", False),
    ("dot", False),
    ("dot", True),
]
WAYS = (Reset(), HalfClose(), Blackhole())
DEATHS = [(act, speech) for act in WAYS for speech in SPEECHES] if FULL else list(zip(WAYS, SPEECHES, strict=True))
DROPS = 500 if FULL else 5
AUTHORITY = trustme.CA()


def script(speech: str, rules: tuple[Rule, ...], seed: int = 1) -> Script:
    return Script(rules, SPEECHES[speech], tls="starttls", login=("ann", "secret"), seed=seed)


def row_of(name: str, engine: Engine, size: int, window: int, policy: str, seed: int, connections: int = 2) -> Row:
    return Row(name, seed, size, connections, window, policy, engine.dialect.name)


def speech_of(stage: str, number: int) -> str:
    if stage == "data":
        return ("pipelined", "plain")[number % 2]
    return "chunked" if stage == "dot" else ("chunked", "pipelined", "plain")[number % 3]


CASES = [(stage, after, speech_of(stage, number)) for number, (stage, after) in enumerate(STAGES)]
if FULL:
    CASES += [(stage, after, speech) for stage, after in STAGES for speech in SPEECHES if (stage, speech) != DATA_LESS]
CASES = list(dict.fromkeys(CASES))


@pytest.mark.slow
@pytest.mark.timeout(3600 if FULL else 300)
@pytest.mark.parametrize("policy", ["hold", "resend"] if FULL else ["mixed"])
@pytest.mark.parametrize(("stage", "after", "speech"), CASES)
@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"] if FULL else ["sqlite"], indirect=True)
def test_a_connection_dropped_at_any_stage_loses_nobody(
    engine: Engine, stage: str, after: bool, speech: str, policy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-08, R-09: dropped after the end of the body, a message is in doubt, taken (every other) or not."""
    quick_pauses(monkeypatch)
    seed, dice = seeded()
    if policy == "mixed":
        policy = dice.choice(["hold", "resend"])
    window, people = 4, 6 * DROPS
    open_office(engine, people)
    early = stage in ("connect", "ehlo", "starttls", "secure", "auth")
    every = 2 if early else 5
    rules = [Rule(Drop(), stage, every=every, times=DROPS, after=after, offset=dice.randrange(1, 900))]
    if (stage, after) == ("dot", False):
        rules = [
            Rule(Drop(kept=True), stage, every=2 * every, times=DROPS // 2),
            Rule(Drop(), stage, every=every, times=DROPS - DROPS // 2),
        ]
    bound = 0 if early else DROPS * (window if speech == "chunked" else 1)
    row = row_of(f"R-08 {stage}{' after' * after} {speech}", engine, people, window, policy, seed)
    row.bound = str(bound)
    with (
        FaultServer(script(speech, tuple(rules), seed), tmp_path / "server", AUTHORITY) as server,
        recorded(row, server.path),
    ):
        limit = {"messages_per_connection": 3} if early else {}
        relay = server.relay(connections=2, window=window, **limit)
        send(engine, [relay], policy=policy, authority=AUTHORITY, hours=80 if not FULL else 400)
        log = server.log()
        found = judge(engine, log, people)
        row.L, row.D, row.U = found.lost, found.doubled, found.unsure
    assert sum(entry.stage == "fault" for entry in log) >= DROPS // 2, "the faults were not met"
    assert found.lost == 0
    assert found.doubled <= (bound if policy == "resend" else 0)
    assert found.unsure <= (bound if policy == "hold" else 0)
    assert found.states["failed"] == 0


@pytest.mark.slow
@pytest.mark.timeout(3600 if FULL else 300)
@pytest.mark.parametrize(("act", "speech"), DEATHS, ids=str)
@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"] if FULL else ["sqlite"], indirect=True)
def test_a_connection_that_dies_in_any_way_ends_with_its_stage_and_leaves_no_task(
    engine: Engine, act: Act, speech: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-10: the n-th connection dies at the n-th stage, time and again; `send` looks for tasks that hang."""
    quick_pauses(monkeypatch)
    seed, dice = seeded()
    rounds, window, connections = (20 if FULL else 1), 4, 6
    stages = [(stage, after) for stage, after in STAGES if stage != "data" or speech != "chunked"] * rounds
    dice.shuffle(stages)
    rules = tuple(
        Rule(act, stage, connection=number, times=1, after=after, offset=dice.randrange(1, 900))
        for number, (stage, after) in enumerate(stages, 1)
    )
    people = 6 * len(stages)
    open_office(engine, people)
    policy = dice.choice(["hold", "resend"])
    bound = len(stages) * (window if speech == "chunked" else 1)
    row = row_of(f"R-10 {type(act).__name__} {speech}", engine, people, window, policy, seed, connections)
    row.bound = str(bound)
    patience = Timeouts(greeting=3, command=1.5, data=1.5, block=1.5, end=1.5)
    with FaultServer(script(speech, rules, seed), tmp_path / "server", AUTHORITY) as server, recorded(row, server.path):
        relay = server.relay(connections=connections, window=window, messages_per_connection=4)
        send(engine, [relay], policy=policy, timeouts=patience, authority=AUTHORITY)
        found = judge(engine, server.log(), people)
        row.L, row.D, row.U = found.lost, found.doubled, found.unsure
    assert found.lost == 0
    assert found.doubled <= (bound if policy == "resend" else 0)
    assert found.unsure <= (bound if policy == "hold" else 0)
    assert found.states["failed"] == 0


@pytest.mark.parametrize("speech", SPEECHES)
def test_a_server_that_stops_reading_in_a_body_is_left_after_the_time_of_a_block(speech: str, tmp_path: Path) -> None:
    """R-10: what was on its way may have been taken, for all we know."""
    rules = (Rule(Blackhole(), "body", offset=1000),)
    large = good() + b"A line of many.\r\n" * 1_500_000
    message = Written("news@review.example", "ann@example.org", large)
    patience = Timeouts(greeting=30, command=30, data=30, block=0.5, end=300)
    with FaultServer(Script(rules, SPEECHES[speech]), tmp_path) as server:
        came = handed_over(RelayConfig(**server.relay()), patience, [message])
        assert isinstance(came[0], Unknown)
        assert "stopped reading" in came[0].why
        assert not [entry for entry in server.log() if entry.stage == "accepted"]


@pytest.mark.slow
@pytest.mark.parametrize("speech", SPEECHES if FULL else ["chunked"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_acceptance_after_nine_and_a_half_of_ten_minutes_is_one_at_1_to_120(
    engine: Engine, speech: str, tmp_path: Path
) -> None:
    """R-12, S-20: seconds for two minutes each: the end of the body may take 5 s, and takes 4.75."""
    open_office(engine, 4)
    row = row_of(f"R-12 {speech}", engine, 4, 4, "resend", 1, 4)
    limits = Timeouts(greeting=30, command=30, data=30, block=30, end=5)
    script_ = Script((Rule(Delay(4.75), "dot"),), SPEECHES[speech])
    with FaultServer(script_, tmp_path / "server") as server, recorded(row, server.path):
        send(engine, [server.relay(connections=4)], policy="resend", timeouts=limits)
        found = judge(engine, server.log(), 4)
        row.L, row.D, row.U = found.lost, found.doubled, found.unsure
    assert found.states == {"sent": 4}
    assert found.doubled == 0


@pytest.mark.slow
@pytest.mark.skipif(not FULL, reason="takes its time")
@pytest.mark.parametrize("speech", SPEECHES)
def test_a_server_at_nine_tenths_of_each_limit_is_waited_for(speech: str, tmp_path: Path) -> None:
    """S-20."""
    stages = ("connect", "ehlo", "rset", "mail", "rcpt", "data", "dot")
    rules = tuple(Rule(Delay(4.5), stage) for stage in stages)
    limits = Timeouts(greeting=5, command=5, data=5, block=5, end=5)
    with FaultServer(Script(rules, SPEECHES[speech]), tmp_path) as server:
        message = Written("news@review.example", "ann@example.org", good())
        came = handed_over(RelayConfig(**server.relay()), limits, [message])
    assert isinstance(came[0], Accepted)
