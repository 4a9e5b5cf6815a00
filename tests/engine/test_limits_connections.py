"""LIM-1, LIM-2: how many connections there may be, how fast they may come, and how long they may do nothing."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import Serve
from serving import Running, until

from pyradsec.server import RemoteHost
from wire import SECRET, Peer, PeerGone, access_request, status_server

# Seconds that a test waits for what must not happen; for what must, it waits for the thing itself.
SHORT = 0.2
HOST = RemoteHost("127.0.0.1", SECRET, "anybody")


@contextlib.contextmanager
def silent_peers(running: Running[Any], num: int) -> Iterator[list[Peer]]:
    """TCP connections whose clients say nothing."""
    peers: list[Peer] = []
    try:
        for _ in range(num):
            peers.append(Peer(running.address, handshake=False))
        yield peers
    finally:
        for peer in peers:
            peer.sock.close()


def is_refused(running: Running[Any], **kwargs: Any) -> bool:
    """Whether the server closes a new connection before its handshake is done."""
    try:
        with Peer(running.address, **kwargs) as peer:
            peer.probe()
    except (PeerGone, ConnectionError):
        return True
    return False


# --- handshake_timeout ---


def test_a_silent_peer_is_closed(serve: Serve) -> None:
    """LIM-1."""
    running = serve(handshake_timeout=SHORT)
    began = time.monotonic()
    with silent_peers(running, 1) as (peer,):
        assert peer.sock.recv(1) == b""
        assert time.monotonic() - began >= SHORT
    stats = running.wait_stats(handshake_timeout=1)
    assert stats["handshakes_completed"] == stats["connections_open"] == stats["connections_half_open"] == 0
    (record,) = running.log.wait("not finished in time")
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith("127.0.0.1:")


def test_a_handshake_that_stops_half_way_is_closed(serve: Serve) -> None:
    """LIM-1: the deadline is from accept to the end of the handshake, whatever arrives in between."""
    running = serve(handshake_timeout=SHORT)
    with silent_peers(running, 1) as (peer,):
        assert not peer.handshake_step()  # the ClientHello
        while octets := peer.sock.recv(65536):
            assert octets
    assert running.wait_stats(handshake_timeout=1)["handshakes_completed"] == 0


def test_a_handshake_octet_by_octet_does_not_win_time(serve: Serve) -> None:
    """LIM-1."""
    running = serve(handshake_timeout=SHORT)
    with silent_peers(running, 1) as (peer,):
        with pytest.raises(ssl.SSLWantReadError):
            peer.tls.do_handshake()
        hello = peer.pending_octets()
        peer.sock.settimeout(0.01)
        is_ended, end = False, time.monotonic() + 10
        for octet in hello * 100:
            if is_ended or time.monotonic() > end:
                break
            with contextlib.suppress(TimeoutError):
                try:
                    peer.sock.sendall(bytes([octet]))
                    is_ended = peer.sock.recv(1) == b""
                except ConnectionError:
                    is_ended = True
        assert is_ended
    running.wait_stats(handshake_timeout=1)


def test_500_silent_peers_do_not_hold_up_clients(serve: Serve) -> None:
    """LIM-1: those who know what they want are served while the others are waited for."""
    running = serve(handshake_timeout=3.0)
    established = running.connect()
    with silent_peers(running, 500) as peers:
        running.wait_stats(connections_accepted=501)
        for id in range(20):
            assert established.ask(access_request(id=id)).code == 2
        with Peer(running.address) as late:
            assert late.ask(access_request()).code == 2
        assert running.stats()["handshake_timeout"] < 500
        for peer in peers:
            assert peer.sock.recv(1) == b""
    stats = running.wait_stats(handshake_timeout=500)
    assert stats["connections_half_open"] == 0
    established.probe()


def test_no_handshake_timeout(serve: Serve) -> None:
    running = serve(handshake_timeout=None)
    with silent_peers(running, 1) as (peer,):
        running.wait_stats(connections_half_open=1)
        peer.sock.settimeout(SHORT)
        with pytest.raises(TimeoutError):
            peer.sock.recv(1)
        peer.sock.settimeout(peer.timeout)
        peer.handshake()
        peer.probe()


# --- max_handshakes ---


def test_the_oldest_half_open_connection_gives_way(serve: Serve) -> None:
    """LIM-1: past max_handshakes accepting goes on, and who waits longest goes first."""
    running = serve(max_handshakes=3)
    with silent_peers(running, 3) as peers:
        running.wait_stats(connections_half_open=3)
        with silent_peers(running, 2) as more:
            for peer in peers[:2]:
                assert peer.sock.recv(1) == b""
            assert running.wait_stats(handshake_evicted=2)["connections_half_open"] == 3
            for peer in (peers[2], *more):
                peer.sock.setblocking(False)
                with pytest.raises(BlockingIOError):
                    peer.sock.recv(1)
                peer.sock.settimeout(peer.timeout)
            # Those that are left can still become connections.
            for peer in (peers[2], *more):
                peer.handshake()
                peer.probe()
    running.log.wait("gave way", num=2)


def test_one_handshake_at_a_time(serve: Serve) -> None:
    """The least value still serves: established connections are not counted."""
    running = serve(max_handshakes=1)
    peers = []
    for _ in range(5):
        peers.append(running.connect())
        peers[-1].probe()
    with silent_peers(running, 20):
        running.wait_stats(connections_accepted=25)
        for peer in peers:
            peer.probe()
        assert not is_refused(running)


# --- max_connections, max_connections_per_peer ---


def test_max_connections(serve: Serve) -> None:
    """LIM-1: half-open ones count; one that ends makes room."""
    running = serve(max_connections=2)
    first = running.connect()
    with silent_peers(running, 1):
        running.wait_stats(connections_half_open=1)
        assert is_refused(running)
    running.wait_stats(refused_handshake=1)
    second = running.connect()
    assert is_refused(running)
    first.close()
    until(lambda: running.stats()["connections_open"] == 1, "the end of the first")
    third = running.connect()
    second.probe()
    third.probe()
    stats = running.stats()
    assert (stats["refused_limit"], stats["handshakes_completed"]) == (2, 3)
    assert all("max_connections 2" in record.getMessage() for record in running.log.wait("refused at a limit", num=2))


def test_max_connections_per_peer(serve: Serve) -> None:
    """LIM-1: counted by address, so that one peer cannot take the others' places."""
    running = serve(max_connections_per_peer=2, hosts={"0.0.0.0": HOST})
    peers = [running.connect(source=source) for source in ("127.0.0.1", "127.0.0.1", "127.0.0.2")]
    assert is_refused(running, source="127.0.0.1")
    assert not is_refused(running, source="127.0.0.2")
    peers[0].close()
    until(lambda: running.stats()["connections_open"] == 2, "the end of the first")
    assert not is_refused(running, source="127.0.0.1")
    (record,) = running.log.wait("max_connections_per_peer 2")
    assert record.getMessage().startswith("127.0.0.1:")


