"""What the settings and the interpreter say by themselves. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from digest.config import Config
from digest.config.keys import PLACEHOLDER
from digest.config.names import is_loopback
from digest.doctor.findings import Finding, bad, doubtful, good

# Below these, CPython's e-mail package can be made to write headers that it was not given.
_FLOORS = {(3, 11): 15, (3, 12): 13, (3, 13): 12, (3, 14): 3}


def examine(config: Config, version: tuple[int, int, int]) -> Iterator[Finding]:
    """Findings on the settings, and on an interpreter of that version."""
    yield _python(version)
    yield _secret(config)
    yield _public_url(config)
    if config.site.postal_address.strip():
        yield good("[site] postal_address", "is there")
    else:
        yield bad("[site] postal_address", "is empty", "Say the sender's postal address: no mail leaves without it.")
    if not config.relays:
        yield bad("[[relays]]", "there is none", "Name an SMTP server that takes our mail.")
    if config.mail.only_to:
        allowed = ", ".join(config.mail.only_to)
        yield doubtful(
            "[mail] only_to", f"only {allowed} get mail, all other mail is held", "Take it away in production."
        )


def _python(version: tuple[int, int, int]) -> Finding:
    said = ".".join(map(str, version))
    floor = _FLOORS.get(version[:2])
    if floor is not None and version[2] < floor:
        wanted = f"{version[0]}.{version[1]}.{floor}"
        return doubtful(
            "Python", f"{said} has known weaknesses in its mail and web parts", f"Upgrade to {wanted} or later."
        )
    return good("Python", said)


def _secret(config: Config) -> Finding:
    where = "[web] secret"
    if config.web.secret in ("", PLACEHOLDER):
        got = "is the placeholder" if config.web.secret else "is missing"
        return bad(where, got, "Put a long random word there: whoever knows it can forge the links in our mail.")
    return good(where, "is one of its own")


def _public_url(config: Config) -> Finding:
    where, url = "[web] public_url", urlsplit(config.web.public_url)
    if is_loopback(url.hostname or ""):
        mend = "Say the https address at which readers reach the pages before mailing anybody."
        return doubtful(where, f"{config.web.public_url} works on this machine only", mend)
    if "." not in (url.hostname or ""):
        return bad(where, f"{url.hostname} is no name on the internet", "Say the whole name, like news.example.org.")
    return good(where, config.web.public_url + config.web.path_prefix)
