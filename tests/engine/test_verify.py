"""Authenticators of requests and replies (PKT-4, PKT-8, PKT-9, PKT-10, PKT-15, PKT-17)."""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Callable
from typing import Any

import pytest
from serving import CoAServer, Running, Server

from wire import (
    ACCESS_REQUEST,
    ACCOUNTING_REQUEST,
    ACCT_SESSION_ID,
    COA_REQUEST,
    DISCONNECT_REQUEST,
    EAP_MESSAGE,
    MESSAGE_AUTHENTICATOR,
    PROXY_STATE,
    SECRET,
    STATE,
    STATUS_SERVER,
    USER_NAME,
    VENDOR_SPECIFIC,
    Peer,
    access_request,
    accounting_request,
    attributes_octets,
    check_response,
    coa_request,
    message_authenticator_off,
    raw_packet,
    request,
    status_server,
)

Serve = Callable[..., Running[Any]]

REQUESTS = [ACCESS_REQUEST, ACCOUNTING_REQUEST, STATUS_SERVER, DISCONNECT_REQUEST, COA_REQUEST]
SIGNED_REQUESTS = [ACCOUNTING_REQUEST, DISCONNECT_REQUEST, COA_REQUEST]
NAME = {1: "Access-Request", 4: "Accounting-Request", 12: "Status-Server", 40: "Disconnect-Request", 43: "CoA-Request"}
EAP_IDENTITY = b"\x02\x01\x00\x0a\x01alice"


def refused(running: Running[Server], peer: Peer, packet: bytes, reason: str) -> None:
    """`packet` ends the connection, after the reply to what came before; no handler sees it or what follows."""
    slow = access_request("slow", id=101)
    peer.send(slow, packet, access_request("late", id=102))
    record = running.log.wait("packet failed verification, connection ends")[0]
    assert record.levelno == logging.WARNING
    text = record.getMessage()
    assert text.startswith(f"127.0.0.1:{peer.local_port} ")
    assert f"{NAME[packet[0]]} id {packet[1]}" in text
    assert text.endswith(reason)
    running.open_gate()
    (reply,) = peer.receive_rest()
    assert check_response(reply, slow).message == "Hello slow"
    assert peer.end == "close_notify"
    assert [name for _, _, name in running.server.seen] == ["slow"]
    assert running.stats()["bad_authenticator"] == 1


# --- Request Authenticator ---


@pytest.mark.parametrize("code", SIGNED_REQUESTS, ids=NAME.get)
def test_pkt4_a_wrong_request_authenticator_with_verify_packet(serve: Serve, code: int) -> None:
    running = serve(CoAServer, verify_packet=True)
    packet = request(code, [(ACCT_SESSION_ID, b"s1")], id=7, authenticator=bytes(range(16)))
    refused(running, running.connect(), packet, "Request Authenticator does not verify")


@pytest.mark.parametrize("code", SIGNED_REQUESTS, ids=NAME.get)
def test_pkt4_a_wrong_request_authenticator_without_verify_packet(serve: Serve, code: int) -> None:
    """It is not looked at, and the reply is signed over the one that was received."""
    running = serve(CoAServer, verify_packet=False)
    packet = request(code, [(ACCT_SESSION_ID, b"s1")], id=7, authenticator=bytes(range(16)))
    assert running.connect().ask(packet).code in (5, 41, 44)
    assert running.server.seen == [(code, 7, "s1")]


@pytest.mark.parametrize("code", SIGNED_REQUESTS, ids=NAME.get)
@pytest.mark.parametrize("is_overridden", [True, False], ids=["handled", "answered in C"])
def test_pkt4_a_right_request_authenticator_with_verify_packet(serve: Serve, code: int, is_overridden: bool) -> None:
    running = serve(CoAServer if is_overridden else Server, verify_packet=True)
    peer = running.connect()
    for ma in (True, False):
        reply = peer.ask(request(code, [(ACCT_SESSION_ID, b"s1")], id=7, ma=ma))
        assert reply.is_signed == ma
    peer.probe()


