"""Whatever parses is written so that it parses to the same: packets of chance, and those of the fuzz corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyradsec import _core
from pyradsec.dictionary import Dictionary
from pyradsec.packet import Packet, PacketError, parse_packet

TESTS = Path(__file__).resolve().parents[1]
DICTIONARIES: dict[str, Dictionary | None] = {
    "none": None,
    "default": Dictionary.default(),
    **{name: Dictionary(str(TESTS / "vectors" / f"dictionary.{name}")) for name in ("types", "extended", "nested")},
}
CORPORA = sorted((TESTS / "c" / "fuzz" / "corpus" / "scan").iterdir())


def stored(packet: Packet) -> list[tuple[Any, Any]]:
    """Storage keys and octets; a Message-Authenticator is signed anew, whatever was there (RFC 3579 §3.2)."""
    return [(key, None if key == 80 else values) for key, values in packet.items()]


def names_and_values(packet: Packet) -> list[tuple[Any, str]]:
    """What every name reads as, refusals too."""
    found: list[tuple[Any, str]] = []
    for key in packet.keys() if packet.dict is not None else packet:
        if key in (80, "Message-Authenticator"):
            continue
        try:
            found.append((key, repr(packet[key])))
        except (ValueError, PacketError) as error:
            found.append((key, str(error)))
    return found


def check(raw: bytes, dictionary: Dictionary | None) -> None:
    first = parse_packet(raw, b"radsec", dictionary)
    for name in first.keys() if dictionary is not None else ():
        if name in dictionary and dictionary[name].virtual:
            del first[name]  # never sent whoever sent it to us
    octets = first.reply_packet()
    _core.check_packet(octets)
    assert octets[:2] == raw[:2]
    second = parse_packet(octets, b"radsec", dictionary)
    assert [len(value) for value in second.get(80, [])] in ([], [16])
    assert stored(second) == stored(first)
    assert (second.code, second.id) == (first.code, first.id)
    assert len(second.reply_packet()) == len(octets)
    second.authenticator = first.authenticator  # what values are hidden with
    assert names_and_values(second) == names_and_values(first)
    if dictionary is None:
        assert sorted(split(octets)) == sorted(split(raw))


def split(packet: bytes) -> list[bytes]:
    """The attributes but for a Message-Authenticator."""
    found, at = [], 20
    while at < len(packet):
        if packet[at] != 80:
            found.append(packet[at : at + packet[at + 1]])
        at += packet[at + 1]
    return found


@pytest.mark.parametrize("name", DICTIONARIES)
@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in CORPORA])
def test_corpus(path: Path, name: str) -> None:
    raw = path.read_bytes()
    try:
        _core.check_packet(raw)
    except PacketError:
        with pytest.raises(PacketError):
            Packet(packet=raw, secret=b"")
    else:
        check(raw, DICTIONARIES[name])


# Attributes by chance, more of them of the kinds that hold others.
LONG = st.integers(0, 253).flatmap(lambda size: st.binary(min_size=size, max_size=size))
INNER = st.lists(
    st.builds(lambda kind, value: bytes((kind, len(value) + 2)) + value, st.integers(0, 6), st.binary(max_size=30)),
    max_size=4,
).map(b"".join)
VENDOR = st.builds(
    lambda vendor, data: vendor.to_bytes(4, "big") + data,
    st.sampled_from([1, 9, 311, 429, 8164, 24757, 4294967295]),
    st.one_of(INNER, st.binary(max_size=20), st.binary(max_size=20).map(lambda data: b"\x01" + data)),
)
EXTENDED = st.builds(
    lambda kind, flags, data: bytes((kind,)) + flags + data,
    st.sampled_from([1, 2, 3, 4, 5, 26]),
    st.sampled_from([b"", b"\0", b"\x80", b"\x01"]),
    st.one_of(INNER, VENDOR, st.binary(max_size=20)),
)
ATTRIBUTE = st.one_of(
    st.tuples(st.integers(0, 255), st.one_of(st.binary(max_size=20), LONG)),
    st.tuples(st.sampled_from([19, 30, 79, 137]), st.one_of(INNER, LONG)),
    st.tuples(st.just(26), VENDOR),
    st.tuples(st.sampled_from([241, 245]), EXTENDED),
)


@pytest.mark.parametrize("name", DICTIONARIES)
@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    code=st.sampled_from([1, 2, 3, 4, 5, 11, 12, 40, 43, 52, 77]),
    authenticator=st.binary(min_size=16, max_size=16),
    attributes=st.lists(ATTRIBUTE, max_size=8),
)
def test_packets_of_chance(code: int, name: str, authenticator: bytes, attributes: list[tuple[int, bytes]]) -> None:
    body = b"".join(bytes((kind, len(value) + 2)) + value for kind, value in attributes)
    check(bytes((code, 7)) + (20 + len(body)).to_bytes(2, "big") + authenticator + body, DICTIONARIES[name])
