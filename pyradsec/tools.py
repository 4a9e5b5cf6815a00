"""Values of attributes to octets and back by data type (RFC 8044); fingerprints; packets out of a stream."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import struct
from collections.abc import Iterable
from typing import Any, Protocol, SupportsInt, cast

from pyradsec import _core
from pyradsec.constants import DATATYPES

Octets = bytes | bytearray | memoryview
PACKET_MIN = 20
PACKET_MAX = 4096  # RFC 2865 §3, RFC 6613 §2.6.1


class _Prefix(Protocol):
    """An address with a prefix length: ipaddress's interfaces, netaddr's networks."""

    @property
    def ip(self) -> Any: ...
    @property
    def prefixlen(self) -> int: ...


Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Prefix = str | Address | ipaddress.IPv4Network | ipaddress.IPv6Network | _Prefix

# --- one function for each type ---


def encode_string(origstr: str | bytes | None) -> bytes:
    """UTF-8, at most 253 octets; None is empty. ValueError, TypeError."""
    return _core.encode_attr("string", origstr)


def decode_string(orig_str: Octets) -> str:
    """The text, or the hexadecimal digits of octets that are not UTF-8."""
    return cast(str, _core.decode_attr("string", orig_str))


def encode_octets(octetstring: str | bytes | None) -> bytes:
    """Octets as they are, "0x…" as hexadecimal, digits as a number; at most 253. ValueError, TypeError.

    Bytes are taken as text here when they begin with "0x". Values of packets never are: see encode_attr.
    """
    if isinstance(octetstring, bytes) and octetstring[:2] == b"0x":
        octetstring = octetstring.decode("latin-1")
    return _core.encode_attr("octets", octetstring)


def decode_octets(orig_bytes: Octets) -> bytes:
    return bytes(orig_bytes)


def encode_integer(num: SupportsInt | str, format: str = "!I") -> bytes:
    """A number in the width of a struct format. TypeError for what is no number, ValueError out of range."""
    datatype = _INTEGER_FORMATS.get(format)
    if datatype is not None:
        return _core.encode_attr(datatype, num)
    try:
        number = int(num)
    except (ValueError, TypeError) as error:
        raise TypeError(f"expected a number, found {num!r}") from error
    try:
        return struct.pack(format, number)
    except struct.error as error:
        raise ValueError(f"{number} does not fit {format!r}: {error}") from error


def decode_integer(num: Octets, format: str = "!I") -> int:
    """ValueError when there are not as many octets as the struct format says."""
    datatype = _INTEGER_FORMATS.get(format)
    if datatype is not None:
        return cast(int, _core.decode_attr(datatype, num))
    try:
        return cast(int, struct.unpack(format, num)[0])
    except struct.error as error:
        raise ValueError(f"{len(num)} octets do not fit {format!r}: {error}") from error


def encode_integer64(num: SupportsInt | str, format: str = "!Q") -> bytes:
    return encode_integer(num, format)


def decode_integer64(num: Octets, format: str = "!Q") -> int:
    return decode_integer(num, format)


def encode_date(num: int) -> bytes:
    """Seconds since 1970 as an int."""
    return _core.encode_attr("date", num)


def decode_date(num: Octets) -> int:
    return cast(int, _core.decode_attr("date", num))


def encode_address(addr: str | ipaddress.IPv4Address) -> bytes:
    return _core.encode_attr("ipaddr", addr)


def decode_address(addr: Octets) -> str:
    return cast(str, _core.decode_attr("ipaddr", addr))


def encode_ipv6_address(addr: str | ipaddress.IPv6Address) -> bytes:
    return _core.encode_attr("ipv6addr", addr)


def decode_ipv6_address(addr: Octets) -> str:
    return cast(str, _core.decode_attr("ipv6addr", addr))


def encode_ipv6_prefix(addr: Prefix, default_prefixlen: int = 128) -> bytes:
    """18 octets with the bits past the prefix cleared. An address alone gets `default_prefixlen`."""
    return _core.encode_attr("ipv6prefix", _with_prefix(addr, default_prefixlen))


def decode_ipv6_prefix(addr: Octets) -> str:
    return cast(str, _core.decode_attr("ipv6prefix", addr))


def encode_ipv4_prefix(addr: Prefix, default_prefixlen: int = 32) -> bytes:
    """6 octets with the bits past the prefix cleared. An address alone gets `default_prefixlen`."""
    return _core.encode_attr("ipv4prefix", _with_prefix(addr, default_prefixlen))


def decode_ipv4_prefix(addr: Octets) -> str:
    return cast(str, _core.decode_attr("ipv4prefix", addr))


def _with_prefix(addr: Prefix, default: int) -> Prefix:
    """The address with a prefix length where it has none of its own."""
    if isinstance(addr, (str, ipaddress.IPv4Address, ipaddress.IPv6Address)):
        text = str(addr)
        return text if "/" in text else f"{text}/{default}"
    return addr


def encode_combo_ip(addr: str | ipaddress.IPv4Address | ipaddress.IPv6Address) -> bytes:
    """4 octets or 16, by the address."""
    return _core.encode_attr("combo-ip", addr)


def decode_combo_ip(addr: Octets) -> str:
    return cast(str, _core.decode_attr("combo-ip", addr))


def encode_ifid(value: str | bytes) -> bytes:
    """ "0011:2233:4455:6677", or the 8 octets themselves."""
    return _core.encode_attr("ifid", value)


def decode_ifid(value: Octets) -> str:
    return cast(str, _core.decode_attr("ifid", value))


def encode_ether(value: str | bytes) -> bytes:
    """Six hexadecimal octets with ":" or "-" between them, or the 6 octets themselves."""
    return _core.encode_attr("ether", value)


def decode_ether(value: Octets) -> str:
    return cast(str, _core.decode_attr("ether", value))


def encode_ascend_binary(orig_str: str | bytes) -> bytes:
    """Ascend's binary form of a packet filter, out of "key=value" words in any order.

    family=ipv4|ipv6 action=discard|accept|redirect direction=in|out, src= and dst= a network, proto= a
    number, sport= and dport= a port, sportq= and dportq= how to compare it (0 not at all, 1 less, 2 equal, 3
    greater, 4 not equal). What is left out is the first of its kind, or matches anything. "delete" alone
    removes a filter. Bytes are a filter in its binary form already. ValueError.
    """
    return _core.encode_attr("abinary", orig_str)


def decode_ascend_binary(orig_bytes: Octets) -> bytes:
    """The octets, unchanged."""
    return bytes(orig_bytes)


# --- by the name of the type ---

_INTEGER_FORMATS = {"!I": "integer", "!i": "signed", "!H": "short", "!B": "byte", "!Q": "integer64"}

# The others are containers, which have no value of their own.
_VALUE_TYPES = DATATYPES - {"tlv", "extended", "long-extended", "evs", "vsa"}


def encode_attr(datatype: str, value: Any) -> bytes:
    """The octets of a value. ValueError for an unknown type or a bad value, TypeError for a wrong kind.

    Bytes under "octets" and "string" are never reinterpreted, whatever they look like (PKT-8).
    """
    if datatype not in _VALUE_TYPES:
        raise ValueError(f"Unknown attribute type {datatype}")
    return _core.encode_attr(datatype, value)


def decode_attr(datatype: str, value: Octets) -> int | str | bytes:
    """The value that octets stand for. ValueError for an unknown type and for octets that do not fit."""
    if datatype not in _VALUE_TYPES:
        raise ValueError(f"Unknown attribute type {datatype}")
    return cast("int | str | bytes", _core.decode_attr(datatype, value))


# --- certificates ---


def get_cert_fingerprint(cert: bytes) -> str:
    """The SHA-256 fingerprint of a certificate in DER, as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(cert).hexdigest()


def normalize_cert_fingerprint(fingerprint: str) -> str:
    """64 lower-case hexadecimal digits out of any usual spelling: "SHA256:AA:BB…", blanks. ValueError."""
    return _core.normalize_fingerprint(fingerprint)


def cert_fingerprint_matches(cert: bytes, allowed_fingerprints: Iterable[str]) -> bool:
    """Whether a certificate's fingerprint is among these normalised ones, in constant time (TLS-5)."""
    found = get_cert_fingerprint(cert).encode()
    matches = 0
    for fingerprint in allowed_fingerprints:
        matches |= _core.equal_octets(found, fingerprint.encode())
    return bool(matches)


# --- streams ---


async def read_radius_packet(reader: asyncio.StreamReader) -> bytes:
    """One packet out of a stream. ValueError for a length outside 20 to 4096 (PKT-2), IncompleteReadError."""
    header = await reader.readexactly(4)
    length = int.from_bytes(header[2:4], "big")
    if not PACKET_MIN <= length <= PACKET_MAX:
        raise ValueError(f"packet length {length} is not within {PACKET_MIN} to {PACKET_MAX}")
    return header + await reader.readexactly(length - 4)
