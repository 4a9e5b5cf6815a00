"""packet.attributes(): one item for each attribute, in the order of the wire, decoded when asked."""

from __future__ import annotations

import gc
import io
import weakref
from typing import Any

import pytest
from packets import AUTHENTICATOR, DICTIONARY, SECRET, attribute, octets, octets_v11, vendor

from pyradsec import _core
from pyradsec.dictionary import Dictionary
from pyradsec.packet import AVP, AuthPacket, Packet, PacketError, parse_packet

CONTAINERS = Dictionary(
    io.StringIO(
        """
VENDOR Acme 64999
VENDOR Wide 64998 format=2,2
VENDOR Long 64997 format=1,1,c
ATTRIBUTE Plain 1 string
ATTRIBUTE Numbers 2 integer array
ATTRIBUTE Joined 79 octets concat
ATTRIBUTE Outer 100 tlv
ATTRIBUTE Outer-Text 100.1 string
ATTRIBUTE Outer-Inner 100.2 tlv
ATTRIBUTE Outer-Inner-Number 100.2.1 integer
ATTRIBUTE Extended-1 241 extended
ATTRIBUTE Extended-Text 241.1 string
ATTRIBUTE Extended-Vendor 241.26 evs
BEGIN-VENDOR Acme
ATTRIBUTE Acme-Box 1 tlv
ATTRIBUTE Acme-Box-Text 1.1 string
END-VENDOR Acme
BEGIN-VENDOR Wide
ATTRIBUTE Wide-Text 258 string
END-VENDOR Wide
BEGIN-VENDOR Acme parent=Extended-Vendor
ATTRIBUTE Acme-Extended 7 string
END-VENDOR Acme
"""
    )
)


def got(attributes: bytes, dictionary: Any = DICTIONARY, code: int = 1) -> Packet:
    return Packet(packet=octets(code, attributes), secret=SECRET, dict=dictionary)


def seen(packet: Any) -> list[tuple[Any, Any, int]]:
    return [(avp.name, avp.key, avp.offset) for avp in packet.attributes()]


def test_the_order_of_the_wire() -> None:
    """PKT-11, and what lies between attributes of one type too."""
    packet = got(attribute(33, b"one") + attribute(1, b"bob") + attribute(33, b"two") + attribute(200, b"?"))
    assert seen(packet) == [
        ("Proxy-State", 33, 20),
        ("User-Name", 1, 25),
        ("Proxy-State", 33, 30),
        (None, 200, 35),
    ]
    assert [avp.octets for avp in packet.attributes()] == [b"one", b"bob", b"two", b"?"]
    assert [avp.value for avp in packet.attributes()] == [b"one", "bob", b"two", b"?"]


def test_offsets_are_those_of_the_attributes() -> None:
    raw = octets(1, attribute(1, b"bob") + vendor(9, b"\x01\x03a", b"\x02\x03b") + attribute(5, bytes(4)))
    for avp in Packet(packet=raw, dict=DICTIONARY).attributes():
        number = avp.key if avp.vendor is None else avp.key[1]
        assert raw[avp.offset] == number
        assert raw[avp.offset + 2 :].startswith(avp.octets)


def test_looking_changes_nothing() -> None:
    packet = got(attribute(1, b"bob") + attribute(5, b"short"))
    avps = packet.attributes()
    with pytest.raises(ValueError, match="integer: expected 4 octets, found 5"):
        avps[1].value  # noqa: B018
    assert avps[1].octets == b"short"
    assert packet.attributes()[0].octets == b"bob"
    assert packet._octets() is packet.raw_packet


def test_vendors() -> None:
    """RFC 2865 §5.26: one item for each attribute inside; octets that are none stay whole (PKT-6)."""
    inside = vendor(9, b"\x01\x03a", b"\x63\x03b")
    broken = vendor(9, b"\x01\x09a")
    packet = got(inside + broken + vendor(9) + attribute(26, b"\0\0"))
    assert seen(packet) == [
        ("Cisco-AVPair", (9, 1), 26),
        (None, (9, 99), 29),
        ("Vendor-Specific", 26, 32),
        ("Vendor-Specific", 26, 41),
        ("Vendor-Specific", 26, 47),
    ]
    assert [avp.vendor for avp in packet.attributes()] == [9, 9, None, None, None]
    assert packet.attributes()[2].value == broken[2:]


