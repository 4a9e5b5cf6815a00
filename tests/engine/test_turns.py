"""Who reads from the sockets: a second thread, or the event loop's own while little is going on. Nobody may notice."""

from __future__ import annotations

import asyncio
import threading

import pytest
from conftest import Serve
from serving import LoopFactory, Running, Server, until

from pyradsec.packet import Packet
from wire import Peer, access_request, accounting_request, status_server


class Busy(Server):
    """Its handle_accounting keeps the event loop's thread from everything else."""

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)
        self.is_busy = threading.Event()
        self.may_go_on = threading.Event()

    async def handle_accounting(self, packet: Packet) -> Packet:
        self.is_busy.set()
        assert self.may_go_on.wait(20)
        return packet.create_reply()


def ask_until_loop_driven(running: Running[Busy], peer: Peer) -> None:
    """Asks one request at a time until the event loop's thread serves them by itself."""
    before = running.stats()["turns_by_loop"]

    def ask() -> bool:
        for id in range(50):
            peer.ask(access_request(id=id))
        return running.stats()["turns_by_loop"] > before

    until(ask, "a turn by the event loop's thread")


def loop_factory(name: str) -> LoopFactory:
    return asyncio.new_event_loop if name == "asyncio" else pytest.importorskip("uvloop").new_event_loop  # type: ignore[no-any-return]


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_others_are_served_while_a_handler_blocks_the_loop(serve: Serve, loop: str) -> None:
    running = serve(Busy, loop_factory=loop_factory(loop))
    with running.connect() as peer, running.connect() as other:
        for _ in range(3):
            ask_until_loop_driven(running, peer)
            running.server.is_busy.clear()
            running.server.may_go_on.clear()
            request = accounting_request(id=1)
            peer.send(request)
            assert running.server.is_busy.wait(20)
            other.ask(status_server(id=2))
            running.server.may_go_on.set()
            peer.collect([request])


def test_a_client_that_goes_is_noticed(serve: Serve) -> None:
    running = serve(Busy)
    with running.connect() as other:
        with running.connect() as peer:
            ask_until_loop_driven(running, peer)
            peer.close()
        running.wait_stats(closed=1)
        ask_until_loop_driven(running, other)
        other.reset()
        running.wait_stats(reset=1)


def test_handlers_that_wait_are_answered_from_the_same_thread(serve: Serve) -> None:
    running = serve(Busy)
    running.server.may_go_on.set()
    with running.connect() as peer:
        ask_until_loop_driven(running, peer)
        requests = [access_request(id=id) for id in range(100)] + [accounting_request(id=id) for id in range(100, 120)]
        peer.send(*requests)
        assert len(peer.collect(requests)) == 120
        ask_until_loop_driven(running, peer)


@pytest.mark.parametrize("sending", ["packed", "apart"])
def test_half_of_a_connections_batch_is_answered_while_the_rest_is_served(serve: Serve, sending: str) -> None:
    running = serve(Busy)
    with running.connect() as peer:
        peer.ask(access_request(id=250))  # the batch is nothing but requests
        requests = [access_request(id=id) for id in range(31)] + [accounting_request(id=31)]
        if sending == "packed":
            peer.send_packed(*requests)
        else:
            peer.send(*requests)
        assert running.server.is_busy.wait(20)
        assert len(peer.collect(requests[:16])) == 16
        running.server.may_go_on.set()
        peer.collect(requests[16:])


def test_batches_of_every_length_are_answered_in_order(serve: Serve) -> None:
    running = serve(Server)
    with running.connect() as peer:
        for num in range(1, 70):
            requests = [access_request(id=id) for id in range(num)]
            peer.send_packed(*requests)
            assert [octets[1] for octets in peer.receive_many(num)] == list(range(num))
