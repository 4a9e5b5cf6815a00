"""Handlers that fail cost nobody but their own request anything; what they log, and what is counted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from serving import LoopFactory, Running, Server

from pyradsec.packet import AuthPacket, Packet
from wire import (
    ACCESS_CHALLENGE,
    ACCOUNTING_RESPONSE,
    PROXY_STATE,
    REPLY_MESSAGE,
    Peer,
    access_request,
    accounting_request,
    check_response,
    coa_request,
    disconnect_request,
    raw_packet,
)

Serve = Callable[..., Running[Any]]


class Broken(Server):
    """Does for the users whose name begins with "bad" what `bad` says; answers the others."""

    bad: Callable[[Any], Any]

    async def answer(self, packet: Any, **attributes: Any) -> Any:
        name = (packet.get("User-Name") or packet.get("Acct-Session-Id"))[0]
        if name.startswith("bad"):
            return type(self).bad(packet)
        return await super().answer(packet, **attributes)

    async def handle_coa(self, packet: Any) -> Any:
        return await self.answer(packet)

    async def handle_disconnect(self, packet: Any) -> Any:
        return await self.answer(packet)


def broken(function: Callable[[Any], Any]) -> type[Broken]:
    return type("BrokenNow", (Broken,), {"bad": staticmethod(function)})


def raise_value_error(packet: Any) -> Any:
    raise ValueError("no such thing")


def raise_from_another(packet: Any) -> Any:
    try:
        raise KeyError("first")
    except KeyError as error:
        raise RuntimeError("second") from error


def too_long(packet: Any) -> Any:
    reply = packet.create_reply()
    reply[REPLY_MESSAGE] = [b"x" * 253] * 16
    return reply


def value_too_long(packet: Any) -> Any:
    return packet.create_reply(Reply_Message="x" * 254)


def vendor_value_too_long(packet: Any) -> Any:
    reply = packet.create_reply()
    reply[(9, 1)] = [b"x" * 248]  # 4 octets of Vendor-Id and 2 of header go with it
    return reply


def no_octets(packet: Any) -> Any:
    reply = packet.create_reply()
    reply[REPLY_MESSAGE] = [42]
    return reply


def no_list(packet: Any) -> Any:
    reply = packet.create_reply()
    reply[REPLY_MESSAGE] = b"octets, not in a list"
    return reply


def no_key(packet: Any) -> Any:
    reply = packet.create_reply()
    reply[256] = [b"x"]
    return reply


def bad_code(packet: Any) -> Any:
    reply = packet.create_reply()
    reply.code = 300
    return reply


class Unwritable(AuthPacket):
    """Has a reply_packet() that fails."""

    def reply_packet(self) -> bytes:
        raise LookupError("out of ink")


class Misprinting(AuthPacket):
    """Has a reply_packet() that gives something else."""

    def reply_packet(self) -> Any:
        return "a packet"


class Overlong(AuthPacket):
    """Has a reply_packet() that gives more octets than a packet may have."""

    def reply_packet(self) -> bytes:
        return bytes(4097)


RAISED = "the handler raised, no reply is sent"
CANNOT = "the handler's reply cannot be sent"


@pytest.mark.parametrize(
    ("function", "sentence", "error", "words"),
    [
        (raise_value_error, RAISED, ValueError, "no such thing"),
        (raise_from_another, RAISED, RuntimeError, "second"),
        (lambda packet: "text", CANNOT, TypeError, "the handler returned str: expected a packet"),
        (lambda packet: 0, CANNOT, TypeError, "the handler returned int: expected a packet"),
        (lambda packet: packet.create_reply().reply_packet(), CANNOT, TypeError, "the handler returned bytes"),
        (lambda packet: AuthPacket, CANNOT, TypeError, "the handler returned type"),
        (too_long, CANNOT, Exception, "too long"),
        (value_too_long, RAISED, ValueError, "253"),
        (vendor_value_too_long, CANNOT, Exception, "attribute (9, 1)"),
        (no_octets, CANNOT, TypeError, "attribute 18: expected bytes in the packet, found int"),
        (no_list, CANNOT, TypeError, "attribute 18: expected a list of bytes in the packet, found bytes"),
        (no_key, CANNOT, Exception, "256"),
        (bad_code, CANNOT, Exception, "300"),
        (lambda packet: Unwritable(2), CANNOT, LookupError, "out of ink"),
        (lambda packet: Misprinting(2), CANNOT, TypeError, "reply_packet()"),
        (lambda packet: Overlong(2), CANNOT, TypeError, "reply_packet()"),
    ],
    ids=[
        *("raises", "raises-from", "str", "int", "bytes", "class", "reply-too-long", "value-too-long"),
        *("vendor-value-too-long", "int-as-octets", "octets-as-list", "key-256", "code-300"),
        *("reply_packet-raises", "reply_packet-gives-str", "reply_packet-too-long"),
    ],
)
@pytest.mark.parametrize("is_suspended", [False, True], ids=["at once", "after a suspension"])
def test_a_handler_that_gives_no_usable_reply(
    serve: Serve, function: Any, sentence: str, error: type[Exception], words: str, is_suspended: bool
) -> None:
    """One record with peer, code, identifier, user and traceback; everything else on the connection goes on."""

    class Suspending(Broken):
        async def handle_access_request(self, packet: Any) -> Any:
            if is_suspended:
                await asyncio.sleep(0)
            return await super().handle_access_request(packet)

        bad = staticmethod(function)

    running = serve(Suspending)
    peer = running.connect()
    slow = access_request("slow", id=1)
    peer.send(slow, access_request("bad bob", id=2))
    running.log.wait(sentence)
    assert peer.ask(access_request("eve", id=3)).message == "Hello eve"
    running.open_gate()
    assert check_response(peer.receive(), slow).message == "Hello slow"
    peer.probe()

    (record,) = running.log.find("id 2")
    assert record.levelno == logging.ERROR
    assert record.getMessage() == (f"Access-Request id 2 user 'bad bob' from 127.0.0.1:{peer.local_port}: {sentence}")
    assert record.exc_info is not None
    kind, value, traceback = record.exc_info
    assert kind is not None
    assert issubclass(kind, error)
    assert words in str(value)
    assert (traceback is not None) == (sentence == RAISED or words == "out of ink")
    stats = running.stats()
    assert (stats["handler_errors"], stats["handler_no_replies"]) == (1, 0)
    assert (stats["no_replies"], stats["requests_in_flight"]) == (1, 0)
    assert len(running.log.texts(logging.WARNING)) == 1


def test_the_traceback_leads_into_the_handler(serve: Serve) -> None:
    running = serve(broken(raise_from_another))
    running.connect().send(access_request("bad bob", id=2))
    (record,) = running.log.wait("the handler raised")
    text = logging.Formatter().format(record)
    assert "in raise_from_another" in text
    assert "KeyError: 'first'" in text
    assert "RuntimeError: second" in text


@pytest.mark.parametrize(
    "make",
    [access_request, accounting_request, coa_request, disconnect_request],
    ids=["Access", "Accounting", "CoA", "Disconnect"],
)
def test_a_handler_that_returns_none(serve: Serve, make: Any) -> None:
    """No reply, and an ERROR record: who forgot `return` finds it."""
    running = serve(broken(lambda packet: None))
    peer = running.connect()
    peer.send(make("bad bob", id=2))
    (record,) = running.log.wait("the handler returned None, no reply is sent")
    assert record.levelno == logging.ERROR
    assert f"-Request id 2 {'user' if make is access_request else 'from'}" in record.getMessage()
    assert record.getMessage().count(f"from 127.0.0.1:{peer.local_port}") == 1
    assert peer.ask(make("eve", id=3)).id == 3
    peer.probe()
    stats = running.stats()
    assert (stats["handler_errors"], stats["handler_no_replies"], stats["no_replies"]) == (0, 1, 1)


def test_a_handler_that_is_not_overridden(serve: Serve) -> None:
    """The base class has none for Access-Request and Accounting-Request, and says which one is missing."""
    from pyradsec.radsec.server import RadSecServer

    running = serve(RadSecServer)
    peer = running.connect()
    peer.send(access_request(id=1), accounting_request(id=2))
    records = running.log.wait("the handler raised", num=2)
    kinds = [record.exc_info[0] for record in records if record.exc_info is not None]
    assert kinds == [NotImplementedError] * 2
    assert {str(record.exc_info[1]) for record in records if record.exc_info is not None} == {
        "RadSecServer.handle_access_request",
        "RadSecServer.handle_accounting",
    }
    peer.probe()


def test_a_handler_that_cancels_itself(serve: Serve, loop_factory: LoopFactory) -> None:
    class Cancelling(Server):
        async def handle_access_request(self, packet: Any) -> Any:
            if packet["User-Name"] == ["bad"]:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
                await asyncio.sleep(0)
            return await super().handle_access_request(packet)

    running = serve(Cancelling, loop_factory=loop_factory)
    peer = running.connect()
    peer.send(access_request("bad", id=2))
    (record,) = running.log.wait("the handler was cancelled, no reply is sent")
    assert "Access-Request id 2 user 'bad'" in record.getMessage()
    assert record.levelno == logging.WARNING
    assert peer.ask(access_request("eve", id=3)).message == "Hello eve"
    assert running.stats()["handler_errors"] == 1


def test_what_does_not_fit_its_request_is_sent_and_warned_about_once(serve: Serve) -> None:
    def accounting_response(packet: Any) -> Any:
        reply = packet.create_reply()
        reply.code = ACCOUNTING_RESPONSE
        return reply

    running = serve(broken(accounting_response))
    peer = running.connect()
    for id in range(3):
        assert peer.ask(access_request("bad bob", id=id)).code == ACCOUNTING_RESPONSE
    (record,) = running.log.wait("the handler's reply has code Accounting-Response, sent as it is")
    assert record.levelno == logging.WARNING
    assert "Access-Request id 0 user 'bad bob'" in record.getMessage()
    assert running.stats()["handler_errors"] == 0


def test_an_empty_reply_is_a_reply(serve: Serve) -> None:
    """A packet without attributes is false, and is sent nevertheless."""
    running = serve()
    peer = running.connect()
    assert peer.ask(accounting_request(id=2)).attributes == ()
    assert running.stats()["handler_no_replies"] == 0


def test_a_reply_may_be_any_packet(serve: Serve) -> None:
    """Identifier, authenticator and secret are the request's, whatever the handler left there."""

    def from_scratch(packet: Any) -> Any:
        reply = Packet(code=ACCESS_CHALLENGE, id=99, secret=b"other", authenticator=bytes(16))
        reply[REPLY_MESSAGE] = [b"from scratch"]
        return reply

    reply = serve(broken(from_scratch)).connect().ask(access_request("bad bob", id=2, ma=True))
    assert (reply.code, reply.message, reply.is_signed) == (ACCESS_CHALLENGE, "from scratch", True)


