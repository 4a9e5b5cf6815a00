"""The task that stands by for handlers that never wait: to each of them, and to whatever it calls, it is its own."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import os
import subprocess
import sys
import types
import weakref
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import (
    LoopFactory,
    Running,
    Server,
    handled_by,
    nothing_left,
    serving_here,
    settings_for_tests,
    until,
)
from standby import EAGER, Stubborn, handler_tasks, kind_of_task, make_ready, task_here

from wire import Peer, access_request, accounting_request, check_response

Serve = Callable[..., Running[Any]]
# Handlers with tasks of their own after one that used the task up. Without eager tasks: while the next one is made.
OWN_AFTER_USED = 32 if EAGER else 1


# --- shared ---


def test_handlers_that_never_wait_share_a_task(serve: Serve, loop_factory: LoopFactory) -> None:
    seen: list[tuple[str, int]] = []

    async def handler(self: Server, packet: Any) -> Any:
        task = task_here()
        assert isinstance(task, asyncio.Task)
        seen.append((type(task).__name__, id(task)))
        return packet.create_reply()

    running = serve(handled_by(handler), loop_factory=loop_factory)
    peer = running.connect()
    make_ready(peer)
    for _ in range(3):
        requests = [access_request(id=id) for id in range(10)]
        peer.send(*requests)
        peer.collect(requests)
    assert len(seen) == 30
    assert set(seen) == {("HandlerTask", seen[0][1])}
    assert EAGER is (running.stats()["handlers_suspended"] == 0)


def test_it_is_the_current_task_only_while_a_handler_runs(serve: Serve, loop_factory: LoopFactory) -> None:
    seen: list[Any] = []

    async def handler(self: Server, packet: Any) -> Any:
        seen.append(task_here() in asyncio.all_tasks())
        return packet.create_reply()

    running = serve(handled_by(handler), loop_factory=loop_factory)
    before = len(running.call(asyncio.all_tasks))
    running.connect().ask(access_request())
    assert seen == [True]
    assert running.call(asyncio.current_task) is None
    until(lambda: len(running.call(asyncio.all_tasks)) == before, "a task that rests among all tasks")


def keep_reference(kept: list[Any], task: Any) -> None:
    kept.append(task)


def keep_weak_reference(kept: list[Any], task: Any) -> None:
    kept.append(weakref.ref(task))


def keep_weak_callback(kept: list[Any], task: Any) -> None:
    kept.append(weakref.ref(task, lambda _: None))


def keep_in_a_cycle(kept: list[Any], task: Any) -> None:
    cycle: list[Any] = [task]
    cycle.append(cycle)


def write(kept: list[Any], task: Any) -> None:
    task.request = 1


LOOKS: dict[str, Callable[[list[Any], Any], Any]] = {
    "reference": keep_reference,
    "weak reference": keep_weak_reference,
    "weak reference with callback": keep_weak_callback,
    "cycle": keep_in_a_cycle,
    "attribute": write,
    "name": lambda kept, task: task.get_name(),
    "set name": lambda kept, task: task.set_name("mine"),
    "done callback": lambda kept, task: task.add_done_callback(kept.append),
    "cancelling": lambda kept, task: task.cancelling(),
    "done": lambda kept, task: task.done(),
    "coroutine": lambda kept, task: kept.append(task.get_coro()),
    "stack": lambda kept, task: kept.append(task.get_stack()),
    "repr": lambda kept, task: repr(task),
}
if EAGER:
    # Records have had a taskName since.
    LOOKS["log record"] = lambda kept, task: kept.append(logging.LogRecord("x", 1, "x", 1, "x", None, None))


@pytest.mark.parametrize("look", LOOKS)
def test_who_looks_at_the_task_has_it_alone(serve: Serve, loop_factory: LoopFactory, look: str) -> None:
    """Any number of requests, one after the other and together: none finds what another one left."""
    kept: list[Any] = []
    marks: list[bool] = []

    async def handler(self: Server, packet: Any) -> Any:
        task = task_here()
        if packet["User-Name"] == ["look"]:
            LOOKS[look](kept, task)
        else:
            marks.append(hasattr(task, "request") or task.get_name() == "mine")
        return packet.create_reply(Reply_Message="x")

    running = serve(handled_by(handler), loop_factory=loop_factory)
    peer = running.connect()
    peer.ask(access_request("look", id=0))
    requests = [access_request("bob" if number % 3 else "look", id=number) for number in range(90)]
    peer.send(*requests)
    assert len(peer.collect(requests)) == 90
    assert marks == [False] * 60
    for number in range(3):
        peer.ask(access_request("look", id=number))
    tasks = [one() if isinstance(one, weakref.ref) else one for one in kept]
    tasks = [task for task in tasks if isinstance(task, asyncio.Task)]
    assert len(set(map(id, tasks))) == len(tasks)
    assert all(task.done() and task.result().code == 2 for task in tasks)
    assert EAGER is (running.stats()["handlers_suspended"] == 0)
    kept.clear()


def test_a_look_that_leaves_nothing_behind_does_not_keep_it(serve: Serve) -> None:
    """A reference that has gone by the end, with no attribute read, is nothing that anybody could tell."""
    kinds: list[str] = []

    async def handler(self: Server, packet: Any) -> Any:
        task = task_here()
        assert task in {task}
        weakref.ref(task)
        kinds.append(type(task).__name__)
        return packet.create_reply()

    running = serve(handled_by(handler))
    peer = running.connect()
    make_ready(peer)
    for id in range(5):
        peer.ask(access_request(id=id))
    assert kinds == ["HandlerTask"] * 5
    assert EAGER is (running.stats()["handlers_suspended"] == 0)


def keep_strongly(task: Any) -> Any:
    return task


AT_REST: dict[str, Callable[[Any], Any]] = {
    "reference": keep_strongly,
    "weak reference": weakref.ref,
    "cancelled": lambda task: task.cancel("late"),
    "cancelled around its methods": lambda task: asyncio.Task.cancel(task, "late"),
    "done callback": lambda task: task.add_done_callback(lambda _: None),
}


@pytest.mark.parametrize("touch", AT_REST)
def test_who_comes_to_know_it_at_rest(serve: Serve, loop_factory: LoopFactory, touch: str) -> None:
    """As those do that go through all objects: it is given up, and ends, and no handler is theirs to disturb."""
    seen: list[int] = []

    async def handler(self: Server, packet: Any) -> Any:
        seen.append(id(asyncio.current_task()))
        return packet.create_reply()

    running = serve(handled_by(handler), loop_factory=loop_factory)
    peer = running.connect()
    make_ready(peer)

    def reach() -> Any:
        (task,) = [one for one in gc.get_objects() if type(one).__name__ == "HandlerTask"]
        assert task not in asyncio.all_tasks()
        return AT_REST[touch](task)

    kept = running.call(reach)
    make_ready(peer)
    seen.clear()
    requests = [access_request(id=id) for id in range(10, 20)]
    peer.send(*requests)
    peer.collect(requests)
    if touch == "reference":
        assert id(kept) not in seen
        assert kept.done()
        assert kept.result() is None
    if touch == "weak reference":
        assert kept() is None
    kept = None
    assert len(set(seen)) == 1
    assert len(running.call(handler_tasks)) == 2  # one of each
    assert EAGER is (running.stats()["handlers_suspended"] == 0)


def test_every_handler_has_a_name_of_its_own(serve: Serve, loop_factory: LoopFactory) -> None:
    names: list[str] = []

    async def handler(self: Server, packet: Any) -> Any:
        names.append(task_here().get_name())
        return packet.create_reply()

    peer = serve(handled_by(handler), loop_factory=loop_factory).connect()
    requests = [access_request(id=id) for id in range(100)]
    peer.send(*requests)
    peer.collect(requests)
    assert len(set(names)) == 100


def test_after_one_that_waits_others_have_tasks_of_their_own(serve: Serve, loop_factory: LoopFactory) -> None:
    """So many handlers of its code; those of another code go on as they did."""
    kinds: list[str] = []

    async def handler(self: Server, packet: Any) -> Any:
        kinds.append(kind_of_task())
        if packet["User-Name"] == ["waits"]:
            await asyncio.sleep(0)
        return packet.create_reply()

    async def handle_accounting(self: Server, packet: Any) -> Any:
        kinds.append("accounting " + kind_of_task())
        return packet.create_reply()

    made = handled_by(handler)
    made.handle_accounting = handle_accounting  # type: ignore[method-assign]
    peer = serve(made, loop_factory=loop_factory).connect()
    make_ready(peer)
    kinds.clear()
    peer.ask(access_request("waits", id=0))
    for id in range(1, OWN_AFTER_USED + 2):
        peer.ask(access_request("bob", id=id))
    peer.ask(accounting_request(id=1))
    assert kinds == ["HandlerTask", *["Task"] * OWN_AFTER_USED, "HandlerTask", "accounting HandlerTask"]


# --- suspended ---


VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")


@types.coroutine
def yielding(value: Any) -> Generator[Any, Any, Any]:
    """Yields what no well-behaved awaitable does."""
    return (yield value)


async def done_already() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.set_result(None)
    await future


WAITS: dict[str, Callable[[], Any]] = {
    "a turn": lambda: asyncio.sleep(0),
    "a moment": lambda: asyncio.sleep(0.001),
    "a done future": done_already,
    "a task": lambda: asyncio.ensure_future(asyncio.sleep(0)),
    "several": lambda: asyncio.gather(asyncio.sleep(0), asyncio.sleep(0.001)),
    "a shield": lambda: asyncio.shield(asyncio.sleep(0)),
    "a thread": lambda: asyncio.to_thread(lambda: None),
    "time": lambda: asyncio.wait_for(asyncio.sleep(0), 5),
}


@pytest.mark.parametrize("wait", WAITS)
def test_it_goes_on_as_its_own_task(serve: Serve, loop_factory: LoopFactory, wait: str) -> None:
    """The same task, the same context (a token of the first step is good in the last), several waits long."""
    failures: list[str] = []

    async def handler(self: Server, packet: Any) -> Any:
        task, token = task_here(), VARIABLE.set(packet["User-Name"][0])
        for number in range(3):
            await WAITS[wait]()
            if asyncio.current_task() is not task or task not in asyncio.all_tasks() or task.done():
                failures.append(f"another task after wait {number}")
            if VARIABLE.get() != packet["User-Name"][0]:
                failures.append(f"another context after wait {number}: {VARIABLE.get()}")
        VARIABLE.reset(token)
        return packet.create_reply(Reply_Message=VARIABLE.get())

    running = serve(handled_by(handler), loop_factory=loop_factory)
    peer = running.connect()
    requests = [access_request(f"user{id}", id=id) for id in range(OWN_AFTER_USED + 3)]
    peer.send(*requests)
    assert {reply.message for reply in peer.collect(requests).values()} == {"unset"}
    assert failures == []
    assert running.call(VARIABLE.get) == "unset"


def test_what_a_suspended_task_shows(serve: Serve, loop_factory: LoopFactory) -> None:
    """Its coroutine, stack, context and repr are the handler's."""
    tasks: list[asyncio.Task[Any]] = []

    async def wait_here(self: Server, packet: Any) -> Any:
        VARIABLE.set("shown")
        tasks.append(task_here())
        self.note(packet)
        await self.gate.wait()
        return packet.create_reply()

    running = serve(handled_by(wait_here), loop_factory=loop_factory)
    peer = running.connect()
    make_ready(peer)
    request = access_request()
    peer.send(request)
    running.server.wait_seen(3)

    def show() -> tuple[Any, ...]:
        (task,) = tasks
        coroutine: Any = task.get_coro()
        context: Any = task.get_context() if sys.version_info >= (3, 12) else {VARIABLE: "shown"}
        (frame,) = task.get_stack()
        return coroutine.__name__, coroutine.cr_frame is frame, frame.f_code.co_name, context[VARIABLE], repr(task)

    name, is_frame, code_name, value, text = running.call(show)
    assert (name, is_frame, code_name, value) == ("wait_here", True, "wait_here", "shown")
    assert "wait_here() running at " in text
    assert "HandlerTask pending" in text
    running.open_gate()
    check_response(peer.receive(), request)
    assert "HandlerTask finished" in running.call(repr, tasks.pop())


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (lambda: 5, "bad yield: 5"),
        (lambda: asyncio.get_running_loop().create_future(), "yield was used instead of yield from"),
    ],
    ids=["a number", "a future"],
)
def test_a_bad_yield(serve: Serve, value: Callable[[], Any], words: str) -> None:
    """asyncio tells the coroutine, as it does any other."""
    told: list[str] = []

    async def handler(self: Server, packet: Any) -> Any:
        try:
            await yielding(value())
        except RuntimeError as error:
            told.append(str(error))
        return packet.create_reply(Reply_Message="x")

    assert serve(handled_by(handler)).connect().ask(access_request()).message == "x"
    assert len(told) == 1
    assert words in told[0]


