"""A received packet answers from its octets, and as it would from its store: parse_packet(), reading, keys()."""

from __future__ import annotations

import hashlib
import hmac
import inspect
import io
import itertools
import random
from typing import Any

import pytest

from pyradsec.dictionary import Dictionary
from pyradsec.packet import AcctPacket, AuthPacket, Packet, PacketError, StatusPacket, parse_packet
from pyradsec.radsec.v11 import RadiusVersion

SECRET = b"xyzzy5461"
AUTHENTICATOR = bytes(range(1, 17))

DICTIONARY = """
ATTRIBUTE User-Name 1 string
ATTRIBUTE NAS-Port 5 integer
ATTRIBUTE Reply-Message 18 string
ATTRIBUTE Class 25 octets
ATTRIBUTE Proxy-State 33 octets
ATTRIBUTE EAP-Message 79 octets concat
ATTRIBUTE Message-Authenticator 80 octets
ATTRIBUTE Box 200 tlv
ATTRIBUTE Box-Text 200.1 string
VENDOR Acme 9999
BEGIN-VENDOR Acme
ATTRIBUTE Acme-Text 1 string
END-VENDOR Acme
"""


@pytest.fixture(scope="module")
def dictionary() -> Dictionary:
    return Dictionary(io.StringIO(DICTIONARY))


def attribute(number: int, value: bytes) -> bytes:
    return bytes((number, len(value) + 2)) + value


def sent(attributes: bytes, code: int = 1, authenticator: bytes = AUTHENTICATOR) -> bytes:
    return bytes((code, 7)) + (20 + len(attributes)).to_bytes(2, "big") + authenticator + attributes


def signed(attributes: bytes, code: int = 1, header: bytes = AUTHENTICATOR, own: bytes = AUTHENTICATOR) -> bytes:
    """With a Message-Authenticator over `header`, and `own` in the octets (RFC 3579 section 3.2)."""
    covered = sent(attributes + attribute(80, bytes(16)), code, header)
    digest = hmac.new(SECRET, covered, hashlib.md5).digest()
    return sent(attributes + attribute(80, digest), code, own)


def stored(raw: bytes, dictionary: Any) -> Packet:
    """The same packet with its store made."""
    packet = parse_packet(raw, SECRET, dictionary)
    len(packet)
    return packet


# --- parse_packet() ---


def test_parse_packet_takes_its_arguments_by_place_and_by_name(dictionary: Dictionary) -> None:
    raw = sent(attribute(1, b"bob"))
    assert list(inspect.signature(parse_packet).parameters) == ["data", "secret", "dictionary", "radius_version"]
    by_name = parse_packet(radius_version=0, dictionary=dictionary, secret=SECRET, data=raw)
    assert by_name == parse_packet(raw, SECRET, dictionary, RadiusVersion.V1_0)
    assert (by_name.secret, by_name.dict, by_name.raw_packet) == (SECRET, dictionary, raw)
    assert (by_name.code, by_name.id, by_name.authenticator) == (1, 7, AUTHENTICATOR)
    assert by_name.message_authenticator is None
    assert isinstance(by_name, AuthPacket)
    assert by_name.auth_type == "pap"


@pytest.mark.parametrize(
    ("args", "keywords", "words"),
    [
        ((), {}, "misses its argument 'data'"),
        ((b"", b""), {}, "misses its argument 'dictionary'"),
        ((b"", b"", None, 0, 1), {}, "takes 4 arguments at most, found 5"),
        ((b"",), {"data": b"", "secret": b"", "dictionary": None}, "was given 'data' twice"),
        ((b"", b"", None), {"version": 1}, "takes no argument 'version'"),
        (("text", b"", None), {}, "str"),
        ((sent(b""), "text", None), {}, "secret: expected bytes, found str"),
    ],
)
def test_parse_packet_says_what_is_wrong_with_its_arguments(
    args: tuple[Any, ...], keywords: dict[str, Any], words: str
) -> None:
    with pytest.raises(TypeError, match=words):
        parse_packet(*args, **keywords)


