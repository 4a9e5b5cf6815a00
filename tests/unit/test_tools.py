"""pyradsec.tools: each data type both ways, fingerprints, packets out of a stream."""

from __future__ import annotations

import asyncio
import hashlib
import re
from io import StringIO
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any

import pytest

from pyradsec import tools
from pyradsec.dictionary import Dictionary
from pyradsec.packet import AuthPacket

V6 = bytes.fromhex("20010db8000000000000000000000001")


class NetaddrNetwork:
    """What netaddr.IPNetwork looks like from outside."""

    def __init__(self, ip: str, prefixlen: int) -> None:
        self.ip = ip
        self.prefixlen = prefixlen


@pytest.mark.parametrize(
    ("datatype", "value", "octets"),
    [
        ("string", None, b""),
        ("string", "text", b"text"),
        ("string", "\u00fc", b"\xc3\xbc"),
        ("string", b"\xff", b"\xff"),
        ("string", "0x41", b"0x41"),
        ("string", "x" * 253, b"x" * 253),
        ("octets", None, b""),
        ("octets", b"\0\1", b"\0\1"),
        ("octets", bytearray(b"\0\1"), b"\0\1"),
        ("octets", "0x0102", b"\1\2"),
        ("octets", "0x" + "ab" * 253, b"\xab" * 253),
        ("octets", "16909060", b"\1\2\3\4"),
        ("octets", "65", b"A"),
        ("octets", "0", b""),
        ("octets", "text", b"text"),
        ("integer", 0x01020304, b"\1\2\3\4"),
        ("integer", "5", b"\0\0\0\5"),
        ("integer", 5.9, b"\0\0\0\5"),
        ("integer", True, b"\0\0\0\1"),
        ("integer", "1_0", b"\0\0\0\x0a"),
        ("integer", 0xFFFFFFFF, b"\xff" * 4),
        ("signed", -2, b"\xff\xff\xff\xfe"),
        ("short", 0x0102, b"\1\2"),
        ("byte", 255, b"\xff"),
        ("integer64", 2**64 - 1, b"\xff" * 8),
        ("date", 0x01020304, b"\1\2\3\4"),
        ("ipaddr", "192.0.2.255", b"\xc0\0\2\xff"),
        ("ipaddr", IPv4Address("192.0.2.255"), b"\xc0\0\2\xff"),
        ("ipv6addr", "2001:db8::1", V6),
        ("ipv6addr", IPv6Address("2001:db8::1"), V6),
        ("ipv6addr", "2001:db8::1%eth0", V6),
        ("ipv6prefix", "2001:db8::1/32", bytes.fromhex("002020010db8") + bytes(12)),
        ("ipv6prefix", "2001:db8::1", b"\0\x80" + V6),
        ("ipv6prefix", IPv6Address("2001:db8::1"), b"\0\x80" + V6),
        ("ipv6prefix", IPv6Network("2001:db8::/32"), bytes.fromhex("002020010db8") + bytes(12)),
        ("ipv6prefix", IPv6Interface("2001:db8::1/32"), bytes.fromhex("002020010db8") + bytes(12)),
        ("ipv6prefix", NetaddrNetwork("2001:db8::1", 127), b"\0\x7f" + V6[:15] + b"\0"),
        ("ipv4prefix", "10.1.2.3/16", b"\0\x10\x0a\1\0\0"),
        ("ipv4prefix", "192.0.2.1", b"\0\x20\xc0\0\2\1"),
        ("ipv4prefix", "10.1.2.3/255.255.0.0", b"\0\x10\x0a\1\0\0"),
        ("ipv4prefix", "10.1.2.3/0.0.255.255", b"\0\x10\x0a\1\0\0"),
        ("ipv4prefix", "10.1.2.3/0.0.0.0", bytes(6)),
        ("ipv4prefix", "10.1.2.3/255.255.255.255", b"\0\x20\x0a\1\2\3"),
        ("ipv4prefix", IPv4Address("192.0.2.1"), b"\0\x20\xc0\0\2\1"),
        ("ipv4prefix", IPv4Network("192.0.2.0/24"), b"\0\x18\xc0\0\2\0"),
        ("ipv4prefix", IPv4Interface("192.0.2.1/24"), b"\0\x18\xc0\0\2\0"),
        ("ipv4prefix", NetaddrNetwork("192.0.2.1", 24), b"\0\x18\xc0\0\2\0"),
        ("combo-ip", "192.0.2.1", b"\xc0\0\2\1"),
        ("combo-ip", "2001:db8::1", V6),
        ("combo-ip", IPv4Address("192.0.2.1"), b"\xc0\0\2\1"),
        ("combo-ip", IPv6Address("2001:db8::1"), V6),
        ("ifid", "0011:2233:4455:6677", bytes.fromhex("0011223344556677")),
        ("ifid", "1:2:3:4", b"\0\1\0\2\0\3\0\4"),
        ("ifid", b"12345678", b"12345678"),
        ("ifid", bytearray(b"12345678"), b"12345678"),
        ("octets", memoryview(b"1-2-3")[::2], b"123"),
        ("abinary", bytes(range(32)), bytes(range(32))),
        ("ether", "aa:bb:cc:dd:ee:ff", bytes.fromhex("aabbccddeeff")),
        ("ether", "AA-BB-CC-DD-EE-FF", bytes.fromhex("aabbccddeeff")),
        ("ether", "1:2:3:4:5:6", b"\1\2\3\4\5\6"),
        ("ether", b"123456", b"123456"),
    ],
)
def test_encode(datatype: str, value: Any, octets: bytes) -> None:
    found = tools.encode_attr(datatype, value)
    assert type(found) in (bytes, bytearray)
    assert found == octets


