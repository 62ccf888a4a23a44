"""Relays that are rude now and then, for a while, or by name: everybody is accounted for (R-14 to R-18, R-22, ...)."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from email import message_from_bytes
from email.policy import default
from itertools import product
from pathlib import Path
from typing import Any

import dkim as dkimpy
import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from faultrows import FULL, Row, recorded, seeded
from faultsend import quick_pauses, send
from faultserver import Drop, Entry, FaultServer, Reply, Rule, Script
from history import accepted, judge
from office import add_issue, address, open_office, rows
from office import handle as handle_of
from post import config, stationery
from sqlalchemy import Engine, select, update

from digest import db
from digest.config import DkimConfig
from digest.deliver import signing
from digest.deliver.message import Stationery
from digest.links import Links
from digest.models import Edition, table
from subscribers.models import MailingList, Status, Subscriber, Subscription
from subscribers.tokens import KeyRing

SPEECHES = {
    "chunked": ("PIPELINING", "CHUNKING", "8BITMIME"),
    "pipelined": ("PIPELINING", "8BITMIME"),
    "plain": ("8BITMIME",),
}
SQLITE = ["sqlite", "postgresql"] if FULL else ["sqlite"]


def row_of(name: str, engine: Engine, size: int, seed: int, policy: str = "hold", window: int = 4) -> Row:
    return Row(name, seed, size, 4, window, policy, engine.dialect.name)


@pytest.mark.slow
@pytest.mark.timeout(3600 if FULL else 300)
@pytest.mark.parametrize("stage", ["rset", "mail", "rcpt", "dot"])
@pytest.mark.parametrize("database_url", SQLITE, indirect=True)
def test_421_after_every_so_many_messages_loses_doubles_and_doubts_nobody(
    engine: Engine, stage: str, tmp_path: Path
) -> None:
    """R-14: what stands behind the 421 in the window was not taken."""
    people, every = (20_000, 50) if FULL else (120, 10)
    open_office(engine, people)
    rules = (Rule(Reply("421 4.7.0 that will do", closes=True), stage, every=every),)
    row = row_of(f"R-14 421 {stage}", engine, people, 1)
    with FaultServer(Script(rules), tmp_path / "server") as server, recorded(row, server.path):
        send(engine, [server.relay()])
        found = judge(engine, server.log(), people)
        row.L, row.D, row.U = found.lost, found.doubled, found.unsure
    assert (found.lost, found.doubled, found.unsure) == (0, 0, 0)
    assert found.states == {"sent": people}


@pytest.mark.slow
@pytest.mark.timeout(3600 if FULL else 300)
@pytest.mark.parametrize("database_url", SQLITE, indirect=True)
def test_a_provider_that_says_goodbye_when_the_share_is_reached_costs_nothing(engine: Engine, tmp_path: Path) -> None:
    """R-14: 221 by us before the provider's own end, where the share is known to us."""
    people, share = (20_000, 2_500) if FULL else (60, 10)
    open_office(engine, people)
    rules = (Rule(Drop(), "mail", transaction=share + 1),)
    row = row_of("R-14 share", engine, people, 1)
    with FaultServer(Script(rules), tmp_path / "server") as server, recorded(row, server.path):
        send(engine, [server.relay(messages_per_connection=share)])
        found = judge(engine, server.log(), people)
        row.L, row.D, row.U = found.lost, found.doubled, found.unsure
    assert (found.lost, found.doubled, found.unsure) == (0, 0, 0)
    assert found.states == {"sent": people}


