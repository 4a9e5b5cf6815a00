"""create_reply(), reply_packet() and what verifies (RFC 2865 §3, RFC 2866 §3, RFC 5176 §2.3)."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from packets import (
    AUTHENTICATOR,
    DICTIONARY,
    SECRET,
    attribute,
    octets,
    request_signed,
    response_signed,
    signed,
    vendor,
)

from pyradsec.dictionary import Dictionary
from pyradsec.packet import AcctPacket, AuthPacket, CoAPacket, Packet, PacketError, StatusPacket, parse_packet


def request(cls: Any = AuthPacket, **attributes: Any) -> Any:
    return cls(id=7, secret=SECRET, authenticator=AUTHENTICATOR, dict=DICTIONARY, **attributes)


# --- making ---


@pytest.mark.parametrize(
    ("cls", "asked", "kind", "code"),
    [
        (Packet, 99, Packet, 0),
        (AuthPacket, 1, AuthPacket, 2),
        (AcctPacket, 4, AcctPacket, 5),
        (CoAPacket, 43, CoAPacket, 44),
        (CoAPacket, 40, CoAPacket, 41),
        (StatusPacket, 12, Packet, 2),
    ],
)
def test_what_a_reply_takes_from_its_request(cls: Any, asked: int, kind: Any, code: int) -> None:
    made = request(cls, code=asked)
    made.token = b"abcd"
    reply = made.create_reply(Reply_Message="hi")
    assert type(reply) is kind
    assert (reply.code, reply.original_code, reply.id, reply.secret) == (code, asked, 7, SECRET)
    assert (reply.authenticator, reply.token, reply.dict) == (AUTHENTICATOR, b"abcd", DICTIONARY)
    assert reply["Reply-Message"] == ["hi"]
    assert (reply.request_authenticator, reply.raw_packet) == (None, None)


def test_the_code_of_a_reply_to_status_server_and_to_a_plain_packet() -> None:
    assert request(StatusPacket).create_reply(code=5).code == 5
    assert request(Packet).create_reply(code=3).code == 3
    for cls in (AuthPacket, AcctPacket, CoAPacket):
        with pytest.raises(TypeError, match="code"):
            request(cls).create_reply(code=3)


@pytest.mark.parametrize("keyword", ["id", "secret", "authenticator"])
def test_what_is_the_requests_cannot_be_given(keyword: str) -> None:
    with pytest.raises(TypeError, match=keyword):
        request().create_reply(**{keyword: 5})
    with pytest.raises(TypeError, match="keywords only"):
        request().create_reply(2)


def test_what_can_be_given_otherwise() -> None:
    other = Dictionary()
    reply = request().create_reply(dict=other, radius_version=1, fd=3)
    assert reply.dict is other
    assert reply.radius_version == 1
    with pytest.raises(KeyError, match="No-Such"):
        request().create_reply(No_Such=1)


def test_an_access_reply_keeps_the_way_of_authentication() -> None:
    assert request(auth_type="eap-md5").create_reply().auth_type == "eap-md5"
    assert request().create_reply().auth_type == "pap"
    assert request(auth_type="chap").create_reply(auth_type="pap").auth_type == "pap"
    assert "auth_type" not in vars(parse_packet(octets(1), SECRET, DICTIONARY).create_reply())
    with pytest.raises(TypeError, match="auth_type"):
        request(AcctPacket).create_reply(auth_type="pap")


def test_a_packet_without_dictionary_can_be_answered() -> None:
    made = AuthPacket(id=7, secret=SECRET, authenticator=AUTHENTICATOR)
    reply = made.create_reply()
    assert not hasattr(reply, "dict")
    assert reply.reply_packet() == response_signed(octets(2))


# --- octets ---


def test_the_response_authenticator() -> None:
    """RFC 2865 §3, and the packet keeps its request's authenticator."""
    reply = request().create_reply(Reply_Message="hi")
    assert reply.reply_packet() == response_signed(octets(2, attribute(18, b"hi")))
    assert reply.authenticator == AUTHENTICATOR
    assert reply.reply_packet() == reply.reply_packet()


@pytest.mark.parametrize("length", [0, 1, 15, 17, 32])
def test_an_authenticator_of_another_length(length: int) -> None:
    """What pyrad has always done: 16 octets on the wire, all of them in the digest of a reply."""
    authenticator = bytes(range(1, length + 1))
    made = AuthPacket(id=7, secret=SECRET, authenticator=authenticator)
    assert made.request_packet()[4:20] == authenticator[:16].ljust(16, b"\0")
    raw = made.create_reply().reply_packet()
    assert raw[4:20] == hashlib.md5(raw[:4] + authenticator + SECRET).digest()
    assert made.verify_reply(made.create_reply(packet=raw), raw)


def test_the_request_authenticator() -> None:
    """RFC 2866 §3, RFC 5176 §2.3."""
    for cls, code in ((AcctPacket, 4), (CoAPacket, 43), (CoAPacket, 40)):
        made = request(cls, code=code, User_Name="bob")
        raw = made.request_packet()
        assert raw == request_signed(octets(code, attribute(1, b"bob")))
        assert made.authenticator == raw[4:20]
        got = parse_packet(raw, SECRET, DICTIONARY)
        assert got.verify_packet()
        assert not parse_packet(raw, b"another", DICTIONARY).verify_packet()
        assert not parse_packet(raw[:-1] + b"B", SECRET, DICTIONARY).verify_packet()


