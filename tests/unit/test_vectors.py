"""The packets of tests/vectors/ through Packet and through the checks that packet_received() makes."""

from __future__ import annotations

import functools
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from pyradsec import _core
from pyradsec.dictionary import Dictionary
from pyradsec.packet import AuthPacket, Packet, PacketError, parse_packet

VECTORS = Path(__file__).resolve().parents[1] / "vectors"
DICTIONARY = Dictionary.default()

# What a refusal reads like, by the vectors' word for it.
REFUSALS = {
    "too-short": "header is corrupt|too small",
    "too-long": "too long",
    "length-mismatch": "invalid length",
    "attr-length": "invalid length",
    "attr-overrun": "runs past the end|header is corrupt",
}
VERDICTS = {
    "bad-request-authenticator": "Request Authenticator does not verify",
    "bad-message-authenticator": "Message-Authenticator does not verify",
    "message-authenticator-form": "not one attribute of 16 octets",
    "message-authenticator-missing": "requires a Message-Authenticator",
}


def load_verifier() -> Any:
    """verify.py, which reads the vectors and says by itself whether they are right."""
    spec = importlib.util.spec_from_file_location("verify_vectors", VECTORS / "verify.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look there
    spec.loader.exec_module(module)
    return module


VERIFIER = load_verifier()


def read(name: str) -> list[dict[str, list[str]]]:
    vectors: list[dict[str, list[str]]] = VERIFIER.read(name)
    return vectors


def test_vectors_are_right(capsys: pytest.CaptureFixture[str]) -> None:
    """By an implementation of their own: a wrong vector must not pass for a wrong program."""
    assert VERIFIER.main() == 0, capsys.readouterr().out


def one(vector: dict[str, list[str]], key: str, default: str = "") -> str:
    return vector.get(key, [default])[0]


def named(vectors: list[dict[str, list[str]]], *keys: str) -> list[Any]:
    return [pytest.param(vector, id=one(vector, "name")) for vector in vectors if all(key in vector for key in keys)]


PACKETS = read("packets.txt")


@pytest.mark.parametrize("vector", named(PACKETS, "parse"))
def test_what_it_parses_to(vector: dict[str, list[str]]) -> None:
    raw = bytes.fromhex(one(vector, "packet"))
    word, _, offset = one(vector, "parse").partition(" ")
    if word != "ok":
        with pytest.raises(PacketError, match=REFUSALS[word]) as refusal:
            Packet(packet=raw, secret=b"")
        assert offset == "2" or f"{offset}" in str(refusal.value)
        return
    packet = parse_packet(raw, one(vector, "secret").encode(), None)
    assert (packet.code, packet.id) == (int(one(vector, "code")), int(one(vector, "id")))
    expected: dict[int, list[bytes]] = {}
    for attribute in vector.get("attr", []):
        kind, _, value = attribute.partition(" ")
        expected.setdefault(int(kind), []).append(bytes.fromhex(value))
    assert dict(packet.items()) == expected
    assert list(packet) == list(expected)


@pytest.mark.parametrize("vector", named(PACKETS, "verdict"))
def test_whether_it_verifies(vector: dict[str, list[str]]) -> None:
    raw, secret = bytes.fromhex(one(vector, "packet")), one(vector, "secret").encode()
    verdict = one(vector, "verdict")
    if "request-authenticator" in vector:
        authenticator = bytes.fromhex(one(vector, "request-authenticator"))
        request = AuthPacket(id=raw[1], secret=secret, authenticator=authenticator, dict=DICTIONARY)
        assert request.verify_reply(request.create_reply(packet=raw), raw) == (verdict == "ok")
    elif verdict == "ok":
        _core.check_request(raw, secret, True, False, False, True)
    else:
        with pytest.raises(PacketError, match=VERDICTS[verdict]):
            _core.check_request(raw, secret, True, False, False, True)


@pytest.mark.parametrize("vector", named(PACKETS, "password"))
def test_its_password(vector: dict[str, list[str]]) -> None:
    packet = parse_packet(bytes.fromhex(one(vector, "packet")), one(vector, "secret").encode(), DICTIONARY)
    assert isinstance(packet, AuthPacket)
    assert packet.pw_decrypt(packet["User-Password"][0]) == one(vector, "password")


@pytest.mark.parametrize("vector", named(read("hidden.txt"), "hidden"))
def test_hidden_values(vector: dict[str, list[str]]) -> None:
    packet = AuthPacket(
        secret=one(vector, "secret").encode(), authenticator=bytes.fromhex(one(vector, "request-authenticator"))
    )
    hidden, is_salted = bytes.fromhex(one(vector, "hidden")), one(vector, "form") == "salted"
    if "result" in vector:
        with pytest.raises(PacketError):
            packet.salt_decrypt(hidden)
        return
    plain = bytes.fromhex(one(vector, "plain"))
    if is_salted:
        assert packet.salt_decrypt(hidden) == plain
    else:
        packet[2] = [hidden]
        assert packet.pw_decrypt(hidden) == plain.decode("utf-8", "ignore")
        assert packet.pw_crypt(plain) == hidden


# --- attributes by name ---

ATTRIBUTES = [*read("attributes.txt"), *read("containers.txt")]


@functools.cache
def dictionary(path: Path) -> Dictionary:
    return Dictionary(str(path))


def header(octets: bytes, authenticator: bytes = bytes(16)) -> bytes:
    return b"\x02\x01" + (20 + len(octets)).to_bytes(2, "big") + authenticator + octets


def received(vector: dict[str, list[str]], octets: bytes) -> Packet:
    """A reply that holds these attributes."""
    authenticator = bytes.fromhex(one(vector, "request-authenticator", "00" * 16))
    packet = Packet(packet=header(octets), secret=one(vector, "secret").encode(), dict=names_of(vector))
    packet.request_authenticator = authenticator
    return packet


def names_of(vector: dict[str, list[str]]) -> Dictionary:
    return dictionary(VERIFIER.dictionary_path(vector))


@pytest.mark.parametrize("vector", named(ATTRIBUTES, "octets"))
def test_attributes_read(vector: dict[str, list[str]]) -> None:
    octets = bytes.fromhex(one(vector, "octets"))
    packet = received(vector, octets)
    for name, expected in VERIFIER.pairs(vector, "get"):
        assert packet[name] == expected, name
    if "bad" in vector:
        with pytest.raises(ValueError, match=r"expected .*, found"):
            packet[one(vector, "bad")]


@pytest.mark.parametrize("vector", named(ATTRIBUTES, "octets"))
def test_attributes_as_received_are_written_again(vector: dict[str, list[str]]) -> None:
    """What was parsed is written so that it reads the same; octet for octet where `set` says how they are written."""
    octets = bytes.fromhex(one(vector, "octets"))
    packet = received(vector, octets)
    again = attributes_of(packet)
    if "set" in vector:
        assert again == octets
    assert attributes_of(received(vector, again)) == again
    for name, expected in VERIFIER.pairs(vector, "get"):
        assert received(vector, again)[name] == expected, name


@pytest.mark.parametrize("vector", named(ATTRIBUTES, "set"))
def test_attributes_written(vector: dict[str, list[str]]) -> None:
    packet = Packet(dict=names_of(vector), authenticator=bytes(16), secret=b"")
    for name, value in VERIFIER.pairs(vector, "set"):
        packet.add_attribute(name, value)
    assert attributes_of(packet).hex() == bytes.fromhex(one(vector, "octets")).hex()


def attributes_of(packet: Packet) -> bytes:
    """The attributes of the packet as they are sent."""
    packet.authenticator = packet.authenticator or bytes(16)
    return packet.reply_packet()[20:]