def test_waiting_for_itself(serve: Serve) -> None:
    told: list[str] = []

    async def handler(self: Server, packet: Any) -> Any:
        try:
            await task_here()
        except RuntimeError as error:
            told.append(str(error))
        return packet.create_reply(Reply_Message="x")

    assert serve(handled_by(handler)).connect().ask(access_request()).message == "x"
    assert "cannot await on itself" in told[0]


# --- cancelled ---


@pytest.mark.parametrize("catches", [True, False], ids=["caught", "not caught"])
@pytest.mark.parametrize(
    "wait",
    [lambda: asyncio.sleep(0), lambda: asyncio.sleep(30), lambda: asyncio.shield(asyncio.sleep(0.001)), Stubborn],
    ids=["a turn", "a sleep", "a shield", "a stubborn future"],
)
@pytest.mark.parametrize("by", ["itself", "the next handler", "a callback"])
def test_cancelled_before_its_task_knows_what_it_waits_for(
    serve: Serve, loop_factory: LoopFactory, by: str, wait: Callable[[], Any], catches: bool
) -> None:
    """The first step has ended, and the loop's next turn has not begun."""
    tasks: list[asyncio.Task[Any]] = []
    caught: list[Any] = []

    async def handler(self: Server, packet: Any) -> Any:
        if packet["User-Name"] == ["cancels"]:
            if by == "the next handler":
                tasks[0].cancel("why")
            return packet.create_reply()
        task = task_here()
        tasks.append(task)
        if by == "itself":
            task.cancel("why")
        if by == "a callback":
            asyncio.get_running_loop().call_soon(task.cancel, "why")
        try:
            await wait()
        except asyncio.CancelledError as error:
            caught.append(error.args)
            if not catches:
                raise
            task.uncancel()
            await asyncio.sleep(0)
            return packet.create_reply(Reply_Message=str(task.cancelling()))

    running = serve(handled_by(handler), loop_factory=loop_factory)
    peer = running.connect()
    requests = [access_request("waits", id=1), access_request("cancels", id=2)]
    peer.send(*requests)
    if catches:
        assert peer.collect(requests)[1].message == "0"
    else:
        check_response(peer.receive(), requests[1])
        running.log.wait("Access-Request id 1 user 'waits'", "the handler was cancelled")
    assert caught == [("why",)]
    assert running.call(tasks[0].cancelled) is not catches
    tasks.clear()


