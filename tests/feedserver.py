"""A feed server on loopback: files per host name, validators, redirects, and every kind of bad behaviour.

    with FeedServer() as server:
        server.page("news.test", "/feed.xml", body)          # 200 with an ETag of the body, 304 when it is sent back
        server.answer("news.test", "/gone", 410)
        address = server.url("news.test", "/feed.xml")       # http://news.test:PORT/feed.xml

Host names need a resolver that knows them: `server.resolver` for the fetcher, or names under 127.0.0.x.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Page:
    """What one path answers."""

    status: int = 200
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)
    etag: str | None = None
    pieces: Callable[[], Iterable[bytes]] | None = None  # a body without end, or a slow one
    raw: Callable[[], Iterable[bytes]] | None = None  # all that is sent, status line and headers too


@dataclass
class Request:
    """What was asked, header names in small letters, values as latin-1."""

    host: str
    path: str
    headers: dict[str, str]
    method: str = "GET"


class FeedServer:
    """Listens on 127.0.0.1; a context manager."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._pages: dict[tuple[str, str], Page] = {}
        self.stopping = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.world = self
        self.port = int(self._server.server_address[1])

    def __enter__(self) -> FeedServer:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def url(self, host: str, path: str) -> str:
        """Where a page is."""
        return f"http://{host}:{self.port}{path}"

    def page(self, host: str, path: str, body: bytes, **headers: str) -> None:
        """A body that changes when told so here, with an ETag."""
        etag = '"' + hashlib.sha256(body).hexdigest()[:16] + '"'
        self._pages[host, path] = Page(200, body, [(k.replace("_", "-"), v) for k, v in headers.items()], etag)

    def answer(self, host: str, path: str, status: int, body: bytes = b"", **headers: str) -> None:
        """Any answer, without a validator of our own."""
        self._pages[host, path] = Page(status, body, [(k.replace("_", "-"), v) for k, v in headers.items()])

    def stream(self, host: str, path: str, pieces: Callable[[], Iterable[bytes]]) -> None:
        """A body given piece by piece, for as long as the other side listens."""
        self._pages[host, path] = Page(pieces=pieces)

    def raw(self, host: str, path: str, pieces: Callable[[], Iterable[bytes]]) -> None:
        """An answer byte by byte as given, headers and all."""
        self._pages[host, path] = Page(raw=pieces)

    def drip(self, host: str, path: str) -> None:
        """One byte, then nothing more, until the server stops."""

        def pieces() -> Iterable[bytes]:
            while not self.stopping.is_set():
                yield b"<"
                self.stopping.wait(0.2)

        self.stream(host, path, pieces)

    def asked(self, path: str) -> list[Request]:
        """The requests for a path, in order."""
        return [request for request in self.requests if request.path == path]

    async def resolver(self, name: str, port: int) -> Sequence[str]:
        """Every name is here."""
        return ["127.0.0.1"]

    def find(self, host: str, path: str) -> Page:
        return self._pages.get((host, path)) or Page(404, b"nothing here")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 200
    world: FeedServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        world = self.server.world
        host = (self.headers.get("Host") or "").rpartition(":")[0]
        headers = {key.lower(): value for key, value in self.headers.items()}
        world.requests.append(Request(host, self.path, headers, self.command))
        page = world.find(host, self.path)
        if page.raw is not None:
            for piece in page.raw():
                self.wfile.write(piece)
            return
        unchanged = page.etag is not None and self.headers.get("If-None-Match") == page.etag
        self.send_response(304 if unchanged else page.status)
        for name, value in page.headers:
            self.send_header(name, value)
        if page.etag:
            self.send_header("ETag", page.etag)
        if page.pieces is None and not unchanged:
            self.send_header("Content-Length", str(len(page.body)))
        self.end_headers()
        if unchanged or self.command == "HEAD":
            return
        for piece in page.pieces() if page.pieces else [page.body]:
            self.wfile.write(piece)

    def log_message(self, *args: object) -> None:
        """Keeps the tests quiet."""