def test_parse_packet_keeps_octets_that_may_change(dictionary: Dictionary) -> None:
    data = bytearray(sent(attribute(1, b"bob")))
    packet = parse_packet(data, SECRET, dictionary)  # type: ignore[arg-type]
    data[-3:] = b"eve"
    assert packet["User-Name"] == ["bob"]


def test_parse_packet_works_without_a_dictionary() -> None:
    packet = parse_packet(sent(attribute(1, b"bob")), SECRET, None)
    assert packet[1] == [b"bob"]
    assert packet.dict is None


# --- constructors ---


def test_constructors_take_version_and_way_of_authentication(dictionary: Dictionary) -> None:
    chap = AuthPacket(auth_type="chap", dict=dictionary, User_Name="bob", radius_version=RadiusVersion.V1_1)
    assert (chap.auth_type, chap.radius_version, chap["User-Name"]) == ("chap", RadiusVersion.V1_1, ["bob"])
    assert AcctPacket(radius_version=RadiusVersion.V1_1).radius_version == RadiusVersion.V1_1

    class Chap(AuthPacket):
        auth_type = "chap"

    assert Chap().auth_type == "pap"  # what the constructor is given, or its default
    assert vars(AuthPacket()) == {}


# --- reading ---


def test_attributes_are_found_in_every_order(dictionary: Dictionary) -> None:
    raw = sent(
        attribute(18, b"one")
        + attribute(1, b"bob")
        + attribute(18, b"two")
        + attribute(5, bytes((0, 0, 0, 3)))
        + attribute(25, b"\x00\xff")
    )
    expected = {
        "Reply-Message": ["one", "two"],
        "User-Name": ["bob"],
        "NAS-Port": [3],
        "Class": [b"\x00\xff"],
        "Proxy-State": None,
    }
    for order in itertools.permutations(expected):
        packet = parse_packet(raw, SECRET, dictionary)
        assert [packet.get(name) for name in order] == [expected[name] for name in order]
        assert [name in packet for name in order] == [expected[name] is not None for name in order]


def test_reading_goes_by_what_was_decoded_last(dictionary: Dictionary) -> None:
    packet = parse_packet(sent(attribute(18, b"long before") + attribute(1, b"bob")), SECRET, dictionary)
    assert packet["User-Name"] == ["bob"]
    packet.decode_packet(sent(attribute(1, b"eve")))
    assert packet["User-Name"] == ["eve"]
    packet.decode_packet(sent(attribute(1, b"a") + attribute(18, b"x") + attribute(1, b"b")))
    assert (packet["Reply-Message"], packet["User-Name"]) == (["x"], ["a", "b"])


def test_octets_and_store_give_the_same(dictionary: Dictionary) -> None:
    """Packets of random attributes: known, unknown, repeated, joined, vendors' and containers."""
    draw = random.Random(7)
    pieces = [
        attribute(1, b"bob"),
        attribute(5, bytes((0, 0, 1, 0))),
        attribute(18, b"one"),
        attribute(18, b"two"),
        attribute(33, b"\x01"),
        attribute(79, bytes(253)),
        attribute(79, b"end"),
        attribute(255, b"unknown"),
        attribute(26, (9999).to_bytes(4, "big") + attribute(1, b"acme")),
        attribute(200, attribute(1, b"inside")),
    ]
    for _ in range(300):
        raw = sent(b"".join(draw.choices(pieces, k=draw.randrange(8))))
        made = stored(raw, dictionary)
        assert parse_packet(raw, SECRET, dictionary).keys() == made.keys()
        packet = parse_packet(raw, SECRET, dictionary)
        names = [key for key in made.keys() if isinstance(key, str)]  # noqa: SIM118 # iterating gives numbers
        draw.shuffle(names)
        assert {name: packet[name] for name in names} == {name: made[name] for name in names}


def test_keys_without_a_store_are_names_in_order_of_first_occurrence(dictionary: Dictionary) -> None:
    raw = sent(attribute(18, b"a") + attribute(255, b"") + attribute(1, b"bob") + attribute(18, b"b"))
    assert parse_packet(raw, SECRET, dictionary).keys() == ["Reply-Message", 255, "User-Name"]
    vendors = sent(attribute(1, b"bob") + attribute(26, (9999).to_bytes(4, "big") + attribute(1, b"acme")))
    assert parse_packet(vendors, SECRET, dictionary).keys() == ["User-Name", "Acme-Text"]
    assert parse_packet(sent(b""), SECRET, dictionary).keys() == []
    with pytest.raises(AttributeError, match="dictionary"):
        parse_packet(raw, SECRET, None).keys()