@pytest.mark.parametrize("ends", ["returns", "raises"])
def test_cancelling_itself_in_its_only_step(serve: Serve, loop_factory: LoopFactory, ends: str) -> None:
    """As of any task: it is cancelled, unless it raises something else."""
    tasks: list[asyncio.Task[Any]] = []

    async def handler(self: Server, packet: Any) -> Any:
        tasks.append(task_here())
        tasks[0].cancel()
        if ends == "raises":
            raise ValueError("something else")
        return packet.create_reply()

    running = serve(handled_by(handler), loop_factory=loop_factory)
    peer = running.connect()
    peer.send(access_request("bob", id=1))
    words = "the handler raised" if ends == "raises" else "the handler was cancelled"
    running.log.wait("Access-Request id 1 user 'bob'", words)
    assert running.call(tasks[0].cancelled) is (ends == "returns")
    tasks.clear()
    peer.probe()


def test_a_timeout_in_the_first_step(serve: Serve, loop_factory: LoopFactory) -> None:
    """It cancels the task that it was begun in, and takes that back."""

    async def handler(self: Server, packet: Any) -> Any:
        try:
            async with asyncio.timeout(0):
                await self.gate.wait()
        except TimeoutError:
            return packet.create_reply(Reply_Message=f"too late {task_here().cancelling()}")

    peer = serve(handled_by(handler), loop_factory=loop_factory).connect()
    for id in range(3):
        assert peer.ask(access_request(id=id)).message == "too late 0"


