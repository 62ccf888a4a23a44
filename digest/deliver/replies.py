"""What an SMTP server says, read as it comes in, and what it means for one message. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_LONGEST = 65_536  # octets of one reply; RFC 5321 asks for 512 a line, servers say more
_USUAL = 200  # octets of a reply of one line
_LINE = re.compile(rb"([2-5]\d\d)(?:([ -])(.*))?", re.DOTALL)
_ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?:\s+|\Z)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


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
    """The relay took responsibility: 2xx after the whole message."""

    reply: Reply


@dataclass(frozen=True)
class Deferred:
    """Not now: 4xx, or the connection ended before the body was written, or the relay can't take it as it is."""

    reply: Reply
    tried: bool = True  # False: nothing of it went over the wire


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
    """The ledger said no when asked for leave; nothing of the message was written."""


Outcome = Accepted | Deferred | Refused | Unknown | Withdrawn


class NotAReply(ValueError):
    """The server does not speak SMTP: nothing more of what it says can be paired with a command."""


def clean(text: str) -> str:
    """`text` without control characters, on one line."""
    return text.strip() if text.isprintable() else _CONTROL.sub(" ", text).strip()


def parse_reply(lines: list[bytes]) -> Reply:
    """The reply in `lines` (without line ends); NotAReply if it is none, or its codes differ (S-04)."""
    found = [_LINE.fullmatch(line) for line in lines]
    codes = {match[1] for match in found if match}
    if None in found or len(codes) != 1:
        raise NotAReply("that is not an SMTP reply")
    code = int(codes.pop())
    text = clean(" ".join((match[3] or b"").decode("utf-8", "replace") for match in found if match))
    status = _ENHANCED.match(text)
    enhanced = status[0].strip() if status and int(status[1]) == code // 100 else None
    return Reply(code, enhanced, text[status.end() if status and enhanced else 0 :][:500])


@lru_cache(maxsize=256)  # "250 2.1.0 Ok" comes three times a message
def _single(line: bytes) -> Reply:
    return parse_reply([line])


class Replies:
    """Replies out of bytes that come in any pieces; a reply of more than 64 KB is none."""

    def __init__(self) -> None:
        self._rest = b""  # the last line, as far as it came
        self._lines: list[bytes] = []  # of a reply that goes on
        self._octets = 0  # of those lines

    def feed(self, data: bytes) -> Iterator[Reply]:
        """The replies that `data` completes; NotAReply, after those before it, at the first thing that is none."""
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        for ended in lines:
            line = ended.removesuffix(b"\r")
            if not self._lines and len(line) <= _USUAL and line[3:4] != b"-":
                yield _single(line)
                continue
            self._lines.append(line)
            self._octets += len(line)
            if self._octets > _LONGEST:
                raise NotAReply("the server's reply has no end")
            if line[3:4] != b"-":
                said, self._lines, self._octets = self._lines, [], 0
                yield parse_reply(said)
        if self._octets + len(self._rest) > _LONGEST:
            raise NotAReply("the server's reply has no end")
