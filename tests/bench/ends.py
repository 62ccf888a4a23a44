"""The far ends of the send benchmark: sinks of ours, Postfix's smtp-sink, a whole Postfix, and 50 ms before them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from machine import HERE, said, tool

_MAIN = """
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
default_transport = discard:
in_flow_delay = 0
smtpd_client_connection_count_limit = 0
smtpd_tls_security_level = none
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_mynetworks, reject
"""
_MASTER = """
127.0.0.1:{chunked} inet n - n - - smtpd
127.0.0.1:{pipelined} inet n - n - - smtpd -o smtpd_discard_ehlo_keywords=chunking
postlog unix-dgram n - n - 1 postlogd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
discard unix - - n - - discard
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
"""


@dataclass(frozen=True)
class End:
    """A port on loopback, and the processes that answer there (none: they can't be watched)."""

    port: int
    pids: tuple[int, ...] = ()


@contextmanager
def sink(processes: int = 1, *, chunking: bool = True) -> Iterator[End]:
    """A sink of ours, of so many processes."""
    with _process("sink", processes, int(chunking)) as end:
        yield end


@contextmanager
def proxy(milliseconds: int, to: End) -> Iterator[End]:
    """`to`, farther away by so many milliseconds for both ways together."""
    with _process("proxy", milliseconds, to.port) as end:
        yield end


@contextmanager
def _process(kind: str, first: int, second: int) -> Iterator[End]:
    command = [sys.executable, HERE / "sink.py", kind, str(first), str(second)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            port, *pids = map(int, process.stdout.readline().split())
            yield End(port, tuple(pids))
        finally:
            process.terminate()


@contextmanager
def smtp_sink() -> Iterator[End]:
    """Postfix's own sink; it does not know BDAT, so we speak pipelined to it."""
    (port,) = _free_ports(1)
    command = [tool("smtp-sink") or "smtp-sink", *(["-u", "nobody"] * (os.geteuid() == 0)), f"127.0.0.1:{port}", "512"]
    with subprocess.Popen(command) as process:
        try:
            _until_listening(port)
            yield End(port, (process.pid,))
        finally:
            process.terminate()


def why_no_postfix() -> str:
    """Why `postfix` can't be used here, or ""."""
    if not tool("postfix"):
        return "Postfix is not installed"
    return "" if sys.platform == "linux" and os.geteuid() == 0 else "Postfix can be started by root only"


@contextmanager
def postfix() -> Iterator[dict[str, End]]:
    """A Postfix of its own, by way of speaking: what it takes is queued, with fsync, and then discarded."""
    # Postfix's daemons have to reach their queue, so not below a folder that is root's alone.
    folder = Path(tempfile.mkdtemp(prefix="digest-bench-postfix-", dir="/tmp"))
    folder.chmod(0o755)
    chunked, pipelined = _free_ports(2)
    for name in ("queue", "data", "config"):
        (folder / name).mkdir()
    shutil.chown(folder / "data", "postfix")
    daemons = said("/usr/sbin/postconf", "-h", "daemon_directory")
    (folder / "config/main.cf").write_text(_MAIN.format(folder=folder, daemons=daemons))
    (folder / "config/master.cf").write_text(_MASTER.format(chunked=chunked, pipelined=pipelined))
    command = [tool("postfix") or "postfix", "-c", str(folder / "config")]
    try:
        subprocess.run([*command, "start"], capture_output=True, check=True)
        for port in (chunked, pipelined):
            _until_listening(port)
        yield {"chunked": End(chunked), "pipelined": End(pipelined)}
    finally:
        subprocess.run([*command, "stop"], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        taken = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in taken:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in taken]


def _until_listening(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nobody listens on port {port}")
