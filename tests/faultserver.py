"""An SMTP server that fails as it is told to: at every stage, connection, transaction and octet; it logs the truth.

It shares no code with the sender. A script is a value; the server is a process of its own:

    with FaultServer(Script((Rule(Drop(), "dot", every=7),)), folder) as server: ... server.relay() ... server.log()
    python tests/faultserver.py --script FILE.json --log FILE [--port N]       (prints "port N" when it listens)

Stages, in order: connect (before the banner), ehlo, starttls, secure (EHLO under TLS), auth, rset, mail, rcpt, data,
body (when `offset` octets of it are read), dot (the end of any body), quit. A rule acts before the stage's reply, or
after it with `after`. Each line of the log is written at once, before the reply that it explains.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import random
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True)
class Drop:
    """Close without a word; a message whose end was reached is kept or forgotten."""

    kept: bool = False


@dataclass(frozen=True)
class Reset:
    """Close by RST."""

    kept: bool = False


@dataclass(frozen=True)
class HalfClose:
    """Close our side, go on reading what comes."""

    kept: bool = False


@dataclass(frozen=True)
class Blackhole:
    """Read nothing more, say nothing more, close nothing."""

    kept: bool = False


@dataclass(frozen=True)
class Delay:
    """Wait before going on."""

    seconds: float


@dataclass(frozen=True)
class Reply:
    """Say this instead of the usual (CRLF is added); `closes`: read what was under way, then close."""

    text: str
    closes: bool = False


@dataclass(frozen=True)
class Lie:
    """Put these on the wire as they stand: before the stage's reply, instead of it, after it in the same write."""

    before: str = ""
    instead: str | None = None
    after: str = ""


@dataclass(frozen=True)
class Cut:
    """From here on this connection's replies come in pieces: cut after `offset` octets of them all, or every `size`."""

    offset: int = -1
    size: int = 0
    pause: float = 0.001


@dataclass(frozen=True)
class Merge:
    """From here on this connection's replies are held while more commands are waiting, then come in one piece."""


@dataclass(frozen=True)
class Kill:
    """Send a signal to the process whose number is in the file."""

    pid_file: str
    signal: str = "SIGKILL"


SwallowAndAccept = Drop(kept=True)
SwallowAndForget = Drop(kept=False)
Ending = Drop | Reset | HalfClose | Blackhole
Act = Ending | Delay | Reply | Lie | Cut | Merge | Kill
_ACTS = {act.__name__: act for act in (Drop, Reset, HalfClose, Blackhole, Delay, Reply, Lie, Cut, Merge, Kill)}


@dataclass(frozen=True)
class Rule:
    """What happens when all that is said holds; numbers count from 1, `every` and `number` over all that else fits."""

    act: Act
    stage: str
    connection: int | None = None
    transaction: int | None = None  # of the connection
    number: int | None = None
    every: int = 1
    times: int = 10**9
    chance: float = 1.0
    rcpt: str = ""  # found in the recipient, as a regular expression
    offset: int = 0  # of the body
    after: bool = False


@dataclass(frozen=True)
class Script:
    """A server's whole behaviour; the first rule that ends a talk or gives the reply is the last that is looked at."""

    rules: tuple[Rule, ...] = ()
    extensions: tuple[str, ...] = ("PIPELINING", "CHUNKING", "8BITMIME", "SMTPUTF8", "SIZE 50000000")
    tls: str = "none"  # none | starttls | tls
    login: tuple[str, str] | None = None
    lax: bool = False  # takes a dot between any two line ends, bare CR and LF as well, for the end of DATA
    seed: int = 1

    def to_json(self) -> str:
        """For the process form."""
        rules = [{**asdict(rule), "act": {"do": type(rule.act).__name__, **asdict(rule.act)}} for rule in self.rules]
        return json.dumps({**asdict(self), "rules": rules})

    @classmethod
    def from_json(cls, text: str) -> Script:
        """The inverse."""
        said = json.loads(text)
        rules = []
        for rule in said.pop("rules", ()):
            act = dict(rule.pop("act"))
            rules.append(Rule(_ACTS[act.pop("do")](**act), **rule))
        login = said.pop("login", None)
        extensions = tuple(said.pop("extensions", cls.extensions))
        return cls(rules=tuple(rules), extensions=extensions, login=tuple(login) if login else None, **said)


