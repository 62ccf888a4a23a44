"""Names and words as they are compared. Pure."""

from __future__ import annotations

import unicodedata


def folded(text: str) -> str:
    """`text` without letters' case, compatibility forms and needless space: "ﬁne  ART" is "fine art"."""
    if text.isascii():  # which has no other forms
        return " ".join(text.lower().split())
    plain = unicodedata.normalize("NFKC", text)
    return " ".join(unicodedata.normalize("NFKC", plain.casefold()).split())