# --- how it ends ---


@pytest.mark.parametrize("is_known", [True, False])
def test_an_exception_is_logged_once(serve: Serve, is_known: bool) -> None:
    tasks: list[Any] = []

    async def handler(self: Server, packet: Any) -> Any:
        if is_known:
            tasks.append(task_here())
        raise ValueError("mine")

    running = serve(handled_by(handler))
    peer = running.connect()
    for id in range(3):
        peer.send(access_request("bob", id=id))
        (record,) = running.log.wait(f"Access-Request id {id} user 'bob'", "the handler raised")
        assert record.exc_info is not None
        assert str(record.exc_info[1]) == "mine"
        frames = list(traceback_names(record.exc_info[2]))
        assert frames.count("handler") == 1
    assert running.wait_stats(handler_errors=3)["handler_errors"] == 3
    tasks.clear()


def traceback_names(traceback: types.TracebackType | None) -> Iterator[str]:
    while traceback is not None:
        yield traceback.tb_frame.f_code.co_name
        traceback = traceback.tb_next


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("is_suspended", [True, False])
def test_what_ends_the_loop_ends_it_once(
    loop_factory: LoopFactory, error: type[BaseException], is_known: bool, is_suspended: bool
) -> None:
    """KeyboardInterrupt and SystemExit leave the loop from where they were raised; it can be run again after them."""
    tasks: list[Any] = []

    async def handler(self: Server, packet: Any) -> Any:
        if is_known:
            tasks.append(task_here())
        if is_suspended:
            await asyncio.sleep(0)
        raise error

    with nothing_left():
        server = handled_by(handler)(**settings_for_tests())
        loop = loop_factory()
        try:
            loop.run_until_complete(server.start())
            peer = loop.run_until_complete(asyncio.to_thread(Peer, server.addresses[0]))
            peer.send(access_request())
            with pytest.raises(error):
                loop.run_until_complete(asyncio.sleep(20))
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(server.stop(0))
            loop.run_until_complete(asyncio.sleep(0))
            assert [type(task.exception()) for task in tasks] == [error] * is_known
            peer.close()
        finally:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()
        tasks.clear()
        del server