def test_nothing_received_cannot_be_verified() -> None:
    for cls in (AcctPacket, CoAPacket, Packet):
        with pytest.raises(PacketError, match="nothing was received"):
            request(cls).verify_packet()
    with pytest.raises(PacketError, match="nothing was received"):
        request(AcctPacket).verify_acct_request()
    with pytest.raises(PacketError, match="nothing was received"):
        request(CoAPacket).verify_coa_request()
    with pytest.raises(ValueError, match="nothing was received"):
        request().verify_auth_request()


def test_only_an_access_request_verifies_as_one() -> None:
    assert not AuthPacket(packet=octets(2), secret=SECRET).verify_auth_request()


def test_a_reply_without_authenticator_or_with_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="authenticator"):
        Packet(code=2, secret=SECRET).reply_packet()
    reply = request().create_reply()
    reply.id = 256
    with pytest.raises(ValueError, match="id: expected 0 to 255, found 256"):
        reply.reply_packet()
    reply.id, reply.code = 1, -1
    with pytest.raises(ValueError, match="code: expected 0 to 255, found -1"):
        reply.reply_packet()
    for code in ("2", None):
        reply.code = code
        with pytest.raises(TypeError):
            reply.reply_packet()


# --- verification ---


def test_a_reply_verifies() -> None:
    raw = response_signed(octets(2, attribute(18, b"hi")))
    made = request()
    assert made.verify_reply(made.create_reply(packet=raw), raw)
    assert made.verify_reply(made.create_reply(packet=raw))
    assert made.verify_reply(made.create_reply(Reply_Message="hi"))


@pytest.mark.parametrize(
    "raw",
    [
        response_signed(octets(2, identifier=8)),
        response_signed(octets(2), bytes(16)),
        response_signed(octets(2), secret=b"another"),
        octets(2),
        response_signed(octets(2))[:-1] + b"\0",
        response_signed(octets(2))[:0] + b"\3" + response_signed(octets(2))[1:],
        response_signed(signed(octets(2), bytes(16))),
        response_signed(octets(2, attribute(80, b"short"))),
        response_signed(octets(2, attribute(80, bytes(16)) * 2)),
    ],
    ids=[
        "identifier",
        "authenticator",
        "secret",
        "unsigned",
        "digest",
        "code",
        "message-authenticator",
        "short-message-authenticator",
        "two-message-authenticators",
    ],
)
def test_a_forged_reply_does_not(raw: bytes) -> None:
    made = request()
    assert not made.verify_reply(made.create_reply(packet=raw), raw)


def test_octets_that_are_no_packet_do_not_verify() -> None:
    made = request()
    assert not made.verify_reply(made.create_reply(), b"")
    assert not made.verify_reply(made.create_reply(), octets(2, b"\x01\x01"))
    made.authenticator = None
    assert not made.verify_reply(request().create_reply())


def test_a_reply_that_has_to_be_signed() -> None:
    """Against a forged Access reply the Response Authenticator alone does not help (BlastRADIUS)."""
    bare = response_signed(octets(2))
    good = response_signed(signed(octets(2), AUTHENTICATOR))
    made = request()
    assert made.verify_reply(made.create_reply(packet=good), good, enforce_ma=True)
    assert not made.verify_reply(made.create_reply(packet=bare), bare, enforce_ma=True)
    accounting = request(AcctPacket)
    raw = response_signed(octets(5))
    assert accounting.verify_reply(accounting.create_reply(packet=raw), raw, enforce_ma=True)


def test_what_is_verified_is_what_was_received() -> None:
    """PKT-9: a reply that could not be serialised again verifies all the same."""
    raw = response_signed(octets(2, vendor(9, b"\x01\x09")))
    made = request()
    reply = made.create_reply(packet=raw)
    reply[1] = "no list at all"
    assert made.verify_reply(reply)


# --- keys in replies ---


def test_keys_in_a_reply_decode_with_its_requests_authenticator() -> None:
    """RFC 2548 §2.4.2, RFC 2868 §3.5: hidden with the authenticator of the request, not the reply's own."""
    made = request()
    answer = made.create_reply(MS_MPPE_Send_Key=b"k" * 32, **{"Tunnel-Password:1": "s3cret"})
    reply = made.create_reply(packet=answer.reply_packet())
    assert reply["MS-MPPE-Send-Key"] == [b"k" * 32]
    assert reply["Tunnel-Password:1"] == ["s3cret"]
    assert reply.salt_decrypt(reply[(311, 16)][0]) == b"k" * 32
    assert reply.authenticator != AUTHENTICATOR


def test_octets_that_are_no_reply() -> None:
    with pytest.raises(PacketError, match="header is corrupt"):
        request().create_reply(packet=b"\2\7")
    with pytest.raises(TypeError, match="bytes"):
        request().create_reply(packet="text")
    assert request().create_reply(packet=None).raw_packet is None
