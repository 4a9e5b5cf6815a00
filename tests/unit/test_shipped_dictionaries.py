"""The dictionaries of dict/: complete, free of contradictions, in one layout, and usable in packets."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyradsec.constants import ErrorCause
from pyradsec.dictionary import Attribute, Dictionary
from pyradsec.packet import AuthPacket

FOLDER = Path(__file__).resolve().parents[2] / "dict"
FACTS: dict[str, dict[str, Any]] = tomllib.loads(
    Path(__file__).with_name("shipped_dictionaries.toml").read_text(encoding="utf-8")
)
FILES = sorted(path.name for path in FOLDER.glob("dictionary.*"))
CONTAINERS = {"tlv", "extended", "long-extended", "evs", "vsa"}
EXAMPLES: dict[str, Any] = {
    "string": "an example",
    "octets": b"\x0b\x16\x21",
    "integer": 0xA5A6A7,  # fits beside a tag
    "signed": -77,
    "short": 0xA5A6,
    "byte": 0xA5,
    "integer64": 0x0102030405060708,
    "date": 1_700_000_000,
    "ipaddr": "192.0.2.9",
    "ipv4prefix": "192.0.2.0/24",
    "ipv6addr": "2001:db8::9",
    "ipv6prefix": "2001:db8::/64",
    "combo-ip": "192.0.2.9",
    "ifid": "0001:0002:0003:0004",
    "ether": "02:00:5e:10:00:01",
}


@pytest.fixture(scope="module")
def shipped() -> Dictionary:
    return Dictionary.default()


def numbers(text: str) -> list[int]:
    """The numbers in "1-3 7"."""
    found: list[int] = []
    for part in text.split():
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def codes(text: str) -> list[tuple[int, ...]]:
    """The codes in "241.5 241.5.1-3", where the last number may be a range."""
    return [
        (*map(int, part.split(".")[:-1]), last) for part in text.split() for last in numbers(part.rpartition(".")[2])
    ]


def directives(name: str) -> Iterator[list[str]]:
    for line in (FOLDER / name).read_text(encoding="ascii").splitlines():
        tokens = line.partition("#")[0].split()
        if tokens:
            yield tokens


def codes_in(name: str) -> list[tuple[int, ...]]:
    return [tuple(map(int, tokens[2].split("."))) for tokens in directives(name) if tokens[0] == "ATTRIBUTE"]


# --- complete ---


def test_every_file_is_included_once() -> None:
    included = [tokens[1] for tokens in directives("dictionary") if tokens[0] == "$INCLUDE"]
    assert sorted(included) == FILES


@pytest.mark.parametrize("rfc", sorted(FACTS["types"]))
def test_types_of_an_rfc(rfc: str) -> None:
    defined = {code[0] for code in codes_in(f"dictionary.{rfc}") if len(code) == 1}
    assert sorted(defined) == numbers(FACTS["types"][rfc])


@pytest.mark.parametrize("rfc", sorted(FACTS["extended"]))
def test_extended_types_of_an_rfc(rfc: str) -> None:
    defined = {code for code in codes_in(f"dictionary.{rfc}") if len(code) > 1}
    assert sorted(defined) == sorted(codes(FACTS["extended"][rfc]))


def test_every_assigned_type_is_there(shipped: Dictionary) -> None:
    assigned = {number for text in FACTS["types"].values() for number in numbers(text)}
    assert {number for number in range(1, 192) if number not in assigned} == {17, 21, 54, 93, 191}
    keys = {key for key in shipped.attrindex.forward.values() if isinstance(key, int)}
    assert keys == assigned


def test_every_assigned_extended_type_is_there(shipped: Dictionary) -> None:
    slots = {
        extended: sorted(shipped.attributes[shipped.attrindex.get_backward(extended)].sub_attributes)
        for extended in range(241, 247)
    }
    assert slots == {
        241: [*range(1, 12), 26],
        242: [26],
        243: [26],
        244: [26],
        245: [1, 2, 3, 4, 26],
        246: [26],
    }


@pytest.mark.parametrize("name", sorted(FACTS["values"]))
def test_registered_values(name: str) -> None:
    """In the files of the registry: vendors have values of their own beyond these."""
    defined = {
        int(tokens[3])
        for file in FILES
        if file.startswith(("dictionary.rfc", "dictionary.iana"))
        for tokens in directives(file)
        if tokens[:2] == ["VALUE", name]
    }
    assert sorted(defined) == numbers(FACTS["values"][name])


@pytest.mark.parametrize(("name", "number"), sorted(FACTS["vendors"].items()))
def test_enterprise_number(shipped: Dictionary, name: str, number: int) -> None:
    assert shipped.vendors[name] == number
    assert any(attribute.vendor == name for attribute in shipped.attributes.values())


def test_vendor_formats(shipped: Dictionary) -> None:
    expected = {shipped.vendors[name]: tuple(widths) for name, widths in FACTS["formats"].items()}
    assert shipped.vendor_formats == expected


def test_error_causes_are_those_of_the_constants(shipped: Dictionary) -> None:
    values = {int.from_bytes(octets, "big") for octets in shipped["Error-Cause"].values.forward.values()}
    assert values == {member.value for member in ErrorCause}


@pytest.mark.parametrize(
    ("name", "key", "datatype"),
    [
        ("User-Name", 1, "string"),
        ("NAS-IP-Address", 4, "ipaddr"),
        ("Vendor-Specific", 26, "vsa"),
        ("CHAP-Challenge", 60, "octets"),
        ("Acct-Status-Type", 40, "integer"),
        ("Event-Timestamp", 55, "date"),
        ("Message-Authenticator", 80, "octets"),
        ("Framed-Interface-Id", 96, "ifid"),
        ("Framed-IPv6-Prefix", 97, "ipv6prefix"),
        ("Error-Cause", 101, "integer"),
        ("Chargeable-User-Identity", 89, "octets"),
        ("Delegated-IPv6-Prefix", 123, "ipv6prefix"),
        ("MIP6-Feature-Vector", 124, "integer64"),
        ("Operator-Name", 126, "string"),
        ("PKM-SAID", 141, "short"),
        ("PMIP6-Home-IPv4-HoA", 155, "ipv4prefix"),
        ("Framed-IPv6-Address", 168, "ipv6addr"),
        ("WLAN-AKM-Suite", 188, "integer"),
        ("Original-Packet-Code", (241, 4), "integer"),
        ("IP-Port-Limit", (241, 5, 2), "integer"),
        ("Softwire46-MAP-E-BMR-IPv4-Prefix", (241, 9, 1, 4, 11), "ipv4prefix"),
        ("DHCPv6-Options", (245, 3), "octets"),
        ("Extended-Vendor-Specific-5", (245, 26), "evs"),
        ("MS-CHAP2-Response", (311, 25), "octets"),
        ("Cisco-AVPair", (9, 1), "string"),
        ("Aruba-User-Role", (14823, 1), "string"),
        ("Mikrotik-Rate-Limit", (14988, 8), "string"),
        ("WISPr-Bandwidth-Max-Up", (14122, 7), "integer"),
        ("WiMAX-Release", (24757, 1, 1), "string"),
        ("Fortinet-WirelessController-Device-MAC", (12356, 23), "ether"),
        ("ADSL-Agent-Circuit-Id", (3561, 1), "octets"),
        ("FreeRADIUS-802.1X-Anonce", (245, 26, 11344, 1), "octets"),
    ],
)
def test_attribute(shipped: Dictionary, name: str, key: object, datatype: str) -> None:
    assert shipped.attrindex[name] == key
    assert shipped[name].type == datatype


@pytest.mark.parametrize(
    ("attribute", "value", "number"),
    [
        ("Service-Type", "Framed-User", 2),
        ("Service-Type", "Authorize-Only", 17),
        ("Acct-Status-Type", "Interim-Update", 3),
        ("Acct-Terminate-Cause", "Port-Disabled", 22),
        ("NAS-Port-Type", "Wireless-802.11", 19),
        ("Tunnel-Type", "VLAN", 13),
        ("Tunnel-Medium-Type", "IEEE-802", 6),
        ("Error-Cause", "Unsupported-Extension", 406),
        ("Error-Cause", "Response-Too-Big", 601),
    ],
)
def test_value(shipped: Dictionary, attribute: str, value: str, number: int) -> None:
    assert shipped[attribute].values[value] == number.to_bytes(4, "big")
    assert shipped[attribute].values.get_backward(number.to_bytes(4, "big")) == value


@pytest.mark.parametrize(("other", "reported"), sorted(FACTS["reported"].items()))
def test_name_that_packets_are_read_under(shipped: Dictionary, other: str, reported: str) -> None:
    key = shipped.attrindex[other]
    assert shipped.attrindex[reported] == key
    assert shipped.attrindex.get_backward(key) == reported
    assert shipped[other].type == shipped[reported].type
    assert set(shipped[other].values.forward.values()) >= set(shipped[reported].values.forward.values()) or not len(
        shipped[other].values
    )


# --- flags ---


def test_hidden_attributes(shipped: Dictionary) -> None:
    """PKT-16."""
    plain = {name: one.encrypt for name, one in shipped.attributes.items() if one.encrypt and not one.vendor}
    assert plain == {"User-Password": 1, "Tunnel-Password": 2}
    for name, encrypt in {"MS-CHAP-MPPE-Keys": 1, "MS-MPPE-Send-Key": 2, "MS-MPPE-Recv-Key": 2, "WiMAX-MSK": 2}.items():
        assert shipped[name].encrypt == encrypt


def test_tagged_attributes(shipped: Dictionary) -> None:
    """RFC 2868, section 3; RFC 2867, section 4 tags nothing."""
    tagged = {shipped.attrindex[name] for name, one in shipped.attributes.items() if one.has_tag and not one.vendor}
    assert tagged == {64, 65, 66, 67, 69, 81, 82, 83, 90, 91}


def test_joined_attributes(shipped: Dictionary) -> None:
    """RFC 8044, section 3.6 and the registry: the attributes of type concat."""
    joined = {shipped.attrindex[name] for name, one in shipped.attributes.items() if one.concat and not one.vendor}
    assert joined == {79, 137, 138, 180}


# --- without contradictions ---


def test_no_name_is_defined_twice() -> None:
    places: dict[str, list[str]] = {}
    for file in FILES:
        for tokens in directives(file):
            if tokens[0] == "ATTRIBUTE":
                places.setdefault(tokens[1], []).append(f"{file} {tokens[2]}")
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_no_value_name_has_two_numbers() -> None:
    found: dict[tuple[str, str], int] = {}
    for file in FILES:
        for tokens in directives(file):
            if tokens[0] == "VALUE":
                number = int(tokens[3], 0)
                assert found.setdefault((tokens[1], tokens[2]), number) == number, f"{file}: {' '.join(tokens)}"


def test_vendors_are_defined_once() -> None:
    defined = [tokens[1] for file in FILES for tokens in directives(file) if tokens[0] == "VENDOR"]
    assert len(defined) == len(set(defined)) > 170


def test_two_names_of_one_code_mean_the_same(shipped: Dictionary) -> None:
    differ: set[object] = set()
    seen: dict[object, tuple[object, ...]] = {}
    for name, key in shipped.attrindex.forward.items():
        one = shipped[name]
        facts = (one.type, one.encrypt, one.has_tag, one.concat, one.array, one.virtual)
        if seen.setdefault(key, facts) != facts:
            differ.add(key)
    # ASA took numbers of VPN 3000 over, and Ruckus one of its own.
    assert differ == {(3076, 25), (3076, 92), (3076, 128), (3076, 131), (3076, 136), (25053, 10)}


def test_container_chains(shipped: Dictionary) -> None:
    nested = 0
    for name, attribute in shipped.attributes.items():
        parent = attribute.parent
        assert attribute.is_sub_attribute == (parent is not None)
        if parent is None:
            continue
        nested += 1
        assert parent is shipped[parent.name]
        assert parent.type in CONTAINERS - {"vsa"}
        if parent.type == "evs":
            assert attribute.vendor
        else:
            assert attribute.vendor == parent.vendor
            key = shipped.attrindex[name]
            assert shipped[parent.sub_attributes[key[-1]]].type == attribute.type
            assert shipped.attrindex[parent.sub_attributes[key[-1]]] == key
    assert nested > 300


def test_values_fit_their_attributes(shipped: Dictionary) -> None:
    widths = {"byte": 1, "short": 2, "integer": 4, "signed": 4, "integer64": 8}
    valued = 0
    for attribute in shipped.attributes.values():
        for octets in attribute.values.forward.values():
            valued += 1
            assert len(octets) == widths[attribute.type]
    assert valued > 5000


# --- in packets ---


def reread(packet: AuthPacket, shipped: Dictionary) -> AuthPacket:
    return AuthPacket(secret=b"xyzzy5461", packet=packet.request_packet(), dict=shipped)


@pytest.mark.parametrize("datatype", sorted(EXAMPLES))
def test_attributes_go_through_a_packet(shipped: Dictionary, datatype: str) -> None:
    """Every attribute of the type, top level and vendors': built, sent, and read by its name."""
    value, seen = EXAMPLES[datatype], 0
    for name, attribute in shipped.attributes.items():
        if attribute.type != datatype or attribute.is_sub_attribute or attribute.encrypt:
            continue
        if name == "Message-Authenticator":  # computed, not set
            continue
        packet = AuthPacket(secret=b"xyzzy5461", dict=shipped, authenticator=bytes(range(16)))
        packet[name] = value
        got = reread(packet, shipped)
        key = shipped.attrindex[name]
        assert got.keys() == [shipped.attrindex.get_backward(key)], name
        assert got[name] == [value], name
        assert got[key] == packet[key], name
        seen += 1
    assert seen > 0


