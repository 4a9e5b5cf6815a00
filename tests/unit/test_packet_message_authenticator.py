"""Message-Authenticator: who carries one, how it is signed and what verifies (RFC 3579 §3.2, RFC 5176, RFC 5997)."""

from __future__ import annotations

import hashlib
import hmac
from types import SimpleNamespace
from typing import Any

import pytest
from packets import AUTHENTICATOR, DICTIONARY, SECRET, attribute, octets, request_signed, response_signed, signed

from pyradsec import _core
from pyradsec import packet as packets
from pyradsec.dictionary import Dictionary
from pyradsec.packet import (
    AcctPacket,
    AuthPacket,
    CoAPacket,
    Packet,
    PacketError,
    StatusPacket,
    parse_packet,
    prepare_reply_message_authenticator,
    prepare_request_message_authenticator,
)

ZEROS = bytes(16)
NAME = attribute(1, b"bob")
EAP = attribute(79, b"\x02\x01\x00\x08\x01bob")


def make(code: int, **attributes: Any) -> Any:
    cls = _core.packet_class(code)
    return cls(code=code, secret=SECRET, authenticator=AUTHENTICATOR, dict=DICTIONARY, **attributes)


def test_hmac_new() -> None:
    """RFC 2104: keyed, over MD5, whatever is asked for."""
    assert packets.hmac_new(SECRET, b"data").digest() == hmac.new(SECRET, b"data", hashlib.md5).digest()
    made = packets.hmac_new(SECRET)
    made.update(b"data")
    assert made.digest() == packets.hmac_new(SECRET, msg=b"data").digest()
    assert 0 <= packets.random_generator.random() < 1


# --- adding ---


@pytest.mark.parametrize("code", [1, 4, 12, 40, 43])
def test_a_request_is_signed_where_its_attribute_stands(code: int) -> None:
    made = make(code, User_Name="bob")
    made.add_message_authenticator()
    made["NAS-Port"] = 3
    raw = made.request_packet()
    at = raw.index(b"\x50\x12") + 2
    assert raw[20:25] == NAME
    assert raw[at + 16] == 5  # NAS-Port was added behind it
    over = raw[:4] + (AUTHENTICATOR if code in (1, 12) else ZEROS) + raw[20:at] + ZEROS + raw[at + 16 :]
    assert raw[at : at + 16] == hmac.new(SECRET, over, "md5").digest()
    assert parse_packet(raw, SECRET, DICTIONARY).verify_message_authenticator()
    assert made.request_packet() == raw


def test_adding_one_gives_a_request_its_authenticator() -> None:
    for cls in (AuthPacket, StatusPacket):
        made = cls(secret=SECRET)
        made.add_message_authenticator()
        assert made.message_authenticator is True
        assert made.authenticator is not None
        assert len(made.authenticator) == 16
        assert made.request_packet()[4:20] == made.authenticator
    accounting = AcctPacket(secret=SECRET)
    accounting.add_message_authenticator()
    assert accounting.authenticator is None


def test_ensure_adds_one_at_most() -> None:
    made = make(1)
    made.ensure_message_authenticator()
    made.ensure_message_authenticator()
    assert made.request_packet().count(b"\x50\x12") == 1
    stored = make(1)
    stored[80] = [ZEROS]
    stored.ensure_message_authenticator()
    assert stored.message_authenticator is True
    assert stored.has_message_authenticator()


@pytest.mark.parametrize("code", [1, 4, 12, 40, 43])
def test_signing_now(code: int) -> None:
    made = make(code, User_Name="bob")
    assert made.get_message_authenticator() is True
    raw = made.request_packet()
    assert made[80] == [raw[-16:]]
    assert made.verify_message_authenticator()
    made["User-Name"] = "eve"
    assert not made.verify_message_authenticator()
    made.get_message_authenticator()
    assert made.verify_message_authenticator()
    assert not made.verify_message_authenticator(secret=b"another")


def test_signing_a_reply_now_needs_an_authenticator() -> None:
    with pytest.raises(ValueError, match="authenticator"):
        Packet(code=2, secret=SECRET).get_message_authenticator()


def test_no_dictionary_is_needed() -> None:
    """The attribute is known by its number, whatever a dictionary says about it."""
    made = AuthPacket(secret=SECRET, message_authenticator=True)
    for dictionary in (None, Dictionary(), "no dictionary at all"):
        assert parse_packet(made.request_packet(), SECRET, dictionary).verify_message_authenticator()