@pytest.mark.parametrize("code", [DISCONNECT_REQUEST, COA_REQUEST], ids=NAME.get)
def test_pkt4_what_is_answered_in_c_is_verified_too(serve: Serve, code: int) -> None:
    """Nobody handles it, and still it gets no answer when it does not verify."""
    running = serve(verify_packet=True)
    packet = request(code, [(ACCT_SESSION_ID, b"s1")], id=7, authenticator=bytes(16))
    refused(running, running.connect(), packet, "Request Authenticator does not verify")


def test_pkt4_another_secret_never_verifies(serve: Serve) -> None:
    running = serve(verify_packet=True)
    refused(
        running,
        running.connect(),
        accounting_request(id=7, secret=b"not radsec"),
        "Request Authenticator does not verify",
    )


def test_pkt10_every_octet_of_the_request_authenticator_counts(serve: Serve) -> None:
    """One wrong bit, in each of the sixteen octets."""
    running = serve(verify_packet=True)
    good = accounting_request(id=7)
    for octet in range(16):
        peer = running.connect()
        peer.send(good[: 4 + octet] + bytes([good[4 + octet] ^ 0x80]) + good[5 + octet :])
        assert peer.receive_rest() == []
    assert running.stats()["bad_authenticator"] == 16
    assert running.server.seen == []


# --- Message-Authenticator ---


def with_message_authenticators(code: int, values: list[bytes]) -> bytes:
    """A request with these values of Message-Authenticator, and a Request Authenticator that verifies where it can."""
    attributes = [(USER_NAME, b"bob"), *((MESSAGE_AUTHENTICATOR, value) for value in values)]
    packet = raw_packet(code, 7, bytes(16), attributes_octets(attributes))
    digest = hashlib.md5(packet + SECRET).digest() if code in SIGNED_REQUESTS else bytes(range(16))
    return packet[:4] + digest + packet[20:]


@pytest.mark.parametrize("code", REQUESTS, ids=NAME.get)
@pytest.mark.parametrize("verify_packet", [True, False], ids=["verify_packet", "no verify_packet"])
def test_pkt4_a_wrong_message_authenticator(serve: Serve, code: int, verify_packet: bool) -> None:
    """It is always checked, whatever verify_packet says."""
    running = serve(CoAServer, verify_packet=verify_packet)
    packet = with_message_authenticators(code, [bytes(range(16))])
    refused(running, running.connect(), packet, "Message-Authenticator does not verify")


@pytest.mark.parametrize("code", REQUESTS, ids=NAME.get)
def test_pkt4_a_message_authenticator_made_with_another_secret(serve: Serve, code: int) -> None:
    running = serve(CoAServer)
    packet = request(code, [(USER_NAME, b"bob")], id=7, ma=True, secret=b"other")
    refused(running, running.connect(), packet, "Message-Authenticator does not verify")


@pytest.mark.parametrize("code", REQUESTS, ids=NAME.get)
@pytest.mark.parametrize("length", [0, 15, 17])
def test_pkt4_a_message_authenticator_that_has_not_16_octets(serve: Serve, code: int, length: int) -> None:
    running = serve(CoAServer)
    packet = with_message_authenticators(code, [bytes(length)])
    refused(running, running.connect(), packet, "Message-Authenticator is not one attribute of 16 octets")


@pytest.mark.parametrize("code", REQUESTS, ids=NAME.get)
def test_pkt4_two_message_authenticators(serve: Serve, code: int) -> None:
    """Even when the first one verifies over the rest, it is not one attribute."""
    running = serve(CoAServer)
    packet = with_message_authenticators(code, [bytes(16), bytes(16)])
    off = message_authenticator_off(packet)
    authenticator = bytes(16) if code in SIGNED_REQUESTS else packet[4:20]
    digest = hmac.digest(SECRET, packet[:4] + authenticator + packet[20:], "md5")
    packet = packet[:off] + digest + packet[off + 16 :]
    refused(running, running.connect(), packet, "Message-Authenticator is not one attribute of 16 octets")


@pytest.mark.parametrize("code", REQUESTS, ids=NAME.get)
@pytest.mark.parametrize("place", ["first", "last"])
def test_pkt4_a_message_authenticator_may_stand_anywhere(serve: Serve, code: int, place: Any) -> None:
    running = serve(CoAServer, verify_packet=True)
    reply = running.connect().ask(request(code, [(USER_NAME, b"bob"), (PROXY_STATE, b"p")], id=7, ma=place))
    assert reply.attributes[0][0] == MESSAGE_AUTHENTICATOR


