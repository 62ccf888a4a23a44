"""A mailbox on loopback: a small SMTP receiver that keeps every message as it stood on the wire.

It normalises nothing, so that what is looked at is what was sent. `Receiver` speaks; what happens to a message and
how each stage is answered can be replaced by those who derive from it.
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from pathlib import Path

_LONGEST = 50_000_000  # octets of one message
DROP = ""  # as an answer: the connection is closed without one


@dataclass
class Envelope:
    """One transaction, as far as it came."""

    mail: str = ""
    parameters: str = ""  # of MAIL: SIZE, BODY, SMTPUTF8
    rcpt: str = ""
    content: bytes = b""  # between DATA and the dot, without the stuffed dots; or of all BDAT
    failed: bool = False  # a BDAT was refused: the rest of them is, too


class _Source:
    """What the client sends, cut where a mark ends."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._buffer = bytearray()

    async def exactly(self, octets: int) -> bytes:
        """So many octets; ConnectionError if the client is gone, or they are too many."""
        while len(self._buffer) < octets:
            chunk = await self._reader.read(65_536)
            if not chunk or octets > _LONGEST:
                raise ConnectionResetError("the client went away, or never ends")
            self._buffer += chunk
        found = bytes(self._buffer[:octets])
        del self._buffer[:octets]
        return found

    async def run_dry(self, writer: asyncio.StreamWriter) -> None:
        """Read what the client had under way: closed with it unread, the connection is reset and swallows replies."""
        if writer.can_write_eof():
            writer.write_eof()
            while await self._reader.read(65_536):
                pass

    async def until(self, mark: bytes, before: bytes = b"") -> bytes:
        """Everything up to and with `mark`, as if `before` stood in front; ConnectionError if the client is gone."""
        self._buffer[:0] = before
        searched = 0
        while (at := self._buffer.find(mark, searched)) < 0:
            searched = max(0, len(self._buffer) - len(mark))
            chunk = await self._reader.read(65_536)
            if not chunk or len(self._buffer) > _LONGEST:
                raise ConnectionResetError("the client went away, or never ends")
            self._buffer += chunk
        end = at + len(mark)
        found = bytes(self._buffer[:end])
        del self._buffer[:end]
        return found


