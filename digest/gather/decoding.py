"""Compressed bodies, decoded under a cap on size and ratio (S-F4): pure, piece by piece."""

from __future__ import annotations

import zlib

RATIO = 100
FREE = 1_000_000  # bytes before the ratio counts: small feeds may compress well
_STEP = 262_144


class TooLarge(Exception):
    """The body is larger than allowed, or grows too much."""


class Undecodable(Exception):
    """The body is not what its Content-Encoding says."""


class Decoder:
    """Feeds pieces to one content coding (identity, gzip or deflate); never holds more than the cap."""

    def __init__(self, coding: str, max_received: int, max_decoded: int) -> None:
        coding = coding.strip().lower()
        if coding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise Undecodable(f"it is encoded as {coding[:40]!r}, which was not asked for")
        self._coding = coding
        self._max_received, self._max_decoded = max_received, max_decoded
        self._inflater: zlib._Decompress | None = None
        self._received = 0
        self._decoded: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> None:
        """Takes the next piece. TooLarge or Undecodable end it."""
        self._received += len(piece)
        if self._received > self._max_received:
            raise TooLarge(f"it is larger than {self._max_received:,} bytes")
        if self._coding in ("", "identity"):
            self._keep(piece)
            return
        if self._inflater is None:
            self._inflater = zlib.decompressobj(self._window(piece))
        try:
            while piece and not self._inflater.eof:
                self._keep(self._inflater.decompress(piece, _STEP))
                piece = self._inflater.unconsumed_tail
        except zlib.error as error:
            raise Undecodable(f"its compressed body is damaged ({error})") from error

    def result(self) -> bytes:
        """The whole body."""
        if self._inflater is not None and not self._inflater.eof:
            raise Undecodable("its compressed body is cut short")
        return b"".join(self._decoded)

    def so_far(self) -> bytes:
        """What is unpacked by now."""
        return b"".join(self._decoded)

    def _window(self, piece: bytes) -> int:
        if self._coding != "deflate":
            return 16 + zlib.MAX_WBITS
        # RFC 9110 means the zlib format; some servers send it bare.
        return zlib.MAX_WBITS if piece[:1] and piece[0] & 0x0F == 8 else -zlib.MAX_WBITS

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._max_decoded:
            raise TooLarge(f"it is larger than {self._max_decoded:,} bytes once unpacked")
        if self._size > FREE and self._size > RATIO * self._received:
            raise TooLarge(f"it unpacks to more than {RATIO} times its size")
        self._decoded.append(piece)
