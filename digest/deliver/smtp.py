"""One SMTP connection: opened by aiosmtplib (TLS, log-in, EHLO), then spoken by `Wire`, which runs a `Dialogue`.

Several messages may be given to a connection at once; how many of them it takes before it waits for an answer follows
from how its server can be spoken to, and from the relay's `window`. What a server says becomes a value: `Accepted`,
`Deferred`, `Refused`, or `Unknown` when the connection ended after the body had been written (RFC 5321 4.5.3.2.6).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import aiosmtplib

from digest.config import RelayConfig
from digest.deliver.dialogue import Asks, Dialogue, Event, Fault, Speech, Stage, Transaction, best_speech
from digest.deliver.replies import Deferred, NotAReply, Outcome, Refused, Replies, Reply, clean, parse_reply

_ADDRESS = re.compile(r"[^\x00-\x20<>\x7f-\x9f]{1,254}")
_LAST_WORDS = 65_536  # octets read at once of what a server said before it hung up
_FAREWELL = 2.0  # seconds for a server to close after 421, or after QUIT (S-19)


@dataclass(frozen=True)
class Timeouts:
    """Seconds to wait at each stage: the minima of RFC 5321 section 4.5.3.2 (S-20)."""

    greeting: float = 300
    command: float = 300  # RSET, MAIL, RCPT
    data: float = 120
    block: float = 180  # without a byte taken by the server
    end: float = 600

    def of(self, stage: Stage) -> float:
        """For the reply of that stage."""
        return {Stage.DATA: self.data, Stage.END: self.end}.get(stage, self.command)


class Trouble(Exception):
    """The relay or our standing with it is at fault, no recipient: nothing of the message was taken.

    `stage` is what failed: connect, tls, log-in, ehlo, or a command; `reply` what the server said to it, if it did.
    """

    def __init__(self, why: str, stage: str = "", reply: Reply | None = None) -> None:
        super().__init__(why)
        self.stage = stage
        self.reply = reply


class Wire(asyncio.Protocol):
    """Carries a dialogue over a transport: writes what may be written, watches the clock of the stage it is at.

    `tell` is called with each event of the dialogue, and may call `begin`, `go` and `withdraw` in turn.
    """

    def __init__(self, transport: asyncio.Transport, speech: Speech, timeouts: Timeouts) -> None:
        self.dialogue = Dialogue(speech)
        self.tell: Callable[[Transaction, Event], None] = lambda transaction, event: None
        self._transport = transport
        self._timeouts = timeouts
        self._loop = asyncio.get_running_loop()
        self._replies = Replies()
        self._telling = False
        self._since = self._loop.time()  # when the reply that comes next became the next
        self._stalled: tuple[float, int] | None = None  # since when the server reads nothing of how many octets
        self._watch: asyncio.TimerHandle | None = None
        self._gone = asyncio.Event()

    def begin(self, transaction: Transaction) -> None:
        """Take a message on."""
        self._turn(self.dialogue.begin, transaction)

    def go(self, transaction: Transaction) -> None:
        """Its body may be written."""
        self._turn(self.dialogue.go, transaction)

    def withdraw(self, transaction: Transaction) -> None:
        """Its body may not be written."""
        self._turn(self.dialogue.withdraw, transaction)

    async def quit(self) -> None:
        """Say QUIT without waiting long, and close; it changes nothing that was said before (S-19)."""
        if self.dialogue.ended is None and not self._transport.is_closing():
            self.end("closed")
            self._transport.write(b"QUIT\r\n")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._gone.wait(), _FAREWELL)
        self._transport.close()
        await asyncio.sleep(0)  # the transport closes its socket at the loop's next turn

    def end(self, why: str) -> None:
        """Everything that is open ends here."""
        self.dialogue.lost(why)
        self._move()

    def abort(self, why: str) -> None:
        """Everything ends here at once: what is not written yet is never written."""
        self._transport.abort()
        self.end(why)

    def data_received(self, data: bytes) -> None:
        """Bytes came in."""
        self._since = self._loop.time()
        if self.dialogue.ended is not None:
            self._gone.set()  # the answer to QUIT
            return
        try:
            asked = self.dialogue.asked  # what is said here can't answer what is written after it came
            for number, reply in enumerate(self._replies.feed(data)):
                if number == asked:
                    self.dialogue.lost("the server spoke without being asked")
                self.dialogue.heard(reply)
        except NotAReply as error:
            self.dialogue.lost(str(error))
        self._move()
        if self.dialogue.ended is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._gone.set()
        if exc is not None and self.dialogue.ended is None:
            self._read_rest()
        self.end("the server closed the connection")

    def _read_rest(self) -> None:
        # A server that says its last words and hangs up while we write ends our writing before our next reading: what
        # it said lies in the socket, which is still open here. Within TLS there is no telling where it lies.
        if self._transport.get_extra_info("sslcontext") is not None:
            return
        with contextlib.suppress(OSError):
            descriptor = os.dup(self._transport.get_extra_info("socket").fileno())
            with socket.socket(fileno=descriptor) as rest:
                rest.setblocking(False)
                while self.dialogue.ended is None and (data := rest.recv(_LAST_WORDS)):
                    self.data_received(data)

    def pause_writing(self) -> None:
        """The server reads more slowly than we write."""
        self._stalled = self._loop.time(), self._transport.get_write_buffer_size()
        self._look_again()

    def resume_writing(self) -> None:
        """The server has caught up."""
        self._stalled = None

    def _turn(self, say: Callable[[Transaction], None], transaction: Transaction) -> None:
        if self.dialogue.awaited is None:
            self._since = self._loop.time()
        say(transaction)
        if not self._telling:
            self._move()

    def _move(self) -> None:
        # What is said in answer to an event is written with the rest, in one go.
        self._telling = True
        try:
            while events := self.dialogue.events():
                for transaction, event in events:
                    self.tell(transaction, event)
        finally:
            self._telling = False
        if pieces := self.dialogue.output():
            self._transport.writelines(pieces)
        if self.dialogue.ended is None:
            self._look_again()
        elif self._watch:
            self._watch.cancel()
            self._watch = None

    def _look_again(self) -> None:
        # One timer that is moved only when it has to be earlier: it is looked at far more often than it rings.
        at = self._deadline()[0]
        if at is None or self.dialogue.ended is not None:
            return
        if self._watch and self._watch.when() > at:
            self._watch.cancel()
            self._watch = None
        self._watch = self._watch or self._loop.call_at(at, self._ring)

    def _deadline(self) -> tuple[float | None, str]:
        stage = self.dialogue.awaited
        if stage is None:
            return None, ""
        if self.dialogue.goodbye:
            return self._since + _FAREWELL, "the server said goodbye"
        patience = self._timeouts.of(stage)
        answer = self._since + patience
        if self._stalled and self._stalled[0] + self._timeouts.block < answer:
            return self._stalled[0] + self._timeouts.block, f"the server stopped reading for {self._timeouts.block:g} s"
        return answer, f"no reply within {patience:g} s"

    def _ring(self) -> None:
        self._watch = None
        if self._stalled and (left := self._transport.get_write_buffer_size()) < self._stalled[1]:
            self._stalled = self._loop.time(), left
        at, why = self._deadline()
        if at is not None and at <= self._loop.time():
            self.abort(why)
        else:
            self._look_again()


class Connection:
    """A relay that is ready for messages; `window` is how many bodies may wait for its answer at once.

    `places` is how many messages it can make use of at once: one more than the window where an envelope is sent ahead.
    """

    def __init__(self, wire: Wire, extensions: dict[str, str], window: int = 1) -> None:
        self._wire = wire
        self._extensions = extensions
        self._told: dict[Transaction, Callable[[Event], None]] = {}
        wire.tell = self._tell
        self.window = max(1, window) if self.speech is Speech.CHUNKED else 1
        self.places = self.window + (self.speech is Speech.PIPELINED)

    @property
    def speech(self) -> Speech:
        """How it is spoken to."""
        return self._wire.dialogue.speech

    @property
    def usable(self) -> bool:
        """Whether another message can be tried on it."""
        return self._wire.dialogue.ended is None and not self._wire.dialogue.goodbye

    def envelope(self, mail: str, rcpt: str, message: bytes) -> Transaction | Refused | Deferred:
        """The transaction of a message with CRLF lines, or why this relay can't be given it: nothing is written yet."""
        utf8 = not rcpt.isascii()
        if utf8 and "smtputf8" not in self._extensions:
            return Refused(Reply(553, "5.6.7", "eai-unsupported: the relay does not take such addresses"), tried=False)
        if not (_ADDRESS.fullmatch(rcpt) and _ADDRESS.fullmatch(mail)):
            return Refused(Reply(553, "5.1.3", "the address can't be written into a command"), tried=False)
        limit = self._extensions.get("size")
        if limit and limit.isdigit() and 0 < int(limit) < len(message):
            why = f"the message has {len(message)} octets, the relay takes {limit}"
            return Deferred(Reply(452, "4.3.4", why), tried=False)  # ours to mend: nobody's bounce
        size = "" if limit is None else f" SIZE={len(message)}"
        return Transaction(mail, rcpt, size + " SMTPUTF8" * utf8, message)

    def begin(self, transaction: Transaction, told: Callable[[Event], None]) -> None:
        """Take a message on; `told` hears when it asks for leave (`go` or `withdraw`), and at last what came of it."""
        self._told[transaction] = told
        self._wire.begin(transaction)

    def go(self, transaction: Transaction) -> None:
        """Leave is given: its body may be written."""
        self._wire.go(transaction)

    def withdraw(self, transaction: Transaction) -> None:
        """Leave is refused."""
        self._wire.withdraw(transaction)

    async def send(self, mail: str, rcpt: str, message: bytes) -> Outcome:
        """Hand over one message that nobody has to give leave for. Trouble if the relay is at fault, as ever."""
        transaction = self.envelope(mail, rcpt, message)
        if not isinstance(transaction, Transaction):
            return transaction
        transaction.leave = True
        ended: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        self.begin(transaction, lambda event: None if ended.done() else ended.set_result(event))
        result = await ended
        if isinstance(result, Fault):
            raise Trouble(result.why, str(result.stage or ""), result.reply)
        assert not isinstance(result, Asks)
        return result

    def abort(self) -> None:
        """Hang up at once."""
        self._wire.abort("we hung up")

    async def close(self) -> None:
        """Say QUIT without waiting long; what was still under way stays without an answer."""
        await self._wire.quit()

    def _tell(self, transaction: Transaction, event: Event) -> None:
        told = self._told[transaction] if isinstance(event, Asks) else self._told.pop(transaction)
        told(event)


