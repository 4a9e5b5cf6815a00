"""The dictionaries of dict/ against FreeRADIUS's: two people who copied the same facts have to agree on them."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from pyradsec.dictionary import Dictionary

FOLDER = Path("/usr/share/freeradius")
DIFFERENCES = Path(__file__).with_name("dictionary_differences.toml")
# What the root of FreeRADIUS leaves out because others of the same vendor are in.
MORE = ("dictionary.cisco.vpn3000",)


@pytest.fixture(scope="module")
def theirs() -> Dictionary:
    root = FOLDER / "dictionary"
    if not root.exists():
        pytest.fail("FreeRADIUS's dictionaries are not installed; on Debian: apt-get install freeradius", pytrace=False)
    return Dictionary(str(root), *(str(FOLDER / name) for name in MORE))


@pytest.fixture(scope="module")
def ours() -> Dictionary:
    return Dictionary.default()


def facts(dictionary: Dictionary, name: str) -> str:
    attribute = dictionary[name]
    flags = [flag for flag in ("has_tag", "concat", "array") if getattr(attribute, flag)]
    if attribute.encrypt:
        flags.append(f"encrypt={attribute.encrypt}")
    return " ".join([str(dictionary.attrindex[name]), attribute.type, *flags])


def test_attributes_agree(ours: Dictionary, theirs: Dictionary) -> None:
    """Number, vendor, data type and flags of everything that has the same name."""
    common = ours.attributes.keys() & theirs.attributes.keys()
    assert len(common) > 6000
    differ = {
        name: (facts(ours, name), facts(theirs, name)) for name in common if facts(ours, name) != facts(theirs, name)
    }
    listed = tomllib.loads(DIFFERENCES.read_text(encoding="utf-8"))["attribute"]
    assert all(row["why"] for row in listed)
    assert differ == {row["name"]: (row["ours"], row["theirs"]) for row in listed}


def test_vendors_agree(ours: Dictionary, theirs: Dictionary) -> None:
    common = ours.vendors.forward.keys() & theirs.vendors.forward.keys()
    assert len(common) > 170
    for name in common:
        assert ours.vendors[name] == theirs.vendors[name]
        number = ours.vendors[name]
        assert ours.vendor_format(number) == theirs.vendor_format(number), name


def test_values_agree(ours: Dictionary, theirs: Dictionary) -> None:
    compared = 0
    for name in ours.attributes.keys() & theirs.attributes.keys():
        mine, other = ours[name].values.forward, theirs[name].values.forward
        for value in mine.keys() & other.keys():
            assert mine[value] == other[value], f"{name} {value}"
            compared += 1
    assert compared > 5000


def test_values_that_we_leave_out(ours: Dictionary, theirs: Dictionary) -> None:
    """Of the registered attributes: what FreeRADIUS has a name for, we have one for, except what nobody registered."""
    missing = {
        (name, value)
        for name in ours.attributes.keys() & theirs.attributes.keys()
        if not ours[name].vendor
        for value, octets in theirs[name].values.forward.items()
        if not ours[name].values.has_backward(octets)
    }
    assert missing == {
        ("Acct-Status-Type", "Cancel"),
        ("Acct-Status-Type", "Modem-Start"),
        ("Acct-Status-Type", "Modem-Stop"),
        ("Framed-Protocol", "PPTP"),
        ("Termination-Action", "Manage-Resources"),
    }