def test_a_vendor_with_wide_fields() -> None:
    packet = got(vendor(64998, b"\x01\x02\x00\x07abc"), CONTAINERS)
    assert seen(packet) == [("Wide-Text", (64998, 258), 26)]
    assert packet.attributes()[0].value == "abc"


def test_a_vendor_is_no_container_of_the_same_number() -> None:
    """90.1 and attribute 1 of vendor 90 are both (90, 1) in a dictionary's index (W20)."""
    dictionary = Dictionary(io.StringIO("ATTRIBUTE Box 90 tlv\nATTRIBUTE Inside 90.1 string\nVENDOR Ninety 90\n"))
    packet = Packet(packet=octets(2, vendor(90, attribute(1, b"x"))), secret=SECRET, dict=dictionary)
    assert [(avp.name, avp.key, avp.octets) for avp in packet.attributes()] == [(None, (90, 1), b"x")]
    assert "Inside" not in packet
    again = Packet.from_dict(packet.to_dict(), dict=dictionary, secret=SECRET)
    assert dict(again.items()) == dict(packet.items())


def test_tags() -> None:
    """RFC 2868 §3.1."""
    packet = got(
        attribute(64, b"\x01\0\0\x0d")
        + attribute(81, b"\x0242")
        + attribute(81, b"plain")
        + attribute(64, b"\0\0\0\x0d")
    )
    assert [(avp.tag, avp.value) for avp in packet.attributes()] == [
        (1, "VLAN"),
        (2, "42"),
        (None, "plain"),
        (0, "VLAN"),
    ]
    assert got(attribute(1, b"\x01")).attributes()[0].tag is None


def test_secrets() -> None:
    made = AuthPacket(secret=SECRET, authenticator=AUTHENTICATOR, dict=DICTIONARY, User_Password="hunter2")
    made["Tunnel-Password:1"] = "s3cret"
    made["MS-MPPE-Send-Key"] = b"key"
    made["User-Name"] = "bob"
    packet = parse_packet(made.request_packet(), SECRET, DICTIONARY)
    assert isinstance(packet, AuthPacket)
    password, tunnel, key, name = packet.attributes()
    assert packet.pw_decrypt(password.value) == "hunter2"
    assert password.value == password.octets == packet["User-Password"][0]
    assert (tunnel.value, tunnel.tag, key.value) == ("s3cret", 1, b"key")
    assert [avp.is_secret for avp in (password, tunnel, key, name)] == [True, True, True, False]
    for avp in (password, tunnel, key):
        assert "<hidden>" in repr(avp)
    assert repr(name).startswith("<AVP User-Name 'bob' at octet ")
    assert tunnel.octets[1] & 0x80  # the salt


def test_secrets_by_number() -> None:
    """Without a dictionary too."""
    packet = got(
        attribute(2, bytes(16)) + attribute(3, bytes(17)) + vendor(311, b"\x19\x03x") + attribute(1, b"b"), None
    )
    assert [avp.is_secret for avp in packet.attributes()] == [True, True, True, False]
    for key in ((311, 16), (311, 1), 69, 70):
        assert _core.is_secret_key(key)
    for key in (1, (9, 2), (0, 2), "User-Password", (311,), (311, 16, 1), ("a", 1), 2**70, (2**70, 1), -1):
        assert not _core.is_secret_key(key)


@pytest.mark.parametrize("dictionary", [None, "no dictionary", object()])
def test_without_a_dictionary(dictionary: Any) -> None:
    """Keys are those of the mapping, which leaves vendors' attributes whole then."""
    whole = vendor(9, b"\x01\x03a")
    packet = got(attribute(1, b"bob") + whole, dictionary)
    assert [(avp.name, avp.key, avp.value) for avp in packet.attributes()] == [(None, 1, b"bob"), (None, 26, whole[2:])]
    assert [packet[avp.key] for avp in packet.attributes()] == [[b"bob"], [whole[2:]]]
    assert AuthPacket().attributes() == []