@dataclass(frozen=True)
class Entry:
    """A line of the log: `stage` is a server's stage, or accepted, forgotten, refused, fault, over."""

    at: float
    conn: int
    transaction: int
    stage: str
    mail: str = ""
    rcpt: str = ""
    said: str = ""  # the reply, or the fault
    sha256: str = ""
    raw: bytes = b""


def read_log(path: Path) -> list[Entry]:
    """All of it, in order."""
    found = []
    with path.open("rb") as log:
        while head := log.readline():
            line = json.loads(head)
            raw = log.read(line.pop("octets"))
            log.readline()
            found.append(Entry(raw=raw, **line))
    return found


class _Over(Exception):
    """The talk is over."""


@dataclass
class _Talk:
    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    secure: bool = False
    transaction: int = 0
    mail: str = ""
    rcpt: str = ""
    failed: bool = False  # RCPT or MAIL was refused
    cut: Cut | None = None
    merge: bool = False
    said: int = 0
    held: bytes = b""

    async def say(self, data: bytes) -> None:
        """On the wire, in the pieces that are asked for."""
        if self.merge:
            self.held += data
            await asyncio.sleep(0.002)
            if self.reader._buffer:  # type: ignore[attr-defined]  # more commands wait
                return
            data, self.held = self.held, b""
        for piece in self._pieces(data):
            self.writer.write(piece)
            await self.writer.drain()
            if self.cut and len(piece) < len(data):
                await asyncio.sleep(self.cut.pause)
        self.said += len(data)

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        if self.cut and self.cut.size:
            yield from (data[at : at + self.cut.size] for at in range(0, len(data), self.cut.size))
        elif self.cut and 0 < (at := self.cut.offset - self.said) < len(data):
            yield data[:at]
            yield data[at:]
        else:
            yield data


