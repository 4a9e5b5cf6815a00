"""Packets as what JSON can hold, and back (Packet.to_dict, Packet.from_dict, where the form is described).

Without dict.setdefault(), for which CPython 3.13 crashes when it has no memory.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pyradsec import _core, _packet_text
from pyradsec.dictionary import Attribute, Dictionary
from pyradsec.exceptions import PacketError
from pyradsec.radsec.v11 import RadiusVersion

if TYPE_CHECKING:
    from pyradsec.packet import Packet

_VERSIONS = {"1.0": RadiusVersion.V1_0, "1.1": RadiusVersion.V1_1}
_NUMBERS = re.compile(r"Attr-(\d+(?:\.\d+)*)", re.ASCII)
_VENDOR_SPECIFIC = 26
_TEXT = frozenset({"string", "octets"})

Json = str | int | None


# --- to ---


def to_dict(packet: Packet, secrets: bool) -> dict[str, Any]:
    """Header and attributes."""
    avps = packet.attributes()
    entries = [_entry(packet, avp, secrets) for avp in avps]
    mixed = _mixed([avp.key for avp in avps], [label for label, _ in entries])
    values: dict[str, list[Json]] = {}
    for avp, (label, value) in zip(avps, entries, strict=True):
        if avp.key in mixed:
            label, value = _packet_text.numbers(avp), None if value is None else _octets(avp.octets)
        _append(values, label, value)
    is_v11 = packet.radius_version == RadiusVersion.V1_1
    return {
        "code": int(packet.code),
        "code_name": _core.code_name(packet.code),
        "id": packet.id,
        "authenticator": _hex(packet.authenticator),
        "radius_version": "1.1" if is_v11 else "1.0",
        "token": _hex(packet.token),
        "attributes": values,
    }


def _mixed(keys: list[Any], labels: list[str]) -> set[Any]:
    """The keys whose values would change their order, were they grouped by these labels (PKT-11)."""
    seen: dict[Any, list[str]] = {}
    mixed = set()
    for key, label in zip(keys, labels, strict=True):
        its = seen.get(key, [])
        if label in its[:-1]:
            mixed.add(key)
        if label not in its[-1:]:
            _append(seen, key, label)
    return mixed


def _append(lists: dict[Any, list[Any]], key: Any, value: Any) -> None:
    if key in lists:
        lists[key].append(value)
    else:
        lists[key] = [value]


def _hex(octets: bytes | None) -> str | None:
    return octets.hex() if isinstance(octets, bytes) else None


def _octets(octets: bytes) -> str:
    return f"0x{octets.hex()}"


def _entry(packet: Packet, avp: _core.AVP, secrets: bool) -> tuple[str, Json]:
    """The label and the value for one attribute."""
    dictionary = getattr(packet, "dict", None)
    attribute = dictionary.attributes.get(avp.name) if isinstance(dictionary, Dictionary) and avp.name else None
    if attribute is None:
        label = _packet_text.numbers(avp)
        return (label, None) if avp.is_secret and not secrets else (label, _octets(avp.octets))
    label = _label(attribute, avp)
    if avp.is_secret and not secrets:
        return label, None
    value = _plain(packet, attribute, avp)
    # What the type cannot say again octet by octet is kept as octets.
    return (label, value) if value is not None else (_packet_text.numbers(avp), _octets(avp.octets))


def _label(attribute: Attribute, avp: _core.AVP) -> str:
    # A number without a tag has a zero in the tag's place (RFC 2868 §3.1).
    is_tagged = avp.tag is not None and not (avp.tag == 0 and attribute.type == "integer")
    return f"{avp.name}:{avp.tag}" if is_tagged else str(avp.name)


def _plain(packet: Packet, attribute: Attribute, avp: _core.AVP) -> Json:
    """The value as text or number, or None when that would not come back as the same octets."""
    try:
        value = avp.value
        if attribute.encrypt == 1:
            clear = _packet_text.clear_password(packet, value)
            return _text(clear) if clear is not None and not clear.startswith("0x") else _octets(value)
        if attribute.encrypt != 2 and _encoded(attribute, avp, value) != avp.octets:
            value = avp.octets if avp.tag is None else avp.octets[1:]
            return _octets(value) if _encoded(attribute, avp, value) == avp.octets else None
        return _text(value)
    except _packet_text.FAILURES:
        return None


def _encoded(attribute: Attribute, avp: _core.AVP, value: Any) -> bytes:
    """The octets that assigning `value` would give, tag included."""
    values = attribute.values.forward
    octets: bytes
    if value in values:
        octets = values[value]
    elif attribute.type in _TEXT:
        octets = value if isinstance(value, bytes) else str(value).encode()  # of any length: in several attributes
    else:
        octets = _core.encode_attr(attribute.type, value)
    if avp.tag is None:
        return octets
    return bytes((avp.tag,)) + (octets[1:] if attribute.type == "integer" else octets)


def _text(value: Any) -> Json:
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        return value if not value.startswith("0x") else _octets(value.encode())
    return _octets(bytes(value))


# --- from ---


def from_dict(cls: type[Packet], data: Mapping[str, Any], dictionary: Any, secret: bytes | None) -> Any:
    """A packet of `cls`, or of the class for its code where `cls` is Packet itself."""
    from pyradsec import packet as packets

    if not isinstance(data, Mapping):
        raise ValueError(f"packet: expected a mapping, found {type(data).__name__}")
    code = _code(data)
    kind = _core.packet_class(code) if cls is packets.Packet else cls
    header: dict[str, Any] = {"code": code, "id": _number(data, "id"), "authenticator": _field(data, "authenticator")}
    if secret is not None:
        header["secret"] = secret
    if dictionary is not None:
        header["dict"] = dictionary
    made = kind(radius_version=_version(data), **header)
    made.token = _field(data, "token", 4)
    attributes = data.get("attributes") or {}
    if not isinstance(attributes, Mapping):
        raise ValueError(f"attributes: expected a mapping, found {type(attributes).__name__}")
    for label, values in attributes.items():
        for value in values if isinstance(values, list | tuple) else [values]:
            if value is not None:
                _add(made, label, value)
    return made


def _code(data: Mapping[str, Any]) -> int:
    code = _number(data, "code")
    if code is not None:
        return code
    name = data.get("code_name")
    for number in range(256):
        if _core.code_name(number) == name:
            return number
    raise ValueError(f"code: expected 0 to 255, or the name of a code as code_name, found {name!r}")


def _number(data: Mapping[str, Any], field: str) -> int | None:
    value = data.get(field)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 255:
        raise ValueError(f"{field}: expected 0 to 255, found {value!r}")
    return value


def _field(data: Mapping[str, Any], field: str, length: int | None = None) -> bytes | None:
    value = data.get(field)
    if value is None:
        return None
    octets = _from_digits(field, value)
    if length is not None and len(octets) != length:
        raise ValueError(f"{field}: expected {length} octets, found {len(octets)}")
    return octets


def _version(data: Mapping[str, Any]) -> RadiusVersion:
    value = data.get("radius_version", "1.0")
    if not isinstance(value, str) or value not in _VERSIONS:
        raise ValueError(f"radius_version: expected '1.0' or '1.1', found {value!r}")
    return _VERSIONS[value]


def _from_digits(field: str, digits: Any) -> bytes:
    """The value itself is in no message: it may be a password."""
    if not isinstance(digits, str):
        raise ValueError(f"{field}: expected hexadecimal digits, found {type(digits).__name__}")
    try:
        return bytes.fromhex(digits)
    except ValueError:
        other = next((at for at, digit in enumerate(digits) if digit not in string.hexdigits), len(digits))
        raise ValueError(
            f"{field}: expected pairs of hexadecimal digits, found something else at character {other} of {len(digits)}"
        ) from None


def _add(packet: Packet, label: str, value: Any) -> None:
    """Appends one value under a name or under numbers."""
    if not isinstance(label, str):
        raise ValueError(f"attributes: expected a name, found {label!r}")
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"attribute {label}: expected text or a number, found {type(value).__name__}")
    is_octets = isinstance(value, str) and value.startswith("0x")
    plain = _from_digits(f"attribute {label}", str(value)[2:]) if is_octets else value
    match = _NUMBERS.fullmatch(label)
    if match is None:
        try:
            packet.add_attribute(label, plain)
        except (KeyError, AttributeError):
            raise ValueError(f"attribute {label}: not a name of the dictionary") from None
    elif isinstance(plain, bytes):
        _add_octets(packet, label, [int(number) for number in match[1].split(".")], plain)
    else:
        raise ValueError(f"attribute {label}: expected octets, 0x and hexadecimal digits, found {type(value).__name__}")


def _add_octets(packet: Packet, label: str, numbers: list[int], octets: bytes) -> None:
    """Appends octets to the store under the path of `numbers`, as decoding would keep them."""
    key: Any = numbers.pop(0)
    if key == _VENDOR_SPECIFIC and len(numbers) >= 2:
        key = (numbers.pop(0), numbers.pop(0))
    elif _packet_text.is_extended_vendor((key, *numbers)):
        key, numbers = (key, *numbers), []
    level = packet._store()
    for number in numbers:
        if key not in level:
            level[key] = {}
        level = level[key]
        if not isinstance(level, dict):
            raise PacketError(f"attribute {label}: there are octets where it would be nested")
        key = number
    if not isinstance(level.get(key, []), list):
        raise PacketError(f"attribute {label}: there is a container where its octets would be")
    _append(level, key, octets)
