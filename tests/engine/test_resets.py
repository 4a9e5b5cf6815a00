"""Peers that vanish, at every stage of a connection: nothing is left over, and nobody else notices."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from serving import LoopFactory, Running, Server, descriptors, until

from pyradsec import _core
from wire import Peer, access_request, accounting_request, check_response, client_context, status_server

Serve = Callable[..., Running[Any]]

HOW = pytest.mark.parametrize("how", ["reset", "fin"])


def vanish(peer: Peer, how: str) -> None:
    """RST, or FIN without any close_notify."""
    if how == "reset":
        peer.reset()
    else:
        peer.sock.close()


@contextmanager
def undisturbed(running: Running[Server]) -> Iterator[None]:
    """A connection with a request in flight all the time, and nothing left of the others when the block has ended."""
    with running.connect() as other:
        slow = access_request("slow-other", id=200)
        other.send(slow)
        running.server.wait_seen(1)
        other.probe()
        # The client's own sockets are descriptors of this process as well, and are closed in the block.
        files = set(descriptors())
        yield
        other.probe()
        running.open_gate()
        assert check_response(other.receive(), slow).message == "Hello slow-other"
        assert other.ask(access_request("bob")).message == "Hello bob"
        until(lambda: running.stats()["connections_open"] == 1, "the end of all other connections")
        gauges = ("connections_half_open", "requests_in_flight", "requests_waiting")
        until(lambda: all(running.stats()[gauge] == 0 for gauge in gauges), "the end of their requests")
        until(lambda: _core.live_objects()["connections"] == 1, "the end of their objects")
        until(lambda: _core.live_objects()["requests"] == 0, "the end of their requests")
        until(lambda: set(descriptors()) <= files, "the end of their descriptors")


@HOW
def test_after_connect(running: Running[Server], how: str) -> None:
    with undisturbed(running):
        for _ in range(20):
            vanish(running.connect(handshake=False), how)
        running.wait_stats(connections_accepted=21)


@HOW
@pytest.mark.parametrize("part", [0.01, 0.5, 1.0], ids=["an octet or two", "half a ClientHello", "a ClientHello"])
def test_in_the_middle_of_the_handshake(running: Running[Server], how: str, part: float) -> None:
    with undisturbed(running):
        for _ in range(20):
            peer = running.connect(handshake=False)
            with pytest.raises(ssl.SSLWantReadError):
                peer.tls.do_handshake()
            hello = peer.pending_octets()
            peer.send_raw(hello[: max(2, int(len(hello) * part))])
            vanish(peer, how)
        running.wait_stats(connections_accepted=21)


@HOW
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_before_the_last_flight_of_the_handshake(running: Running[Server], how: str, version: ssl.TLSVersion) -> None:
    """The server has sent its part, and would wait for ours."""
    with undisturbed(running):
        for _ in range(10):
            peer = running.connect(client_context(version=version), handshake=False)
            assert not peer.handshake_step()
            assert peer.sock.recv(5)  # it has come to that
            vanish(peer, how)
        running.wait_stats(connections_accepted=11)


@HOW
def test_after_the_handshake(running: Running[Server], how: str) -> None:
    with undisturbed(running):
        for _ in range(20):
            vanish(running.connect(), how)


@HOW
@pytest.mark.parametrize("cut", [1, 4, 20, 50])
def test_in_the_middle_of_a_packet(running: Running[Server], how: str, cut: int) -> None:
    with undisturbed(running):
        for _ in range(10):
            peer = running.connect()
            peer.send(access_request("never")[:cut])
            vanish(peer, how)
        running.wait_stats(handshakes_completed=11)
    assert all(name != "never" for _, _, name in running.server.seen)


@HOW
@pytest.mark.parametrize("cut", [1, 5, 30])
def test_in_the_middle_of_a_record(running: Running[Server], how: str, cut: int) -> None:
    with undisturbed(running):
        for _ in range(10):
            peer = running.connect()
            peer.send_raw(peer.seal(access_request("never"))[:cut])
            vanish(peer, how)
        running.wait_stats(handshakes_completed=11)
    assert all(name != "never" for _, _, name in running.server.seen)


@HOW
def test_with_handlers_running(serve: Serve, loop_factory: LoopFactory, how: str) -> None:
    """They finish, and their replies are discarded (PKT-13)."""
    running = serve(loop_factory=loop_factory)
    with undisturbed(running):
        for number in range(5):
            peer = running.connect()
            peer.send(*(access_request(f"slow{number}", id=id) for id in range(20)))
            running.server.wait_seen(1 + 20 * (number + 1))
            vanish(peer, how)
        if how == "reset":
            running.wait_stats(reset=5)
            assert running.stats()["connections_open"] == 1
        else:
            running.wait_stats(truncated=5)
        assert running.stats()["requests_in_flight"] == 101
    running.server.wait_finished(102)
    # After a FIN replies are tried: a peer that has closed its socket answers the first one with a reset.
    assert running.stats()["replies_discarded"] == 100 or how == "fin"


@HOW
def test_with_requests_waiting_for_a_slot(serve: Serve, how: str) -> None:
    running = serve(max_in_flight=2)
    with undisturbed(running):
        peer = running.connect()
        peer.send(
            *(access_request("slow", id=id) for id in range(10)),
            *(accounting_request(f"{id}", id=id) for id in range(5)),
        )
        running.wait_stats(requests_waiting=13)
        vanish(peer, how)
        running.wait_stats(**{"reset" if how == "reset" else "truncated": 1})
    sessions = [name for code, _, name in running.server.seen if code == 4]
    assert sorted(sessions) == ["0", "1", "2", "3", "4"]


@HOW
def test_before_the_replies_are_read(running: Running[Server], how: str) -> None:
    """Answered in C and by handlers, more than the sockets' buffers hold."""
    with undisturbed(running):
        for _ in range(5):
            peer = running.connect(receive_buffer=4096)
            state = [(33, b"x" * 253)] * 10
            peer.send(*(status_server(id=id, attributes=state) for id in range(100)))
            peer.send(*(access_request("bob", id=id, attributes=state) for id in range(100)))
            vanish(peer, how)


def test_many_at_once(serve: Serve, loop_factory: LoopFactory) -> None:
    """Fifty connections of which every second one is reset while all have requests in flight."""
    running = serve(loop_factory=loop_factory)
    peers = [running.connect() for _ in range(50)]
    requests = [access_request("slow", id=number) for number in range(50)]
    for peer, packet in zip(peers, requests, strict=True):
        peer.send(packet)
    running.server.wait_seen(50)
    for peer in peers[::2]:
        peer.reset()
    running.wait_stats(reset=25)
    running.open_gate()
    for peer, packet in zip(peers[1::2], requests[1::2], strict=True):
        assert check_response(peer.receive(), packet).message == "Hello slow"
    stats = running.wait_stats(replies_discarded=25)
    assert stats["replies_discarded"] == 25
