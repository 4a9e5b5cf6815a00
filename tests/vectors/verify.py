"""Checks the vectors in this directory against an implementation of its own: hashlib, hmac and ipaddress."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import sys
from collections.abc import Callable
from pathlib import Path

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


CHECKS: dict[str, Callable[[Vector], None]] = {
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
