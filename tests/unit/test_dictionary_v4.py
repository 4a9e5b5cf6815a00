"""What FreeRADIUS 4 writes into dictionaries: read as far as it means something in RADIUS, and never misread."""

from __future__ import annotations

import inspect
import io
from typing import Any

import pytest

from pyradsec.dictionary import Dictionary, ParseError


def read(text: str, *, strict: bool = False) -> Dictionary:
    made = Dictionary(strict=strict)
    made.read_dictionary(io.StringIO(text))
    return made


def radius(text: str, *, strict: bool = False) -> Dictionary:
    return read(f"PROTOCOL RADIUS 1\nBEGIN-PROTOCOL RADIUS\n{text}\nEND-PROTOCOL RADIUS\n", strict=strict)


# --- data types ---


@pytest.mark.parametrize(
    ("text", "datatype"),
    [
        ("uint8", "byte"),
        ("uint16", "short"),
        ("uint32", "integer"),
        ("uint64", "integer64"),
        ("int32", "signed"),
        ("bool", "byte"),
        ("ipv4addr", "ipaddr"),
        ("ethernet", "ether"),
        ("time_delta", "integer"),
        ("time_delta subtype=uint16", "short"),
        ("time_delta subtype=int32", "signed"),
        ("time_delta subtype=uint64,precision=milliseconds", "integer64"),
        ("date subtype=uint32", "date"),
        ("date subtype=uint64", "integer64"),
        ("float32", "octets"),
        ("float64", "octets"),
        ("int8", "octets"),
        ("int16", "octets"),
        ("int64", "octets"),
        ("struct", "octets"),
        ("struct[8]", "octets"),
        ("union", "octets"),
        ("attribute", "octets"),
        ("tlv extended", "extended"),
        ("tlv long-extended", "long-extended"),
        ("tlv extended,long", "long-extended"),
        ("extended long", "long-extended"),
        ("long_extended", "long-extended"),
        ("octets abinary", "abinary"),
        ("combo-ip", "combo-ip"),
    ],
)
def test_types(text: str, datatype: str) -> None:
    made = radius(f"ATTRIBUTE Test 7 {text}", strict=True)
    assert made["Test"].type == datatype
    assert made.attrindex["Test"] == 7
    assert not made["Test"].virtual


@pytest.mark.parametrize(
    ("datatype", "text", "octets"),
    [
        ("int8", "-1", b"\xff"),
        ("int16", "-2", b"\xff\xfe"),
        ("int64", "-1", b"\xff" * 8),
        ("int64", "0x7fffffffffffffff", b"\x7f" + b"\xff" * 7),
        ("uint64", "18446744073709551615", b"\xff" * 8),
        ("bool", "1", b"\1"),
        ("time_delta subtype=int16", "-1", b"\xff\xff"),
    ],
)
def test_values_of_numbers_without_a_type(datatype: str, text: str, octets: bytes) -> None:
    assert radius(f"ATTRIBUTE Test 7 {datatype}\nVALUE Test Named {text}")["Test"].values["Named"] == octets


@pytest.mark.parametrize(
    ("datatype", "text"),
    [("int8", "128"), ("int8", "-129"), ("int16", "32768"), ("int64", "9223372036854775808"), ("int8", "one")],
)
def test_values_out_of_range(datatype: str, text: str) -> None:
    with pytest.raises(ValueError, match="VALUE Named of attribute Test"):
        radius(f"ATTRIBUTE Test 7 {datatype}\nVALUE Test Named {text}")


def test_vsa_of_an_extended_attribute() -> None:
    made = radius(
        "VENDOR Acme 90\nATTRIBUTE Vendor-Specific 26 vsa\nATTRIBUTE Ext 241 tlv extended\n"
        "ATTRIBUTE Ext-Vsa 241.26 vsa\n"
        "BEGIN-VENDOR Acme parent=Ext-Vsa\nATTRIBUTE One 1 string\nEND-VENDOR Acme\n"
        "BEGIN-VENDOR Acme parent=.Ext.Ext-Vsa\nATTRIBUTE Two 2 string\nEND-VENDOR Acme\n"
        "BEGIN-VENDOR Acme\nATTRIBUTE Three 3 string\nEND-VENDOR Acme\n",
        strict=True,
    )
    assert made["Ext-Vsa"].type == "evs"
    assert made["Vendor-Specific"].type == "vsa"
    assert made.attrindex["One"] == (241, 26, 90, 1)
    assert made.attrindex["Two"] == (241, 26, 90, 2)
    assert made.attrindex["Three"] == (90, 3)