def test_without_names() -> None:
    packet = got(attribute(1, b"bob") + vendor(9, b"\x01\x03a"), Dictionary())
    assert [(avp.name, avp.key, avp.value) for avp in packet.attributes()] == [(None, 1, b"bob"), (None, (9, 1), b"a")]


def test_joined_values() -> None:
    """RFC 3579 §3.1: a long EAP-Message is one."""
    long = bytes(range(256)) * 2
    made = Packet(dict=DICTIONARY, authenticator=AUTHENTICATOR, code=2, EAP_Message=long, Reply_Message="hi")
    packet = Packet(packet=made.reply_packet(), dict=DICTIONARY)
    assert [(avp.name, avp.value, avp.offset) for avp in packet.attributes()] == [
        ("EAP-Message", long, 20),
        ("Reply-Message", "hi", 20 + 512 + 3 * 2),
    ]


# --- built and changed ---


def test_a_packet_that_is_built() -> None:
    made = AuthPacket(dict=DICTIONARY, secret=SECRET, User_Name="bob", User_Password="hunter2", NAS_Port=[1, 2])
    made[(9, 1)] = [b"a"]
    made.add_message_authenticator()
    names = [(avp.name, avp.octets if avp.key != 2 else None) for avp in made.attributes()]
    assert names == [
        ("User-Name", b"bob"),
        ("User-Password", None),
        ("NAS-Port", bytes((0, 0, 0, 1))),
        ("NAS-Port", bytes((0, 0, 0, 2))),
        ("Cisco-AVPair", b"a"),
        ("Message-Authenticator", bytes(16)),
    ]
    password = made.attributes()[1]
    raw = made.request_packet()
    assert raw[password.offset + 2 :].startswith(password.octets)


def test_a_flag_asks_for_a_message_authenticator() -> None:
    made = AuthPacket(secret=SECRET, message_authenticator=True)
    assert [avp.key for avp in made.attributes()] == [80]


def test_a_packet_that_was_changed() -> None:
    packet = got(attribute(33, b"one") + attribute(1, b"bob") + attribute(33, b"two"))
    assert packet.keys() == ["Proxy-State", "User-Name"]
    assert [avp.offset for avp in packet.attributes()] == [20, 25, 30]  # read, not changed: as received
    packet["User-Name"] = "eve"
    assert [(avp.octets, avp.offset) for avp in packet.attributes()] == [(b"one", 20), (b"two", 25), (b"eve", 30)]
    packet["User-Name"] = "bob"
    assert [avp.offset for avp in packet.attributes()] == [20, 25, 30]
    del packet["Proxy-State"]
    assert seen(packet) == [("User-Name", 1, 20)]
    packet.clear()
    assert packet.attributes() == []


def test_a_version_without_message_authenticator() -> None:
    packet = Packet(packet=octets_v11(2, attribute(80, bytes(16)) + attribute(1, b"bob")), radius_version=1)
    assert [(avp.key, avp.offset) for avp in packet.attributes()] == [(1, 38)]
    packet[1] = [b"eve"]
    assert [(avp.key, avp.offset) for avp in packet.attributes()] == [(1, 20)]


@pytest.mark.parametrize("stored", ["text", [5], [b"x" * 254], 5, None])
def test_what_does_not_serialise(stored: Any) -> None:
    made = Packet()
    made[1] = stored
    with pytest.raises((TypeError, PacketError)):
        made.attributes()


# --- containers: what the store holds nested ---


