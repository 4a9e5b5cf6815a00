"""A packet of 4096 octets, as many as there can be, full of every kind of container."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from itertools import cycle

from rich import rich_dictionary

from pyradsec.packet import Packet, parse_packet

SECRET = b"xyzzy5461"
LENGTH = 4096


def attribute(number: int, value: bytes) -> bytes:
    return bytes((number, len(value) + 2)) + value


def vendor(number: int, data: bytes) -> bytes:
    return attribute(26, number.to_bytes(4, "big") + data)


def kinds() -> Iterator[bytes]:
    """One after the other: whole values, each with the fragments that belong to it."""
    yield from (
        attribute(101, attribute(1, b"\0\0\0\7") + attribute(2, b"text")),  # TLV
        attribute(101, attribute(3, attribute(1, b"in") + attribute(3, attribute(1, b"deeper")))),  # TLV in a TLV
        attribute(241, b"\1text"),  # extended
        attribute(241, b"\5" + attribute(1, b"octets") + attribute(2, b"\0\0\0\2")),  # a TLV in it
        attribute(241, b"\x1a" + (101).to_bytes(4, "big") + b"\7\0\0\0\1"),  # EVS
        attribute(245, b"\1\x80" + b"a" * 200) + attribute(245, b"\1\0" + b"b" * 20),  # long, in two fragments
        attribute(245, b"\2\0" + attribute(1, b"octets")),  # long, a TLV in it
        attribute(245, b"\x1a\x80" + (101).to_bytes(4, "big") + b"\x08long") + attribute(245, b"\x1a\0er"),  # long EVS
        vendor(101, attribute(1, b"text")),
        vendor(101, attribute(2, attribute(1, b"\0\0\0\3") + attribute(2, b"octets"))),  # vendor's TLV
        vendor(102, (70000).to_bytes(4, "big") + b"wide"),  # type of 4 octets, no length
        vendor(103, b"\1\6\x80abc") + vendor(103, b"\1\6\0def"),  # with continuation
        vendor(104, (300).to_bytes(2, "big") + b"\0\x08" + b"wide"),  # type and length of 2
        attribute(79, b"e" * 100) + attribute(79, b"f" * 10),  # concat
        attribute(90, b"\0\0\0\1\0\0\0\2"),  # array
    )


def full() -> bytes:
    """An Access-Accept that ends on octet 4096."""
    body = attribute(1, b"bob")
    for value in cycle(list(kinds())):
        if len(body) + len(value) > LENGTH - 20 - 2:
            break
        body += value
    while (left := LENGTH - 20 - len(body)) > 0:
        take = min(left, 255)
        take -= 2 if left - take == 1 else 0  # no lone octet at the end
        body += attribute(18, b"r" * (take - 2))
    return bytes((2, 1)) + LENGTH.to_bytes(2, "big") + bytes(16) + body


def test_everything_in_it_is_read() -> None:
    packet = parse_packet(full(), SECRET, rich_dictionary())
    assert packet["User-Name"] == ["bob"]
    assert packet["Tlv"]["Tlv-Int"][0] == "Seven"
    assert packet["Tlv-Sub-Sub-Oct"][0] == b"deeper"
    assert packet["Ext-Str"][0] == "text"
    assert packet["Ext-Tlv-Int"][0] == 2
    assert packet["Evs-Int"][0] == 1
    assert packet["Long-Oct"][0] == b"a" * 200 + b"b" * 20
    assert packet["Long-Tlv-Oct"][0] == b"octets"
    assert packet["Evs-Long"][0] == b"longer"
    assert packet["Plain-Str"][0] == "text"
    assert packet["Plain-Tlv-Int"][0] == 3
    assert packet["Wide-Str"][0] == "wide"
    assert packet["Pieces-Oct"][0] == b"abcdef"
    assert packet["Broad-Oct"][0] == b"wide"
    assert packet["EAP-Message"][0][:110] == b"e" * 100 + b"f" * 10
    assert packet["Ports"][:2] == [1, 2]


def test_it_is_written_so_that_it_reads_the_same() -> None:
    dictionary = rich_dictionary()
    packet = parse_packet(full(), SECRET, dictionary)
    again = parse_packet(packet.reply_packet(), SECRET, dictionary)
    assert dict(again.items()) == dict(packet.items())
    assert dict(again) == dict(packet)  # by name


def traced(action: str, packet: Packet) -> int:
    """Octets of memory that reading this takes."""
    tracemalloc.start()
    try:
        packet.keys() if action == "keys" else packet.items() if action == "items" else packet[action]
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_nothing_is_taken_apart_that_nobody_asks_for() -> None:
    dictionary, raw = rich_dictionary(), full()
    parse_packet(raw, SECRET, dictionary)["User-Name"]  # what is made once and kept
    tracemalloc.start()
    packet = parse_packet(raw, SECRET, dictionary)
    parsed = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert parsed < 1024  # not even the octets are copied
    assert traced("User-Name", packet) < 1024
    assert traced("items", packet) > LENGTH  # now they are
