"""A handler is a task like any other: what asyncio promises to tasks holds inside of it."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import sys
import weakref
from collections.abc import Callable, Generator
from typing import Any

import pytest
from serving import LoopFactory, Running, Server, handled_by, nothing_left, serving_here, settings_for_tests, until

from pyradsec import _core
from wire import Peer, access_request, check_response

Serve = Callable[..., Running[Any]]


def reply_with(packet: Any, text: str) -> Any:
    return packet.create_reply(Reply_Message=text)


# --- any callable that returns an awaitable ---


class Awaitable:
    """Not a coroutine, not a future."""

    def __init__(self, coroutine: Any) -> None:
        self.coroutine = coroutine

    def __await__(self) -> Generator[Any, None, Any]:
        return (yield from self.coroutine.__await__())


async def say(packet: Any, text: str = "said", is_slow: bool = False) -> Any:
    if is_slow:
        await asyncio.sleep(0)
    return reply_with(packet, text)


class CallableObject:
    def __call__(self, packet: Any) -> Any:
        return say(packet, "object")


def future_of(packet: Any) -> asyncio.Future[Any]:
    """A future that is done already."""
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    future.set_result(reply_with(packet, "future"))
    return future


def later_future_of(packet: Any) -> asyncio.Future[Any]:
    """A future that a callback of the loop completes."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    loop.call_soon(future.set_result, reply_with(packet, "later"))
    return future


HANDLERS = {
    "lambda": (lambda packet: say(packet, "lambda"), "lambda"),
    "partial": (functools.partial(say, text="partial"), "partial"),
    "object": (CallableObject(), "object"),
    "future": (future_of, "future"),
    "later": (later_future_of, "later"),
    "task": (lambda packet: asyncio.ensure_future(say(packet, "task", is_slow=True)), "task"),
    "awaitable": (lambda packet: Awaitable(say(packet, "awaitable", is_slow=True)), "awaitable"),
    "awaitable at once": (lambda packet: Awaitable(say(packet, "at once")), "at once"),
    "gather": (lambda packet: asyncio.wait_for(say(packet, "wait_for", is_slow=True), 5), "wait_for"),
}


@pytest.mark.parametrize("name", HANDLERS)
def test_any_callable_that_returns_an_awaitable(serve: Serve, loop_factory: LoopFactory, name: str) -> None:
    handler, text = HANDLERS[name]
    running = serve(loop_factory=loop_factory)
    running.call(setattr, running.server, "handle_access_request", handler)
    peer = running.connect()
    for id in range(3):
        assert peer.ask(access_request(id=id)).message == text


def test_a_static_method_and_a_class_method(serve: Serve) -> None:
    class Static(Server):
        handle_access_request = staticmethod(functools.partial(say, text="static"))

        @classmethod
        async def handle_accounting(cls, packet: Any) -> Any:
            return packet.create_reply()

    assert serve(Static).connect().ask(access_request()).message == "static"


def test_a_callable_that_returns_no_awaitable(running: Running[Server], peer: Peer) -> None:
    running.call(setattr, running.server, "handle_access_request", lambda packet: packet.create_reply())
    peer.send(access_request("bob", id=2))
    (record,) = running.log.wait("Access-Request id 2 user 'bob'", "the handler raised")
    assert record.exc_info is not None
    assert record.exc_info[0] is TypeError
    peer.probe()


# --- the task ---


def test_current_task(serve: Serve, loop_factory: LoopFactory) -> None:
    """One task for one handler, the same before and after a suspension."""
    tasks: list[Any] = []

    async def handler(self: Server, packet: Any) -> Any:
        before = asyncio.current_task()
        await asyncio.sleep(0)
        assert asyncio.current_task() is before
        assert before in asyncio.all_tasks()
        tasks.append(before)
        return reply_with(packet, "x")

    running = serve(handled_by(handler), loop_factory=loop_factory)
    peer = running.connect()
    requests = [access_request(id=id) for id in range(8)]
    peer.send(*requests)
    peer.collect(requests)
    assert len(set(map(id, tasks))) == 8
    assert all(isinstance(task, asyncio.Task) and task.done() for task in tasks)


def test_current_task_of_a_handler_that_does_not_suspend(serve: Serve, loop_factory: LoopFactory) -> None:
    """It is a task all the same, though it never goes through the event loop's queue."""
    seen: list[Any] = []

    async def handler(self: Server, packet: Any) -> Any:
        seen.append(asyncio.current_task())
        return reply_with(packet, "x")

    running = serve(handled_by(handler), loop_factory=loop_factory)
    running.connect().ask(access_request())
    assert isinstance(seen[0], asyncio.Task)
    assert running.call(asyncio.current_task) is None


