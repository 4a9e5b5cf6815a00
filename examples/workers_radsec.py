"""The server of server_radsec.py in several processes, for a machine with several cores.

    python examples/workers_radsec.py [--workers 4] [--port 2083]

Every process listens on the same port (reuse_port=True), and the kernel gives each new connection to one of them. They
share nothing else: what handlers of one have to know of another's belongs into a database. Ctrl-C and SIGTERM let what
is being answered finish first, a second one does not. When one process ends by itself all end, with exit status 1.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import Iterator
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess

from server_radsec import Server, make_server, serve

TOLD_TO_END = (0, -signal.SIGTERM, -signal.SIGKILL)  # exit codes of workers that were; the signals, while they start


async def serve_with_parent(server: Server) -> None:
    """Serves until SIGTERM, or until the parent is no more."""
    loop, parent = asyncio.get_running_loop(), multiprocessing.parent_process()
    assert parent is not None

    def on_orphaned() -> None:
        loop.remove_reader(parent.sentinel)
        signal.raise_signal(signal.SIGTERM)

    loop.add_reader(parent.sentinel, on_orphaned)
    await serve(server)


def work(address: str, port: int) -> None:
    """One process: a server like any other."""
    logging.basicConfig(level=logging.INFO, format="%(process)d %(levelname)s %(message)s")
    server = make_server(address, port)
    server.reuse_port = True
    asyncio.run(serve_with_parent(server))


@contextlib.contextmanager
def started(address: str, port: int, num: int) -> Iterator[list[SpawnProcess]]:
    """The processes; whatever happens, none of them is left after the block."""
    # New interpreters: a forked one would have a copy of whatever this one's threads have locked.
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=work, args=(address, port)) for _ in range(num)]
    # Ctrl-C goes to all processes of a terminal. They inherit that it is ignored: the parent tells them.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        for worker in workers:
            worker.start()
        signal.signal(signal.SIGINT, before)
        yield workers
    finally:
        for worker in workers:
            if worker.is_alive():
                worker.kill()


def run_workers(address: str, port: int, num: int) -> int:
    """Starts `num` processes, tells them when to end, and waits for that; the exit status."""
    # Signals come as octets, to wait for them beside the processes.
    signals, wake = socket.socketpair()
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    num_told = 0
    has_failed = False
    with started(address, port, num) as workers:
        while alive := [worker for worker in workers if worker.is_alive()]:
            ready = wait([signals, *(worker.sentinel for worker in alive)])
            if signals in ready:
                signals.recv(1)
            elif num_told == 0:
                has_failed = True
            else:
                continue
            for worker in alive:
                (worker.terminate if num_told == 0 else worker.kill)()
            num_told += 1
        return 1 if has_failed or any(worker.exitcode not in TOLD_TO_END for worker in workers) else 0


def main() -> None:
    parser = argparse.ArgumentParser(description="A RADIUS/TLS example server in several processes.")
    parser.add_argument("--address", default="127.0.0.1", help="where to listen (default: %(default)s)")
    parser.add_argument("--port", type=int, default=2083, help="TCP port (default: %(default)s; 0: a free one)")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one a processor, %(default)s)"
    )
    options = parser.parse_args()
    if options.workers < 1:
        parser.error("--workers must be at least 1")
    # Bound, not listening: it holds the port for the others, also a free one. Who starts the service twice hears of it
    # here, where the port is not shared yet: the workers would join those of the first one without a word.
    with socket.socket(socket.AF_INET6 if ":" in options.address else socket.AF_INET) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind((options.address, options.port))
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            parser.exit(1, f"{options.address} port {options.port}: {reason}\n")
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sys.exit(run_workers(options.address, holder.getsockname()[1], options.workers))


if __name__ == "__main__":
    main()
