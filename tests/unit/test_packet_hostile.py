"""Packets whose values, keys or dictionary have code of their own that changes them under way: an answer or an
exception, never a look at what is gone."""

from __future__ import annotations

import contextlib
import gc
import io
from collections.abc import Callable
from typing import Any

import pytest

from pyradsec._core import PacketBase
from pyradsec.dictionary import Attribute, Dictionary
from pyradsec.exceptions import PacketError
from pyradsec.packet import AuthPacket, Packet, parse_packet

TEXT = """
ATTRIBUTE User-Name 1 string
ATTRIBUTE User-Password 2 string encrypt=1
ATTRIBUTE NAS-Port 5 integer
ATTRIBUTE State 24 octets
ATTRIBUTE Key 99 octets encrypt=2
ATTRIBUTE Message-Authenticator 80 octets
ATTRIBUTE Group 90 tlv
ATTRIBUTE Group-Text 90.1 string
ATTRIBUTE Group-Number 90.2 integer
"""
REFUSALS = (PacketError, ValueError, TypeError, KeyError, AttributeError)


@pytest.fixture
def dictionary() -> Dictionary:
    return Dictionary(io.StringIO(TEXT))


def made(dictionary: Dictionary, **attributes: Any) -> AuthPacket:
    return AuthPacket(id=7, secret=b"xyzzy", authenticator=bytes(range(16)), dict=dictionary, **attributes)


class Rival:
    """A key that meets another one's hash and does something when it is compared."""

    def __init__(self, rival: Any, does: Callable[[], Any]) -> None:
        self.hash = hash(rival)
        self.does = does

    def __hash__(self) -> int:
        return self.hash

    def __eq__(self, other: object) -> bool:
        self.does()
        gc.collect()
        return False


def test_a_packet_is_whole_when_decoding_lets_go_of_what_was_there(dictionary: Dictionary) -> None:
    raw = made(dictionary, User_Name="bob").request_packet()
    packet = Packet(dict=dictionary, secret=b"xyzzy")
    seen: list[Any] = []

    class Looks:
        def __del__(self) -> None:
            seen.append((packet.authenticator, packet["User-Name"], packet.raw_packet, packet.code, packet.id))

    class Authenticator(bytes):
        def __del__(self) -> None:
            Looks.__del__(self)  # type: ignore[arg-type]

    packet[1] = [Looks()]
    packet.code = packet.id = Looks()  # type: ignore[assignment]
    packet.authenticator = Authenticator(16)
    packet.decode_packet(raw)
    assert seen == [(bytes(range(16)), ["bob"], raw, 1, 7)] * 3


@pytest.mark.parametrize("raw", [5, b"", b"ab", "text", b"\1\1\0\x30" + bytes(30), b"\1" * 21, bytearray(30)])
def test_any_object_may_be_assigned_to_raw_packet(dictionary: Dictionary, raw: Any) -> None:
    packet = made(dictionary, User_Name="bob")
    packet.raw_packet = raw
    assert "User-Name = 'bob'" in str(packet)
    assert packet.to_dict()["attributes"] == {"User-Name": ["bob"]}


def test_a_name_that_clears_the_packet_while_it_is_looked_up(dictionary: Dictionary) -> None:
    packet = made(dictionary)

    class Name(str):
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            packet.clear()
            gc.collect()
            return str.__eq__(self, other)

    for _ in range(3):
        packet.set_obfuscated(Name("User-Name"), "bob")
    assert packet._obfuscated == {"User-Name": ["bob"]}  # what was given after the last clear()


@pytest.mark.parametrize(
    ("number", "does"),
    [
        (79, lambda packet: packet.has_eap_message()),
        (80, lambda packet: packet.has_message_authenticator()),
        (1, lambda packet: "User-Name" in packet),
        (1, lambda packet: packet.get("User-Name")),
        (90, lambda packet: packet.get("Group-Text")),
        (90, lambda packet: packet.add_attribute("Group-Text", "x")),
        (90, lambda packet: (packet.set_obfuscated("Group-Text", "x"), packet.request_packet())),
    ],
)
def test_a_key_that_clears_the_packet_when_compared(
    dictionary: Dictionary, number: int, does: Callable[[AuthPacket], Any]
) -> None:
    packet = made(dictionary)
    packet[Rival(number, packet.clear)] = [b"x"]
    for other in range(300, 330):
        packet[other] = [b"x"]
    does(packet)
    assert not any(isinstance(key, Rival) for key in packet)


@pytest.mark.parametrize("does", [repr, str, lambda packet: packet["Group"], lambda packet: packet.to_dict()])
def test_an_attribute_that_loses_its_name_while_values_are_decoded(
    dictionary: Dictionary, does: Callable[[Packet], Any]
) -> None:
    raw = made(dictionary, Group_Text="x").request_packet()
    inside = dictionary["Group-Text"]
    inside.values.backward[Rival(b"x", lambda: setattr(inside, "name", object()))] = "a value"
    with contextlib.suppress(*REFUSALS):
        does(parse_packet(raw, b"xyzzy", dictionary))
    assert inside.name != "Group-Text"


@pytest.mark.parametrize("field", ["name", "code", "parent", "values", "sub_attributes"])
@pytest.mark.parametrize("does", [repr, str, lambda packet: packet["Group"], lambda packet: packet["Group-Text"]])
def test_an_attribute_that_loses_a_field_while_values_are_decoded(
    dictionary: Dictionary, does: Callable[[Packet], Any], field: str
) -> None:
    raw = made(dictionary, Group_Text="x").request_packet()
    inside = dictionary["Group-Text"]
    inside.values.backward[Rival(b"x", lambda: hasattr(inside, field) and delattr(inside, field))] = "a value"
    with contextlib.suppress(*REFUSALS):
        does(parse_packet(raw, b"xyzzy", dictionary))
    assert not hasattr(inside, field)


@pytest.mark.parametrize("does", [repr, str, len, lambda packet: packet["Group"], lambda packet: packet.attributes()])
def test_sub_attributes_that_are_replaced_while_they_are_looked_up(
    dictionary: Dictionary, does: Callable[[Packet], Any]
) -> None:
    raw = made(dictionary, Group_Text="x").request_packet()
    group = dictionary["Group"]
    group.sub_attributes = {Rival(1, lambda: setattr(group, "sub_attributes", {1: "Group-Text"})): "Group-Number"}
    does(parse_packet(raw, b"xyzzy", dictionary))
    assert list(group.sub_attributes) == [1]


def test_long_chains_of_objects_are_let_go_of() -> None:
    attribute, packet = Attribute("First", 1, "string"), PacketBase()
    for _ in range(200_000):
        outer, chain = Attribute("Next", 1, "string"), PacketBase()
        outer.parent, chain.peer = attribute, packet
        attribute, packet = outer, chain
    links = 0
    while isinstance(packet.peer, PacketBase) and links < 10:
        packet, links = packet.peer, links + 1
    assert links == 10
    del attribute, outer, packet, chain
    gc.collect()


def test_keywords_that_change_while_they_are_added(dictionary: Dictionary) -> None:
    packet = made(dictionary)
    keywords: dict[str, Any] = {}

    class Number:
        def __int__(self) -> int:
            keywords.clear()
            gc.collect()
            return 5

    keywords["".join(("NAS", "_", "Port"))] = [Number(), Number()]
    packet._setup(1, 7, b"xyzzy", None, 0, keywords)
    assert packet["NAS-Port"] == [5, 5]
