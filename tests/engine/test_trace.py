"""The wire trace of a running server: requests as they came, replies with the digests that they go out with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from serving import Running, Server

from pyradsec import _core
from pyradsec.packet import AuthPacket
from wire import access_request, status_server

Serve = Callable[..., Running[Any]]


class Shown(NamedTuple):
    """What the trace was shown. Not the packet, which would keep its peer."""

    way: str
    code: int
    user: Any
    address: str | None
    octets: bytes
    thread: int


@pytest.fixture
def traced() -> Iterator[list[Shown]]:
    """Whatever is shown to the trace."""
    seen: list[Shown] = []

    def show(way: str, packet: Any, octets: bytes) -> None:
        address = packet.peer.address if packet.peer is not None else None
        seen.append(Shown(way, packet.code, packet.get("User-Name"), address, octets, threading.get_ident()))

    _core.set_trace(show)
    yield seen
    _core.set_trace(None)


def test_what_a_server_decodes_and_encodes(serve: Serve, traced: list[Shown]) -> None:
    """The reply's octets are those that the peer receives, Proxy-State and both digests included."""
    running = serve()
    peer = running.connect()
    asked = access_request("bob", id=3, ma=True)
    peer.send(asked)
    reply = peer.receive()
    received, sent = traced
    assert received[:5] == ("in", 1, ["bob"], "127.0.0.1", asked)
    assert sent[:5] == ("out", 2, None, None, reply)
    assert received.thread == sent.thread  # the event loop's


def test_a_reply_that_the_peer_verifies(serve: Serve, traced: list[Shown]) -> None:
    """peer.ask() checks the digests of a reply that was signed for the trace, and of those after the trace."""
    peer = serve().connect()
    for id in range(3):
        assert peer.ask(access_request("bob", id=id)).message == "Hello bob"
    _core.set_trace(None)
    assert peer.ask(access_request("bob", id=9)).message == "Hello bob"
    assert len(traced) == 6


def test_what_needs_no_python_is_no_packet(serve: Serve, traced: list[Shown]) -> None:
    """PKT-14: Status-Server is answered before anybody could see it."""
    peer = serve().connect()
    assert peer.ask(status_server(id=1)).code == 2
    assert traced == []


def test_a_reply_packet_of_the_handlers_own(serve: Serve, traced: list[Shown]) -> None:
    class Signed(AuthPacket):
        def reply_packet(self) -> bytes:
            return super().reply_packet()

    class Own(Server):
        async def handle_access_request(self, packet: Any) -> Any:
            reply = Signed(code=2, dict=packet.dict, Reply_Message="own")
            reply.original_code = packet.code
            return reply

    assert serve(Own).connect().ask(access_request("bob", id=3, ma=False)).message == "own"
    assert [(shown.way, shown.code) for shown in traced] == [("in", 1), ("out", 2)]