def test_a_reply_packet_of_ones_own_is_called(serve: Serve) -> None:
    """What it gives is sent as it is."""

    class Own(AuthPacket):
        def reply_packet(self) -> bytes:
            assert self.id is not None
            return raw_packet(200, self.id, self.authenticator or b"", b"")

    peer = serve(broken(lambda packet: Own(2))).connect()
    packet = access_request("bad bob", id=2)
    peer.send(packet)
    assert peer.receive() == raw_packet(200, 2, packet[4:20], b"")


def test_the_request_may_be_changed_and_even_returned(serve: Serve) -> None:
    """Its own duplicates and digests are the engine's affair."""

    def reuse(packet: Any) -> Any:
        packet.clear()
        packet.code, packet.id, packet.authenticator = 3, 77, b"?" * 16
        packet[PROXY_STATE] = [b"mine"]
        return packet

    running = serve(broken(reuse))
    peer = running.connect()
    packet = access_request("bad bob", id=2)
    peer.send(packet)
    raw = peer.receive()
    assert raw[0] == 3
    assert raw[1] == 2
    peer.probe()


def test_a_user_name_that_is_no_text_is_logged_in_escapes(serve: Serve) -> None:
    class Failing(Server):
        async def handle_access_request(self, packet: Any) -> Any:
            raise ValueError

    running = serve(Failing)
    running.connect().send(access_request(b"bob\n\xff\x1b[31m", id=2))
    (record,) = running.log.wait("the handler raised")
    assert "\n" not in record.getMessage()
    assert "\x1b" not in record.getMessage()
    assert r"user 'bob\n\\xff\x1b[31m'" in record.getMessage()


def test_many_failures_cost_no_connection(running: Running[Server], peer: Peer) -> None:
    """A handler that always fails: every request is logged, counted, and its slot given back."""

    async def fail(packet: Any) -> Any:
        raise ValueError(packet.id)

    running.call(setattr, running.server, "handle_access_request", fail)
    for _ in range(4):
        peer.send(*(access_request("bob", id=id) for id in range(256)))
        peer.probe()
    running.wait_stats(no_replies=1024)
    stats = running.stats()
    assert stats["handler_errors"] == 1024
    assert stats["requests_in_flight"] == stats["requests_waiting"] == 0
    assert len(running.log.find("the handler raised")) == 1024
