"""Other hands that verify our DKIM signatures, and the DNS they ask."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Mapping
from typing import Self

import dkim as dkimpy
import dns.message
import dns.rrset
from relays import HOSTS

HOST = HOSTS["exim"]

PERL = """
use strict; use warnings; use Mail::DKIM::Verifier; use Net::DNS;
my %records = (RECORDS);
{ no warnings 'redefine'; *Mail::DKIM::DNS::query = sub {
    my ($name, $type) = @_; return unless $records{$name};
    return Net::DNS::RR->new(name => $name, type => 'TXT', txtdata => [$records{$name} =~ /(.{1,255})/g]); }; }
my $dkim = Mail::DKIM::Verifier->new(); local $/; $dkim->PRINT(scalar <STDIN>); $dkim->CLOSE;
print join(' ', map { $_->algorithm . '=' . $_->result_detail } $dkim->signatures), "\\n";
"""


def with_dkimpy(raw: bytes, records: Mapping[str, str]) -> list[bool]:
    """What dkimpy makes of each signature."""
    found = raw.partition(b"\r\n\r\n")[0].count(b"DKIM-Signature:")
    told = {f"{name}.".encode(): text.encode() for name, text in records.items()}
    try:
        return [dkimpy.DKIM(raw).verify(n, dnsfunc=lambda name, timeout=5: told.get(name)) for n in range(found)]
    except dkimpy.DKIMException:
        return [False]


def with_perl(raw: bytes, records: Mapping[str, str]) -> list[str] | None:
    """What Mail::DKIM makes of each signature, like "rsa-sha256=pass"; None where it is not installed.

    Before 2024 it can't verify ed25519, and says so in the place of that signature.
    """
    perl = shutil.which("perl")
    if not perl or subprocess.run([perl, "-MMail::DKIM", "-e1"], capture_output=True, check=False).returncode:
        return None
    told = ", ".join(f"'{name}' => '{text}'" for name, text in records.items())
    command = [perl, "-e", PERL.replace("RECORDS", told)]
    said = subprocess.run(command, input=raw, capture_output=True, check=True).stdout.decode()
    return said.split()


class NameServer:
    """A DNS server beside Exim, which knows the TXT records it is given, and no more."""

    def __init__(self, records: Mapping[str, str]) -> None:
        self.records = records

    def __enter__(self) -> Self:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((HOST, 53))
        self._thread = threading.Thread(target=self._serve, name="dns")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.sendto(b"", (HOST, 53))
        self._thread.join(10)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            data, asker = self._socket.recvfrom(4096)
            if not data:
                return
            answer = dns.message.make_response(dns.message.from_wire(data), recursion_available=True)
            name = answer.question[0].name
            if text := self.records.get(name.to_text(omit_final_dot=True)):
                parts = " ".join(f'"{text[n : n + 255]}"' for n in range(0, len(text), 255))
                answer.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", parts))
            self._socket.sendto(answer.to_wire(), asker)
