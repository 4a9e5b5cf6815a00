"""Requests in flight: identifiers, order, duplicates, and replies that come too late (PKT-11, PKT-12, PKT-13)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from serving import CoAServer, LoopFactory, Running, Server

from pyradsec.server import RemoteHost
from wire import (
    ACCESS_REQUEST,
    ACCOUNTING_REQUEST,
    COA_REQUEST,
    DISCONNECT_REQUEST,
    PROXY_STATE,
    SECRET,
    STATUS_SERVER,
    USER_NAME,
    Peer,
    access_request,
    accounting_request,
    check_response,
    request,
)

Serve = Callable[..., Running[Any]]

ALL = [ACCESS_REQUEST, ACCOUNTING_REQUEST, STATUS_SERVER, DISCONNECT_REQUEST, COA_REQUEST, 99]


class Held(Server):
    """Every Access-Request waits until let_go() names its identifier."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.events: dict[int, asyncio.Event] = {}

    async def handle_access_request(self, packet: Any) -> Any:
        event = self.events.setdefault(packet.id, asyncio.Event())
        self.note(packet)
        await event.wait()
        return packet.create_reply(Reply_Message=packet["User-Name"][0])

    def let_go(self, id: int) -> None:
        """Its reply is on the way when the next callback of the loop runs."""
        self.events.pop(id).set()


# --- Proxy-State ---

STATES = [b"first", b"", b"second", b"first", b"\x00\xff"]
BETWEEN = [(PROXY_STATE, STATES[0]), (USER_NAME, b"bob"), *((PROXY_STATE, state) for state in STATES[1:])]


@pytest.mark.parametrize("ma", [True, False], ids=["signed", "unsigned"])
@pytest.mark.parametrize("code", ALL)
@pytest.mark.parametrize("server", [Server, CoAServer])
def test_pkt11_proxy_state_is_copied_in_order(serve: Serve, server: Any, code: int, ma: bool) -> None:
    """All of it, into the replies of handlers and into those that are made in C."""
    peer = serve(server, unknown_code="protocol-error").connect()
    reply = peer.ask(request(code, BETWEEN, id=7, ma=ma or code == STATUS_SERVER))
    assert reply.values(PROXY_STATE) == STATES


def test_pkt11_a_handler_that_sets_proxy_state_has_the_last_word(serve: Serve) -> None:
    class Own(Server):
        async def handle_access_request(self, packet: Any) -> Any:
            reply = packet.create_reply(Reply_Message="x")
            assert PROXY_STATE not in reply  # create_reply() leaves it to the server
            reply[PROXY_STATE] = [b"own"]
            return reply

    assert serve(Own).connect().ask(request(ACCESS_REQUEST, BETWEEN)).values(PROXY_STATE) == [b"own"]


# --- 256 at a time ---


@pytest.mark.parametrize("order", ["forwards", "backwards", "mixed"])
def test_pkt12_256_in_flight_and_replies_in_any_order(serve: Serve, loop_factory: LoopFactory, order: str) -> None:
    """They leave in the order in which the handlers end, whatever the order of the requests."""
    running = serve(Held, loop_factory=loop_factory)
    peer = running.connect()
    requests = [access_request(f"user{id}", id=id) for id in range(256)]
    peer.send(*requests)
    running.server.wait_seen(256)
    assert running.stats()["requests_in_flight"] == 256
    ids = {"forwards": range(256), "backwards": range(255, -1, -1), "mixed": [id * 167 % 256 for id in range(256)]}
    for id in ids[order]:
        running.call(running.server.let_go, id)
        reply = check_response(peer.receive(), requests[id])
        assert (reply.id, reply.message) == (id, f"user{id}")
    assert running.stats()["requests_in_flight"] == 0
    peer.probe()


def test_pkt12_a_slow_handler_holds_nobody_up(serve: Serve, loop_factory: LoopFactory) -> None:
    running = serve(loop_factory=loop_factory)
    peer = running.connect()
    slow = access_request("slow", id=0)
    peer.send(slow)
    for id in range(1, 50):
        assert peer.ask(access_request("quick", id=id)).message == "Hello quick"
    running.open_gate()
    assert check_response(peer.receive(), slow).message == "Hello slow"


# --- the same identifier ---


def test_pkt12_a_duplicate_runs_no_second_handler(running: Running[Server], peer: Peer) -> None:
    slow = access_request("slow", id=9)
    peer.send(slow, slow, slow)
    peer.send_packed(slow, slow)
    peer.probe()
    assert running.stats()["duplicates"] == 4
    running.open_gate()
    assert check_response(peer.receive(), slow).message == "Hello slow"
    peer.probe()  # and nothing came before its answer
    assert running.server.seen == [(ACCESS_REQUEST, 9, "slow")]


def test_pkt12_a_duplicate_of_one_that_waits_for_a_slot(serve: Serve) -> None:
    running = serve(max_in_flight=1)
    peer = running.connect()
    slow, waiting = access_request("slow", id=1), access_request("bob", id=2)
    peer.send(slow, waiting, waiting)
    peer.probe()
    assert running.stats()["duplicates"] == 1
    running.open_gate()
    assert set(peer.collect([slow, waiting])) == {1, 2}
    peer.probe()
    assert [name for _, _, name in running.server.seen] == ["slow", "bob"]


def test_pkt12_sent_again_after_its_reply_it_is_a_request_of_its_own(running: Running[Server], peer: Peer) -> None:
    packet = access_request("bob", id=9)
    peer.ask(packet)
    peer.ask(packet)
    assert len(running.server.seen) == 2
    assert running.stats()["duplicates"] == 0


