"""to_dict() and from_dict(): what JSON holds of a packet, with and without its secrets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packets import AUTHENTICATOR, DICTIONARY, SECRET, attribute, octets, octets_v11, vendor
from rich import rich_dictionary

from pyradsec.packet import AcctPacket, AuthPacket, CoAPacket, Packet, PacketError, StatusPacket, parse_packet

GROUP = DICTIONARY.attrindex.get_backward(81)  # one of two spellings
PASSWORDS = {"User-Password": "hunter2", "Tunnel-Password:1": "s3cret", "MS-MPPE-Send-Key": b"\1\2"}


def there_and_back(packet: Any, secret: bytes = SECRET) -> Any:
    text = json.dumps(packet.to_dict(secrets=True))
    return Packet.from_dict(json.loads(text), dict=DICTIONARY, secret=secret)


def by_key(packet: Packet) -> dict[Any, list[bytes]]:
    """The octets of what is no secret, which may have been hidden anew."""
    found: dict[Any, list[bytes]] = {}
    for avp in packet.attributes():
        if not avp.is_secret:
            found.setdefault(avp.key, []).append(avp.octets)
    return found


def test_the_form() -> None:
    made = AuthPacket(id=7, secret=SECRET, authenticator=AUTHENTICATOR, dict=DICTIONARY, **{"Tunnel-Type:1": "VLAN"})
    made["User-Name"] = "bob"
    made["NAS-Port"] = [1, 2]
    made["NAS-IP-Address"] = "192.0.2.1"
    made["Service-Type"] = "Framed-User"
    made["Class"] = b"\1\xff"
    made["Cisco-AVPair"] = "a=b"
    made[200] = [b"?"]
    made[(9, 99)] = [b""]
    made[26] = [b"\0\0\0\x09\1"]
    assert made.to_dict() == {
        "code": 1,
        "code_name": "Access-Request",
        "id": 7,
        "authenticator": "000102030405060708090a0b0c0d0e0f",
        "radius_version": "1.0",
        "token": None,
        "attributes": {
            "Tunnel-Type:1": ["VLAN"],
            "User-Name": ["bob"],
            "NAS-Port": [1, 2],
            "NAS-IP-Address": ["192.0.2.1"],
            "Service-Type": ["Framed-User"],
            "Class": ["0x01ff"],
            "Cisco-AVPair": ["a=b"],
            "Attr-200": ["0x3f"],
            "Attr-26.9.99": ["0x"],
            "Attr-26": ["0x0000000901"],
        },
    }
    assert there_and_back(made) == made
    assert there_and_back(made).request_packet() == made.request_packet()


@pytest.mark.parametrize("name", ["EAP-Message", "Long-Oct", "Evs-Long", "Pieces-Oct"])
def test_a_value_over_several_attributes_has_its_name(name: str) -> None:
    made = AuthPacket(secret=SECRET, authenticator=AUTHENTICATOR, dict=rich_dictionary())
    made[name] = bytes(300)
    got = parse_packet(made.request_packet(), SECRET, made.dict)
    assert got.to_dict()["attributes"] == {name: ["0x" + bytes(300).hex()]}
    assert Packet.from_dict(got.to_dict(), dict=made.dict) == got


def test_a_version_with_tokens() -> None:
    got = parse_packet(octets_v11(1, attribute(1, b"bob")), SECRET, DICTIONARY, 1)
    form = got.to_dict()
    assert (form["radius_version"], form["token"], form["authenticator"]) == ("1.1", "01020304", None)
    again = Packet.from_dict(form, dict=DICTIONARY)
    assert (again.radius_version, again.token) == (1, b"\1\2\3\4")
    assert again.reply_packet() == octets_v11(1, attribute(1, b"bob"))


def test_secrets_are_null_unless_asked_for() -> None:
    made = AuthPacket(secret=SECRET, authenticator=AUTHENTICATOR, dict=DICTIONARY, **PASSWORDS)
    made["CHAP-Password"] = b"\1" + bytes(16)
    made["User-Name"] = "bob"
    for packet in (made, parse_packet(made.request_packet(), SECRET, DICTIONARY)):
        assert packet.to_dict()["attributes"] == {
            "User-Password": [None],
            "Tunnel-Password:1": [None],
            "MS-MPPE-Send-Key": [None],
            "CHAP-Password": [None],
            "User-Name": ["bob"],
        }
        shown = packet.to_dict(secrets=True)["attributes"]
        assert shown == {
            "User-Password": ["hunter2"],
            "Tunnel-Password:1": ["s3cret"],
            "MS-MPPE-Send-Key": ["0x0102"],
            "CHAP-Password": ["0x01" + bytes(16).hex()],
            "User-Name": ["bob"],
        }
        assert SECRET.decode() not in json.dumps(packet.to_dict(secrets=True))
        again = there_and_back(packet)
        assert again.to_dict(secrets=True) == packet.to_dict(secrets=True)
        assert again.pw_decrypt(again["User-Password"][0]) == "hunter2"
        masked = Packet.from_dict(packet.to_dict(), dict=DICTIONARY, secret=SECRET)
        assert masked.keys() == ["User-Name"]


def test_secrets_that_another_secret_hid() -> None:
    made = AuthPacket(secret=SECRET, authenticator=AUTHENTICATOR, dict=DICTIONARY, User_Password="hunter2")
    # Salted so that the other secret uncovers a length that cannot be; one salt in eight lets it pass.
    made[(311, 16)] = [bytes.fromhex("f087355221ffcb2f08a8c2155931588feb914b91788e7ba8a069cf8d673d2810e375")]
    got = parse_packet(made.request_packet(), b"another", DICTIONARY)
    shown = got.to_dict(secrets=True)["attributes"]
    assert shown["User-Password"] == ["0x" + got[2][0].hex()]
    assert shown["Attr-26.311.16"] == ["0x" + got[(311, 16)][0].hex()]
    again = Packet.from_dict(got.to_dict(secrets=True), dict=DICTIONARY, secret=SECRET)
    assert again == got  # octet by octet
    assert again["MS-MPPE-Send-Key"] == [bytes(range(16))]
    assert Packet.from_dict(got.to_dict()).to_dict()["attributes"] == {}


def test_without_a_dictionary() -> None:
    raw = octets(1, attribute(1, b"bob") + attribute(2, bytes(16)) + vendor(9, b"\x01\x03a"))
    got = parse_packet(raw, SECRET, None)
    assert got.to_dict()["attributes"] == {"Attr-1": ["0x626f62"], "Attr-2": [None], "Attr-26": ["0x00000009010361"]}
    again = Packet.from_dict(got.to_dict(secrets=True), secret=SECRET)
    assert not hasattr(again, "dict")
    assert again.request_packet() == raw


@pytest.mark.parametrize(
    ("number", "value", "label", "shown"),
    [
        (1, b"\xff\xfe", "User-Name", "0xfffe"),
        (1, b"0xzz", "User-Name", "0x30787a7a"),
        (1, b"Attr-1", "User-Name", "Attr-1"),
        (1, b"", "User-Name", ""),
        (1, b"a\n\x00b", "User-Name", "a\n\0b"),
        (5, b"short", "Attr-5", "0x73686f7274"),
        (5, b"\xff\xff\xff\xff", "NAS-Port", 0xFFFFFFFF),
        (6, bytes((0, 0, 0, 99)), "Service-Type", 99),
        (64, bytes((0, 0, 0, 13)), "Tunnel-Type", "VLAN"),
        (64, bytes((9, 0, 0, 13)), "Tunnel-Type:9", "VLAN"),
        (64, bytes((99, 0, 0, 13)), "Attr-64", "0x6300000d"),
        (81, b"\x0042", f"{GROUP}:0", "42"),
        (81, b"42", GROUP, "42"),
        (97, b"\x00\x40\x20\x01\x0d\xb8\0\0\0\0", "Attr-97", "0x004020010db800000000"),
        (25, b"0x41", "Class", "0x30783431"),
    ],
)
def test_values_come_back_octet_by_octet(number: int, value: bytes, label: str, shown: Any) -> None:
    got = parse_packet(octets(1, attribute(number, value)), SECRET, DICTIONARY)
    assert got.to_dict()["attributes"] == {label: [shown]}
    assert there_and_back(got).request_packet() == got.raw_packet


def test_the_order_of_one_type_is_kept() -> None:
    """PKT-11: where grouping by label would change it, octets stand under the number."""
    one, two = attribute(64, b"\1\0\0\x0d"), attribute(64, b"\2\0\0\x0d")
    apart = parse_packet(octets(1, one + two), SECRET, DICTIONARY)
    assert apart.to_dict()["attributes"] == {"Tunnel-Type:1": ["VLAN"], "Tunnel-Type:2": ["VLAN"]}
    mixed = parse_packet(octets(1, one + two + one), SECRET, DICTIONARY)
    assert mixed.to_dict()["attributes"] == {"Attr-64": ["0x0100000d", "0x0200000d", "0x0100000d"]}
    for packet in (apart, mixed):
        assert there_and_back(packet).request_packet() == packet.raw_packet


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.integers(1, 255).filter(lambda number: number != 80), st.binary(max_size=40)),
            st.tuples(st.just(26), st.binary(min_size=4, max_size=20).map(lambda data: b"\0\0\1\x37" + data)),
        ),
        max_size=8,
    )
)
def test_any_packet_comes_back(attributes: list[tuple[int, bytes]]) -> None:
    """What can be received can be written down and read again; attributes of one type stay in their order (PKT-11)."""
    got = parse_packet(octets(1, b"".join(attribute(*one) for one in attributes)), SECRET, DICTIONARY)
    again = there_and_back(got)
    assert again.to_dict(secrets=True) == got.to_dict(secrets=True)
    assert by_key(again) == by_key(got)


def test_paths() -> None:
    """RFC 6929: the path to what lies in a container, and a vendor's attribute in an extended one."""
    made = Packet.from_dict(
        {
            "code": 2,
            "attributes": {
                "Attr-241.5.1": ["0x61", "0x62"],
                "Attr-26.9.1.7": ["0x63"],
                "Attr-241.26.9.7": ["0x64"],
                "Attr-26": ["0x00000009"],
            },
        }
    )
    assert dict(made._store()) == {
        241: {5: {1: [b"a", b"b"]}},
        (9, 1): {7: [b"c"]},
        (241, 26, 9, 7): [b"d"],
        26: [b"\0\0\0\x09"],
    }


