"""Forms posted over a kept connection, as cheaply as can be: the load of benchmarks of the pages."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self


class Poster:
    """One connection to the pages on a port of loopback."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> Self:
        self._reading, self._writing = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._writing.close()

    async def post(self, path: str, body: bytes, *headers: str) -> tuple[int, bytes]:
        """The status and body of the answer to an urlencoded form."""
        lines = [
            f"POST {path} HTTP/1.1",
            "Host: paper.example",
            "Content-Type: application/x-www-form-urlencoded",
            f"Content-Length: {len(body)}",
            *headers,
        ]
        self._writing.write("\r\n".join([*lines, "", ""]).encode() + body)
        head = await self._reading.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return int(head.split(b" ", 2)[1]), await self._reading.readexactly(length)