async def connect(
    relay: RelayConfig, ehlo: str, timeouts: Timeouts | None = None, tls: ssl.SSLContext | None = None
) -> Connection:
    """A connection to `relay`: certificate and name verified, logged in only under TLS; Trouble if it can't be had."""
    timeouts = timeouts or Timeouts()
    if relay.username and relay.security == "none":
        raise Trouble(f"relay {relay.name} has a log-in but no TLS: nothing was sent", "log-in")
    client = aiosmtplib.SMTP(
        hostname=relay.host,
        port=relay.port,
        local_hostname=ehlo,
        timeout=timeouts.greeting,
        use_tls=relay.security == "tls",
        start_tls=relay.security == "starttls",
        tls_context=tls,
    )
    transport: asyncio.Transport | None = None
    try:
        await client.connect()
        transport = cast(asyncio.Transport, client.transport)  # uvloop's are no subclass
        if relay.username:
            await client.login(relay.username, relay.password or "")
        if client.is_ehlo_or_helo_needed:
            await client.ehlo()
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        if transport:  # close() would wait for the server's end of TLS
            transport.abort()
        client.close()
        raise Trouble(f"{relay.host}:{relay.port}: {_sentence(error)}", _stage(error), _reply(error)) from error
    except asyncio.CancelledError:
        client.close()
        raise
    if transport.is_closing():
        raise Trouble(f"{relay.host}:{relay.port}: the server hung up after its greeting", "connect")
    extensions = dict(client.esmtp_extensions)
    wire = Wire(transport, best_speech(extensions), timeouts)
    transport.set_protocol(wire)
    return Connection(wire, extensions, relay.window)


def _sentence(error: Exception) -> str:
    said = f"{error.code} {error.message}" if isinstance(error, aiosmtplib.SMTPResponseException) else str(error)
    return clean(said)[:300] or type(error).__name__


def _stage(error: BaseException) -> str:
    match error:
        case aiosmtplib.SMTPAuthenticationError():
            return "log-in"
        case aiosmtplib.SMTPHeloError():
            return "ehlo"
        case ssl.SSLError() | aiosmtplib.SMTPNotSupported():
            return "tls"
    return _stage(error.__cause__) if error.__cause__ else "connect"


def _reply(error: Exception) -> Reply | None:
    if not isinstance(error, aiosmtplib.SMTPResponseException):
        return None
    said = clean(error.message)
    return parse_reply([f"{error.code} {said}".encode()]) if 200 <= error.code < 600 else None
