"""Packets as people read them: one line for logs, many for an operator, passwords and keys masked.

Lists and small functions, no generators: CPython 3.12 and 3.13 crash when there is no memory to make one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pyradsec import _core
from pyradsec.constants import EVS_EXTENDED_TYPE, EXTENDED_ATTRIBUTE_TYPES, LONG_EXTENDED_ATTRIBUTE_TYPES
from pyradsec.dictionary import Dictionary
from pyradsec.exceptions import PacketError

if TYPE_CHECKING:
    from pyradsec.packet import Packet

EXTENDED = EXTENDED_ATTRIBUTE_TYPES | LONG_EXTENDED_ATTRIBUTE_TYPES
_CONTAINERS = frozenset({"tlv", "extended", "long-extended"})
_VENDOR_SPECIFIC = 26
_MICROSOFT = (311).to_bytes(4, "big")
_HIDDEN = "<hidden>"
# What reading or serialising a packet raises when it holds what does not fit.
FAILURES = (PacketError, ValueError, TypeError, KeyError, AttributeError)


def line(packet: Packet) -> str:
    """For repr(): class, code, identifier or token, attributes by name."""
    try:
        keys = packet.keys()
    except FAILURES:
        keys = list(packet)
    attributes = ", ".join([f"{key!r}: {_shown(packet, key)}" for key in keys])
    return f"<{type(packet).__name__} {_what(packet)} {{{attributes}}}>"


def lines(packet: Packet) -> str:
    """For str(): a title, the authenticator or token, an attribute a line."""
    try:
        octets = packet._octets()
        found = [title(packet, octets)]
        if packet.radius_version == 1:
            found.append(f"    Token {_hex(packet.token)}")
        elif octets is packet.raw_packet:
            found += header(octets, packet.radius_version)
        else:
            found.append(f"    Authenticator {_hex(packet.authenticator)}")
        return "\n".join(found + [f"    {text}" for text in attributes(packet, secrets=False)])
    except FAILURES as error:
        return f"{line(packet)}\n    does not serialise: {error}"


def title(packet: Packet, octets: bytes) -> str:
    """Access-Request id=7, 46 octets, from 192.0.2.1 port 40000"""
    peer = packet.peer
    where = f", from {peer.address} port {peer.port}" if peer is not None and hasattr(peer, "address") else ""
    return f"{_what(packet)}, {len(octets)} octets{where}"


def header(octets: bytes, radius_version: int) -> list[str]:
    """The line for the authenticator, or the token, of a packet's octets."""
    if radius_version == 1:
        return [f"    Token {octets[4:8].hex()}"]
    return [f"    Authenticator {octets[4:20].hex()}"]


def attributes(packet: _core.PacketBase, secrets: bool) -> list[str]:
    """A line for each attribute: vendor, name, tag and value. With `secrets` passwords in clear."""
    return [_attribute(packet, avp, secrets) for avp in packet.attributes()]


def _attribute(packet: _core.PacketBase, avp: _core.AVP, secrets: bool) -> str:
    tag = f":{avp.tag}" if avp.tag is not None else ""
    return f"{_vendor(packet, avp)}{label(avp)}{tag} = {_value(packet, avp, secrets)}"


def label(avp: _core.AVP) -> str:
    """The name, or where the dictionary has none the numbers: Attr-200, Attr-26.9.99, Attr-241.5.1."""
    if avp.name is not None:
        return str(avp.name)
    return numbers(avp)


def numbers(avp: _core.AVP) -> str:
    """The numbers of an attribute as text: those of a vendor's begin with 26, its number, and the vendor's (RFC 2865
    §5.26)."""
    key = avp.key if isinstance(avp.key, tuple) else (avp.key,)
    if avp.vendor is not None and not is_extended_vendor(key):
        key = (26, *key)
    return "Attr-" + ".".join([str(number) for number in key])


def is_extended_vendor(key: tuple[int, ...]) -> bool:
    """Whether a key is that of a vendor's attribute in an extended one: 241 to 246, 26, vendor, number (RFC 6929
    §2.4)."""
    return len(key) == 4 and key[0] in EXTENDED and key[1] == EVS_EXTENDED_TYPE


