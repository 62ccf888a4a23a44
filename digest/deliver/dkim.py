"""DKIM signatures (RFC 6376, 8301, 8463): relaxed/relaxed, every name of A-DK1, no l=. Pure.

Equal messages have equal signatures: t= is the message's own Date, and both algorithms are deterministic, so that a
second copy equals the first. Relaxed canonicalisation goes line by line, so pieces that end at a line's end are made
canonical once and joined for each reader.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

_LEAST_BITS, _GOOD_BITS, _MOST_BITS = 1024, 2048, 4096  # RFC 8301 section 3.2
_SIGNED = frozenset(
    {
        *("from", "reply-to", "sender", "subject", "date", "to", "cc", "message-id", "in-reply-to", "references"),
        *("mime-version", "content-type", "content-transfer-encoding", "list-id", "list-help", "list-unsubscribe"),
        *("list-unsubscribe-post", "list-subscribe", "list-post", "list-owner", "list-archive", "feedback-id"),
        *("cfbl-address", "cfbl-feedback-id"),
    }
)
# Named once more than they are there, so that another one added on the way breaks the signature (RFC 6376 8.15).
_OVERSIGNED = (
    *("from", "to", "subject", "date", "reply-to", "content-type"),
    *("list-unsubscribe", "list-unsubscribe-post"),
)


@dataclass(frozen=True)
class Key:
    """A private key and where its public half is published: SELECTOR._domainkey.DOMAIN."""

    domain: str
    selector: str
    private: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

    @property
    def algorithm(self) -> str:
        """The value of a=."""
        return "rsa-sha256" if isinstance(self.private, rsa.RSAPrivateKey) else "ed25519-sha256"

    @property
    def record(self) -> str:
        """The TXT record that has to stand in the DNS."""
        public = self.private.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            form = serialization.PublicFormat.SubjectPublicKeyInfo
            return f"v=DKIM1; k=rsa; p={_b64(public.public_bytes(serialization.Encoding.DER, form))}"
        return f"v=DKIM1; k=ed25519; p={_b64(public.public_bytes_raw())}"

    @property
    def weakness(self) -> str | None:
        """What is to be said against it, in a sentence, or None."""
        if isinstance(self.private, rsa.RSAPrivateKey) and self.private.key_size < _GOOD_BITS:
            return f"the DKIM key {self.selector} of {self.domain} has {self.private.key_size} bits, expected 2048"
        return None

    def sign(self, data: bytes) -> bytes:
        """The signature over `data`."""
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(data, padding.PKCS1v15(), hashes.SHA256())
        return self.private.sign(hashlib.sha256(data).digest())  # RFC 8463 section 3


def read_key(domain: str, selector: str, pem: bytes) -> Key:
    """The key in `pem`, without a password; ValueError with a sentence if it is none that may sign (A-DK5)."""
    try:
        private = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError) as error:
        raise ValueError("expected a private key in PEM, without a password") from error
    match private:
        case ed25519.Ed25519PrivateKey():
            return Key(domain, selector, private)
        case rsa.RSAPrivateKey(key_size=bits) if _LEAST_BITS <= bits <= _MOST_BITS:
            return Key(domain, selector, private)
        case rsa.RSAPrivateKey(key_size=bits):
            raise ValueError(f"the RSA key has {bits} bits, expected 2048 (at least 1024, at most 4096)")
    raise ValueError("expected an RSA or Ed25519 key")


def keys_for(keys: Sequence[Key], sender_domain: str) -> tuple[Key, ...]:
    """The keys whose domain is that of From, or a parent of it, so that the signature aligns (A-DK7)."""
    return tuple(key for key in keys if f".{sender_domain.lower()}".endswith(f".{key.domain.lower()}"))


def relaxed_body(lines: bytes) -> bytes:
    """Whole CRLF lines in canonical form, but for empty lines at the end of a body (RFC 6376 section 3.4.4)."""
    if b"\t" in lines:
        lines = lines.replace(b"\t", b" ")
    if b"  " in lines:
        lines = re.sub(rb" {2,}", b" ", lines)
    return lines.replace(b" \r\n", b"\r\n")


def relaxed_header(line: bytes) -> bytes:
    """A whole header with CRLF, folded or not, in canonical form with CRLF (RFC 6376 section 3.4.2)."""
    name, _, value = line.partition(b":")
    return name.strip().lower() + b":" + b" ".join(value.replace(b"\r\n", b"").split()) + b"\r\n"


def body_hash(canonical: Iterable[bytes]) -> str:
    """bh= of a body whose pieces are canonical already and end without an empty line."""
    whole = hashlib.sha256()
    for piece in canonical:
        whole.update(piece)
    return _b64(whole.digest())


def signatures(keys: Sequence[Key], head: bytes, bh: str, at: int) -> list[bytes]:
    """One DKIM-Signature header for each key over `head` (whole header lines, CRLF); `at`: UNIX seconds for t=."""
    lines = split_head(head)
    signed = [name for name, _ in lines if name in _SIGNED]
    chosen = [*signed, *_OVERSIGNED]
    data = selected(lines, chosen)
    return [_signature(key, data, _fields(key, chosen, bh, at)) for key in keys]


def split_head(head: bytes) -> list[tuple[str, bytes]]:
    """The headers in `head`, each with its name in lower case."""
    lines = re.findall(rb"[^\r].*?\r\n(?![ \t])", head, re.DOTALL)
    return [(line.partition(b":")[0].strip().lower().decode(), line) for line in lines]


def selected(lines: Sequence[tuple[str, bytes]], chosen: Iterable[str]) -> bytes:
    """The canonical headers that h= names, of equal names the lowest first; one that is not there adds nothing."""
    left: dict[str, list[bytes]] = {}
    for name, line in lines:
        left.setdefault(name, []).append(line)
    return b"".join(relaxed_header(left[name].pop()) for name in chosen if left.get(name))


def _fields(key: Key, chosen: Sequence[str], bh: str, at: int) -> bytes:
    start = f"v=1; a={key.algorithm}; c=relaxed/relaxed; d={key.domain};"
    lines = [f"DKIM-Signature: {start}", f" s={key.selector}; t={at}; bh={bh};", f" h={chosen[0]}"]
    for name in chosen[1:]:
        if len(lines[-1]) + len(name) + 2 > 76:
            lines[-1] += ":"
            lines.append(f"  {name}")
        else:
            lines[-1] += f":{name}"
    return ("\r\n".join(lines) + ";\r\n b=").encode()


def _signature(key: Key, data: bytes, fields: bytes) -> bytes:
    signature = _b64(key.sign(data + relaxed_header(fields).removesuffix(b"\r\n"))).encode()
    return fields + b"\r\n ".join(signature[i : i + 72] for i in range(0, len(signature), 72)) + b"\r\n"


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
