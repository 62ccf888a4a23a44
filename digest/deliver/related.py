"""Pictures that travel in the message: a multipart/related of the HTML and them (RFC 2387). Pure."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

_SHOWN = re.compile(r'src="[^"]*/images/([0-9a-f]{64}\.(?:jpg|png))"')
_PICTURES = {"jpg": "image/jpeg", "png": "image/png"}


@dataclass(frozen=True)
class Enclosed:
    """A picture that travels in the message; `name` is its file on our pages, "<sha256>.jpg" or ".png"."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Related:
    """The HTML as it stands in the message, and what stands around it; without pictures nothing does."""

    html: str
    boundary: str = ""
    after: bytes = b""

    def before(self, outer: str) -> bytes:
        """The delimiter and head of the multipart/related, whose root is the HTML."""
        if not self.boundary:
            return b""
        kind = f'multipart/related; type="text/html";\r\n boundary="{self.boundary}"'
        return f"--{outer}\r\nContent-Type: {kind}\r\n\r\n".encode()


def related_to(html: str, pictures: Sequence[Enclosed], word: str, domain: str) -> Related:
    """The `html` that shows these pictures by cid: instead of their address on our pages, and their parts.

    `word` is the issue's random one, that no picture can imitate; `domain` is that of From.
    """
    if not pictures:
        return Related(html)
    mark = hashlib.sha256(f"related\0{word}".encode()).hexdigest()[:24]
    boundary = f"=_{mark}"
    ids = {one.name: f"{one.name[:32]}@{domain}" for one in pictures}
    shown = _SHOWN.sub(lambda found: f'src="cid:{ids[found[1]]}"' if found[1] in ids else found[0], html)
    parts = (_part(boundary, one, ids[one.name]) for one in pictures)
    return Related(shown, boundary, b"".join((*parts, f"\r\n--{boundary}--".encode())))


def _part(boundary: str, picture: Enclosed, content_id: str) -> bytes:
    stem, _, suffix = picture.name.rpartition(".")
    head = (
        f"\r\n--{boundary}\r\nContent-Type: {_PICTURES[suffix]}\r\nContent-Transfer-Encoding: base64\r\n"
        f"Content-ID: <{content_id}>\r\n"
        f'Content-Disposition: inline; filename="{stem[:12]}.{suffix}"\r\n\r\n'
    )
    lines = base64.encodebytes(picture.content).rstrip(b"\n").replace(b"\n", b"\r\n")  # of 76 (RFC 2045)
    return head.encode() + lines
