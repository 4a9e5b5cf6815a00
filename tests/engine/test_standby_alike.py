"""A handler in the task that stands by does as one in a task of its own, which a factory made for it alone."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from serving import LoopFactory, Running, Server, handled_by, until
from standby import Stubborn, task_here

from wire import access_request, check_response

Serve = Callable[..., Running[Any]]


class Case:
    """One request: what its handler does, and what was noted of it."""

    def __init__(self) -> None:
        self.notes: list[Any] = []
        self.note = self.notes.append
        self.others: list[asyncio.Task[Any]] = []  # which note something too
        self.is_ended = threading.Event()

    def end(self, task: asyncio.Task[Any]) -> None:
        """Notes how the task ended."""
        if task.cancelled():
            self.note("cancelled")
        else:
            error = task.exception()
            self.note(repr(error) if error is not None else f"result {task.result().code}")
        self.is_ended.set()

    def soon(self, function: Callable[..., Any], *args: Any) -> None:
        """Calls it between this step and the next one, and notes what it gave."""
        asyncio.get_running_loop().call_soon(lambda: self.note((function.__name__, function(*args))))


Do = Callable[[Case], Any]
CASES: dict[str, Do] = {}


def case(do: Do) -> Do:
    CASES[do.__name__.replace("_", " ")] = do
    return do


async def noting(case: Case, awaitable: Any) -> None:
    """Waits for it, and notes the exception that came."""
    try:
        case.note(await awaitable)
    except (asyncio.CancelledError, TimeoutError, RuntimeError) as error:
        case.note((type(error).__name__, str(error).partition(":")[0], task_here().cancelling()))


# --- cancelled by itself, in the first step ---


@case
async def cancels_itself_and_returns(case: Case) -> None:
    case.note(task_here().cancel("why"))


@case
async def cancels_itself_twice_and_returns(case: Case) -> None:
    case.note((task_here().cancel("first"), task_here().cancel("second"), task_here().cancelling()))


@case
async def cancels_itself_and_raises(case: Case) -> None:
    case.note(task_here().cancel("why"))
    raise ValueError("mine")


@case
async def cancels_itself_around_its_methods_and_returns(case: Case) -> None:
    asyncio.Task.cancel(task_here(), "why")


@case
async def cancels_itself_and_waits(case: Case) -> None:
    task_here().cancel("why")
    await noting(case, asyncio.sleep(30))


@case
async def cancels_itself_twice_and_waits(case: Case) -> None:
    task_here().cancel("first")
    task_here().cancel("second")
    await noting(case, asyncio.sleep(30))


@case
async def cancels_itself_and_waits_a_turn(case: Case) -> None:
    task_here().cancel("why")
    await noting(case, asyncio.sleep(0))


@case
async def cancels_itself_and_waits_for_itself(case: Case) -> None:
    task_here().cancel("why")
    await noting(case, task_here())


@case
async def cancels_itself_and_waits_for_what_is_done(case: Case) -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    future.set_result(1)
    task_here().cancel("why")
    await noting(case, future)
    await noting(case, asyncio.sleep(0, 2))


@case
async def cancels_itself_and_takes_it_back(case: Case) -> None:
    """Which withdraws it since CPython 3.13."""
    task_here().cancel("why")
    case.note(task_here().uncancel())
    await noting(case, asyncio.sleep(0, 1))


@case
async def cancels_itself_takes_it_back_and_returns(case: Case) -> None:
    task_here().cancel("why")
    case.note(task_here().uncancel())


@case
async def cancels_itself_before_its_callbacks(case: Case) -> None:
    """The callbacks of the step come before the cancellation."""
    case.soon(task_here().cancelling)
    task_here().cancel("why")
    case.soon(task_here().uncancel)
    await noting(case, asyncio.sleep(0.01, 1))
    case.note(task_here().cancelling())


@case
async def is_too_late_already(case: Case) -> None:
    try:
        async with asyncio.timeout(-1):
            await noting(case, asyncio.sleep(0.01, 1))
    except TimeoutError:
        case.note("too late")
    case.note(task_here().cancelling())


@case
async def raises_CancelledError(case: Case) -> None:
    raise asyncio.CancelledError("mine")


@case
async def cancels_a_group(case: Case) -> None:
    async def fails() -> None:
        raise ValueError("mine")

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fails())
            await noting(case, asyncio.sleep(30))
    except ExceptionGroup as error:
        case.note(repr(error.exceptions))
    case.note(task_here().cancelling())


# --- cancelled between the first step and the next ---


@case
async def is_cancelled_in_a_sleep(case: Case) -> None:
    case.soon(task_here().cancel, "why")
    await noting(case, asyncio.sleep(30))


@case
async def is_cancelled_twice_in_a_sleep(case: Case) -> None:
    case.soon(task_here().cancel, "first")
    case.soon(task_here().cancel, "second")
    await noting(case, asyncio.sleep(30))


@case
async def is_cancelled_in_a_turn(case: Case) -> None:
    case.soon(task_here().cancel, "why")
    await noting(case, asyncio.sleep(0, 1))
    await noting(case, asyncio.sleep(0, 2))


@case
async def is_cancelled_while_it_waits_for_itself(case: Case) -> None:
    case.soon(task_here().cancel, "why")
    await noting(case, task_here())


@case
async def is_cancelled_around_its_methods(case: Case) -> None:
    task = task_here()
    asyncio.get_running_loop().call_soon(asyncio.Task.cancel, task, "why")
    await noting(case, asyncio.sleep(30))


@case
async def is_cancelled_and_that_is_taken_back(case: Case) -> None:
    case.soon(task_here().cancel, "why")
    case.soon(task_here().uncancel)
    await noting(case, asyncio.sleep(0.01, 1))


@case
async def has_what_it_waits_for_cancelled(case: Case) -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    case.soon(future.cancel, "theirs")
    await noting(case, future)


@case
async def is_cancelled_in_a_group(case: Case) -> None:
    case.soon(task_here().cancel, "why")
    async with asyncio.TaskGroup() as group:
        group.create_task(noting(case, asyncio.sleep(30)))
        await asyncio.sleep(30)


# --- cancelled when it has ended ---


@case
async def is_cancelled_after_its_end(case: Case) -> None:
    """It is done: there is nothing to cancel, and the reply is sent."""
    case.soon(task_here().done)
    case.soon(task_here().cancel, "why")
    case.soon(task_here().cancelled)


@case
async def is_cancelled_around_its_methods_after_its_end(case: Case) -> None:
    task = task_here()
    asyncio.get_running_loop().call_soon(lambda: case.note(asyncio.Task.cancel(task, "why")))


@case
async def is_awaited_by_another(case: Case) -> None:
    """Which gets what it gives."""
    task = task_here()

    async def waits() -> None:
        case.note((await task).code)

    case.others.append(asyncio.get_running_loop().create_task(waits()))


@case
async def is_awaited_by_another_and_fails(case: Case) -> None:
    task = task_here()
    case.others.append(asyncio.get_running_loop().create_task(noting(case, task)))
    raise RuntimeError("mine")


# --- what it waits for, others wait for too ---


@case
async def waits_for_what_another_waits_for(case: Case) -> None:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[int] = loop.create_future()
    case.others.append(loop.create_task(noting(case, future)))
    loop.call_later(0.01, future.set_result, 7)
    await noting(case, future)


@case
async def cancels_itself_and_waits_for_what_another_waits_for(case: Case) -> None:
    loop = asyncio.get_running_loop()
    future = Stubborn()

    async def waits_too() -> None:
        assert await future == 5

    case.others.append(loop.create_task(waits_too()))
    task_here().cancel("why")
    await noting(case, future)


@case
async def waits_in_a_queue_before_another(case: Case) -> None:
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[int] = asyncio.Queue()

    async def takes_too() -> None:
        case.note(("the other", await queue.get()))

    case.others.append(loop.create_task(takes_too()))
    loop.call_later(0.01, lambda: [queue.put_nowait(number) for number in (1, 2)])
    case.note(("the handler", await queue.get()))


@case
async def is_cancelled_twice_around_a_timeout(case: Case) -> None:
    task_here().cancel("first")
    task_here().cancel("second")
    case.soon(task_here().cancel, "third")
    try:
        async with asyncio.timeout(0):
            await asyncio.sleep(30)
    except (TimeoutError, asyncio.CancelledError) as error:
        case.note(repr(error))
    await noting(case, asyncio.sleep(0, 1))


# --- its coroutine, taken hold of while it runs ---


@case
async def closes_its_own_coroutine(case: Case) -> None:
    task: Any = task_here()
    for name, args in (("close", ()), ("send", (None,)), ("throw", (ValueError("mine"),))):
        try:
            getattr(task._coro, name)(*args)
        except ValueError as error:
            case.note(str(error))


@case
async def closes_its_own_coroutine_after_a_wait(case: Case) -> None:
    await asyncio.sleep(0)
    await closes_its_own_coroutine(case)


# --- what the test does with them ---


REPEATS = 2
PLAIN = 34  # requests whose handlers do nothing, after each: more than get tasks of their own because of it


def observe(serve: Serve, loop_factory: LoopFactory, do: Do, is_ordinary: bool) -> tuple[list[Any], list[str]]:
    """What is noted of some requests, each between others, and of what type the tasks of their handlers were."""
    cases: list[Case] = []
    kinds: list[str] = []

    async def handler(self: Server, packet: Any) -> Any:
        if packet["User-Name"] == ["plain"]:
            return packet.create_reply()
        kinds.append(type(task_here()).__name__)
        case = Case()
        task_here().add_done_callback(case.end)
        cases.append(case)
        await do(case)
        return packet.create_reply()

    running = serve(handled_by(handler), loop_factory=loop_factory)
    if is_ordinary:
        running.call(running.loop.set_task_factory, ordinary_task)
    peer = running.connect()
    peer.ask(access_request("plain"))
    for number in range(REPEATS):
        peer.send(access_request("does", id=1))
        until(lambda: len(cases) > number and cases[number].is_ended.is_set(), "the end")  # noqa: B023 - called here
        case = cases[number]
        running.run(all_of(case.others))
        case.others.clear()
        requests = {id: access_request("plain", id=id) for id in range(2, PLAIN + 2)}
        peer.send(*requests.values())
        while requests:
            answer = peer.receive()
            if answer[1] == 1:
                case.note("reply")
            else:
                check_response(answer, requests.pop(answer[1]))
        stats = running.stats()
        case.note({name: stats[name] for name in ("handler_errors", "handler_no_replies")})
    return [case.notes for case in cases], kinds


def ordinary_task(loop: asyncio.AbstractEventLoop, coroutine: Any, **given: Any) -> asyncio.Task[Any]:
    return asyncio.Task(coroutine, loop=loop, **given)


async def all_of(tasks: list[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("name", CASES)
def test_it_does_as_in_a_task_of_its_own(serve: Serve, loop_factory: LoopFactory, name: str) -> None:
    expected, kinds = observe(serve, loop_factory, CASES[name], is_ordinary=True)
    assert kinds == ["Task"] * REPEATS
    found, kinds = observe(serve, loop_factory, CASES[name], is_ordinary=False)
    assert kinds == ["HandlerTask"] * REPEATS
    assert found == expected


# --- anything ---


async def in_turns(turns: int) -> int:
    """Waits for a future that is done after so many turns of the loop."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[int] = loop.create_future()

    def turn(left: int) -> None:
        if left > 0:
            loop.call_soon(turn, left - 1)
        elif not future.done():
            future.set_result(turns)

    turn(turns)
    return await future


