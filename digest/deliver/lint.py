"""A message held against the standards: every message of every test goes through here, and `digest inspect email`.

Rows are those of the standards in docs/standards.md: F format, H list and automation headers. What a message must
carry follows from what it is: an issue (it has a List-Id or Feedback-ID), a letter that can be declined (it has
List-Unsubscribe alone), or a notice to staff.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from digest.deliver.opened import Address, Opened, addresses, encoded_word, links_and_words, opened, unstructured
from digest.templating import rows
from digest.templating.rows import Mail

_ONCE = ("Sender", "Reply-To", "To", "Cc", "Message-ID", "In-Reply-To", "References", "Subject")
_LISTS = ("List-Help", "List-Subscribe", "List-Owner", "List-Archive", "List-Post")
_FORBIDDEN = (
    "Return-Path",
    "Received",
    "Delivered-To",
    "Errors-To",
    "Disposition-Notification-To",
    "X-Mailer",
    "X-Originating-IP",
)
_PHRASES = ("From", "To", "Cc", "Reply-To", "Sender", "List-Id")
_BRACKETED = ("Message-ID", "List-Id", "List-Unsubscribe", *_LISTS, "In-Reply-To", "References")
_MAY_ENCODE = frozenset({"subject", *map(str.lower, _PHRASES)})
_WITH_BRACKETS = frozenset(map(str.lower, _BRACKETED + _PHRASES))
_NEVER = frozenset(map(str.lower, _FORBIDDEN))
_DATE = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\d{1,2}) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) (\d{4})"
    r" ([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60) [+-](0\d|1[0-4])[0-5]\d",
)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MESSAGE_ID = re.compile(r"<([A-Za-z0-9._+-]+)@([A-Za-z0-9.-]+)>")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ \t-]*")
_QUOTED = re.compile(r'"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\[\x20-\x7e])*"')
_TAGS = re.compile(r"</?(?:!doctype|html|head|body|table|tr|td|div|p|span|br|img|style|a)\b[^>]*>", re.IGNORECASE)
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_VISIBLE_WITHIN = 90_000  # octets of HTML: below it some readers clip


@dataclass(frozen=True)
class Failure:
    """A row of the standards that the message breaks, and how."""

    row: str
    what: str


def lint(raw: bytes, *, loopback: bool = False, smtputf8: bool = False) -> list[Failure]:
    """Every row that `raw`, as it stood on the wire, breaks; empty for a good message.

    With `loopback`, one-click links may be http on a loopback host (H-01). With `smtputf8`, the address in To may
    hold UTF-8 (F-22).
    """
    message = opened(raw)
    found = [Failure(row, what) for check in _CHECKS for row, what in check(message)]
    found += [
        Failure(row, what) for row, what in (*_wire(raw), *_one_click(message, loopback), *_naked(message, smtputf8))
    ]
    return sorted(set(found), key=lambda failure: (failure.row, failure.what))


def inspect_email(name: str, raw: bytes, *, loopback: bool = False) -> dict[str, Any]:
    """What `digest inspect email` says of one message, the rows A of its look among it."""
    message = opened(raw)
    html = message.text("text/html")
    return {
        "input": name,
        "failures": [
            {"row": failure.row, "what": failure.what} for failure in (*_looks(message), *lint(raw, loopback=loopback))
        ],
        "html_bytes": len(html.encode()),
        "links": links_and_words(html)[0],
    }


def _looks(message: Opened) -> list[Failure]:
    html, text = message.text("text/html"), message.text("text/plain")
    subject = unstructured(message.value("Subject"))
    seen = Mail(subject, html, text, issue=_is_issue(message))
    return [Failure(row, what) for row, what in rows.failures(seen)]


def recipient(raw: bytes) -> str:
    """The one address in To, or the empty string if there is not exactly one."""
    found = addresses(opened(raw).value("To"))
    return found[0].address if len(found) == 1 else ""


Found = Iterator[tuple[str, str]]


def _wire(raw: bytes) -> Found:
    lines = raw.split(b"\r\n")
    if re.search(rb"\r(?!\n)|(?<!\r)\n", raw):
        yield "F-02", "a bare CR or LF"
    if longest := max(map(len, lines)):
        if longest > 998:
            yield "F-01", f"a line of {longest} octets"
        head = lines.index(b"") if b"" in lines else len(lines)
        if (body := max(map(len, lines[head:]), default=0)) > 76:
            yield "F-01", f"a body line of {body} octets"


def _counts(message: Opened) -> Found:
    for name in ("From", "Date"):
        if (count := len(message.all(name))) != 1:
            yield "F-03", f"{name}: expected once, found {count} times"
    for name in _ONCE:
        if (count := len(message.all(name))) > 1:
            yield "F-03", f"{name}: expected at most once, found {count} times"
    if message.all("Bcc"):
        yield "F-26", "Bcc is on the wire"
    if message.all("Cc") or len(addresses(message.value("To"))) != 1:
        yield "F-26", "expected exactly one recipient in To"
    versions = [field.value for field in message.all("MIME-Version")]
    if versions != ["1.0"]:
        yield "F-17", f"MIME-Version: expected 1.0 once, found {versions}"
    for field in message.fields:
        if field.name.lower() in _NEVER:
            yield "H-23", f"{field.name} is not ours to add"


def _sender(message: Opened) -> Found:
    people = addresses(message.value("From"))
    if message.all("From") and len([one for one in people if one.address]) != 1:
        yield "F-04", "From: expected exactly one mailbox"


def _date(message: Opened) -> Found:
    value = message.value("Date")
    found = _DATE.fullmatch(value)
    if not message.all("Date"):
        return
    if not found or value.endswith("-0000"):
        yield "F-05", f"Date: expected the form of RFC 5322 with a numeric zone, got {value!r}"
        return
    try:
        day = date(int(found[4]), _MONTHS.index(found[3]) + 1, int(found[2]))
    except ValueError:
        yield "F-05", f"Date: there is no such day: {value!r}"
        return
    if _DAYS[day.weekday()] != found[1] or day.year < 1900:
        yield "F-05", f"Date: {found[1]} is not the day of the week of {day}"


def _message_id(message: Opened) -> Found:
    value = message.value("Message-ID")
    found = _MESSAGE_ID.fullmatch(value)
    if not found or len(value) > 250:
        yield "F-07", f"Message-ID: expected one <id@domain>, got {value[:80]!r}"
        return
    local = addresses(message.value("To"))[:1]
    told = local[0].address.rpartition("@")[0].lower() if local else ""
    left = found[1].lower()
    if told and (told in re.split(r"[._+-]", left) or (len(told) > 5 and told in left)):
        yield "F-09", "Message-ID tells the recipient's address"
    if len(left) < 16 or left.isdecimal():
        yield "F-09", "Message-ID can be guessed or counted"


def _names_and_folds(message: Opened) -> Found:
    for field in message.fields:
        if not re.fullmatch(r"[!-9;-~]+", field.name):
            yield "F-10", f"header name {field.name[:40]!r}"
        lines = field.raw.split("\r\n")
        if any(not line.strip(" \t") for line in lines[1:]) or (len(lines) > 1 and not lines[0].strip(" \t")):
            yield "F-11", f"{field.name}: a line of white space only"
        strung = field.name.lower() != "subject" and re.search(r'"(?:[^"\\]|\\.)*\r\n(?:[^"\\]|\\.)*"', field.raw)
        brackets = field.name.lower() in _WITH_BRACKETS
        if strung or (brackets and re.search(r"<[^>]*\r\n", field.raw)):
            yield "F-11", f"{field.name}: folded inside a URI, an id, an address or a quoted string"
        if field.name.lower() in _MAY_ENCODE and max(map(len, lines[1:]), default=0) > 78:
            yield "F-01", f"{field.name}: a folded line of more than 78"
    if len(message.head) > 8192:
        yield "F-12", f"the headers have {len(message.head)} octets, expected at most 8192"


def _encoded_words(message: Opened) -> Found:
    for field in message.fields:
        for line in f"{field.name}:{field.raw}".split("\r\n"):
            words = [word.strip('<>",') for word in line.split() if "=?" in word]
            if words and len(line) > 76:
                yield "F-13", f"{field.name}: a line of {len(line)} with an encoded-word"
            if any(len(word) > 75 or encoded_word(word) is None for word in words):
                yield "F-13", f"{field.name}: an encoded-word that is too long or not whole utf-8"
        allowed = field.name.lower() in _MAY_ENCODE
        closed = re.search(r'<[^>]*=\?|"(?:[^"\\]|\\.)*=\?', field.value) if field.name.lower() != "subject" else None
        if "=?" in field.value and (not allowed or closed):
            yield "F-14", f"{field.name}: an encoded-word where none may stand"


def _display_names(message: Opened) -> Found:
    for name in ("From", "To", "Reply-To", "Sender"):
        for field in message.all(name):
            for one in addresses(field.value):
                if not _good_phrase(one):
                    yield "F-15", f"{name}: the name {one.phrase[:60]!r} is neither plain, quoted nor encoded"


def _good_phrase(one: Address) -> bool:
    if "=?" in one.phrase:
        return all(encoded_word(word) is not None for word in one.phrase.split())
    return bool(_ATOMS.fullmatch(one.phrase) or _QUOTED.fullmatch(one.phrase))


def _parts(message: Opened) -> Found:
    kinds = [part.kind for part in message.parts]
    if not message.value("Content-Type").lower().startswith("multipart/alternative") or kinds != [
        "text/plain",
        "text/html",
    ]:
        yield "F-18", f"expected multipart/alternative of text/plain and text/html, got {kinds}"
        return
    for part in message.parts:
        if part.charset != "utf-8" or part.text is None:
            yield "F-20", f"{part.kind}: the bytes are not {part.encoding} in utf-8"
        if part.encoding == "quoted-printable":
            yield from _quoted_printable(part.kind, part.body)
    if _is_readable(message):
        yield from _same_content(message)


def _is_readable(message: Opened) -> bool:
    kinds = [part.kind for part in message.parts]
    return kinds == ["text/plain", "text/html"] and all(part.text is not None for part in message.parts)


def _quoted_printable(kind: str, body: bytes) -> Found:
    for line in body.split(b"\r\n"):
        if len(line) > 76 or line.endswith((b" ", b"\t")) or re.search(rb"=(?![0-9A-F]{2}|\Z)", line):
            yield "F-21", f"{kind}: {line[:76]!r} is not quoted-printable"
            return


def _same_content(message: Opened) -> Found:
    text, html = message.text("text/plain"), message.text("text/html")
    links, words = links_and_words(html)
    if not text.strip() or not html.strip():
        yield "F-18", "an empty part"
    if missing := [link for link in links if not link.startswith("#") and link not in text]:
        yield "F-18", f"the text part lacks {len(missing)} links of the HTML, the first is {missing[0][:120]}"
    if _is_issue(message) and len(text.strip()) < 200:
        yield "F-18", f"the text part of an issue has {len(text.strip())} characters, expected 200"
    # A headline may speak of tags: then the HTML shows the same words, on one line.
    folded = " ".join(words.split())
    if tags := [tag for tag in _TAGS.findall(text) if " ".join(tag.split()) not in folded]:
        yield "F-18", f"the text part has HTML: {tags[0][:60]}"


def _boundary(message: Opened) -> Found:
    if not message.value("Content-Type").lower().startswith("multipart/"):
        return
    if not _BOUNDARY.fullmatch(message.boundary):
        yield "F-19", f"boundary {message.boundary[:80]!r}"
    elif not message.closed:
        yield "F-19", "the closing boundary is missing"
    elif message.body.count(b"--" + message.boundary.encode()) != len(message.parts) + 1:
        yield "F-19", "the boundary occurs in a part"


def _naked(message: Opened, smtputf8: bool) -> Found:
    for field in message.fields:
        spared = smtputf8 and field.name.lower() == "to" and re.sub(r"<[^<>\s]+>\Z", "", field.value).isascii()
        if not f"{field.name}{field.raw}".isascii() and not spared:
            yield "F-22", f"{field.name}: 8-bit octets"


def _is_issue(message: Opened) -> bool:
    return any(message.all(name) for name in ("List-Id", "Feedback-ID", *_LISTS))


def _one_click(message: Opened, loopback: bool) -> Found:
    fields = message.all("List-Unsubscribe")
    if not fields and not message.all("List-Unsubscribe-Post") and not _is_issue(message):
        return
    if [field.value for field in message.all("List-Unsubscribe-Post")] != ["List-Unsubscribe=One-Click"]:
        yield "H-02", "List-Unsubscribe-Post: expected List-Unsubscribe=One-Click, once"
    uris = _uris(fields[0].value) if len(fields) == 1 else None
    if not uris or not _is_web(uris[0], loopback) or any(not uri.startswith("mailto:") for uri in uris[1:]):
        yield "H-01", "List-Unsubscribe: expected once, with exactly one https URI, first"
        return
    if not _is_readable(message):
        return  # F-18 and F-20 say so
    text, html = message.text("text/plain"), message.text("text/html")
    near = html.encode()[:_VISIBLE_WITHIN].decode("utf-8", "ignore")
    if uris[0] not in text or uris[0] not in links_and_words(near)[0]:
        yield "H-14", "the link of List-Unsubscribe is not in both parts of the body"


def _uris(value: str) -> list[str] | None:
    if not re.fullmatch(r"<[!-;=?-~]+>(?:,\s*<[!-;=?-~]+>)*", value):
        return None
    return re.findall(r"<([^>]*)>", value)


def _is_web(uri: str, loopback: bool) -> bool:
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and loopback and _is_loopback(host)))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _list_headers(message: Opened) -> Found:
    if not _is_issue(message):
        return
    ids = [field.value for field in message.all("List-Id")]
    if len(ids) != 1 or len(ids[0]) > 255 or not re.search(r"(?:^|[ \t])<[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+>\Z", ids[0]):
        yield "H-15", f"List-Id: expected `phrase <label.domain>` once, got {ids}"
    for name in _LISTS:
        values = [field.value for field in message.all(name)]
        if len(values) > 1 or (values and values != ["NO"] and _uris(values[0]) is None):
            yield "H-16", f"{name}: expected at most once, with URIs in angle brackets"
    if message.value("List-Post") not in ("", "NO"):
        yield "H-16", "List-Post: expected NO"
    yield from _feedback_id(message)


def _feedback_id(message: Opened) -> Found:
    values = [field.value for field in message.all("Feedback-ID")]
    parts = values[0].split(":") if values else []
    filled = [part for part in parts if part]
    good = len(values) == 1 and 1 < len(parts) <= 4 and 5 <= len(parts[-1]) <= 15 and len(set(filled)) == len(filled)
    if not good or not re.fullmatch(r"[!-~]+", values[0]):
        yield "H-21", f"Feedback-ID: expected a:b:c:SenderId once, got {values}"


def _automation(message: Opened) -> Found:
    if [field.value for field in message.all("Auto-Submitted")] != ["auto-generated"]:
        yield "H-18", "Auto-Submitted: expected auto-generated, once"
    if [field.value for field in message.all("Precedence")] != ["bulk"]:
        yield "H-19", "Precedence: expected bulk, once"
    if [field.value for field in message.all("X-Auto-Response-Suppress")] != ["OOF, AutoReply"]:
        yield "H-19", "X-Auto-Response-Suppress: expected OOF, AutoReply, once"


_CHECKS: tuple[Callable[[Opened], Found], ...] = (
    _counts,
    _sender,
    _date,
    _message_id,
    _names_and_folds,
    _encoded_words,
    _display_names,
    _parts,
    _boundary,
    _list_headers,
    _automation,
)
