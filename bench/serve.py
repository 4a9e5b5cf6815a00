"""The benchmark's Python servers: one policy, run by pyradsec or by pyrad2.

    serve.py {pyradsec,pyrad2} [--loop {asyncio,uvloop}] [--certs DIR] [--await-ms MS] [--tickets N]
             [--processes N] [--threads N] [--logging]

Prints one line of JSON (port, versions) when it listens on 127.0.0.1, and serves until standard input ends. Both
libraries get the very same class; only the module it comes from, and how the server is started, differ.
"""

from __future__ import annotations

import argparse
import asyncio
import concurrent.futures
import contextlib
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SECRET = b"radsec"


def policy(library: str, await_s: float) -> type[Any]:
    """The server class on top of the given library: user0042@… has the password hunter0042, and is greeted."""
    base: Any = import_module(f"{library}.radsec.server").RadSecServer
    codes: Any = import_module(f"{library}.constants").PacketType

    class Policy(base):  # type: ignore[misc]  # the base is known at run time
        sessions: dict[str, str]

        async def handle_access_request(self, packet: Any) -> Any:
            user = packet["User-Name"][0]
            password = packet.pw_decrypt(packet["User-Password"][0])
            reply = packet.create_reply()
            if password == "hunter" + user[4:8]:
                reply.code = codes.AccessAccept
                reply["Reply-Message"] = "Hello " + user
            else:
                reply.code = codes.AccessReject
            return reply

        async def handle_accounting(self, packet: Any) -> Any:
            self.sessions[packet["User-Name"][0]] = packet["Acct-Session-Id"][0]
            reply = packet.create_reply()
            reply.code = codes.AccountingResponse
            return reply

    class Waiting(Policy):
        """The same after a wait, as for a database."""

        async def handle_access_request(self, packet: Any) -> Any:
            await asyncio.sleep(await_s)
            return await super().handle_access_request(packet)

    return Waiting if await_s > 0 else Policy


def make_server(options: argparse.Namespace, port: int, **more: Any) -> Any:
    library, certs = options.library, options.certs
    remote_host: Any = import_module(f"{library}.server").RemoteHost
    dictionary: Any = import_module(f"{library}.dictionary").Dictionary
    server = policy(library, options.await_ms / 1000)(
        listen_address="127.0.0.1",
        listen_port=port,
        hosts={"127.0.0.1": remote_host("127.0.0.1", SECRET, "localhost")},
        dictionary=dictionary(str(HERE / "dictionary")),
        verify_packet=True,
        certfile=str(certs / "server/server.cert.pem"),
        keyfile=str(certs / "server/server.key.pem"),
        ca_certfile=str(certs / "ca/ca.cert.pem"),
        **more,
    )
    server.sessions = {}
    return server


def announce(library: str, port: int, beside: Sequence[int] = ()) -> None:
    hello: dict[str, Any] = {
        "port": port,
        "library": f"{library} {import_module(library).__version__}",
        "python": sys.version.split()[0],
        "openssl": ssl.OPENSSL_VERSION,
        "loop": type(asyncio.get_running_loop()).__module__.partition(".")[0],
    }
    if beside:
        hello["beside"] = beside  # processes that serve on the same port
    print(json.dumps(hello), flush=True)


async def end_of_input() -> None:
    """Returns when standard input ends; never when it is a file, which a poller does not take."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def on_readable() -> None:
        if not os.read(sys.stdin.fileno(), 256):
            loop.remove_reader(sys.stdin.fileno())
            ended.set()

    with contextlib.suppress(PermissionError):
        loop.add_reader(sys.stdin.fileno(), on_readable)
    await ended.wait()


def start_process(port: int) -> subprocess.Popen[bytes]:
    """One more process like this one, once it listens on the same port. It has our standard input, and ends with it."""
    command = [sys.executable, __file__, *sys.argv[1:], f"--beside={port}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    if not process.stdout.readline():
        raise SystemExit(f"{' '.join(command)}: did not start, status {process.wait()}")
    return process


def start_thread(server: Any, loop_name: str, ending: threading.Event) -> threading.Thread:
    """One more event loop, with a server, in a thread; returns once it listens."""
    outcome: concurrent.futures.Future[None] = concurrent.futures.Future()

    async def serve() -> None:
        try:
            await server.start()
        except BaseException as error:
            outcome.set_exception(error)
            return
        outcome.set_result(None)
        await asyncio.to_thread(ending.wait)
        await server.stop(grace=1.0)

    def run() -> None:
        with asyncio.Runner(loop_factory=loop_factory(loop_name)) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    outcome.result()
    return thread


async def serve_pyradsec(options: argparse.Namespace) -> None:
    """The first of several starts the others, which are told its port."""
    more: dict[str, Any] = {} if options.tickets is None else {"session_tickets": options.tickets}
    more["reuse_port"] = max(options.processes, options.threads) > 1
    server = make_server(options, options.beside or 0, **more)
    await server.start()
    port = server.addresses[0][1]
    processes: list[subprocess.Popen[bytes]] = []
    threads: list[threading.Thread] = []
    ending = threading.Event()
    try:
        if options.beside is None:
            processes += [start_process(port) for _ in range(options.processes - 1)]
            for _ in range(options.threads - 1):
                threads.append(start_thread(make_server(options, port, **more), options.loop, ending))
        announce("pyradsec", port, [process.pid for process in processes])
        await end_of_input()
        await server.stop(grace=1.0)
    finally:
        ending.set()
        for thread in threads:
            thread.join()
    for process in processes:
        process.wait()


async def serve_pyrad2(options: argparse.Namespace) -> None:
    """pyrad2 tells neither its port nor when it listens: choose a free one and knock."""
    if not options.logging:
        # A handler left in place formats and writes several records for each packet.
        import_module("loguru").logger.remove()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    running = asyncio.ensure_future(make_server(options, port).run())
    while not running.done():
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            break
    announce("pyrad2", port)
    await asyncio.wait([running, asyncio.ensure_future(end_of_input())], return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()
    running.cancel()  # ends once the last client has gone


def loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    return import_module("uvloop").new_event_loop if name == "uvloop" else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", choices=["pyradsec", "pyrad2"])
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], default="asyncio")
    parser.add_argument("--certs", type=Path, default=HERE.parent / "certs", metavar="DIR")
    parser.add_argument("--await-ms", type=float, default=0, metavar="MS", help="the handler waits so long first (0)")
    parser.add_argument("--tickets", type=int, metavar="N", help="session tickets, pyradsec only (its default)")
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="that share a port, pyradsec only (1)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="the same, each with an event loop (1)")
    parser.add_argument("--beside", type=int, help=argparse.SUPPRESS)  # the port of the first of several processes
    parser.add_argument("--logging", action="store_true", help="leave pyrad2's log handlers as they come")
    options = parser.parse_args()
    serve = serve_pyradsec if options.library == "pyradsec" else serve_pyrad2
    with asyncio.Runner(loop_factory=loop_factory(options.loop)) as runner:
        runner.run(serve(options))


if __name__ == "__main__":
    main()
