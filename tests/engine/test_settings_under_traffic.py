"""Flags and handlers that are assigned on a running server count for the next request."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import Serve
from serving import CoAServer, Running, Server

from pyradsec.server import RemoteHost
from wire import (
    ACCESS_ACCEPT,
    ACCESS_REJECT,
    COA_ACK,
    COA_NAK,
    DISCONNECT_ACK,
    DISCONNECT_NAK,
    ERROR_CAUSE,
    MESSAGE_AUTHENTICATOR,
    PROTOCOL_ERROR,
    SECRET,
    Peer,
    access_request,
    accounting_request,
    check_response,
    coa_request,
    disconnect_request,
    request,
)

UNSUPPORTED = [(406).to_bytes(4, "big")]


def assign(running: Running[Any], name: str, value: Any) -> None:
    running.call(setattr, running.server, name, value)


def test_enable_coa_and_enable_disconnect(serve: Serve) -> None:
    """COA-1."""
    running = serve(CoAServer)
    peer = running.connect()
    for id, (flag, make, ack, nak) in enumerate(
        [
            ("enable_coa", coa_request, COA_ACK, COA_NAK),
            ("enable_disconnect", disconnect_request, DISCONNECT_ACK, DISCONNECT_NAK),
        ]
    ):
        assert peer.ask(make(id=id)).code == ack
        assign(running, flag, False)
        refused = peer.ask(make(id=id + 10))
        assert (refused.code, refused.values(ERROR_CAUSE)) == (nak, UNSUPPORTED)
        assign(running, flag, True)
        assert peer.ask(make(id=id + 20)).code == ack


@pytest.mark.parametrize(
    ("name", "make", "ack", "nak"),
    [
        ("handle_coa", coa_request, COA_ACK, COA_NAK),
        ("handle_disconnect", disconnect_request, DISCONNECT_ACK, DISCONNECT_NAK),
    ],
)
def test_a_handler_assigned_and_deleted(serve: Serve, name: str, make: Any, ack: int, nak: int) -> None:
    """COA-1: without it C answers, with it Python does."""
    running = serve()
    peer = running.connect()
    assert peer.ask(make(id=1)).code == nak
    assert running.stats()["answered_here"] == 1

    async def handler(packet: Any) -> Any:
        return packet.create_reply()

    assign(running, name, handler)
    assert peer.ask(make(id=2)).code == ack
    assert running.stats()["answered_here"] == 1
    running.call(delattr, running.server, name)
    assert peer.ask(make(id=3)).code == nak
    assert running.stats()["answered_here"] == 2


def test_handle_access_request_and_handle_accounting(serve: Serve) -> None:
    running = serve()
    peer = running.connect()
    assert peer.ask(access_request(id=1)).code == ACCESS_ACCEPT

    async def reject(packet: Any) -> Any:
        reply = packet.create_reply()
        reply.code = ACCESS_REJECT
        return reply

    async def nothing(packet: Any) -> None:
        return None

    assign(running, "handle_access_request", reject)
    assert peer.ask(access_request(id=2)).code == ACCESS_REJECT
    running.call(delattr, running.server, "handle_access_request")
    assert peer.ask(access_request(id=3)).code == ACCESS_ACCEPT
    assign(running, "handle_accounting", nothing)
    peer.send(accounting_request(id=4))
    running.wait_stats(handler_no_replies=1)
    peer.probe()


def test_verify_packet(serve: Serve) -> None:
    """PKT-4."""
    running = serve(verify_packet=False)
    peer = running.connect()
    wrong = accounting_request(id=1, authenticator=b"not the digest..")
    check_response(_exchange(peer, wrong), wrong)
    assign(running, "verify_packet", True)
    peer.send(accounting_request(id=2, authenticator=b"not the digest.."))
    assert peer.receive_rest() == []
    assert running.stats()["bad_authenticator"] == 1


def _exchange(peer: Peer, packet: bytes) -> bytes:
    peer.send(packet)
    return peer.receive()


def test_require_message_authenticator(serve: Serve) -> None:
    """PKT-17: the narrower meaning, then the wider one, then none."""
    running = serve(verify_packet=True)
    peer = running.connect()
    assert not peer.ask(access_request(id=1, ma=False)).is_signed
    assign(running, "require_message_authenticator", "access")
    accounted = peer.ask(accounting_request(id=2))
    assert not accounted.is_signed
    assert peer.ask(access_request(id=3)).attributes[0][0] == MESSAGE_AUTHENTICATOR
    assign(running, "require_message_authenticator", True)
    assert peer.ask(accounting_request(id=4, ma=True)).is_signed
    peer.send(accounting_request(id=5))
    assert peer.receive_rest() == []
    assign(running, "require_message_authenticator", False)
    again = running.connect()
    assert not again.ask(accounting_request(id=6)).is_signed


def test_unknown_code(serve: Serve) -> None:
    """PKT-7."""
    running = serve()
    peer = running.connect()
    peer.send(request(13, id=1))
    peer.probe()
    assign(running, "unknown_code", "protocol-error")
    reply = peer.ask(request(13, id=2))
    assert (reply.code, reply.values(ERROR_CAUSE)) == (PROTOCOL_ERROR, UNSUPPORTED)
    assign(running, "unknown_code", "ignore")
    peer.send(request(13, id=3))
    peer.probe()


@pytest.mark.parametrize(("name", "value"), [("unknown_code", "drop"), ("require_message_authenticator", "all")])
def test_a_value_out_of_range_is_refused_and_not_kept(serve: Serve, name: str, value: Any) -> None:
    """What holds goes on to hold, for the next assignment too."""
    running = serve()
    before = getattr(running.server, name)
    with pytest.raises(ValueError, match=name):
        assign(running, name, value)
    assert getattr(running.server, name) == before
    assign(running, "enable_coa", False)
    running.connect().probe()


def test_packet_received_assigned_and_deleted(serve: Serve) -> None:
    """Everything goes there, from connections that are open already too; and afterwards nothing does."""
    running = serve()
    peer = running.connect()
    assert peer.ask(access_request(id=1)).code == ACCESS_ACCEPT
    seen: list[tuple[bytes, str]] = []
    packet_received = Server.packet_received

    async def hook(data: bytes, host: str, radius_version: int = 0) -> Any:
        seen.append((data, host))
        return await packet_received(running.server, data, host)

    assign(running, "packet_received", hook)
    packet = access_request(id=2)
    assert peer.ask(packet).code == ACCESS_ACCEPT
    assert seen == [(packet, "127.0.0.1")]
    peer.probe()
    assert len(seen) == 2
    running.call(delattr, running.server, "packet_received")
    assert peer.ask(access_request(id=3)).code == ACCESS_ACCEPT
    assert len(seen) == 2


def test_after_packet_received_nobody_unknown_is_served(serve: Serve) -> None:
    """PKT-5: who was let in by the hook has to be in `hosts` from then on, before anything else of his is read."""
    running = serve(hosts={"127.0.0.2": RemoteHost("127.0.0.2", SECRET, "known")})
    got: list[bytes] = []

    async def hook(data: bytes, host: str, radius_version: int = 0) -> None:
        got.append(data)

    assign(running, "packet_received", hook)
    stranger, known = running.connect(), running.connect(source="127.0.0.2")
    for peer in (stranger, known):
        peer.send(access_request(ma=False))
    running.wait_stats(handler_no_replies=2)
    running.call(delattr, running.server, "packet_received")
    for peer in (stranger, known):
        peer.send(access_request(id=1, ma=False))
    assert stranger.receive_rest() == []
    packet = access_request(id=2)
    known.receive()
    known.send(packet)
    check_response(known.receive(), packet)
    assert [id for _, id, _ in running.server.seen] == [1, 2]
    assert len(got) == 2


def test_the_dictionary_is_the_next_requests(serve: Serve) -> None:
    running = serve()
    peer = running.connect()
    assign(running, "dict", None)
    seen: list[Any] = []

    async def look(packet: Any) -> Any:
        seen.append(packet.dict)
        return packet.create_reply()

    assign(running, "handle_access_request", look)
    assert peer.ask(access_request()).code == ACCESS_ACCEPT
    assert seen == [None]


def test_flags_change_while_requests_stream(serve: Serve) -> None:
    """Each answer is right for the flag before or after, none is lost."""
    running = serve(CoAServer)
    peer = running.connect()
    for round in range(10):
        requests = [coa_request(id=id) for id in range(256)]
        peer.send(*requests)
        assign(running, "enable_coa", round % 2 == 1)
        codes = {reply.code for reply in peer.collect(requests).values()}
        assert codes <= {COA_ACK, COA_NAK}
