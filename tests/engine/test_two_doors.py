"""One corpus through both doors: over the wire, and by packet_received(). And packet_received() overridden."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from corpus import Case, read_corpus
from serving import LoopFactory, Running, Server, logged, settings_for_tests

from pyradsec.exceptions import PacketError, ServerPacketError
from pyradsec.packet import Packet
from pyradsec.radsec.server import RadSecServer, UnknownHost
from pyradsec.server import RemoteHost
from wire import (
    ACCESS_ACCEPT,
    ACCESS_REJECT,
    MESSAGE_AUTHENTICATOR,
    SECRET,
    Peer,
    Response,
    access_request,
    accounting_request,
    check_response,
    raw_packet,
    request,
    status_server,
)

Serve = Callable[..., Running[Any]]

CASES = read_corpus()


def server_of(case: Case) -> type[Server]:
    """A server that has the handlers of `case`."""
    names = {40: "handle_disconnect", 43: "handle_coa"}
    handlers = {name: Server.answer for code, name in names.items() if code in case.handlers}
    return type("OfCase", (Server,), handlers)


def check_reply(case: Case, raw: bytes) -> Response:
    reply = check_response(raw, case.octets)
    shown = tuple((kind, None if kind == MESSAGE_AUTHENTICATOR else value) for kind, value in reply.attributes)
    assert (reply.code, shown) == (case.code, case.attributes)
    return reply


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_over_the_wire(serve: Serve, case: Case) -> None:
    running = serve(server_of(case), **case.settings)
    peer = running.connect()
    peer.send(case.octets)
    if case.verdict == "reply":
        check_reply(case, peer.receive())
        peer.probe()
    elif case.verdict == "drop":
        peer.probe()
    elif case.verdict == "fails":
        running.log.wait("the handler's reply cannot be sent")
        peer.probe()
    else:
        assert case.verdict == "close"
        assert peer.receive_rest() == []
        assert peer.end == "close_notify"
    if case.verdict in ("drop", "close"):
        assert running.server.seen == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_by_packet_received(case: Case) -> None:
    """The same verdicts, as exceptions; the reply is the packet that the engine would have sent, octet by octet."""

    async def main() -> None:
        server = server_of(case)(**settings_for_tests(**case.settings))
        if case.verdict == "reply":
            reply = await server.packet_received(case.octets, "127.0.0.1")
            assert isinstance(reply, Packet)
            check_reply(case, reply.reply_packet())
        elif case.verdict == "fails":
            reply = await server.packet_received(case.octets, "127.0.0.1")
            assert reply is not None
            with pytest.raises(PacketError):
                reply.reply_packet()
        else:
            with pytest.raises(ServerPacketError if case.verdict == "drop" else PacketError):
                await server.packet_received(case.octets, "127.0.0.1")
            assert server.seen == []

    asyncio.run(main())


@pytest.mark.parametrize("case", [case for case in CASES if case.verdict == "reply"], ids=lambda case: case.name)
def test_both_doors_give_the_same_octets(serve: Serve, case: Case) -> None:
    """Digests included: everything in a reply follows from its request."""
    running = serve(server_of(case), **case.settings)
    peer = running.connect()
    peer.send(case.octets)
    reply = running.run(running.server.packet_received(case.octets, "127.0.0.1"))
    assert peer.receive() == reply.reply_packet()


def test_the_corpus_has_every_verdict_and_every_code() -> None:
    """A reader that skips what it does not know would make all the tests above pass."""
    assert len(CASES) > 80
    assert {case.verdict for case in CASES} == {"reply", "drop", "close", "fails"}
    assert {case.octets[0] for case in CASES} >= {1, 2, 3, 4, 5, 11, 12, 40, 41, 42, 43, 44, 45, 52, 99}
    assert len({case.name for case in CASES}) == len(CASES)


def test_packet_received_asks_for_the_host_first() -> None:
    """Even before it looks at the octets (PKT-5)."""
    server = Server(**settings_for_tests(hosts={"10.0.0.0/8": RemoteHost("10.0.0.0", b"ten", "ten")}))

    async def main() -> None:
        with pytest.raises(UnknownHost, match="unknown host"):
            await server.packet_received(b"", "127.0.0.1")
        with pytest.raises(PacketError):
            await server.packet_received(b"", "10.1.2.3")
        reply = await server.packet_received(status_server(secret=b"ten"), "10.1.2.3")
        assert reply is not None

    asyncio.run(main())


def test_packet_received_lets_the_handlers_exceptions_through() -> None:
    class Failing(RadSecServer):
        async def handle_access_request(self, packet: Any) -> Any:
            raise LookupError("mine")

        async def handle_accounting(self, packet: Any) -> Any:
            return None

    async def main() -> None:
        server = Failing(**settings_for_tests())
        with pytest.raises(LookupError, match="mine"):
            await server.packet_received(access_request(), "127.0.0.1")
        assert await server.packet_received(accounting_request(), "127.0.0.1") is None

    with logged() as log:
        asyncio.run(main())
    assert log.texts() == []


# --- overridden ---


class Raw(RadSecServer):
    """Notes every packet, and answers with its own octets turned round."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.received: list[tuple[bytes, str, Any]] = []

    async def packet_received(self, data: bytes, host: str, radius_version: Any = None) -> Any:
        self.received.append((data, host, radius_version))
        reply = Packet(code=ACCESS_REJECT, id=data[1], secret=SECRET, authenticator=data[4:20])
        reply[18] = [data[20:40][::-1]]
        return reply


