"""Handlers, and what they leave behind, that call the engine while the task that stands by is in use."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from serving import LoopFactory, Running, Server, handled_by, until
from standby import EAGER, handler_tasks, kind_of_task, make_ready, task_here

from wire import Peer, access_request, accounting_request

Serve = Callable[..., Running[Any]]


def send_while_handled(running: Running[Any], inner: bytes) -> tuple[Peer, list[bytes]]:
    """Sends the user "outer" an Access-Request, and `inner` as soon as its handler has noted it: the peer and both."""
    peer = running.connect()
    make_ready(peer)
    seen = len(running.server.seen)
    outer = access_request("outer", id=1)
    peer.send(outer)
    running.server.wait_seen(seen + 1)
    peer.send(inner)
    return peer, [outer, inner]


def test_closing_the_engine_in_a_handler(serve: Serve, loop_factory: LoopFactory) -> None:
    async def handler(self: Server, packet: Any) -> Any:
        self._close_engine()
        self.note(packet)
        return packet.create_reply()

    running = serve(handled_by(handler), loop_factory=loop_factory)
    peer = running.connect()
    peer.send(access_request(id=1), access_request(id=2))
    running.server.wait_seen(1)
    until(lambda: not running.call(handler_tasks), "no task left")


def test_closing_the_engine_in_a_handler_with_a_task_of_its_own(serve: Serve, loop_factory: LoopFactory) -> None:
    """While another one stands by for the rest of the batch: the loop's tasks go on after it."""

    async def handler(self: Server, packet: Any) -> Any:
        if packet["User-Name"] == ["closes"]:
            self._close_engine()
            self.note(packet)
        else:
            await asyncio.sleep(0)
        return packet.create_reply()

    running = serve(handled_by(handler), loop_factory=loop_factory)
    peer = running.connect()
    make_ready(peer)
    peer.ask(access_request("waits", id=1))
    seen = len(running.server.seen)
    peer.send(accounting_request(id=2), access_request("closes", id=3), accounting_request(id=4))
    until(lambda: len(running.server.seen) >= seen + 2, "the handler that closes")
    assert running.call(asyncio.current_task) is None
    assert running.run(asyncio.sleep(0, "went on")) == "went on"
    until(lambda: not running.call(handler_tasks), "no task left")


def test_a_handler_inside_of_another_ones_first_step(serve: Serve, loop_factory: LoopFactory) -> None:
    """Who runs the engine's callback in a handler gets other tasks for what comes there."""
    kinds: list[tuple[str, str]] = []

    async def handler(self: Server, packet: Any) -> Any:
        name = packet["User-Name"][0]
        if name == "outer" and self._engine is not None:
            self.note(packet)
            until(lambda: self.stats()["access_requests"] == 2, "the second request")
            self._engine.dispatch()
        kinds.append((name, kind_of_task()))
        return packet.create_reply(Reply_Message=name)

    running = serve(handled_by(handler), loop_factory=loop_factory)
    peer, requests = send_while_handled(running, access_request("inner", id=2))
    assert {reply.message for reply in peer.collect(requests).values()} == {"outer", "inner"}
    if EAGER:
        assert kinds == [("inner", "Task"), ("outer", "HandlerTask")]