# --- options ---


@pytest.mark.parametrize(
    ("option", "way"),
    [("User-Password", 1), ("Tunnel-Password", 2), ("Ascend-Secret", 3), ("1", 1), ("2", 2), ("3", 3)],
)
def test_encryption_by_name(option: str, way: int) -> None:
    made = radius(f"ATTRIBUTE Test 7 string has_tag,encrypt={option},secret", strict=True)
    assert made["Test"].encrypt == way
    assert made["Test"].has_tag


@pytest.mark.parametrize("option", ["User-Passwords", "", "0", "12"])
def test_encryption_that_is_none(option: str) -> None:
    with pytest.raises(ParseError, match="encrypt is 1, 2 or 3"):
        radius(f"ATTRIBUTE Test 7 string encrypt={option}")


@pytest.mark.parametrize(
    "option",
    ["key", "counter", "ref=..", "offset=2", "length=uint16", "precision=seconds", "unsafe", "array", "concat"],
)
def test_options_are_known(option: str) -> None:
    made = radius(f"ATTRIBUTE Test 7 octets {option}", strict=True)
    assert made.attrindex.forward == {"Test": 7}
    assert made["Test"].array == (option == "array")
    assert made["Test"].concat == (option == "concat")


@pytest.mark.parametrize("name", ["key", "long", "internal", "abinary"])
def test_vendor_whose_name_is_an_option_now(name: str) -> None:
    """Dictionaries for pyrad2 may have one: there these words mean nothing else."""
    made = read(f"VENDOR {name} 90\nATTRIBUTE Test 1 string {name}")
    assert made["Test"].vendor == name
    assert made.attrindex["Test"] == (90, 1)
    assert not made["Test"].virtual


# --- codes ---


def test_relative_codes() -> None:
    made = radius(
        "VENDOR Acme 90\nBEGIN-VENDOR Acme\n"
        "ATTRIBUTE Box 1 tlv\nATTRIBUTE Box-One .1 integer\nVALUE Box-One On 1\nATTRIBUTE Box-Two .2 tlv\n"
        "ATTRIBUTE Box-Two-Five .2.5 string\nATTRIBUTE Box-Three 1.3 byte\nATTRIBUTE Box-Four .4 tlv\n"
        "ATTRIBUTE Deep 1.4.6 tlv\nATTRIBUTE Deep-One .1 string\nEND-VENDOR Acme\n",
        strict=True,
    )
    assert made.attrindex.forward == {
        "Box": (90, 1),
        "Box-One": (90, 1, 1),
        "Box-Two": (90, 1, 2),
        "Box-Two-Five": (90, 1, 2, 5),
        "Box-Three": (90, 1, 3),
        "Box-Four": (90, 1, 4),
        "Deep": (90, 1, 4, 6),
        "Deep-One": (90, 1, 4, 6, 1),
    }
    assert made["Box"].sub_attributes == {1: "Box-One", 2: "Box-Two", 3: "Box-Three", 4: "Box-Four"}
    assert made["Deep-One"].parent is made["Deep"]
    assert made["Box-One"].values["On"] == b"\0\0\0\1"


@pytest.mark.parametrize(
    "before", ["", "ATTRIBUTE Box 1 string\n", "ATTRIBUTE Box 1 tlv\nVENDOR Acme 90\n", "ATTRIBUTE Box 1 tlv\nEND\n"]
)
def test_relative_to_nothing(before: str) -> None:
    with pytest.raises(ParseError):
        radius(f"{before}ATTRIBUTE Test .1 string")


