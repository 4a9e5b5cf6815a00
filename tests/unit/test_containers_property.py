"""Whatever parses is written so that it parses to the same; and beside pyrad2 3.2, where that one behaves."""

from __future__ import annotations

import collections.abc
import io
import os
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich import TEXT, rich_dictionary

from pyradsec.packet import Packet, PacketError

if sys.version_info < (3, 12):
    # pyrad2 says that it needs 3.12; this name is all that it misses (pip install --ignore-requires-python).
    collections.abc.Buffer = bytes  # type: ignore[attr-defined]

AUTHENTICATOR = bytes(range(16))
DICTIONARY = rich_dictionary()
# 92 is virtual and so is never sent, 80 is signed anew.
CODES = [1, 2, 5, 18, 26, 64, 69, 79, 90, 91, 93, 94, 101, 200, 241, 245]


def packed(code: int, value: bytes) -> bytes:
    return bytes((code, len(value) + 2)) + value


def joined(parts: list[bytes], most: int) -> bytes:
    """As many of the parts as there is room for."""
    out = b""
    for part in parts:
        if len(out) + len(part) <= most:
            out += part
    return out


small = st.binary(max_size=24)
noise = st.binary(max_size=60)
leaf = st.builds(packed, st.integers(0, 8), st.one_of(small, st.binary(min_size=4, max_size=4)))
tlvs = st.recursive(
    st.lists(leaf, max_size=5).map(lambda parts: joined(parts, 120)),
    lambda inner: st.lists(st.one_of(leaf, st.builds(packed, st.integers(1, 5), inner)), max_size=4).map(
        lambda parts: joined(parts, 200)
    ),
    max_leaves=6,
)
spoiled = st.builds(lambda value, cut: value[: len(value) - cut], tlvs, st.integers(0, 3))
content = st.one_of(tlvs, spoiled, noise)
slots = st.sampled_from([1, 2, 5, 26, 9])
evs = st.builds(lambda vendor, rest: b"\0\0\0" + bytes((vendor,)) + rest, st.integers(100, 102), noise)
extended = st.builds(lambda slot, rest: bytes((slot,)) + rest, slots, st.one_of(content, evs))
flags = st.sampled_from([0x00, 0x00, 0x80, 0x7F])
long_extended = st.builds(lambda slot, flag, rest: bytes((slot, flag)) + rest, slots, flags, st.one_of(content, evs))
vendors = st.sampled_from([100, 101, 102, 103, 104])
vendor_parts = st.lists(
    st.builds(lambda number, flag, rest: bytes((number, len(rest) + 3, flag)) + rest, st.integers(0, 3), flags, small)
    | leaf,
    max_size=3,
)
vendor = st.builds(
    lambda number, rest: b"\0\0\0" + bytes((number,)) + rest,
    vendors,
    st.one_of(vendor_parts.map(lambda parts: joined(parts, 200)), content),
)
attributes = st.one_of(
    st.builds(packed, st.sampled_from(CODES), noise),
    st.builds(packed, st.sampled_from([94, 101]), content),
    st.builds(packed, st.just(241), extended),
    st.builds(packed, st.just(245), long_extended),
    st.builds(packed, st.just(26), vendor),
    st.builds(packed, st.sampled_from([79, 93]), st.binary(max_size=253)),
    st.builds(packed, st.just(90), st.binary(max_size=30)),
)


def raw_of(body: bytes) -> bytes:
    return bytes((2, 1)) + (20 + len(body)).to_bytes(2, "big") + AUTHENTICATOR + body


def parsed(raw: bytes) -> Packet:
    return Packet(packet=raw, secret=b"s", dict=DICTIONARY)


def plain(value: Any) -> Any:
    return {key: plain(one) for key, one in value.items()} if isinstance(value, dict) else value


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(attributes, max_size=14))
def test_what_parses_is_written_so_that_it_parses_to_the_same(parts: list[bytes]) -> None:
    raw = raw_of(joined(parts, 1000))  # parts that stood in one attribute get one each: there is room for that
    got = parsed(raw)
    again = parsed(got.reply_packet())
    assert dict(again.items()) == dict(got.items())
    assert list(again) == list(got)
    assert again.reply_packet()[20:] == got.reply_packet()[20:]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(attributes, max_size=14))
