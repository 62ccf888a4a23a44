"""What the DNS says about our domains, asked over the network."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from digest.config import Config
from digest.deliver import signing
from digest.deliver.dkim import Key, keys_for
from digest.deliver.message import parse_mailbox
from digest.doctor import records
from digest.doctor.findings import Finding, bad, doubtful, good
from digest.doctor.records import Texts
from digest.errors import ConfigError

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver

_PATIENCE = 6.0
_LEVELS = 8  # of a domain, that a policy is looked for (RFC 9989 section 4.10)


async def examine(config: Config, senders: Iterable[str], nameserver: tuple[str, int] | None) -> list[Finding]:
    """Findings on the keys' files, and on the records of every domain that mail is `senders` from.

    `nameserver` is asked instead of this machine's own.
    """
    found: list[Finding] = []
    try:
        keys = signing.keys(config)
    except ConfigError as error:
        keys = ()
        found += [
            bad("[[dkim]]", problem.removeprefix("[[dkim]] "), "Mend the key's file.") for problem in error.problems
        ]
    found += [good(f'[[dkim]] "{key.domain}"', f"{key.algorithm}, selector {key.selector}") for key in keys]
    resolver = _resolver(nameserver)
    if resolver is None:
        return [*found, doubtful("DNS", "was not asked: this machine has no name server", "Use --nameserver HOST.")]
    bounces_to = parse_mailbox(config.mail.bounce_address or config.mail.sender).domain
    asked = [
        _keys(resolver, keys),
        _bounces(resolver, bounces_to),
        *(_sender(resolver, domain, keys, bounces_to) for domain in sorted(set(senders))),
    ]
    for some in await asyncio.gather(*asked):
        found += some
    return found


async def _keys(resolver: Resolver, keys: Iterable[Key]) -> list[Finding]:
    names = [(key, f"{key.selector}._domainkey.{key.domain}") for key in keys]
    answers = await asyncio.gather(*(texts(resolver, name) for _, name in names))
    return [records.dkim(key, said) for (key, _), said in zip(names, answers, strict=True)]


async def _bounces(resolver: Resolver, domain: str) -> list[Finding]:
    return [records.spf(domain, await texts(resolver, domain))]


async def _sender(resolver: Resolver, domain: str, keys: tuple[Key, ...], bounces_to: str) -> list[Finding]:
    finding, policy = records.dmarc(domain, await _policy(resolver, domain))
    return [finding, records.alignment(domain, policy, bool(keys_for(keys, domain)), bounces_to)]


async def _policy(resolver: Resolver, domain: str) -> tuple[str, Texts]:
    """The nearest policy up the tree and the domain it stands at; `domain` itself where there is none."""
    labels = domain.split(".")
    holders = [".".join(labels[place:]) for place in range(len(labels) - 1)]
    for holder in [*holders[:1], *holders[max(1, len(holders) - _LEVELS + 1) :]]:
        said = await texts(resolver, f"_dmarc.{holder}")
        if said is None or any(records.tags(text).get("v", "").upper() == "DMARC1" for text in said):
            return holder, said
    return domain, ()


def _resolver(nameserver: tuple[str, int] | None) -> Resolver | None:
    import dns.exception
    from dns.asyncresolver import Resolver

    try:
        resolver = Resolver(configure=nameserver is None)
    except dns.exception.DNSException:
        return None
    if nameserver is not None:
        resolver.nameservers, resolver.port = [nameserver[0]], nameserver[1]
    resolver.lifetime = _PATIENCE
    return resolver


async def texts(resolver: Resolver, name: str) -> Texts:
    """The TXT records of `name`, each as one text; () if there are none, None if nobody answered."""
    import dns.exception
    import dns.resolver

    try:
        answer = await resolver.resolve(name, "TXT", search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return ()
    except (dns.exception.DNSException, OSError):
        return None
    return tuple(b"".join(record.strings).decode("utf-8", "replace") for record in answer)
