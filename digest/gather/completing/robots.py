"""robots.txt (RFC 9309), for pages only: what may be asked, and how long that is known (E-09)."""

from __future__ import annotations

from datetime import datetime, timedelta

import ada_url
from protego import Protego

from digest.gather.outcomes import Failed, Fetched, Outcome

PRODUCT = "Digest"  # our product token, the first word of the User-Agent
KEPT = timedelta(hours=24)
KEPT_UNREACHED = timedelta(hours=1)  # a server's trouble is over sooner
MAX_BYTES = 500 * 1024
UNREACHED = "# not reached\nUser-agent: *\nDisallow: /\n"  # the rules while nobody can say what they are


def origin(url: str) -> str:
    """Scheme, host and port that a robots.txt speaks for; empty for what is no web address."""
    try:
        parsed = ada_url.URL(url)
    except ValueError:
        return ""
    return f"{parsed.protocol}//{parsed.host}" if parsed.protocol in ("http:", "https:") else ""


def rules(outcome: Outcome, now: datetime) -> tuple[str, datetime]:
    """The rules that an answer to /robots.txt makes, and until when: 4xx allows all, an unreachable one nothing."""
    if isinstance(outcome, Fetched):
        return outcome.body[:MAX_BYTES].decode("utf-8", "replace").replace("\0", ""), now + KEPT
    if isinstance(outcome, Failed) and outcome.status is not None and 400 <= outcome.status < 500:
        return "", now + KEPT
    return UNREACHED, now + KEPT_UNREACHED


def allowed(told: str, url: str) -> bool:
    """Whether `told`, the text of a robots.txt, lets us ask for `url`: our group, the longest match, `*` and `$`."""
    return Protego.parse(told).can_fetch(url, PRODUCT)