class Finalized:
    """Calls a function when it goes."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function

    def __del__(self) -> None:
        self.function()


LEFT: contextvars.ContextVar[Finalized] = contextvars.ContextVar("LEFT")


@pytest.mark.parametrize("does", ["dispatch", "_close_engine"])
def test_the_engine_called_while_a_handlers_context_goes(serve: Serve, loop_factory: LoopFactory, does: str) -> None:
    """By what the handler left there: no second task is made that nothing would end."""

    async def handler(self: Server, packet: Any) -> Any:
        if packet["User-Name"] == ["outer"]:
            self.note(packet)
            until(lambda: self.stats()["access_requests"] == 2, "the second request")
            assert self._engine is not None
            LEFT.set(Finalized(self._engine.dispatch if does == "dispatch" else self._close_engine))
        return packet.create_reply()

    running = serve(handled_by(handler), loop_factory=loop_factory)
    peer, requests = send_while_handled(running, access_request("inner", id=2))
    if does == "dispatch":
        peer.collect(requests)
        assert len(running.call(handler_tasks)) == 2
    else:
        until(lambda: not running.call(handler_tasks), "no task left")


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="asyncio keeps its tasks in no WeakSet since Python 3.14")
@pytest.mark.parametrize("does", ["dispatch", "_close_engine"])
def test_the_engine_called_while_the_task_is_made(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, loop_factory: LoopFactory, does: str
) -> None:
    """As a finalizer may, in asyncio's own code."""
    running = serve(loop_factory=loop_factory)
    peer = running.connect()
    add = weakref.WeakSet.add
    calls = [running.server._engine.dispatch if does == "dispatch" else running.server._close_engine]

    def calling(self: Any, item: Any) -> None:
        add(self, item)
        if type(item).__name__ == "HandlerTask" and calls:
            calls.pop()()

    monkeypatch.setattr(weakref.WeakSet, "add", calling)
    requests = [access_request(id=id) for id in range(4)]
    peer.send(*requests)
    if does == "dispatch":
        peer.collect(requests)
        assert not calls
        assert len(running.call(handler_tasks)) == 2
    else:
        until(lambda: not calls and not running.call(handler_tasks), "no task left")


def test_closed_by_the_cancelling_of_what_it_waits_for(serve: Serve) -> None:
    """close() of the coroutine comes while the future's cancel() runs, and takes the last reference to it."""

    async def handler(self: Server, packet: Any) -> Any:
        loop, task = asyncio.get_running_loop(), task_here()
        coroutine: Any = task._coro  # type: ignore[attr-defined]
        call_soon = loop.call_soon

        def closing(*args: Any, **kwargs: Any) -> Any:
            loop.call_soon = call_soon  # type: ignore[method-assign]
            coroutine.close()
            gc.collect()
            return call_soon(*args, **kwargs)

        futures = [loop.create_future()]
        for _ in range(2):
            futures[0].add_done_callback(lambda _: None)
        task.cancel("why")
        loop.call_soon = closing  # type: ignore[method-assign]
        await futures.pop()

    running = serve(handled_by(handler))
    peer = running.connect()
    make_ready(peer)
    peer.send(access_request(id=1))
    running.log.wait("Access-Request id 1", "the handler raised")
    peer.ask(accounting_request(id=2))


def test_only_the_task_waits_for_a_handler_at_rest(serve: Serve, loop_factory: LoopFactory) -> None:
    async def handler(self: Server, packet: Any) -> Any:
        coroutine: Any = task_here()._coro  # type: ignore[attr-defined]
        with pytest.raises(RuntimeError, match="only its task waits"):
            coroutine.add_done_callback(lambda _: None)
        await asyncio.sleep(0)
        return packet.create_reply(Reply_Message="x")

    peer = serve(handled_by(handler), loop_factory=loop_factory).connect()
    make_ready(peer)
    assert peer.ask(access_request()).message == "x"


@pytest.mark.parametrize("user", ["quick", "waits"])
def test_a_handler_inside_of_another_ones_task(serve: Serve, loop_factory: LoopFactory, user: str) -> None:
    """Who runs the engine's callback in a later step of a task."""

    async def handler(self: Server, packet: Any) -> Any:
        if packet["User-Name"] == ["outer"]:
            await asyncio.sleep(0)
            self.note(packet)
            until(lambda: self.stats()["accounting_requests"] == 3, "the second request")
            assert self._engine is not None
            self._engine.dispatch()
        return packet.create_reply()

    async def handle_accounting(self: Server, packet: Any) -> Any:
        if packet["Acct-Session-Id"] == ["waits"]:
            await asyncio.sleep(0)
        return packet.create_reply()

    made = handled_by(handler)
    made.handle_accounting = handle_accounting  # type: ignore[method-assign]
    running = serve(made, loop_factory=loop_factory)
    peer, requests = send_while_handled(running, accounting_request(user, id=2))
    peer.collect(requests)
