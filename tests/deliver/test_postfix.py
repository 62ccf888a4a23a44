"""The three ways of speaking with a real Postfix, which refuses in the window and relays on to our mailbox."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from mailbox import Mailbox
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from post import prepared, reader, stationery
from talking import Clerk, hand_over

from digest.config import RelayConfig
from digest.deliver.dialogue import Speech
from digest.deliver.dkim import Key
from digest.deliver.message import build, prepare
from digest.deliver.replies import Accepted, Deferred, Outcome, Refused
from digest.deliver.smtp import Timeouts, Trouble, connect
from digest.deliver.talk import Written

POSTFIX = Path("/usr/sbin/postfix")
LISTENERS = {
    Speech.CHUNKED: "",
    Speech.PIPELINED: "-o smtpd_discard_ehlo_keywords=chunking",
    Speech.PLAIN: "-o smtpd_discard_ehlo_keywords=chunking,pipelining",
}
KEYS = (
    Key("review.example", "r1", rsa.generate_private_key(65537, 2048)),
    Key("review.example", "e1", ed25519.Ed25519PrivateKey.generate()),
)
REFUSED_RECIPIENT, DEFERRED_RECIPIENT, REFUSED_SENDER, COUNT = 2, 5, 7, 12

MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = {daemons}
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.test.example
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mydestination =
alias_maps =
relayhost = [127.0.0.1]:{onward}
smtp_tls_security_level = none
smtpd_tls_security_level = none
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
smtpd_peername_lookup = no
smtpd_delay_reject = no
smtpd_sender_restrictions = check_sender_access inline:{{ {{ bounce7@review.example = 450 4.7.0 not you }} }}
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = check_recipient_access inline:{{
  {{ reader2@example.org = 550 5.1.1 nobody }} {{ reader5@example.org = 450 4.2.0 later }} }}
"""
MASTER = """
postlog unix-dgram n - n - 1 postlogd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000 0 flush
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
scache unix - - n - 1 scache
"""


def free_ports(count: int) -> list[int]:
    """So many ports that nobody listens on; all are held at once, as a port let go may be given out again."""
    with ExitStack() as held:
        taken = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in taken:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in taken]


def listening(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def onward() -> Iterator[Mailbox]:
    with Mailbox(judge=False) as box:
        yield box


@pytest.fixture(scope="module")
def ports(onward: Mailbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Speech, int]]:
    if not POSTFIX.exists() or sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("Postfix is not installed, or we may not run it (apt install postfix, as root)")
    # Postfix's own daemons have to reach their queue, so not below a folder that is root's alone.
    folder = Path(f"/tmp/digest-postfix-{os.getpid()}")
    ports = dict(zip(LISTENERS, free_ports(len(LISTENERS)), strict=True))
    found = subprocess.run(["/usr/sbin/postconf", "-h", "daemon_directory"], capture_output=True, text=True, check=True)
    for name in ("queue", "data", "config"):
        (folder / name).mkdir(parents=True)
    shutil.chown(folder / "data", "postfix")
    settings = MAIN.format(folder=folder, onward=onward.port, daemons=found.stdout.strip())
    (folder / "config/main.cf").write_text(settings)
    smtpd = [f"127.0.0.1:{ports[speech]} inet n - n - - smtpd {options}" for speech, options in LISTENERS.items()]
    (folder / "config/master.cf").write_text("\n".join(smtpd) + MASTER)
    command = [POSTFIX, "-c", folder / "config"]
    try:
        started = subprocess.run([*command, "start"], capture_output=True, text=True, check=False)
        assert started.returncode == 0, started.stderr
        deadline = time.monotonic() + 20
        while not all(map(listening, ports.values())):
            assert time.monotonic() < deadline, (folder / "mail.log").read_text()
            time.sleep(0.05)
        yield ports
    finally:
        subprocess.run([*command, "stop"], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


async def talk(port: int) -> tuple[Speech, list[Outcome | Trouble | None]]:
    relay = RelayConfig(name="postfix", host="127.0.0.1", port=port, security="none", window=8)
    connection = await connect(relay, "client.example", Timeouts(20, 20, 20, 20, 20))
    signed = prepare(stationery(), KEYS)
    messages = [
        Written(f"bounce{n}@review.example", rcpt := f"reader{n}@example.org", build(signed, reader(rcpt)))
        for n in range(COUNT)
    ]
    outcomes = await hand_over(connection, Clerk(messages))
    await connection.close()
    return connection.speech, outcomes


@pytest.mark.parametrize("speech", Speech)
def test_postfix_takes_each_message_under_its_own_sender(
    ports: dict[Speech, int], onward: Mailbox, speech: Speech
) -> None:
    onward.messages.clear()
    spoken, outcomes = asyncio.run(talk(ports[speech]))
    assert spoken is speech
    expected = {REFUSED_RECIPIENT: Refused, DEFERRED_RECIPIENT: Deferred, REFUSED_SENDER: Trouble}
    assert [type(came) for came in outcomes] == [expected.get(n, Accepted) for n in range(COUNT)]
    taken = [n for n in range(COUNT) if n not in expected]
    deadline = time.monotonic() + 30
    while len(onward.messages) < len(taken) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert sorted(got.rcpt for got in onward.messages) == sorted(f"reader{n}@example.org" for n in taken)
    for got in onward.messages:
        number = int("".join(filter(str.isdigit, got.rcpt)))
        assert got.mail == f"bounce{number}@review.example"
        assert got.raw.endswith(build(prepared(), reader(got.rcpt)))
        verify(got.raw)


def verify(raw: bytes) -> None:
    """Both signatures still stand after the hop."""
    import dkim

    records = {f"{key.selector}._domainkey.{key.domain}.".encode(): key.record.encode() for key in KEYS}
    for index in range(len(KEYS)):
        assert dkim.DKIM(raw).verify(index, dnsfunc=lambda name, timeout=5: records.get(name))