# --- verifying ---


def test_every_request_verifies_over_its_own_rule() -> None:
    for code in (1, 12):
        assert parse_packet(signed(octets(code, NAME)), SECRET, DICTIONARY).verify_message_authenticator()
    for code in (4, 40, 43):
        raw = request_signed(signed(octets(code, NAME), ZEROS))
        assert parse_packet(raw, SECRET, DICTIONARY).verify_message_authenticator()
        assert parse_packet(raw, SECRET, DICTIONARY).verify_packet()
        # Not with the authenticator that stands in the header.
        assert not parse_packet(signed(octets(code, NAME)), SECRET, DICTIONARY).verify_message_authenticator()


@pytest.mark.parametrize(("request_code", "reply_code"), [(1, 2), (1, 3), (1, 11), (12, 2), (43, 44), (40, 42)])
def test_every_reply_verifies_with_its_requests_authenticator(request_code: int, reply_code: int) -> None:
    raw = response_signed(signed(octets(reply_code, NAME), AUTHENTICATOR))
    request = make(request_code, id=7)
    reply = request.create_reply(packet=raw)
    assert reply.authenticator == raw[4:20]
    assert reply.request_authenticator == AUTHENTICATOR
    assert reply.verify_message_authenticator()
    assert reply.verify_message_authenticator(original_authenticator=AUTHENTICATOR)
    assert not reply.verify_message_authenticator(original_authenticator=bytes(15) + b"\1")
    alone = Packet(packet=raw, secret=SECRET, dict=DICTIONARY)
    assert not alone.verify_message_authenticator()
    assert alone.verify_message_authenticator(original_authenticator=AUTHENTICATOR)
    assert request.verify_reply(reply, raw, enforce_ma=True)


def test_an_accounting_response_verifies_either_way() -> None:
    """No RFC says what it is computed over: zeros are common, some sign with the request's."""
    request = make(4, id=7)
    for over in (ZEROS, AUTHENTICATOR):
        raw = response_signed(signed(octets(5, NAME), over))
        assert request.verify_reply(request.create_reply(packet=raw), raw)
    raw = response_signed(signed(octets(5), ZEROS))
    status = make(12, id=7)
    assert not status.verify_reply(status.create_reply(packet=raw), raw)


@pytest.mark.parametrize(
    "attributes",
    [NAME, attribute(80, bytes(15)), attribute(80, b""), attribute(80, ZEROS) + attribute(80, ZEROS)],
    ids=["none", "short", "empty", "two"],
)
def test_none_or_a_malformed_one_is_a_packet_error(attributes: bytes) -> None:
    got = parse_packet(octets(1, attributes), SECRET, DICTIONARY)
    with pytest.raises(PacketError):
        got.verify_message_authenticator()
    with pytest.raises(PacketError, match="Access-Request id 7: Message-Authenticator is invalid"):
        got.require_valid_message_authenticator()


def test_require_valid() -> None:
    got = parse_packet(signed(octets(1, NAME)), SECRET, DICTIONARY)
    got.require_valid_message_authenticator()
    with pytest.raises(PacketError, match="Message-Authenticator is invalid"):
        got.require_valid_message_authenticator(secret=b"another")
    with pytest.raises(PacketError, match="Message-Authenticator is invalid"):
        Packet(packet=signed(octets(2)), secret=SECRET).require_valid_message_authenticator(original_authenticator=b"x")


# --- policy ---


