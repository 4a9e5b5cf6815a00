"""All of FreeRADIUS 3's dictionaries, against a reading of the same files that shares nothing with the reader."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pyradsec.dictionary import Dictionary, ParseError
from pyradsec.packet import AuthPacket

TREE = Path("/usr/share/freeradius")
pytestmark = pytest.mark.skipif(
    not (TREE / "dictionary").exists(), reason="Debian package freeradius-common is missing"
)

TYPES = {"uint16": "short", "uint32": "integer", "String": "string"}
WIDTHS = {"integer": 4, "date": 4, "signed": 4, "short": 2, "byte": 1, "integer64": 8}
FLAGS = {"encrypt=1", "encrypt=2", "encrypt=3", "has_tag", "concat", "array", "virtual", "secret"}
EVS_5 = (245, 26)  # Extended-Vendor-Specific-5


class Entry(NamedTuple):
    key: Any
    datatype: str
    vendor: str
    flags: frozenset[str]
    parent: str


def words(path: Path) -> Iterator[list[str]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        found = line.split("#")[0].split()
        if found and found[0].upper() == "$INCLUDE":
            yield from words(path.parent / found[1])
        elif found:
            yield found


def number(text: str) -> int:
    return int(text, 16) if text.lower().startswith("0x") else int(text)


class Reading:
    """Names to entries, VALUEs and vendors as plain dicts, out of one pass."""

    def __init__(self, path: Path) -> None:
        self.entries: dict[str, Entry] = {}
        self.by_key: dict[Any, str] = {}
        self.values: dict[str, dict[str, str]] = {}
        self.early: list[tuple[str, str, str]] = []  # VALUEs before their ATTRIBUTE
        self.vendors: dict[str, int] = {}
        self.formats: dict[int, str] = {}
        self.blocks: list[tuple[int, ...]] = []  # keys of the TLVs that are open
        self.vendor, self.prefix = "", tuple[int, ...]()
        for found in words(path):
            getattr(self, "read_" + found[0].lower().replace("-", "_"))(*found[1:])
        for attribute, name, text in self.early:
            self.values[attribute][name] = text

    def read_vendor(self, name: str, code: str, form: str = "") -> None:
        self.vendors[name] = number(code)
        if form:
            self.formats[number(code)] = form.removeprefix("format=")

    def read_begin_vendor(self, name: str, parent: str = "") -> None:
        assert parent in ("", "format=Extended-Vendor-Specific-5")
        self.vendor, self.prefix = name, (*(EVS_5 if parent else ()), self.vendors[name])

    def read_end_vendor(self, name: str) -> None:
        assert name == self.vendor
        self.vendor, self.prefix = "", ()

    def read_begin_tlv(self, name: str) -> None:
        self.blocks.append(self.entries[name].key)

    def read_end_tlv(self, name: str) -> None:
        assert self.blocks.pop() == self.entries[name].key

    def read_attribute(self, name: str, code: str, datatype: str, options: str = "") -> None:
        path = tuple(number(part) for part in code.split("."))
        place = self.blocks[-1] if self.blocks else self.prefix
        key = (*place, *path)
        flags = frozenset(options.split(",")) - {""}
        assert flags <= FLAGS, f"{name}: {options}"
        evs = self.prefix[: len(EVS_5)] == EVS_5 and len(key) == len(self.prefix) + 1
        is_nested = len(path) > 1 or bool(self.blocks)
        parent = (
            "Extended-Vendor-Specific-5"
            if evs
            else self.by_key[key[:-1] if len(key) > 2 else key[0]]
            if is_nested
            else ""
        )
        datatype = datatype.partition("[")[0]
        entry = Entry(key if len(key) > 1 else key[0], TYPES.get(datatype, datatype), self.vendor, flags, parent)
        self.entries[name] = entry
        self.by_key[entry.key] = name
        self.values[name] = {}

    def read_value(self, attribute: str, name: str, text: str) -> None:
        if attribute in self.values:
            self.values[attribute][name] = text
        else:
            self.early.append((attribute, name, text))


@pytest.fixture(scope="module")
def theirs() -> Reading:
    return Reading(TREE / "dictionary")


@pytest.fixture(scope="module")
def ours() -> Dictionary:
    return Dictionary(str(TREE / "dictionary"), strict=True)


def test_everything_is_there(ours: Dictionary, theirs: Reading) -> None:
    assert len(theirs.entries) > 7000
    assert set(ours.attributes) == set(theirs.entries)
    assert ours.attrindex.forward == {name: entry.key for name, entry in theirs.entries.items()}


def test_attributes(ours: Dictionary, theirs: Reading) -> None:
    for name, entry in theirs.entries.items():
        found = ours[name]
        assert found.name == name
        assert found.code == (entry.key[-1] if isinstance(entry.key, tuple) else entry.key)
        assert found.type == entry.datatype
        assert found.vendor == entry.vendor
        assert found.encrypt == next((int(flag[-1]) for flag in entry.flags if flag.startswith("encrypt")), 0)
        flags = (found.has_tag, found.concat, found.array, found.virtual)
        assert flags == tuple(flag in entry.flags for flag in ("has_tag", "concat", "array", "virtual"))
        assert (found.parent.name if found.parent else "") == entry.parent
        assert found.is_sub_attribute == bool(entry.parent)


def test_sub_attributes(ours: Dictionary, theirs: Reading) -> None:
    for name, entry in theirs.entries.items():
        for code, child in ours[name].sub_attributes.items():
            assert ours[child].parent is ours[name]
            assert ours[child].code == code
        if entry.parent and ours[entry.parent].type != "evs":
            assert ours[entry.parent].sub_attributes[ours[name].code] in ours.attributes


def test_values(ours: Dictionary, theirs: Reading) -> None:
    total = 0
    for name, values in theirs.values.items():
        found, datatype = ours[name].values.forward, theirs.entries[name].datatype
        assert set(found) == set(values)
        for value, text in values.items():
            if datatype in WIDTHS:
                assert found[value] == number(text).to_bytes(WIDTHS[datatype], "big")
            else:
                assert found[value] == number(text).to_bytes(4, "big").lstrip(b"\0")
        total += len(values)
    assert total > 7000


def test_vendors(ours: Dictionary, theirs: Reading) -> None:
    assert ours.vendors.forward == {"": 0, **theirs.vendors}
    assert len(theirs.vendors) > 150
    for code in theirs.vendors.values():
        type_len, len_len, more = (*theirs.formats.get(code, "1,1").split(","), "")[:3]
        assert ours.vendor_format(code) == (int(type_len), int(len_len), more == "c")


@pytest.mark.parametrize("path", sorted(TREE.glob("dictionary.*")), ids=lambda path: path.name)
def test_every_file(path: Path) -> None:
    """Those too that the root file leaves out, as their names would clash."""
    made = Dictionary(str(TREE / "dictionary"))
    count = len(made)
    if path.name == "dictionary.freedhcp":  # has VALUEs of attributes that no file defines
        with pytest.raises(ParseError, match="unknown attribute 'FreeDHCP-Opcode'"):
            made.read_dictionary(path)
    else:
        made.read_dictionary(path)
    assert len(made) >= count


def test_blocks_of_wichorus(theirs: Reading) -> None:
    """The one file with BEGIN-TLV."""
    path = TREE / "dictionary.wimax.wichorus"
    made, reading = Dictionary(path, strict=True), Reading(path)
    assert made.attrindex.forward == {name: entry.key for name, entry in reading.entries.items()}
    assert any(isinstance(entry.key, tuple) and len(entry.key) == 3 for entry in reading.entries.values())


def test_private_attributes_never_leave(ours: Dictionary) -> None:
    """Codes above 255 are the server's own: no packet has room for them."""
    private = [name for name, key in ours.attrindex.forward.items() if isinstance(key, int) and key > 255]
    assert len(private) > 300
    for name in private[:5]:
        packet = AuthPacket(id=1, secret=b"secret", authenticator=bytes(16), dict=ours)
        packet[ours[name].code] = [b"\0\0\0\1"]
        try:
            sent = packet.request_packet()
        except (TypeError, ValueError):
            continue
        assert sent[20:] == b""
