"""A real name server on loopback that answers for a few TXT records, and says NXDOMAIN to everything else."""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class NameServer:
    """As a context it answers on `address`; `records` are texts by name, `silent` names get no answer at all."""

    def __init__(self, records: Mapping[str, Sequence[str]], silent: frozenset[str] = frozenset()) -> None:
        self.records, self.silent = records, silent
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._socket.getsockname()
        return host, port

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self.address)
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            data, sender = self._socket.recvfrom(4096)
            if not data:
                return
            if (answer := self._answer(dns.message.from_wire(data))) is not None:
                self._socket.sendto(answer, sender)

    def _answer(self, query: dns.message.Message) -> bytes | None:
        name = query.question[0].name
        asked = name.to_text(omit_final_dot=True)
        if asked in self.silent:
            return None
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        if texts := self.records.get(asked):
            reply.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", *map(_quoted, texts)))
        else:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply.to_wire()


def _quoted(text: str) -> str:
    """As a zone file has it: strings of 255 octets at most."""
    return " ".join('"' + text[at : at + 255].replace('"', '\\"') + '"' for at in range(0, len(text), 255))