@pytest.mark.parametrize(
    ("code", "kind"),
    [(1, AuthPacket), (2, Packet), (4, AcctPacket), (5, AcctPacket), (12, StatusPacket), (40, CoAPacket)],
)
def test_the_class_follows_the_code(code: int, kind: type[Packet]) -> None:
    assert type(Packet.from_dict({"code": code})) is kind
    assert type(AuthPacket.from_dict({"code": 2})) is AuthPacket


def test_by_hand() -> None:
    made = AuthPacket.from_dict(
        {"code_name": "Access-Request", "attributes": {"User-Name": "bob", "NAS-Port": 3, "Reply-Message": ["a", "b"]}},
        dict=DICTIONARY,
    )
    assert (made.code, made["User-Name"], made["NAS-Port"], made["Reply-Message"]) == (1, ["bob"], [3], ["a", "b"])
    assert made.id is not None
    assert (made.secret, Packet.from_dict({"code": 2}).secret) == (b"", b"radsec")
    assert Packet.from_dict({"code_name": "CoA-NAK", "attributes": None}).code == 45


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], "packet: expected a mapping, found list"),
        ({}, "code: expected 0 to 255"),
        ({"code": 256}, "code: expected 0 to 255, found 256"),
        ({"code": True}, "code: expected 0 to 255, found True"),
        ({"code_name": "No-Such"}, "found 'No-Such'"),
        ({"code": 1, "id": "x"}, "id: expected 0 to 255, found 'x'"),
        ({"code": 1, "authenticator": "xyz"}, "authenticator: expected pairs of hexadecimal digits, found something"),
        ({"code": 1, "authenticator": 5}, "authenticator: expected hexadecimal digits, found int"),
        ({"code": 1, "token": "0102"}, "token: expected 4 octets, found 2"),
        ({"code": 1, "radius_version": []}, "radius_version: expected '1.0' or '1.1'"),
        ({"code": 1, "radius_version": "2"}, "radius_version: expected '1.0' or '1.1', found '2'"),
        ({"code": 1, "attributes": 5}, "attributes: expected a mapping, found int"),
        ({"code": 1, "attributes": {5: "x"}}, "attributes: expected a name, found 5"),
        ({"code": 1, "attributes": {"No-Such": "x"}}, "attribute No-Such: not a name of the dictionary"),
        ({"code": 1, "attributes": {"User-Name": 1.5}}, "attribute User-Name: expected text or a number, found float"),
        ({"code": 1, "attributes": {"User-Name": True}}, "attribute User-Name: expected text or a number"),
        (
            {"code": 1, "attributes": {"User-Name": "0xz"}},
            "attribute User-Name: expected pairs of hexadecimal digits, found something else at character 0 of 1",
        ),
        ({"code": 1, "attributes": {"Attr-1": "bob"}}, "attribute Attr-1: expected octets"),
        ({"code": 1, "attributes": {"NAS-Port": 2**32}}, "out of range"),
    ],
)
def test_what_is_no_packet(data: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Packet.from_dict(data, dict=DICTIONARY)


def test_octets_and_containers_do_not_share_a_place() -> None:
    for labels in (("Attr-241", "Attr-241.1"), ("Attr-241.1", "Attr-241")):
        with pytest.raises(PacketError, match="attribute Attr-241"):
            Packet.from_dict({"code": 1, "attributes": dict.fromkeys(labels, "0x00")})


def test_what_does_not_serialise() -> None:
    made = Packet()
    made[1] = "no list"
    with pytest.raises(TypeError, match="attribute 1"):
        made.to_dict()
