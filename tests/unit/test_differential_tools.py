"""pyradsec.tools against pyrad2 3.2: whatever differences.toml does not name has to come out the same."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peer import peer

from pyradsec import tools

pyrad2_tools = peer("tools")

TABLE = tomllib.loads(Path(__file__).with_name("differences.toml").read_text(encoding="utf-8"))
ASCII_DIGITS = frozenset("0123456789")
FILTER_KEYS = {"family", "action", "direction", "src", "dst", "proto", "sport", "dport", "sportq", "dportq"}
FILTER_WORDS = {
    "family": {"ipv4", "ipv6"},
    "action": {"discard", "accept", "redirect"},
    "direction": {"in", "out"},
}


def is_number(value: object) -> bool:
    return isinstance(value, str) and value != "" and set(value) <= ASCII_DIGITS


def is_plain_text(value: object) -> bool:
    return isinstance(value, str) and not value.startswith("0x") and not is_number(value)


def is_wordless(value: object) -> bool:
    for word in str(value).split():
        key, _, text = word.partition("=")
        if word != "delete" and (key not in FILTER_KEYS or text not in FILTER_WORDS.get(key, {text})):
            return True
    return False


WHEN: dict[str, Callable[[str, Any], bool]] = {
    "bytes that begin with 0x": lambda t, v: isinstance(v, bytes) and v.startswith(b"0x"),
    "text that is neither hexadecimal nor a number": lambda t, v: is_plain_text(v),
    "a number past 32 bits or ten digits": lambda t, v: is_number(v) and (int(v) > 0xFFFFFFFF or len(v) > 10),
    "bytes past 253": lambda t, v: isinstance(v, bytes) and len(v) > 253,
    "253 characters of more octets": lambda t, v: isinstance(v, str) and len(v) <= 253 and len(v.encode()) > 253,
    "neither text nor octets": lambda t, v: isinstance(v, list),
    "an address object": lambda t, v: isinstance(v, IPv4Address),
    "an interface object": lambda t, v: isinstance(v, (IPv4Interface, IPv6Interface)),
    "a prefix length with a leading zero": lambda t, v: (
        isinstance(v, str) and v.partition("/")[2][:1] == "0" and is_number(v.partition("/")[2][1:])
    ),
    "octets": lambda t, v: isinstance(v, bytes),
    "a family named after a network": lambda t, v: isinstance(v, str) and "st=" in v.partition("family=")[0],
    "a group of more digits than it holds": lambda t, v: (
        isinstance(v, str) and any(len(part) > (2 if t == "ether" else 4) for part in v.replace("-", ":").split(":"))
    ),
    "a filter word of no meaning": lambda t, v: is_wordless(v),
    "more octets than a prefix has": lambda t, v: len(v) > (6 if t == "ipv4prefix" else 18),
    "a single octet": lambda t, v: len(v) == 1,
    "an IPv4-mapped address": lambda t, v: bytes(10) + b"\xff\xff" in v,
}


def rows(direction: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every difference there is on this version of Python, once for each data type."""
    for row in TABLE[direction]:
        if "below" not in row or sys.version_info[:2] < tuple(row["below"]):
            for datatype in row["types"]:
                yield datatype, row


def literal(text: str, datatype: str) -> Any:
    names = {kind.__name__: kind for kind in (IPv4Address, IPv4Interface, IPv6Interface)}
    return eval(text, {"datatype": datatype, **names})


def is_documented(direction: str, datatype: str, value: object) -> bool:
    return any(WHEN[row["when"]](datatype, value) for name, row in rows(direction) if name == datatype)


def outcome(function: Callable[[str, Any], Any], datatype: str, value: object) -> tuple[Any, str]:
    """What comes out, or the kind of exception: struct.error counts as the ValueError that it should be."""
    try:
        return function(datatype, value), ""
    except (TypeError, AttributeError):
        return None, "TypeError"
    except Exception:
        return None, "ValueError"


def all_rows() -> list[Any]:
    return [
        pytest.param(direction, datatype, row, id=f"{direction}-{datatype}-{row['when'].replace(' ', '-')}")
        for direction in ("encode", "decode")
        for datatype, row in rows(direction)
    ]


@pytest.mark.parametrize(("direction", "datatype", "row"), all_rows())
def test_documented_difference_is_one(direction: str, datatype: str, row: dict[str, Any]) -> None:
    value = literal(row["example"], datatype)
    assert WHEN[row["when"]](datatype, value)
    for module, key in ((pyrad2_tools, "pyrad2"), (tools, "pyradsec")):
        function = getattr(module, f"{direction}_attr")
        try:
            expected = literal(row[key], datatype)
        except NameError:
            expected = None
        if expected is None or isinstance(expected, type):
            with pytest.raises(Exception) as caught:  # noqa: PT011 - the name is compared below
                function(datatype, value)
            assert caught.type.__name__ == row[key]
        else:
            assert function(datatype, value) == expected


def same(direction: str, datatype: str, value: object) -> None:
    if is_documented(direction, datatype, value):
        return
    theirs = outcome(getattr(pyrad2_tools, f"{direction}_attr"), datatype, value)
    assert outcome(getattr(tools, f"{direction}_attr"), datatype, value) == theirs


