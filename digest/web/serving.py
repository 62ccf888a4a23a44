"""uvicorn with our limits: for `digest web`, `digest serve` and the tests alike."""

from __future__ import annotations

import logging
import socket

import uvicorn
from fastapi import FastAPI

from digest.errors import DigestError

MAX_HEADERS = 16 * 1024


def listener(bind: str) -> socket.socket:
    """A socket that listens on "host:port" (or "[::1]:port"); DigestError when the address can't be had."""
    host, _, port = bind.rpartition(":")
    host = host.strip("[]")
    if not (host and port.isascii() and port.isdigit() and int(port) <= 65535):
        raise DigestError(f"[web] bind: can't listen on {bind}: expected HOST:PORT")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, int(port)), family=family, backlog=1024)
    except OSError as error:
        raise DigestError(f"[web] bind: can't listen on {bind}: {str(error.strerror).partition(' (')[0]}") from error


def address(listening: socket.socket) -> str:
    """Where `listening` listens, as it stands in a URL."""
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def server(web: FastAPI) -> uvicorn.Server:
    """A server of `web`: `await serve([listener])`, or `run([listener])` in a thread of its own.

    Headers above 16 KB are refused. The access log is the guard's, which holds no token; X-Forwarded-For is the
    guard's too, because only it knows whom to trust.
    """
    # access_log=False only takes its handlers away; whoever adds one again would log tokens.
    logging.getLogger("uvicorn.access").disabled = True
    # Nor does a stranger write a line for every octet that is no form.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    return uvicorn.Server(
        uvicorn.Config(
            web,
            http="h11",
            h11_max_incomplete_event_size=MAX_HEADERS,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=10,
            timeout_graceful_shutdown=5,
        )
    )
