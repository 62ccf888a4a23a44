"""The message as bytes: pure and deterministic, so that a second copy of a mail equals the first, byte for byte.

multipart/alternative, text first, both parts quoted-printable: 7-bit lines of at most 76. Where pictures travel with it
the HTML is a multipart/related with them (RFC 2387). The static pieces of a variant are encoded once (`prepare`);
blanks are filled per reader between soft line breaks (`build`).
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import html
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from itertools import chain, groupby

from digest.blanks import Blank, fill, named, pattern
from digest.config import Config
from digest.deliver import dkim, headers
from digest.deliver.related import Enclosed, related_to
from digest.fields import Field, defaults
from digest.links import Links
from digest.models import Issue
from digest.templating.text import paragraphs, wrapped
from subscribers.models import MailingList

_MAILBOX = re.compile(r"\s*(?P<name>[^<>]*?)\s*<(?P<address>[^<>\s]+@[^<>\s@]+)>\s*|\s*(?P<bare>[^<>\s]+@[^<>\s@]+)\s*")
_PLAIN = re.compile(
    r"(?!\.\Z)(?:[!-<>-~](?:[ -<>-~]{0,72}[!-<>-~])?|[!-<>-~]{75,})"
)  # nothing quoted-printable has to encode
_NAME_LIMIT = 200  # characters; keeps the header section below 8 KB (F-12)


@dataclass(frozen=True)
class Mailbox:
    """A name and an address as [mail] from says them: "Name <address>", or the address alone."""

    name: str
    address: str

    @property
    def domain(self) -> str:
        """The domain of the address, as A-label (F-24)."""
        return self.address.rpartition("@")[2]


@dataclass(frozen=True)
class Stationery:
    """What all readers of a variant get: rendered, with blanks marked by `blank_word`.

    The HTML shows every picture by its address on our pages, those of `enclosed`, too: only the message says cid:.
    """

    subject: str
    html: str
    text: str
    headers: Mapping[str, str]
    blank_word: str
    fields: tuple[Field, ...] = ()  # by their numbers
    enclosed: tuple[Enclosed, ...] = ()

    @property
    def defaults(self) -> tuple[str, ...]:
        """What the fields are to a reader of whom nothing is known."""
        return defaults(self.fields)


@dataclass(frozen=True)
class Reader:
    """Who one copy is for; `values` fill the blanks, `unsubscribe` is the one-click URI (None: a notice to staff).

    `by_mail` is the mailto: that does the same, "" for none.
    """

    address: str
    name: str
    message_id: str
    unsubscribe: str | None
    values: Mapping[Blank, str]
    by_mail: str = ""
    fields: tuple[str, ...] | None = None  # what fills the merge fields; None: their defaults


@dataclass(frozen=True)
class Line:
    """A paragraph of the text part with merge fields, as one line: it is broken when they are filled."""

    template: str


Piece = bytes | Blank | int | Line  # an int is the number of a merge field


@dataclass(frozen=True)
class Prepared:
    """A variant with all encoded that its readers share. Pieces of bytes start and end a line, others are filled."""

    stationery: Stationery
    boundary: str
    sender: bytes  # header lines, in the order they are written: between these stand the reader's own
    subject: bytes | None  # None: it has blanks
    standing: bytes
    last: bytes
    opening: bytes  # from here on it is the body
    text: tuple[Piece, ...]
    between: bytes
    html: tuple[Piece, ...]
    end: bytes
    keys: tuple[dkim.Key, ...] = ()

    @cached_property
    def canonical(self) -> Prepared:
        """The same with its pieces as DKIM hashes them."""
        text, html = (
            tuple(dkim.relaxed_body(piece) if isinstance(piece, bytes) else piece for piece in pieces)
            for pieces in (self.text, self.html)
        )
        return replace(self, text=text, html=html)

    @cached_property
    def signed_at(self) -> int:
        """The Date in UNIX seconds: the t= of every signature."""
        return int(parsedate_to_datetime(self.stationery.headers["Date"]).timestamp())


def parse_mailbox(text: str) -> Mailbox:
    """The one mailbox in `text`, its domain as A-label; ValueError if there is none, or more than one (F-04)."""
    found = _MAILBOX.fullmatch(text)
    name = (found["name"] or "") if found else ""
    quoted = re.fullmatch(r'"((?:[^"\\]|\\.)*)"', name)
    if not found or (not quoted and re.search(r'[,;"]', name)):
        raise ValueError(f"expected one mailbox like Name <name@example.org>, got {text!r}")
    local, _, domain = (found["address"] or found["bare"]).rpartition("@")
    name = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else name
    return Mailbox(name, f"{local}@{a_label(domain)}")


def a_label(domain: str) -> str:
    """`domain` as it goes on the wire: lower case, IDNA 2008 with UTS 46 mapping, not transitional (F-24)."""
    import idna

    if domain.isascii():
        return domain.lower()
    if len(domain) > 253:  # idna is slow on long input (CVE-2024-3651)
        raise ValueError("a domain has at most 253 characters")
    return idna.encode(domain, uts46=True, transitional=False).decode()


def message_id(key: bytes, occasion: str, recipient: str, domain: str) -> str:
    """The Message-ID of `occasion` for `recipient` (a subscriber's id): always the same, and telling nothing (F-09)."""
    mac = hmac.digest(key, f"digest message v1\0{occasion}\0{recipient}".encode(), hashlib.sha256)
    return f"<{mac[:16].hex()}@{domain}>"


def sender(config: Config, mailing_list: MailingList | None) -> Mailbox:
    """Whom mail to this list is from: the list's own mailbox, else [mail] from."""
    return parse_mailbox((mailing_list.sender if mailing_list else None) or config.mail.sender)


def letter_headers(config: Config, mailing_list: MailingList | None, date: datetime) -> dict[str, str]:
    """The standing headers of a letter (confirm mail, notice): who it is from, and that nobody should answer it."""
    own = sender(config, mailing_list)
    reply_to = (mailing_list.reply_to if mailing_list else None) or config.mail.reply_to
    return {
        "From": headers.mailbox(own.name[:_NAME_LIMIT], own.address),
        **({"Reply-To": _written(reply_to)} if reply_to else {}),
        "Date": headers.date_time(date),
        "Auto-Submitted": "auto-generated",
        "Precedence": "bulk",
        "X-Auto-Response-Suppress": "OOF, AutoReply",
    }


def standing_headers(
    config: Config, links: Links, mailing_list: MailingList, issue: Issue, date: datetime
) -> dict[str, str]:
    """The headers that all readers of an issue share, as wire values: stored with the variant, `date` for ever (F-06).

    `issue` needs its id and edition_id only.
    """
    domain = parse_mailbox(config.mail.sender).domain
    subscribe = {"List-Subscribe": f"<{links.subscribe()}>"} if mailing_list.public else {}
    return {
        **letter_headers(config, mailing_list, date),
        "List-Id": _list_id(mailing_list.id, mailing_list.title, domain),
        "List-Help": f"<{config.site.url}>",
        **subscribe,
        "List-Archive": f"<{links.archive()}>",
        "List-Post": "NO",
        "Feedback-ID": f"i{issue.id}:e-{_label(issue.edition_id)}:l-{_label(mailing_list.id)}:{_sender_id(domain)}",
    }


def _written(mailbox: str) -> str:
    parsed = parse_mailbox(mailbox)
    return headers.mailbox(parsed.name[:_NAME_LIMIT], parsed.address)


def _label(name: str) -> str:
    return re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-") or "list"


def _list_id(list_id: str, title: str, domain: str) -> str:
    # Identity is the part in brackets: from the id, so a new title changes nothing (H-15). At most 255 octets.
    identity = f"<{_label(list_id)}.{domain}>"
    shown = headers.phrase(headers.one_line(title, 40))
    return f"{shown} {identity}" if len(shown) + len(identity) < 250 else identity


def _sender_id(domain: str) -> str:
    return hashlib.sha256(domain.encode()).hexdigest()[:12]


def prepare(stationery: Stationery, keys: Sequence[dkim.Key] = ()) -> Prepared:
    """The variant with its static pieces encoded, for many calls of `build`; signed by those `keys` that fit From."""
    # "=_" can't occur in quoted-printable, so this boundary is in no part, whatever the articles say (F-19).
    mark = hashlib.sha256(f"boundary\0{stationery.blank_word}".encode()).hexdigest()[:24]
    boundary, standing = f"=_{mark}", dict(stationery.headers)
    domain = stationery.headers["From"].rpartition("@")[2].rstrip("> ").lower()
    related = related_to(stationery.html, stationery.enclosed, stationery.blank_word, domain)
    subject = headers.line("Subject", headers.unstructured(stationery.subject))
    multipart = ("Content-Type", f'multipart/alternative; boundary="{boundary}"')
    return Prepared(
        stationery,
        boundary,
        sender=headers.line("From", standing.pop("From")),
        subject=None if stationery.blank_word in stationery.subject else subject,
        standing=_lines(standing.items()),
        last=_lines([("MIME-Version", "1.0"), multipart]),
        opening=_part(boundary, "plain"),
        text=_lines_and_pieces(stationery),
        between=b"\r\n" + related.before(boundary) + _part(related.boundary or boundary, "html"),
        html=_pieces(related.html, stationery.blank_word),
        end=related.after + f"\r\n--{boundary}--\r\n".encode(),
        keys=dkim.keys_for(keys, domain),
    )


def _lines(fields: Iterable[tuple[str, str]]) -> bytes:
    return b"".join(headers.line(name, value) for name, value in fields)


def _part(boundary: str, kind: str) -> bytes:
    head = f'Content-Type: text/{kind}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'
    return f"--{boundary}\r\n{head}".encode()


def _lines_and_pieces(stationery: Stationery) -> tuple[Piece, ...]:
    """The text part: most of it as it is, but whole paragraphs where a field is, whose lines depend on its value."""
    word = stationery.blank_word
    if not stationery.fields:
        return _pieces(stationery.text, word)
    pieces: list[Piece] = []
    for personal, some in groupby(paragraphs(stationery.text), lambda lines: f"b{word}xf" in "".join(lines)):
        if personal:
            pieces += (Line(" ".join([first.rstrip("\n"), *map(str.strip, more)]) + "\n") for first, *more in some)
        else:
            pieces += _pieces("".join(chain.from_iterable(some)), word)
    return tuple(pieces)


def _pieces(template: str, word: str) -> tuple[Piece, ...]:
    split = re.split(pattern(word), template)
    return tuple(named(piece) if i % 2 else quoted_printable(piece) for i, piece in enumerate(split))


def quoted_printable(text: str) -> bytes:
    """`text` in quoted-printable, CRLF, lines <= 76, ending at a line's end: with a soft break if the text does not."""
    if _PLAIN.fullmatch(text):  # most names and links: the same bytes, sooner
        return b"".join(text[at : at + 75].encode() + b"=\r\n" for at in range(0, len(text), 75))
    plain = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace")
    if not plain:
        return b""
    encoded = binascii.b2a_qp(plain, istext=True)
    if not encoded.endswith(b"\n"):
        encoded += b"=\n"
    # b2a_qp lets a line grow beyond 76 when it ends in white space.
    return b"".join(_short(line) for line in encoded.split(b"\n")[:-1])


def _short(line: bytes) -> bytes:
    if len(line) <= 76:
        return line + b"\r\n"
    cut = 75 - next((back for back in (1, 2) if line[75 - back] == ord("=")), 0)
    return line[:cut] + b"=\r\n" + line[cut:] + b"\r\n"


def build(prepared: Prepared, reader: Reader) -> bytes:
    """The message for one reader: CRLF lines, 7-bit (but for an SMTPUTF8 address in To); equal input, equal bytes."""
    head = b"".join(
        (
            prepared.sender,
            headers.line("To", headers.mailbox(reader.name[:_NAME_LIMIT], reader.address)),
            prepared.subject or _subject(prepared.stationery, reader),
            headers.line("Message-ID", reader.message_id),
            prepared.standing,
            _one_click(reader.unsubscribe, reader.by_mail),
            prepared.last,
        )
    )
    return b"".join((*_signatures(prepared, reader, head), head, b"\r\n", *_body(prepared, reader, quoted_printable)))


def _signatures(prepared: Prepared, reader: Reader, head: bytes) -> list[bytes]:
    if not prepared.keys:
        return []
    body = _body(prepared.canonical, reader, lambda value: dkim.relaxed_body(quoted_printable(value)))
    return dkim.signatures(prepared.keys, head, dkim.body_hash(body), prepared.signed_at)


def _body(prepared: Prepared, reader: Reader, encode: Callable[[str], bytes]) -> Iterable[bytes]:
    text: dict[Piece, bytes] = {}
    markup: dict[Piece, bytes] = {}
    fields = _fields(prepared.stationery, reader)
    given: list[tuple[Blank | int, str]] = [*reader.values.items(), *enumerate(fields)]
    for name, value in given:
        plain = headers.one_line(value, 2000)
        escaped = html.escape(plain)
        text[name] = encode(plain)
        markup[name] = text[name] if escaped == plain else encode(escaped)
    if fields:
        word = prepared.stationery.blank_word
        lines = (piece for piece in prepared.text if isinstance(piece, Line))
        text |= {line: encode(wrapped(fill(line.template, word, reader.values, fields))) for line in lines}
    return (
        prepared.opening,
        *_filled(prepared.text, text),
        prepared.between,
        *_filled(prepared.html, markup),
        prepared.end,
    )


def _fields(stationery: Stationery, reader: Reader) -> tuple[str, ...]:
    return stationery.defaults if reader.fields is None else reader.fields


def _filled(pieces: tuple[Piece, ...], values: Mapping[Piece, bytes]) -> list[bytes]:
    return [piece if isinstance(piece, bytes) else values[piece] for piece in pieces]


def _subject(stationery: Stationery, reader: Reader) -> bytes:
    values = {**dict.fromkeys(Blank, ""), **reader.values}
    filled = fill(stationery.subject, stationery.blank_word, values, _fields(stationery, reader))
    return headers.line("Subject", headers.unstructured(filled))


def _one_click(uri: str | None, by_mail: str) -> bytes:
    if uri is None:
        return b""
    also = f", <{by_mail}>" if by_mail else ""
    return headers.line("List-Unsubscribe", f"<{uri}>{also}") + b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
