"""One SMTP connection, spoken plainly: RSET, MAIL, RCPT, DATA, one message at a time.

aiosmtplib opens it (TLS, log-in, EHLO); then its transport is handed to `Wire`, which pairs each command with its
reply and closes at the first line that nobody asked for. What a server says becomes a value at once: `Accepted`,
`Deferred`, `Refused`, or `Unknown` when the connection ended after the body had been written (RFC 5321 4.5.3.2.6).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast

import aiosmtplib

from digest.config import RelayConfig

_LONGEST_REPLY = 65_536
_LINE = re.compile(rb"([2-5]\d\d)(?:([ -])(.*))?", re.DOTALL)
_ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?:\s+|\Z)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_ADDRESS = re.compile(r"[^\x00-\x20<>\x7f-\x9f]{1,254}")


@dataclass(frozen=True)
class Timeouts:
    """Seconds to wait at each stage: the minima of RFC 5321 section 4.5.3.2 (S-20)."""

    greeting: float = 300
    command: float = 300  # RSET, MAIL, RCPT
    data: float = 120
    block: float = 180
    end: float = 600


@dataclass(frozen=True)
class Reply:
    """What the server said: code, enhanced code where its class agrees (RFC 3463), text of at most 500 characters."""

    code: int
    enhanced: str | None
    text: str

    @property
    def digit(self) -> int:
        """The first digit: it alone decides (S-05)."""
        return self.code // 100


@dataclass(frozen=True)
class Accepted:
    """The relay took responsibility: 2xx after the final dot."""

    reply: Reply


@dataclass(frozen=True)
class Deferred:
    """Not now: 4xx, or the connection ended before the body was written."""

    reply: Reply


@dataclass(frozen=True)
class Refused:
    """Never: 5xx at RCPT or later, or an address that this relay can't be given."""

    reply: Reply
    tried: bool = True  # False: nothing of it went over the wire


@dataclass(frozen=True)
class Unknown:
    """The body was written and no reply came: it may have been taken, or not."""

    why: str


@dataclass(frozen=True)
class Withdrawn:
    """The ledger said no when asked for leave to write the body; the transaction is reset."""


Outcome = Accepted | Deferred | Refused | Unknown | Withdrawn


class Trouble(Exception):
    """The relay or our standing with it is at fault, no recipient: connect, TLS, log-in, EHLO, RSET or MAIL failed."""


class _Lost(Exception):
    """The connection ended, or can't be trusted any more."""


def parse_reply(lines: list[bytes]) -> Reply:
    """The reply in `lines` (without line ends); ValueError if it is none, or its codes differ."""
    found = [_LINE.fullmatch(line) for line in lines]
    codes = {match[1] for match in found if match}
    if None in found or len(codes) != 1:
        raise ValueError("that is not an SMTP reply")
    text = " ".join((match[3] or b"").decode("utf-8", "replace") for match in found if match)
    code = int(codes.pop())
    text = _CONTROL.sub(" ", text).strip()
    status = _ENHANCED.match(text)
    enhanced = status[0].strip() if status and int(status[1]) == code // 100 else None
    return Reply(code, enhanced, text[status.end() if status and enhanced else 0 :][:500])


class Wire(asyncio.Protocol):
    """Commands out, replies in, strictly paired; anything unsolicited ends the connection (S-31)."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._lines: list[bytes] = []
        self._waiting: asyncio.Future[Reply] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self.ended: str | None = None

    async def ask(self, data: bytes, patience: float) -> Reply:
        """Write, and wait for the one reply; _Lost if it does not come in `patience` seconds."""
        self.expect()
        self._transport.write(data)
        return await self.reply(patience)

    def expect(self) -> None:
        """From here on a reply is asked for; _Lost if the connection is gone."""
        if self.ended is not None or self._transport.is_closing():
            raise _Lost(self.ended or "the connection is closed")
        self._waiting = self._loop.create_future()

    async def write(self, data: bytes, patience: float) -> None:
        """Write `data` after `expect`; _Lost if the server stops reading."""
        self._transport.write(data)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._writable.wait()
                return
        self.abort(f"the server stopped reading for {patience:g} s")
        raise _Lost(self.ended)

    async def reply(self, patience: float) -> Reply:
        """The reply to what was written after `expect`."""
        assert self._waiting is not None
        try:
            async with asyncio.timeout(patience):
                return await self._waiting
        except TimeoutError:
            self.end(f"no reply within {patience:g} s")
            raise _Lost(self.ended) from None
        finally:
            self._waiting = None

    def end(self, why: str) -> None:
        """Close, saying why; what waits for a reply fails."""
        self.ended = self.ended or why
        self._transport.close()
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(_Lost(self.ended))

    def abort(self, why: str) -> None:
        """Close at once: what is not written yet is never written."""
        self._transport.abort()
        self.end(why)

    def data_received(self, data: bytes) -> None:
        """Bytes came in."""
        self._buffer += data
        if len(self._buffer) > _LONGEST_REPLY or sum(map(len, self._lines)) > _LONGEST_REPLY:
            self.end("the server's reply has no end")
        while not self.ended and (at := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:at]).rstrip(b"\r")
            del self._buffer[: at + 1]
            self._lines.append(line)
            if line[3:4] != b"-":
                self._complete()

    def _complete(self) -> None:
        lines, self._lines = self._lines, []
        if self._waiting is None or self._waiting.done():
            self.end("the server spoke without being asked")
            return
        try:
            self._waiting.set_result(parse_reply(lines))
        except ValueError as error:
            self.end(str(error))

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._writable.set()
        self.end("the server closed the connection")

    def pause_writing(self) -> None:
        """The server reads more slowly than we write."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The server has caught up."""
        self._writable.set()