@pytest.mark.parametrize(
    ("begin", "end"), [("BEGIN-TLV Box", "END-TLV Box"), ("BEGIN Box", "END Box"), ("BEGIN Box", "END")]
)
def test_tlv_blocks(begin: str, end: str) -> None:
    made = read(
        f"ATTRIBUTE Box 9 tlv\n{begin}\nATTRIBUTE One 1 tlv\nBEGIN-TLV One\nATTRIBUTE Deep 7 byte\nVALUE Deep On 1\n"
        f"END-TLV One\nATTRIBUTE Two 1.8 string\n{end}\nATTRIBUTE Plain 1 string",
        strict=True,
    )
    assert made.attrindex.forward == {"Box": 9, "One": (9, 1), "Deep": (9, 1, 7), "Two": (9, 1, 8), "Plain": 1}
    assert made["Deep"].parent is made["One"]
    assert made["Deep"].values["On"] == b"\1"


def test_tlv_block_of_a_vendor() -> None:
    made = read(
        "VENDOR Acme 90\nATTRIBUTE Plain-Box 1 tlv\nBEGIN-VENDOR Acme\nATTRIBUTE Box 1 tlv\nBEGIN-TLV Box\n"
        "ATTRIBUTE Inner 2 string\nEND-TLV Box\nATTRIBUTE Two 2 string\nEND-VENDOR Acme\n",
        strict=True,
    )
    assert made.attrindex.forward == {"Plain-Box": 1, "Box": (90, 1), "Inner": (90, 1, 2), "Two": (90, 2)}


def test_block_of_an_unknown_tlv_is_left_out() -> None:
    text = (
        "BEGIN-TLV Nobody\nATTRIBUTE Inner 1 integer\nBEGIN-TLV Inner\nATTRIBUTE Deep 2 string\nEND-TLV Inner\n"
        "END-TLV Nobody\n"
    )
    made = read(f"{text}VALUE Inner On 1\nATTRIBUTE User-Name 1 string")
    assert made.attrindex.forward == {"User-Name": 1}
    with pytest.raises(ParseError, match="begin-tlv of the unknown attribute 'Nobody'"):
        read(text, strict=True)


# --- what is not on the wire ---


@pytest.mark.parametrize(
    "text",
    [
        "DEFINE Test string",
        "DEFINE Test string secret",
        "ENUM Test integer",
        "ATTRIBUTE Test 1 string internal",
        "FLAGS internal\nATTRIBUTE Test 1 string",
        "FLAGS internal\nFLAGS !internal\nDEFINE Test octets",
    ],
)
def test_private_attributes_have_no_number_of_ours(text: str) -> None:
    made = read(f"ATTRIBUTE User-Name 1 string\n{text}", strict=True)
    assert made["Test"].virtual
    assert made["Test"].code < 0
    assert made.attrindex["Test"] == made["Test"].code
    assert made.attrindex.get_backward(1) == "User-Name"


def test_private_attributes_of_two_files() -> None:
    made = read("DEFINE One string\nDEFINE One string\nDEFINE Two string")
    made.read_dictionary(io.StringIO("DEFINE Three string\nDEFINE Four tlv\nATTRIBUTE Inner .1 string"))
    keys = [made.attrindex[name] for name in ("One", "Two", "Three", "Four")]
    assert len(set(keys)) == 4
    assert made.attrindex["Inner"] == (made["Four"].code, 1)


def test_flags_end_with_the_file(tmp_path: Any) -> None:
    (tmp_path / "main").write_text("$INCLUDE private\nATTRIBUTE User-Name 1 string\n", encoding="utf-8")
    (tmp_path / "private").write_text("FLAGS internal\nATTRIBUTE Mine 1 string\n", encoding="utf-8")
    made = Dictionary(tmp_path / "main")
    assert made["Mine"].virtual
    assert not made["User-Name"].virtual


def test_group() -> None:
    made = radius("ATTRIBUTE Test 7 group ref=@.Other", strict=True)
    assert made["Test"].virtual
    assert made["Test"].type == "octets"


@pytest.mark.parametrize("begin", ["PROTOCOL DHCPv4 2 verify=lib\nBEGIN-PROTOCOL DHCPv4", "BEGIN PROTOCOL DHCPv4 2"])
def test_other_protocols_are_left_out(begin: str) -> None:
    made = read(
        f"ATTRIBUTE User-Name 1 string\n{begin}\nATTRIBUTE Subnet-Mask 1 ipv4addr\nVALUE Subnet-Mask Any 0.0.0.0\n"
        "VENDOR Acme 90\nBEGIN-VENDOR Acme\nEND-VENDOR Acme\n$INCLUDE no-such-file\nATTRIBUTE Wrong\n"
        "END-PROTOCOL DHCPv4\nATTRIBUTE User-Password 2 string\n"
    )
    assert made.attrindex.forward == {"User-Name": 1, "User-Password": 2}
    assert made.vendors.forward == {"": 0}