def test_it_is_gone_when_the_server_has_stopped(loop_factory: LoopFactory) -> None:
    """In that same turn of the loop."""

    async def main() -> None:
        server = Server(**settings_for_tests())
        async with serving_here(server):
            peer = await asyncio.to_thread(Peer, server.addresses[0])
            await asyncio.to_thread(peer.ask, access_request())
            await asyncio.to_thread(peer.ask, access_request())
            assert len(handler_tasks()) == 2
            peer.close()
            await server.stop(0)
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert handler_tasks() == []

    with nothing_left(), asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())


PURE = """
import asyncio.futures, asyncio.tasks

names = ("_register_task", "_unregister_task", "_enter_task", "_leave_task", "_swap_current_task", "current_task")
for name in names:
    in_python = "_py_" + name.removeprefix("_")
    if hasattr(asyncio.tasks, in_python):
        setattr(asyncio.tasks, name, getattr(asyncio.tasks, in_python))
asyncio.current_task = asyncio.tasks.current_task
asyncio.Task = asyncio.tasks.Task = asyncio.tasks._PyTask
asyncio.Future = asyncio.futures.Future = asyncio.futures._PyFuture

from serving import Server, serving_here, settings_for_tests
from wire import Peer, access_request

class Own(Server):
    async def handle_access_request(self, packet):
        if packet["User-Name"] == ["waits"]:
            await asyncio.sleep(0)
        return packet.create_reply(Reply_Message=type(asyncio.current_task()).__name__)

def ask(address):
    with Peer(address) as peer:
        return {peer.ask(access_request(user, id=id)).message for id, user in enumerate(["bob", "waits"] * 5)}

async def main():
    async with serving_here(Own(**settings_for_tests())) as server:
        print(await asyncio.to_thread(ask, server.addresses[0]))

asyncio.run(main())
"""


def test_tasks_in_python() -> None:
    """Tools that nest event loops have asyncio's tasks in Python in use: then every handler has one of its own."""
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(here), str(here.parents[1]), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-c", PURE], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.stdout, done.returncode) == ("{'Task'}\n", 0), done.stderr


# --- nothing is left of it ---


@pytest.mark.parametrize("user", ["quick", "slow"])
def test_a_stopped_server_leaves_no_task(loop_factory: LoopFactory, user: str) -> None:
    """Neither among asyncio's nor in memory, and without the garbage collector's help."""

    async def main() -> None:
        server = Server(**settings_for_tests())
        async with serving_here(server):

            def talk() -> None:
                with Peer(server.addresses[0]) as peer:
                    for id in range(3):
                        peer.send(access_request(user, id=id))
                        server.wait_seen(id + 1)
                        asyncio.run_coroutine_threadsafe(open_gate(), loop).result()

            async def open_gate() -> None:
                server.gate.set()

            loop = asyncio.get_running_loop()
            await asyncio.to_thread(talk)
            gc.disable()
        try:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert handler_tasks() == []
        finally:
            gc.enable()

    with nothing_left(), asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_loop_that_is_closed_under_it(loop_factory: LoopFactory, caplog: pytest.LogCaptureFixture) -> None:
    """The task at rest goes without a word."""
    with nothing_left():
        loop = loop_factory()
        server = Server(**settings_for_tests())
        loop.run_until_complete(server.start())

        def talk(address: tuple[str, int]) -> None:
            with Peer(address) as peer:
                peer.ask(access_request())

        loop.run_until_complete(asyncio.to_thread(talk, server.addresses[0]))
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        with caplog.at_level(logging.DEBUG, logger="asyncio"):
            del server
            gc.collect()
            assert handler_tasks() == []
        assert [record for record in caplog.records if record.name == "asyncio"] == []
