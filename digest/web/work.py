"""Proof of work: a sign-up shows that its browser counted for about a second, so that a million cost a million (S-B15).

Pure, and without a third party: the number is looked for by form.js and checked here by one hash. It holds for one
form, shown once, and one address.
"""

from __future__ import annotations

import hashlib
import re

BITS = 15  # zeros that the hash begins with: 32,768 tries in the middle


def proven(shown: str, email: str, number: str, bits: int = BITS) -> bool:
    """Whether SHA-256 of "shown:email:number" begins with that many zero bits."""
    if not re.fullmatch("[0-9]{1,15}", number):
        return False
    digest = hashlib.sha256(f"{shown}:{email}:{number}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - bits) == 0
