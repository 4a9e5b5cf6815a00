"""Opens and ends ten thousand connections, in every way that there is, and fails when anything of them is left.

    python tests/engine/leak.py [--connections 10000] [--seconds 60]

Run by itself, not by pytest: it takes about a minute. Without resumption each connection is a full handshake. It ends
early, and says so, when the time is up.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from serving import descriptors, serving

from pyradsec import _core
from pyradsec.radsec.server import RadSecServer
from wire import Peer, access_request, accounting_request, client_context, status_server

# Octets that the process may grow by after it has warmed up: what allocators keep, and nothing that grows with the
# number of connections (10 000 times 1 kB would be 10 MB).
ALLOWED_GROWTH = 2 * 2**20
WARM_UP = 1000
CLIENTS = 2


class Varied(RadSecServer):
    """Handlers that end in every way."""

    async def handle_access_request(self, packet: Any) -> Any:
        return await self.answer(packet)

    async def handle_accounting(self, packet: Any) -> Any:
        return await self.answer(packet)

    async def answer(self, packet: Any) -> Any:
        match packet.id % 5:
            case 0:
                await asyncio.sleep(0)
            case 1:
                raise RuntimeError("on purpose")
            case 2:
                return None
            case 3:
                await asyncio.sleep(0.001)
        return packet.create_reply(Reply_Message="x" * 100)


def orderly(peer: Peer) -> None:
    peer.ask(access_request(id=4))


def many(peer: Peer) -> None:
    packets = [access_request(id=id) for id in range(20) if id % 5 in (0, 3, 4)]
    peer.send(*packets, status_server(id=255))
    peer.receive_many(len(packets) + 1)


def failing(peer: Peer) -> None:
    peer.send(access_request(id=1), access_request(id=2), accounting_request(id=2))
    peer.probe()


def reset_with_requests(peer: Peer) -> None:
    peer.send(*(access_request(id=id) for id in range(10)), *(accounting_request(id=id) for id in range(10)))
    peer.reset()


def half_a_packet(peer: Peer) -> None:
    peer.send(access_request()[:30])
    peer.half_close()
    peer.receive_rest()


def malformed(peer: Peer) -> None:
    peer.send(b"\x01\x00\x00\x05" + bytes(16))
    peer.receive_rest()


def garbage(peer: Peer) -> None:
    peer.probe()
    peer.send_raw(b"\x17\x03\x03\x00\x20" + bytes(32))
    peer.receive_rest()


VISITS: tuple[Callable[[Peer], None], ...] = (
    orderly,
    many,
    failing,
    reset_with_requests,
    half_a_packet,
    malformed,
    garbage,
)


def resident() -> int:
    """Octets of this process in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def visit(address: tuple[str, int], num: int, seconds: float) -> int:
    """Connections one after another, an unfinished handshake now and then. How many there were."""
    context, end, count = client_context(), time.monotonic() + seconds, 0
    while count < num and time.monotonic() < end:
        if count % 20 == 19:
            with contextlib.closing(Peer(address, context, handshake=False)) as peer:
                peer.handshake_step()
        else:
            with contextlib.closing(Peer(address, context)) as peer:
                VISITS[count % len(VISITS)](peer)
        count += 1
    return count


def visit_all(address: tuple[str, int], num: int, seconds: float) -> int:
    """The same from processes of their own, so that this one's memory is the server's."""
    command = [sys.executable, __file__, "--visit", str(address[1])]
    clients = [
        subprocess.Popen(
            [*command, "--connections", str(num // CLIENTS), "--seconds", str(seconds)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(CLIENTS)
    ]
    counts = [client.communicate(timeout=seconds + 30)[0] for client in clients]
    if any(client.returncode for client in clients):
        raise SystemExit("a client failed")
    return sum(map(int, counts))


def quiet(running: Any) -> None:
    """Waits for the end of all connections. Drops the log: its tracebacks hold packets, and these their peers."""
    deadline = time.monotonic() + 20
    while True:
        running.log.records.clear()
        gc.collect()
        left = _core.live_objects()
        if not (left["connections"] or left["requests"] or left["peers"]):
            return
        if time.monotonic() > deadline:
            raise SystemExit(f"left over: {left}")
        time.sleep(0.01)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=10000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--visit", type=int, metavar="PORT", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.visit is not None:
        print(visit(("127.0.0.1", args.visit), args.connections, args.seconds))
        return
    # serving() looks for descriptors, threads and objects at the end.
    with serving(Varied, max_in_flight=8) as running:
        # What the tests gather about a server is not what this is about.
        running.log.records = collections.deque(maxlen=100)  # type: ignore[assignment]
        visit_all(running.address, WARM_UP, args.seconds)
        quiet(running)
        files, memory = len(descriptors()), resident()
        began = time.monotonic()
        num = visit_all(running.address, args.connections, args.seconds)
        seconds = time.monotonic() - began
        quiet(running)
        growth = resident() - memory
        more_files = len(descriptors()) - files
        stats = running.stats()
    print(f"{num} connections in {seconds:.1f} s; {growth / 1024:+.0f} kB; {more_files:+d} descriptors")
    if num < args.connections:
        print(f"time is up: {args.connections} were asked for")
    problems = []
    if growth > ALLOWED_GROWTH:
        problems.append(f"the process grew by {growth} octets, allowed {ALLOWED_GROWTH}")
    if more_files > 0:
        problems.append(f"{more_files} descriptors more")
    for gauge in ("connections_open", "connections_half_open", "requests_in_flight", "requests_waiting"):
        if stats[gauge] != 0:
            problems.append(f"{gauge} is {stats[gauge]}")
    if any(_core.live_objects().values()):
        problems.append(f"left over: {_core.live_objects()}")
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
