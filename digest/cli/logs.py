"""Logs on stderr, without addresses and tokens."""

from __future__ import annotations

import logging
import re
import sys

_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)
_ADDRESS = re.compile(r"[^\s<>\"'(),:;=]+@(?=[\w.-]+\w)")
_TOKEN = re.compile(r"/(unsubscribe|confirm|preferences)/[A-Za-z0-9_=-]+")
_SECRET = re.compile(
    r"(?i)\b((?:old_)?secrets?|passw(?:or)?d|authorization|token)\b(['\"]?\s*[=:]\s*)(?:(?:bearer|basic)\s+)?\S+"
)
_KEY = re.compile(
    r"(?i)([?&](?:[\w.-]*(?:token|secret|passw(?:or)?d|api-?_?key|signature)|pass|pwd|key|auth|sig)=)[^&#\s\"']+"
)
_IN_URL = re.compile(r"://[^\s/@]+@")


def masked(text: str) -> str:
    """`text` with the local parts of mail addresses, the tokens of links and secrets replaced by ***."""
    text = _ADDRESS.sub("***@", text)
    text = _IN_URL.sub("://***@", text)
    text = _KEY.sub(r"\1***", text)
    text = _TOKEN.sub(r"/\1/***", text)
    return _SECRET.sub(r"\1\2***", text)


class Masking(logging.Formatter):
    """Masks the finished line, so that arguments and tracebacks are covered too."""

    def format(self, record: logging.LogRecord) -> str:
        """The line as it is written."""
        return masked(super().format(record))


def start(verbose: int) -> None:
    """Send logs to stderr: warnings; with 1 what happens; with 2 everything. Replaces what was set before."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Masking("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=_LEVELS[min(verbose, 2)], handlers=[handler], force=True)


def traceback(error: BaseException) -> None:
    """Write where `error` came from."""
    logging.getLogger("digest").error("%s", type(error).__name__, exc_info=error)
