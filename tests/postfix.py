"""The Postfix of this machine as a relay, with a configuration, queue and ports of its own."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import relays
from relays import HOSTS, LISTENERS, PASSWORD, UNPACKED, USER, Authority, Listener, Server

from digest.deliver.dialogue import Speech

POSTFIX = Path("/usr/sbin/postfix")

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
smtpd_tls_session_cache_database =
smtpd_tls_received_header = yes
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
smtpd_peername_lookup = no
smtpd_delay_reject = no
smtpd_client_connection_count_limit = 0
smtpd_error_sleep_time = 0
smtpd_sasl_type = cyrus
cyrus_sasl_config_path = {folder}/config/sasl
smtpd_sasl_local_domain = test.example
smtpd_sender_restrictions = check_sender_access regexp:{folder}/config/mail
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = check_recipient_access regexp:{folder}/config/rcpt
smtpd_data_restrictions = check_sender_access regexp:{folder}/config/data
smtpd_end_of_data_restrictions = check_sender_access regexp:{folder}/config/body
"""
SERVICES = """
postlog unix-dgram n - n - 1 postlogd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
tlsmgr unix - - n 1000? 1 tlsmgr
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
SASL = """
pwcheck_method: auxprop
auxprop_plugin: sasldb
mech_list: {mechanism}
sasldb_path: {folder}/config/sasl/users
"""
WITHHELD = {
    Speech.CHUNKED: "",
    Speech.PIPELINED: "-o smtpd_discard_ehlo_keywords=chunking",
    Speech.PLAIN: "-o smtpd_discard_ehlo_keywords=chunking,pipelining",
}
REFUSALS = {
    "mail": "/-mail5@/ 550 5.7.1 not you\n/-mail4@/ 450 4.7.1 not you now\n",
    "rcpt": "/-rcpt5@/ 550 5.1.1 nobody\n/-rcpt4@/ 450 4.2.0 later\n",
    "data": "/-data5@/ 554 5.6.0 no data\n/-data4@/ 451 4.3.0 no data now\n",
    "body": "/-body5@/ 554 5.6.0 not such\n/-body4@/ 451 4.3.0 not now\n",
}


def _service(listener: Listener, authority: Authority) -> str:
    options = [WITHHELD[listener.speech]]
    if listener.security != "none":
        options.append(f"-o smtpd_tls_chain_files={authority.both(listener.certificate)}")
        options.append("-o smtpd_tls_security_level=encrypt")
    if listener.security == "tls":
        options.append("-o smtpd_tls_wrappermode=yes")
    if listener.auth:
        options.append(f"-o smtpd_sasl_auth_enable=yes -o smtpd_sasl_path={listener.auth.lower()}")
        options.append("-o smtpd_relay_restrictions=permit_sasl_authenticated,reject")
    return f"{HOSTS['postfix']}:{listener.port} inet n - n - - smtpd {' '.join(options)}\n"


def _configure(folder: Path, onward: int, authority: Authority, listeners: Sequence[Listener]) -> None:
    for name in ("queue", "data", "config", "config/sasl"):
        (folder / name).mkdir()
    shutil.chown(folder / "data", "postfix")
    found = subprocess.run(["/usr/sbin/postconf", "-h", "daemon_directory"], capture_output=True, text=True, check=True)
    settings = MAIN.format(folder=folder, onward=onward, daemons=found.stdout.strip())
    (folder / "config/main.cf").write_text(settings)
    services = "".join(_service(listener, authority) for listener in listeners)
    (folder / "config/master.cf").write_text(services + SERVICES)
    for name, table in REFUSALS.items():
        (folder / "config" / name).write_text(table)
    for mechanism in ("PLAIN", "LOGIN"):
        (folder / f"config/sasl/{mechanism.lower()}.conf").write_text(SASL.format(mechanism=mechanism, folder=folder))


def _can_log_in(folder: Path) -> bool:
    """Whether the user is known now: it takes Cyrus's modules, and its tool, which may be installed or unpacked."""
    tools = [UNPACKED / "usr/sbin/saslpasswd2", Path("/usr/sbin/saslpasswd2")]
    tool = next(filter(Path.exists, tools), None)
    if not tool or not any(Path("/usr/lib").glob("*/sasl2/liblogin.so")):
        return False
    command = [tool, "-f", folder / "config/sasl/users", "-c", "-p", "-u", "test.example", USER]
    subprocess.run(command, input=PASSWORD.encode(), check=True)
    shutil.chown(folder / "config/sasl/users", "postfix")
    return True


def _as_it_is(folder: Path) -> None:
    pass


@contextmanager
def postfix(
    onward: int,
    authority: Authority,
    wanted: Sequence[Listener] = LISTENERS,
    prepare: Callable[[Path], None] = _as_it_is,
) -> Iterator[Server]:
    """Postfix with these listeners (without log-ins where Cyrus SASL is missing), which relays to port `onward`.

    `prepare` may add to what is in the folder `config` of the one it is given. Skips the test where it can't run.
    """
    if not relays.LINUX_ROOT or not POSTFIX.exists():
        pytest.skip("Postfix is not installed, or we may not run it (apt install postfix, as root)")
    with relays.open_folder("postfix") as folder:
        _configure(folder, onward, authority, wanted)
        logs_in = any(one.auth for one in wanted) and _can_log_in(folder)
        listeners = [one for one in wanted if logs_in or not one.auth]
        prepare(folder)
        command = [POSTFIX, "-c", folder / "config"]
        try:
            started = subprocess.run([*command, "start"], capture_output=True, text=True, check=False)
            assert started.returncode == 0, started.stderr
            relays.wait_for("postfix", listeners, folder / "mail.log")
            yield Server("postfix", listeners, folder / "mail.log")
        finally:
            subprocess.run([*command, "abort"], capture_output=True, check=False)
