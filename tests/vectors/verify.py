"""Checks the vectors in this directory against an implementation of its own: hashlib, hmac and ipaddress."""

from __future__ import annotations

import ast
import hashlib
import hmac
import ipaddress
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Vector = dict[str, list[str]]
HERE = Path(__file__).parent
SIGNED_REQUESTS = (4, 40, 43)


def read(name: str) -> list[Vector]:
    vectors: list[Vector] = []
    vector: Vector = {}
    last: list[str] = []
    for line in [*(HERE / name).read_text("utf-8").splitlines(), ""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if vector:
                vectors.append(vector)
            vector = {}
        elif line[0] == " ":
            last[-1] += line
        else:
            key, _, value = line.partition(":")
            last = vector.setdefault(key, [])
            last.append(value.strip())
    return vectors


def octets(text: str) -> bytes:
    return bytes.fromhex(text)


def parse(packet: bytes) -> tuple[str, list[tuple[int, bytes, int]]]:
    length = int.from_bytes(packet[2:4], "big")
    attributes: list[tuple[int, bytes, int]] = []
    if len(packet) < 20 or length < 20:
        return "too-short 2", attributes
    if max(len(packet), length) > 4096:
        return "too-long 2", attributes
    if len(packet) != length:
        return "length-mismatch 2", attributes
    at = 20
    while at < length:
        if at + 1 == length:
            return f"attr-overrun {at}", attributes
        size = packet[at + 1]
        if size < 2:
            return f"attr-length {at}", attributes
        if at + size > length:
            return f"attr-overrun {at}", attributes
        attributes.append((packet[at], packet[at + 2 : at + size], at))
        at += size
    return "ok", attributes


def judge(packet: bytes, attributes: list[tuple[int, bytes, int]], secret: bytes, request: bytes | None) -> str:
    code, authenticator = packet[0], packet[4:20]
    base = request if request is not None else bytes(16) if code in SIGNED_REQUESTS else authenticator
    found = [(value, at) for kind, value, at in attributes if kind == 80]
    if request is not None:
        digest = hashlib.md5(packet[:4] + request + packet[20:] + secret).digest()
        if digest != authenticator:
            return "bad-response-authenticator"
    if not found and request is None and (code == 12 or any(kind == 79 for kind, _, _ in attributes)):
        return "message-authenticator-missing"
    if len(found) > 1 or any(len(value) != 16 for value, _ in found):
        return "message-authenticator-form"
    for value, at in found:
        message = packet[:4] + base + packet[20 : at + 2] + bytes(16) + packet[at + 18 :]
        if hmac.new(secret, message, "md5").digest() != value:
            return "bad-message-authenticator"
    if request is None and code in SIGNED_REQUESTS:
        digest = hashlib.md5(packet[:4] + bytes(16) + packet[20:] + secret).digest()
        if digest != authenticator:
            return "bad-request-authenticator"
    return "ok"


def uncover(hidden: bytes, secret: bytes, start: bytes) -> bytes:
    out = b""
    for at in range(0, len(hidden), 16):
        block = hidden[at : at + 16]
        out += bytes(a ^ b for a, b in zip(block, hashlib.md5(secret + start).digest(), strict=False))
        start = block
    return out


def check_packet(vector: Vector) -> None:
    packet = octets(vector["packet"][0])
    result, attributes = parse(packet)
    assert result == vector["parse"][0], result
    if result != "ok":
        return
    assert [str(packet[0]), str(packet[1])] == [vector["code"][0], vector["id"][0]]
    found = [f"{kind} {value.hex()}".strip() for kind, value, _ in attributes]
    assert found == vector.get("attr", []), found
    if "token" in vector:  # RFC 9765 §4.1
        assert packet[4:8] == octets(vector["token"][0])
    if "verdict" in vector:
        secret = vector["secret"][0].encode()
        request = octets(vector["request-authenticator"][0]) if "request-authenticator" in vector else None
        verdict = judge(packet, attributes, secret, request)
        assert verdict == vector["verdict"][0], verdict
    if "password" in vector:
        hidden = next(value for kind, value, _ in attributes if kind == 2)
        plain = uncover(hidden, vector["secret"][0].encode(), packet[4:20]).rstrip(b"\0")
        assert plain == vector["password"][0].encode(), plain


def check_hidden(vector: Vector) -> None:
    hidden, secret = octets(vector["hidden"][0]), vector["secret"][0].encode()
    start = octets(vector["request-authenticator"][0])
    if vector["form"] == ["user-password"]:
        assert uncover(hidden, secret, start).rstrip(b"\0") == octets(vector["plain"][0])
        return
    result = "ok"
    plain = b""
    if len(hidden) < 3 or (len(hidden) - 2) % 16 != 0:
        result = "attr-value"
    else:
        plain = uncover(hidden[2:], secret, start + hidden[:2])
        result = "ok" if plain[0] < len(plain) else "bad-secret"
    assert result == vector.get("result", ["ok"])[0], result
    assert result != "ok" or plain[1 : 1 + plain[0]] == octets(vector["plain"][0]), plain


def check_digest(vector: Vector) -> None:
    data = octets(vector["data"][0])
    if vector["algorithm"] == ["md5"]:
        digest = hashlib.md5(data).hexdigest()
    else:
        digest = hmac.new(octets(vector["key"][0]), data, "md5").hexdigest()
    assert digest == vector["digest"][0], digest


def check_stream(vector: Vector) -> None:
    stream = octets(vector["stream"][0])
    frames: list[str] = []
    while True:
        length = int.from_bytes(stream[2:4], "big") if len(stream) >= 4 else 0
        if len(stream) < 4:
            end = "more 0"
        elif length < 20:
            end = f"too-short {length}"
        elif length > 4096:
            end = f"too-long {length}"
        elif len(stream) < length:
            end = f"more {length}"
        else:
            frames.append(str(length))
            stream = stream[length:]
            continue
        break
    assert frames == vector.get("frame", []), frames
    assert end == vector["end"][0], end


def check_value(vector: Vector) -> None:
    kind, text = vector["type"][0], vector["text"][0]
    try:
        if kind in ("ipaddr", "ipv6addr"):
            version = ipaddress.IPv4Address if kind == "ipaddr" else ipaddress.IPv6Address
            packed = version(text.partition("%")[0]).packed
        elif kind in ("ipv4prefix", "ipv6prefix"):
            family = ipaddress.IPv4Network if kind == "ipv4prefix" else ipaddress.IPv6Network
            network = family(text, strict=False)
            packed = bytes([0, network.prefixlen]) + network.network_address.packed
        elif kind == "ifid":
            groups = text.split(":")
            packed = b"".join(int(group, 16).to_bytes(2, "big") for group in groups)
            assert len(groups) == 4 or "result" in vector
        elif kind == "ether":
            packed = bytes(int(part, 16) for part in text.replace("-", ":").split(":"))
        else:
            packed = octets(text.removeprefix("0x"))
    except (ValueError, OverflowError):
        packed = b""
    assert packed == octets(vector["octets"][0]) if "octets" in vector else "result" in vector, packed


# --- attributes by name ---

Key = tuple[Any, ...]
TLVS = ("tlv", "extended", "long-extended")
WIDTHS = {"byte": 1, "short": 2, "integer": 4, "signed": 4, "date": 4, "integer64": 8, "ipaddr": 4}


@dataclass
class Entry:
    """A line of a dictionary that begins with ATTRIBUTE."""

    name: str
    type: str
    flags: list[str]
    values: dict[bytes, str] = field(default_factory=dict)


class Names:
    """What a dictionary says: the entries by their place, which is the numbers from the outside to the inside."""

    def __init__(self, path: Path) -> None:
        self.entries: dict[Key, Entry] = {}
        self.places: dict[str, Key] = {}
        self.vendors: dict[str, int] = {}
        self.formats: dict[int, tuple[int, int, bool]] = {}
        self.read(path)

    def read(self, path: Path) -> None:
        prefix: Key = ()
        for line in path.read_text("utf-8").splitlines():
            words = line.partition("#")[0].split()
            match words:
                case ["$INCLUDE", name]:
                    self.read(path.parent / name)
                case ["VENDOR", name, number, *form]:
                    self.vendors[name] = int(number)
                    if form:
                        parts = form[0].removeprefix("format=").split(",")
                        self.formats[int(number)] = (int(parts[0]), int(parts[1]), len(parts) == 3)
                case ["BEGIN-VENDOR", name]:
                    prefix = (26, self.vendors[name])
                case ["BEGIN-VENDOR", name, parent]:
                    prefix = (*self.places[parent.removeprefix("parent=")], self.vendors[name])
                case ["END-VENDOR", *_]:
                    prefix = ()
                case ["ATTRIBUTE", name, code, kind, *flags]:
                    key = (*prefix, *(int(number, 0) for number in code.split(".")))
                    self.entries[key] = Entry(name, kind, flags[0].split(",") if flags else [])
                    self.places[name] = key
                case ["VALUE", attribute, name, number]:
                    entry = self.entries[self.places[attribute]]
                    entry.values[int(number, 0).to_bytes(WIDTHS.get(entry.type, 4), "big")] = name


def text_of(address: bytes) -> str:
    parsed = ipaddress.ip_address(address)
    mapped = getattr(parsed, "ipv4_mapped", None)
    return str(parsed) if mapped is None else f"::ffff:{mapped}"


def value_of(kind: str, value: bytes) -> Any:
    """What octets of a data type stand for; ValueError when they do not fit it (RFC 8044)."""
    number = int.from_bytes(value, "big", signed=kind == "signed")
    if kind == "string":
        return value.decode()
    if kind in ("octets", "abinary"):
        return value
    if kind in ("ipv4prefix", "ipv6prefix"):
        size = 4 if kind == "ipv4prefix" else 16
        if not 2 <= len(value) <= 2 + size or value[1] > 8 * size:
            raise ValueError(f"{value.hex()} is no {kind}")
        address = ipaddress.ip_address(value[2:].ljust(size, b"\0"))
        return str(ipaddress.ip_network((address, value[1]), strict=False))
    sizes = {"ipv6addr": [16], "combo-ip": [4, 16], "ifid": [8], "ether": [6]}.get(kind) or [WIDTHS[kind]]
    if len(value) not in sizes:
        raise ValueError(f"{value.hex()} is no {kind}")
    if kind in ("ipaddr", "ipv6addr", "combo-ip"):
        return text_of(value)
    if kind in ("ifid", "ether"):
        return value.hex(":", 2 if kind == "ifid" else 1)
    return number


def split(octets_: bytes, widths: tuple[int, int] = (1, 1)) -> list[tuple[int, bytes]] | None:
    """Types and values of a space of TLVs; None when they do not fill it."""
    found, at = [], 0
    while at < len(octets_):
        head = at + sum(widths)
        size = int.from_bytes(octets_[at + widths[0] : head], "big") if widths[1] else len(octets_) - at
        if head > len(octets_) or size < sum(widths) or at + size > len(octets_):
            return None
        found.append((int.from_bytes(octets_[at : at + widths[0]], "big"), octets_[head : at + size]))
        at += size
    return found


class Reader:
    """Attributes to names and values."""

    def __init__(self, names: Names, secret: bytes, authenticator: bytes) -> None:
        self.names, self.secret, self.authenticator = names, secret, authenticator

    def read(self, attributes: bytes) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for place, value in self.leaves(split(attributes) or []):
            entry = self.names.entries.get(place)
            if entry is None:
                continue
            into, depth = found, 1
            # A vendor's attributes are not inside of an attribute, and neither are those in an extended one.
            first = place.index(26) + 3 if 26 in place[:2] else 1
            for depth in range(first, len(place)):
                into = into.setdefault(self.names.entries[place[:depth]].name, {})
            self.store(into, entry, value)
        return found

    def store(self, into: dict[str, Any], entry: Entry, value: bytes) -> None:
        if "concat" in entry.flags and entry.name in into:
            into[entry.name][0] += value
            return
        values = into.setdefault(entry.name, [])
        if "array" in entry.flags:
            width = WIDTHS[entry.type]
            values += [value_of(entry.type, value[at : at + width]) for at in range(0, len(value), width)]
            return
        tag = 0
        if "has_tag" in entry.flags:
            if entry.type == "integer":
                tag, value = value[0], b"\0" + value[1:]
            elif value[0] < 32 or "encrypt=2" in entry.flags:
                tag, value = value[0], value[1:]
        if "encrypt=2" in entry.flags:
            plain = uncover(value[2:], self.secret, self.authenticator + value[:2])
            value = plain[1 : 1 + plain[0]]
        try:
            values.append(entry.values[value] if value in entry.values else value_of(entry.type, value))
        except ValueError:
            values.append(None)
        if tag:
            into.setdefault(f"{entry.name}:{tag}", []).append(values[-1])

    def leaves(self, attributes: list[tuple[int, bytes]]) -> Iterator[tuple[Key, bytes]]:
        """Places and values, with whatever was cut up put together again."""
        begun: dict[Key, bytes] = {}
        for kind, value in attributes:
            entry = self.names.entries.get((kind,))
            if kind == 26 and len(value) > 4:
                yield from self.vendor(int.from_bytes(value[:4], "big"), value[4:], begun)
            elif entry is None or entry.type not in TLVS:
                yield (kind,), value
            elif entry.type == "tlv":
                yield from self.inside((kind,), value)
            else:
                head = 1 if entry.type == "extended" else 2
                if len(value) <= head:
                    continue
                place, data = (kind, value[0]), value[head:]
                if head == 2:
                    data = begun.pop(place, b"") + data
                    if value[1] & 0x80:
                        begun[place] = data
                        continue
                yield from self.slot(place, data)

    def slot(self, place: Key, data: bytes) -> Iterator[tuple[Key, bytes]]:
        if place[1] == 26:
            if len(data) > 5:
                yield (*place, int.from_bytes(data[:4], "big"), data[4]), data[5:]
        else:
            yield from self.inside(place, data)

    def vendor(self, number: int, data: bytes, begun: dict[Key, bytes]) -> Iterator[tuple[Key, bytes]]:
        type_len, length_len, is_continued = self.names.formats.get(number, (1, 1, False))
        for kind, value in split(data, (type_len, length_len)) or []:
            place = (26, number, kind)
            if is_continued:
                more, value = value[0] & 0x80, begun.pop(place, b"") + value[1:]
                if more:
                    begun[place] = value
                    continue
            yield from self.inside(place, value)

    def inside(self, place: Key, value: bytes) -> Iterator[tuple[Key, bytes]]:
        entry = self.names.entries.get(place)
        if entry is None or entry.type != "tlv":
            yield place, value
            return
        for kind, part in split(value) or []:
            yield from self.inside((*place, kind), part)


DICTIONARIES: dict[str, Names] = {}


def dictionary_path(vector: Vector) -> Path:
    """The dictionary that the vector is read with."""
    if "dictionary" in vector:
        return HERE / f"dictionary.{vector['dictionary'][0]}"
    return HERE.parents[1] / "dict" / "dictionary"


def pairs(vector: Vector, key: str) -> list[tuple[str, Any]]:
    """Names and values of the lines `key`, which are Python literals."""
    found = (line.partition(" ") for line in vector.get(key, []))
    return [(name, ast.literal_eval(text)) for name, _, text in found]


def check_attributes(vector: Vector) -> None:
    path = dictionary_path(vector)
    names = DICTIONARIES.setdefault(str(path), Names(path))
    secret = vector.get("secret", [""])[0].encode()
    reader = Reader(names, secret, octets(vector.get("request-authenticator", [""])[0]))
    found = reader.read(octets(vector["octets"][0]))
    expected = dict(pairs(vector, "get"))
    bad = vector.get("bad", [""])[0]
    assert {name: values for name, values in found.items() if ":" not in name or name in expected} == (
        {bad: [None], **expected} if bad else expected
    ), found
    if "digest-password" in vector:  # RFC 2617 §3.2.2: that the values belong together
        of = {name.removeprefix("Digest-"): values[0] for name, values in expected.items()}
        first = hashlib.md5(f"{of['Username']}:{of['Realm']}:{vector['digest-password'][0]}".encode()).hexdigest()
        second = hashlib.md5(f"{of['Method']}:{of['URI']}".encode()).hexdigest()
        middle = f"{of['Nonce']}:{of['Nonce-Count']}:{of['CNonce']}:{of['Qop']}"
        assert hashlib.md5(f"{first}:{middle}:{second}".encode()).hexdigest() == of["Response"]


CHECKS: dict[str, Callable[[Vector], None]] = {
    "attributes.txt": check_attributes,
    "containers.txt": check_attributes,
    "packets.txt": check_packet,
    "hidden.txt": check_hidden,
    "digests.txt": check_digest,
    "stream.txt": check_stream,
    "values.txt": check_value,
}


def main() -> int:
    passed = failed = 0
    for name, check in CHECKS.items():
        for vector in read(name):
            try:
                check(vector)
                passed += 1
            except (AssertionError, KeyError, ValueError) as error:
                print(f"{name}: {vector.get('name')}: {error!r}")
                failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