@pytest.mark.parametrize("name", ["Tunnel-Password", "MS-MPPE-Send-Key", "ERX-LI-Action", "WiMAX-MSK"])
def test_salted_attributes_go_through_a_packet(shipped: Dictionary, name: str) -> None:
    """RFC 2868, section 3.5."""
    assert shipped[name].encrypt == 2
    value: Any = {"string": "correct horse", "octets": b"correct horse", "integer": 1}[shipped[name].type]
    packet = AuthPacket(secret=b"xyzzy5461", dict=shipped, authenticator=bytes(range(16)))
    packet[name] = value
    key = shipped.attrindex[name]
    assert b"correct horse" not in packet[key][0]
    got = reread(packet, shipped)[name]
    named = {name_of: int.from_bytes(octets, "big") for name_of, octets in shipped[name].values.forward.items()}
    assert [named.get(one, one) for one in got] == [value]


def test_values_are_read_by_name(shipped: Dictionary) -> None:
    packet = AuthPacket(secret=b"xyzzy5461", dict=shipped, authenticator=bytes(range(16)))
    packet["Acct-Terminate-Cause"] = "Port-Disabled"
    packet["3GPP-RAT-Type"] = "EUTRAN"
    packet["SN-Disconnect-Reason"] = "Admin-Disconnect"
    packet["Alc-Subsc-Prof-Str"] = "gold"
    got = reread(packet, shipped)
    assert got["Acct-Terminate-Cause"] == ["Port-Disabled"]
    assert got["3GPP-RAT-Type"] == ["EUTRAN"]
    assert got["SN-Disconnect-Reason"] == ["Admin-Disconnect"]
    assert got["Alc-Subsc-Prof-Str"] == ["gold"]


