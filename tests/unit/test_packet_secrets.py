"""No password or key in an exception or in what an operator sees of a packet that is being built."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from pyradsec.constants import PacketType
from pyradsec.dictionary import Dictionary
from pyradsec.exceptions import PacketError
from pyradsec.packet import AuthPacket, Packet
from pyradsec.radsec.v11 import RadiusVersion

TEXT = """
ATTRIBUTE User-Password 2 string encrypt=1
ATTRIBUTE CHAP-Password 3 octets
ATTRIBUTE Tunnel-Password 69 string encrypt=2,has_tag
ATTRIBUTE Key 99 octets encrypt=2
ATTRIBUTE Pin 98 integer encrypt=2
ATTRIBUTE Group 90 tlv
ATTRIBUTE Group-Key 90.1 string encrypt=2
ATTRIBUTE Group-Text 90.2 string
"""
SECRET = "hunter2"


@pytest.fixture
def packet() -> AuthPacket:
    return AuthPacket(id=7, secret=b"xyzzy", authenticator=bytes(range(16)), dict=Dictionary(io.StringIO(TEXT)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CHAP-Password", f"0x{SECRET}"),
        ("Key", f"0x{SECRET}"),
        ("Pin", SECRET),
        ("Pin", [[SECRET]]),
        ("Group-Key", {SECRET: 1}),
        ("Tunnel-Password:1", {1: SECRET}),
        ("User-Password", [[SECRET]]),
        ("User-Password", SECRET * 60),
        ("Tunnel-Password:1", SECRET * 60),
    ],
)
def test_a_value_that_does_not_fit_is_not_told(packet: AuthPacket, name: str, value: Any) -> None:
    def build() -> None:
        packet[name] = value
        packet.request_packet()

    with pytest.raises((ValueError, TypeError, PacketError), match="expected") as caught:
        build()
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("value", [f"0x{SECRET}", [[SECRET]], {"a": SECRET}])
def test_from_dict_does_not_tell_values(packet: AuthPacket, value: Any) -> None:
    data = {"code": 1, "attributes": {"User-Password": value}}
    with pytest.raises(ValueError, match="attribute User-Password: expected") as caught:
        Packet.from_dict(data, dict=packet.dict, secret=b"xyzzy")
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("version", list(RadiusVersion))
def test_what_set_obfuscated_keeps_in_a_container_is_masked(packet: AuthPacket, version: RadiusVersion) -> None:
    packet.radius_version = version
    packet.token = b"1234"
    packet.add_attribute("Group-Text", "seen")
    packet.set_obfuscated("Group-Key", SECRET)
    shown = str(packet)
    assert "Group-Key = <hidden>" in shown
    assert "Group-Text = 'seen'" in shown
    assert SECRET.encode().hex() not in shown
    assert packet.to_dict()["attributes"] == {"Group-Text": ["seen"], "Group-Key": [None]}
    assert packet.to_dict(secrets=True)["attributes"] == {"Group-Text": ["seen"], "Group-Key": [SECRET]}
    assert SECRET not in json.dumps(packet.to_dict())
    assert packet.code == PacketType.AccessRequest
