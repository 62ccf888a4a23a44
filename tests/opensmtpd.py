"""OpenSMTPD as a relay, in a jail: it offers neither PIPELINING nor CHUNKING, and both ways of logging in at once."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import relays
from relays import HOSTS, LISTENERS, PASSWORD, USER, Authority, Listener, Server

from digest.deliver.dialogue import Speech

USERS = {"opensmtpd": 65102, "opensmtpq": 65103}
OFFERED = [one for one in LISTENERS if one.auth != "LOGIN" and (one.security != "none" or one.speech is Speech.PLAIN)]

CONFIG = """
table users file:/etc/users
pki right cert "/etc/right.crt"
pki right key "/etc/right.key"
pki other cert "/etc/other.crt"
pki other key "/etc/other.key"
FILTERS
LISTENERS
action "onward" relay host smtp://127.0.0.1:ONWARD
match from any for any action "onward"
"""
PHASES = {"mail": "mail-from", "rcpt": "rcpt-to", "data": "data", "body": "commit"}


def _filters() -> str:
    lines = []
    for stage, phase in PHASES.items():
        subject = "rcpt-to" if stage == "rcpt" else "mail-from"
        for digit, answer in (("5", "550 5.1.1 not such"), ("4", "451 4.7.1 not now")):
            match = f'match {subject} regex {{ ".*-{stage}{digit}@.*" }}'
            lines.append(f'filter {stage}{digit} phase {phase} {match} reject "{answer}"')
    names = ", ".join(stage + digit for stage in PHASES for digit in "54")
    return "\n".join([*lines, f"filter refusals chain {{ {names} }}"])


def _listen(listener: Listener) -> str:
    security = {"none": "", "starttls": "tls-require", "tls": "smtps"}[listener.security]
    pki = f"pki {listener.certificate}" if security else ""
    auth = "auth <users>" if listener.auth else ""
    return f"listen on {HOSTS['opensmtpd']} port {listener.port} {security} {pki} {auth} filter refusals"


@contextmanager
def opensmtpd(onward: int, authority: Authority) -> Iterator[Server]:
    """OpenSMTPD with the listeners it can have, which relays to port `onward`; skips the test where it can't run."""
    with relays.jail("opensmtpd", USERS) as root:
        settings = CONFIG.replace("FILTERS", _filters()).replace("LISTENERS", "\n".join(map(_listen, OFFERED)))
        (root / "etc/smtpd.conf").write_text(settings.replace("ONWARD", str(onward)))
        for name in ("right", "other"):
            for file in (authority.key(name), authority.chain(name)):
                shutil.copy(file, root / "etc")
                (root / "etc" / file.name).chmod(0o600)
        for place in ("var/lib/opensmtpd/empty", "var/run"):
            (root / place).mkdir(parents=True, exist_ok=True)
        (root / "etc/mailname").write_text("open.test.example\n")
        made = ["chroot", root, "/usr/libexec/opensmtpd/encrypt", PASSWORD]
        password = subprocess.run(made, capture_output=True, text=True, check=True).stdout.strip()
        (root / "etc/users").write_text(f"{USER}\t{password}\n")
        with relays.running(root, "/usr/sbin/smtpd", "-d", "-v"):
            relays.wait_for("opensmtpd", OFFERED, root / "said")
            yield Server("opensmtpd", OFFERED, root / "said")
