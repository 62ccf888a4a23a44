"""Real mail servers as relays: what all of them have, their listeners, and a folder that is their whole world.

Every server of every process of a test run has a loopback address of its own, so the ports are fixed and nobody else's.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme

from digest.config import RelayConfig
from digest.deliver.dialogue import Speech

UNPACKED = Path(os.environ.get("DIGEST_RELAYS") or Path(__file__).parents[1] / ".ci/relays/root")
LINUX_ROOT = sys.platform == "linux" and os.geteuid() == 0
HOSTS = {
    name: f"127.{1 + (place << 6) + (os.getpid() >> 16 & 63)}.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
    for place, name in enumerate(("postfix", "exim", "opensmtpd"))
}
USER, PASSWORD = "digest", "right-password"


@dataclass(frozen=True)
class Listener:
    """One port of a relay, and all that it offers."""

    port: int
    speech: Speech = Speech.CHUNKED
    security: str = "none"
    auth: str = ""  # PLAIN or LOGIN: nobody sends without it
    certificate: str = "right"  # or "other": of another host

    def __str__(self) -> str:
        return f"{self.security}-{self.auth or 'open'}-{self.speech}"


SPOKEN = [Listener(2501 + n, speech) for n, speech in enumerate(Speech)]
SECURE = [
    Listener(2511 + n, security=security, auth=auth)
    for n, (security, auth) in enumerate((s, a) for s in ("starttls", "tls") for a in ("", "PLAIN", "LOGIN"))
]
MISTAKEN = [Listener(2521 + n, security=s, certificate="other") for n, s in enumerate(("starttls", "tls"))]
SPEAKING = [(name, speech) for name in ("postfix", "exim") for speech in Speech] + [("opensmtpd", Speech.PLAIN)]
LISTENERS = [*SPOKEN, *SECURE, *MISTAKEN]


@dataclass(frozen=True)
class Authority:
    """Who vouches for the relays: files with a key and its chain, by certificate name."""

    folder: Path
    ca: trustme.CA = field(default_factory=trustme.CA)

    def __post_init__(self) -> None:
        for name, hosts in (("right", HOSTS.values()), ("other", ["other.example"])):
            issued = self.ca.issue_cert(*hosts)
            chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
            self.key(name).write_bytes(issued.private_key_pem.bytes())
            self.chain(name).write_bytes(chain)
            self.both(name).write_bytes(issued.private_key_pem.bytes() + chain)

    def key(self, name: str) -> Path:
        """The private key."""
        return self.folder / f"{name}.key"

    def chain(self, name: str) -> Path:
        """The certificate and what leads to its authority."""
        return self.folder / f"{name}.crt"

    def both(self, name: str) -> Path:
        """All in one file."""
        return self.folder / f"{name}.pem"


@dataclass(frozen=True)
class Server:
    """A relay that runs."""

    name: str
    listeners: list[Listener]
    log: Path

    def relay(self, listener: Listener, **changes: Any) -> RelayConfig:
        """Settings that lead to one of its listeners."""
        login = {"username": USER, "password": PASSWORD} if listener.auth else {}
        usual = {"name": self.name, "host": HOSTS[self.name], "port": listener.port, "security": listener.security}
        return RelayConfig(**{**usual, **login, **changes})

    def offering(self, **wanted: Any) -> Listener:
        """Its listener with these properties."""
        return next(one for one in self.listeners if all(getattr(one, key) == it for key, it in wanted.items()))

    def shakes_hands(self, tls: ssl.SSLContext) -> bool:
        """Whether a TLS handshake with Python's own client succeeds.

        OpenSMTPD 6.8 as Debian 12 has it, built with OpenSSL 3, fails with any client (OpenSMTPD issue 1171).
        """
        listener = self.offering(security="tls", certificate="right")
        try:
            with smtplib.SMTP_SSL(HOSTS[self.name], listener.port, context=tls, timeout=30) as client:
                return client.noop()[0] == 250
        except ssl.SSLError:
            return False


@contextmanager
def open_folder(name: str) -> Iterator[Path]:
    """A new folder that a server's own user may pass through; it is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=f"digest-{name}-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        for _ in range(50):  # who is just being ended may still write a file
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                break
            time.sleep(0.02)


@contextmanager
def jail(name: str, users: dict[str, int]) -> Iterator[Path]:
    """The unpacked relays as a root folder of its own, with these users; whoever is left in it ends with the block."""
    if not LINUX_ROOT or not (UNPACKED.parent / "complete").exists():
        pytest.skip(f"{name} is not unpacked, or we may not run it (.ci/unpack-relays, as root)")
    with open_folder(name) as root:
        shutil.copytree(UNPACKED, root, symlinks=True, dirs_exist_ok=True)
        for place in ("etc", "dev", "tmp", "run", "var/log", "var/spool"):
            (root / place).mkdir(parents=True, exist_ok=True)
        (root / "tmp").chmod(0o1777)
        (root / "dev/null").touch()
        (root / "dev/null").chmod(0o666)
        everybody = {"root": 0, "nobody": 65534, **users}
        (root / "etc/passwd").write_text("".join(f"{u}:x:{n}:{n}::/:/bin/false\n" for u, n in everybody.items()))
        (root / "etc/group").write_text("".join(f"{u}:x:{n}:\n" for u, n in everybody.items()))
        (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
        (root / "etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")
        (root / "etc/resolv.conf").write_text(f"nameserver {HOSTS['exim']}\noptions timeout:1 attempts:1\n")
        probe = subprocess.run(
            ["chroot", root, "/usr/libexec/opensmtpd/encrypt", "x"], capture_output=True, check=False
        )
        if probe.returncode:
            pytest.skip(
                f"{name} can't run here: this machine lets nobody change the root folder, or run what is in /tmp"
            )
        try:
            yield root
        finally:
            empty(root)


def empty(root: Path) -> None:
    """End every process that lives in that root folder."""
    for _ in range(100):
        inside = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _in(entry, root)]
        if not inside:
            return
        for process in inside:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.02)


def _in(process: Path, root: Path) -> bool:
    try:
        return (process / "root").readlink() == root
    except OSError:
        return False


@contextmanager
def running(root: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program in its jail, in the foreground; its words go to the jail's file `said`."""
    with (root / "said").open("wb") as said:
        process = subprocess.Popen(["chroot", str(root), *command], stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        try:
            yield process
        finally:
            process.terminate()
            empty(root)
            process.wait()


def wait_for(name: str, listeners: list[Listener], *told: Path) -> None:
    """Until all of the server's listen; else what the server said in these files."""
    deadline = time.monotonic() + 30
    while not all(_listening(HOSTS[name], one.port) for one in listeners):
        assert time.monotonic() < deadline, "\n".join(file.read_text() for file in told if file.exists())
        time.sleep(0.02)


def _listening(host: str, port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((host, port)) == 0
