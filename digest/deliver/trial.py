"""A test copy of an issue to any address: a real message, outside the ledger, whose links change nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from digest.blanks import Blank
from digest.config import Config
from digest.deliver import signing
from digest.deliver.message import Reader, Stationery, build, message_id, parse_mailbox, prepare
from digest.deliver.replies import Outcome
from digest.deliver.smtp import Trouble, connect
from digest.errors import RelayUnavailable
from digest.links import Links
from subscribers.tokens import HANDLE_BYTES

_NOBODY = bytes(HANDLE_BYTES)  # handles are random: this one names nobody


def specimen(
    config: Config,
    links: Links,
    stationery: Stationery,
    *,
    list_id: str,
    address: str,
    now: datetime,
    fields: tuple[str, ...] | None = None,
) -> bytes:
    """The message that `address` would get, with an unsubscribe link that is well-formed and names nobody.

    `fields` fill the merge fields; without them, their defaults do.
    """
    uri = links.unsubscribe(_NOBODY, list_id)
    values: Mapping[Blank, str] = {
        Blank.NAME: "",
        Blank.UNSUBSCRIBE: uri,
        Blank.PREFERENCES: links.preferences(_NOBODY, list_id),
    }
    own = parse_mailbox(config.mail.sender)
    reader = Reader(
        address,
        "",
        message_id(_NOBODY, f"test:{now.isoformat()}", address, own.domain),
        uri,
        values,
        links.by_mail(uri),
        fields,
    )
    return build(prepare(stationery, signing.keys(config)), reader)


async def send_test(
    config: Config, links: Links, stationery: Stationery, *, list_id: str, address: str, now: datetime
) -> Outcome:
    """Send `stationery` once to `address` (normalised), marked "[Test]"; what the relay answered.

    RelayUnavailable if no relay can be spoken to.
    """
    marked = replace(stationery, subject=f"[Test] {stationery.subject}")
    message = specimen(config, links, marked, list_id=list_id, address=address, now=now)
    own = parse_mailbox(config.mail.sender)
    envelope = parse_mailbox(config.mail.bounce_address or config.mail.sender).address
    reasons = []
    for relay in config.relays:
        try:
            connection = await connect(relay, config.mail.ehlo or own.domain)
            try:
                return await connection.send(envelope, address, message)
            finally:
                await connection.close()
        except Trouble as trouble:
            reasons.append(f"relay {relay.name}: {trouble}")
    raise RelayUnavailable("; ".join(reasons) or "there is no relay in the settings")
