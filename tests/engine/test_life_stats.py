"""stats(): what it counts, and that its keys can be relied upon."""

from __future__ import annotations

from typing import Any

from conftest import Serve
from serving import Server, serving, settings_for_tests, until

from pyradsec.radsec.server import RadSecServer
from wire import Peer, access_request, accounting_request, coa_request, disconnect_request, request, status_server

GAUGES = ("connections_open", "connections_half_open", "requests_in_flight", "requests_waiting")


def test_a_plain_dict_of_ints_with_stable_keys() -> None:
    """Before the first start, while it runs, after the end, and again."""
    server = RadSecServer(**settings_for_tests())
    before = server.stats()
    assert type(before) is dict
    assert all(type(name) is str and type(value) is int for name, value in before.items())
    assert set(before.values()) == {0}
    for _ in range(2):
        with serving(lambda **_: server) as running:
            during = running.stats()
            assert list(during) == list(before)
            assert all(type(value) is int for value in during.values())
            running.connect().probe()
        after = server.stats()
        assert list(after) == list(before)
        assert after["status_requests"] == 1
        assert [after[name] for name in GAUGES] == [0] * len(GAUGES)


def test_stats_is_a_copy(serve: Serve) -> None:
    running = serve()
    running.stats().clear()
    assert running.stats()


def test_a_stopped_server_keeps_its_last_counters() -> None:
    with serving() as running:
        peer = running.connect()
        for id in range(3):
            peer.ask(access_request(id=id))
    assert running.server.stats()["access_requests"] == 3
    assert running.server.stats()["replies_sent"] == 3


def test_every_packet_has_its_counter(serve: Serve) -> None:
    running = serve()
    peer = running.connect()
    unknown = request(13, id=9)
    packets = [
        access_request(id=1),
        access_request(id=2),
        accounting_request(id=3),
        coa_request(id=4),
        disconnect_request(id=5),
        status_server(id=6),
    ]
    peer.send(unknown, *packets)
    peer.collect(packets)
    stats = running.wait_stats(replies_sent=6)
    expected = {
        "connections_accepted": 1,
        "connections_open": 1,
        "connections_half_open": 0,
        "handshakes_completed": 1,
        "packets_received": 7,
        "access_requests": 2,
        "accounting_requests": 1,
        "coa_requests": 1,
        "disconnect_requests": 1,
        "status_requests": 1,
        "unknown_code": 1,
        "answered_here": 3,
        "requests_to_python": 3,
        "requests_in_flight": 0,
        "replies_sent": 6,
        "connected": 1,
        "closed": 0,
    }
    assert {name: stats[name] for name in expected} == expected
    assert stats["octets_received"] > sum(map(len, packets))
    assert stats["octets_sent"] > 6 * 20
    assert stats["receive_calls"] > 0
    assert stats["send_calls"] > 0
    peer.close()
    until(lambda: running.stats()["closed"] == 1)
    until(lambda: running.stats()["connections_open"] == 0)


def test_handlers_that_fail_are_counted(serve: Serve) -> None:
    class Failing(Server):
        async def answer(self, packet: Any, **attributes: Any) -> Any:
            if packet.id == 1:
                raise RuntimeError("no")
            if packet.id == 2:
                return None
            return await super().answer(packet)

    running = serve(Failing)
    peer = running.connect()
    packets = [access_request("slow", id=id) for id in range(4)]
    peer.send(*packets)
    stats = running.wait_stats(handler_errors=1, handler_no_replies=1, handlers_suspended=2, no_replies=2)
    assert stats["requests_in_flight"] == 2
    running.open_gate()
    peer.collect([packets[0], packets[3]])
    assert running.stats()["replies_sent"] == 2


def test_several_servers_count_for_themselves(serve: Serve) -> None:
    with serving() as first:
        first.connect().ask(access_request())
        assert first.stats()["access_requests"] == 1
    with serving() as second:
        with Peer(second.address) as peer:
            peer.probe()
        assert second.stats()["access_requests"] == 0
    assert first.server.stats()["access_requests"] == 1