# --- structs ---

STRUCT = """
ATTRIBUTE Flags 8 integer
ATTRIBUTE Location 127 struct
MEMBER Index uint16
MEMBER Flags uint8 key
VALUE Flags Off 0
MEMBER Kind bit[4]
MEMBER Rest bit[4]
MEMBER Inner struct
MEMBER Parts tlv
ATTRIBUTE Part .1 string
VALUE Index None 0
STRUCT Sub Flags 3
MEMBER Last octets
VALUE Flags Sub 3
ATTRIBUTE After 131 integer
VALUE After On 1
VALUE Flags Only 4
VALUE Part No 1
"""


def test_struct_is_octets() -> None:
    made = radius(STRUCT, strict=True)
    assert made.attrindex.forward == {"Flags": 8, "Location": 127, "After": 131}
    assert made["Location"].type == "octets"
    assert made["Flags"].values.forward == {"Only": b"\0\0\0\4"}
    assert made["After"].values.forward == {"On": b"\0\0\0\1"}


def test_member_of_nothing() -> None:
    assert len(read("MEMBER Index uint16")) == 0
    with pytest.raises(ParseError, match="member outside of a struct"):
        read("MEMBER Index uint16", strict=True)


# --- ENUM, ALIAS, clone ---


def test_enum() -> None:
    made = radius(
        "ENUM Switch uint32\nVALUE Switch On 1\nATTRIBUTE Test 7 integer enum=Switch\nVALUE Test Broken 9\n"
        "VALUE Switch Off 0\nATTRIBUTE Short 8 short enum=Switch\n"
    )
    assert made["Test"].values.forward == {"On": b"\0\0\0\1", "Off": b"\0\0\0\0", "Broken": b"\0\0\0\x09"}
    assert len(made["Short"].values) == 0
    with pytest.raises(ParseError, match="attribute Short"):
        radius("ENUM Switch uint32\nATTRIBUTE Short 8 short enum=Switch", strict=True)


MICROSOFT = """
ATTRIBUTE Vendor-Specific 26 vsa
ATTRIBUTE CHAP-Challenge 60 octets
ATTRIBUTE Ext 241 tlv extended
ATTRIBUTE Ext-Vsa 241.26 vsa
ATTRIBUTE Box 241.5 tlv
ATTRIBUTE Inner .3 string
VENDOR Microsoft 311
BEGIN-VENDOR Microsoft
ATTRIBUTE CHAP-Challenge 11 octets
ATTRIBUTE CHAP-Domain 10 integer
VALUE CHAP-Challenge Empty 0x00
VALUE CHAP-Domain One 1
END-VENDOR Microsoft
BEGIN-VENDOR Microsoft parent=Ext-Vsa
ATTRIBUTE Wide 4 string
END-VENDOR Microsoft
VALUE CHAP-Challenge Full 0xff
"""


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("26.311.11", "Microsoft.CHAP-Challenge"),
        ("Vendor-Specific.Microsoft.CHAP-Challenge", "Microsoft.CHAP-Challenge"),
        ("26.311.10", "CHAP-Domain"),
        ("Vendor-Specific.Microsoft.CHAP-Domain", "CHAP-Domain"),
        (".Microsoft.CHAP-Domain", "CHAP-Domain"),
        ("CHAP-Challenge", "CHAP-Challenge"),
        ("241.5.3", "Inner"),
        ("Ext.Box.Inner", "Inner"),
        ("241.26.311.4", "Wide"),
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_alias(reference: str, name: str, is_first: bool) -> None:
    alias = f"ALIAS Another {reference}\nVALUE Another More 7\n"
    made = radius(alias + MICROSOFT if is_first else MICROSOFT + alias, strict=True)
    assert made["Another"] is made[name]
    assert made.attrindex["Another"] == made.attrindex[name]
    assert "Another" not in made.attrindex.backward.values()
    assert made[name].values.has_forward("More")


