"""Each relay as the sender meets it: name, connection, certificate, log-in, and what it offers. No mail is sent."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta

import aiosmtplib

from digest.config import RelayConfig
from digest.deliver.dialogue import best_speech
from digest.deliver.replies import clean
from digest.doctor.findings import Finding, bad, doubtful, good
from digest.doctor.threads import threaded

_SOON = timedelta(days=14)
_PATIENCE = 10.0


async def examine(
    relay: RelayConfig,
    ehlo: str,
    largest: Awaitable[int],
    now: datetime,
    tls: ssl.SSLContext | None = None,
) -> list[Finding]:
    """Findings on one relay; `largest` is the size of our largest message in octets, 0 where there is none yet."""
    where = f'[[relays]] "{relay.name}"'
    try:
        await threaded(lambda: socket.getaddrinfo(relay.host, relay.port, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError) as error:
        said = f"{relay.host} is not found: {getattr(error, 'strerror', None) or 'it is no name of a host'}"
        return [bad(where, said, "Check the name in host, and this machine's name server.")]
    client = aiosmtplib.SMTP(
        hostname=relay.host,
        port=relay.port,
        local_hostname=ehlo,
        timeout=_PATIENCE,
        use_tls=relay.security == "tls",
        start_tls=relay.security == "starttls",
        tls_context=tls,
    )
    try:
        return await _met(client, relay, where, await largest, now)
    finally:
        with contextlib.suppress(aiosmtplib.SMTPException, OSError):
            await client.quit(timeout=2)
        client.close()


async def _met(client: aiosmtplib.SMTP, relay: RelayConfig, where: str, largest: int, now: datetime) -> list[Finding]:
    place = f"{relay.host}:{relay.port}"
    try:
        await client.connect()
        if client.is_ehlo_or_helo_needed:
            await client.ehlo()
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        return [bad(where, f"{place} can't be spoken to: {_said(error)}", _mend(error, relay))]
    found = [_certificate(client, where, now)] if relay.security != "none" else []
    if relay.username is not None:
        try:
            await client.login(relay.username, relay.password or "")
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            code = f" ({error.code})" if isinstance(error, aiosmtplib.SMTPResponseException) else ""
            mend = "Check username and password with the relay's owner."
            return [*found, bad(where, f"{place} does not let us log in{code}", mend)]
        found.append(good(where, "logged in"))
    return [*found, *_offers(client, where, largest)]


def _certificate(client: aiosmtplib.SMTP, where: str, now: datetime) -> Finding:
    found = client.transport.get_extra_info("ssl_object") if client.transport else None
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(found.getpeercert()["notAfter"]), UTC) if found else None
    if found is None or until is None:
        return bad(where, "speaks without TLS", "Set security to tls or starttls, as the relay's owner says.")
    said = f"{found.version()}, certificate verified, good until {until:%Y-%m-%d}"
    if until - now < _SOON:
        return doubtful(where, said, "Have the relay's certificate renewed: nothing is sent once it has run out.")
    return good(where, said)


def _offers(client: aiosmtplib.SMTP, where: str, largest: int) -> list[Finding]:
    offered = {name.lower(): value for name, value in client.esmtp_extensions.items()}
    spoken = f"spoken to {best_speech(offered)}; offers {', '.join(sorted(offered)).upper() or 'no extensions'}"
    found = [good(where, spoken)]
    if "smtputf8" not in offered:
        mend = "Use another relay if readers have such addresses."
        found.append(doubtful(where, "takes no addresses beyond ASCII before the @ (SMTPUTF8)", mend))
    limit = offered.get("size", "")
    if limit.isdigit() and 0 < int(limit) < largest:
        said = f"takes messages of {int(limit):,} octets, our largest has about {largest:,}"
        found.append(bad(where, said, "Send fewer articles in an issue, or have the relay's limit raised."))
    return found


def _said(error: Exception) -> str:
    cause: BaseException = error
    while (deeper := cause.__cause__ or cause.__context__) is not None and not isinstance(cause, ssl.SSLError):
        cause = deeper
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {cause.verify_message.rstrip('.')}"
    if isinstance(cause, ssl.SSLError):
        return f"TLS failed: {(cause.reason or 'unknown reason').replace('_', ' ').lower()}"
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return clean(f"{error.code} {error.message}")[:200]
    if isinstance(error, TimeoutError | aiosmtplib.SMTPTimeoutError):
        return f"no answer within {_PATIENCE:g} seconds"
    if isinstance(cause, ConnectionRefusedError):
        return "nobody listens there"
    return clean(str(error))[:200] or type(error).__name__


def _mend(error: Exception, relay: RelayConfig) -> str:
    said = _said(error)
    if "certificate" in said:
        return "Name the relay in host as its certificate does, and have an expired or private one replaced."
    if "TLS failed" in said:
        given = f'set are {relay.port} and "{relay.security}"'
        return f'Check port and security: 465 goes with "tls", 587 with "starttls"; {given}.'
    if "STARTTLS" in said.upper():
        return 'The relay offers no STARTTLS: use "tls" (port 465), or another relay.'
    return "Check host and port, and whether a firewall or the provider blocks outgoing mail (port 25 often is)."
