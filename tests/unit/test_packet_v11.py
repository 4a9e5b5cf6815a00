"""Packets of RADIUS/1.1 (RFC 9765): a Token in the header, no digests, nothing hidden."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from packets import AUTHENTICATOR, DICTIONARY, SECRET, attribute, octets_v11

from pyradsec.packet import AcctPacket, AuthPacket, CoAPacket, Packet, PacketError, RadiusVersion, StatusPacket
from pyradsec.packet import parse_packet as parse

TOKEN = b"\xde\xad\xbe\xef"
REQUESTS = [(AuthPacket, 1), (AcctPacket, 4), (StatusPacket, 12), (CoAPacket, 40), (CoAPacket, 43)]


def make(cls: Any, code: int, **attributes: Any) -> Any:
    made = cls(code=code, dict=DICTIONARY, radius_version=RadiusVersion.V1_1, **attributes)
    made.token = TOKEN
    return made


@pytest.mark.parametrize(("cls", "code"), REQUESTS)
def test_requests(cls: Any, code: int) -> None:
    """V11-2, V11-3: no secret and no authenticator is needed, and none is made."""
    made = make(cls, code, User_Name="bob", id=9, message_authenticator=True)
    assert made.request_packet() == octets_v11(code, attribute(1, b"bob"), TOKEN)
    assert made.reply_packet() == made.request_packet()
    assert (made.authenticator, made.id) == (None, 9)


def test_a_plain_number_says_which_version() -> None:
    made = Packet(code=2, radius_version=1)
    made.token = TOKEN
    assert made.reply_packet() == octets_v11(2, b"", TOKEN)


@pytest.mark.parametrize("token", [None, b"", b"abc", b"abcde", "abcd", 5])
def test_without_a_token_nothing_is_sent(token: Any) -> None:
    made = make(AuthPacket, 1)
    made.token = token
    for encode in (made.request_packet, made.reply_packet):
        with pytest.raises(PacketError, match="token: RADIUS/1.1 needs 4 octets, found"):
            encode()


def test_a_request_without_identifier_gets_one() -> None:
    made = make(AuthPacket, 1)
    made.id = None
    made.request_packet()
    assert 0 <= made.id <= 255


@pytest.mark.parametrize("position", ["first", "middle", "last", "only"])
def test_a_stored_message_authenticator_is_not_sent(position: str) -> None:
    """V11-3: also when it was added before the packet became one of RADIUS/1.1."""
    made = AuthPacket(dict=DICTIONARY, secret=SECRET, authenticator=AUTHENTICATOR)
    if position in ("middle", "last"):
        made["User-Name"] = "bob"
    made.add_message_authenticator()
    if position in ("first", "middle"):
        made["NAS-Port"] = 3
    before = {"first": b"", "middle": attribute(1, b"bob"), "last": attribute(1, b"bob"), "only": b""}[position]
    after = attribute(5, bytes((0, 0, 0, 3))) if position in ("first", "middle") else b""
    made.radius_version = RadiusVersion.V1_1
    made.token = TOKEN
    assert made.request_packet() == octets_v11(1, before + after, TOKEN)
    made[80] = [bytes(16), b"short", bytes(253)]
    assert made.request_packet() == octets_v11(1, before + after, TOKEN)


def test_parsing() -> None:
    """V11-2: reserved octets are ignored. V11-3: so is a Message-Authenticator."""
    raw = octets_v11(1, attribute(1, b"bob") + attribute(80, bytes(range(16))) + attribute(80, b"x"), TOKEN)
    raw = raw[:1] + b"\x77" + raw[2:8] + b"\x55" * 12 + raw[20:]
    got = parse(raw, SECRET, DICTIONARY, RadiusVersion.V1_1)
    assert type(got) is AuthPacket
    assert (got.token, got.authenticator, got.id, got.raw_packet) == (TOKEN, None, 0, raw)
    assert (got.message_authenticator, got.has_message_authenticator()) == (None, False)
    assert got.keys() == ["User-Name"]
    assert [avp.key for avp in got.attributes()] == [1]
    assert "Message-Authenticator" not in got
    assert got.request_packet() == octets_v11(1, attribute(1, b"bob"), TOKEN)
    again = Packet(radius_version=1)
    again.decode_packet(raw)
    assert again.token == TOKEN


def test_a_packet_that_was_parsed_again_has_nothing_of_before() -> None:
    made = Packet(packet=octets_v11(2, attribute(1, b"bob") + attribute(80, bytes(16)), TOKEN), radius_version=1)
    made.decode_packet(octets_v11(2, attribute(6, bytes((0, 0, 0, 2)))))
    assert (list(made), made.token) == ([6], b"\1\2\3\4")


def test_nothing_is_hidden() -> None:
    made = make(AuthPacket, 1)
    assert made.pw_crypt("hunter2") == b"hunter2"
    assert made.pw_crypt("ü" * 100) == ("ü" * 100).encode()
    assert made.pw_decrypt(b"hunter2") == "hunter2"
    assert made.salt_crypt("key") == b"key"
    assert made.salt_decrypt(b"\x00\x01") == b"\x00\x01"
    assert made.authenticator is None


def test_methods_of_message_authenticator_do_nothing() -> None:
    made = make(AuthPacket, 1, User_Name="bob")
    made.add_message_authenticator()
    made.ensure_message_authenticator()
    assert made.get_message_authenticator() is None
    assert list(made) == [1]
    assert made.verify_message_authenticator()
    made.require_valid_message_authenticator()
    status = parse(octets_v11(12), b"", DICTIONARY, 1)
    status.validate_message_authenticator_policy(require_message_authenticator=True)
    assert isinstance(status, StatusPacket)
    assert status.verify_status_request()


def test_verification_is_of_the_token() -> None:
    request = make(AuthPacket, 1, id=5)
    echoed = request.create_reply(packet=octets_v11(2, b"", TOKEN))
    assert echoed.token == TOKEN
    assert request.verify_reply(echoed, echoed.raw_packet)
    assert request.verify_reply(echoed, enforce_ma=True)
    other = request.create_reply(packet=octets_v11(2, b"", b"\xde\xad\xbe\xee"))
    assert other.token == b"\xde\xad\xbe\xee"  # the reply's own, not the request's
    assert not request.verify_reply(other)
    other.token = None
    assert not request.verify_reply(other)
    request.token = None
    assert not request.verify_reply(other)


def test_requests_verify() -> None:
    for code in (1, 4, 40, 43):
        assert parse(octets_v11(code), b"", DICTIONARY, 1).verify_packet()
    access = parse(octets_v11(1, b"", bytes(4)), b"", DICTIONARY, 1)
    assert isinstance(access, AuthPacket)
    assert access.verify_auth_request()
    assert not AuthPacket(packet=octets_v11(2), radius_version=1).verify_auth_request()


def test_replies_carry_version_and_token_over() -> None:
    for cls, code in REQUESTS:
        reply = make(cls, code).create_reply(Reply_Message="hi")
        assert (reply.radius_version, reply.token) == (RadiusVersion.V1_1, TOKEN)
        assert reply.reply_packet() == octets_v11(reply.code, attribute(18, b"hi"), TOKEN)
    older = make(AuthPacket, 1, authenticator=AUTHENTICATOR, secret=SECRET)
    assert older.create_reply(radius_version=RadiusVersion.V1_0).reply_packet()[4:8] != TOKEN


def test_chap_needs_a_challenge() -> None:
    """V11-4."""
    made = make(AuthPacket, 1, CHAP_Password=b"\1" + hashlib.md5(b"\1secretchallenge").digest())
    with pytest.raises(PacketError, match="CHAP-Challenge"):
        made.verify_chap_passwd("secret")
    made["CHAP-Challenge"] = b"challenge"
    assert made.verify_chap_passwd("secret")
    assert not made.verify_chap_passwd("another")


def test_a_packet_that_is_none() -> None:
    with pytest.raises(PacketError, match="header is corrupt"):
        parse(b"\1\0", b"", None, 1)
