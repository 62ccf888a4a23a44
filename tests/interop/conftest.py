"""The relays of one test process, started when they are first asked for, and where they relay to."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from mailbox import Mailbox
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from exim import exim
from opensmtpd import opensmtpd
from postfix import postfix
from relays import Authority, Server

from digest.deliver.dkim import Key


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One kind of database: what is looked at here is the talk with the relay."""
    return f"sqlite:///{tmp_path / 'digest.db'}"


@pytest.fixture(scope="session")
def keys() -> tuple[Key, ...]:
    """What signs our mail: RSA, and ed25519."""
    return (
        Key("review.example", "r1", rsa.generate_private_key(65537, 2048)),
        Key("review.example", "e1", ed25519.Ed25519PrivateKey.generate()),
    )


@pytest.fixture(scope="session")
def records(keys: tuple[Key, ...]) -> dict[str, str]:
    """The TXT records of these keys."""
    return {f"{key.selector}._domainkey.{key.domain}": key.record for key in keys}


@pytest.fixture(scope="session")
def onward() -> Iterator[Mailbox]:
    """Where every relay sends what it took."""
    with Mailbox(judge=False) as box:
        yield box


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who vouches for the relays."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def trusting(authority: Authority) -> ssl.SSLContext:
    """A client that trusts that authority."""
    context = ssl.create_default_context()
    authority.ca.configure_trust(context)
    return context


@pytest.fixture(scope="session")
def server(onward: Mailbox, authority: Authority, records: dict[str, str]) -> Iterator[Callable[[str], Server]]:
    """The relay of that name, which runs until the end; the test is skipped where it can't run."""
    starts = {
        "postfix": lambda: postfix(onward.port, authority),
        "exim": lambda: exim(onward.port, authority, records),
        "opensmtpd": lambda: opensmtpd(onward.port, authority),
    }
    running: dict[str, Server] = {}
    with ExitStack() as stack:

        def named(name: str) -> Server:
            if name not in running:
                running[name] = stack.enter_context(starts[name]())
            return running[name]

        yield named