@pytest.mark.parametrize("datatype", ["string", "octets"])
def test_octets_that_look_like_text_stay_octets(datatype: str) -> None:
    """PKT-8: one Message-Authenticator in 65536 begins so."""
    digest = b"0x" + bytes(range(14))
    assert tools.encode_attr(datatype, digest) == digest


def test_octets_function_takes_text_in_either_form() -> None:
    assert tools.encode_octets(b"0x01020304") == tools.encode_octets("0x01020304") == b"\1\2\3\4"
    with pytest.raises(ValueError, match="hexadecimal"):
        tools.encode_octets(b"0xzz")


ADDRESSES = ("ipaddr", "ipv6addr", "ipv4prefix", "ipv6prefix", "combo-ip", "ifid", "ether")


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        ("string", 1),
        ("octets", 1),
        ("integer", "ONE"),
        ("integer", None),
        ("integer", []),
        ("integer64", "ONE"),
        ("date", "1"),
        ("date", 1.0),
        ("ipaddr", 1),
        ("ipv6addr", 1),
        ("ipv6prefix", 1),
        ("ipv4prefix", 1),
        ("combo-ip", 1),
        ("ifid", 1),
        ("ether", 1),
        ("abinary", 1),
        ("abinary", None),
        *((datatype, value) for datatype in ADDRESSES for value in ([], {}, (), 1.0, None, True, object(), ["::1"])),
        *((datatype, bytes(4)) for datatype in ADDRESSES if datatype not in ("ifid", "ether")),
    ],
)
def test_wrong_kind_is_a_type_error(datatype: str, value: Any) -> None:
    with pytest.raises(TypeError):
        tools.encode_attr(datatype, value)


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        ("string", "x" * 254),
        ("string", "\u00fc" * 127),
        ("string", b"x" * 254),
        ("octets", "0x" + "ab" * 254),
        ("octets", b"x" * 254),
        ("octets", "0xabc"),
        ("octets", "0xzz"),
        ("integer", -1),
        ("integer", 2**32),
        ("signed", 2**31),
        ("signed", -(2**31) - 1),
        ("short", 2**16),
        ("byte", 256),
        ("integer64", 2**64),
        ("integer64", -1),
        ("date", 2**32),
        ("ipaddr", "TEST123"),
        ("ipaddr", "192.0.2.01"),
        ("ipaddr", "::1"),
        ("ipv6addr", "192.0.2.1"),
        ("ipv6prefix", "192.0.2.0/24"),
        ("ipv6prefix", "2001:db8::/129"),
        ("ipv4prefix", "2001:db8::/32"),
        ("ipv4prefix", "192.0.2.0/33"),
        ("ipv4prefix", "192.0.2.0/"),
        ("ipv4prefix", "192.0.2.0/024"),
        ("ipv4prefix", "192.0.2.0/255.0.255.0"),
        ("ipv4prefix", IPv6Network("2001:db8::/32")),
        ("ipv4prefix", NetaddrNetwork("192.0.2.1", 33)),
        ("ipv6prefix", IPv4Network("192.0.2.0/24")),
        ("ipaddr", IPv6Address("::1")),
        ("ipv6addr", IPv4Address("192.0.2.1")),
        ("combo-ip", "not-an-ip"),
        ("ifid", "0011:2233:4455"),
        ("ifid", "zzzz:0:0:0"),
        ("ifid", "10000:0:0:0"),
        ("ifid", bytes(4)),
        ("ether", "aa:bb:cc:dd:ee"),
        ("ether", "zz:bb:cc:dd:ee:ff"),
        ("ether", bytes(4)),
    ],
)
def test_bad_value_is_a_value_error(datatype: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        tools.encode_attr(datatype, value)


def test_length_message() -> None:
    with pytest.raises(ValueError, match="Can only encode strings of <= 253 characters"):
        tools.encode_octets("0x" + "ab" * 254)
    with pytest.raises(ValueError, match="Can only encode strings of <= 253 characters"):
        tools.encode_string("x" * 254)


@pytest.mark.parametrize(
    ("datatype", "octets", "value"),
    [
        ("string", b"text", "text"),
        ("string", b"\xc3\xbc", "\u00fc"),
        ("string", b"\xff\x01", "ff01"),
        ("string", b"", ""),
        ("octets", b"\0\1", b"\0\1"),
        ("abinary", b"\0\1", b"\0\1"),
        ("integer", b"\1\2\3\4", 0x01020304),
        ("integer", b"\xff" * 4, 0xFFFFFFFF),
        ("signed", b"\xff" * 4, -1),
        ("short", b"\1\2", 0x0102),
        ("byte", b"\xff", 255),
        ("integer64", b"\xff" * 8, 2**64 - 1),
        ("date", b"\1\2\3\4", 0x01020304),
        ("ipaddr", b"\xc0\0\2\xff", "192.0.2.255"),
        ("ipaddr", V6, "2001:db8::1"),
        ("ipv6addr", V6, "2001:db8::1"),
        ("ipv6addr", b"\x20\1", "2001::"),
        ("ipv6addr", bytes(10) + b"\xff\xff\xc0\0\2\1", "::ffff:192.0.2.1"),
        ("ipv6prefix", b"", "::/0"),
        ("ipv6prefix", bytes.fromhex("002020010db8"), "2001:db8::/32"),
        ("ipv6prefix", b"\0\x80" + V6, "2001:db8::1/128"),
        ("ipv4prefix", b"\0\x18\xc0\0\2\0", "192.0.2.0/24"),
        ("ipv4prefix", b"\0\x10\x0a\1", "10.1.0.0/16"),
        ("combo-ip", b"\xc0\0\2\1", "192.0.2.1"),
        ("combo-ip", V6, "2001:db8::1"),
        ("ifid", bytes.fromhex("00112233445566ff"), "0011:2233:4455:66ff"),
        ("ether", bytes.fromhex("aabbccddee0f"), "aa:bb:cc:dd:ee:0f"),
    ],
)
def test_decode(datatype: str, octets: bytes, value: Any) -> None:
    for form in (octets, bytearray(octets), memoryview(octets)):
        found = tools.decode_attr(datatype, form)
        assert type(found) is type(value)
        assert found == value


@pytest.mark.parametrize(
    ("datatype", "octets"),
    [
        ("integer", bytes(3)),
        ("integer", bytes(5)),
        ("signed", b""),
        ("short", bytes(1)),
        ("byte", bytes(2)),
        ("integer64", bytes(4)),
        ("date", bytes(8)),
        ("ipaddr", bytes(5)),
        ("ipv6addr", bytes(17)),
        ("ipv6prefix", bytes(19)),
        ("ipv6prefix", b"\0\x81" + V6),
        ("ipv4prefix", bytes(1)),
        ("ipv4prefix", b"\0\x21\xc0\0\2\1"),
        ("combo-ip", bytes(8)),
        ("combo-ip", b""),
        ("ifid", bytes(6)),
        ("ether", bytes(4)),
    ],
)
def test_bad_octets_are_a_value_error(datatype: str, octets: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        tools.decode_attr(datatype, octets)


@pytest.mark.parametrize(
    ("datatype", "value", "message"),
    [
        ("integer", -1, "integer: -1 is out of range: expected 0 to 4294967295"),
        ("integer64", 2**64, "integer64: 18446744073709551616 is out of range: expected 0 to 18446744073709551615"),
        ("signed", 2**31, "signed: 2147483648 is out of range: expected -2147483648 to 2147483647"),
        ("byte", 256, "byte: 256 is out of range: expected 0 to 255"),
        ("ipaddr", "192.0.2", "ipaddr: expected an IPv4 address, found '192.0.2'"),
        ("ether", bytes(4), "ether: expected 6 octets, found 4"),
        ("ifid", bytes(9), "ifid: expected 8 octets, found 9"),
        ("abinary", "family=ipx", "abinary: expected family=ipv4|ipv6, action=discard|accept|redirect or "),
        ("abinary", "src=10.0.0.1/8", "without host bits, found 'src=10.0.0.1/8'"),
    ],
)
def test_message_of_a_bad_value(datatype: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        tools.encode_attr(datatype, value)


@pytest.mark.parametrize(
    ("datatype", "octets", "message"),
    [
        ("integer", bytes(3), "integer: expected 4 octets, found 3"),
        ("signed", b"", "signed: expected 4 octets, found 0"),
        ("short", bytes(1), "short: expected 2 octets, found 1"),
        ("byte", bytes(2), "byte: expected 1 octets, found 2"),
        ("integer64", bytes(4), "integer64: expected 8 octets, found 4"),
        ("date", bytes(8), "date: expected 4 octets, found 8"),
        ("ipaddr", bytes(5), "ipaddr: expected 4 or 16 octets, found 5"),
        ("ipv6addr", bytes(17), "ipv6addr: expected 16 octets, found 17"),
        ("ipv6prefix", bytes(19), "ipv6prefix: expected 2 to 18 octets, found 19"),
        ("ipv6prefix", b"\0\x81" + V6, "ipv6prefix: expected a prefix length of 0 to 128, found 129"),
        ("ipv4prefix", bytes(1), "ipv4prefix: expected 2 to 6 octets, found 1"),
        ("ipv4prefix", b"\0\x21\xc0\0\2\1", "ipv4prefix: expected a prefix length of 0 to 32, found 33"),
        ("combo-ip", bytes(8), "combo-ip: expected 4 or 16 octets, found 8"),
        ("ifid", bytes(6), "ifid: expected 8 octets, found 6"),
        ("ether", bytes(4), "ether: expected 6 octets, found 4"),
    ],
)
def test_message_of_bad_octets(datatype: str, octets: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        tools.decode_attr(datatype, octets)


def test_exceptions_of_a_value_of_ones_own_come_out() -> None:
    class Odd:
        def __int__(self) -> int:
            raise KeyboardInterrupt

        @property
        def version(self) -> int:
            raise KeyboardInterrupt

    for datatype in ("integer", "integer64", "ipaddr", "ipv6prefix"):
        with pytest.raises(KeyboardInterrupt):
            tools.encode_attr(datatype, Odd())


def test_reserved_octet_and_host_bits_of_a_prefix_do_not_count() -> None:
    """RFC 8044 section 3.10, 3.11: senders set them to zero; what another sends there means nothing."""
    assert tools.decode_attr("ipv4prefix", b"\x07\x18\xc0\0\2\xff") == "192.0.2.0/24"
    assert tools.decode_attr("ipv6prefix", b"\x07\x20" + b"\xff" * 16) == "ffff:ffff::/32"
    assert tools.encode_attr("ipv4prefix", "192.0.2.255/24")[:1] == b"\0"


@pytest.mark.parametrize("datatype", ["unknown", "tlv", "extended", "long-extended", "evs", "vsa", ""])
def test_types_that_have_no_values(datatype: str) -> None:
    with pytest.raises(ValueError, match="Unknown attribute type"):
        tools.encode_attr(datatype, None)
    with pytest.raises(ValueError, match="Unknown attribute type"):
        tools.decode_attr(datatype, None)  # type: ignore[arg-type]


NAMES = {
    "string": "string",
    "octets": "octets",
    "date": "date",
    "ipaddr": "address",
    "ipv6addr": "ipv6_address",
    "ipv6prefix": "ipv6_prefix",
    "ipv4prefix": "ipv4_prefix",
    "combo-ip": "combo_ip",
    "ifid": "ifid",
    "ether": "ether",
    "integer": "integer",
    "integer64": "integer64",
}


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        ("string", "text"),
        ("octets", b"octets"),
        ("date", 1),
        ("ipaddr", "192.0.2.1"),
        ("ipv6addr", "2001:db8::1"),
        ("ipv6prefix", "2001:db8::/32"),
        ("ipv4prefix", "192.0.2.0/24"),
        ("combo-ip", "192.0.2.1"),
        ("ifid", "0001:0002:0003:0004"),
        ("ether", "01:02:03:04:05:06"),
        ("integer", 7),
        ("integer64", 7),
    ],
)
def test_single_functions(datatype: str, value: Any) -> None:
    octets = getattr(tools, f"encode_{NAMES[datatype]}")(value)
    assert octets == tools.encode_attr(datatype, value)
    assert getattr(tools, f"decode_{NAMES[datatype]}")(octets) == value


@pytest.mark.parametrize(
    ("form", "number", "octets"),
    [("!I", 1, b"\0\0\0\1"), ("!i", -1, b"\xff" * 4), ("!H", 1, b"\0\1"), ("!B", 1, b"\1"), ("<H", 1, b"\1\0")],
)
def test_integer_formats(form: str, number: int, octets: bytes) -> None:
    assert tools.encode_integer(number, form) == octets
    assert tools.decode_integer(octets, form) == number
    with pytest.raises(ValueError, match=r"."):
        tools.encode_integer(2**40, form)
    with pytest.raises(ValueError, match=r"."):
        tools.decode_integer(octets + b"\0", form)
    with pytest.raises(TypeError, match="number"):
        tools.encode_integer("ONE", form)
    assert tools.encode_integer64(2**40) == (2**40).to_bytes(8, "big")


def test_default_prefix_lengths() -> None:
    assert tools.encode_ipv4_prefix("192.0.2.1", 24) == b"\0\x18\xc0\0\2\0"
    assert tools.encode_ipv4_prefix("192.0.2.1/16", 24) == b"\0\x10\xc0\0\0\0"
    assert tools.encode_ipv6_prefix(IPv6Address("2001:db8::1"), 32) == bytes.fromhex("002020010db8") + bytes(12)


# --- Ascend's filters ---


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("delete", bytes(8)),
        ("family=ipv4", bytes([1, 0, 1]) + bytes(29)),
        (
            "family=ipv4 action=discard direction=in dst=10.10.255.254/32",
            bytes([1, 0, 1, 0]) + bytes(4) + bytes([10, 10, 255, 254, 0, 32]) + bytes(18),
        ),
        (
            "dst=192.0.2.0/24  src=10.0.0.0/8 action=accept direction=out proto=6 sport=80 sportq=2 dport=443 dportq=3",
            bytes([1, 1, 0, 0, 10, 0, 0, 0, 192, 0, 2, 0, 8, 24, 6, 0, 0, 80, 1, 187, 2, 3]) + bytes(10),
        ),
        ("family=ipv6 action=redirect", bytes([3, 32, 1]) + bytes(53)),
        ("dst=2001:db8::1 family=ipv6", bytes([3, 0, 1, 0]) + bytes(16) + V6 + bytes([0, 128]) + bytes(18)),
    ],
)
def test_ascend_filter(text: str, octets: bytes) -> None:
    assert tools.encode_ascend_binary(text) == tools.encode_attr("abinary", text) == octets