# --- Message-Authenticator ---


def test_message_authenticator_of_a_request(dictionary: Dictionary) -> None:
    """PKT-4, RFC 3579 section 3.2: over the Request Authenticator; RFC 5176 section 2.3: over zeros."""
    bob = attribute(1, b"bob")
    assert parse_packet(signed(bob), SECRET, dictionary).verify_message_authenticator()
    assert not parse_packet(signed(bob), b"other", dictionary).verify_message_authenticator()
    assert parse_packet(signed(bob), b"other", dictionary).verify_message_authenticator(secret=SECRET)
    assert parse_packet(signed(bob), b"other", dictionary).verify_message_authenticator(SECRET, None, None)
    for code in (4, 40, 43):
        assert parse_packet(signed(bob, code, bytes(16)), SECRET, dictionary).verify_message_authenticator()
        assert not parse_packet(signed(bob, code), SECRET, dictionary).verify_message_authenticator()


@pytest.mark.parametrize(
    ("header", "original_code", "is_valid"),
    [
        (AUTHENTICATOR, None, True),
        (bytes(16), None, True),
        (AUTHENTICATOR, 12, True),
        (bytes(16), 12, False),
        (b"x" * 16, None, False),
    ],
)
def test_message_authenticator_of_an_accounting_response(
    header: bytes, original_code: int | None, is_valid: bool, dictionary: Dictionary
) -> None:
    """Signed over the Request Authenticator or over zeros, as implementations differ; RFC 5997 section 3: over the
    Request Authenticator, where it answers a Status-Server."""
    reply = parse_packet(signed(b"", 5, header, own=b"y" * 16), SECRET, dictionary)
    assert reply.verify_message_authenticator(None, AUTHENTICATOR, original_code) is is_valid


def test_message_authenticator_has_to_be_one_of_16_octets(dictionary: Dictionary) -> None:
    """RFC 3579 section 3.2"""
    for attributes in (b"", attribute(80, bytes(15)), attribute(80, bytes(16)) * 2):
        with pytest.raises(PacketError):
            parse_packet(sent(attributes), SECRET, dictionary).verify_message_authenticator()
    with pytest.raises(TypeError, match="takes no argument 'key'"):
        parse_packet(signed(b""), SECRET, dictionary).verify_message_authenticator(key=SECRET)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="secret: expected bytes, found str"):
        parse_packet(signed(b""), SECRET, dictionary).verify_message_authenticator("text")  # type: ignore[arg-type]


def test_add_message_authenticator(dictionary: Dictionary) -> None:
    """The request's is signed with an authenticator that is made when there is none; RADIUS/1.1 has none (V11-3)."""
    for cls in (AuthPacket, StatusPacket):
        made: Any = cls(secret=SECRET, dict=dictionary)
        made.add_message_authenticator()
        assert (made.message_authenticator, made[80]) == (True, [bytes(16)])
        assert len(made.authenticator) == 16
        assert parse_packet(made.request_packet(), SECRET, dictionary).verify_message_authenticator()
    acct = AcctPacket(secret=SECRET, dict=dictionary)
    acct.add_message_authenticator()
    assert acct.authenticator is None
    v11 = AuthPacket(secret=SECRET, radius_version=RadiusVersion.V1_1)
    v11.add_message_authenticator()
    assert (v11.message_authenticator, len(v11)) == (None, 0)


def test_verify_auth_request(dictionary: Dictionary) -> None:
    assert parse_packet(sent(b""), SECRET, dictionary).verify_auth_request()  # type: ignore[union-attr]
    zeros = parse_packet(sent(b"", authenticator=bytes(16)), SECRET, dictionary)
    assert not zeros.verify_auth_request()  # type: ignore[union-attr]
    built = AuthPacket(id=9, secret=SECRET, dict=dictionary)
    with pytest.raises(ValueError, match="Access-Request id 9: nothing was received"):
        built.verify_auth_request()