def test_reading_by_name_gives_values_or_says_what_is_wrong(parts: list[bytes]) -> None:
    raw = raw_of(joined(parts, 4076))
    got, lazy = parsed(raw), parsed(raw)
    len(got)
    for name in DICTIONARY.attributes:
        results = []
        for one in (got, lazy):
            try:
                results.append(one.get(name))
            except (PacketError, ValueError) as error:
                results.append(f"{type(error).__name__}: {error}")
        assert results[0] == results[1]  # whether the store was made before or not
        assert (name in got) == (name in lazy)
    repr(got)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_any_octets_that_are_a_packet_round_trip(body: bytes) -> None:
    try:
        got = parsed(raw_of(body))
    except PacketError:
        return
    if 80 in got or 92 in got:
        return
    assert dict(parsed(got.reply_packet()).items()) == dict(got.items())


# --- beside pyrad2 ---

try:
    from pyrad2 import dictionary as pyrad2_dictionary
    from pyrad2 import packet as pyrad2_packet
except ImportError:
    if os.environ.get("PYRADSEC_PEERS"):
        raise
    pyrad2_packet = None

needs_pyrad2 = pytest.mark.skipif(pyrad2_packet is None, reason="pyrad2 is not installed")
values = {
    "Tlv-Int": st.integers(8, 2**32 - 1),
    "Tlv-Str": st.text("abc", max_size=60),
    "Tlv-Sub-Oct": st.binary(max_size=40),
    "Plain-Tlv-Int": st.integers(0, 2**32 - 1),
    "Plain-Tlv-Oct": st.binary(max_size=100),
    "Ext-Str": st.text("abc", max_size=60),
    "Ext-Tlv-Int": st.integers(0, 2**32 - 1),
    "Long-Oct": st.binary(max_size=600),
    "Long-Tlv-Oct": st.binary(max_size=100),
    "Evs-Int": st.integers(0, 2**32 - 1),
    "Evs-Long": st.binary(max_size=246),  # longer ones repeat the vendor there
    "Plain-Str": st.text("abc", max_size=60),
    "Wide-Str": st.text("abc", max_size=60),
    "Broad-Oct": st.binary(max_size=60),
    "Pieces-Oct": st.binary(max_size=600),
    "EAP-Message": st.binary(max_size=600),
    "Ports": st.integers(0, 2**32 - 1),
    "Inner": st.text("abc", max_size=9),
    "User-Name": st.text("abc", max_size=9),
}
# What is nested has one attribute for all of it there. Octets begin with a zero below: pyrad2 takes "0x" for text.
LIMITS = {"Tlv-Sub-Oct": 4, "Ext-Tlv-Int": 20}


@st.composite
def fillings(draw: st.DrawFn) -> list[tuple[str, Any]]:
    names = draw(st.lists(st.sampled_from(sorted(values)), max_size=8))
    pairs: list[tuple[str, Any]] = []
    for name in names:
        if [other for other, _ in pairs].count(name) < LIMITS.get(name, 6):
            value = draw(values[name])
            pairs.append((name, b"\0" + value if isinstance(value, bytes) else value))
    return pairs


@needs_pyrad2
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(fillings())
def test_the_same_as_pyrad2(pairs: list[tuple[str, Any]]) -> None:
    theirs_dictionary = pyrad2_dictionary.Dictionary(io.StringIO(TEXT))
    ours = Packet(code=2, id=1, secret=b"s", authenticator=AUTHENTICATOR, dict=DICTIONARY)
    theirs = pyrad2_packet.Packet(code=2, id=1, secret=b"s", authenticator=AUTHENTICATOR, dict=theirs_dictionary)
    for name, value in pairs:
        ours.add_attribute(name, value)
        theirs.add_attribute(name, value)
    assert plain(dict(ours.items())) == plain(dict(theirs.items()))
    raw = theirs.reply_packet()
    assert ours.reply_packet() == raw
    got, their_got = parsed(raw), pyrad2_packet.Packet(packet=raw, secret=b"s", dict=theirs_dictionary)
    assert plain(dict(got.items())) == plain(dict(their_got.items()))
    assert got.keys() == their_got.keys()
    for name in ("Tlv", "Ext", "Long"):
        assert got.get(name) == their_got.get(name)