async def too_late(timeout: float) -> int:
    async with asyncio.timeout(timeout):
        return await in_turns(9)


async def failing_group() -> None:
    async def fails() -> None:
        raise ValueError("mine")

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fails())
            await in_turns(9)
    except ExceptionGroup as error:
        raise RuntimeError(repr(error.exceptions)) from None


async def stubborn() -> int:
    return await Stubborn()


MOVES: dict[str, Callable[[Case], Any]] = {
    "cancel": lambda case: case.note(task_here().cancel("itself")),
    "uncancel": lambda case: case.note(task_here().uncancel()),
    "cancel soon": lambda case: case.soon(task_here().cancel, "soon"),
    "cancel a turn later": lambda case: asyncio.get_running_loop().call_soon(case.soon, task_here().cancel, "later"),
    "uncancel soon": lambda case: case.soon(task_here().uncancel),
    "cancelling": lambda case: case.note(task_here().cancelling()),
    "spawn": lambda case: case.others.append(asyncio.ensure_future(noting(case, asyncio.sleep(0, "another")))),
}
WAITS: dict[str, Callable[[], Any]] = {
    "a turn": lambda: asyncio.sleep(0, 1),
    "a future": lambda: in_turns(1),
    "a future of later": lambda: in_turns(3),
    "what is done": lambda: in_turns(0),
    "a timeout": lambda: too_late(0),
    "a timeout long ago": lambda: too_late(-1),
    "wait_for": lambda: asyncio.wait_for(in_turns(9), 0),
    "a shield": lambda: asyncio.shield(in_turns(2)),
    "several": lambda: asyncio.gather(in_turns(1), asyncio.sleep(0, 2)),
    "a group": failing_group,
    "a stubborn future": stubborn,
    "itself": task_here,
}


@pytest.mark.parametrize("seed", range(40))
def test_any_handler_does_as_in_a_task_of_its_own(serve: Serve, seed: int) -> None:
    """Moves and waits as they come; the last wait may end the handler with its exception."""
    chance = random.Random(seed)
    plan = [chance.choice([*MOVES, *WAITS, *WAITS]) for _ in range(chance.randint(1, 6))]
    ends_badly = chance.random() < 0.3

    async def do(case: Case) -> None:
        for number, name in enumerate(plan):
            case.note(name)
            if name in MOVES:
                MOVES[name](case)
            elif ends_badly and number == len(plan) - 1:
                await WAITS[name]()
            else:
                await noting(case, WAITS[name]())

    expected, _ = observe(serve, asyncio.new_event_loop, do, is_ordinary=True)
    found, kinds = observe(serve, asyncio.new_event_loop, do, is_ordinary=False)
    assert kinds == ["HandlerTask"] * REPEATS
    assert found == expected, plan
