"""The talk with an SMTP server as a state machine: what may be written now, and whose reply came in. Pure.

    chunked     RSET, MAIL, RCPT, BDAT n LAST and the body in one write, many messages in flight (RFC 2920, 3030)
    pipelined   RSET, MAIL, RCPT, DATA in one write; a body and the next message's commands travel together (RFC 2920)
    plain       one command at a time

No body is written without leave. The dialogue asks for it as late as it can: when it is all that is missing, and when
the bodies before it are answered, but for a window of them where the server chunks.

Every transaction begins with RSET: without it, what follows a refused recipient leaves under the previous message's
sender (STANDARDS T7). Replies are paired with commands strictly in order, and a reply that nobody asked for, or that
no server may give at that place, ends the talk: nothing said after it can be trusted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container
from dataclasses import dataclass, field
from enum import StrEnum

from digest.deliver.replies import Accepted, Deferred, Outcome, Refused, Reply, Unknown, Withdrawn

GOODBYE = "the server said goodbye"


class Speech(StrEnum):
    """How a relay is spoken to."""

    CHUNKED = "chunked"
    PIPELINED = "pipelined"
    PLAIN = "plain"


class Stage(StrEnum):
    """A command that is answered; END is the end of the body, by a dot or by BDAT LAST."""

    RSET = "RSET"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    END = "END"


@dataclass(frozen=True)
class Fault:
    """The relay, or our standing with it, is at fault: the message was not taken and nobody is to blame for it."""

    why: str
    stage: Stage | None = None  # which command it was, if one
    reply: Reply | None = None


class Asks:
    """The message waits for leave to write its body: answer with `go` or `withdraw`."""


ASKS = Asks()
Result = Outcome | Fault
Event = Result | Asks


@dataclass(eq=False)
class Transaction:
    """One message to one recipient: `parameters` of MAIL with a space in front, `message` with CRLF lines."""

    mail: str
    rcpt: str
    parameters: str
    message: bytes
    leave: bool = False  # to write the body: given beforehand, or when asked
    decided: Result | None = None
    refused: set[Stage] = field(default_factory=set)
    written: bool = False  # the body, or a part of it, may have reached the server

    def envelope(self) -> bytes:
        """RSET, MAIL and RCPT, to be written at once."""
        return f"RSET\r\nMAIL FROM:<{self.mail}>{self.parameters}\r\nRCPT TO:<{self.rcpt}>\r\n".encode()

    def command(self, stage: Stage) -> bytes:
        """The command of that stage alone, with its line end."""
        match stage:
            case Stage.MAIL:
                return f"MAIL FROM:<{self.mail}>{self.parameters}\r\n".encode()
            case Stage.RCPT:
                return f"RCPT TO:<{self.rcpt}>\r\n".encode()
            case Stage.END:
                return b".\r\n"
        return stage.encode() + b"\r\n"

    def stuffed(self) -> list[bytes]:
        """The body for DATA: lines that begin with a dot get one more, and a dot ends it (RFC 5321 4.5.2)."""
        body = self.message
        if b"\r\n." in body:
            body = body.replace(b"\r\n.", b"\r\n..")
        return [b".", body, b".\r\n"] if body.startswith(b".") else [body, b".\r\n"]

    @property
    def conclusive(self) -> bool:
        """Whether it can't have been taken, although its body was written and the end got no reply."""
        if self.decided is None:
            return False
        refused_sender = Stage.MAIL in self.refused and Stage.RSET not in self.refused
        return not self.written or refused_sender or Stage.RCPT in self.refused


def best_speech(extensions: Container[str]) -> Speech:
    """The quickest way of speaking that a server with these EHLO keywords (lower case) understands."""
    if "pipelining" not in extensions:
        return Speech.PLAIN
    return Speech.CHUNKED if "chunking" in extensions else Speech.PIPELINED


_ENVELOPE = (Stage.RSET, Stage.MAIL, Stage.RCPT)


