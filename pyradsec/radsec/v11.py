"""RADIUS/1.1 over TLS: version negotiation by ALPN, and tokens (RFC 9765)."""

from __future__ import annotations

import secrets
import ssl
from collections.abc import Iterable, Sequence
from enum import IntEnum

__all__ = [
    "ALPN_V1_0",
    "ALPN_V1_1",
    "NoCommonRadiusVersion",
    "RadiusVersion",
    "TokenCounter",
    "apply_alpn",
    "enforce_tls_version_floor",
    "negotiate",
    "version_from_alpn",
]

ALPN_V1_0 = "radius/1.0"
ALPN_V1_1 = "radius/1.1"


class RadiusVersion(IntEnum):
    """What runs inside the TLS connection: RADIUS as RFC 2865 has it, or RADIUS/1.1 of RFC 9765."""

    V1_0 = 0
    V1_1 = 1


class NoCommonRadiusVersion(Exception):
    """Both ends speak RADIUS, but no version of it that the other one takes (TLS-6)."""


_BY_ALPN = {ALPN_V1_0: RadiusVersion.V1_0, ALPN_V1_1: RadiusVersion.V1_1}
_TO_ALPN = {version: name for name, version in _BY_ALPN.items()}


def version_from_alpn(selected: str | None) -> RadiusVersion:
    """The version that an ALPN name stands for; RADIUS/1.0 for None and for names of other protocols."""
    return _BY_ALPN.get(selected or "", RadiusVersion.V1_0)


def negotiate(configured: Iterable[RadiusVersion], selected: str | None) -> RadiusVersion:
    """The version to speak after a handshake that selected the ALPN name `selected` (None: no ALPN, TLS-6).

    NoCommonRadiusVersion when it is none of `configured`.
    """
    versions = tuple(configured)
    version = RadiusVersion.V1_0 if selected is None else _BY_ALPN.get(selected)
    if version is None or version not in versions:
        names = ", ".join(_TO_ALPN[RadiusVersion(known)] for known in versions)
        found = "no ALPN" if selected is None else repr(selected)
        raise NoCommonRadiusVersion(f"No common RADIUS protocol version: configured {names}, the peer gave {found}")
    return version


def enforce_tls_version_floor(minimum: ssl.TLSVersion, versions: Iterable[RadiusVersion]) -> ssl.TLSVersion:
    """`minimum`, or TLS 1.3 when that is more and RADIUS/1.1 is among `versions` (V11-1)."""
    if RadiusVersion.V1_1 in tuple(versions):
        if minimum == ssl.TLSVersion.MAXIMUM_SUPPORTED:
            return minimum
        return ssl.TLSVersion(max(minimum, ssl.TLSVersion.TLSv1_3))
    return minimum


def apply_alpn(ctx: ssl.SSLContext, versions: Sequence[RadiusVersion]) -> None:
    """Offers `versions` by ALPN, highest first. RADIUS/1.0 alone needs no ALPN and leaves `ctx` as it is. ValueError
    for none."""
    if not versions:
        raise ValueError("radius_versions: expected one version or more, found none")
    if tuple(versions) == (RadiusVersion.V1_0,):
        return
    ctx.set_alpn_protocols([_TO_ALPN[RadiusVersion(version)] for version in sorted(set(versions), reverse=True)])


class TokenCounter:
    """The Tokens of one connection's requests: 4 octets, one more each time, from a random start (RFC 9765 §4.1)."""

    def __init__(self) -> None:
        self._value = secrets.randbits(32)

    def next(self) -> bytes:
        """The next Token, 4 octets."""
        token = self._value.to_bytes(4, "big")
        self._value = (self._value + 1) % 2**32
        return token
