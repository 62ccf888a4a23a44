"""Exim as a relay, in a jail; and as a judge of DKIM signatures."""

from __future__ import annotations

import re
import shutil
import smtplib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import relays
from relays import HOSTS, LISTENERS, PASSWORD, USER, Authority, Listener, Server
from verifiers import NameServer

from digest.deliver.dialogue import Speech

USERS = {"Debian-exim": 65101}
JUDGE = Listener(2599)

CONFIG = """
primary_hostname = exim.test.example
local_interfaces = HOST
daemon_smtp_ports = PORTS
tls_on_connect_ports = TLS_PORTS
tls_certificate = /etc/exim4/${if inlist{$received_port}{OTHER_PORTS}{other}{right}}.crt
tls_privatekey = /etc/exim4/${if inlist{$received_port}{OTHER_PORTS}{other}{right}}.key
tls_advertise_hosts = ${if inlist{$received_port}{STARTTLS_PORTS}{*}{}}
auth_advertise_hosts = ${if and{{inlist{$received_port}{AUTH_PORTS}}{def:tls_in_cipher}}{*}{}}
chunking_advertise_hosts = ${if inlist{$received_port}{CHUNKED_PORTS}{*}{}}
pipelining_advertise_hosts = ${if inlist{$received_port}{PLAIN_PORTS}{}{*}}
smtp_accept_queue_per_connection = 0
smtp_accept_max = 100
deliver_drop_privilege
never_users =
host_lookup =
rfc1413_query_timeout = 0s
log_file_path = /var/log/exim-%slog
dkim_verify_signers = $dkim_signers
keep_environment =
acl_smtp_connect = connected
acl_smtp_mail = sender
acl_smtp_rcpt = recipient
acl_smtp_predata = before_data
acl_smtp_dkim = signed
acl_smtp_data = body

begin acl
connected:
  accept condition = ${if !={$received_port}{JUDGE}}
         control = dkim_disable_verify
  accept
sender:
  deny condition = ${if match{$sender_address}{-mail5@}}
       message = 550 5.7.1 not you
  defer condition = ${if match{$sender_address}{-mail4@}}
        message = 450 4.7.1 not you now
  accept
recipient:
  deny condition = ${if inlist{$received_port}{AUTH_PORTS}}
       !authenticated = *
       message = 550 5.7.1 log in
  deny condition = ${if match{$local_part}{-rcpt5}}
       message = 550 5.1.1 nobody
  defer condition = ${if match{$local_part}{-rcpt4}}
        message = 450 4.2.0 later
  accept
before_data:
  deny condition = ${if match{$sender_address}{-data5@}}
       message = 554 5.6.0 no data
  defer condition = ${if match{$sender_address}{-data4@}}
        message = 451 4.3.0 no data now
  accept
signed:
  accept set acl_m_verdicts = $acl_m_verdicts $dkim_algo=$dkim_verify_status
body:
  deny condition = ${if =={$received_port}{JUDGE}}
       message = 550 5.7.1 verdicts:$acl_m_verdicts.
  deny condition = ${if match{$sender_address}{-body5@}}
       message = 554 5.6.0 not such
  defer condition = ${if match{$sender_address}{-body4@}}
        message = 451 4.3.0 not now
  accept

begin routers
onward:
  driver = manualroute
  route_list = * 127.0.0.1
  self = send
  transport = smtp

begin transports
smtp:
  driver = smtp
  port = ONWARD
  allow_localhost
  hosts_avoid_tls = *

begin retry
* * F,1h,1s

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_advertise_condition = ${if inlist{$received_port}{PLAIN_AUTH_PORTS}}
  server_prompts = :
  server_condition = ${if and{{eq{$auth2}{USER}}{eq{$auth3}{PASSWORD}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_advertise_condition = ${if inlist{$received_port}{LOGIN_AUTH_PORTS}}
  server_prompts = Username:: : Password::
  server_condition = ${if and{{eq{$auth1}{USER}}{eq{$auth2}{PASSWORD}}}}
  server_set_id = $auth1
"""


def _ports(listeners: list[Listener]) -> str:
    return " : ".join(str(one.port) for one in listeners)


def _settings(onward: int) -> str:
    lists = {
        "PLAIN_AUTH_PORTS": [one for one in LISTENERS if one.auth == "PLAIN"],
        "LOGIN_AUTH_PORTS": [one for one in LISTENERS if one.auth == "LOGIN"],
        "AUTH_PORTS": [one for one in LISTENERS if one.auth],
        "STARTTLS_PORTS": [one for one in LISTENERS if one.security == "starttls"],
        "TLS_PORTS": [one for one in LISTENERS if one.security == "tls"],
        "OTHER_PORTS": [one for one in LISTENERS if one.certificate == "other"],
        "CHUNKED_PORTS": [one for one in LISTENERS if one.speech is Speech.CHUNKED],
        "PLAIN_PORTS": [one for one in LISTENERS if one.speech is Speech.PLAIN],
        "PORTS": [*LISTENERS, JUDGE],
    }
    words = {name: _ports(some) for name, some in lists.items()}
    words |= {
        "HOST": HOSTS["exim"],
        "JUDGE": str(JUDGE.port),
        "ONWARD": str(onward),
        "USER": USER,
        "PASSWORD": PASSWORD,
    }
    return re.sub(r"\b(" + "|".join(words) + r")\b", lambda found: words[found[0]], CONFIG)


@contextmanager
def exim(onward: int, authority: Authority, records: Mapping[str, str]) -> Iterator[Server]:
    """Exim with every listener, which relays to port `onward` and finds these TXT records in the DNS.

    Skips the test where it can't run.
    """
    with relays.jail("exim", USERS) as root:
        (root / "etc/exim4").mkdir(exist_ok=True)
        (root / "etc/exim4/exim4.conf").write_text(_settings(onward))
        for name in ("right", "other"):
            for file in (authority.key(name), authority.chain(name)):
                shutil.copy(file, root / "etc/exim4")
                (root / "etc/exim4" / file.name).chmod(0o644)
        for place in ("var/spool/exim4", "var/log"):
            (root / place).mkdir(parents=True, exist_ok=True)
            shutil.chown(root / place, *[USERS["Debian-exim"]] * 2)
        log = root / "var/log/exim-mainlog"
        with NameServer(records), relays.running(root, "/usr/sbin/exim4", "-bdf", "-q1m"):
            relays.wait_for("exim", [*LISTENERS, JUDGE], root / "said", log, root / "var/log/exim-paniclog")
            yield Server("exim", LISTENERS, log)


def verdicts(raw: bytes) -> list[str]:
    """What the Exim that runs makes of each signature, like "rsa-sha256=pass"; nothing is relayed."""
    with smtplib.SMTP(HOSTS["exim"], JUDGE.port, timeout=30) as client:
        client.ehlo("client.example")
        client.mail("judge@review.example")
        client.rcpt("judge@example.org")
        code, said = client.data(raw)
    assert code == 550, said
    return said.decode().partition("verdicts:")[2].rstrip(".").split()