def test_timeout_that_passes(serve: Serve, loop_factory: LoopFactory) -> None:
    async def handler(self: Server, packet: Any) -> Any:
        try:
            async with asyncio.timeout(0.01):
                await self.gate.wait()
        except TimeoutError:
            return reply_with(packet, "too late")
        raise AssertionError

    assert serve(handled_by(handler), loop_factory=loop_factory).connect().ask(access_request()).message == "too late"


def test_timeout_that_does_not_pass(serve: Serve, loop_factory: LoopFactory) -> None:
    async def handler(self: Server, packet: Any) -> Any:
        async with asyncio.timeout(30):
            await asyncio.sleep(0)
        async with asyncio.timeout(30):
            return reply_with(packet, "in time")

    assert serve(handled_by(handler), loop_factory=loop_factory).connect().ask(access_request()).message == "in time"


def test_a_task_group(serve: Serve, loop_factory: LoopFactory) -> None:
    async def handler(self: Server, packet: Any) -> Any:
        async with asyncio.TaskGroup() as group:
            parts = [group.create_task(asyncio.sleep(0, number)) for number in range(3)]
        return reply_with(packet, str([part.result() for part in parts]))

    assert serve(handled_by(handler), loop_factory=loop_factory).connect().ask(access_request()).message == "[0, 1, 2]"


def test_cancelling_what_a_handler_waits_for(serve: Serve, loop_factory: LoopFactory) -> None:
    """Cancellation of something else is the handler's to catch."""

    async def handler(self: Server, packet: Any) -> Any:
        inner = asyncio.ensure_future(self.gate.wait())
        asyncio.get_running_loop().call_soon(inner.cancel)
        try:
            await inner
        except asyncio.CancelledError:
            return reply_with(packet, "caught")

    assert serve(handled_by(handler), loop_factory=loop_factory).connect().ask(access_request()).message == "caught"


def test_cancelling_a_handler_from_outside(serve: Serve, loop_factory: LoopFactory) -> None:
    """It may clean up, and even answer."""
    tasks: dict[str, asyncio.Task[Any]] = {}

    async def handler(self: Server, packet: Any) -> Any:
        task = asyncio.current_task()
        assert task is not None
        tasks[self.note(packet)] = task
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            if packet["User-Name"] == ["polite"]:
                return reply_with(packet, "cancelled")
            raise

    running = serve(handled_by(handler), loop_factory=loop_factory)
    peer = running.connect()
    polite = access_request("polite", id=1)
    peer.send(polite, access_request("rude", id=2))
    running.server.wait_seen(2)
    running.call(tasks["polite"].cancel)
    assert check_response(peer.receive(), polite).message == "cancelled"
    running.call(tasks["rude"].cancel)
    running.log.wait("Access-Request id 2 user 'rude'", "the handler was cancelled")
    peer.probe()
    tasks.clear()


VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")


def test_context_variables_are_a_handlers_own(serve: Serve, loop_factory: LoopFactory) -> None:
    """What one sets is there after its suspensions, and nowhere else."""
    seen: list[tuple[str, str]] = []

    async def handler(self: Server, packet: Any) -> Any:
        name = packet["User-Name"][0]
        before = VARIABLE.get()
        VARIABLE.set(name)
        if name.startswith("slow"):
            await asyncio.sleep(0)
        seen.append((before, VARIABLE.get()))
        return reply_with(packet, name)

    running = serve(handled_by(handler), loop_factory=loop_factory)
    peer = running.connect()
    names = ["slow1", "quick2", "slow3", "quick4", "quick5", "slow6"]
    requests = [access_request(name, id=id) for id, name in enumerate(names)]
    peer.send(*requests)
    peer.collect(requests)
    peer.ask(access_request("quick7"))
    assert sorted(seen) == sorted(("unset", name) for name in [*names, "quick7"])
    assert running.call(VARIABLE.get) == "unset"


# --- the loop's task factory ---


class OwnTask(asyncio.Task[Any]):
    """What a task factory may make."""


