"""A TLS connection is a stream of octets: where records end means nothing (PKT-1), and what ends it (PKT-2, PKT-3)."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from typing import Any

import pytest
from serving import LoopFactory, Running, Server

from wire import (
    ACCESS_REQUEST,
    PROXY_STATE,
    USER_NAME,
    Peer,
    access_request,
    accounting_request,
    attributes_octets,
    check_response,
    client_context,
    raw_packet,
    request,
    status_server,
)

Serve = Callable[..., Running[Any]]


def test_pkt1_many_packets_in_one_record(serve: Serve, loop_factory: LoopFactory) -> None:
    running = serve(loop_factory=loop_factory)
    peer = running.connect()
    requests = [access_request(f"user{id}", id=id) for id in range(100)]
    peer.send_packed(*requests)
    replies = peer.collect(requests)
    assert {id: reply.message for id, reply in replies.items()} == {id: f"Hello user{id}" for id in range(100)}
    peer.probe()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 19, 37, 4096])
def test_pkt1_records_of_any_size(serve: Serve, loop_factory: LoopFactory, size: int) -> None:
    """One octet per record, packets that begin and end inside records, several records per packet."""
    peer = serve(loop_factory=loop_factory).connect()
    makers: list[Callable[..., bytes]] = [access_request, accounting_request, status_server, access_request]
    requests = [maker(id=id) for id, maker in enumerate(makers * 2)]
    peer.send_pieces(b"".join(requests), size)
    assert len(peer.collect(requests)) == len(requests)
    peer.probe()


def test_pkt1_a_packet_split_at_every_offset_over_two_records(peer: Peer) -> None:
    length = len(access_request())
    for cut in range(1, length):
        packet = access_request(id=cut % 256)
        peer.send(packet[:cut], packet[cut:])
        assert check_response(peer.receive(), packet).message == "Hello alice"
    peer.probe()


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 19, 20, 21, -1])
def test_pkt1_half_a_packet_is_waited_for(running: Running[Server], peer: Peer, cut: int) -> None:
    """The first half has been read and decrypted before the second one is sent."""
    packet = access_request(id=3)
    before = running.stats()
    sealed = peer.seal(packet[:cut])
    peer.send_raw(sealed)
    stats = running.wait_stats(octets_received=before["octets_received"] + len(sealed))
    assert stats["packets_received"] == before["packets_received"]
    peer.send(packet[cut:])
    assert check_response(peer.receive(), packet).message == "Hello alice"


def test_pkt1_half_a_record_is_waited_for(running: Running[Server], peer: Peer) -> None:
    packet = access_request()
    before = running.stats()["octets_received"]
    sealed = peer.seal(packet)
    for octet in sealed[:-1]:
        peer.send_raw(bytes([octet]))
    running.wait_stats(octets_received=before + len(sealed) - 1)
    assert running.server.seen == []
    peer.send_raw(sealed[-1:])
    assert check_response(peer.receive(), packet).message == "Hello alice"


def test_pkt1_what_is_decrypted_is_taken_before_the_socket_is_waited_for(running: Running[Server], peer: Peer) -> None:
    """Far more than one read(2) takes, in records of full size: nothing more comes to wake the server."""
    requests = [
        accounting_request(f"s{id}", id=id, attributes=[(PROXY_STATE, bytes([id]) * 200)] * 4) for id in range(256)
    ]
    stream = b"".join(requests)
    assert len(stream) > 3 * 65536
    peer.send_pieces(stream, 16384)
    replies = peer.collect(requests)
    assert all(reply.values(PROXY_STATE) == [bytes([id]) * 200] * 4 for id, reply in replies.items())
    peer.probe()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_pkt1_packets_that_come_with_the_end_of_the_handshake(serve: Serve, version: ssl.TLSVersion) -> None:
    """The client's Finished and its first packets arrive in one segment."""
    peer = serve().connect(client_context(version=version), handshake=False)
    requests = [access_request(id=1), status_server(id=2)]
    peer.handshake_without_last_flight()
    peer.send(*requests)
    assert set(peer.collect(requests)) == {1, 2}


def test_pkt2_a_packet_of_20_octets(running: Running[Server], peer: Peer) -> None:
    packet = raw_packet(ACCESS_REQUEST, 9, bytes(range(16)), b"")
    assert peer.ask(packet).id == 9
    assert running.server.seen == [(ACCESS_REQUEST, 9, "")]