class Connection:
    """A relay that is ready for messages."""

    def __init__(self, wire: Wire, extensions: dict[str, str], timeouts: Timeouts) -> None:
        self._wire = wire
        self._extensions = extensions
        self._timeouts = timeouts
        self.used = 0  # transactions begun

    @property
    def usable(self) -> bool:
        """Whether another message can be tried on it."""
        return self._wire.ended is None

    async def send(self, mail: str, rcpt: str, message: bytes, leave: Callable[[], Awaitable[bool]]) -> Outcome:
        """Hand over one message; `leave` is awaited right before its body may be written, and may withdraw it.

        Trouble if the relay fails before the recipient was named. `message` has CRLF lines; only dots are stuffed.
        """
        utf8 = not rcpt.isascii()
        if utf8 and "smtputf8" not in self._extensions:
            return Refused(Reply(553, "5.6.7", "eai-unsupported: the relay does not take such addresses"), tried=False)
        if not (_ADDRESS.fullmatch(rcpt) and _ADDRESS.fullmatch(mail)):
            return Refused(Reply(553, "5.1.3", "the address can't be written into a command"), tried=False)
        await self._begin(mail, message, " SMTPUTF8" if utf8 else "")
        try:
            said = await self._ask(f"RCPT TO:<{rcpt}>")
        except _Lost as lost:
            return Deferred(_no_reply(lost))
        if said.code == 552:  # too many recipients, of old: temporary (S-09)
            return Deferred(said)
        if said.digit != 2:
            return self._judged(said)
        return await self._body(message) if await leave() else Withdrawn()

    async def _begin(self, mail: str, message: bytes, utf8: str) -> None:
        self._check_size(message)
        size = f" SIZE={len(message)}" if "size" in self._extensions else ""
        # Always RSET: a transaction left open would let this mail leave under the previous sender (T7).
        for command in ("RSET", f"MAIL FROM:<{mail}>{size}{utf8}"):
            try:
                said = await self._ask(command)
            except _Lost as lost:
                raise Trouble(f"{lost} at {command[:4]}") from lost
            if said.digit != 2:
                if said.code == 421:
                    self._wire.end("the server said goodbye")
                raise Trouble(f"{command[:4]} was answered {said.code} {said.text}")
        self.used += 1

    def _check_size(self, message: bytes) -> None:
        limit = self._extensions.get("size", "")
        if limit.isdigit() and 0 < int(limit) < len(message):
            raise Trouble(f"the message has {len(message)} octets, the relay takes {limit}")

    async def _body(self, message: bytes) -> Outcome:
        try:
            said = await self._ask("DATA", self._timeouts.data)
        except _Lost as lost:
            return Deferred(_no_reply(lost))
        if said.code != 354:
            return self._judged(said)
        stuffed = b"".join((b"." if message.startswith(b".") else b"", message.replace(b"\r\n.", b"\r\n.."), b".\r\n"))
        try:
            self._wire.expect()
        except _Lost as lost:
            return Deferred(_no_reply(lost))
        try:
            await self._wire.write(stuffed, self._timeouts.block)
            said = await self._wire.reply(self._timeouts.end)
        except _Lost as lost:
            return Unknown(f"the message was written, then {lost}")
        return Accepted(said) if said.digit == 2 else self._judged(said)

    def _judged(self, said: Reply) -> Outcome:
        if said.code == 421:
            self._wire.end("the server said goodbye")
        if said.digit == 4:
            return Deferred(said)
        if said.digit == 5:
            return Refused(said)
        self._wire.end(f"the server answered {said.code} out of place")
        return Deferred(said)

    async def _ask(self, command: str, patience: float | None = None) -> Reply:
        return await self._wire.ask(command.encode() + b"\r\n", patience or self._timeouts.command)

    def abort(self) -> None:
        """Hang up at once."""
        self._wire.abort("we hung up")

    async def close(self) -> None:
        """Say QUIT without waiting long; it changes nothing that was said before (S-19)."""
        with contextlib.suppress(_Lost):
            await self._wire.ask(b"QUIT\r\n", 2)
        self._wire.end("closed")
        await asyncio.sleep(0)  # the transport closes its socket at the loop's next turn


def _no_reply(lost: _Lost) -> Reply:
    return Reply(451, None, str(lost)[:500])


async def connect(
    relay: RelayConfig, ehlo: str, timeouts: Timeouts | None = None, tls: ssl.SSLContext | None = None
) -> Connection:
    """A connection to `relay`: certificate and name verified, logged in only under TLS; Trouble if it can't be had."""
    timeouts = timeouts or Timeouts()
    if relay.username and relay.security == "none":
        raise Trouble(f"relay {relay.name} has a log-in but no TLS: nothing was sent")
    client = aiosmtplib.SMTP(
        hostname=relay.host,
        port=relay.port,
        username=relay.username,
        password=relay.password,
        local_hostname=ehlo,
        timeout=timeouts.greeting,
        use_tls=relay.security == "tls",
        start_tls=relay.security == "starttls",
        tls_context=tls,
    )
    try:
        await client.connect()
        if client.is_ehlo_or_helo_needed:
            await client.ehlo()
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        client.close()
        raise Trouble(f"{relay.host}:{relay.port}: {_sentence(error)}") from error
    transport = cast(asyncio.Transport, client.transport)
    wire = Wire(transport)
    transport.set_protocol(wire)
    return Connection(wire, dict(client.esmtp_extensions), timeouts)


def _sentence(error: Exception) -> str:
    said = f"{error.code} {error.message}" if isinstance(error, aiosmtplib.SMTPResponseException) else str(error)
    said = _CONTROL.sub(" ", said).strip()
    return said[:300] or type(error).__name__
