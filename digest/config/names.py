"""Kinds that name something outside: ids, hosts, addresses, URLs, zones, languages."""

from __future__ import annotations

import ipaddress
import re
import zoneinfo
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from digest.config.kinds import Kind, Wrong, shown, unprintable
from digest.timetable import parse_schedule

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL = re.compile(rf"{_ATOM}(\.{_ATOM})*")
_LANGUAGE = re.compile(r"([A-Za-z]{2,3})(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_MAILBOX = re.compile(
    r"""(?P<name>"(?:[^"\\]|\\.)*"|[^"<>,;:@()\[\]\\]*?)\s*<(?P<address>[^<>]*)>|(?P<bare>[^<>\s]+)""",
)
_LOCAL_SUFFIXES = (".localhost", ".local", ".internal", ".lan", ".home.arpa", ".test")

# Mail "from" these domains through another server fails their DMARC policy: the providers refuse it (P-09).
_FREEMAIL = (
    "gmail.com googlemail.com yahoo.com ymail.com aol.com outlook.com hotmail.com live.com msn.com icloud.com me.com "
    "mac.com gmx.com gmx.net gmx.de web.de t-online.de mail.ru yandex.ru yandex.com proton.me protonmail.com "
    "zoho.com qq.com 163.com 126.com orange.fr free.fr laposte.net wp.pl"
)


def _kind(expected: str, fits: Any) -> Kind:
    """A kind for strings: `fits` returns the value, or None when it does not fit."""

    def read(raw: Any) -> Any:
        value = fits(raw.strip()) if isinstance(raw, str) and not unprintable(raw) else None
        if value is None:
            raise Wrong(expected)
        return value

    return Kind(expected, read)


def _id(value: str) -> str | None:
    return value if len(value) <= 64 and _ID.fullmatch(value) else None


def _schedule(value: str) -> str | None:
    try:
        parse_schedule(value)
    except ValueError:
        return None
    return value


def _segment(raw: Any) -> str:
    if not isinstance(raw, str) or unprintable(raw):
        raise Wrong(_FILTER)
    if raw.strip():
        # With the tables of people behind it, which most commands do without.
        from subscribers.errors import BadFilter
        from subscribers.segments import parse

        try:
            parse(raw)
        except BadFilter as error:
            raise Wrong("a filter of people", f"{shown(raw)}, which can't be read: {error}") from None
    return raw.strip()