def test_connections_that_come_and_go_leave_no_count_behind(serve: Serve) -> None:
    """Every way to end gives the place back: refused hosts, failed handshakes, resets, orderly ends."""
    running = serve(max_connections_per_peer=1, max_connections=1, handshake_timeout=SHORT)
    for round in range(3):
        with silent_peers(running, 1) as (peer,):
            assert peer.sock.recv(1) == b""
        with silent_peers(running, 1) as (peer,):
            peer.send_raw(b"GET / HTTP/1.1\r\n\r\n")
            while peer.sock.recv(4096):
                pass
        until(lambda: running.stats()["connections_half_open"] == 0)
        until(lambda: not is_refused(running), "a place for the next")
        running.call(setattr, running.server, "hosts", {})
        until(lambda: running.stats()["connections_open"] == 0)
        assert is_refused(running)
        running.call(setattr, running.server, "hosts", {"127.0.0.1": HOST})
        until(lambda: not is_refused(running), f"a place, round {round}")
        until(lambda: running.stats()["connections_open"] == 0)
        resetting = Peer(running.address)
        resetting.probe()
        resetting.reset()
        until(lambda: running.stats()["connections_open"] == 0)


# --- max_new_connections_per_s ---


def test_max_new_connections_per_s(serve: Serve) -> None:
    """LIM-1: one second's worth at once, the rest is refused until time has passed."""
    running = serve(max_new_connections_per_s=5)
    began = time.monotonic()
    with silent_peers(running, 30):
        running.wait_stats(connections_accepted=30)
        passed = running.stats()["connections_accepted"] - running.stats()["refused_limit"]
        most = 5 + 5 * (time.monotonic() - began) + 1
        assert 5 <= passed <= most
    running.log.wait("max_new_connections_per_s 5")
    until(lambda: not is_refused(running), "a new connection")