class _Server:
    def __init__(self, script: Script, log: int, tls: ssl.SSLContext | None) -> None:
        self.script, self.tls = script, tls
        self._log = log
        self._dice = random.Random(script.seed)
        self._seen = [0] * len(script.rules)
        self._fired = [0] * len(script.rules)
        self._talks = 0
        self._tasks: set[asyncio.Task[None] | None] = set()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(task := asyncio.current_task())
        self._talks += 1
        here = _Talk(self._talks, reader, writer, secure=self.script.tls == "tls")
        with suppress(_Over, OSError, EOFError, asyncio.LimitOverrunError):
            await self._stage(here, "connect", "220 faults.localhost ESMTP")
            while await self._command(here, (await reader.readuntil(b"\r\n")).decode("utf-8", "replace").strip()):
                pass
        self._write(here, "over")
        writer.close()
        self._tasks.discard(task)

    def _write(self, here: _Talk, stage: str, said: str = "", raw: bytes = b"") -> None:
        head = {"at": time.time(), "conn": here.number, "transaction": here.transaction, "stage": stage}
        head |= {"mail": here.mail, "rcpt": here.rcpt, "said": said[:200], "octets": len(raw)}
        head |= {"sha256": sha256(raw).hexdigest() if raw else ""}
        os.write(self._log, json.dumps(head).encode() + b"\n" + raw + b"\n")

    def _acts(self, here: _Talk, stage: str, after: bool) -> Iterator[Act]:
        for place, rule in enumerate(self.script.rules):
            fits = (rule.stage, rule.after) == (stage, after) and re.search(rule.rcpt, here.rcpt)
            fits = fits and rule.connection in (None, here.number) and rule.transaction in (None, here.transaction)
            if not fits:
                continue
            self._seen[place] += 1
            due = self._seen[place] == rule.number if rule.number else self._seen[place] % rule.every == 0
            if due and self._fired[place] < rule.times and (rule.chance >= 1 or self._dice.random() < rule.chance):
                self._fired[place] += 1
                yield rule.act

    async def _stage(self, here: _Talk, stage: str, usual: str, raw: bytes | None = None) -> bool:
        """Answer the stage; whether the answer is of the kind the usual one is."""
        before = after = ""
        said, closes = usual, False
        wire: str | None = None
        for act in self._acts(here, stage, after=False):
            if isinstance(act, Reply):
                said, closes = act.text, act.closes
                break
            if isinstance(act, Lie):
                before, after, wire = act.before, act.after, act.instead
                said = (wire or "").strip() if wire is not None else said
                break
            await self._do(here, act, raw)
        taken = said[:1] == usual[:1]
        self._write_stage(here, stage, said, raw if taken else None)
        reply = (said + "\r\n" if wire is None else wire).encode("latin-1")
        await here.say(before.encode("latin-1") + reply + after.encode("latin-1"))
        for act in self._acts(here, stage, after=True):
            await self._do(here, act, None)
        if closes:
            await self._drain(here)
        return taken

    def _write_stage(self, here: _Talk, stage: str, said: str, raw: bytes | None) -> None:
        if stage == "dot":
            self._write(here, "refused" if raw is None else "accepted", said, raw or b"")
        else:
            self._write(here, stage, said)

    async def _do(self, here: _Talk, act: Act, raw: bytes | None) -> None:
        match act:
            case Delay(seconds):
                await asyncio.sleep(seconds)
            case Cut():
                here.cut = act
            case Merge():
                here.merge = True
            case Kill(pid_file, name):
                with suppress(ProcessLookupError):
                    os.kill(int(Path(pid_file).read_text()), signal.Signals[name])
            case Drop(kept) | Reset(kept) | HalfClose(kept) | Blackhole(kept):
                self._write(here, "fault", type(act).__name__)
                if raw is not None:
                    self._write(here, "accepted" if kept else "forgotten", type(act).__name__, raw)
                await self._end(here, act)

    async def _end(self, here: _Talk, act: Ending) -> None:
        if isinstance(act, Reset):
            sock = here.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            here.writer.transport.abort()
        elif isinstance(act, Blackhole):
            here.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await asyncio.Event().wait()
        elif isinstance(act, HalfClose):
            await self._drain(here)
        raise _Over

    @staticmethod
    async def _drain(here: _Talk) -> None:
        if here.writer.can_write_eof():
            here.writer.write_eof()
            while await here.reader.read(65_536):
                pass
        raise _Over

    async def _command(self, here: _Talk, line: str) -> bool:
        verb = line.partition(" ")[0].upper()
        match verb:
            case "EHLO":
                await self._ehlo(here)
            case "STARTTLS" if self.script.tls == "starttls" and not here.secure:
                await self._starttls(here)
            case "AUTH":
                await self._auth(here, line)
            case "RSET":
                here.mail = here.rcpt = ""
                here.failed = False
                await self._stage(here, "rset", "250 2.0.0 reset")
            case "MAIL" if not here.mail:
                here.transaction += 1
                here.mail, here.rcpt, here.failed = line, "", False
                here.failed = not await self._stage(here, "mail", "250 2.1.0 sender ok")
            case "RCPT" if here.mail and not here.failed:
                here.rcpt = line.partition("<")[2].rpartition(">")[0]
                here.failed = not await self._stage(here, "rcpt", "250 2.1.5 recipient ok")
            case "DATA":
                await self._data(here)
            case "BDAT":
                await self._bdat(here, int(line.split()[1]))
            case "QUIT":
                await self._stage(here, "quit", "221 2.0.0 bye")
                return False
            case _:
                await self._stage(here, "other", "503 5.5.1 not now")
        return True

    async def _ehlo(self, here: _Talk) -> None:
        offered = list(self.script.extensions)
        offered += ["STARTTLS"] * (self.script.tls == "starttls" and not here.secure)
        offered += ["AUTH PLAIN"] * bool(self.script.login and (here.secure or self.script.tls == "none"))
        lines = ["faults.localhost", *offered]
        marks = ["-"] * (len(lines) - 1) + [" "]
        greeting = "\r\n".join(f"250{mark}{text}" for mark, text in zip(marks, lines, strict=True))
        later = here.secure and self.script.tls == "starttls"
        await self._stage(here, "secure" if later else "ehlo", greeting)

    async def _starttls(self, here: _Talk) -> None:
        assert self.tls
        if await self._stage(here, "starttls", "220 2.0.0 go ahead"):
            await here.writer.start_tls(self.tls)
            here.secure = True

    async def _auth(self, here: _Talk, line: str) -> None:
        said = base64.b64decode(line.split()[2]).decode().split("\0")[1:]
        right = self.script.login is not None and tuple(said) == self.script.login
        await self._stage(here, "auth", "235 2.7.0 welcome" if right else "535 5.7.8 no")

    async def _data(self, here: _Talk) -> None:
        if not here.rcpt or here.failed:
            await self._stage(here, "data", "554 5.5.1 no valid recipients")
        elif await self._stage(here, "data", "354 go ahead"):
            raw = await self._body(here)
            await self._stage(here, "dot", "250 2.6.0 taken", raw)
        here.mail = ""

    async def _body(self, here: _Talk) -> bytes:
        for rule in self.script.rules:
            if rule.stage == "body":
                await self._middle(here, rule)
        if self.script.lax:
            return await self._lax_body(here)
        if await _peek(here.reader, 3) == b".\r\n":
            return (await here.reader.readexactly(3))[:0]
        raw = (await here.reader.readuntil(b"\r\n.\r\n"))[:-3]
        return re.sub(rb"(?m)^\.", b"", raw)

    @staticmethod
    async def _lax_body(here: _Talk) -> bytes:
        raw = b"\n"
        while not re.search(rb"[\r\n]\.(\r\n|\r(?!\n)|\n)\Z", raw):
            raw += await here.reader.readexactly(1)
        return re.sub(rb"(?m)^\.", b"", re.sub(rb"\.\r?\n?\Z", b"", raw[1:]))

    async def _middle(self, here: _Talk, rule: Rule) -> None:
        acts = list(self._acts(here, "body", after=False))
        if acts:
            await _peek(here.reader, max(1, rule.offset))
        for act in acts:
            await self._do(here, act, None)

    async def _bdat(self, here: _Talk, octets: int) -> None:
        if octets and here.rcpt and not here.failed:
            for rule in self.script.rules:
                if rule.stage == "body":
                    await self._middle(here, rule)
        raw = await here.reader.readexactly(octets)
        if not here.rcpt or here.failed:
            await self._stage(here, "bdat", "503 5.5.1 no valid recipients")
        else:
            await self._stage(here, "dot", "250 2.6.0 taken", raw)
        here.mail = ""


