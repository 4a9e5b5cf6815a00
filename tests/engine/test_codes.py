"""Codes and attributes that are unknown or out of place (PKT-6, PKT-7, COA-1), and Status-Server (PKT-14)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from serving import CoAServer, Running, Server

from wire import (
    ACCESS_ACCEPT,
    ACCESS_REQUEST,
    ACCOUNTING_RESPONSE,
    COA_ACK,
    COA_NAK,
    COA_REQUEST,
    DISCONNECT_ACK,
    DISCONNECT_NAK,
    DISCONNECT_REQUEST,
    ERROR_CAUSE,
    EXTENDED_1,
    MESSAGE_AUTHENTICATOR,
    PROTOCOL_ERROR,
    PROXY_STATE,
    STATUS_SERVER,
    USER_NAME,
    VENDOR_SPECIFIC,
    Peer,
    access_request,
    accounting_request,
    check_response,
    coa_request,
    disconnect_request,
    request,
    status_server,
)

Serve = Callable[..., Running[Any]]

UNSUPPORTED_EXTENSION = (406).to_bytes(4, "big")
# Codes that no RADIUS server serves, Status-Client among them.
UNKNOWN = [0, 6, 10, 13, 50, 51, 53, 99, 255]
RESPONSES = [2, 3, 11, 41, 42, 44, 45, 52]


def test_pkt6_unknown_attributes_are_carried(serve: Serve) -> None:
    seen: list[Any] = []

    class Echo(Server):
        async def handle_access_request(self, packet: Any) -> Any:
            seen.append((packet[250], packet[(99999, 1)]))
            reply = packet.create_reply()
            reply[250] = packet[250]
            return reply

    peer = serve(Echo).connect()
    vendor = (99999).to_bytes(4, "big") + b"\x01\x05abc"
    reply = peer.ask(access_request("bob", attributes=[(250, b"\xff\x00"), (VENDOR_SPECIFIC, vendor), (250, b"")]))
    assert seen == [([b"\xff\x00", b""], [b"abc"])]
    assert reply.values(250) == [b"\xff\x00", b""]
    peer.probe()


@pytest.mark.parametrize("code", UNKNOWN)
def test_pkt7_an_unknown_code_is_ignored(running: Running[Server], peer: Peer, code: int) -> None:
    peer.send(request(code, [(USER_NAME, b"bob")], id=7))
    peer.probe()
    (record,) = running.log.wait("unsupported request code")
    assert record.levelno == logging.WARNING
    assert record.getMessage().endswith(f"code {code}, id 7")
    stats = running.stats()
    assert stats["unknown_code"] == 1
    assert stats["answered_here"] == 1  # the probe
    assert running.server.seen == []


@pytest.mark.parametrize("code", UNKNOWN)
@pytest.mark.parametrize("ma", [True, False], ids=["signed", "unsigned"])
def test_pkt7_an_unknown_code_is_answered_with_protocol_error(serve: Serve, code: int, ma: bool) -> None:
    """Error-Cause 406, and Original-Packet-Code since this is RADIUS/1.0 (V11-7, RFC 7930 §4)."""
    running = serve(unknown_code="protocol-error")
    peer = running.connect()
    reply = peer.ask(request(code, [(USER_NAME, b"bob"), (PROXY_STATE, b"p")], id=7, ma=ma))
    assert reply.code == PROTOCOL_ERROR
    expected = {EXTENDED_1: b"\x04\x00\x00\x00" + bytes([code]), ERROR_CAUSE: UNSUPPORTED_EXTENSION, PROXY_STATE: b"p"}
    unsigned = [(kind, value) for kind, value in reply.attributes if kind != MESSAGE_AUTHENTICATOR]
    assert dict(unsigned) == expected
    assert len(unsigned) == len(expected)
    assert (reply.attributes[0][0] == MESSAGE_AUTHENTICATOR) == ma
    peer.probe()
    assert running.stats()["unknown_code"] == 1


def test_pkt7_unknown_code_counts_for_the_next_packet(running: Running[Server], peer: Peer) -> None:
    peer.send(request(99, id=7))
    peer.probe()
    running.call(setattr, running.server, "unknown_code", "protocol-error")
    assert peer.ask(request(99, id=7)).code == PROTOCOL_ERROR


@pytest.mark.parametrize("unknown_code", ["ignore", "protocol-error"])
@pytest.mark.parametrize("code", RESPONSES)
def test_pkt7_a_response_code_is_dropped(serve: Serve, code: int, unknown_code: str) -> None:
    running = serve(unknown_code=unknown_code)
    peer = running.connect()
    peer.send(request(code, [(USER_NAME, b"bob")], id=7, ma=True))
    peer.probe()
    (record,) = running.log.wait("response code sent to a server, packet dropped")
    assert record.levelno == logging.WARNING
    assert "id 7" in record.getMessage()
    assert running.stats()["response_code"] == 1
    assert running.server.seen == []


def test_an_accounting_response_goes_to_handle_accounting(running: Running[Server], peer: Peer) -> None:
    """As with pyrad2: the one response code that has a handler."""
    reply = peer.ask(request(ACCOUNTING_RESPONSE, [(USER_NAME, b"bob")], id=7))
    assert reply.code == ACCOUNTING_RESPONSE
    assert running.server.seen == [(ACCOUNTING_RESPONSE, 7, "bob")]
    assert running.stats()["response_code"] == 0


# --- dynamic authorization ---


@pytest.mark.parametrize(
    ("make", "nak"), [(coa_request, COA_NAK), (disconnect_request, DISCONNECT_NAK)], ids=["CoA", "Disconnect"]
)
@pytest.mark.parametrize("ma", [True, False], ids=["signed", "unsigned"])
def test_coa1_nobody_handles_it(running: Running[Server], peer: Peer, make: Any, nak: int, ma: bool) -> None:
    """NAK with Error-Cause 406, answered in C."""
    reply = peer.ask(make(id=7, ma=ma, attributes=[(PROXY_STATE, b"p")]))
    assert reply.code == nak
    assert reply.values(ERROR_CAUSE) == [UNSUPPORTED_EXTENSION]
    assert reply.values(PROXY_STATE) == [b"p"]
    assert (reply.attributes[0][0] == MESSAGE_AUTHENTICATOR) == ma
    assert len(reply.attributes) == (3 if ma else 2)
    stats = running.stats()
    assert stats["answered_here"] == 1
    assert stats["requests_to_python"] == 0


@pytest.mark.parametrize(
    ("make", "nak", "setting"),
    [(coa_request, COA_NAK, "enable_coa"), (disconnect_request, DISCONNECT_NAK, "enable_disconnect")],
    ids=["CoA", "Disconnect"],
)
def test_coa1_switched_off_although_there_is_a_handler(serve: Serve, make: Any, nak: int, setting: str) -> None:
    running = serve(CoAServer, **{setting: False})
    peer = running.connect()
    reply = peer.ask(make(id=7))
    assert reply.code == nak
    assert reply.values(ERROR_CAUSE) == [UNSUPPORTED_EXTENSION]
    assert running.server.seen == []
    running.call(setattr, running.server, setting, True)
    assert peer.ask(make(id=8)).code == nak - 1  # the ACK
    assert running.stats()["requests_to_python"] == 1


@pytest.mark.parametrize(
    ("make", "code", "ack"),
    [(coa_request, COA_REQUEST, COA_ACK), (disconnect_request, DISCONNECT_REQUEST, DISCONNECT_ACK)],
    ids=["CoA", "Disconnect"],
)
def test_coa1_handled(serve: Serve, make: Any, code: int, ack: int) -> None:
    running = serve(CoAServer)
    reply = running.connect().ask(make("s9", id=7))
    assert reply.code == ack
    assert reply.values(ERROR_CAUSE) == []
    assert running.server.seen == [(code, 7, "s9")]


@pytest.mark.parametrize(
    ("make", "name", "ack"),
    [(coa_request, "handle_coa", COA_ACK), (disconnect_request, "handle_disconnect", DISCONNECT_ACK)],
    ids=["CoA", "Disconnect"],
)
def test_coa1_a_handler_assigned_while_serving(
    running: Running[Server], peer: Peer, make: Any, name: str, ack: int
) -> None:
    """It counts for the next request, and so does its removal."""
    assert peer.ask(make(id=1)).code == ack + 1
    running.call(setattr, running.server, name, running.server.answer)
    assert peer.ask(make(id=2)).code == ack
    running.call(delattr, running.server, name)
    assert peer.ask(make(id=3)).code == ack + 1


# --- Status-Server ---


def test_pkt14_status_server(running: Running[Server], peer: Peer) -> None:
    """Access-Accept with Message-Authenticator, without any handler."""
    reply = peer.ask(status_server(id=7, attributes=[(PROXY_STATE, b"p")]))
    assert reply.code == ACCESS_ACCEPT
    assert [kind for kind, _ in reply.attributes] == [MESSAGE_AUTHENTICATOR, PROXY_STATE]
    assert running.server.seen == []
    stats = running.stats()
    assert stats["status_requests"] == 1
    assert stats["requests_to_python"] == 0


def test_pkt14_status_server_while_every_slot_of_the_connection_is_taken(running: Running[Server], peer: Peer) -> None:
    """256 handlers run; more requests wait; Status-Server behind them all is answered at once."""
    slow = [access_request("slow", id=id) for id in range(256)]
    waiting = [accounting_request("slow", id=id) for id in range(16)]
    peer.send(*slow, *waiting)
    running.server.wait_seen(256)
    peer.probe(id=7)
    stats = running.stats()
    assert stats["requests_in_flight"] == 256
    assert stats["requests_waiting"] == 16
    assert len(running.server.seen) == 256
    running.open_gate()
    replies = [peer.receive() for _ in range(272)]
    by_code = {(packet[0], packet[1]) for packet in replies}
    assert by_code == {(ACCESS_ACCEPT, id) for id in range(256)} | {(ACCOUNTING_RESPONSE, id) for id in range(16)}
    for packet in replies:
        check_response(packet, slow[packet[1]] if packet[0] == ACCESS_ACCEPT else waiting[packet[1]])
    peer.probe()


def test_pkt14_status_server_while_every_slot_of_the_server_is_taken(serve: Serve) -> None:
    running = serve(max_in_flight_total=4)
    hog, other = running.connect(), running.connect()
    slow = [access_request("slow", id=id) for id in range(4)]
    hog.send(*slow)
    running.server.wait_seen(4)
    patient = access_request("bob", id=1)
    other.send(patient)
    other.probe()
    hog.probe()
    assert running.stats()["requests_waiting"] == 1
    running.open_gate()
    hog.collect(slow)
    assert check_response(other.receive(), patient).message == "Hello bob"


def test_pkt14_status_server_of_many_connections(running: Running[Server]) -> None:
    peers = [running.connect() for _ in range(20)]
    requests = [status_server(id=number) for number in range(20)]
    for peer, packet in zip(peers, requests, strict=True):
        peer.send(packet)
    for peer, packet in zip(peers, requests, strict=True):
        assert check_response(peer.receive(), packet).code == ACCESS_ACCEPT
    assert running.stats()["status_requests"] == 20


def test_what_is_accepted_is_counted_by_code(serve: Serve) -> None:
    running = serve(CoAServer)
    peer = running.connect()
    for number, code in enumerate([ACCESS_REQUEST, 4, 4, STATUS_SERVER, 40, 40, 40, 43, 43, 43, 43, 43]):
        peer.ask(request(code, [(USER_NAME, b"bob")], id=number, ma=True))
    stats = running.stats()
    names = ("access", "accounting", "status", "disconnect", "coa")
    assert [stats[f"{name}_requests"] for name in names] == [1, 2, 1, 3, 5]
    assert stats["packets_received"] == 12
    assert stats["replies_sent"] == 12