def test_ascend_filter_in_a_packet() -> None:
    dictionary = Dictionary(StringIO("ATTRIBUTE Filter 242 abinary\n"))
    packet = AuthPacket(dict=dictionary, Filter="action=accept direction=out dst=10.0.0.0/8")
    octets = tools.encode_attr("abinary", "action=accept direction=out dst=10.0.0.0/8")
    assert packet[242] == packet["Filter"] == [octets]
    packet["Filter"] = packet["Filter"]
    assert packet[242] == [octets]
    with pytest.raises(ValueError, match="found 'direction=up'"):
        packet["Filter"] = "direction=up"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "delete now",
        "now delete",
        "family",
        "=ipv4",
        "sport=",
        "sport=1 0",
        "src=",
        "dst=10.0.0.0/33",
        "family=ipv6 dst=::/129",
        "family=ipx",
        "action=drop",
        "direction=up",
        "colour=red",
        "src=192.0.2.1/8",
        "family=ipv6 src=192.0.2.1",
        "proto=tcp",
        "proto=256",
        "sport=65536",
        "dport=-1",
    ],
)
def test_bad_ascend_filter(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        tools.encode_ascend_binary(text)


# --- fingerprints (TLS-5) ---

DIGITS = hashlib.sha256(b"certificate").hexdigest()


def test_fingerprint() -> None:
    assert tools.get_cert_fingerprint(b"certificate") == DIGITS


@pytest.mark.parametrize(
    "text",
    [
        DIGITS,
        DIGITS.upper(),
        f"sha256:{DIGITS}",
        f"SHA256:{DIGITS.upper()}",
        ":".join(DIGITS[index : index + 2] for index in range(0, 64, 2)),
        f" {DIGITS[:32]} {DIGITS[32:]} ",
    ],
)
def test_fingerprint_spellings(text: str) -> None:
    assert tools.normalize_cert_fingerprint(text) == DIGITS


@pytest.mark.parametrize("text", ["", "abc", "z" * 64, DIGITS + "00", DIGITS[:-1], f"sha1:{DIGITS}"])
def test_no_fingerprint(text: str) -> None:
    with pytest.raises(ValueError, match="fingerprint"):
        tools.normalize_cert_fingerprint(text)


def test_fingerprint_matches() -> None:
    assert tools.cert_fingerprint_matches(b"certificate", {DIGITS}) is True
    assert tools.cert_fingerprint_matches(b"certificate", {"0" * 64, DIGITS, "1" * 64}) is True
    assert tools.cert_fingerprint_matches(b"certificate", {"0" * 64}) is False
    assert tools.cert_fingerprint_matches(b"certificate", set()) is False


# --- streams ---


def read(octets: bytes) -> list[bytes]:
    """All packets in a stream of these octets, up to the exception that ends it."""

    async def run() -> list[bytes]:
        reader = asyncio.StreamReader()
        reader.feed_data(octets)
        reader.feed_eof()
        packets = []
        while not reader.at_eof():
            packets.append(await tools.read_radius_packet(reader))
        return packets

    return asyncio.run(run())


def packet(length: int) -> bytes:
    return b"\x01\x07" + length.to_bytes(2, "big") + bytes(length - 4)


def test_packets_of_a_stream() -> None:
    """PKT-1: there are no record boundaries."""
    packets = [packet(20), packet(4096), packet(21)]
    assert read(b"".join(packets)) == packets


@pytest.mark.parametrize("length", [0, 4, 19, 4097, 8192, 65535])
def test_length_limits(length: int) -> None:
    """PKT-2."""
    with pytest.raises(ValueError, match=str(length)):
        read(b"\x01\x07" + length.to_bytes(2, "big") + bytes(64))


@pytest.mark.parametrize("length", [1, 3, 4, 19])
def test_end_within_a_packet(length: int) -> None:
    with pytest.raises(asyncio.IncompleteReadError):
        read(packet(20)[:length])