@pytest.mark.parametrize(
    "reference", ["26.311.99", "99.1", "26.311", "CHAP-Domain.More", "Ext.CHAP-Domain", "..", "1.x"]
)
def test_alias_of_nothing(reference: str) -> None:
    with pytest.raises(ParseError, match="unknown attribute") as caught:
        read(f"{MICROSOFT}\nALIAS Another {reference}\n")
    assert caught.value.line == MICROSOFT.count("\n") + 2


def test_alias_does_not_replace() -> None:
    text = "ATTRIBUTE One 1 string\nATTRIBUTE Two 2 string\nALIAS One 2\n"
    assert radius(text).attrindex.forward == {"One": 1, "Two": 2}
    with pytest.raises(ParseError, match="alias One"):
        radius(text, strict=True)


def test_names_of_vendors_do_not_hide_others() -> None:
    """Every vendor has names of its own in FreeRADIUS 4, so that a name may be there twice."""
    made = radius(MICROSOFT, strict=True)
    assert made.attrindex["CHAP-Challenge"] == 60
    assert made.attrindex["Microsoft.CHAP-Challenge"] == (311, 11)
    assert made.attrindex.get_backward(60) == "CHAP-Challenge"
    assert made.attrindex.get_backward((311, 11)) == "Microsoft.CHAP-Challenge" == made["Microsoft.CHAP-Challenge"].name
    assert made["Microsoft.CHAP-Challenge"].values.forward == {"Empty": b"\0"}
    assert made["CHAP-Challenge"].values.forward == {"Full": b"\xff"}
    assert made.attrindex["CHAP-Domain"] == (311, 10)


def test_names_of_the_ietf_stay_when_they_come_later() -> None:
    made = radius(
        "VENDOR Acme 90\nBEGIN-VENDOR Acme\nATTRIBUTE Box 1 tlv\nATTRIBUTE Class .2 string\nATTRIBUTE Name 2 integer\n"
        "VALUE Name One 1\nEND-VENDOR Acme\nATTRIBUTE Name 1 string\nATTRIBUTE Class 25 octets\n",
        strict=True,
    )
    assert made.attrindex["Name"] == 1
    assert made.attrindex["Acme.Name"] == (90, 2)
    assert made.attrindex.get_backward((90, 2)) == "Acme.Name" == made["Acme.Name"].name
    assert made["Acme.Name"].values["One"] == b"\0\0\0\1"
    assert made.attrindex["Class"] == 25
    assert made["Box"].sub_attributes == {2: "Box.Class"}
    assert made["Box.Class"].parent is made["Box"]


def test_without_a_protocol_the_later_name_wins() -> None:
    made = read(MICROSOFT)
    assert made.attrindex["CHAP-Challenge"] == (311, 11)


def test_clone() -> None:
    made = radius(
        "ATTRIBUTE Copy 9 tlv clone=Box\nATTRIBUTE Own .2 byte\nATTRIBUTE Box 8 tlv\nATTRIBUTE One .1 integer\n"
        "VALUE One On 1\nATTRIBUTE Two .2 string\nATTRIBUTE Sub .3 tlv\nATTRIBUTE Deep .3.4 string has_tag\n",
        strict=True,
    )
    assert made["Copy"].sub_attributes == {1: "Copy.One", 2: "Own", 3: "Copy.Sub"}
    assert made.attrindex["Copy.Sub.Deep"] == (9, 3, 4)
    assert made["Copy.Sub.Deep"].has_tag
    assert made["Copy.Sub.Deep"].parent is made["Copy.Sub"]
    assert made["Copy.One"].values.forward == {"On": b"\0\0\0\1"}
    assert made["Copy.One"].values is not made["One"].values
    assert made["Box"].sub_attributes == {1: "One", 2: "Two", 3: "Sub"}


def test_clone_of_what_is_around_it() -> None:
    with pytest.raises(ParseError, match="clone"):
        radius("ATTRIBUTE Box 8 tlv\nATTRIBUTE Inner .1 tlv clone=Box")


