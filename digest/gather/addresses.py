"""Which network addresses may be connected to: our own table, as `is_private` of Python changed its meaning (S-F1)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

# Never, whatever the settings: this host's own "any", links, groups, broadcast, and the cloud's metadata.
_NEVER = [
    ip_network(text) for text in ("0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::/128", "fe80::/10", "ff00::/8")
]
# Only with allow_private_addresses: not routed on the Internet (IANA special-purpose registries).
_PRIVATE = [
    ip_network(text)
    for text in (
        "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
        "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15",
        "198.51.100.0/24", "203.0.113.0/24", "::1/128", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20",
        "5f00::/16", "fc00::/7", "fec0::/10",
    )
]  # fmt: skip
_GLOBAL_V6 = ip_network("2000::/3")
_NAT64 = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))
_COMPATIBLE = ip_network("::/96")


def may_connect(address: str, *, private: bool = False) -> bool:
    """True if `address` is on the public Internet, or private with leave; IPv4 inside IPv6 is judged as what it is."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    inner = _embedded(parsed)
    if inner is not None:
        return may_connect(str(inner), private=private)
    if any(parsed in network for network in _NEVER if network.version == parsed.version):
        return False
    if any(parsed in network for network in _PRIVATE if network.version == parsed.version):
        return private
    return parsed.version == 4 or parsed in _GLOBAL_V6


def _embedded(address: IPv4Address | IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address is a form of: mapped, compatible, NAT64, 6to4, Teredo."""
    if not isinstance(address, IPv6Address):
        return None
    if address.ipv4_mapped or address.sixtofour:
        return address.ipv4_mapped or address.sixtofour
    if address.teredo:
        return address.teredo[1]
    low = int(address) & 0xFFFFFFFF
    if any(address in network for network in _NAT64) or (address in _COMPATIBLE and low > 1):
        return IPv4Address(low)
    return None