# --- layout ---


@pytest.mark.parametrize("file", FILES)
def test_layout(file: str) -> None:
    """A header that says where the facts are from; columns by blanks; VALUEs under their ATTRIBUTE."""
    text = (FOLDER / file).read_text(encoding="ascii")
    lines = text.split("\n")
    assert lines[-1] == ""
    assert lines[-2] != ""
    assert re.match(r"# (RFC \d+[,:] |IANA, |.+ \(enterprise number \d+\)$)", lines[0])
    assert "\t" not in text
    assert not re.search(r" $|\n\n\n", text, re.MULTILINE)
    assert max(map(len, lines)) <= 130
    own = {tokens[1] for tokens in directives(file) if tokens[0] == "ATTRIBUTE"}
    last = ""
    for line in lines:
        tokens = line.split()
        if tokens and tokens[0] == "ATTRIBUTE":
            last = tokens[1]
        elif tokens and tokens[0] == "VALUE" and tokens[1] in own:
            assert tokens[1] == last
        elif not tokens:
            last = ""


@pytest.mark.parametrize("file", FILES)
def test_every_block_is_closed(file: str) -> None:
    open_vendor = ""
    for tokens in directives(file):
        if tokens[0] == "BEGIN-VENDOR":
            assert open_vendor == ""
            open_vendor = tokens[1]
        elif tokens[0] == "END-VENDOR":
            assert tokens[1] == open_vendor
            open_vendor = ""
    assert open_vendor == ""


