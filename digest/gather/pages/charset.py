"""Bytes of a page to text: HTTP charset, byte order mark, `<meta charset>`; UTF-8 wins where the bytes are it."""

from __future__ import annotations

import re

from digest.gather.feeds.charset import decode

_META = re.compile(rb"""<meta[^>]{0,300}?charset\s*=\s*["']?\s*([A-Za-z0-9._:-]{1,40})""", re.I)
_NAMED = re.compile(r"charset\s*=", re.I)
_LOOKED_AT = 100_000  # bytes; a browser looks at 1,024, newsrooms put scripts before it


def page_text(body: bytes, content_type: str | None) -> str:
    """The text of `body`; never fails, what can't be read becomes U+FFFD."""
    if not _NAMED.search(content_type or ""):
        found = _META.search(body, 0, _LOOKED_AT)
        if found and not found[1].lower().startswith(b"utf-16"):
            content_type = f"text/html; charset={found[1].decode()}"
    return decode(body, content_type)[0].replace("\0", "")