def as_ascii(host: str) -> str | None:
    """The host name in lower case as A-labels (UTS 46), or an IP address as it is; None when it is neither."""
    bare = host.removeprefix("[").removesuffix("]")
    if _ip(bare) is not None:
        return bare
    if not host.isascii():
        import idna

        try:
            host = idna.encode(host[:255], uts46=True).decode()
        except idna.IDNAError:
            return None
    labels = host.lower().removesuffix(".").split(".")
    fits = len(host) <= 253 and all(map(_LABEL.fullmatch, labels)) and not labels[-1].isdigit()
    return ".".join(labels) if fits else None


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether `host` can only be this machine: localhost, *.localhost, 127.0.0.0/8, ::1."""
    ip = _ip(host.removeprefix("[").removesuffix("]"))
    return ip.is_loopback if ip else host.lower() == "localhost" or host.lower().endswith(".localhost")


def is_private(host: str) -> bool:
    """Whether `host` is this machine or on a private network: private addresses, names without a public suffix."""
    ip = _ip(host.removeprefix("[").removesuffix("]"))
    if ip:
        return ip.is_loopback or ip.is_private or ip.is_link_local
    return "." not in host or host.lower().endswith(_LOCAL_SUFFIXES)


def _address(value: str) -> str | None:
    local, at, domain = value.rpartition("@")
    ascii_domain = as_ascii(domain) if at else None
    if ascii_domain is None or len(local) > 64 or not _LOCAL.fullmatch(local) or _ip(ascii_domain):
        return None
    return f"{local}@{ascii_domain}" if "." in ascii_domain or ascii_domain == "localhost" else None


def split_mailbox(value: str) -> tuple[str, str] | None:
    """`Name <address>` or `address` as (name without quotes, address); None when it is not exactly one mailbox."""
    found = _MAILBOX.fullmatch(value.strip())
    if not found or unprintable(value):
        return None
    address = _address((found["bare"] or found["address"]).strip())
    name = (found["name"] or "").strip()
    if name.startswith('"'):
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    return (name, address) if address else None


def _read_sender(raw: Any) -> str:
    split = split_mailbox(raw) if isinstance(raw, str) else None
    if split is None:
        raise Wrong(SENDER.expected)
    if split[1].rpartition("@")[2].lower() in _FREEMAIL.split():
        raise Wrong("an address at a domain of your own, as mailbox providers refuse theirs from other servers")
    return str(raw).strip()


def _mailbox(value: str) -> str | None:
    return value if split_mailbox(value) else None


def _read_zone(raw: Any) -> str:
    try:
        if isinstance(raw, str) and raw and not raw.startswith((".", "/")):
            return zoneinfo.ZoneInfo(raw).key
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        pass
    near = get_close_matches(str(raw), zoneinfo.available_timezones(), 1)
    raise Wrong(f"a time zone like {near[0] if near else 'Europe/Berlin'}")


def _language(value: str) -> str | None:
    if not _LANGUAGE.fullmatch(value):
        return None
    from babel import Locale, UnknownLocaleError

    try:
        Locale.parse(value, sep="-")
    except (UnknownLocaleError, ValueError):
        return None
    return value


def _url(value: str) -> str | None:
    try:
        parts = urlsplit(value)
        fits = parts.scheme in ("http", "https") and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        return None
    if not fits or " " in value or len(value) > 2000 or not parts.hostname or as_ascii(parts.hostname) is None:
        return None
    return value


def _https(value: str) -> str | None:
    return value if value.startswith("https://") and _url(value) else None


def _base(value: str) -> str | None:
    fits = _url(value) and urlsplit(value).path in ("", "/") and not {"?", "#"} & set(value)
    return value.rstrip("/") if fits else None


def _network(value: str) -> str | None:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        return None


def _bind(value: str) -> str | None:
    host, colon, port = value.rpartition(":")
    fits = colon and port.isdigit() and 0 <= int(port) <= 65535 and as_ascii(host)
    return value if fits else None


_FILTER = 'a filter of people on one line, like tag = vip and language = "de"'
ID = _kind("an id of letters, digits, hyphens and dots, at most 64 characters long", _id)
HOST = _kind("a host name or IP address", as_ascii)
DOMAIN = _kind(
    "a domain name like example.org", lambda value: None if _ip(value) or "." not in value else as_ascii(value)
)
ADDRESS = _kind("a mail address like news@example.org", _address)
SENDER = Kind('exactly one mailbox like "Name <news@example.org>" (a name with a comma in quotes)', _read_sender)
MAILBOX = _kind('one mailbox like "Name <news@example.org>"', _mailbox)
ZONE = Kind("a time zone like Europe/Berlin", _read_zone)
SCHEDULE = _kind('a schedule like "fri 07:00" or a cron line of five fields like "0 7 * * fri"', _schedule)
SEGMENT = Kind(_FILTER, _segment)
LANGUAGE = _kind('a language like "en" or "pt-BR"', _language)
URL = _kind("a URL like https://example.org/", _url)
FONT = _kind(
    "typefaces like Georgia,'Times New Roman',serif (letters, digits, commas, single quotes)",
    lambda value: value if re.fullmatch(r"[A-Za-z0-9 ,'-]{1,200}", value) and value.count("'") % 2 == 0 else None,
)
HTTPS = _kind("a URL that starts with https://", _https)
BASE = _kind("a URL of scheme and host alone, like https://news.example.org", _base)
NETWORK = _kind("an IP address or network like 10.0.0.0/8", _network)
BIND = _kind('an address to listen on, like "127.0.0.1:8080"', _bind)
PREFIX = _kind(
    '"" or a path like "/news" without a slash at its end',
    lambda value: value if not value or _PREFIX.fullmatch(value) else None,
)
