"""LIM-3, LIM-4, LIM-5: slow packets, more requests than there are slots, and peers that do not read."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from typing import Any

import pytest
from conftest import Serve
from serving import CoAServer, Running, Server, until

from wire import (
    ACCESS_ACCEPT,
    ACCOUNTING_RESPONSE,
    COA_ACK,
    DISCONNECT_ACK,
    REPLY_MESSAGE,
    VENDOR_SPECIFIC,
    Peer,
    PeerGone,
    access_request,
    accounting_request,
    check_response,
    coa_request,
    disconnect_request,
    status_server,
)

SHORT = 0.2
READ_AHEAD = 65536  # octets of accepted requests that may wait for a slot, per connection


def big_request(user: str, id: int) -> bytes:
    """A request of about 4000 octets."""
    return access_request(user, id=id, attributes=[(VENDOR_SPECIFIC, bytes(253))] * 15)


# --- packet_timeout ---


def test_a_packet_that_is_not_finished_ends_the_connection(serve: Serve) -> None:
    """LIM-3; other requests are answered first."""
    running = serve(packet_timeout=SHORT)
    peer = running.connect()
    whole = access_request(id=1)
    began = time.monotonic()
    peer.send(whole, access_request(id=2)[:-1])
    check_response(peer.receive(), whole)
    assert peer.receive_rest() == []
    assert peer.end == "close_notify"
    assert time.monotonic() - began >= SHORT
    assert running.stats()["packet_timeout"] == 1
    (record,) = running.log.wait("not finished in time")
    assert record.levelname == "WARNING"


def test_a_packet_octet_by_octet_does_not_win_time(serve: Serve) -> None:
    """LIM-3: the deadline is from the first octet to the last; each octet on its way is no progress."""
    running = serve(packet_timeout=SHORT)
    peer = running.connect()
    peer.sock.settimeout(0.01)
    is_ended = False
    for octet in access_request(attributes=[(REPLY_MESSAGE, b"x" * 253)] * 5):
        with contextlib.suppress(TimeoutError):
            try:
                peer.send(bytes([octet]))
                peer.receive()
            except (PeerGone, ConnectionError):
                is_ended = True
                break
    assert is_ended
    assert running.stats()["packet_timeout"] == 1
    assert running.server.seen == []


def test_a_record_that_is_not_finished_ends_the_connection(serve: Serve) -> None:
    """LIM-3: octets that TLS cannot decrypt yet count as well."""
    running = serve(packet_timeout=SHORT)
    peer = running.connect()
    peer.send_raw(peer.seal(access_request())[:-1])
    assert peer.receive_rest() == []
    assert running.wait_stats(packet_timeout=1)["packets_received"] == 0


def test_a_stream_that_never_pauses_between_packets_is_no_slow_packet(serve: Serve) -> None:
    """LIM-3: each packet has its own deadline, also where the next one always has begun before the server looks."""
    running = serve(packet_timeout=SHORT)
    peer = running.connect()
    requests = [access_request(id=id % 256) for id in range(1000)]
    peer.send(requests[0][:10])
    began, done = time.monotonic(), 0
    while time.monotonic() - began < 4 * SHORT:
        peer.send(requests[done][10:] + requests[done + 1][:10])
        check_response(peer.receive(), requests[done])
        done = (done + 1) % 999
        if done == 0:
            requests[0] = access_request(id=requests[999][1])
            peer.send(requests[999][10:] + requests[0][:10])
            check_response(peer.receive(), requests[999])
    assert running.stats()["packet_timeout"] == 0


def test_no_packet_timeout(serve: Serve) -> None:
    running = serve(packet_timeout=None)
    peer = running.connect()
    packet = access_request()
    peer.send(packet[:5])
    peer.sock.settimeout(SHORT)
    with pytest.raises(TimeoutError):
        peer.receive()
    peer.sock.settimeout(peer.timeout)
    peer.send(packet[5:])
    check_response(peer.receive(), packet)


# --- max_in_flight ---


def test_requests_beyond_the_slots_wait_in_order_and_none_is_lost(serve: Serve) -> None:
    """LIM-4."""
    running = serve(max_in_flight=2)
    peer = running.connect()
    requests = [access_request(f"slow{id}", id=id) for id in range(200)]
    peer.send(*requests)
    stats = running.wait_stats(requests_waiting=198)
    assert (stats["requests_in_flight"], stats["access_requests"]) == (2, 200)
    running.server.wait_seen(2)
    assert len(running.server.seen) == 2
    running.open_gate()
    assert len(peer.collect(requests)) == 200
    assert [id for _, id, _ in running.server.seen] == list(range(200))
    stats = running.stats()
    assert (stats["requests_in_flight"], stats["requests_waiting"]) == (0, 0)


def test_one_slot_runs_one_handler_at_a_time(serve: Serve) -> None:
    """LIM-4: the least value."""

    class Counting(Server):
        running_now = most = 0

        async def answer(self, packet: Any, **attributes: Any) -> Any:
            self.running_now += 1
            self.most = max(self.most, self.running_now)
            await asyncio.sleep(0)
            self.running_now -= 1
            return packet.create_reply()

    running = serve(Counting, max_in_flight=1)
    peer = running.connect()
    requests = [access_request(id=id) for id in range(50)]
    peer.send(*requests)
    peer.collect(requests)
    assert running.server.most == 1


def test_one_slot_is_one_for_each_connection(serve: Serve) -> None:
    """LIM-4: the limit is a connection's, not the server's."""
    running = serve(max_in_flight=1)
    peers = [running.connect() for _ in range(3)]
    requests = [access_request(f"slow{id}", id=id) for id in range(50)]
    for peer in peers:
        peer.send(*requests)
    stats = running.wait_stats(requests_waiting=3 * 49)
    assert stats["requests_in_flight"] == 3
    running.server.wait_seen(3)
    assert [id for _, id, _ in running.server.seen] == [0, 0, 0]
    running.open_gate()
    for peer in peers:
        peer.collect(requests)


def test_max_in_flight_total(serve: Serve) -> None:
    """LIM-4: over all connections, which get the free slots in turn."""
    running = serve(max_in_flight_total=2)
    peers = [running.connect() for _ in range(4)]
    requests = [access_request("slow", id=id) for id in range(20)]
    for peer in peers:
        peer.send(*requests)
    assert running.wait_stats(access_requests=80)["requests_in_flight"] == 2
    running.server.wait_seen(2)
    for peer in peers:
        peer.probe()
    running.open_gate()
    for peer in peers:
        peer.collect(requests)
    assert len(running.server.seen) == 80


def test_a_full_server_serves_its_connections_in_turn(serve: Serve) -> None:
    """LIM-4: one connection with many requests does not starve another with one."""
    running = serve(max_in_flight_total=1)
    greedy, modest = running.connect(), running.connect()
    requests = [access_request("slow-greedy", id=id) for id in range(100)]
    greedy.send(*requests)
    running.wait_stats(requests_waiting=99)
    request = access_request("slow-modest", id=7)
    modest.send(request)
    running.wait_stats(requests_waiting=100)
    running.open_gate()
    check_response(modest.receive(), request)
    greedy.collect(requests)
    place = [name for _, _, name in running.server.seen].index("slow-modest")
    assert place <= 3


def test_no_limit_on_requests_in_flight(serve: Serve) -> None:
    running = serve(max_in_flight=None, max_in_flight_total=None)
    peer = running.connect()
    requests = [access_request("slow", id=id) for id in range(256)]
    peer.send(*requests)
    running.server.wait_seen(256)
    running.open_gate()
    peer.collect(requests)


def test_reading_stops_at_the_read_ahead_and_goes_on(serve: Serve) -> None:
    """LIM-4: of what waits, the server keeps 64 kB and leaves the rest to TCP. All of it is served in the end."""
    running = serve(max_in_flight=1)
    # Small socket buffers, so that what the kernel holds is not taken for what the server holds.
    peer = running.connect(receive_buffer=65536)
    requests = [big_request(f"slow{id}", id) for id in range(256)]
    sender = threading.Thread(target=peer.sock.sendall, args=(peer.seal(*requests),))
    peer.sock.settimeout(None)
    sender.start()
    try:
        stats = running.wait_stats(reads_paused=1)
        octets = len(requests[0])
        kept = READ_AHEAD // octets + 1
        assert stats["requests_waiting"] <= kept + 1
        assert stats["octets_received"] < (kept + 2) * (octets + 64) + 3 * READ_AHEAD
        # Nothing more is read as long as no slot gets free.
        before = running.stats()
        time.sleep(SHORT)  # for what must not happen
        assert running.stats()["octets_received"] == before["octets_received"]
        running.open_gate()
        sender.join(10)
        assert not sender.is_alive()
    finally:
        peer.sock.settimeout(peer.timeout)
        running.open_gate()
    peer.collect(requests)
    assert [id for _, id, _ in running.server.seen] == list(range(256))


def test_status_server_is_answered_while_every_slot_is_taken(serve: Serve) -> None:
    """PKT-14, LIM-4: it never takes a slot, and is found among what waits."""
    running = serve(max_in_flight=1, max_in_flight_total=1)
    peer, other = running.connect(), running.connect()
    requests = [access_request("slow", id=id) for id in range(100)]
    peer.send(*requests)
    running.wait_stats(requests_waiting=99)
    peer.probe()
    other.probe()
    running.server.wait_seen(1)
    assert len(running.server.seen) == 1
    running.open_gate()
    peer.collect(requests)


def test_status_server_after_the_read_ahead_is_answered_in_its_turn(serve: Serve) -> None:
    """LIM-4: where reading has stopped it waits with the rest, and is not lost."""
    running = serve(max_in_flight=1)
    peer = running.connect()
    requests = [big_request("slow", id) for id in range(40)]
    question = status_server(id=255)
    peer.send(*requests, question)
    running.wait_stats(reads_paused=1)
    assert running.stats()["status_requests"] == 0
    running.open_gate()
    peer.collect([*requests, question])


def test_waiting_requests_take_no_python_memory(serve: Serve) -> None:
    """LIM-4: those that wait are octets in C; a Packet is made when a slot is free."""
    running = serve(max_in_flight=1)
    peer = running.connect()
    requests = [access_request("slow", id=id) for id in range(256)]
    peer.send(*requests)
    stats = running.wait_stats(requests_waiting=255)
    assert stats["requests_to_python"] == 1
    running.open_gate()
    peer.collect(requests)


# --- connections that die with requests ---


def accounting(running: Running[Any]) -> list[int]:
    return [id for code, id, _ in running.server.seen if code == 4]


@pytest.mark.parametrize("end", ["reset", "close"])
def test_a_connection_that_dies_with_requests(serve: Serve, end: str) -> None:
    """PKT-13: queued Access-Requests are dropped, queued accounting runs, handlers finish, nobody is answered."""
    running = serve(max_in_flight=1)
    peer = running.connect()
    peer.send(
        access_request("slow", id=0),
        *(access_request("slow", id=id) for id in range(1, 11)),
        *(accounting_request("slow", id=id) for id in range(11, 16)),
    )
    running.wait_stats(requests_waiting=15)
    running.server.wait_seen(1)
    if end == "reset":
        peer.reset()
        running.wait_stats(reset=1, requests_dropped=10)
    else:
        peer.close()
        running.wait_stats(closed=1)
        # The server drains: what was accepted is answered, to nobody, until the socket says so.
    assert len(running.server.seen) == 1
    running.open_gate()
    running.server.wait_finished(6)
    until(lambda: accounting(running) == list(range(11, 16)), "the accounting")
    until(lambda: running.stats()["requests_in_flight"] == 0)
    stats = running.stats()
    assert stats["requests_waiting"] == 0
    if end == "reset":
        assert [id for code, id, _ in running.server.finished if code == 1] == [0]
        assert stats["replies_discarded"] == 6
        assert stats["replies_sent"] == 0


def test_handlers_of_a_dead_connection_keep_their_slots(serve: Serve) -> None:
    """LIM-4: a client that comes again and again cannot have more handlers than the server allows."""
    running = serve(max_in_flight_total=4)
    for round in range(4):
        peer = running.connect()
        peer.send(access_request("slow", id=round))
        running.server.wait_seen(round + 1)
        peer.reset()
        running.wait_stats(reset=round + 1)
    late = running.connect()
    request = access_request(id=99)
    late.send(request)
    assert running.wait_stats(requests_waiting=1)["requests_in_flight"] == 4
    running.open_gate()
    check_response(late.receive(), request)
    until(lambda: running.stats()["replies_discarded"] == 4)


# --- max_output, write_timeout ---


class Chatty(CoAServer):
    """Replies of about 4000 octets."""

    async def answer(self, packet: Any, **attributes: Any) -> Any:
        self.note(packet)
        reply = packet.create_reply()
        reply[REPLY_MESSAGE] = [b"x" * 253] * 15
        return reply


# Replies to all of these are more than the largest send buffer holds (4 MiB on Linux, as it comes).
MANY = {
    **{(ACCESS_ACCEPT, id): access_request(id=id) for id in range(256)},
    **{(ACCOUNTING_RESPONSE, id): accounting_request(id=id) for id in range(256)},
    **{(COA_ACK, id): coa_request(id=id) for id in range(256)},
    **{(DISCONNECT_ACK, id): disconnect_request(id=id) for id in range(256)},
}


def connect_deaf(running: Running[Any], **kwargs: Any) -> Peer:
    """A peer that has sent MANY requests, and whose replies are stuck since it has not read one."""
    peer = running.connect(receive_buffer=4096, **kwargs)
    peer.send(*MANY.values())
    until(lambda: is_stuck(running), "output that is stuck")
    return peer


def is_stuck(running: Running[Any]) -> bool:
    """Whether handlers have ended whose replies are neither sent nor given up, and nothing goes on."""
    before = running.stats()
    running.server.wait_seen(before["requests_to_python"])
    running.run(_turns())
    after = running.stats()
    return after["requests_in_flight"] > 0 and before["octets_sent"] == after["octets_sent"]


async def _turns() -> None:
    await asyncio.sleep(0.02)


def read_replies(peer: Peer, waiting: dict[tuple[int, int], bytes], num: int) -> None:
    """Reads `num` replies and takes their requests out of `waiting`."""
    for _ in range(num):
        reply = peer.receive()
        check_response(reply, waiting.pop((reply[0], reply[1])))


def test_a_peer_that_never_reads_is_closed(serve: Serve) -> None:
    """LIM-5, LIM-4: and everything that it held is free again."""
    running = serve(Chatty, max_output=32768, write_timeout=1.0)
    other = running.connect()
    connect_deaf(running)
    assert other.ask(access_request()).code == 2  # nobody else is held up
    assert running.wait_stats(write_timeout=1)["connections_open"] == 1
    (record,) = running.log.wait("does not read its replies")
    assert record.levelname == "WARNING"
    until(lambda: running.stats()["requests_in_flight"] == 0, "the slots of the dead connection")
    other.probe()


def test_a_peer_that_never_reads_and_then_resets(serve: Serve) -> None:
    """LIM-4: whatever the connection dies of, its slots come back."""
    running = serve(Chatty, max_output=32768, write_timeout=None)
    connect_deaf(running).reset()
    until(lambda: running.stats()["requests_in_flight"] == 0, "the slots of the dead connection")
    until(lambda: running.stats()["connections_open"] == 0, "its end")


def test_a_peer_that_never_reads_does_not_hold_stop_up(serve: Serve) -> None:
    """LIM-5."""
    running = serve(Chatty, max_output=32768, write_timeout=None)
    connect_deaf(running)
    running.run(running.server.stop(SHORT))


def test_a_peer_that_never_reads_costs_bounded_memory(serve: Serve) -> None:
    """LIM-5, LIM-4: with more and more requests, what the server holds for it does not grow."""
    running = serve(Chatty, max_output=65536, write_timeout=None)
    running.stop_grace = 0
    peer = connect_deaf(running)
    more = peer.seal(*(access_request(id=id % 256) for id in range(2000)))
    # What was accepted fills the read-ahead at most; from then on the rest stays in TCP.
    sender = threading.Thread(target=_send_and_give_up, args=(peer, more))
    sender.start()
    until(lambda: is_quiet(running), "the end of reading")
    stats, memory = running.stats(), resident()
    assert stats["requests_in_flight"] <= 256
    assert stats["requests_waiting"] * 46 <= READ_AHEAD + 4096
    sender.join(10)
    until(lambda: is_quiet(running), "the end of reading")
    assert resident() - memory < 2**20


def _send_and_give_up(peer: Peer, octets: bytes) -> None:
    peer.sock.settimeout(1)
    with contextlib.suppress(TimeoutError, OSError):
        peer.sock.sendall(octets)


def is_quiet(running: Running[Any]) -> bool:
    """Whether the server neither receives nor sends."""
    before = running.stats()
    running.run(_turns())
    after = running.stats()
    return all(before[name] == after[name] for name in ("octets_received", "octets_sent"))


def resident() -> int:
    """Octets of this process in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def test_a_peer_that_reads_again_gets_everything(serve: Serve) -> None:
    """LIM-5: what is due waits, it is not dropped."""
    running = serve(Chatty, max_output=32768, write_timeout=None)
    for _ in range(4):  # how much the socket takes each time is the kernel's secret
        with connect_deaf(running) as peer:
            waiting = dict(MANY)
            read_replies(peer, waiting, len(MANY))
            assert not waiting
            peer.probe()


def test_a_slow_reader_is_no_dead_one(serve: Serve) -> None:
    """LIM-5: write_timeout is without progress; who reads a little now and then stays."""
    running = serve(Chatty, max_output=32768, write_timeout=0.8)
    peer = connect_deaf(running)
    waiting = dict(MANY)
    for _ in range(10):
        # A slow reader is what this is about. Windows open in large steps: it takes some octets for one.
        time.sleep(0.2)
        read_replies(peer, waiting, 40)
    assert running.stats()["write_timeout"] == 0
    read_replies(peer, waiting, len(waiting))
    peer.probe()


def test_output_does_not_count_as_idle(serve: Serve) -> None:
    """LIM-2, LIM-5: while replies wait for the peer to read, connection_read_timeout does not run."""
    running = serve(Chatty, max_output=32768, write_timeout=None, connection_read_timeout=SHORT)
    peer = connect_deaf(running)
    time.sleep(3 * SHORT)  # for what must not happen
    assert running.stats()["idle_timeout"] == 0
    waiting = dict(MANY)
    read_replies(peer, waiting, len(MANY))
    assert peer.receive_rest() == []
    assert peer.end == "close_notify"
