"""Which client a peer address stands for: exact addresses, networks, wildcards."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Any

__all__ = ["find_host"]

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@lru_cache(maxsize=16384)
def _network(text: str) -> _Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def find_host(hosts: Any, address: str) -> Any:
    """What the mapping `hosts` holds for a peer at `address`, or None.

    In this order: the exact text; the longest network among the keys ("10.0.0.0/8", "2001:db8::/32") that holds the
    address, an address in another spelling counting as a network of one; "0.0.0.0" and "::", which stand for
    everybody, the peer's own family first. Any mapping will do; what it raises comes through.
    """
    if address in hosts:
        return hosts[address]
    try:
        peer = ipaddress.ip_address(address)
    except ValueError:
        peer = None
    if peer is not None:
        best: tuple[int, Any] | None = None
        for key in hosts:
            network = _network(key) if isinstance(key, str) and key not in ("0.0.0.0", "::") else None
            if network is not None and peer in network and (best is None or network.prefixlen > best[0]):
                best = network.prefixlen, key
        if best is not None:
            return hosts[best[1]]
    wildcards = ("0.0.0.0", "::") if peer is None or peer.version == 4 else ("::", "0.0.0.0")
    for wildcard in wildcards:
        if wildcard in hosts:
            return hosts[wildcard]
    return None
