"""repr() and str() of packets: what people see, and what they must not."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest
from packets import AUTHENTICATOR, DICTIONARY, SECRET, attribute, octets, octets_v11, vendor

from pyradsec.dictionary import Dictionary
from pyradsec.packet import AuthPacket, Packet, parse_packet

RAW = octets(
    1,
    attribute(1, b"bob")
    + attribute(2, bytes(16))
    + attribute(64, b"\1\0\0\x0d")
    + vendor(9, b"\x01\x03a", b"\x63\x03b")
    + vendor(64999, b"\x01\x03c")
    + attribute(25, b"\xff")
    + attribute(1, b"\xff\xfe")
    + attribute(5, b"x"),
)


def test_one_line() -> None:
    got = parse_packet(RAW, SECRET, DICTIONARY)
    assert repr(got) == (
        "<AuthPacket Access-Request id=7 {'User-Name': ['bob', 'fffe'], 'User-Password': <hidden>, "
        "'Tunnel-Type': ['VLAN'], 'Cisco-AVPair': ['a'], (9, 99): [b'b'], (64999, 1): [b'c'], 'Class': [b'\\xff'], "
        "'NAS-Port': [0x78]}>"
    )
    assert repr(Packet(code=99, id=1)) == "<Packet Code-99 id=1 {}>"
    assert repr(parse_packet(octets_v11(1), b"", None, 1)) == "<AuthPacket Access-Request token=01020304 {}>"
    assert repr(Packet(radius_version=1)) == "<Packet Code-0 token=none {}>"


def test_many_lines() -> None:
    assert str(parse_packet(RAW, SECRET, DICTIONARY)).splitlines() == [
        f"Access-Request id=7, {len(RAW)} octets",
        "    Authenticator 000102030405060708090a0b0c0d0e0f",
        "    User-Name = 'bob'",
        "    User-Password = <hidden>",
        "    Tunnel-Type:1 = 'VLAN'",
        "    Cisco: Cisco-AVPair = 'a'",
        "    Cisco: Attr-26.9.99 = 0x62",
        "    Vendor 64999: Attr-26.64999.1 = 0x63",
        "    Class = 0xff",
        "    User-Name = 0xfffe",
        "    NAS-Port = 0x78 (attribute NAS-Port: integer: expected 4 octets, found 1)",
    ]


def test_other_headers() -> None:
    assert str(parse_packet(octets_v11(2), b"", None, 1)).splitlines() == [
        "Access-Accept token=01020304, 20 octets",
        "    Token 01020304",
    ]
    reply = AuthPacket(secret=SECRET, authenticator=AUTHENTICATOR, id=7).create_reply()
    assert str(reply).splitlines() == [
        "Access-Accept id=7, 20 octets",
        "    Authenticator 000102030405060708090a0b0c0d0e0f",
    ]
    assert str(Packet(id=7)).splitlines() == ["Code-0 id=7, 20 octets", "    Authenticator none"]
    got = parse_packet(octets(1), SECRET, DICTIONARY)
    got.peer = SimpleNamespace(address="192.0.2.1", port=4000)  # type: ignore[assignment]
    assert str(got).splitlines()[0] == "Access-Request id=7, 20 octets, from 192.0.2.1 port 4000"


def test_the_leaves_of_containers() -> None:
    dictionary = Dictionary(
        io.StringIO(
            "VENDOR Acme 9\nATTRIBUTE Box 241 extended\nATTRIBUTE Text 241.1 string\nATTRIBUTE Evs 241.26 evs\n"
        )
    )
    raw = octets(2, attribute(241, b"\1a") + attribute(241, b"\2b") + attribute(241, b"\x1a\0\0\0\x09\x07c"))
    assert str(Packet(packet=raw, dict=dictionary)).splitlines()[2:] == [
        "    Text = 'a'",
        "    Attr-241.2 = 0x62",
        "    Acme: Attr-241.26.9.7 = 0x63",
    ]


SECRETS = [
    ("User-Password", "hunter2"),
    ("User-Password", b"hunter2"),
    ("CHAP-Password", b"\1hunter2"),
    ("Tunnel-Password", "hunter2"),
    ("Tunnel-Password:1", "hunter2"),
    ("ARAP-Password", b"hunter2hunter2hu"),
    ("MS-CHAP-Response", b"hunter2"),
    ("MS-CHAP2-Response", b"hunter2"),
    ("MS-MPPE-Send-Key", b"hunter2"),
    ("MS-MPPE-Recv-Key", b"hunter2"),
    ("MS-CHAP-MPPE-Keys", b"hunter2"),
    ("MS-CHAP-NT-Enc-PW", b"hunter2"),
]


@pytest.mark.parametrize(("name", "value"), SECRETS)
def test_secrets_are_not_shown(name: str, value: Any) -> None:
    made = AuthPacket(dict=DICTIONARY, secret=b"s3cr3t", authenticator=AUTHENTICATOR)
    if name.partition(":")[0] not in DICTIONARY.attributes:
        pytest.fail(f"{name} is not in the shipped dictionary")
    made[name] = value
    stored = next(iter(made.values()))[0]
    numbers = [made, parse_packet(made.request_packet(), b"s3cr3t", DICTIONARY)]
    numbers += [parse_packet(made.request_packet(), b"s3cr3t", dictionary) for dictionary in (None, Dictionary())]
    for packet in numbers:
        for text in (repr(packet), str(packet), repr(packet.attributes())):
            assert "<hidden>" in text
            assert "hunter2" not in text
            assert b"hunter2".hex() not in text
            assert "s3cr3t" not in text
            if isinstance(stored, bytes):
                assert stored.hex() not in text
                assert repr(stored)[2:-1] not in text


def test_a_line_stays_a_line() -> None:
    """What a peer sends makes no records of its own in a log."""
    made = Packet(dict=DICTIONARY, Reply_Message="a\r\n2026 root logged in\x1b[2J\u2028\u202e", id=7)
    assert len(repr(made).splitlines()) == 1
    assert len(str(made).splitlines()) == 3
    assert "\x1b" not in str(made)
    assert "\u202e" not in str(made) + repr(made)


@pytest.mark.parametrize("stored", ["text", 5, None, [5], [b"x" * 254], {1: 5}])
def test_what_does_not_serialise_is_shown_all_the_same(stored: Any) -> None:
    made = Packet(id=7, dict=DICTIONARY)
    made[1] = stored
    assert repr(made).startswith("<Packet Code-0 id=7 {'User-Name': ")
    assert "does not serialise: " in str(made)


@pytest.mark.parametrize("dictionary", ["no dictionary", object(), None])
def test_with_something_else_for_a_dictionary(dictionary: Any) -> None:
    got = parse_packet(octets(1, attribute(1, b"bob")), SECRET, dictionary)
    assert repr(got) == "<AuthPacket Access-Request id=7 {1: [b'bob']}>"
    assert str(got).endswith("    Attr-1 = 0x626f62")


def test_looking_does_not_change_a_request() -> None:
    made = AuthPacket(dict=DICTIONARY, secret=SECRET, User_Name="bob")
    repr(made), str(made)
    assert made.authenticator is None