# Values of every kind that callers hand over, more of them sound than not.
NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.integers(-300, 70000),
    st.sampled_from([edge + step for edge in (0, 2**8, 2**16, 2**31, 2**32, 2**64) for step in (-1, 0, 1)]),
    st.floats(-1e12, 1e12),
    st.booleans(),
    st.none(),
    st.from_regex(r"\A *[+-]?[0-9]{1,4}(_[0-9]{1,9})? *\Z"),
    st.text(max_size=8),
)
TEXT_V4 = st.one_of(
    st.ip_addresses(v=4).map(str), st.from_regex(r"\A[0-9]{1,3}(\.[0-9]{1,3}){3}\Z"), st.text(max_size=16)
)
TEXT_V6 = st.one_of(
    st.ip_addresses(v=6).map(str),
    st.ip_addresses(v=6).map(lambda address: address.exploded),
    st.ip_addresses(v=6).map(lambda address: f"{address}%eth0"),
    st.ip_addresses(v=4).map(lambda address: f"::ffff:{address}"),
    st.from_regex(r"\A[0-9a-fA-F:]{2,24}\Z"),
    st.text(max_size=16),
)


def prefixes(version: Literal[4, 6]) -> st.SearchStrategy[Any]:
    addresses = st.ip_addresses(v=version)
    lengths = st.integers(0, 130 if version == 6 else 34)
    text = st.builds(lambda address, length: f"{address}/{length}", addresses, lengths)
    if version == 4:
        masks = st.one_of(
            st.integers(0, 32).map(lambda n: IPv4Address((2**32 - 2**n) % 2**32)),
            addresses,
            st.integers(0, 32).map(lambda n: IPv4Address(2**n - 1 if n < 32 else 0)),
        )
        text = st.one_of(text, st.builds(lambda address, mask: f"{address}/{mask}", addresses, masks))
    networks = st.builds(
        lambda address, length: IPv6Network((int(address), length), strict=False), addresses, st.integers(0, 128)
    )
    return st.one_of(text, addresses.map(str), addresses, st.text(max_size=8), networks if version == 6 else text)


@st.composite
def filters(draw: st.DrawFn) -> str:
    version: Literal[4, 6] = 4 if draw(st.booleans()) else 6
    words = [f"family=ipv{version}"]
    words.append(f"action={draw(st.sampled_from(['discard', 'accept', 'redirect']))}")
    words.append(f"direction={draw(st.sampled_from(['in', 'out']))}")
    for key in ("src", "dst"):
        if draw(st.booleans()):
            words.append(f"{key}={draw(prefixes(version).filter(lambda value: ' ' not in str(value)))}")
    for key in ("proto", "sport", "dport", "sportq", "dportq"):
        if draw(st.booleans()):
            words.append(f"{key}={draw(st.integers(-1, 66000))}")
    return " ".join(words)


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": st.one_of(st.text(max_size=300), st.binary(max_size=253), st.none(), st.integers()),
    "octets": st.one_of(
        st.binary(max_size=260),
        st.from_regex(r"\A0x([0-9a-fA-F]{2}){0,255}\Z"),
        st.from_regex(r"\A0x[0-9a-gA-G]{0,9}\Z"),
        st.from_regex(r"\A[0-9]{1,11}\Z"),
        st.none(),
    ),
    **dict.fromkeys(("integer", "signed", "short", "byte", "integer64", "date"), NUMBERS),
    "ipaddr": st.one_of(TEXT_V4, TEXT_V6, st.integers()),
    "ipv6addr": st.one_of(TEXT_V6, TEXT_V4, st.ip_addresses(v=6), st.integers()),
    "combo-ip": st.one_of(TEXT_V4, TEXT_V6, st.ip_addresses(), st.integers()),
    "ipv4prefix": st.one_of(prefixes(4), TEXT_V6, st.integers()),
    "ipv6prefix": st.one_of(prefixes(6), TEXT_V4, st.integers()),
    "ifid": st.one_of(st.from_regex(r"\A[0-9a-gA-G]{0,5}(:[0-9a-fA-F]{1,4}){3}\Z"), st.binary(max_size=9)),
    "ether": st.one_of(st.from_regex(r"\A[0-9a-gA-G]{0,3}([:-][0-9a-fA-F]{1,2}){5}\Z"), st.binary(max_size=7)),
    "abinary": st.one_of(filters(), st.just("delete")),
}


@pytest.mark.parametrize("datatype", sorted(VALUES))
@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_encode(datatype: str, data: st.DataObject) -> None:
    same("encode", datatype, data.draw(VALUES[datatype]))


# Lengths at which some type changes its mind, and the others.
LENGTHS = st.one_of(st.sampled_from([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 18, 19, 253]), st.integers(0, 260))


@pytest.mark.parametrize("datatype", sorted(VALUES))
@settings(max_examples=200, deadline=None, derandomize=True)
@given(data=st.data())
def test_decode(datatype: str, data: st.DataObject) -> None:
    length = data.draw(LENGTHS)
    octets = data.draw(st.binary(min_size=length, max_size=length))
    if "prefix" in datatype and length > 1 and data.draw(st.booleans()):
        octets = bytes((0, data.draw(st.integers(0, 130)))) + octets[2:]
    same("decode", datatype, octets)


@pytest.mark.parametrize("datatype", ["tlv", "extended", "long-extended", "evs", "vsa", "nonsense"])
def test_types_without_values(datatype: str) -> None:
    for module in (pyrad2_tools, tools):
        with pytest.raises(ValueError, match=r"(?i)attribute type"):
            module.encode_attr(datatype, "1")
        with pytest.raises(ValueError, match=r"(?i)attribute type"):
            module.decode_attr(datatype, b"1")


def test_ascii_address_forms() -> None:
    """Forms that random text hardly hits."""
    for text in ("::", "1::", "::1", "1:2:3:4:5:6:7::", "1::8", "::ffff:0:0", "0:0:0:0:0:0:0:0", "::6:1.2.3.4"):
        same("encode", "ipv6addr", text)
        same("encode", "ipv6addr", IPv6Address(text))