@pytest.mark.parametrize("is_suspended", [False, True])
def test_the_loops_task_factory_is_honoured(serve: Serve, loop_factory: LoopFactory, is_suspended: bool) -> None:
    made: list[asyncio.Task[Any]] = []
    seen: list[Any] = []

    def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **kwargs: Any) -> asyncio.Task[Any]:
        made.append(OwnTask(coroutine, loop=loop, **kwargs))
        return made[-1]

    async def handler(self: Server, packet: Any) -> Any:
        if is_suspended:
            await asyncio.sleep(0)
        seen.append(asyncio.current_task())
        return reply_with(packet, "x")

    running = serve(handled_by(handler), loop_factory=loop_factory)
    peer = running.connect()
    peer.ask(access_request(id=1))
    assert not isinstance(seen.pop(), OwnTask)
    running.call(running.loop.set_task_factory, factory)
    requests = [access_request(id=id) for id in range(4)]
    peer.send(*requests)
    peer.collect(requests)
    assert len(seen) == 4
    assert set(seen) <= set(made)
    running.call(running.loop.set_task_factory, None)
    seen.clear()
    peer.ask(access_request(id=1))
    assert not isinstance(seen[0], OwnTask)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager_task_factory came with Python 3.12")
def test_asyncios_eager_task_factory(serve: Serve) -> None:
    running = serve(handled_by(lambda self, packet: say(packet, "eager", is_slow=True)))
    running.call(running.loop.set_task_factory, getattr(asyncio, "eager_task_factory"))  # noqa: B009
    assert running.connect().ask(access_request()).message == "eager"


def test_a_task_factory_that_raises(serve: Serve) -> None:
    """It costs the request its reply, and nothing else."""

    def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **kwargs: Any) -> Any:
        coroutine.close()
        raise MemoryError("no tasks today")

    running = serve()
    peer = running.connect()
    running.call(running.loop.set_task_factory, factory)
    peer.send(access_request("bob", id=2))
    (record,) = running.log.wait("Access-Request id 2 user 'bob'", "the handler raised")
    assert record.exc_info is not None
    assert record.exc_info[0] is MemoryError
    running.call(running.loop.set_task_factory, None)
    assert peer.ask(access_request("bob", id=3)).message == "Hello bob"


# --- what is kept, and for how long ---


def test_a_task_that_nobody_else_holds_is_not_lost(serve: Serve) -> None:
    """asyncio itself keeps only weak references to tasks."""

    async def handler(self: Server, packet: Any) -> Any:
        self.note(packet)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[str] = loop.create_future()
        self.held = weakref.ref(future)
        return reply_with(packet, await future)

    running = serve(handled_by(handler))
    peer = running.connect()
    packet = access_request("bob")
    peer.send(packet)
    running.server.wait_seen(1)
    gc.collect()
    future = running.call(running.server.held)
    assert future is not None, "the suspended handler was collected"
    running.call(future.set_result, "still there")
    del future
    assert check_response(peer.receive(), packet).message == "still there"


@pytest.mark.parametrize("user", ["quick", "slow"])
def test_requests_and_packets_go_when_their_handlers_end(serve: Serve, user: str) -> None:
    """While the server runs on, and without the garbage collector's help."""
    gone: list[str] = []

    async def handler(self: Server, packet: Any) -> Any:
        weakref.finalize(packet, gone.append, "packet")
        return await self.answer(packet, Reply_Message="x")

    running = serve(handled_by(handler))
    gc.collect()
    gc.disable()
    try:
        with running.connect() as peer:
            requests = [access_request(user, id=id) for id in range(10)]
            peer.send(*requests)
            running.server.wait_seen(10)
            running.open_gate()
            peer.collect(requests)
        running.wait_stats(closed=1)
        until(lambda: gone == ["packet"] * 10, "the end of ten packets")
        until(lambda: _core.live_objects()["requests"] == _core.live_objects()["connections"] == 0, "no request left")
    finally:
        gc.enable()


# --- in the test's own loop ---


def test_a_server_beside_other_tasks_of_its_loop(loop_factory: LoopFactory) -> None:
    """Without a thread: handlers and the rest of the program share one loop."""

    async def main() -> None:
        async with serving_here(Server(**settings_for_tests())) as server:

            def talk() -> None:
                with Peer(server.addresses[0]) as peer:
                    requests = [access_request(f"slow{id}", id=id) for id in range(16)]
                    peer.send(*requests)
                    peer.collect(requests)

            async def open_gate() -> None:
                while len(server.seen) < 16:
                    await asyncio.sleep(0)
                server.gate.set()

            async with asyncio.timeout(20):
                await asyncio.gather(asyncio.to_thread(talk), open_gate())

    with nothing_left(), asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())