class Dialogue:
    """One connection's talk. After each call that may change it: write `output()`, look at `events()`."""

    def __init__(self, speech: Speech) -> None:
        self.speech = speech
        self.ended: str | None = None  # why no more can be said
        self.goodbye = False  # 421 was said: what was asked before it may still be answered
        self._waiting: deque[Transaction] = deque()  # for the ones before them
        self._asking: list[Transaction] = []  # waiting for leave, nothing of their bodies written
        self._due: deque[tuple[Transaction, Stage]] = deque()
        self._output: list[bytes] = []
        self._events: list[tuple[Transaction, Event]] = []

    @property
    def awaited(self) -> Stage | None:
        """The stage whose reply comes next, or None: nothing is asked."""
        return self._due[0][1] if self._due else None

    @property
    def asked(self) -> int:
        """How many replies are to come."""
        return len(self._due)

    def output(self) -> list[bytes]:
        """What is to be written now, once."""
        pieces, self._output = self._output, []
        return pieces

    def events(self) -> list[tuple[Transaction, Event]]:
        """What happened to transactions since the last call, in order; a result is the last of its transaction."""
        happened, self._events = self._events, []
        return happened

    def begin(self, transaction: Transaction) -> None:
        """Take a message on; it is written as soon as the way of speaking allows."""
        if self.ended is not None or self.goodbye:
            self._events.append((transaction, Fault(self.ended or GOODBYE)))
        elif self.speech is Speech.CHUNKED and not transaction.leave:
            self._ask_leave(transaction)
        else:
            self._waiting.append(transaction)
            self._proceed()

    def go(self, transaction: Transaction) -> None:
        """Leave is given: the body follows. Nothing happens if the talk has ended since it was asked."""
        if transaction not in self._asking:
            return
        self._asking.remove(transaction)
        transaction.leave = True
        if self.speech is Speech.CHUNKED:
            self._waiting.append(transaction)
        elif self.speech is Speech.PIPELINED:
            self._write_body(transaction)
        else:
            self._ask(transaction, Stage.DATA)
        self._proceed()

    def withdraw(self, transaction: Transaction) -> None:
        """Leave is refused: nothing of the body is written. Nothing happens if the talk has ended since."""
        if transaction not in self._asking:
            return
        self._asking.remove(transaction)
        self._events.append((transaction, Withdrawn()))
        if self.speech is Speech.PIPELINED:  # the server waits for a body, and would take the next command for one
            self.lost("a message was withdrawn after DATA")
        self._proceed()

    def heard(self, reply: Reply) -> None:
        """Pair a reply with the oldest command that has none."""
        if self.ended is not None:
            return
        if not self._due:
            self.lost("the server spoke without being asked")
            return
        transaction, stage = self._due.popleft()
        self.goodbye = self.goodbye or reply.code == 421
        match stage:
            case Stage.RSET | Stage.MAIL:
                self._sender(transaction, stage, reply)
            case Stage.RCPT:
                self._recipient(transaction, reply)
            case Stage.DATA:
                self._leave_for_data(transaction, reply)
            case Stage.END:
                self._taken(transaction, reply)
        if self.goodbye and not self._due:
            self.lost(GOODBYE)
        self._proceed()

    def lost(self, why: str) -> None:
        """The connection ended, or can't be trusted any more: every open transaction ends here."""
        if self.ended is not None:
            return
        self.ended = why
        first: dict[Transaction, Stage | None] = {}
        for transaction, stage in self._due:
            first.setdefault(transaction, stage)
        first |= dict.fromkeys((*self._asking, *self._waiting))
        self._events += [(one, self._left_open(one, stage, why)) for one, stage in first.items()]
        self._due.clear()
        self._asking.clear()
        self._waiting.clear()

    def _left_open(self, one: Transaction, stage: Stage | None, why: str) -> Result:
        if one.decided is not None and one.conclusive:
            return one.decided
        if self.goodbye:  # SECURITY part C item 5: what stands behind a 421 in the window was not taken
            return one.decided or Fault(why)
        if one.written:
            return Unknown(f"the message was written, then {why}")
        if stage in (None, Stage.RSET, Stage.MAIL):
            return Fault(f"{why} at {stage}" if stage else why, stage)
        return Deferred(Reply(451, None, why[:500]))

    def _proceed(self) -> None:
        while self._waiting and self.ended is None and not self.goodbye and self._may_begin():
            self._open(self._waiting.popleft())

    def _may_begin(self) -> bool:
        if self.speech is Speech.CHUNKED:
            return True
        if self._asking:
            return False
        if self.speech is Speech.PIPELINED:  # nothing may follow DATA before its reply (RFC 2920 section 3.1)
            return all(stage is Stage.END for _, stage in self._due)
        return not self._due

    def _open(self, one: Transaction) -> None:
        if self.speech is Speech.PLAIN:
            self._ask(one, Stage.RSET)
            return
        self._output.append(one.envelope())
        self._due += ((one, stage) for stage in _ENVELOPE)
        if self.speech is Speech.PIPELINED:
            self._ask(one, Stage.DATA)
            return
        self._output += (b"BDAT %d LAST\r\n" % len(one.message), one.message)
        self._due.append((one, Stage.END))
        one.written = True

    def _ask_leave(self, one: Transaction) -> None:
        self._asking.append(one)
        self._events.append((one, ASKS))

    def _write_body(self, one: Transaction) -> None:
        self._output += one.stuffed()
        self._due.append((one, Stage.END))
        one.written = True

    def _ask(self, one: Transaction, stage: Stage) -> None:
        self._output.append(one.command(stage))
        self._due.append((one, stage))

    def _go_on(self, one: Transaction, following: Stage) -> None:
        if self.speech is not Speech.PLAIN:
            return  # it is on its way already
        if one.decided is not None:
            self._finish(one)
        elif following is Stage.DATA and not one.leave:
            self._ask_leave(one)
        else:
            self._ask(one, following)

    def _finish(self, one: Transaction) -> None:
        assert one.decided is not None
        self._events.append((one, one.decided))

    def _sender(self, one: Transaction, stage: Stage, said: Reply) -> None:
        if said.digit != 2:
            one.refused.add(stage)
            one.decided = one.decided or Fault(f"{stage} was answered {said.code} {said.text}", stage, said)
        self._go_on(one, Stage.RCPT if stage is Stage.MAIL else Stage.MAIL)

    def _recipient(self, one: Transaction, said: Reply) -> None:
        if said.digit != 2:
            one.refused.add(Stage.RCPT)
            # 552 is "too many recipients" of old, and temporary (S-09).
            one.decided = one.decided or (Deferred(said) if said.code == 552 else self._judged(said))
        self._go_on(one, Stage.DATA)
        if said.digit == 3:
            self._out_of_place(said)

    def _leave_for_data(self, one: Transaction, said: Reply) -> None:
        if said.code != 354:
            one.decided = one.decided or (Deferred(said) if said.digit < 4 else self._judged(said))
            self._finish(one)
            if said.digit < 4:
                self._out_of_place(said)
        elif one.decided is None and one.leave:
            self._write_body(one)
        elif one.decided is None:
            self._ask_leave(one)
        elif one.refused == {Stage.RCPT}:  # RFC 2920: all recipients refused, so nothing but the dot (S-24)
            self._ask(one, Stage.END)
        else:  # a dot alone could mail an empty message
            self._finish(one)
            self._out_of_place(said)

    def _taken(self, one: Transaction, said: Reply) -> None:
        unasked = said.digit == 2 and one.written and one.decided is not None
        if one.decided is None or (unasked and Stage.RCPT not in one.refused):  # taken in spite of itself
            one.decided = self._judged(said)
        if said.digit == 3 and not one.conclusive:
            one.decided = Unknown(f"the message was written, then answered {said.code}")
        self._finish(one)
        if said.digit == 3 or unasked:
            self._out_of_place(said)

    def _out_of_place(self, said: Reply) -> None:
        self.lost(f"the server answered {said.code} out of place")

    @staticmethod
    def _judged(said: Reply) -> Outcome:
        if said.digit == 2:
            return Accepted(said)
        return Refused(said) if said.digit == 5 else Deferred(said)