@pytest.mark.parametrize("file", [name for name in FILES if not name.startswith("dictionary.rfc")])
def test_vendors_header_says_its_number(file: str) -> None:
    numbers_of = {tokens[2] for tokens in directives(file) if tokens[0] == "VENDOR"}
    header = (FOLDER / file).read_text(encoding="ascii").split("\n", 1)[0]
    assert numbers_of == set(re.findall(r"\(enterprise number (\d+)\)$", header))


# --- default() ---


def test_default_is_a_new_one_each_time(shipped: Dictionary) -> None:
    assert Dictionary.default()["User-Name"] is not shipped["User-Name"]


def test_default_of_a_subclass() -> None:
    class Mine(Dictionary):
        pass

    assert type(Mine.default()) is Mine


def test_single_files_can_be_read(tmp_path: Path) -> None:
    """What the root says: a dictionary of one's own may include some of them."""
    mine = tmp_path / "mine"
    mine.write_text(
        f"$INCLUDE {FOLDER}/dictionary.rfc2865\n$INCLUDE {FOLDER}/dictionary.mikrotik\nATTRIBUTE Site 225 string\n",
        encoding="ascii",
    )
    made = Dictionary(str(mine), include_base_dir="/")
    assert isinstance(made["Site"], Attribute)
    assert made.attrindex["Mikrotik-Rate-Limit"] == (14988, 8)


# --- documentation ---


def test_documented_table() -> None:
    """docs/dictionaries.md has a row for each file, with the numbers of attributes and values."""
    text = (FOLDER.parent / "docs/dictionaries.md").read_text(encoding="utf-8")
    rows = {name: (int(a), int(v)) for name, a, v in re.findall(r"^\| `(\S+)` \| .* \| (\d+) \| (\d+) \|$", text, re.M)}
    counted = {}
    for file in FILES:
        words = [tokens[0] for tokens in directives(file)]
        counted[file.removeprefix("dictionary.")] = (words.count("ATTRIBUTE"), words.count("VALUE"))
    assert rows == counted
    total = re.search(r"^(\d+) attributes and (\d+) names of values, in (\d+) files", text, re.M)
    assert total is not None
    attributes, values = (sum(column) for column in zip(*counted.values(), strict=True))
    assert tuple(map(int, total.groups())) == (attributes, values, len(FILES))
