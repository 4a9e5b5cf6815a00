"""The server of server_radsec.py in several processes, for a machine with several cores.

    python examples/workers_radsec.py [--workers 4] [--port 2083]

Every process listens on the same port (reuse_port=True), and the kernel gives each new connection to one of them. They
share nothing else: what handlers of one have to know of another's belongs into a database. Ctrl-C ends them at once,
SIGTERM lets what is being answered finish first; when one ends by itself, all end, with exit status 1.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import multiprocessing
import os
import signal
import socket
import sys
from multiprocessing.connection import wait

from server_radsec import make_server, serve


def work(address: str, port: int) -> None:
    """One process: a server like any other."""
    logging.basicConfig(level=logging.INFO, format="%(process)d %(levelname)s %(message)s")
    server = make_server(address, port)
    server.reuse_port = True
    asyncio.run(serve(server))


def run_workers(address: str, port: int, num: int) -> int:
    """Starts `num` processes, hands signals on to them, and waits for their end; the exit status."""
    # Signals come as octets, to wait for them beside the processes.
    signals, wake = socket.socketpair()
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    for handed_on in (signal.SIGINT, signal.SIGTERM):
        signal.signal(handed_on, lambda *_: None)
    # New interpreters: a forked one would have a copy of whatever this one's threads have locked.
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=work, args=(address, port)) for _ in range(num)]
    for worker in workers:
        worker.start()
    is_ending = has_failed = False
    while alive := [worker for worker in workers if worker.is_alive()]:
        ready = wait([signals, *(worker.sentinel for worker in alive)])
        if signals in ready:
            number = signals.recv(1)[0]
        elif not is_ending:
            number, has_failed = int(signal.SIGTERM), True
        else:
            continue
        is_ending = True
        for worker in alive:
            if worker.pid is not None and worker.is_alive():
                os.kill(worker.pid, number)
    return 1 if has_failed or any(worker.exitcode for worker in workers) else 0


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
    # Bound, not listening: it holds the port for the others, also a free one.
    with socket.socket(socket.AF_INET6 if ":" in options.address else socket.AF_INET) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            holder.bind((options.address, options.port))
        except OSError as error:
            parser.exit(1, f"{options.address} port {options.port}: {error.strerror}\n")
        sys.exit(run_workers(options.address, holder.getsockname()[1], options.workers))


if __name__ == "__main__":
    main()
