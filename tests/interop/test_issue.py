"""An issue through real relays: every kind of TLS and log-in; those we do not trust, and those that tire of us."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from mailbox import Mailbox
from pathlib import Path

import pytest
import verifiers
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from desk import until
from office import open_office, rows
from post import LINKS, config
from relays import HOSTS, LISTENERS, MISTAKEN, SECURE, SPEAKING, Listener, Server
from sqlalchemy import Engine

from digest.config import Config, DkimConfig, RelayConfig
from digest.deliver.dialogue import Speech
from digest.deliver.dkim import Key
from digest.deliver.run import Delivered, Means, deliver, enqueue_issue
from digest.errors import RelayUnavailable

PLAIN_TEXT = LISTENERS[2]  # what every relay offers
WELCOMING = [
    (relay, listener)
    for relay in HOSTS
    for listener in [PLAIN_TEXT, *SECURE]
    if (relay, listener.auth) != ("opensmtpd", "LOGIN")  # it offers PLAIN with it, which is taken
]


@pytest.fixture
def ready(server: Callable[[str], Server], trusting: ssl.SSLContext) -> Callable[[str, Listener], Server]:
    """The relay of that name, if it has that listener, and can do TLS at all where it is asked for."""

    def found(relay: str, listener: Listener) -> Server:
        running = server(relay)
        if listener not in running.listeners:
            pytest.skip(f"{relay} has no listener with {listener}")
        if listener.security != "none" and not running.shakes_hands(trusting):
            pytest.skip(f"this {relay} can do no TLS: its handshake fails with any client")
        return running

    return found


@pytest.fixture
def settings(keys: tuple[Key, ...], tmp_path: Path) -> Config:
    """Settings that sign, and lead nowhere yet."""
    signers = []
    for key in keys:
        file = tmp_path / f"{key.selector}.pem"
        file.write_bytes(key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.chmod(0o600)
        signers.append(DkimConfig(key.domain, key.selector, file))
    return replace(config(), dkim=tuple(signers))


def send(
    engine: Engine, settings: Config, tls: ssl.SSLContext | None, *relays: RelayConfig, until_done: bool = False
) -> Delivered:
    """Deliver the issue through these relays, trusting only `tls` (default: the system's authorities)."""
    settings = replace(settings, relays=relays)
    sent = deliver(engine, settings, LINKS, issue_id=12, until_done=until_done, means=Means(tls=tls))
    return asyncio.run(sent)


def audience(engine: Engine, settings: Config, case: str) -> list[str]:
    """Seven readers of a frozen issue, with addresses of this case; the relay refuses the third, defers the fifth."""
    found = [f"{case}{n}-rcpt{ {3: 5, 5: 4}.get(n, 2) }@example.org" for n in range(1, 8)]
    open_office(engine, found)
    enqueue_issue(engine, settings, 12, datetime.now(UTC))
    return found


def states(engine: Engine) -> list[str]:
    return [str(row.state) for _, row in sorted(rows(engine).items())]


THROUGH = ["sent", "sent", "failed", "sent", "deferred", "sent", "sent"]


@pytest.mark.parametrize(("relay", "listener"), WELCOMING, ids=str)
def test_an_issue_goes_through(
    engine: Engine,
    settings: Config,
    trusting: ssl.SSLContext,
    ready: Callable[[str, Listener], Server],
    onward: Mailbox,
    records: dict[str, str],
    relay: str,
    listener: Listener,
) -> None:
    server = ready(relay, listener)
    readers = audience(engine, settings, f"{relay}.{listener}.")
    send(engine, settings, trusting, server.relay(listener, connections=2))
    assert states(engine) == THROUGH
    taken = [address for address, state in zip(readers, THROUGH, strict=True) if state == "sent"]
    until("relayed messages", lambda: all(map(onward.to, taken)))
    for address in taken:
        (got,) = onward.to(address)
        assert got.mail == "news@review.example"
        assert verifiers.with_dkimpy(got.raw, records) == [True, True]
        assert spoken(got.raw) == (listener.security != "none", bool(listener.auth))
    said = verifiers.with_perl(onward.to(taken[0])[0].raw, records)
    assert said is None or said[0] == "rsa-sha256=pass"


def spoken(raw: bytes) -> tuple[bool, bool]:
    """Whether the relay took it under TLS, and after a log-in, as its Received says (RFC 3848)."""
    found = re.search(rb"\swith E?SMTP(S?)(A?)\b", raw.partition(b"\r\nDKIM-Signature:")[0], re.IGNORECASE)
    assert found, raw[:500]
    return bool(found[1]), bool(found[2])


def refused(engine: Engine, settings: Config, tls: ssl.SSLContext | None, *relays: RelayConfig) -> list[str]:
    """Why nothing could be sent through any of them; every row is as it was."""
    with pytest.raises(RelayUnavailable) as told:
        send(engine, settings, tls, *relays)
    assert states(engine) == ["pending"] * 7
    assert {row.attempts for row in rows(engine).values()} == {0}
    reasons = str(told.value).split("; relay ")
    assert len(reasons) == len(relays)
    return reasons


@pytest.mark.parametrize("relay", HOSTS)
def test_a_certificate_of_another_host_is_refused(
    engine: Engine, settings: Config, trusting: ssl.SSLContext, server: Callable[[str], Server], relay: str
) -> None:
    found = [server(relay).relay(one, name=str(one)) for one in MISTAKEN]
    audience(engine, settings, f"other.{relay}.")
    for reason in refused(engine, settings, trusting, *found):
        assert "certificate" in reason.lower()


@pytest.mark.parametrize("relay", HOSTS)
def test_an_authority_that_we_do_not_know_is_refused(
    engine: Engine, settings: Config, server: Callable[[str], Server], relay: str
) -> None:
    found = [server(relay).relay(one, name=str(one)) for one in SECURE if not one.auth]
    audience(engine, settings, f"unknown.{relay}.")
    for reason in refused(engine, settings, None, *found):
        assert "certificate" in reason.lower()


@pytest.mark.parametrize("relay", HOSTS)
def test_a_wrong_password_loses_nothing(
    engine: Engine,
    settings: Config,
    trusting: ssl.SSLContext,
    ready: Callable[[str, Listener], Server],
    relay: str,
) -> None:
    server = ready(relay, next(one for one in SECURE if one.auth))
    listeners = [one for one in server.listeners if one.auth]
    audience(engine, settings, f"wrong.{relay}.")
    wrong = [server.relay(one, name=str(one), password="wrong-password") for one in listeners]
    for reason in refused(engine, settings, trusting, *wrong):
        assert "535" in reason
        assert "wrong-password" not in reason
    send(engine, settings, trusting, *(server.relay(one, name=str(one)) for one in listeners))
    assert states(engine) == THROUGH


@pytest.mark.parametrize(("relay", "speech"), SPEAKING)
def test_a_relay_that_tires_of_one_connection_loses_nobody(
    engine: Engine,
    settings: Config,
    server: Callable[[str], Server],
    onward: Mailbox,
    relay: str,
    speech: Speech,
) -> None:
    # Postfix hangs up (421) after 20 errors, Exim after 10 commands that mail nothing: more of both than that.
    refused, taken = ([f"tired.{relay}.{speech}.{n}-rcpt{digit}@example.org" for n in range(30)] for digit in (5, 2))
    readers = [*taken[:10], *refused, *taken[10:]]
    open_office(engine, readers)
    enqueue_issue(engine, settings, 12, datetime.now(UTC))
    listener = server(relay).offering(security="none", speech=speech)
    told = send(engine, settings, None, server(relay).relay(listener, connections=1), until_done=True)
    found = rows(engine)
    assert {str(found[address].state) for address in taken} == {"sent"}
    assert {str(found[address].state) for address in refused} == {"failed"}
    assert told.counts["sent"] == told.counts["failed"] == 30
    until("relayed messages", lambda: all(map(onward.to, taken)))
    assert all(len(onward.to(address)) == 1 for address in taken)
    assert not any(map(onward.to, refused))