def test_nested_values_are_listed_leaf_by_leaf() -> None:
    """RFC 6929: at the place of their first octets, with the path as the key."""
    packet = got(
        attribute(1, b"a") + attribute(100, b"\x01\x03x\x02\x09\x01\x06\0\0\0\x05\x09") + attribute(1, b"b"),
        CONTAINERS,
    )
    # The inner container does not divide: what is malformed stays as it is.
    assert [(avp.key, avp.value) for avp in packet.attributes()] == [
        (1, "a"),
        ((100, 1), "x"),
        ((100, 2), b"\x01\x06\0\0\0\x05\x09"),
        (1, "b"),
    ]
    packet = got(
        attribute(1, b"a")
        + attribute(100, b"\x01\x03x" + b"\x02\x0b" + b"\x01\x06\0\0\0\x05" + b"\x09\x03?")
        + attribute(1, b"b")
        + attribute(241, b"\x01t")
        + attribute(241, b"\x1a" + (64999).to_bytes(4, "big") + b"\x07v")
        + vendor(64999, b"\x01\x05\x01\x03y")
        + attribute(100, b"\x01\x03z"),
        CONTAINERS,
    )
    expected = [
        ("Plain", 1, "a", 20, None),
        ("Outer-Text", (100, 1), "x", 23, None),
        ("Outer-Text", (100, 1), "z", 23, None),
        ("Outer-Inner-Number", (100, 2, 1), 5, 23, None),
        (None, (100, 2, 9), b"?", 23, None),
        ("Plain", 1, "b", 39, None),
        ("Extended-Text", (241, 1), "t", 42, None),
        ("Acme-Extended", (241, 26, 64999, 7), "v", 42, 64999),
        ("Acme-Box-Text", (64999, 1, 1), "y", 61, 64999),
    ]
    assert [(avp.name, avp.key, avp.value, avp.offset, avp.vendor) for avp in packet.attributes()] == expected
    packet["Plain"] = ["c"]  # from here on what would be sent
    leaves = [(avp.name, avp.key, avp.value) for avp in packet.attributes() if avp.key != 1]
    assert leaves == [leaf[:3] for leaf in expected if leaf[1] != 1]


def test_cut_up_and_continued_values() -> None:
    packet = got(
        attribute(2, bytes((0, 0, 0, 1, 0, 0, 0, 2)))
        + vendor(64997, b"\x01\x05\x80ab")
        + vendor(64997, b"\x01\x05\x00cd"),
        CONTAINERS,
    )
    assert [(avp.key, avp.value, avp.offset) for avp in packet.attributes()] == [
        (2, 1, 20),
        (2, 2, 20),
        ((64997, 1), b"abcd", 36),
    ]
    unfinished = got(vendor(64997, b"\x01\x05\x80ab"), CONTAINERS)
    assert [avp.key for avp in unfinished.attributes()] == list(unfinished)


def test_a_container_in_itself() -> None:
    packet = got(attribute(100, b"\x01\x03x"), CONTAINERS)
    loop: dict[int, Any] = {}
    loop[1] = loop
    packet[100] = loop
    with pytest.raises((RecursionError, TypeError, ValueError, PacketError)):
        packet.attributes()


def test_values_kept_in_clear_are_listed_as_they_would_be_sent() -> None:
    made = AuthPacket(secret=SECRET, authenticator=AUTHENTICATOR, dict=DICTIONARY)
    made.set_obfuscated("User-Password", "hunter2")
    (password,) = made.attributes()
    assert made.pw_decrypt(password.value) == "hunter2"
    got_it = parse_packet(octets(1, attribute(1, b"bob")), SECRET, DICTIONARY)
    got_it.set_obfuscated("User-Password", "hunter2")
    assert [avp.name for avp in got_it.attributes()] == ["User-Name", "User-Password"]


# --- the items ---


def test_items_are_read_only() -> None:
    avp = got(attribute(1, b"bob")).attributes()[0]
    assert isinstance(avp, AVP)
    for name in ("name", "key", "octets", "value", "tag", "offset", "vendor", "is_secret", "other"):
        with pytest.raises(AttributeError):
            setattr(avp, name, 5)
    with pytest.raises(TypeError):
        AVP()


def test_items_outlive_their_packet_and_go_with_it() -> None:
    packet = got(attribute(64, b"\x01\0\0\x0d"))
    watch = weakref.ref(packet)
    avps = packet.attributes()
    packet.items_of_mine = avps  # type: ignore[attr-defined]  # a cycle
    del packet
    gc.collect()
    assert avps[0].value == "VLAN"
    del avps
    gc.collect()
    assert watch() is None


def test_a_dictionary_that_changed_meanwhile() -> None:
    dictionary = Dictionary(io.StringIO("ATTRIBUTE Test 1 string\n"))
    avp = got(attribute(1, b"bob"), dictionary).attributes()[0]
    del dictionary.attributes["Test"]
    assert avp.value == "bob"  # what it said when the attributes were listed