def test_pkt2_packets_of_4096_octets(serve: Serve) -> None:
    """The longest packet there is, as request and as reply."""

    class Echo(Server):
        async def handle_access_request(self, packet: Any) -> Any:
            reply = packet.create_reply()
            reply[PROXY_STATE] = packet[PROXY_STATE]
            return reply

    peer = serve(Echo).connect()
    states = [bytes([number]) * 253 for number in range(15)] + [b"\xff" * (4096 - 20 - 15 * 255 - 2)]
    packet = request(ACCESS_REQUEST, [(PROXY_STATE, state) for state in states], id=77)
    assert len(packet) == 4096
    peer.send(packet)
    raw = peer.receive()
    assert len(raw) == 4096
    assert check_response(raw, packet).values(PROXY_STATE) == states
    peer.probe()


def end_with(running: Running[Server], peer: Peer, bad: bytes) -> None:
    """Sends a request, then `bad`, then one more request. The first one is answered, the last one is not."""
    slow = access_request("slow", id=1)
    after = access_request("late", id=2)
    peer.send(slow, bad, after)
    record = running.log.wait("malformed packet")[0]
    assert record.levelno == logging.WARNING
    assert f"127.0.0.1:{peer.local_port} " in record.getMessage()
    running.open_gate()
    (reply,) = peer.receive_rest()
    assert check_response(reply, slow).message == "Hello slow"
    assert peer.end == "close_notify"
    assert [name for _, _, name in running.server.seen] == ["slow"]
    stats = running.stats()
    assert stats["malformed"] == 1
    assert stats["access_requests"] == 1


@pytest.mark.parametrize("length", [0, 1, 19, 4097, 65535])
def test_pkt2_a_bad_length_ends_the_connection(running: Running[Server], peer: Peer, length: int) -> None:
    """After the replies to what was accepted before it; nothing after it is looked at."""
    end_with(running, peer, raw_packet(ACCESS_REQUEST, 5, bytes(16), b"", length=length))
    assert running.log.find("malformed packet", f"Length field {length}, allowed 20 to 4096")


def test_pkt2_only_the_length_field_decides(running: Running[Server], peer: Peer) -> None:
    """Four octets of a packet that can never be good are enough."""
    peer.send(b"\x01\x05\x10\x01")
    assert peer.receive_rest() == []
    assert peer.end == "close_notify"
    assert running.stats()["malformed"] == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\x01\x00", "attribute length below 2, attribute 1 at octet 20 of 22"),
        (b"\x01\x01", "attribute length below 2, attribute 1 at octet 20 of 22"),
        (b"\x01\x00abcdef", "attribute length below 2, attribute 1 at octet 20 of 28"),
        (b"\x01\x05ab", "attribute runs past the end of the packet, attribute 1 at octet 20 of 24"),
        (b"\x01\xff", "attribute runs past the end of the packet, attribute 1 at octet 20 of 22"),
        (b"\x01\x03a\x04", "attribute runs past the end of the packet, attribute 4 at octet 23 of 24"),
        (b"\x01\x03a\x04\x01", "attribute length below 2, attribute 4 at octet 23 of 25"),
    ],
    ids=["zero", "one", "zero-then-octets", "overrun", "overrun-255", "lone-octet", "one-after-a-good-one"],
)
def test_pkt3_attributes_that_do_not_fill_the_packet(
    running: Running[Server], peer: Peer, body: bytes, reason: str
) -> None:
    end_with(running, peer, raw_packet(ACCESS_REQUEST, 5, bytes(16), body))
    assert running.log.find("malformed packet", f"Access-Request id 5: {reason}")


def test_pkt3_an_empty_attribute_is_none_of_these(running: Running[Server], peer: Peer) -> None:
    """Length 2 is an attribute without octets, and nothing is wrong with it."""
    packet = raw_packet(ACCESS_REQUEST, 5, bytes(16), attributes_octets([(USER_NAME, b""), (PROXY_STATE, b"")]))
    assert peer.ask(packet).values(PROXY_STATE) == [b""]


def test_a_bad_packet_ends_its_own_connection_only(running: Running[Server], peer: Peer) -> None:
    other = running.connect()
    slow = access_request("slow", id=8)
    other.send(slow)
    running.server.wait_seen(1)
    peer.send(raw_packet(ACCESS_REQUEST, 5, bytes(16), b"\x01\x00"))
    assert peer.receive_rest() == []
    running.open_gate()
    assert check_response(other.receive(), slow).message == "Hello slow"
    other.probe()
