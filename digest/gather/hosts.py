"""Whose a host is, and addresses as people may see them. Pure."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from ipaddress import ip_address

from publicsuffixlist import PublicSuffixList

from digest.gather.urls import host


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


def without_secrets(url: str) -> str:
    """`url` as it may be shown and logged: without the user name and password that some feeds' addresses carry."""
    return re.sub(r"(?<=://)[^/?#]*@", "", url, count=1)