def test_pkt10_every_octet_of_the_message_authenticator_counts(running: Running[Server]) -> None:
    good = access_request(id=7)
    off = message_authenticator_off(good)
    for octet in range(off, off + 16):
        peer = running.connect()
        peer.send(good[:octet] + bytes([good[octet] ^ 1]) + good[octet + 1 :])
        assert peer.receive_rest() == []
    assert running.stats()["bad_authenticator"] == 16
    assert running.server.seen == []


# --- octets are octets ---


def test_pkt8_a_message_authenticator_that_looks_like_hexadecimal_text(running: Running[Server], peer: Peer) -> None:
    """Its first two octets are "0x", as those of one in 65536 are."""
    for number in range(1 << 20):
        packet = access_request("bob", None, id=7, authenticator=number.to_bytes(16, "big"))
        off = message_authenticator_off(packet)
        if packet[off : off + 2] == b"0x":
            break
    else:
        pytest.fail("no such digest")
    assert peer.ask(packet).message == "Hello bob"
    peer.probe()


def test_pkt8_a_request_authenticator_that_looks_like_hexadecimal_text(serve: Serve) -> None:
    running = serve(verify_packet=True)
    for number in range(1 << 20):
        packet = accounting_request(f"{number}", id=7)
        if packet[4:6] == b"0x":
            break
    else:
        pytest.fail("no such digest")
    peer = running.connect()
    assert peer.ask(packet).code == 5
    peer.probe()


def test_pkt8_values_that_look_like_hexadecimal_text(serve: Serve) -> None:
    seen: list[Any] = []

    class Echo(Server):
        async def handle_access_request(self, packet: Any) -> Any:
            seen.append((packet["User-Name"], packet["State"]))
            return packet.create_reply(State=packet["State"], Reply_Message=packet["User-Name"][0])

    reply = serve(Echo).connect().ask(access_request("0x626f62", attributes=[(STATE, b"0x00ff")]))
    assert seen == [(["0x626f62"], [b"0x00ff"])]
    assert reply.values(STATE) == [b"0x00ff"]
    assert reply.message == "0x626f62"


@pytest.mark.parametrize("code", REQUESTS, ids=NAME.get)
def test_pkt9_what_is_verified_is_what_was_received(serve: Serve, code: int) -> None:
    """Attributes of one type apart from each other, empty, unknown and malformed inside: written again from what was
    understood, they would be other octets."""
    attributes = [
        (PROXY_STATE, b"1"),
        (USER_NAME, b"bob"),
        (PROXY_STATE, b""),
        (250, b"\x00"),
        (VENDOR_SPECIFIC, b"\x00\x00\x00\x09\x01\xff"),
        (VENDOR_SPECIFIC, b"\x00"),
        (241, b""),
        (USER_NAME, b"bob's other name"),
        (PROXY_STATE, b"3"),
    ]
    running = serve(CoAServer, verify_packet=True)
    reply = running.connect().ask(request(code, attributes, id=7, ma="last"))
    assert reply.values(PROXY_STATE) == [b"1", b"", b"3"]


# --- who needs a Message-Authenticator ---


def test_pkt15_eap_without_message_authenticator(running: Running[Server], peer: Peer) -> None:
    packet = access_request("bob", None, id=7, ma=False, attributes=[(EAP_MESSAGE, EAP_IDENTITY)])
    refused(running, peer, packet, "Message-Authenticator is required and missing")


def test_pkt15_eap_with_message_authenticator(peer: Peer) -> None:
    assert peer.ask(access_request("bob", None, attributes=[(EAP_MESSAGE, EAP_IDENTITY)])).is_signed


def test_pkt15_can_be_switched_off(serve: Serve) -> None:
    peer = serve(require_eap_message_authenticator=False).connect()
    reply = peer.ask(access_request("bob", None, ma=False, attributes=[(EAP_MESSAGE, EAP_IDENTITY)]))
    assert not reply.is_signed


