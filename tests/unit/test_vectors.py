"""The packets of tests/vectors/ through Packet and through the checks that packet_received() makes."""

from __future__ import annotations

import importlib.util
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


def read(name: str) -> list[dict[str, list[str]]]:
    """The vectors of a file, by the reader that checks them."""
    spec = importlib.util.spec_from_file_location("verify_vectors", VECTORS / "verify.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    vectors: list[dict[str, list[str]]] = module.read(name)
    return vectors


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