def clear_password(packet: _core.PacketBase, hidden: bytes) -> str | None:
    """The text behind the octets of a password (RFC 2865 §5.2), or None where they say nothing: another secret."""
    try:
        text = packet._pw_decrypt_octets(hidden).decode()
    except (PacketError, TypeError, UnicodeDecodeError):
        return None
    return text if packet._pw_crypt(text) == hidden else None


def _what(packet: Packet) -> str:
    name = _core.code_name(packet.code)
    if packet.radius_version == 1:
        return f"{name} token={_hex(packet.token)}"
    return f"{name} id={packet.id}"


def _hex(octets: bytes | None) -> str:
    return octets.hex() if isinstance(octets, bytes) else "none"


def _vendor(packet: _core.PacketBase, avp: _core.AVP) -> str:
    """The vendor's name before the attribute's, which says it most often but not always."""
    if avp.vendor is None:
        return ""
    dictionary = getattr(packet, "dict", None)
    if isinstance(dictionary, Dictionary) and dictionary.vendors.has_backward(avp.vendor):
        return f"{dictionary.vendors.get_backward(avp.vendor)}: "
    return f"Vendor {avp.vendor}: "


def _value(packet: _core.PacketBase, avp: _core.AVP, secrets: bool) -> str:
    if avp.is_secret and not secrets:
        return _HIDDEN
    try:
        value = avp.value
    except FAILURES as error:
        return f"0x{avp.octets.hex()} ({error})"
    if isinstance(value, bytes):
        clear = clear_password(packet, value) if avp.is_secret and is_password(packet, avp) else None
        return repr(clear) if clear is not None else f"0x{value.hex()}"
    if isinstance(value, str) and value and value in (avp.octets.hex(), avp.octets[1:].hex()):
        return f"0x{value}"  # octets that are no UTF-8
    return repr(value) if isinstance(value, str) else str(value)


def is_password(packet: _core.PacketBase, avp: _core.AVP) -> bool:
    """Whether it is hidden as User-Password is."""
    dictionary = getattr(packet, "dict", None)
    if avp.name is None or not isinstance(dictionary, Dictionary):
        return bool(avp.key == 2)
    return bool(dictionary.attributes[avp.name].encrypt == 1)


def _shown(packet: Packet, key: Any) -> str:
    """The values of one key of the mapping for repr(): secrets masked, what does not decode in hexadecimal digits."""
    dictionary = getattr(packet, "dict", None)
    attributes = dictionary.attributes if isinstance(dictionary, Dictionary) else {}
    number = packet.dict.attrindex.get_forward(key) if key in attributes else key
    if _core.is_secret_key(number) or _is_hidden(key, attributes):
        return _HIDDEN
    try:
        value = packet[key]
        if number == _VENDOR_SPECIFIC and _MICROSOFT in [octets[:4] for octets in value]:
            return _HIDDEN  # whole, since no dictionary takes it apart: there may be a password or a key in it
        return _shown_value(value, attributes)
    except FAILURES:
        stored = packet._store().get(number)
        if isinstance(stored, dict) or (key in attributes and attributes[key].type in _CONTAINERS):
            return "<malformed>"  # there may be a secret in there
        if not isinstance(stored, list):
            return repr(stored)
        return "[" + ", ".join([_shown_octets(value) for value in stored]) + "]"


def _shown_octets(stored: Any) -> str:
    return f"0x{stored.hex()}" if isinstance(stored, bytes) else repr(stored)


def _is_hidden(name: Any, attributes: Mapping[Any, Any]) -> bool:
    return name in attributes and attributes[name].encrypt != 0


def _shown_value(value: Any, attributes: Mapping[Any, Any]) -> str:
    """A list of values, or what a container holds."""
    if not isinstance(value, dict):
        return repr(value)
    inside = [
        f"{name!r}: {_HIDDEN if _is_hidden(name, attributes) else _shown_value(one, attributes)}"
        for name, one in value.items()
    ]
    return "{" + ", ".join(inside) + "}"
