"""Whose a host is, and addresses as people may see them. Pure."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from ipaddress import ip_address

from publicsuffixlist import PublicSuffixList

from digest.gather.urls import host

# Parameters by which private feeds know their readers.
_SECRET = re.compile(
    r"(?i)([?&](?:[\w.-]*(?:token|secret|passw(?:or)?d|api-?_?key|signature)|pass|pwd|key|auth|sig)=)[^&#\s]+"
)


@cache
def _suffixes() -> PublicSuffixList:
    """The list that the library ships; reading it takes 50 ms."""
    return PublicSuffixList()


@lru_cache(maxsize=4_096)
def owner(hostname: str) -> str:
    """The registrable domain of a host name by the public suffix list: who answers for it. Else the name itself."""
    name = hostname.lower().strip("[].")
    try:
        return str(ip_address(name))
    except ValueError:
        return _suffixes().privatesuffix(name) or name


def owner_of(url: str) -> str:
    """The registrable domain of the host that `url` names."""
    return owner(host(url))


def without_user(url: str) -> str:
    """`url` without the user name and password that some feeds' addresses carry: no link to a reader may have them."""
    return re.sub(r"(?<=://)[^/?#]*@", "", url, count=1)


def without_secrets(url: str) -> str:
    """`url` as it may be shown and logged: without user name and password, with … for a key or token."""
    return _SECRET.sub(r"\1…", without_user(url))