EVERYTHING = [
    access_request(id=0),
    access_request(id=1, secret=b"other"),
    raw_packet(1, 2, bytes(16), b"\x50\x02"),
    accounting_request(id=3, authenticator=bytes(16)),
    status_server(id=4),
    status_server(id=5, ma=False),
    request(2, id=6),
    request(99, id=7),
    request(43, id=8),
    request(40, id=9, ma=True, secret=b"other"),
]


@pytest.mark.parametrize(
    "hosts", [{}, {"127.0.0.1": RemoteHost("127.0.0.1", b"other", "x")}], ids=["nobody", "somebody"]
)
def test_overridden_it_gets_every_packet_from_anybody(serve: Serve, loop_factory: LoopFactory, hosts: Any) -> None:
    """Unverified, of any code; what it returns is sent as it is, and nothing is answered in its place."""
    running = serve(Raw, loop_factory=loop_factory, hosts=hosts, verify_packet=True, require_message_authenticator=True)
    peer = running.connect()
    peer.send(*EVERYTHING)
    for packet in EVERYTHING:
        reply = check_response(peer.receive(), packet)
        assert (reply.code, reply.attributes) == (ACCESS_REJECT, ((18, packet[20:40][::-1]),))
    assert [data for data, _, _ in running.server.received] == EVERYTHING
    assert {(host, int(version)) for _, host, version in running.server.received} == {("127.0.0.1", 0)}
    stats = running.stats()
    assert stats["answered_here"] == stats["bad_authenticator"] == stats["unknown_code"] == stats["response_code"] == 0


def test_overridden_it_gets_duplicates_too(serve: Serve) -> None:
    """Without verification nobody knows whether it is one."""
    running = serve(Raw)
    peer = running.connect()
    packet = access_request(id=1)
    peer.send(packet, packet)
    for _ in range(2):
        check_response(peer.receive(), packet)
    assert len(running.server.received) == 2


@pytest.mark.parametrize("bad", [raw_packet(1, 7, bytes(16), b"", length=19), raw_packet(1, 7, bytes(16), b"\x01\x00")])
def test_overridden_framing_is_still_the_engines_affair(serve: Serve, bad: bytes) -> None:
    """PKT-2, PKT-3."""
    running = serve(Raw, hosts={})
    peer = running.connect()
    good = access_request(id=1)
    peer.send(good, bad)
    (reply,) = peer.receive_rest()
    check_response(reply, good)
    assert peer.end == "close_notify"
    assert len(running.server.received) == 1
    assert running.stats()["malformed"] == 1


def test_overridden_it_may_fail_or_say_nothing(serve: Serve) -> None:
    class Moody(RadSecServer):
        async def packet_received(self, data: bytes, host: str, radius_version: Any = None) -> Any:
            if data[1] == 1:
                raise ValueError("mine")
            return None if data[1] == 2 else Packet(code=ACCESS_ACCEPT, id=data[1], authenticator=data[4:20])

    running = serve(Moody, hosts={})
    peer = running.connect()
    peer.send(access_request(id=1), access_request(id=2))
    assert peer.ask(access_request(id=3)).code == ACCESS_ACCEPT
    (record,) = running.log.wait("Access-Request id 1 from 127.0.0.1", "the handler raised")
    assert record.exc_info is not None
    running.log.wait("Access-Request id 2 from 127.0.0.1", "the handler returned None")
    stats = running.stats()
    assert (stats["handler_errors"], stats["handler_no_replies"]) == (1, 1)


def test_overridden_it_may_call_the_original(serve: Serve) -> None:
    """The way to look at every packet and still have the engine's verdicts."""
    seen: list[int] = []

    class Looking(Server):
        async def packet_received(self, data: bytes, host: str, radius_version: Any = 0) -> Any:
            seen.append(data[0])
            return await super().packet_received(data, host, radius_version)

    running = serve(Looking)
    peer = running.connect()
    assert peer.ask(access_request("bob", id=1)).message == "Hello bob"
    assert peer.ask(status_server(id=2)).is_signed
    assert seen == [1, 12]


def test_assigned_while_serving(running: Running[Server], peer: Peer) -> None:
    """It counts for the next packet, and so does its removal."""

    async def refuse(data: bytes, host: str, radius_version: Any = None) -> Any:
        return Packet(code=ACCESS_REJECT, id=data[1], secret=SECRET, authenticator=data[4:20])

    assert peer.ask(access_request(id=1)).code == ACCESS_ACCEPT
    running.call(setattr, running.server, "packet_received", refuse)
    assert peer.ask(access_request(id=2)).code == ACCESS_REJECT
    running.call(delattr, running.server, "packet_received")
    assert peer.ask(access_request(id=3)).code == ACCESS_ACCEPT