def test_less_than_one_new_connection_per_s(serve: Serve) -> None:
    running = serve(max_new_connections_per_s=0.001)
    running.connect().probe()
    assert is_refused(running)
    assert running.stats()["refused_limit"] == 1


# --- connection_read_timeout ---


def test_an_idle_connection_is_ended_in_good_order(serve: Serve) -> None:
    """LIM-2, TLS-11."""
    running = serve(connection_read_timeout=SHORT)
    peer = running.connect()
    peer.probe()
    assert peer.receive_rest() == []
    assert peer.end == "close_notify"
    peer.wait_fin()
    peer.close()
    until(lambda: running.stats()["connections_open"] == 0, "the end")
    assert running.stats()["idle_timeout"] == 1
    (record,) = running.log.wait("idle for too long")
    assert record.levelname == "INFO"


def test_a_connection_that_never_sent_anything_is_idle_too(serve: Serve) -> None:
    """LIM-2."""
    peer = serve(connection_read_timeout=SHORT).connect()
    assert peer.receive_rest() == []
    assert peer.end == "close_notify"


def test_the_idle_timeout_runs_only_while_nothing_is_in_flight(serve: Serve) -> None:
    """LIM-2: a handler may take longer, and its reply is followed by a whole timeout."""
    running = serve(connection_read_timeout=SHORT)
    peer = running.connect()
    request = access_request("slow")
    peer.send(request)
    running.server.wait_seen(1)
    peer.sock.settimeout(3 * SHORT)
    with pytest.raises(TimeoutError):
        peer.receive()
    peer.sock.settimeout(peer.timeout)
    running.open_gate()
    assert peer.receive()[0] == 2
    replied = time.monotonic()
    assert peer.receive_rest() == []
    assert peer.end == "close_notify"
    assert time.monotonic() - replied > SHORT / 2


def test_every_packet_begins_the_idle_timeout_anew(serve: Serve) -> None:
    """LIM-2."""
    running = serve(connection_read_timeout=0.5)
    peer = running.connect()
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        peer.probe()
        peer.sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            peer.receive()
        peer.sock.settimeout(peer.timeout)
    assert running.stats()["idle_timeout"] == 0


# --- max_packets_per_connection ---


@pytest.mark.parametrize("most", [1, 3])
def test_max_packets_per_connection(serve: Serve, most: int) -> None:
    """The replies to what was accepted come before the end; what was sent beyond it is not answered."""
    running = serve(max_packets_per_connection=most)
    peer = running.connect()
    peer.send(*(access_request("slow", id=id) for id in range(most + 2)))
    running.server.wait_seen(most)
    running.wait_stats(max_packets=1)
    running.open_gate()
    assert sorted(packet[1] for packet in peer.receive_rest()) == list(range(most))
    assert peer.end == "close_notify"
    assert len(running.server.seen) == most
    (record,) = running.log.wait("max_packets_per_connection")
    assert record.levelname == "INFO"


def test_max_packets_per_connection_counts_status_server(serve: Serve) -> None:
    peer = serve(max_packets_per_connection=2).connect()
    peer.send(*(status_server(id=id) for id in range(5)))
    assert [packet[1] for packet in peer.receive_rest()] == [0, 1]
    assert peer.end == "close_notify"


# --- backlog ---


def test_backlog(serve: Serve) -> None:
    """The kernel's queue has as many places as asked for (ss(8) shows them; /proc has no other name for them)."""
    running = serve(backlog=7)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as netlink:
        assert listen_backlog(netlink, running.address[1]) == 7


def listen_backlog(netlink: socket.socket, port: int) -> int:
    """The limit of a listening socket's queue, from sock_diag(7)."""
    # nlmsghdr, inet_diag_req_v2: AF_INET, TCP, no extensions, state LISTEN; all of them, the port is looked for below.
    body = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, 1 << 10) + bytes(48)
    netlink.send(struct.pack("=IHHII", 16 + len(body), 20, 0x301, 1, 0) + body)
    while True:
        octets, off = netlink.recv(1 << 16), 0
        while off < len(octets):
            length, kind = struct.unpack_from("=IH", octets, off)
            assert kind == 20, "no such socket"
            message = octets[off + 16 : off + length]
            if struct.unpack_from("!H", message, 4)[0] == port:
                return int(struct.unpack_from("=I", message, 60)[0])  # idiag_wqueue
            off += (length + 3) & ~3
