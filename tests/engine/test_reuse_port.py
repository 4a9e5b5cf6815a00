"""reuse_port: several servers on one port, each on an event loop of its own."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Serve
from serving import Running

from wire import PeerGone, access_request, check_response

# The kernel chooses by addresses and ports: that all of so many connections meet the same one of two does not happen.
MOST_CONNECTIONS = 200


Sharing = tuple[Running[Any], Running[Any]]


@pytest.fixture
def sharing(serve: Serve) -> Sharing:
    """Two servers on one port."""
    first = serve(reuse_port=True)
    return first, serve(reuse_port=True, listen_port=first.address[1])


def connect_until(running: Running[Any], condition: Callable[[], bool]) -> int:
    """Opens connections to the port of `running`, and asks on each, until `condition` holds; how many."""
    for num in range(MOST_CONNECTIONS):
        if condition():
            return num
        with running.connect() as peer:
            request = access_request(f"user{num}", id=num % 256)
            peer.send(request)
            check_response(peer.receive(), request)
    raise AssertionError(f"not after {MOST_CONNECTIONS} connections")


def test_two_event_loops_share_the_connections_of_one_port(sharing: Sharing) -> None:
    first, second = sharing
    assert first.address == second.address
    assert first.loop is not second.loop
    num = connect_until(first, lambda: bool(first.server.seen and second.server.seen))
    stats = [running.stats() for running in (first, second)]
    assert sum(one["connections_accepted"] for one in stats) == num
    assert [one["access_requests"] for one in stats] == [len(one.server.seen) for one in (first, second)]
    assert sum(one["replies_sent"] for one in stats) == num


def test_when_one_stops_the_other_gets_every_new_connection(sharing: Sharing) -> None:
    first, second = sharing
    kept = connect_until(first, lambda: bool(second.server.seen))
    assert kept >= 1
    first.run(first.server.stop())
    before = len(second.server.seen)
    connect_until(second, lambda: len(second.server.seen) == before + 20)
    assert second.stats()["requests_to_python"] == before + 20


def test_connections_of_the_others_do_not_notice_that_one_stops(sharing: Sharing) -> None:
    first, second = sharing
    peers = [second.connect() for _ in range(20)]
    for number, peer in enumerate(peers):
        peer.ask(access_request("before", id=number))
    first.run(first.server.stop())
    left = second.stats()["connections_open"]
    num_answered = 0
    for number, peer in enumerate(peers):
        with contextlib.suppress(PeerGone, ConnectionError):
            peer.ask(access_request("after", id=100 + number))
            num_answered += 1
    assert num_answered == left


@pytest.mark.parametrize(("has_first", "has_second"), [(False, False), (False, True), (True, False)])
def test_only_those_that_all_ask_for_it(serve: Serve, has_first: bool, has_second: bool) -> None:
    """A second server started by mistake still finds the port in use."""
    first = serve(reuse_port=has_first)
    with pytest.raises(OSError, match=f"127.0.0.1 port {first.address[1]}") as caught:
        serve(reuse_port=has_second, listen_port=first.address[1])
    assert caught.value.errno == errno.EADDRINUSE
    first.connect().ask(access_request())


def test_port_0_is_a_port_of_its_own_each_time(serve: Serve) -> None:
    ports = [serve(reuse_port=True).address[1] for _ in range(5)]
    assert len(set(ports)) == 5


def test_several_addresses(serve: Serve) -> None:
    addresses = ["127.0.0.1", "127.0.0.2"]
    first = serve(listen_address=addresses, reuse_port=True)
    second = serve(listen_address=addresses, reuse_port=True, listen_port=first.address[1])
    assert first.server.addresses == second.server.addresses == [(one, first.address[1]) for one in addresses]
    connect_until(first, lambda: bool(first.server.seen and second.server.seen))
