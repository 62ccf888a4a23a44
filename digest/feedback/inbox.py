"""A message as it arrives: which tokens it carries, and whether a machine answered. Pure; only its headers are read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.parser import BytesHeaderParser

LONGEST_HEAD = 256 * 1024  # octets that are looked at
_MOST = 20  # tokens that are believed to be some

_RECIPIENTS = ("Delivered-To", "X-Original-To", "Envelope-To", "To", "Cc")
_TOKEN = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{38,200}(?![A-Za-z0-9_-])")
_TAGGED = re.compile(r"\+([A-Za-z0-9_-]{38,60})@")
_ANSWERS = ("x-autoreply", "x-autorespond", "x-autoresponse", "x-failed-recipients")


@dataclass(frozen=True)
class Arrived:
    """What a message says to us; `automatic` is true of auto-replies and bounces, which ask for nothing."""

    tokens: tuple[str, ...] = ()
    automatic: bool = False


def read(message: bytes) -> Arrived:
    """What `message` says: never an error, whatever the octets are.

    A token stands in the subject, or in a recipient as leave+TOKEN@example.org.
    """
    head = re.split(rb"\r?\n\r?\n", message[:LONGEST_HEAD], maxsplit=1)[0]
    fields = BytesHeaderParser().parsebytes(head + b"\n\n")
    found = dict.fromkeys([*_tagged(fields), *_TOKEN.findall(_subject(fields))])
    return Arrived(tuple(found)[:_MOST], _is_automatic(fields))


def _tagged(fields: Message) -> Iterator[str]:
    for name in _RECIPIENTS:
        for value in fields.get_all(name, []):
            yield from _TAGGED.findall(str(value))


def _subject(fields: Message) -> str:
    raw = str(fields.get("Subject", ""))
    try:
        parts = decode_header(raw)
        return "".join(part if isinstance(part, str) else part.decode(code or "latin-1") for part, code in parts)
    except (MessageError, ValueError, LookupError):  # words that can't be decoded: as they stand
        return raw


def _is_automatic(fields: Message) -> bool:
    """Auto-replies (RFC 3834) and reports (RFC 6522). A provider's own unsubscribe mail is "auto-generated": a wish."""
    answered = str(fields.get("Auto-Submitted", "")).strip().lower().startswith(("auto-replied", "auto-notified"))
    nobody = str(fields.get("Return-Path", "")).replace(" ", "") == "<>"
    report = fields.get_content_type() == "multipart/report"
    old = str(fields.get("Precedence", "")).strip().lower() in ("auto_reply", "auto-reply")
    return answered or nobody or report or old or any(name in fields for name in _ANSWERS)
