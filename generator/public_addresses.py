"""Public addresses: those that a server may be made to call. Pure; so that nobody makes this one call what only it can reach."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

# Public by the registry, but they lead to IPv4 addresses that need not be: NAT64, 6to4, Teredo.
_TUNNELS = [ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"), ip_network("2002::/16"), ip_network("2001::/32")]


def is_public(address: str | IPv4Address | IPv6Address) -> bool:
    """True if the address is reachable from everywhere. Raises ValueError for text that is no address."""
    address = ip_address(address)
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if any(address in tunnel for tunnel in _TUNNELS):
            return False
    return address.is_global and not address.is_multicast