@pytest.mark.parametrize("code", [ACCOUNTING_REQUEST, COA_REQUEST, DISCONNECT_REQUEST])
def test_pkt12_the_code_is_part_of_the_key(serve: Serve, code: int) -> None:
    """One identifier for two codes is two requests (their authenticators differ, and need not)."""
    running = serve(CoAServer)
    peer = running.connect()
    slow = access_request("slow", id=9)
    peer.send(slow)
    other = request(code, [(USER_NAME, b"bob")], id=9, authenticator=slow[4:20])
    assert peer.ask(other).id == 9
    running.open_gate()
    assert check_response(peer.receive(), slow).message == "Hello slow"
    assert running.stats()["superseded"] == 0


def test_pkt12_connections_have_identifiers_of_their_own(running: Running[Server]) -> None:
    one, two = running.connect(), running.connect()
    slow = access_request("slow", id=9)
    one.send(slow)
    two.send(slow)
    running.server.wait_seen(2)
    running.open_gate()
    assert check_response(one.receive(), slow).message == check_response(two.receive(), slow).message == "Hello slow"
    assert running.stats()["duplicates"] == 0


def test_pkt12_an_identifier_used_again_supersedes(serve: Serve) -> None:
    """The client gave the old request up: both handlers run, the new one's reply is sent."""
    running = serve(Held)
    server = running.server
    peer = running.connect()
    old = access_request("old", id=9)
    peer.send(old)
    server.wait_seen(1)
    old_event = running.call(server.events.pop, 9)
    new = access_request("new", id=9)
    peer.send(new)
    server.wait_seen(2)
    assert running.stats()["requests_in_flight"] == 2  # the old handler keeps its slot
    running.call(old_event.set)
    running.wait_stats(superseded=1)
    peer.probe()
    peer.send(new)  # still in flight, so a duplicate
    peer.probe()
    running.call(server.let_go, 9)
    assert check_response(peer.receive(), new).message == "new"
    peer.probe()
    stats = running.stats()
    assert (stats["superseded"], stats["duplicates"], stats["requests_in_flight"]) == (1, 1, 0)


def test_pkt12_superseded_after_the_new_one_was_answered(serve: Serve) -> None:
    running = serve(Held)
    peer = running.connect()
    peer.send(access_request("old", id=9))
    running.server.wait_seen(1)
    old_event = running.call(running.server.events.pop, 9)
    new = access_request("new", id=9)
    peer.send(new)
    running.server.wait_seen(2)
    running.call(running.server.let_go, 9)
    assert check_response(peer.receive(), new).message == "new"
    running.call(old_event.set)
    running.wait_stats(superseded=1)
    peer.probe()


# --- replies that come too late ---


@pytest.mark.parametrize("how", ["reset", "close"])
def test_pkt13_a_reply_after_the_connection_is_discarded(serve: Serve, loop_factory: LoopFactory, how: str) -> None:
    """Never on a successor, even from the same address and port, with the same request in flight."""
    # An address that nobody else uses: its ports stay free.
    everybody = {"127.0.0.0/8": RemoteHost("127.0.0.0", SECRET, "loopback")}
    running = serve(Held, loop_factory=loop_factory, hosts=everybody)
    server = running.server
    first = running.connect(source="127.83.71.1")
    port = first.local_port
    packet = access_request("bob", id=9)
    first.send(packet)
    server.wait_seen(1)
    old_event = running.call(server.events.pop, 9)
    if how == "reset":
        first.reset()
        running.wait_stats(reset=1)
    else:
        first.close_notify()
        first.reset()
        running.log.wait("connection reset by the peer")
    assert running.stats()["connections_open"] == 0
    second = running.connect(source="127.83.71.1", source_port=port)
    second.send(packet)
    server.wait_seen(2)
    running.call(old_event.set)
    running.wait_stats(replies_discarded=1)
    second.probe()
    running.call(server.let_go, 9)
    assert check_response(second.receive(), packet).message == "bob"
    second.probe()
    stats = running.stats()
    assert stats["replies_discarded"] == 1
    assert stats["duplicates"] == 0


def test_pkt13_what_waited_when_the_connection_died(serve: Serve) -> None:
    """Access-Requests are dropped, since nobody would read the answer; the others still run, to no reply."""
    running = serve(CoAServer, max_in_flight=1)
    peer = running.connect()
    peer.send(
        access_request("slow", id=1),
        access_request("bob", id=2),
        accounting_request("s3", id=3),
        access_request("eve", id=4),
        request(COA_REQUEST, [(USER_NAME, b"c5")], id=5),
        request(DISCONNECT_REQUEST, [(USER_NAME, b"d6")], id=6),
    )
    running.server.wait_seen(1)
    running.wait_stats(requests_waiting=5)
    peer.reset()
    running.wait_stats(reset=1)
    running.open_gate()
    running.server.wait_finished(4)
    assert [name for _, _, name in running.server.seen] == ["slow", "s3", "c5", "d6"]
    stats = running.wait_stats(replies_discarded=4)
    assert stats["requests_dropped"] == 2
    assert stats["requests_waiting"] == 0


def test_replies_are_sent_to_a_peer_that_has_said_goodbye(running: Running[Server], peer: Peer) -> None:
    """close_notify ends one direction: what was accepted is answered before ours (TLS-11)."""
    slow = [access_request("slow", id=id) for id in range(3)]
    peer.send(*slow)
    running.server.wait_seen(3)
    peer.close_notify()
    running.wait_stats(closed=1)
    running.open_gate()
    replies = peer.receive_rest()
    assert {reply[1] for reply in replies} == {0, 1, 2}
    for reply in replies:
        check_response(reply, slow[reply[1]])
    assert peer.end == "close_notify"