class Receiver:
    """Speaks SMTP with one client at a time per connection; one recipient per transaction, as we send."""

    extensions: tuple[str, ...] = (
        "PIPELINING",
        "CHUNKING",
        "8BITMIME",
        "SMTPUTF8",
        "ENHANCEDSTATUSCODES",
        f"SIZE {_LONGEST}",
    )

    async def listen(self, host: str = "127.0.0.1", port: int = 0) -> asyncio.Server:
        """A server that is listening; port 0 takes a free one."""
        talks: set[asyncio.Task[None] | None] = set()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # The event loop keeps tasks weakly: one that waits for nothing but a client would be collected.
            talks.add(here := asyncio.current_task())
            try:
                await self._talk(reader, writer)
            finally:
                talks.discard(here)

        return await asyncio.start_server(talk, host, port)

    async def answer(self, stage: str, envelope: Envelope) -> str | None:
        """The reply at connect, ehlo, rset, mail, rcpt, data or dot (the end of any body); None for the usual one."""
        return None

    def accept(self, envelope: Envelope) -> None:
        """A whole message is here, and is about to be acknowledged."""

    async def utter(self, writer: asyncio.StreamWriter, reply: bytes) -> None:
        """Put a reply on the wire."""
        writer.write(reply)
        await writer.drain()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            source = _Source(reader)
            await self._converse(source, writer)
            await source.run_dry(writer)
        except OSError:
            pass  # the client went away, or talks nonsense: nothing was acknowledged
        finally:
            writer.close()

    async def _converse(self, source: _Source, writer: asyncio.StreamWriter) -> None:
        envelope = Envelope()
        going = await self._reply(writer, "connect", envelope, "220 mailbox.localhost ESMTP")
        while going:
            line = (await source.until(b"\r\n")).decode("utf-8", "replace").rstrip("\r\n")
            verb = line[:4].upper()
            if verb in ("EHLO", "HELO"):
                lines = ("mailbox.localhost", *self.extensions)
                greeting = "\r\n".join(f"250{'-' if i < len(lines) - 1 else ' '}{x}" for i, x in enumerate(lines))
                going = await self._reply(writer, "ehlo", envelope, greeting)
            elif verb == "RSET":
                envelope = Envelope()
                going = await self._reply(writer, "rset", envelope, "250 2.0.0 ok")
            elif verb == "MAIL" and not envelope.mail:
                going = await self._sender(line, writer, envelope)
            elif verb == "RCPT" and envelope.mail:
                going = await self._recipient(line, writer, envelope)
            elif verb == "DATA":
                going = await self._content(source, writer, envelope)
                envelope = Envelope()
            elif verb == "BDAT":
                octets, _, last = line[5:].partition(" ")
                going = await self._chunk(await source.exactly(int(octets)), bool(last), writer, envelope)
                envelope = Envelope() if last else envelope
            elif verb == "QUIT":
                await self._reply(writer, "quit", envelope, "221 2.0.0 bye")
                return
            elif verb == "NOOP":
                going = await self._reply(writer, "noop", envelope, "250 2.0.0 ok")
            else:
                going = await self._reply(writer, "other", envelope, "503 5.5.1 not now")

    async def _sender(self, line: str, writer: asyncio.StreamWriter, envelope: Envelope) -> bool:
        path = re.fullmatch(r"MAIL FROM:<([^>]*)>(.*)", line, re.IGNORECASE)
        if not path:
            return await self._say(writer, "501 5.5.4 what?")
        envelope.mail, envelope.parameters = path[1], path[2].strip()
        said = await self.answer("mail", envelope)
        if said is not None and not said.startswith("2"):
            envelope.mail = envelope.parameters = ""
        return await self._say(writer, "250 2.1.0 ok" if said is None else said)

    async def _chunk(self, octets: bytes, last: bool, writer: asyncio.StreamWriter, envelope: Envelope) -> bool:
        if not envelope.rcpt or envelope.failed:
            return await self._say(writer, "503 5.5.1 no valid recipients")
        envelope.content += octets
        said = await self.answer("dot", envelope) if last else None
        envelope.failed = said is not None and not said.startswith("2")
        if last and not envelope.failed:
            self.accept(envelope)
        return await self._say(writer, "250 2.0.0 kept" if said is None else said)

    async def _recipient(self, line: str, writer: asyncio.StreamWriter, envelope: Envelope) -> bool:
        path = re.fullmatch(r"RCPT TO:<([^>]+)>.*", line, re.IGNORECASE)
        if not path:
            return await self._reply(writer, "rcpt", envelope, "501 5.5.4 what?")
        envelope.rcpt, before = path[1], envelope.rcpt
        said = await self.answer("rcpt", envelope)
        if said is None or not said.startswith("2"):
            envelope.rcpt = before if said is not None else envelope.rcpt
        return await self._say(writer, "250 2.1.5 ok" if said is None else said)

    async def _content(self, source: _Source, writer: asyncio.StreamWriter, envelope: Envelope) -> bool:
        if not envelope.rcpt:
            return await self._say(writer, "554 5.5.1 no valid recipients")
        said = await self.answer("data", envelope)
        if not await self._say(writer, "354 go on" if said is None else said) or said is not None:
            return said != DROP
        raw = await source.until(b"\r\n.\r\n", before=b"\r\n")
        envelope.content = raw.removesuffix(b".\r\n").replace(b"\r\n.", b"\r\n").removeprefix(b"\r\n")
        said = await self.answer("dot", envelope)
        if said is None or said.startswith("2"):
            self.accept(envelope)
        return await self._say(writer, "250 2.0.0 kept" if said is None else said)

    async def _reply(self, writer: asyncio.StreamWriter, stage: str, envelope: Envelope, usual: str) -> bool:
        said = await self.answer(stage, envelope)
        return await self._say(writer, usual if said is None else said)

    async def _say(self, writer: asyncio.StreamWriter, said: str) -> bool:
        if said == DROP:
            raise ConnectionAbortedError("as told")
        await self.utter(writer, said.encode() + b"\r\n")
        return not said.startswith("421")


class FolderMailbox(Receiver):
    """Keeps messages as 0001.eml, 0002.eml, ... in a folder, with an append-only index beside them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0
        folder.mkdir(parents=True, exist_ok=True)

    def accept(self, envelope: Envelope) -> None:
        """Write the message, then its line of index.jsonl."""
        self.count += 1
        name = f"{self.count:04d}.eml"
        (self.folder / name).write_bytes(envelope.content)
        entry = {"file": name, "mail": envelope.mail, "rcpt": envelope.rcpt, "octets": len(envelope.content)}
        with (self.folder / "index.jsonl").open("a", encoding="utf-8") as index:
            index.write(json.dumps(entry, ensure_ascii=False) + "\n")