@pytest.mark.slow
@pytest.mark.timeout(3600 if FULL else 300)
@pytest.mark.parametrize("speech", SPEECHES)
@pytest.mark.parametrize("database_url", SQLITE, indirect=True)
def test_in_a_random_mix_every_reply_is_classified_right(
    engine: Engine, speech: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-15: the server's log is the truth."""
    quick_pauses(monkeypatch)
    seed, dice = seeded()
    people = 100_000 // 3 if FULL else 150
    more = 1 if FULL else 5
    open_office(engine, people)
    rules = tuple(
        Rule(act, stage, chance=share * more / 2)
        for stage in ("rcpt", "dot")
        for act, share in (
            (Reply("451 4.7.1 later"), 0.01),
            (Reply("550 5.1.1 never"), 0.005),
            (Drop(kept=dice.random() < 0.5), 0.005),
        )
    )
    policy = dice.choice(["hold", "resend"])
    row = row_of(f"R-15 {speech}", engine, people, seed, policy)
    script = Script(rules, SPEECHES[speech], seed=seed)
    with FaultServer(script, tmp_path / "server") as server, recorded(row, server.path):
        send(engine, [server.relay()], policy=policy)
        log = server.log()
        found = judge(engine, log, people)
        drops = sum(entry.stage == "fault" for entry in log)
        bound = drops * (4 if speech == "chunked" else 1)
        row.L, row.D, row.U, row.bound = found.lost, found.doubled, found.unsure, str(bound)
    assert found.lost == 0
    assert found.doubled <= (bound if policy == "resend" else 0)
    assert found.unsure <= (bound if policy == "hold" else 0)
    never = {entry.rcpt for entry in log if entry.said.startswith("550")}
    failed = {who for who, one in rows(engine).items() if one.state == "failed"}
    assert failed <= never, "somebody was given up who was never refused"
    states = {who: one.state for who, one in rows(engine).items()}
    taken = accepted(log)
    assert all(who in failed or who in taken or states[who] == "held" for who in never)


@pytest.mark.slow
@pytest.mark.timeout(900 if FULL else 300)
@pytest.mark.parametrize("stage", ["auth", "mail"])
@pytest.mark.parametrize("database_url", SQLITE, indirect=True)
def test_a_refusal_of_ourselves_is_nobodys_bounce_and_all_go_out_later(
    engine: Engine, stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-16, the wire: 5xx to AUTH or MAIL, many times, then health."""
    quick_pauses(monkeypatch)
    authority = trustme.CA()
    people, refusals = (20_000, 500) if FULL else (60, 12)
    open_office(engine, people)
    said = "535 5.7.8 wrong" if stage == "auth" else "550 5.7.1 you may not send"
    script = Script((Rule(Reply(said), stage, times=refusals),), tls="starttls", login=("ann", "secret"))
    row = row_of(f"R-16 {stage}", engine, people, 1)
    with FaultServer(script, tmp_path / "server", authority) as server, recorded(row, server.path):
        send(engine, [server.relay()], authority=authority, hours=46)
        found = judge(engine, server.log(), people)
        row.L, row.D, row.U = found.lost, found.doubled, found.unsure
        refused = sum(entry.said == said for entry in server.log())
    assert refused == refusals
    assert found.states == {"sent": people}
    assert (found.doubled, found.unsure) == (0, 0)
    with db.reading(engine) as session:
        places = session.scalars(select(table(Subscription).c.status)).all()
    assert Counter(places) == {Status.CONFIRMED: people}


@pytest.mark.parametrize("poison", ["reader7@example.org\r\nBcc: x@example.org", "a b@example.org"])
@pytest.mark.parametrize("database_url", SQLITE, indirect=True)
def test_one_poisoned_recipient_fails_alone(engine: Engine, poison: str, tmp_path: Path) -> None:
    """R-18: a row whose message can't be built."""
    people = 20_000 if FULL else 30
    open_office(engine, people)
    p = table(Subscriber)
    with db.writing(engine) as session:
        session.execute(update(p).where(p.c.id == 7).values(email=poison))
    row = row_of("R-18", engine, people, 1)
    with FaultServer(Script(), tmp_path / "server") as server, recorded(row, server.path):
        send(engine, [server.relay()])
        log, found = server.log(), rows(engine)
    assert Counter(one.state for one in found.values()) == {"sent": people - 1, "failed": 1}
    assert found[poison].reason
    assert max(Counter(entry.rcpt for entry in log if entry.stage == "accepted").values()) == 1
    assert len(accepted(log)) == people - 1
    assert sum(entry.stage == "mail" for entry in log) == people - 1


def test_what_is_edited_in_mid_send_changes_no_body(engine: Engine, tmp_path: Path) -> None:
    """R-22: the words of list and edition, another issue: one text once the blanks are taken out."""
    people = 2_000 if FULL else 80
    open_office(engine, people)

    def edit() -> None:
        with db.writing(engine) as session:
            session.execute(update(table(Edition)).values(title="Another title"))
            session.execute(update(table(MailingList)).values(title="Another list", description="Other words"))
        add_issue(engine, 13, written=stationery(subject="Another subject"))

    row = row_of("R-22", engine, people, 1)
    with FaultServer(Script(), tmp_path / "server") as server, recorded(row, server.path):
        editing = threading.Thread(target=lambda: (_until_some(server), edit()))
        editing.start()
        send(engine, [server.relay(connections=1)])
        editing.join()
        log = server.log()
        found = judge(engine, log, people)
    assert found.states == {"sent": people}
    assert len({_without_person(copies[0]) for copies in accepted(log).values()}) == 1


def _until_some(server: FaultServer) -> None:
    while not any(entry.stage == "accepted" for entry in server.log()):
        threading.Event().wait(0.01)


def _without_person(entry: Entry) -> tuple[str, ...]:
    message = message_from_bytes(entry.raw, policy=default)
    own = ("to", "message-id", "list-unsubscribe", "feedback-id")
    head = [f"{name}: {value}" for name, value in message.items() if name.lower() not in own]
    parts = [part.get_content() for part in message.walk() if not part.is_multipart()]
    number = entry.rcpt.partition("@")[0].removeprefix("reader")
    return tuple(
        re.sub(r"http://127\.0\.0\.1:8080/[A-Za-z0-9_/.\-]+", "LINK", text).replace(f"Reader {number},", "Reader N,")
        for text in (*head, *parts)
    )


LIMITED = """
import json, resource, sys, warnings
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
sys.path[:0] = [sys.argv[2], sys.argv[3]]
from digest import db
from faultsend import send
said = json.loads(sys.argv[1])
engine = db.open_engine(said["url"])
send(engine, [said["relay"]], policy="hold", hours=5)
"""


@pytest.mark.slow
@pytest.mark.parametrize("database_url", SQLITE, indirect=True)
def test_with_64_files_it_sends_over_fewer_connections_and_loses_nobody(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    """R-29: 100 connections are asked for."""
    people = 20_000 if FULL else 200
    open_office(engine, people)
    tests = Path(__file__).parents[1]
    row = row_of("R-29", engine, people, 1)
    row.C = 100
    with FaultServer(Script(), tmp_path / "server") as server, recorded(row, server.path):
        said = json.dumps({"url": database_url, "relay": server.relay(connections=100)})
        command = [sys.executable, "-c", LIMITED, said, str(tests), str(tests.parent)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=1200 if FULL else 200, check=False)
        assert ended.returncode == 0, ended.stderr[-2000:]
        found = judge(engine, server.log(), people)
        row.L, row.D, row.U = found.lost, found.doubled, found.unsure
    assert (found.lost, found.doubled, found.unsure) == (0, 0, 0)
    assert found.states == {"sent": people}


FAILURES: dict[str, Sequence[Exception]] = {
    "unknown": [socket.gaierror(socket.EAI_NONAME, "Name or service not known")],
    "temporary": [socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")],
    "flapping": [socket.gaierror(socket.EAI_AGAIN, "try again"), TimeoutError("the name server is silent")],
}


@pytest.mark.parametrize("kind", FAILURES)
@pytest.mark.parametrize("database_url", SQLITE, indirect=True)
def test_a_relay_whose_name_is_not_found_for_a_while_loses_nobody(
    engine: Engine, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-30: the name is looked up anew for each connection; every other answer is an error, at first all."""
    quick_pauses(monkeypatch)
    people, failures = 60, FAILURES[kind]
    open_office(engine, people)
    asked: list[str] = []
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *rest: Any, **more: Any) -> Any:
        if host != "relay.example":
            return real(host, *rest, **more)
        asked.append(host)
        if len(asked) <= 6 or len(asked) % 2:
            raise failures[len(asked) % len(failures)]
        return real("127.0.0.1", *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    row = row_of(f"R-30 {kind}", engine, people, 1)
    with FaultServer(Script(), tmp_path / "server") as server, recorded(row, server.path):
        send(engine, [server.relay(host="relay.example", messages_per_connection=7)])
        found = judge(engine, server.log(), people)
        row.L, row.D, row.U = found.lost, found.doubled, found.unsure
    assert (found.lost, found.doubled, found.unsure) == (0, 0, 0)
    assert found.states == {"sent": people}


ENDS = ("\n.\n", "\r.\r", "\n.\r\n", "\r\n.\n", "\r\n.\r", "\r\n.\r\n", "\r.\r\n", "\r.\n", "\n.\r")
SMUGGLED = "MAIL FROM:<x@example.org>\r\nRCPT TO:<y@example.org>\r\nDATA\r\nSubject: x\r\n\r\nx"


@pytest.mark.slow
@pytest.mark.parametrize("speech", ["pipelined", "plain"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_body_holds_the_end_of_itself_for_a_lax_server(engine: Engine, speech: str, tmp_path: Path) -> None:
    """S-A8: every pair of false ends around a second transaction, in text, HTML, name and subject, one person each."""
    pairs = list(product(ENDS, ENDS)) if FULL else [(end, end) for end in ENDS]
    payload = "".join(f"x{one}{SMUGGLED}{other}x\n" for one, other in pairs)
    usual = stationery()
    written = Stationery(
        usual.subject, usual.html + f"<pre>{payload}</pre>", usual.text + payload, usual.headers, usual.blank_word
    )
    open_office(engine, 2, written=written)
    with FaultServer(Script((), SPEECHES[speech], lax=True), tmp_path / "server") as server:
        send(engine, [server.relay()])
        log = server.log()
        assert judge(engine, log, 2).states == {"sent": 2}
    assert sorted(accepted(log)) == sorted(address(number) for number in (1, 2))
    assert sum(entry.stage == "mail" for entry in log) == 2


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_arrives_under_faults_is_signed_and_verifies(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-47: DKIM of every accepted copy, by dkimpy; `judge` has done the rest of the row."""
    quick_pauses(monkeypatch)
    people, keys = (2_000 if FULL else 30), []
    for selector, private in (("r1", rsa.generate_private_key(65537, 2048)), ("e1", Ed25519PrivateKey.generate())):
        file = tmp_path / f"{selector}.pem"
        file.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        keys.append(DkimConfig("review.example", selector, file))
    records = {
        f"{key.selector}._domainkey.{key.domain}.".encode(): key.record.encode()
        for key in signing.keys(replace(config(), dkim=tuple(keys)))
    }
    open_office(engine, people)
    rules = (Rule(Drop(kept=True), "dot", every=9), Rule(Reply("451 4.7.1 later"), "rcpt", every=7))
    row = row_of("R-47", engine, people, 1, "resend")
    with FaultServer(Script(rules), tmp_path / "server") as server, recorded(row, server.path):
        send(engine, [server.relay()], policy="resend", dkim=tuple(keys))
        log = server.log()
        found = judge(engine, log, people)
        row.L, row.D, row.U = found.lost, found.doubled, found.unsure
    assert found.lost == 0
    for entry in log:
        if entry.stage == "accepted":
            proofs = [dkimpy.DKIM(entry.raw).verify(i, dnsfunc=lambda name, **more: records.get(name)) for i in (0, 1)]
            assert proofs == [True, True]


class Torn(Links):
    """Links that can't be made for one person."""

    def unsubscribe(self, handle: bytes, list_id: str) -> str:
        if handle == handle_of(7):
            raise RuntimeError("no link for this one")
        return super().unsubscribe(handle, list_id)


@pytest.mark.parametrize("database_url", SQLITE, indirect=True)
def test_one_whose_links_cannot_be_made_fails_alone(engine: Engine, tmp_path: Path) -> None:
    """R-18: any error in building a message is that message's alone."""
    open_office(engine, 30)
    with FaultServer(Script(), tmp_path / "server") as server:
        send(engine, [server.relay()], links=Torn("http://127.0.0.1:8080", KeyRing("a secret of tests")), hours=3)
        log, found = server.log(), rows(engine)
    assert Counter(one.state for one in found.values()) == {"sent": 29, "failed": 1}
    assert found[address(7)].reason
    assert len(accepted(log)) == 29