def test_clones_of_clones_end() -> None:
    lines = ["ATTRIBUTE Box0 1.1 tlv", "ATTRIBUTE Leaf 1.1.1 string"]
    for number in range(1, 20):
        lines += [f"ATTRIBUTE Box{number} 1.{number + 1} tlv"]
        lines += [f"ATTRIBUTE Half{number}-{half} .{half} tlv clone=Box{number - 1}" for half in (1, 2)]
    with pytest.raises(ParseError, match="clone= makes more than 65536"):
        radius("ATTRIBUTE Root 1 tlv\n" + "\n".join(lines))


# --- mistakes ---


@pytest.mark.parametrize(
    ("text", "fragments"),
    [
        ("BEGIN-TLV", ("begin-tlv", "Incorrect number of tokens")),
        ("BEGIN", ("begin-tlv", "Incorrect number of tokens")),
        ("ATTRIBUTE Box 1 tlv\nBEGIN-TLV Box\nEND-TLV", ("end-tlv", "Incorrect number of tokens")),
        ("ATTRIBUTE Box 1 tlv\nBEGIN-TLV Box\nEND-TLV Other", ("end-tlv", "Other", "Box")),
        ("END-TLV Box", ("end-tlv",)),
        ("END", ("end-tlv",)),
        ("BEGIN-PROTOCOL", ("begin-protocol", "Incorrect number of tokens")),
        ("BEGIN-PROTOCOL RADIUS\nBEGIN-PROTOCOL RADIUS", ("begin-protocol", "RADIUS")),
        ("END-PROTOCOL", ("end-protocol", "Incorrect number of tokens")),
        ("END-PROTOCOL RADIUS", ("end-protocol", "RADIUS")),
        ("BEGIN-PROTOCOL RADIUS\nEND-PROTOCOL DHCPv4", ("end-protocol", "DHCPv4")),
        ("PROTOCOL RADIUS", ("protocol", "Incorrect number of tokens")),
        ("DEFINE Test", ("define", "Incorrect number of tokens")),
        ("DEFINE Test dummy", ("dummy",)),
        ("ENUM Test", ("enum", "Incorrect number of tokens")),
        ("MEMBER Test", ("member", "Incorrect number of tokens")),
        ("STRUCT Test", ("struct", "Incorrect number of tokens")),
        ("ALIAS Test", ("alias", "Incorrect number of tokens")),
        ("ALIAS Test 1", ("alias", "unknown attribute", "1")),
        (f"ATTRIBUTE Test {'1.' * 40}1 string", ("Test", "32 numbers")),
        ("ATTRIBUTE Box 1 tlv\n" + "BEGIN-TLV Box\n" * 33, ("begin-tlv", "32")),
    ],
)
def test_mistake(text: str, fragments: tuple[str, ...]) -> None:
    with pytest.raises(ParseError) as caught:
        read(text)
    for fragment in fragments:
        assert fragment in (caught.value.msg or "")
    assert caught.value.line == len(text.splitlines())


@pytest.mark.parametrize(
    ("text", "fragments"),
    [
        ("UNKNOWN directive", ("Unknown directive", "UNKNOWN")),
        ("$INCLUDED other", ("Unknown directive", "$INCLUDED")),
        ("ATTRIBUTE Test 1 string has_tag,unheard-of", ("option", "unheard-of")),
        ("ATTRIBUTE Test 1 string key,unheard-of", ("option", "unheard-of")),
        ("FLAGS unheard-of", ("flags",)),
        ("VENDOR A 5\nATTRIBUTE Box 1 tlv A\nBEGIN-VENDOR A\nBEGIN-TLV Box\nEND-VENDOR A", ("end-vendor", "Box")),
    ],
)
def test_strict(text: str, fragments: tuple[str, ...]) -> None:
    read(text)
    with pytest.raises(ParseError) as caught:
        read(text, strict=True)
    for fragment in fragments:
        assert fragment in (caught.value.msg or "")


def test_strict_is_by_keyword() -> None:
    assert inspect.signature(Dictionary.__init__).parameters["strict"].kind is inspect.Parameter.KEYWORD_ONLY
    assert len(Dictionary(io.StringIO("ATTRIBUTE Test 1 string has_tag,encrypt=2 # fine"), strict=True)) == 1