@pytest.mark.parametrize(
    ("code", "attributes", "policy", "words"),
    [
        (1, NAME, {}, None),
        (1, NAME, {"require_message_authenticator": True}, "attribute is required"),
        (4, NAME, {"require_message_authenticator": True}, None),
        (43, NAME, {"require_message_authenticator": True}, None),
        (12, b"", {}, "Status-Server requires"),
        (
            12,
            b"",
            {"require_message_authenticator": False, "require_eap_message_authenticator": False},
            "Status-Server",
        ),
        (1, EAP, {}, "EAP-Message requires"),
        (4, EAP, {}, "EAP-Message requires"),
        (1, EAP, {"require_eap_message_authenticator": False}, None),
        (1, EAP, {"require_message_authenticator": True}, "attribute is required"),
    ],
)
def test_the_policy_on_requests(code: int, attributes: bytes, policy: dict[str, bool], words: str | None) -> None:
    """PKT-14, PKT-15."""
    bare = parse_packet(octets(code, attributes), SECRET, DICTIONARY)
    if words is None:
        bare.validate_message_authenticator_policy(**policy)
    else:
        with pytest.raises(PacketError, match=words):
            bare.validate_message_authenticator_policy(**policy)
    good = signed(octets(code, attributes), ZEROS if code in (4, 43) else None)
    parse_packet(good, SECRET, DICTIONARY).validate_message_authenticator_policy(**policy)
    with pytest.raises(PacketError, match="Message-Authenticator is invalid"):
        parse_packet(good, b"another", DICTIONARY).validate_message_authenticator_policy(**policy)


@pytest.mark.parametrize(
    ("code", "attributes", "required", "expected"),
    [
        (1, {}, False, False),
        (1, {}, True, True),
        (1, {"EAP_Message": b"x"}, False, True),
        (12, {}, False, True),
        (4, {}, True, False),
        (43, {"EAP_Message": b"x"}, True, False),
    ],
)
def test_preparing_requests(code: int, attributes: dict[str, Any], required: bool, expected: bool) -> None:
    made = make(code, **attributes)
    prepare_request_message_authenticator(made, require_message_authenticator=required)
    assert made.has_message_authenticator() is expected
    newer = make(code, radius_version=1, **attributes)
    prepare_request_message_authenticator(newer, require_message_authenticator=required)
    assert not newer.has_message_authenticator()


@pytest.mark.parametrize(
    ("code", "flag", "asked", "answered", "policy", "expected"),
    [
        (1, None, {}, {}, {}, False),
        (1, None, {}, {}, {"require_message_authenticator": True}, True),
        (4, None, {}, {}, {"require_message_authenticator": True}, False),
        (1, True, {}, {}, {}, True),
        (4, True, {}, {}, {}, True),
        (43, True, {}, {}, {}, True),
        (1, None, {"EAP_Message": b"x"}, {}, {}, True),
        (1, None, {}, {"EAP_Message": b"x"}, {}, True),
        (1, None, {}, {"EAP_Message": b"x"}, {"require_eap_message_authenticator": False}, False),
    ],
)
def test_preparing_replies(
    code: int,
    flag: bool | None,
    asked: dict[str, Any],
    answered: dict[str, Any],
    policy: dict[str, bool],
    expected: bool,
) -> None:
    """PKT-17: the reply to a request with one carries one."""
    request = make(code, message_authenticator=flag, **asked)
    reply = request.create_reply(**answered)
    prepare_reply_message_authenticator(request, reply, **policy)
    assert reply.has_message_authenticator() is expected
    newer = make(code, radius_version=1, message_authenticator=flag, **asked)
    its = newer.create_reply(**answered)
    prepare_reply_message_authenticator(newer, its, **policy)
    assert not its.has_message_authenticator()


def test_preparing_takes_what_only_looks_like_a_packet() -> None:
    prepare_request_message_authenticator(object(), require_message_authenticator=True)
    prepare_request_message_authenticator(SimpleNamespace(code=12))
    prepare_reply_message_authenticator(make(1, message_authenticator=True), None)
    prepare_reply_message_authenticator(object(), object(), require_message_authenticator=True)
    asked: list[str] = []
    stand_in = SimpleNamespace(code=1, ensure_message_authenticator=lambda: asked.append("ensured"))
    prepare_request_message_authenticator(stand_in, require_message_authenticator=True)
    assert asked == ["ensured"]


def test_coa_requests_and_their_replies_are_signed_over_different_things() -> None:
    """RFC 5176 §2.3: a request over zeros, a reply over the request's authenticator, as it was sent."""
    request = CoAPacket(secret=SECRET, id=7, dict=DICTIONARY, message_authenticator=True)
    server_side = parse_packet(request.request_packet(), SECRET, DICTIONARY)
    for code in (44, 45):
        reply = server_side.create_reply()
        reply.code = code
        prepare_reply_message_authenticator(server_side, reply)
        raw = reply.reply_packet()
        assert request.verify_reply(request.create_reply(packet=raw), raw)
