"""Containers in packets: TLVs, extended attributes, EVS, vendor formats, arrays, concat; names that reach in."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from rich import rich_dictionary

from pyradsec.dictionary import Dictionary
from pyradsec.packet import AcctPacket, AuthPacket, Packet, PacketError, parse_packet

SECRET = b"xyzzy5461"
AUTHENTICATOR = bytes(range(16))


@pytest.fixture(scope="module")
def dictionary() -> Dictionary:
    return rich_dictionary()


def new(dictionary: Dictionary, version: int = 0) -> AuthPacket:
    return AuthPacket(dict=dictionary, secret=SECRET, authenticator=AUTHENTICATOR, id=1, radius_version=version)


def attribute(number: int, value: bytes) -> bytes:
    return bytes((number, len(value) + 2)) + value


def received(dictionary: Dictionary | None, *attributes: bytes) -> Packet:
    body = b"".join(attributes)
    raw = bytes((2, 1)) + (20 + len(body)).to_bytes(2, "big") + AUTHENTICATOR + body
    return Packet(packet=raw, secret=SECRET, dict=dictionary)


def octets(made: Packet) -> bytes:
    return made.reply_packet()[20:]


def number(value: int) -> bytes:
    return value.to_bytes(4, "big")


# --- storage, by raw key, and octets ---

Fill = Callable[[AuthPacket], None]


def adding(*pairs: tuple[str, Any]) -> Fill:
    def fill(made: AuthPacket) -> None:
        for name, value in pairs:
            made.add_attribute(name, value)

    return fill


CASES: list[tuple[str, Fill, dict[Any, Any], str]] = [
    (
        "tlv: rows of one value each, round-robin; what is nested in the first",
        adding(("Tlv-Int", [1, 2]), ("Tlv-Str", ["a"]), ("Tlv-Sub-Oct", b"xy"), ("Tlv-Sub-Sub-Oct", b"z")),
        {101: {1: [number(1), number(2)], 2: [b"a"], 3: {1: [b"xy"], 3: {1: [b"z"]}}}},
        "651c 010600000001 020361 030b 01047879 0305 01037a 010600000002",
    ),
    (
        "extended: one attribute a value, TLVs in one slot together",
        adding(("Ext-Str", ["ab", ""]), ("Ext-Tlv-Oct", b"q"), ("Ext-Tlv-Int", 5)),
        {241: {1: [b"ab", b""], 5: {1: [b"q"], 2: [number(5)]}}},
        "f105016162 f10301 f10c05 010371 020600000005",
    ),
    ("evs", adding(("Evs-Int", 77)), {(241, 26, 101, 7): [number(77)]}, "f10c1a 00000065 07 0000004d"),
    ("long extended", adding(("Long-Oct", [b"a", b""])), {245: {1: [b"a", b""]}}, "f505010061 f5040100"),
    ("long evs", adding(("Evs-Long", b"a")), {(245, 26, 101, 8): [b"a"]}, "f50a1a00 00000065 08 61"),
    ("vendor 1,1", adding(("Plain-Str", "x")), {(101, 1): [b"x"]}, "1a0900000065 010378"),
    ("vendor 4,0", adding(("Wide-Str", "x")), {(102, 70000): [b"x"]}, "1a0b00000066 00011170 78"),
    ("vendor 2,2", adding(("Broad-Oct", b"x")), {(104, 300): [b"x"]}, "1a0b00000068 012c 0005 78"),
    ("vendor 1,1,c", adding(("Pieces-Oct", b"x")), {(103, 1): [b"x"]}, "1a0a00000067 0104 00 78"),
    (
        "a vendor's tlv",
        adding(("Plain-Tlv-Int", 1), ("Plain-Tlv-Oct", b"zz")),
        {(101, 2): {1: [number(1)], 2: [b"zz"]}},
        "1a1200000065 020c 010600000001 02047a7a",
    ),
    (
        "a vendor's tlv has the vendor's header",
        adding(("Pieces-Tlv-Oct", b"zz")),
        {(103, 2): {1: [b"zz"]}},
        "1a0d00000067 0207 00 01047a7a",
    ),
    ("array", adding(("Ports", [1, 2, 3])), {90: [number(1), number(2), number(3)]}, "5a0e 000000010000000200000003"),
    ("a vendor's array", adding(("Plain-Ports", [1, 2])), {(101, 5): [b"\0\1", b"\0\2"]}, "1a0c00000065 0506 00010002"),
    ("an array of no one width", adding(("Names", ["a", "b"])), {91: [b"a", b"b"]}, "5b0361 5b0362"),
    ("concat", adding(("EAP-Message", b"x")), {79: [b"x"]}, "4f0378"),
]


@pytest.mark.parametrize(("fill", "stored", "wire"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_stored_written_and_read_back(dictionary: Dictionary, fill: Fill, stored: dict[Any, Any], wire: str) -> None:
    made = new(dictionary)
    fill(made)
    assert dict(made.items()) == stored
    assert octets(made) == bytes.fromhex(wire)
    got = received(dictionary, bytes.fromhex(wire))
    assert dict(got.items()) == stored
    assert octets(got) == bytes.fromhex(wire)


@pytest.mark.parametrize(
    ("name", "value", "pieces"),
    [
        ("Long-Oct", 600, [255, 255, 600 - 502 + 4]),
        ("Evs-Long", 600, [255, 255, 605 - 502 + 4]),
        ("Pieces-Oct", 600, [255, 255, 600 - 492 + 9]),
        ("EAP-Message", 600, [255, 255, 600 - 506 + 2]),
        ("Plain-Text", 600, [255, 255, 600 - 494 + 8]),
        ("Long-Tlv-Oct", [200, 200], [255, 404 - 251 + 4]),
        ("Pieces-Tlv-Oct", [240, 3], [251, 14]),
        ("Ext-Tlv-Oct", [200, 200], [205, 205]),  # a second attribute, not an error: they read as one
        ("Tlv-Sub-Oct", [200, 200], [206, 206]),
        ("Tlv-Str", [250], [254]),
        ("Tlv-Str", [122, 118], [246]),
        ("Tlv-Str", [122, 119], [126, 123]),
    ],
)
def test_what_is_long_goes_over_several_attributes(
    dictionary: Dictionary, name: str, value: int | list[int], pieces: list[int]
) -> None:
    made = new(dictionary)
    values = [bytes((65 + i,)) * size for i, size in enumerate([value] if isinstance(value, int) else value)]
    made[name] = [one.decode() if name == "Tlv-Str" else one for one in values]
    wire, sizes = octets(made), []
    got = received(dictionary, wire)
    while wire:
        sizes.append(wire[1])
        wire = wire[wire[1] :]
    assert sizes == pieces
    assert got[name] == made[name]
    assert dict(got.items()) == dict(made.items())
    assert octets(got) == octets(made)


@pytest.mark.parametrize(
    ("fill", "error", "words"),
    [
        (adding(("Ext-Str", "x" * 253)), ValueError, r"attribute 241\.1: expected .* at most 252 octets, found 253"),
        (adding(("Ext-Tlv-Oct", b"x" * 251)), ValueError, r"attribute 241\.5\.1: .* at most 250 octets, found 251"),
        (adding(("Tlv-Str", "x" * 252)), PacketError, r"attribute 101\.2: .* at most 251 octets, found 252"),
        (adding(("Tlv-Sub-Oct", b"x" * 250)), PacketError, r"attribute 101\.3\.1: .* at most 249 octets, found 250"),
        (adding(("Plain-Str", "x" * 248)), PacketError, r"attribute \(101, 1\): .* at most 247 octets, found 248"),
        (adding(("Plain-Tlv-Oct", b"x" * 246)), PacketError, r"attribute \(101, 2\)\.2: .* at most 245 .* found 246"),
        (adding(("Long-Oct", [b"x" * 3000, b"x" * 1100])), PacketError, "attribute 245: .* at most 4096 octets"),
    ],
)
def test_what_does_not_fit_says_so(dictionary: Dictionary, fill: Fill, error: type[Exception], words: str) -> None:
    made = new(dictionary)
    fill(made)
    with pytest.raises(error, match=words):
        made.reply_packet()


def test_evs_value_of_an_extended_attribute_has_247_octets(dictionary: Dictionary) -> None:
    made = new(dictionary)
    made[(241, 26, 101, 9)] = [b"x" * 247]
    assert octets(made)[:2] == b"\xf1\xff"
    made[(241, 26, 101, 9)] = [b"x" * 248]
    with pytest.raises(ValueError, match=r"\(241, 26, 101, 9\): expected a value of at most 247 octets, found 248"):
        made.reply_packet()


def test_virtual_attributes_are_kept_and_never_sent(dictionary: Dictionary) -> None:
    made = new(dictionary)
    made["Inner"] = "x"
    made["User-Name"] = "bob"
    assert made["Inner"] == ["x"]
    assert octets(made) == attribute(1, b"bob")


def test_array_values_that_do_not_divide_stay_apart(dictionary: Dictionary) -> None:
    body = attribute(90, number(1) + number(2)) + attribute(90, b"abc") + attribute(90, number(3)) + attribute(90, b"")
    got = received(dictionary, body)
    with pytest.raises(ValueError, match="attribute Ports: integer: expected 4 octets, found 3"):
        got["Ports"]
    assert got[90] == [number(1), number(2), b"abc", number(3), b""]
    assert dict(received(dictionary, octets(got)).items()) == dict(got.items())
    made = new(dictionary)
    made["Ports"] = list(range(100))
    assert (octets(made)[1], octets(made)[255]) == (254, 2 + 400 - 252)
    assert received(dictionary, octets(made))["Ports"] == list(range(100))


def test_containers_are_told_by_the_dictionary_not_by_the_number(dictionary: Dictionary) -> None:
    body = (
        attribute(241, b"\x01ab") + attribute(101, b"\x01\x06\0\0\0\1") + attribute(26, bytes((0, 0, 0, 101, 1, 3, 65)))
    )
    got = received(None, body)
    assert dict(got.items()) == {241: [b"\x01ab"], 101: [b"\x01\x06\0\0\0\1"], 26: [b"\0\0\0\x65\1\3A"]}
    assert octets(got) == body
    got[101] = {1: [b"x"]}
    with pytest.raises(TypeError, match="attribute 101: expected a list of bytes in the packet, found dict"):
        got.reply_packet()


# --- names that reach in (W19, W20) ---

NESTED = [
    ("Tlv-Int", [1, 2]),
    ("Tlv-Str", ["a"]),
    ("Tlv-Sub-Oct", [b"x"]),
    ("Tlv-Sub-Sub-Oct", [b"y"]),
    ("Plain-Tlv-Int", [9]),
    ("Ext-Str", ["e"]),
    ("Ext-Tlv-Int", [4]),
    ("Long-Oct", [b"l" * 300]),
    ("Long-Tlv-Oct", [b"m"]),
    ("Evs-Int", [3]),
    ("Evs-Long", [b"v" * 300]),
    ("Pieces-Oct", [b"p" * 300]),
    ("Pieces-Tlv-Oct", [b"t"]),
]


@pytest.mark.parametrize("is_received", [False, True])
def test_names_reach_into_containers(dictionary: Dictionary, is_received: bool) -> None:
    made: Packet = new(dictionary)
    for name, values in NESTED:
        made[name] = values
    if is_received:
        made = received(dictionary, octets(made))
    for name, values in NESTED:
        assert name in made
        assert made[name] == values
        assert made.get(name) == values
    for at, (name, values) in enumerate(NESTED):
        made.add_attribute(name, values[0])
        assert made[name] == [*values, values[0]]
        made[name] = values[0]
        assert made[name] == values[:1]
        others = [other for other, _ in NESTED[at + 1 :]]
        assert {other: made[other] for other in others} == dict(NESTED[at + 1 :])
    for name, _ in NESTED:
        del made[name]
        assert name not in made
        with pytest.raises(KeyError):
            made[name]
        with pytest.raises(KeyError):
            del made[name]
        assert made.get(name, 5) == 5
    assert not made  # a container that has lost its last sub-attribute goes too
    assert octets(made) == b""


def test_a_sub_attribute_leaves_the_top_level_alone(dictionary: Dictionary) -> None:
    """W19: Tlv-Int is 101.1, and attribute 1 is User-Name."""
    made = new(dictionary)
    made["User-Name"] = "bob"
    made["Tlv-Int"] = 7
    assert made["User-Name"] == ["bob"]
    assert made["Tlv-Int"] == ["Seven"]
    del made["Tlv-Int"]
    assert dict(made.items()) == {1: [b"bob"]}
    with pytest.raises(KeyError) as absent:
        made["Tlv-Int"]
    assert absent.value.args == (1,)


def test_vendor_attributes_and_sub_attributes_of_one_number_are_two(dictionary: Dictionary) -> None:
    """W20: (101, 1) is Plain-Str of vendor 101, and 101.1 is Tlv-Int."""
    made = new(dictionary)
    made["Tlv-Int"] = 1
    made["Plain-Str"] = "x"
    assert dict(made.items()) == {101: {1: [number(1)]}, (101, 1): [b"x"]}
    got = received(dictionary, octets(made))
    assert got.keys() == ["Tlv", "Plain-Str"]
    assert (got["Tlv-Int"], got["Plain-Str"]) == ([1], ["x"])
    lone = Packet(dict=dictionary)
    lone[(94, 1)] = [b"\0\0\0\5"]  # vendor 94 is not in the dictionary, 94.1 is
    assert lone.keys() == [(94, 1)]
    assert "Lone-Int" not in lone


def test_containers_by_name(dictionary: Dictionary) -> None:
    got = received(dictionary, attribute(101, bytes.fromhex("010600000007 020361 0b0378 0307 01037a 0b02")))
    assert got["Tlv"] == {
        "Tlv-Int": ["Seven"],
        "Tlv-Str": ["a"],
        11: [b"x"],
        "Tlv-Sub": {"Tlv-Sub-Oct": [b"z"], 11: [b""]},
    }
    assert got["Tlv-Sub"] == {"Tlv-Sub-Oct": [b"z"], 11: [b""]}
    again = new(dictionary)
    again["Tlv"] = got["Tlv"]
    assert again[101] == got[101]
    again["Tlv"] = {1: 5, "Tlv-Sub": {1: [b"p", b"q"]}, "Tlv-Tagged:3": 1}
    assert again[101] == {1: [number(5)], 3: {1: [b"p", b"q"]}, 6: [b"\3\0\0\1"]}
    again.add_attribute("Tlv", {"Tlv-Int": 6, "Tlv-Sub": {"Tlv-Sub-Int": 1}})
    assert again[101] == {1: [number(5), number(6)], 3: {1: [b"p", b"q"], 2: [number(1)]}, 6: [b"\3\0\0\1"]}
    again["Tlv-Sub"] = {9: b"nine"}
    assert again["Tlv-Sub"] == {9: [b"nine"]}
    again["Ext"] = {"Ext-Str": "x", 77: [b"y"]}
    assert again["Ext"] == {"Ext-Str": ["x"], 77: [b"y"]}
    assert dict(received(dictionary, octets(again)).items()) == dict(again.items())
    again[101] = stored = {1: [b"raw"]}
    assert again[101] is stored


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (5, TypeError, "attribute Tlv: expected a dict of sub-attributes, found int"),
        ({"Ext-Str": "x"}, ValueError, "attribute Tlv: expected names of its own sub-attributes, found 'Ext-Str'"),
        ({"No-Such": 1}, KeyError, "No-Such"),
        ({256: b"x"}, ValueError, "numbers of 0 to 255, found 256"),
        ({99: "text"}, TypeError, "sub-attribute 99, .* expected bytes, found str"),
        ({"Tlv-Int": "many"}, TypeError, "attribute Tlv-Int: "),
    ],
)
def test_a_dict_that_is_no_container(dictionary: Dictionary, value: Any, error: type[Exception], words: str) -> None:
    made = new(dictionary)
    with pytest.raises(error, match=words):
        made["Tlv"] = value
    assert not made


def test_containers_nest_only_so_deep(dictionary: Dictionary) -> None:
    made = new(dictionary)
    deep: dict[Any, Any] = {1: [b"x"]}
    for _ in range(40):
        deep = {9: deep}
    made[101] = deep
    with pytest.raises(ValueError, match="at most 32 containers in each other"):
        made.reply_packet()
    with pytest.raises(ValueError, match="at most 32 containers in each other"):
        made["Tlv"] = deep
    round_trip: dict[Any, Any] = {}
    round_trip[9] = round_trip
    made[101] = round_trip
    for use in (made.reply_packet, lambda: made["Tlv"]):
        with pytest.raises(ValueError, match="at most 32 containers in each other"):
            use()


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        (5, "expected a list of bytes in the packet, found int"),
        ({1: 5}, "expected lists or dicts in the packet, found int"),
        ({1: [5]}, r"101\.1: expected bytes in the packet, found int"),
        ({1: ["text"]}, r"101\.1: expected bytes in the packet, found str"),
        ({"x": [b""]}, "expected numbers of 0 to 255 as keys in the packet, found str"),
        ({300: [b""]}, "expected numbers of 0 to 255 as keys in the packet, found int"),
    ],
)
def test_what_is_no_container_in_the_store(dictionary: Dictionary, stored: Any, words: str) -> None:
    made = new(dictionary)
    made[101] = stored
    with pytest.raises(TypeError, match=words):
        made.reply_packet()


# --- malformed ---


@pytest.mark.parametrize(
    ("body", "stored", "name", "words"),
    [
        (
            attribute(101, b"\1\1"),
            {101: [b"\1\1"]},
            "Tlv-Int",
            "Tlv: value 0: .* length of 2 to 2 .* octet 0 of 2, found 1",
        ),
        (
            attribute(101, b"\1\3x\2"),
            {101: [b"\1\3x\2"]},
            "Tlv",
            "Tlv: value 0: .* at octet 3 of 4, found a lone octet",
        ),
        (
            attribute(101, b"\1\3x") + attribute(101, b"\2\x09y"),
            {101: [b"\1\3x", b"\2\x09y"]},
            "Tlv-Str",
            "Tlv: value 1: expected a length of 2 to 3 in the sub-attribute at octet 0 of 3, found 9",
        ),
        (attribute(101, b"\3\5\1\0z"), {101: {3: [b"\1\0z"]}}, "Tlv-Sub-Oct", "Tlv-Sub: value 0: .* found 0"),
        (attribute(241, b""), {241: [b""]}, "Ext-Str", "Ext: value 0: expected 1 octets or more, found 0"),
        (attribute(241, b"\5\1"), {241: {5: [b"\1"]}}, "Ext-Tlv-Oct", "Ext-Tlv: value 0: .* a lone octet"),
        (attribute(245, b"\1"), {245: [b"\1"]}, "Long-Oct", "Long: value 0: expected 2 octets or more, found 1"),
        (
            attribute(245, b"\1\x80a"),
            {245: [b"\1\x80a"]},
            "Long-Oct",
            "Long: value 0: expected fragments .* or the end",
        ),
        (
            attribute(245, b"\1\x80a") + attribute(245, b"\2\0b"),
            {245: [b"\1\x80a", b"\2\0b"]},
            "Long",
            "Long: value 1: expected fragments of one value up to a last one, found another value",
        ),
        (attribute(26, b"\0\0\0\x65\2\4\1\0"), {(101, 2): [b"\1\0"]}, "Plain-Tlv-Int", "Plain-Tlv: value 0: "),
    ],
)
def test_malformed_containers_stay_octets(
    dictionary: Dictionary, body: bytes, stored: dict[Any, Any], name: str, words: str
) -> None:
    """PKT-6: they are carried; only who reads them by name is told."""
    got = received(dictionary, attribute(1, b"bob"), body)
    assert got["User-Name"] == ["bob"]
    assert dict(got.items()) == {1: [b"bob"], **stored}
    assert octets(got) == attribute(1, b"bob") + body
    with pytest.raises(PacketError, match=words):
        got[name]
    with pytest.raises(PacketError, match=words):
        got.get(name)
    if name not in ("Tlv", "Long"):
        assert name not in got
        with pytest.raises(PacketError, match=words):
            got.add_attribute(name, b"" if got.dict[name].type == "octets" else "1")
    assert octets(got) == attribute(1, b"bob") + body
    assert "bob" in repr(got)


def test_vendor_values_in_fragments_that_do_not_end_stay_octets(dictionary: Dictionary) -> None:
    first, last = b"\0\0\0\x67\1\4\x80a", b"\0\0\0\x67\1\4\0b"
    assert received(dictionary, attribute(26, first), attribute(26, last))["Pieces-Oct"] == [b"ab"]
    between = received(dictionary, attribute(26, first), attribute(1, b"x"), attribute(26, last))
    assert between["Pieces-Oct"] == [b"ab"]
    for body in (
        attribute(26, last) + attribute(26, first),
        attribute(26, first) + attribute(26, b"\0\0\0\x67\2\4\0c"),
        attribute(26, first) + attribute(26, b"\0\0\0\x67"),
    ):
        got = received(dictionary, body)
        assert list(got) == [26]
        assert octets(got) == body


def test_a_container_given_as_octets_is_read_by_name(dictionary: Dictionary) -> None:
    made = new(dictionary)
    made[101] = [b"\1\6\0\0\0\1", b"\2\3a"]
    made[245] = [b"\1\x80ab", b"\1\0cd"]
    assert made["Tlv-Int"] == [1]
    assert made["Tlv"] == {"Tlv-Int": [1], "Tlv-Str": ["a"]}
    assert made["Long-Oct"] == [b"abcd"]
    assert made[101] == [b"\1\6\0\0\0\1", b"\2\3a"]  # reading changes nothing
    made.add_attribute("Tlv-Str", "b")
    assert made[101] == {1: [number(1)], 2: [b"a", b"b"]}


def test_empty_containers(dictionary: Dictionary) -> None:
    """W5: an empty TLV in what was received is no error."""
    body = attribute(101, b"") + attribute(241, b"\5") + attribute(26, b"\0\0\0\x65\2\2")
    got = received(dictionary, body)
    assert dict(got.items()) == {101: {}, 241: {5: {}}, (101, 2): {}}
    assert got["Tlv"] == {}
    assert got["Ext"] == {"Ext-Tlv": {}}
    assert octets(got) == body


def test_evs_has_the_vendor_in_its_first_fragment(dictionary: Dictionary) -> None:
    """RFC 6929 §2.4; what looks like it in another one is a part of the value."""
    head = b"\0\0\0\x65\x08"
    for second in (b"cd", head + b"cd"):
        got = received(dictionary, attribute(245, b"\x1a\x80" + head + b"ab"), attribute(245, b"\x1a\0" + second))
        assert got["Evs-Long"] == [b"ab" + second]
    made = new(dictionary)
    made["Evs-Long"] = b"x" * 246 + head + b"y"
    assert received(dictionary, octets(made))["Evs-Long"] == [b"x" * 246 + head + b"y"]
    short = received(dictionary, attribute(245, b"\x1a\0abc"))
    assert dict(short.items()) == {245: {26: [b"abc"]}}


# --- hidden and tagged values in containers ---


@pytest.mark.parametrize("name", ["Tlv-Key", "Plain-Key"])
def test_salted_values_in_containers(dictionary: Dictionary, name: str) -> None:
    made = new(dictionary)
    made[name] = [b"key one", b"two"]
    got = received(dictionary, octets(made))
    assert b"key one" not in octets(made)
    assert got[name] == [b"key one", b"two"]
    plain = new(dictionary, 1)
    plain[name] = b"key one"
    assert b"key one" in b"".join([*plain[101][5]] if name == "Tlv-Key" else plain[(101, 4)])  # V11-3
    assert plain[name] == [b"key one"]


@pytest.mark.parametrize("name", ["Tlv-Pass", "Plain-Pass"])
def test_passwords_in_containers_are_hidden_when_serialised(dictionary: Dictionary, name: str) -> None:
    made = new(dictionary)
    made[name] = "hunter2"
    wire = octets(made)
    assert made.pw_crypt("hunter2") in wire
    got = parse_packet(made.request_packet(), SECRET, dictionary)
    assert isinstance(got, AuthPacket)
    assert got.pw_decrypt(got[name][0]) == "hunter2"
    assert "hunter2" not in repr(made) + repr(got)


def test_tags_in_containers(dictionary: Dictionary) -> None:
    made = new(dictionary)
    made["Tlv-Tagged:1"] = [5, 6]
    made.add_attribute("Tlv-Tagged:2", 7)
    assert made[101] == {6: [b"\1\0\0\5", b"\1\0\0\6", b"\2\0\0\7"]}
    assert made["Tlv-Tagged"] == [5, 6, 7]
    assert made["Tlv-Tagged:2"] == [7]
    assert "Tlv-Tagged:2" in made
    assert "Tlv-Tagged:3" not in made
    made["Tlv-Tagged:1"] = 8
    assert made["Tlv-Tagged"] == [8, 7]
    with pytest.raises(KeyError):
        del made["Tlv-Tagged:3"]
    del made["Tlv-Tagged:1"]
    assert made[101] == {6: [b"\2\0\0\7"]}
    del made["Tlv-Tagged:2"]
    assert 101 not in made


# --- set_obfuscated ---


def test_obfuscated_values_come_last_and_are_not_seen(dictionary: Dictionary) -> None:
    made = new(dictionary)
    made.set_obfuscated("User-Password", "hunter2")
    made["User-Password"] = b"x" * 16
    made["User-Name"] = "bob"
    made.set_obfuscated("Plain-Pass", "other")
    made.set_obfuscated("Reply-Message", "plain")
    made.set_obfuscated("Reply-Message", "twice")
    assert made.keys() == ["User-Password", "User-Name"]
    assert "Plain-Pass" not in made
    assert "Reply-Message" not in made
    assert octets(made) == (
        attribute(1, b"bob")
        + attribute(2, made.pw_crypt("hunter2"))
        + attribute(26, b"\0\0\0\x65" + attribute(3, made.pw_crypt("other")))
        + attribute(18, b"plain")
        + attribute(18, b"twice")
    )
    for twin in (made.copy(), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert octets(twin) == octets(made)
        twin.set_obfuscated("Reply-Message", "thrice")
        assert octets(twin) != octets(made)
    assert "hunter2" not in repr(made)
    made.clear()
    assert octets(made) == b""


def test_obfuscated_values_in_containers_keep_what_is_beside_them(dictionary: Dictionary) -> None:
    made = new(dictionary)
    made["Tlv-Int"] = 3
    made["Tlv-Str"] = "gone"
    made["User-Name"] = "bob"
    made.set_obfuscated("Tlv-Str", "kept")
    made.set_obfuscated("Tlv-Sub-Oct", b"deep")
    made.set_obfuscated("Evs-Int", 7)
    assert octets(made)[:5] == attribute(1, b"bob")
    got = received(dictionary, octets(made))
    assert got["Tlv"] == {"Tlv-Int": [3], "Tlv-Str": ["kept"], "Tlv-Sub": {"Tlv-Sub-Oct": [b"deep"]}}
    assert got["Evs-Int"] == [7]
    assert made["Tlv-Str"] == ["gone"]


def test_obfuscated_values_follow_the_version(dictionary: Dictionary) -> None:
    """V11-3: nothing is hidden in RADIUS/1.1, tags stay."""
    made = new(dictionary)
    made.set_obfuscated("User-Password", "hunter2")
    made.set_obfuscated("Tunnel-Password:3", "tunnel")
    hidden = octets(made)
    assert hidden[:18] == attribute(2, made.pw_crypt("hunter2"))
    assert hidden[18] == 69
    assert hidden[20] == 3
    got = received(dictionary, hidden)
    assert got["Tunnel-Password:3"] == ["tunnel"]
    assert octets(made) != hidden  # another salt each time
    made.radius_version = 1
    made.token = b"1234"
    assert octets(made) == attribute(2, b"hunter2") + attribute(69, b"\3tunnel")
    plain = received(dictionary, octets(made))
    plain.radius_version = 1
    assert plain["Tunnel-Password"] == ["tunnel"]
    assert plain["User-Password"] == [b"hunter2"]


def test_obfuscated_failures_come_when_it_is_serialised(dictionary: Dictionary) -> None:
    made = new(dictionary)
    made.set_obfuscated("No-Such", 1)
    with pytest.raises(KeyError, match="No-Such"):
        made.reply_packet()
    acct = AcctPacket(dict=dictionary, secret=SECRET, authenticator=AUTHENTICATOR)
    acct.set_obfuscated("User-Password", "hunter2")
    with pytest.raises(PacketError, match="attribute User-Password: expected an AuthPacket .* AcctPacket"):
        acct.reply_packet()
    long = new(dictionary)
    long.set_obfuscated("User-Password", "x" * 250)
    with pytest.raises(PacketError, match="at most 240 octets, found 250") as failed:
        long.reply_packet()
    assert "xxx" not in str(failed.value)


# --- the object ---


def test_copies_of_containers_are_independent(dictionary: Dictionary) -> None:
    made = new(dictionary)
    made["Tlv-Sub-Oct"] = b"x"
    for twin in (made.copy(), copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        twin.add_attribute("Tlv-Sub-Oct", b"y")
        assert made["Tlv-Sub-Oct"] == [b"x"]
        assert twin["Tlv-Sub-Oct"] == [b"x", b"y"]


def test_message_authenticator_is_dropped_in_radius_1_1(dictionary: Dictionary) -> None:
    """V11-3"""
    got = received(dictionary, attribute(80, bytes(16)) + attribute(1, b"bob"))
    got.radius_version = 1
    got.token = b"1234"
    assert "Message-Authenticator" not in got
    assert got.get("Message-Authenticator") is None
    assert list(got) == [1]


def test_a_full_packet_of_every_kind(dictionary: Dictionary) -> None:
    kinds = [
        attribute(101, b"\1\6\0\0\0\1\3\5\1\3x"),
        attribute(241, b"\5\1\3x"[:2] + b"\3x"),
        attribute(241, b"\x1a\0\0\0\x65\7\0\0\0\1"),
        attribute(245, b"\1\x80ab") + attribute(245, b"\1\0cd"),
        attribute(26, b"\0\0\0\x65\2\x08\1\6\0\0\0\1"),
        attribute(26, b"\0\0\0\x67\1\4\x80a") + attribute(26, b"\0\0\0\x67\1\4\0b"),
        attribute(79, b"eap"),
        attribute(90, number(1) * 3),
    ]
    body = b""
    while len(body) + 20 + len(kinds[0]) <= 4076:
        body += kinds[0]
        kinds.append(kinds.pop(0))
    got = received(dictionary, body)
    assert dict(received(dictionary, octets(got)).items()) == dict(got.items())
    assert len(got["Tlv-Int"]) == len(got["Tlv-Sub-Oct"])
