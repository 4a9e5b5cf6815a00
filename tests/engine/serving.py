"""Runs servers for tests, on a thread of their own or on the test's loop, and looks for what they leave behind."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import gc
import logging
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Generic, TypeVar

from pyradsec import _core
from pyradsec.dictionary import Dictionary
from pyradsec.packet import Packet
from pyradsec.radsec.server import RadSecServer
from pyradsec.server import RemoteHost
from wire import CA, SECRET, SERVER, SERVER_KEY, TIMEOUT, Peer

DICTIONARY = Dictionary.default()
FILES = {"certfile": str(SERVER), "keyfile": str(SERVER_KEY), "ca_certfile": str(CA)}


def settings_for_tests(**settings: Any) -> dict[str, Any]:
    """RadSecServer's keywords: loopback, a free port, the development certificates, one client."""
    return {
        "listen_address": "127.0.0.1",
        "listen_port": 0,
        "hosts": {"127.0.0.1": RemoteHost("127.0.0.1", SECRET, "the test")},
        "dictionary": DICTIONARY,
        **FILES,
        **settings,
    }


class Server(RadSecServer):
    """Answers everything. A user whose name begins with "slow" is answered once `gate` is open.

    seen: (code, identifier, user or session) of every handler that was started; wait_seen() waits for it on any thread.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.seen: list[tuple[int, int, str]] = []
        self.finished: list[tuple[int, int, str]] = []
        self.gate = asyncio.Event()
        self._condition = threading.Condition()

    def note(self, packet: Packet) -> str:
        """Adds a handler to `seen`; its user or session."""
        names = packet.get("User-Name") or packet.get("Acct-Session-Id") or [""]
        with self._condition:
            self.seen.append((packet.code, packet.id or 0, names[0]))
            self._condition.notify_all()
        return str(names[0])

    def wait_seen(self, num: int) -> None:
        """Waits until `num` handlers were started."""
        with self._condition:
            assert self._condition.wait_for(lambda: len(self.seen) >= num, TIMEOUT), f"{len(self.seen)} of {num}"

    def wait_finished(self, num: int) -> None:
        """Waits until `num` handlers have ended."""
        with self._condition:
            assert self._condition.wait_for(lambda: len(self.finished) >= num, TIMEOUT), f"{len(self.finished)}/{num}"

    async def answer(self, packet: Any, **attributes: Any) -> Any:
        """The reply to any request."""
        name = self.note(packet)
        try:
            if name.startswith("slow"):
                await self.gate.wait()
            return packet.create_reply(**attributes)
        finally:
            with self._condition:
                self.finished.append((packet.code, packet.id or 0, name))
                self._condition.notify_all()

    async def handle_access_request(self, packet: Any) -> Any:
        return await self.answer(packet, Reply_Message=f"Hello {packet.get('User-Name', [''])[0]}")

    async def handle_accounting(self, packet: Any) -> Any:
        return await self.answer(packet)


def handled_by(function: Callable[..., Any]) -> type[Server]:
    """A server whose handle_access_request is `function`."""
    return type("Handled", (Server,), {"handle_access_request": function})


class CoAServer(Server):
    """Has handlers for CoA and Disconnect too."""

    async def handle_coa(self, packet: Any) -> Any:
        return await self.answer(packet)

    async def handle_disconnect(self, packet: Any) -> Any:
        return await self.answer(packet)


class Log(logging.Handler):
    """What the logger "pyradsec" said, and a way to wait for it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []
        self._condition = threading.Condition()

    def emit(self, record: logging.LogRecord) -> None:
        with self._condition:
            self.records.append(record)
            self._condition.notify_all()

    def forget_tracebacks(self) -> None:
        """Records hold exceptions, those the handlers' frames, and those packets: no leak, but it would look so."""
        for record in self.records:
            if record.exc_info is not None:
                record.exc_text = record.exc_text or logging.Formatter().formatException(record.exc_info)
                record.exc_info = None

    def texts(self, level: int = logging.DEBUG) -> list[str]:
        """The messages of `level` or above, tracebacks left out."""
        return [record.getMessage() for record in self.records if record.levelno >= level]

    def find(self, *parts: str) -> list[logging.LogRecord]:
        """Records whose message holds all of `parts`."""
        return [record for record in self.records if all(part in record.getMessage() for part in parts)]

    def wait(self, *parts: str, num: int = 1) -> list[logging.LogRecord]:
        """Waits for `num` records whose messages hold all of `parts`."""
        with self._condition:
            is_there = self._condition.wait_for(lambda: len(self.find(*parts)) >= num, TIMEOUT)
            assert is_there, f"no record with {parts} among {self.texts()}"
        return self.find(*parts)


@contextlib.contextmanager
def logged() -> Iterator[Log]:
    """Everything that the logger "pyradsec" says, DEBUG included, while the block runs."""
    logger, log = logging.getLogger("pyradsec"), Log()
    level = logger.level
    logger.addHandler(log)
    logger.setLevel(logging.DEBUG)
    try:
        yield log
    finally:
        logger.removeHandler(log)
        logger.setLevel(level)


def until(condition: Callable[[], bool], what: str = "the condition", seconds: float = TIMEOUT) -> None:
    """For what gives no sign of its own: asks again and again until it holds, or fails."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} did not come true in {seconds} s"
        time.sleep(0.001)


# --- leaks ---


def descriptors() -> dict[int, str]:
    """This process's open descriptors and what they are."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the directory's own
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return found