def test_pkt15_a_reply_with_eap_message_is_signed(serve: Serve) -> None:
    """Also when its request brought neither (RFC 3579 §3.1)."""

    class Eap(Server):
        async def handle_access_request(self, packet: Any) -> Any:
            reply = packet.create_reply(Reply_Message="hm")
            reply[EAP_MESSAGE] = [b"\x03\x01\x00\x04"]
            return reply

    reply = serve(Eap).connect().ask(access_request("bob", ma=False))
    assert [kind for kind, _ in reply.attributes] == [MESSAGE_AUTHENTICATOR, 18, EAP_MESSAGE]


@pytest.mark.parametrize("code", [ACCESS_REQUEST, ACCOUNTING_REQUEST, DISCONNECT_REQUEST, COA_REQUEST], ids=NAME.get)
@pytest.mark.parametrize("is_overridden", [True, False], ids=["handled", "default"])
def test_pkt17_the_mirror_rule(serve: Serve, code: int, is_overridden: bool) -> None:
    """Who sends a Message-Authenticator gets one, first; who sends none gets none."""
    peer = serve(CoAServer if is_overridden else Server).connect()
    signed = peer.ask(request(code, [(USER_NAME, b"bob")], id=1, ma="last"))
    assert signed.attributes[0][0] == MESSAGE_AUTHENTICATOR
    unsigned = peer.ask(request(code, [(USER_NAME, b"bob")], id=2, ma=False))
    assert not unsigned.is_signed
    assert signed.attributes[1:] == unsigned.attributes


def test_pkt17_a_handler_that_signs_keeps_its_place(serve: Serve) -> None:
    class Signing(Server):
        async def handle_access_request(self, packet: Any) -> Any:
            reply = packet.create_reply(Reply_Message="one")
            reply.add_message_authenticator()
            reply[STATE] = [b"two"]
            return reply

    peer = serve(Signing).connect()
    for ma in (True, False):
        reply = peer.ask(access_request("bob", ma=ma))
        assert [kind for kind, _ in reply.attributes] == [18, MESSAGE_AUTHENTICATOR, STATE]


@pytest.mark.parametrize("code", REQUESTS, ids=NAME.get)
@pytest.mark.parametrize("require", [True, "access", False])
def test_require_message_authenticator(serve: Serve, code: int, require: Any) -> None:
    """True is every request, "access" is Access-Request; Status-Server needs one always (PKT-14)."""
    running = serve(CoAServer, require_message_authenticator=require)
    packet = request(code, [(USER_NAME, b"bob")], id=7, ma=False)
    needs = code == STATUS_SERVER or require is True or (require == "access" and code == ACCESS_REQUEST)
    if needs:
        peer = running.connect()
        peer.send(packet)
        assert peer.receive_rest() == []
        assert peer.end == "close_notify"
        assert running.server.seen == []
        running.log.wait(f"{NAME[code]} id 7", "Message-Authenticator is required and missing")
        assert running.stats()["bad_authenticator"] == 1
    else:
        assert not running.connect().ask(packet).is_signed
    signed = request(code, [(USER_NAME, b"bob")], id=8, ma=True)
    assert running.connect().ask(signed).attributes[0][0] == MESSAGE_AUTHENTICATOR


def test_require_message_authenticator_counts_for_the_next_request(running: Running[Server], peer: Peer) -> None:
    unsigned = access_request("bob", id=7, ma=False)
    assert not peer.ask(unsigned).is_signed
    running.call(setattr, running.server, "require_message_authenticator", "access")
    assert not peer.ask(coa_request(id=8)).is_signed
    peer.send(unsigned)
    assert peer.receive_rest() == []


def test_verify_packet_counts_for_the_next_request(running: Running[Server], peer: Peer) -> None:
    wrong = accounting_request(id=7, authenticator=bytes(range(16)))
    assert peer.ask(wrong).code == 5
    running.call(setattr, running.server, "verify_packet", True)
    assert peer.ask(accounting_request(id=8)).code == 5
    peer.send(wrong)
    assert peer.receive_rest() == []


def test_pkt14_status_server_needs_a_message_authenticator(running: Running[Server], peer: Peer) -> None:
    refused(running, peer, status_server(id=7, ma=False), "Message-Authenticator is required and missing")
