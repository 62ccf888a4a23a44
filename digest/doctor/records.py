"""What TXT records say about our mail: DKIM (RFC 6376), SPF (RFC 7208), DMARC (RFC 9989). Pure.

`None` for records means that the name server did not answer, which says nothing about them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from digest.deliver.dkim import Key
from digest.doctor.findings import Finding, bad, doubtful, good

Texts = Sequence[str] | None
_UNANSWERED = "the name server did not answer"
_ASK_AGAIN = "Ask again later, or name another one with --nameserver."


def tags(record: str) -> dict[str, str]:
    """The tags of a record like "v=DKIM1; k=rsa; p=...", names in lower case, values without white space."""
    pairs = (part.partition("=") for part in record.split(";") if "=" in part)
    return {name.strip().lower(): re.sub(r"\s", "", value) for name, _, value in pairs}


def dkim(key: Key, texts: Texts) -> Finding:
    """Whether what is published is the key that we sign with."""
    where = f"DNS {key.selector}._domainkey.{key.domain}"
    publish = f"Publish this TXT record there: {key.record}"
    if texts is None:
        return doubtful(where, _UNANSWERED, _ASK_AGAIN)
    published = [tags(text) for text in texts if "p" in tags(text)]
    if len(published) != 1:
        said = f"there are {len(published)} DKIM records" if published else "there is no DKIM record"
        return bad(where, f"{said}: our signatures fail everywhere", publish)
    ours, theirs = tags(key.record), published[0]
    if theirs["p"] != ours["p"] or theirs.get("k", "rsa") != ours["k"]:
        revoked = "" if theirs["p"] else ", which was revoked (p= is empty),"
        return bad(where, f"the key there{revoked} is not the one that we sign with", publish)
    if key.weakness:
        return doubtful(where, key.weakness, "Make a new key under a new selector.")
    if "y" in theirs.get("t", "").split(":"):
        return doubtful(where, "equals our key, and says that it is a test (t=y)", "Take t=y away once all goes well.")
    return good(where, "equals the key that we sign with")


def spf(domain: str, texts: Texts) -> Finding:
    """Whether the domain that bounces come back to says who may send for it."""
    where = f"DNS {domain}"
    if texts is None:
        return doubtful(where, _UNANSWERED, _ASK_AGAIN)
    found = [text for text in texts if re.match(r"v=spf1(\s|$)", text, re.IGNORECASE)]
    if not found:
        mend = "Publish one TXT record that names your relay, as its owner says: v=spf1 include:... -all"
        return doubtful(where, "there is no SPF record", mend)
    if len(found) > 1:
        return bad(where, f"there are {len(found)} SPF records, which counts as an error", "Make one of them.")
    if re.search(r"(^|\s)\+?all(\s|$)", found[0], re.IGNORECASE):
        return doubtful(where, "SPF lets everybody send for it (+all)", "End the record with -all or ~all.")
    return good(where, "has one SPF record")


def dmarc(domain: str, found: tuple[str, Texts]) -> tuple[Finding, str]:
    """A finding on the policy for mail from `domain`, with the policy ("" if there is none); `found`: where, what."""
    holder, texts = found
    where = f"DNS _dmarc.{holder}"
    if texts is None:
        return doubtful(where, _UNANSWERED, _ASK_AGAIN), ""
    policies = [tags(text) for text in texts if tags(text).get("v", "").upper() == "DMARC1"]
    if not policies:
        mend = f"Publish a TXT record at _dmarc.{domain}: v=DMARC1; p=none; rua=mailto:ADDRESS"
        return doubtful(where, "there is no DMARC record: large providers ask senders for one", mend), ""
    if len(policies) > 1:
        return bad(where, f"there are {len(policies)} DMARC records, which none is read of", "Leave one of them."), ""
    policy = policies[0]
    asked = policy.get("sp", policy.get("p", "none")) if holder != domain else policy.get("p", "none")
    return good(where, f"asks receivers for p={asked.lower()}"), asked.lower()


def alignment(domain: str, policy: str, signed: bool, bounces_to: str) -> Finding:
    """Whether mail from `domain` can pass DMARC: by a signature of ours, or by the domain that bounces come back to."""
    where = f"mail from {domain}"
    if signed:
        return good(where, "is signed for its own domain")
    related = f".{domain}".endswith(f".{bounces_to}") or f".{bounces_to}".endswith(f".{domain}")
    mend = f"Add a [[dkim]] key for {domain}, unless the relay signs for it."
    if related:
        return doubtful(where, "is not signed by us and passes DMARC by SPF alone, which forwarding breaks", mend)
    said = f"is not signed by us, and bounces come back to {bounces_to}, another domain"
    return (bad if policy in ("quarantine", "reject") else doubtful)(where, f"{said}: DMARC fails", mend)
