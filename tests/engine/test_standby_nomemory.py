"""The task that stands by when allocations fail."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable
from typing import Any

import pytest
from serving import Server, handled_by, logged, nothing_left, settings_for_tests, until
from standby import EAGER, task_here

from wire import Peer, access_request

ENDINGS: dict[str, Callable[[], Any]] = {
    "at once": lambda: None,
    "looked at": lambda: task_here().get_name(),
    "suspended": lambda: asyncio.sleep(0),
    "for a while": lambda: asyncio.sleep(0.0001),
}
ENOUGH = 20  # requests in a row that no failing allocation met
MOST = 1000  # allocations of one request: it is far below


def forget_frames(error: BaseException | None) -> None:
    """The interpreter raises one MemoryError again and again when it has no memory for another, and keeps it, with the
    frames of all that raised it and what is in them."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("failing", [1, 1000])
def test_every_allocation_may_fail(monkeypatch: pytest.MonkeyPatch, ending: str, failing: int) -> None:
    """It costs a request its reply, and nothing else: the next one is served, the loop runs, no task is left."""
    testcapi = pytest.importorskip("_testcapi")
    ignored: list[Any] = []
    unhandled: list[dict[str, Any]] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda one: ignored.append(one.exc_type))

    async def handler(self: Server, packet: Any) -> Any:
        awaitable = ENDINGS[ending]()
        if asyncio.iscoroutine(awaitable):
            await awaitable
        return packet.create_reply()

    async def answered(server: Server) -> int:
        """How many replies were sent when nothing is in flight any more."""
        while (stats := server.stats())["requests_in_flight"]:
            await asyncio.sleep(0)
        return stats["replies_sent"]

    async def ask(server: Server, peer: Peer, first: int) -> bool:
        """Whether a request is answered when allocations fail from the `first` of its handler on."""
        loop, engine = asyncio.get_running_loop(), server._engine
        assert engine is not None
        before = server.stats()
        loop.remove_reader(engine.fileno())
        peer.send(access_request(id=first % 256))
        until(lambda: server.stats()["access_requests"] > before["access_requests"], "the request")
        done = loop.create_future()

        def dispatch() -> None:
            gc.disable()
            testcapi.set_nomemory(first, first + failing)
            try:
                engine.dispatch()
            finally:
                testcapi.remove_mem_hooks()
                gc.enable()
                done.set_result(None)

        loop.call_soon(dispatch)
        await done
        loop.add_reader(engine.fileno(), engine.dispatch)
        return await answered(server) > before["replies_sent"]

    async def main() -> None:
        # Not the task: kept, it would be one that is left.
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: unhandled.append({name: context[name] for name in context if name != "task"})
        )
        async with handled_by(handler)(**settings_for_tests(max_in_flight=1)) as server:
            peer = await asyncio.to_thread(Peer, server.addresses[0])
            with peer:
                await asyncio.to_thread(peer.ask, access_request(id=0))
                first = in_a_row = num_failed = 0
                while in_a_row < ENOUGH:
                    is_answered = await ask(server, peer, first)
                    in_a_row = in_a_row + 1 if is_answered else 0
                    num_failed += not is_answered
                    first += 1
                    assert first < MOST
                assert num_failed > 3
                assert server.stats()["handler_errors"] <= num_failed
        await asyncio.sleep(0)
        # A half made task is among all of them from CPython 3.14 on, while a frame has it.
        for error in [record.exc_info[1] for record in log.records if record.exc_info is not None]:
            forget_frames(error)
        log.forget_tracebacks()
        gc.collect()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with nothing_left(), logged() as log:
        asyncio.run(main())
        gc.collect()
        # asyncio of a task that was half made, or that nobody could be told of.
        allowed = {
            "Task was destroyed but it is pending!",
            "Task exception was never retrieved",
            "HandlerTask exception was never retrieved",
        }
        assert {context["message"] for context in unhandled} <= allowed
        errors = [context.get("exception", MemoryError()) for context in unhandled]
        if not EAGER:  # the coroutine of a half made task that begins all the same was closed
            errors = [error for error in errors if str(error) != "cannot reuse already awaited coroutine"]
        assert {type(error) for error in errors} <= {MemoryError}
        errors.clear()
        unhandled.clear()
    assert set(ignored) <= {MemoryError}