@contextlib.contextmanager
def nothing_left() -> Iterator[None]:
    """Fails when descriptors, threads or the engine's objects are left over after the block."""
    gc.collect()
    objects, files, threads = _core.live_objects(), set(descriptors()), set(threading.enumerate())
    yield
    gc.collect()
    left = {name: num for name, num in _core.live_objects().items() if num > objects[name]}
    assert not left, f"objects of the engine left over: {left}"
    open_now = descriptors()
    assert set(open_now) <= files, f"descriptors left over: { {fd: open_now[fd] for fd in set(open_now) - files} }"
    left_threads = set(threading.enumerate()) - threads
    assert not left_threads, f"threads left over: {left_threads}"


ServerT = TypeVar("ServerT", bound=RadSecServer)
T = TypeVar("T")


class Running(Generic[ServerT]):
    """A server that runs on another thread's event loop."""

    def __init__(self, server: ServerT, loop: asyncio.AbstractEventLoop, log: Log) -> None:
        self.server, self.loop, self.log = server, loop, log
        self.address: tuple[str, int] = ("", 0)
        self.peers: list[Peer] = []
        self.stop_grace = 5.0
        self.failure: BaseException | None = None  # what stop() raised
        self.done = asyncio.Event()

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Calls a function on the server's loop, and waits for what it gives."""
        future: concurrent.futures.Future[T] = concurrent.futures.Future()

        def run() -> None:
            try:
                future.set_result(function(*args))
            except BaseException as error:
                future.set_exception(error)

        self.loop.call_soon_threadsafe(run)
        return future.result(TIMEOUT)

    def run(self, coroutine: Any) -> Any:
        """Runs a coroutine on the server's loop, and waits for its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(TIMEOUT)

    def stats(self) -> dict[str, int]:
        """The server's counters."""
        return self.call(self.server.stats)

    def wait_stats(self, **least: int) -> dict[str, int]:
        """Waits until all of these counters have at least these values."""
        stats: dict[str, int] = {}

        def is_there() -> bool:
            stats.update(self.stats())
            return all(stats[name] >= value for name, value in least.items())

        until(is_there, f"{least}")
        return stats

    def open_gate(self) -> None:
        """Lets the handlers of slow users go."""
        self.call(self.server.gate.set)  # type: ignore[attr-defined]

    def connect(self, *args: Any, **kwargs: Any) -> Peer:
        """A Peer of this server; it is closed with the server."""
        peer = Peer(self.address, *args, **kwargs)
        self.peers.append(peer)
        return peer


LoopFactory = Callable[[], asyncio.AbstractEventLoop]


@contextlib.contextmanager
def serving(
    make: Callable[..., ServerT] | None = None, *, loop_factory: LoopFactory = asyncio.new_event_loop, **settings: Any
) -> Iterator[Running[Any]]:
    """Runs `make(**settings)`, by default Server, on the event loop of a thread.

    At the end it stops the server and fails when descriptors, threads, the engine's objects or exceptions that nobody
    took are left over. After the block `running.server.stats()` still tells the last counters, and the log is complete.
    """
    with nothing_left(), logged() as log:
        started: concurrent.futures.Future[Running[Any]] = concurrent.futures.Future()
        unhandled: list[dict[str, Any]] = []
        thread = threading.Thread(
            target=_serve, args=(make or Server, settings_for_tests(**settings), loop_factory, log, started, unhandled)
        )
        thread.start()
        try:
            running = started.result(TIMEOUT)
        except BaseException:
            thread.join(TIMEOUT)
            raise
        failure: BaseException | None = None
        try:
            yield running
        except BaseException as error:
            failure = error
            raise
        finally:
            for peer in running.peers:
                peer.close()
            running.peers.clear()
            running.loop.call_soon_threadsafe(running.done.set)
            thread.join(TIMEOUT)
            if failure is None:
                assert not thread.is_alive(), "the server's thread does not end"
                if running.failure is not None:
                    raise running.failure
        log.forget_tracebacks()
        gc.collect()
        assert not unhandled, f"left to the event loop's exception handler: {unhandled}"


def _serve(
    make: Callable[..., RadSecServer],
    settings: dict[str, Any],
    loop_factory: LoopFactory,
    log: Log,
    started: concurrent.futures.Future[Running[Any]],
    unhandled: list[dict[str, Any]],
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: unhandled.append(context))
        try:
            server = make(**settings)
            await server.start()
            running = Running(server, loop, log)
            running.address = server.addresses[0]
        except BaseException as error:
            started.set_exception(error)
            return
        started.set_result(running)
        await running.done.wait()
        try:
            await server.stop(running.stop_grace)
        except BaseException as error:
            running.failure = error

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())


@contextlib.asynccontextmanager
async def serving_here(server: ServerT, grace: float = 5.0) -> AsyncIterator[ServerT]:
    """Runs `server` on the loop of the caller, and stops it. Use it inside nothing_left(); a Peer blocks, so give it to
    asyncio.to_thread()."""
    loop = asyncio.get_running_loop()
    unhandled: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: unhandled.append(context))
    await server.start()
    try:
        yield server
    finally:
        await server.stop(grace)
        loop.set_exception_handler(None)
    gc.collect()
    assert not unhandled, f"left to the event loop's exception handler: {unhandled}"