async def _peek(reader: asyncio.StreamReader, octets: int) -> bytes:
    head = await reader.readexactly(octets)
    reader._buffer[:0] = head  # type: ignore[attr-defined]
    return head


@dataclass
class FaultServer:
    """The server in a process of its own, with its files in `folder`."""

    script: Script
    folder: Path
    authority: Any = None  # trustme.CA: its certificate for 127.0.0.1 is used
    port: int = 0
    _process: subprocess.Popen[str] | None = field(default=None, repr=False)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.path = self.folder / "mail.log"
        written = self.folder / "script.json"
        written.write_text(self.script.to_json())
        command = [sys.executable, __file__, "--script", str(written), "--log", str(self.path)]
        if self.port:
            command += ["--port", str(self.port)]
        if self.script.tls != "none":
            pem = self.folder / "server.pem"
            self.authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(pem))
            command += ["--cert", str(pem)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        self.port = int(self._process.stdout.readline().split()[1])
        return self

    def __exit__(self, *rest: object) -> None:
        assert self._process
        self._process.kill()
        self._process.communicate()

    def log(self) -> list[Entry]:
        """What has happened so far."""
        return read_log(self.path)

    def relay(self, **changes: Any) -> dict[str, Any]:
        """Settings of a relay that leads here."""
        security = {"security": self.script.tls}
        if self.script.login:
            security |= dict(zip(("username", "password"), self.script.login, strict=True))
        return {"name": "faults", "host": "127.0.0.1", "port": self.port, **security, **changes}


async def _main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("--script", type=Path, required=True)
    words.add_argument("--log", type=Path, required=True)
    words.add_argument("--port", type=int, default=0)
    words.add_argument("--cert", type=Path)
    said = words.parse_args()
    tls = None
    if said.cert:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(said.cert)
    script = Script.from_json(said.script.read_text())
    log = os.open(said.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    server = _Server(script, log, tls)
    outer = tls if script.tls == "tls" else None
    listening = await asyncio.start_server(server.talk, "127.0.0.1", said.port, ssl=outer, limit=2**26)
    print("port", listening.sockets[0].getsockname()[1], flush=True)
    await listening.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
