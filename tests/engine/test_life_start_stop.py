"""From start() to stop(), on one loop, on several, and in what order people call them."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
import socket
import threading
from collections.abc import Coroutine
from typing import Any

import pytest
from conftest import Serve
from serving import LoopFactory, Running, Server, logged, nothing_left, settings_for_tests, until

from wire import Peer, PeerGone, access_request, accounting_request, check_response


def make(**settings: Any) -> Server:
    return Server(**settings_for_tests(**settings))


def run(main: Coroutine[Any, Any, Any], loop_factory: LoopFactory | None = None) -> Any:
    """asyncio.run() with a deadline, after which nothing may be left over."""
    with nothing_left(), asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(asyncio.wait_for(main, 20))


async def ask(address: tuple[str, int], request: bytes | None = None, **kwargs: Any) -> int:
    """The code of the reply to one request on a connection of its own."""

    def exchange() -> int:
        with Peer(address, **kwargs) as peer:
            return peer.ask(request or access_request()).code

    return await asyncio.to_thread(exchange)


# --- addresses ---


@pytest.mark.parametrize(
    ("listen_address", "expected"),
    [
        ("127.0.0.1", ["127.0.0.1"]),
        ("::1", ["::1"]),
        ("0.0.0.0", ["0.0.0.0"]),
        ("::", ["::"]),
        (None, ["0.0.0.0", "::"]),
        ("", ["0.0.0.0", "::"]),
        (["127.0.0.1", "::1"], ["127.0.0.1", "::1"]),
        (("127.0.0.1", "127.0.0.2", "127.0.0.3"), ["127.0.0.1", "127.0.0.2", "127.0.0.3"]),
        (["127.0.0.1", "127.0.0.1"], ["127.0.0.1"]),
        (["0.0.0.0", "::"], ["0.0.0.0", "::"]),
        ([""], ["0.0.0.0", "::"]),
    ],
)
def test_addresses(listen_address: Any, expected: list[str]) -> None:
    """Port 0 with several addresses gives one common port, and all of them serve."""

    async def main() -> None:
        server = make(listen_address=listen_address, hosts={"0.0.0.0": settings_for_tests()["hosts"]["127.0.0.1"]})
        assert server.addresses == []
        async with server:
            assert [address for address, _ in server.addresses] == expected
            (port,) = {port for _, port in server.addresses}
            assert port > 0
            for address in expected:
                assert await ask(({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address), port)) == 2
        assert server.addresses == []

    run(main())


def test_a_name() -> None:
    async def main() -> None:
        async with make(listen_address="localhost") as server:
            found = {info[4][0] for info in socket.getaddrinfo("localhost", None, type=socket.SOCK_STREAM)}
            assert {address for address, _ in server.addresses} == found

    run(main())


def test_addresses_is_a_copy() -> None:
    async def main() -> None:
        async with make() as server:
            server.addresses.clear()
            assert len(server.addresses) == 1

    run(main())


def test_ipv6_any_is_ipv6_only() -> None:
    """As in asyncio: "0.0.0.0" can stand beside it."""

    async def main() -> None:
        async with make(listen_address="::") as six:
            port = six.addresses[0][1]
            with pytest.raises(ConnectionRefusedError):
                await ask(("127.0.0.1", port))
            async with make(listen_address="0.0.0.0", listen_port=port) as four:
                assert four.addresses == [("0.0.0.0", port)]
                assert await ask(("127.0.0.1", port)) == 2

    run(main())


def test_a_port_in_use_is_told_with_the_address() -> None:
    async def main() -> None:
        async with make() as first:
            port = first.addresses[0][1]
            second = make(listen_port=port)
            with pytest.raises(OSError, match=rf"127\.0\.0\.1 port {port}") as caught:
                await second.start()
            assert caught.value.errno == errno.EADDRINUSE
            assert second.addresses == []
            await first.stop()
            async with second:  # a failed start() leaves nothing behind
                assert await ask(second.addresses[0]) == 2

    run(main())


def test_one_of_several_addresses_in_use_frees_the_others() -> None:
    async def main() -> None:
        async with make(listen_address="127.0.0.2") as first:
            port = first.addresses[0][1]
            with pytest.raises(OSError, match=rf"127\.0\.0\.2 port {port}"):
                await make(listen_address=["127.0.0.1", "127.0.0.2"], listen_port=port).start()
            async with make(listen_port=port):
                pass

    run(main())


@pytest.mark.parametrize(
    ("listen_address", "expected", "words"),
    [
        ("no-such-name.invalid", OSError, "no-such-name.invalid"),
        ("127.0.0.300", OSError, "127.0.0.300"),
        ("192.0.2.1", OSError, r"192\.0\.2\.1"),  # RFC 5737: an address that no interface has
        (["127.0.0.1", "2001:db8::1"], OSError, "2001:db8::1"),
        ([], ValueError, "listen_address"),
    ],
)
def test_an_address_that_cannot_be_listened_on_is_told(
    listen_address: Any, expected: type[Exception], words: str
) -> None:
    server = make(listen_address=listen_address)

    async def main() -> None:
        with pytest.raises(expected, match=words):
            await server.start()

    run(main())
    assert server.addresses == []


@pytest.mark.parametrize("port", [-1, 65536, 70000, "radsec-no-such", 1.5])
def test_a_port_out_of_range_is_refused(port: Any) -> None:
    """And not taken modulo 65536."""

    async def main() -> None:
        with pytest.raises((OSError, ValueError, TypeError), match="port|Servname"):
            async with make(listen_port=port):
                pass

    run(main())


# --- calling order ---


def test_start_twice() -> None:
    async def main() -> None:
        async with make() as server:
            with pytest.raises(RuntimeError, match="running"):
                await server.start()
            assert await ask(server.addresses[0]) == 2

    run(main())


def test_stop_and_wait_closed_before_start() -> None:
    async def main() -> None:
        server = make()
        await server.stop()
        await server.wait_closed()
        assert server.addresses == []

    run(main())


def test_stop_twice_and_start_again(loop_factory: LoopFactory) -> None:
    async def main() -> None:
        server = make()
        for round in range(3):
            await server.start()
            assert await ask(server.addresses[0]) == 2
            assert server.stats()["access_requests"] == 1, f"counters begin anew, round {round}"
            await server.stop()
            await server.stop()
            await server.wait_closed()

    run(main(), loop_factory)


def test_stop_by_several_at_once() -> None:
    async def main() -> None:
        server = make()
        await server.start()
        waiting = asyncio.create_task(server.wait_closed())
        await asyncio.gather(*(server.stop() for _ in range(5)))
        await waiting
        assert server.addresses == []

    run(main())


def test_a_server_can_be_started_on_another_loop_once_it_was_stopped(loop_factory: LoopFactory) -> None:
    server = make()

    async def main() -> None:
        async with server:
            assert await ask(server.addresses[0]) == 2

    for _ in range(3):
        run(main(), loop_factory)


def test_stop_on_another_loop() -> None:
    async def main() -> None:
        async with make() as server:

            def elsewhere() -> None:
                with pytest.raises(RuntimeError, match="another event loop"):
                    asyncio.run(server.stop())

            await asyncio.to_thread(elsewhere)
            assert await ask(server.addresses[0]) == 2

    run(main())


def test_start_without_a_loop() -> None:
    server = make()
    with pytest.raises(RuntimeError):
        server.start().send(None)
    assert server.addresses == []


def test_several_servers_on_one_loop(loop_factory: LoopFactory) -> None:
    async def main() -> None:
        servers = [make() for _ in range(4)]
        for server in servers:
            await server.start()
        assert len({server.addresses[0] for server in servers}) == 4
        assert await asyncio.gather(*(ask(server.addresses[0]) for server in servers)) == [2] * 4
        await servers[0].stop()
        assert await asyncio.gather(*(ask(server.addresses[0]) for server in servers[1:])) == [2] * 3
        for server in servers:
            await server.stop()

    run(main(), loop_factory)


def test_several_servers_on_loops_of_their_own() -> None:
    """In one process: each has its own thread, and none knows of the others."""
    barrier = threading.Barrier(3, timeout=10)
    addresses: list[tuple[str, int]] = []

    async def main() -> None:
        async with make() as server:
            addresses.append(server.addresses[0])
            await asyncio.to_thread(barrier.wait)
            assert await asyncio.gather(*(ask(address) for address in addresses)) == [2] * 3
            await asyncio.to_thread(barrier.wait)
            assert server.stats()["access_requests"] == 3

    with nothing_left():
        threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert not barrier.broken
    assert len(addresses) == 3


def test_async_with_stops_after_an_exception() -> None:
    async def main() -> None:
        server = make()

        async def fail() -> None:
            async with server:
                addresses.extend(server.addresses)
                raise ZeroDivisionError

        addresses: list[tuple[str, int]] = []
        with pytest.raises(ZeroDivisionError):
            await fail()
        with pytest.raises(ConnectionRefusedError):
            await ask(addresses[0])

    run(main())


# --- run() ---


def test_run_returns_normally_when_it_is_cancelled(loop_factory: LoopFactory) -> None:
    """With clients connected and handlers that would run for ever, it ends at once all the same."""

    async def main() -> None:
        server = make()
        running = asyncio.create_task(server.run())
        while not server.addresses:
            await asyncio.sleep(0)
        with await asyncio.to_thread(Peer, server.addresses[0]) as peer:
            peer.send(access_request("slow"))
            await asyncio.to_thread(server.wait_seen, 1)
            began = asyncio.get_running_loop().time()
            running.cancel()
            await running
            assert asyncio.get_running_loop().time() - began < 1.0
            assert not running.cancelled()
            assert await asyncio.to_thread(peer.receive_rest) == []
            assert peer.end == "close_notify"  # TLS-11

    run(main(), loop_factory)


def test_run_ends_when_somebody_stops_the_server() -> None:
    async def main() -> None:
        server = make()
        running = asyncio.create_task(server.run())
        while not server.addresses:
            await asyncio.sleep(0)
        await server.stop()
        await running

    run(main())


def test_run_fails_as_start_does() -> None:
    async def main() -> None:
        with pytest.raises(OSError, match="no-such-name"):
            await make(listen_address="no-such-name.invalid").run()

    run(main())


# --- stop() ---


def test_stop_lets_handlers_finish_and_sends_their_replies(loop_factory: LoopFactory) -> None:
    """TLS-11: replies, close_notify, FIN."""

    async def main() -> None:
        server = make()
        await server.start()
        address = server.addresses[0]
        with await asyncio.to_thread(Peer, address) as peer:
            requests = [access_request("slow", id=1), accounting_request("slow", id=2)]
            peer.send(*requests)
            await asyncio.to_thread(server.wait_seen, 2)
            stopping = asyncio.create_task(server.stop(grace=10))
            with contextlib.suppress(ConnectionRefusedError):
                while not stopping.done():  # nobody new is let in; who was in the kernel's queue is sent away
                    with contextlib.suppress(ConnectionResetError, BrokenPipeError, PeerGone):
                        assert await ask(address) == 0, "a new connection was served"
            assert not stopping.done()
            server.gate.set()
            await stopping
            replies = await asyncio.to_thread(peer.receive_rest)
            assert peer.end == "close_notify"
            for reply in replies:
                check_response(reply, requests[reply[1] - 1])
            assert len(replies) == 2
            await asyncio.to_thread(peer.wait_fin)

    run(main(), loop_factory)


def test_stop_answers_what_waits_for_a_slot_too(serve: Serve) -> None:
    """LIM-4: accepted is accepted."""
    running = serve(max_in_flight=1)
    peer = running.connect()
    requests = [access_request("slow", id=id) for id in range(20)]
    peer.send(*requests)
    running.wait_stats(requests_waiting=19)
    stopping = asyncio.run_coroutine_threadsafe(running.server.stop(10), running.loop)
    running.open_gate()
    stopping.result(10)
    assert [reply[1] for reply in peer.receive_rest()] == list(range(20))
    assert peer.end == "close_notify"


def test_handlers_that_outlive_the_grace_are_cancelled(serve: Serve) -> None:
    running = serve()
    peer = running.connect()
    peer.send(access_request("slow", id=1), access_request("slow", id=2))
    running.server.wait_seen(2)
    running.run(running.server.stop(0.1))
    assert len(running.server.finished) == 2  # their `finally` ran
    assert peer.receive_rest() == []
    assert peer.end == "close_notify"


def test_a_second_stop_shortens_the_grace(serve: Serve) -> None:
    running = serve()
    peer = running.connect()
    peer.send(access_request("slow"))
    running.server.wait_seen(1)
    slow = asyncio.run_coroutine_threadsafe(running.server.stop(1000), running.loop)
    with pytest.raises(TimeoutError):
        slow.result(0.1)
    running.run(running.server.stop(0))
    slow.result(10)


def test_a_second_stop_does_not_lengthen_the_grace(serve: Serve) -> None:
    running = serve()
    peer = running.connect()
    peer.send(access_request("slow"))
    running.server.wait_seen(1)
    first = asyncio.run_coroutine_threadsafe(running.server.stop(0.2), running.loop)
    second = asyncio.run_coroutine_threadsafe(running.server.stop(1000), running.loop)
    first.result(5)
    second.result(5)


@pytest.mark.parametrize("grace", [math.inf, 1e12, 1e300])
def test_a_grace_without_end(serve: Serve, grace: float) -> None:
    running = serve()
    peer = running.connect()
    request = access_request("slow")
    peer.send(request)
    running.server.wait_seen(1)
    stopping = asyncio.run_coroutine_threadsafe(running.server.stop(grace), running.loop)
    with pytest.raises(TimeoutError):
        stopping.result(0.2)
    running.open_gate()
    stopping.result(10)
    (reply,) = peer.receive_rest()
    check_response(reply, request)


@pytest.mark.parametrize("grace", [0, -1, -math.inf])
def test_no_grace(serve: Serve, grace: float) -> None:
    running = serve()
    peer = running.connect()
    peer.send(access_request("slow"))
    running.server.wait_seen(1)
    running.run(running.server.stop(grace))
    assert peer.receive_rest() == []
    assert peer.end == "close_notify"


def test_a_handler_that_refuses_to_be_cancelled_does_not_hold_stop_up(serve: Serve) -> None:
    class Stubborn(Server):
        async def answer(self, packet: Any, **attributes: Any) -> Any:
            self.note(packet)
            while not self.gate.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    await self.gate.wait()
            return packet.create_reply()

    running = serve(Stubborn)
    peer = running.connect()
    peer.send(access_request())
    running.server.wait_seen(1)
    running.run(running.server.stop(0))
    (record,) = running.log.wait("do not end although they were cancelled")
    assert record.levelname == "ERROR"
    running.open_gate()


def test_cancelling_stop_leaves_a_server_that_can_be_stopped(serve: Serve) -> None:
    running = serve()
    peer = running.connect()
    peer.send(access_request("slow"))
    running.server.wait_seen(1)

    async def impatient() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await running.server.stop(1000)
        await running.server.stop(0)

    running.run(impatient())
    assert running.server.addresses == []


def test_idle_peers_get_close_notify_at_stop(serve: Serve) -> None:
    """TLS-11."""
    running = serve()
    peers = [running.connect() for _ in range(20)]
    for peer in peers:
        peer.probe()
    half_open = Peer(running.address, handshake=False)
    running.peers.append(half_open)
    running.wait_stats(connections_half_open=1)
    running.run(running.server.stop())
    for peer in peers:
        assert peer.receive_rest() == []
        assert peer.end == "close_notify"
        peer.wait_fin()
    assert half_open.sock.recv(1) == b""


# --- stop() in a handler ---


class Suicidal(Server):
    """Stops itself when "stop" asks for it: at once, or once it was suspended."""

    suspends_first = False
    stopped = 0

    async def answer(self, packet: Any, **attributes: Any) -> Any:
        if self.note(packet) == "stop":
            if self.suspends_first:
                await asyncio.sleep(0)
            await self.stop(5)
            self.stopped += 1
        elif packet["User-Name"][0].startswith("slow"):
            await self.gate.wait()
        return packet.create_reply()


@pytest.mark.parametrize("suspends_first", [False, True])
def test_stop_inside_a_handler(serve: Serve, suspends_first: bool) -> None:
    """It does not wait for the handler that calls it, and waits for the others."""
    running = serve(Suicidal)
    running.server.suspends_first = suspends_first
    peer = running.connect()
    slow = access_request("slow", id=1)
    peer.send(slow)
    running.server.wait_seen(1)
    peer.send(access_request("stop", id=2))
    running.server.wait_seen(2)
    running.open_gate()
    (reply,) = peer.receive_rest()
    check_response(reply, slow)
    assert peer.end == "close_notify"
    until(lambda: running.server.stopped == 1, "the handler's end")
    assert running.server.addresses == []


def test_stop_inside_several_handlers(serve: Serve) -> None:
    running = serve(Suicidal)
    peer = running.connect()
    peer.send(*(access_request("stop", id=id) for id in range(5)))
    peer.receive_rest()
    assert peer.end == "close_notify"
    until(lambda: running.server.stopped == len(running.server.seen) > 0, "the handlers' end")


# --- clients at the end ---


def test_connecting_and_stopping_at_once(serve: Serve) -> None:
    """Clients that come while the server goes get an answer or an end, and leave nothing behind."""
    for _ in range(5):
        running = serve()
        errors: list[BaseException] = []

        def visit(running: Running[Any] = running, errors: list[BaseException] = errors) -> None:
            try:
                while True:
                    with Peer(running.address) as peer:
                        peer.ask(access_request())
            except (OSError, PeerGone):
                pass
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=visit) for _ in range(4)]
        for thread in threads:
            thread.start()
        running.wait_stats(access_requests=4)
        running.run(running.server.stop())
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive()
        assert not errors


def test_serving_is_told_at_info() -> None:
    async def main() -> None:
        async with make(listen_address=["127.0.0.1", "::1"]) as server:
            port = server.addresses[0][1]
            (record,) = log.find("serving RADIUS/TLS")
            assert record.levelname == "INFO"
            assert record.getMessage().endswith(f"127.0.0.1 port {port}, ::1 port {port}")

    with logged() as log:
        run(main())
